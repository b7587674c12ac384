//! What a hostile peer sends.

use crate::script::{Script, chunked_head, get};

pub(crate) fn scripts() -> Vec<Script> {
    let heads: &[(&str, &str, &str)] = &[
        (
            "two different lengths",
            "POST /upload HTTP/1.1\r\nHost: kit\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nfour",
            "400",
        ),
        (
            "a length and a coding",
            "POST /upload HTTP/1.1\r\nHost: kit\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "400",
        ),
        (
            "a coding that hides behind a blank",
            "POST /upload HTTP/1.1\r\nHost: kit\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
            "400",
        ),
        (
            "chunked twice",
            "POST /upload HTTP/1.1\r\nHost: kit\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
            "400",
        ),
        (
            "an unknown coding",
            "POST /upload HTTP/1.1\r\nHost: kit\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
            "501",
        ),
        (
            "chunked and then something",
            "POST /upload HTTP/1.1\r\nHost: kit\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
            "400",
        ),
        (
            "a coding in HTTP/1.0",
            "POST /upload HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "400",
        ),
        (
            "a length with a sign",
            "POST /upload HTTP/1.1\r\nHost: kit\r\nContent-Length: +4\r\n\r\nfour",
            "400",
        ),
        (
            "a length beyond 64 bits",
            "POST /upload HTTP/1.1\r\nHost: kit\r\nContent-Length: 99999999999999999999\r\n\r\n",
            "413",
        ),
        (
            "a length of lists",
            "POST /upload HTTP/1.1\r\nHost: kit\r\nContent-Length: 4, 4\r\n\r\nfour",
            "400",
        ),
        ("a folded line", "GET /hello HTTP/1.1\r\nHost: kit\r\nX: a\r\n b\r\n\r\n", "400"),
        ("no host", "GET /hello HTTP/1.1\r\n\r\n", "400"),
        ("two hosts", "GET /hello HTTP/1.1\r\nHost: kit\r\nHost: tik\r\n\r\n", "400"),
        ("lines that end in LF", "GET /hello HTTP/1.1\nHost: kit\n\n", "400"),
        ("a CR alone", "GET /hello HTTP/1.1\r\nHost: kit\r\nX: a\rb\r\n\r\n", "400"),
        ("a NUL", "GET /hello HTTP/1.1\r\nHost: kit\r\nX: a\0b\r\n\r\n", "400"),
        ("HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "505"),
        ("HTTP/3.0", "GET /hello HTTP/3.0\r\nHost: kit\r\n\r\n", "505"),
        ("HTTP/0.9", "GET /hello\r\n\r\n", "400"),
        ("a TLS hello", "\x16\x03\x01\x02\0\x01\0\x01\u{7c}\x03\x03", "400"),
        ("a method of no token", "G@T /hello HTTP/1.1\r\nHost: kit\r\n\r\n", "400"),
        ("a target with a fragment of space", "GET /hel lo HTTP/1.1\r\nHost: kit\r\n\r\n", "400"),
        ("a line without a colon", "GET /hello HTTP/1.1\r\nHost: kit\r\nnonsense\r\n\r\n", "400"),
        ("five empty lines", "\r\n\r\n\r\n\r\n\r\nGET /hello HTTP/1.1\r\nHost: kit\r\n\r\n", "400"),
    ];
    // No byte follows these, neither by the peer nor by a deadline.
    let lines: &[(&str, &str, &str)] = &[
        ("a first line of SMTP", "EHLO x\r\n", "400"),
        ("a first line of HTTP/0.9", "GET /\r\n", "400"),
        ("a first line of an unknown version", "GET / HTTP/9.9\r\n", "505"),
        ("a field line without a colon", "GET / HTTP/1.1\r\nHost: kit\r\nno field\r\n", "400"),
        ("a field line that is folded", "GET / HTTP/1.1\r\nHost: kit\r\n folded\r\n", "400"),
        ("a field line with a blank before its colon", "GET / HTTP/1.1\r\nHost : kit\r\n", "400"),
    ];
    let bodies: &[(&str, &str, &str)] = &[
        ("a chunk size of no number", "", "zz\r\n"),
        ("a negative chunk", "", "-1\r\n"),
        ("a chunk size of 17 digits", "", "00000000000000001\r\nx\r\n0\r\n\r\n"),
        ("a chunk that is longer than it says", "3\r\nabc", "d\r\n0\r\n\r\n"),
        ("a chunk line that ends in LF", "", "3\nabc\r\n0\r\n\r\n"),
        ("a chunk that ends in LF", "3\r\nabc", "\n0\r\n\r\n"),
        ("a chunk size in C", "", "0x3\r\nabc\r\n0\r\n\r\n"),
        ("a trailer of no field", "", "0\r\nnonsense\r\n\r\n"),
    ];
    let mut scripts = vec![
        Script::new("hostile: a target that is too long and has no end")
            .send("GET /".to_owned() + &"a".repeat(8192))
            .until("414")
            .end(),
        Script::new("hostile: a method that is too long and has no end")
            .send("A".repeat(257))
            .until("501")
            .end(),
        Script::new(
            "hostile: a body that is malformed in its first byte, behind the 100 of a request that is echoed",
        )
        .send(
            "POST /echo HTTP/1.1\r\nHost: kit\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n",
        )
        .until("100 Continue\r\n\r\n")
        .send("z")
        .until("400")
        .end(),
    ];
    for (name, bytes, status) in heads {
        scripts.push(Script::new(format!("hostile: {name}")).send(bytes).until(status).end());
    }
    for (name, bytes, status) in lines {
        let name = format!("hostile: {name}, and nothing behind it");
        scripts.push(Script::new(&name).send(bytes).until(status).end());
        let behind = Script::new(format!("{name}, after a response"));
        scripts.push(behind.send(get("/hello")).until("world!").send_by(bytes, 1).until(status).end());
    }
    for (name, good, bad) in bodies {
        let good = chunked_head("/upload") + good;
        scripts.push(Script::new(format!("hostile: {name}")).send(good.clone() + bad).until("400").end());
        let script = Script::new(format!("hostile, byte by byte: {name}")).send_by(&good, 1);
        // Whether the handler sees the good bytes before the bad ones is up to the reads.
        let script = script.recorded(if good.ends_with("abc") { "body 3 bytes" } else { "reads" });
        scripts.push(script.send_by(bad, 1).until("400").end());
    }
    scripts.push(
        Script::new("a refusal waits for the responses before it")
            .send(get("/gate") + "nonsense\r\n\r\n")
            .recorded("waits")
            .open("gate")
            .until("passed")
            .until("400")
            .end(),
    );
    scripts.push(
        Script::new("a request smuggled behind a refused one is not served")
            .send("POST /upload HTTP/1.1\r\nHost: kit\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".to_owned() + &get("/hello"))
            .until("400")
            .end(),
    );
    scripts.push(
        Script::new("a broken body behind an early response")
            .send(chunked_head("/gate") + "3\r\nabc\r\n")
            .recorded("waits")
            .open("gate")
            .until("passed")
            .end(),
    );
    scripts
}
