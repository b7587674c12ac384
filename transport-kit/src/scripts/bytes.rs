//! What arrives, however it is cut.

use crate::chunks::chunks;
use crate::script::{Script, chunked_head, get, post};
use crate::sum::pattern;

pub(crate) fn scripts() -> Vec<Script> {
    let hello = get("/hello");
    let mut scripts = vec![
        Script::new("a GET in one piece").send(&hello).until("world!"),
        Script::new("a GET byte by byte").send_by(&hello, 1).until("world!"),
        Script::new("requests one after another")
            .send(&hello)
            .until("world!")
            .send(get("/status?code=204"))
            .until("204")
            .until("\r\n\r\n")
            .send(post("/upload", "0123456789"))
            .until("end []")
            .send(&hello)
            .until("world!"),
        Script::new("16 requests at once")
            .send(get("/hello").repeat(15) + &get("/status?code=404"))
            .until("404")
            .until("\r\n\r\n"),
        Script::new("16 requests at once, byte by byte")
            .send_by(get("/hello").repeat(15) + &get("/status?code=404"), 1)
            .until("404")
            .until("\r\n\r\n"),
        Script::new("200 requests at once, more than a read")
            .send(format!("GET /hello HTTP/1.1\r\nHost: kit\r\nX: {}\r\n\r\n", "x".repeat(900)).repeat(200))
            .send(get("/status?code=404"))
            .until("404")
            .until("\r\n\r\n"),
        Script::new("an empty line before a request").send("\r\n".to_owned() + &hello).until("world!"),
        Script::new("empty lines behind each request")
            .send(hello.clone() + "\r\n")
            .until("world!")
            .send_by("\r\n", 1)
            .send(hello.clone() + "\r\n\r\n")
            .until("world!")
            .fin()
            .end(),
        Script::new("a request of HTTP/1.0").send("GET /hello HTTP/1.0\r\n\r\n").until("world!").end(),
        Script::new("HTTP/1.0 that keeps alive")
            .send("GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
            .until("world!")
            .send("GET /hello HTTP/1.0\r\n\r\n")
            .until("world!")
            .end(),
        Script::new("a request that says close")
            .send("GET /hello HTTP/1.1\r\nHost: kit\r\nConnection: close\r\n\r\n")
            .until("world!")
            .end(),
        Script::new("an absolute target")
            .send("GET http://kit/hello HTTP/1.1\r\nHost: kit\r\n\r\n")
            .until("world!"),
        Script::new("a head of many fields")
            .send(
                "GET /hello HTTP/1.1\r\nHost: kit\r\n".to_owned()
                    + &"Some-Field: with a value\r\n".repeat(100)
                    + "\r\n",
            )
            .until("world!"),
        Script::new("a head larger than a read")
            .send(format!("GET /hello HTTP/1.1\r\nHost: kit\r\nX: {}\r\n\r\n", "x".repeat(200_000)))
            .until("world!"),
        Script::new("posts and gets at once")
            .send([post("/upload", pattern(0, 3000)), get("/hello").into(), post("/upload", "abc")].concat())
            .until("3000 bytes")
            .until("world!")
            .until("3 bytes")
            .until("end []"),
        Script::new("a request behind one that is with the handler")
            .send(get("/gate"))
            .recorded("waits")
            .send(&hello)
            .open("gate")
            .until("passed")
            .until("world!"),
        Script::new("bytes of a request behind one that is with the handler")
            .send(get("/gate"))
            .recorded("waits")
            .send("GET /hel")
            .open("gate")
            .until("passed")
            .send("lo HTTP/1.1\r\nHost: kit\r\n\r\n")
            .until("world!"),
    ];
    for cut in [1, 5, 20, 21, hello.len() - 3, hello.len() - 2, hello.len() - 1] {
        let (before, after) = hello.split_at(cut);
        scripts.push(Script::new(format!("a GET cut at {cut}")).pieces([before, after]).until("world!"));
    }
    let mut chunked = chunked_head("/upload").into_bytes();
    chunked.extend_from_slice(&chunks(&pattern(0, 100), 16));
    chunked.extend_from_slice(b"0\r\nX-A: b\r\n\r\n");
    for length in [1, 2, 3, 7, 50] {
        let name = format!("a chunked upload with trailers in pieces of {length}");
        scripts.push(Script::new(name).send_by(&chunked, length).until("X-A: b\"]"));
    }
    scripts
}
