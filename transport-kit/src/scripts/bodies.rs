//! Request bodies, streamed and whole, read and unread.

use crate::chunks::chunks;
use crate::script::{Script, chunked_head, get, post, post_head};
use crate::sum::pattern;

pub(crate) fn uploads() -> Vec<Script> {
    let mut scripts = vec![
        Script::new("an upload of no bytes").send(post("/upload", "")).until("end []"),
        Script::new("an upload of one byte").send(post("/upload", "x")).until("end []"),
        Script::new("an upload larger than all windows")
            .send(post("/upload", pattern(0, 1_000_000)))
            .until("end []"),
        Script::new("a chunked upload larger than all windows")
            .send(chunked_head("/upload"))
            .send(chunks(&pattern(0, 1_000_000), 5000))
            .send("0\r\n\r\n")
            .until("end []"),
        Script::new("a chunked upload of tiny chunks")
            .send(chunked_head("/upload"))
            .send(chunks(&pattern(0, 5000), 1))
            .send("0\r\n\r\n")
            .until("end []"),
        Script::new("a chunked upload with extensions")
            .send(chunked_head("/upload") + "5;a=b;c=\"d\"\r\nhello\r\n0;last\r\n\r\n")
            .until("end []"),
        Script::new("an upload with a pause inside")
            .send(post_head("/upload", 10) + "01234")
            .recorded("body 5 bytes")
            .send("56789")
            .until("end []"),
        Script::new("an upload that is read late")
            .send(post("/read-late", pattern(0, 300_000)))
            .open("read")
            .until("end []"),
        Script::new("an upload that is collected")
            .send(post("/collect", pattern(0, 100_000)))
            .until("100000 bytes"),
        Script::new("an upload too large to be collected")
            .send(post_head("/collect?limit=10", 100))
            .until("413")
            .until("\r\n\r\n")
            .send(pattern(0, 100))
            .send(get("/hello"))
            .until("world!"),
        Script::new("an upload that is read elsewhere")
            .send(post_head("/detached", 10) + "0123456789")
            .recorded("detached: end")
            .open("detached")
            .until("\r\n\r\ndetached"),
        Script::new("trailers back and forth")
            .send(chunked_head("/trailers") + "3\r\nabc\r\n0\r\nX-One: 1\r\nX-Two: 2\r\n\r\n")
            .until("X-Two: 2\r\n\r\n"),
        Script::new("a response that runs beside its upload")
            .send(post_head("/duplex", 20))
            .until("begin ")
            .send("0123456789")
            .recorded("body 10 bytes")
            .send("0123456789")
            .until("0\r\n\r\n"),
        Script::new("a large upload beside its response")
            .send(post("/duplex", pattern(0, 500_000)))
            .until("begin ")
            .until("0\r\n\r\n"),
        Script::new("two uploads in a row, chunked and not")
            .send(
                [chunked_head("/upload").into_bytes(), chunks(&pattern(0, 999), 99), b"0\r\n\r\n".to_vec()]
                    .concat(),
            )
            .until("end []")
            .send(post("/upload", pattern(0, 999)))
            .until("end []"),
    ];
    scripts.extend([1, 1459, 65_536].map(|length| {
        let name = format!("an upload in pieces of {length}");
        let bytes = if length == 1 { 300 } else { 200_000 };
        Script::new(name).send_by(post("/upload", pattern(0, bytes)), length).until("end []")
    }));
    scripts
}

pub(crate) fn unread() -> Vec<Script> {
    vec![
        Script::new("an early response, and the rest behind it")
            .send(post_head("/early", 1000))
            .until("\r\n\r\nearly")
            .send(pattern(0, 1000))
            .send(get("/hello"))
            .until("world!"),
        Script::new("an early response to a body that is there")
            .send(post("/early", pattern(0, 1000)))
            .send(get("/hello"))
            .until("\r\n\r\nearly")
            .until("world!"),
        Script::new("an early response to a body too long to wait for")
            .send(post_head("/early", 10_000_000))
            .until("\r\n\r\nearly")
            .end(),
        Script::new("an early response to a chunked body")
            .send(chunked_head("/early"))
            .until("\r\n\r\nearly")
            .end(),
        Script::new("a rest that never comes")
            .send(post_head("/early", 1000))
            .until("\r\n\r\nearly")
            .send("some")
            .fin()
            .end(),
        Script::new("bytes after the last response are discarded")
            .send(chunked_head("/early"))
            .until("\r\n\r\nearly")
            .send(pattern(0, 20_000))
            .end(),
        Script::new("a large response that closes, and bytes that nobody reads")
            .send("GET /whole?bytes=6000000 HTTP/1.1\r\nHost: kit\r\nConnection: close\r\n\r\n")
            .send(pattern(0, 10_000))
            .end(),
        Script::new("a body that is dropped")
            .send(post_head("/drop-body", 1000))
            .recorded("body dropped")
            .open("dropped")
            .until("\r\n\r\ndropped")
            .send(pattern(0, 1000))
            .send(get("/hello"))
            .until("world!"),
        Script::new("a body that is read in part")
            .send(post_head("/read-some", 2000))
            .send(pattern(0, 1000))
            .until("enough")
            .send(pattern(1000, 1000))
            .send(get("/hello"))
            .until("world!"),
        Script::new("an early response that closes")
            .send(post_head("/close", 1000))
            .until("\r\n\r\nclosing")
            .send(pattern(0, 1000))
            .end(),
        Script::new("no path for a body")
            .send(post("/nowhere", pattern(0, 1000)))
            .until("404")
            .until("\r\n\r\n")
            .send(get("/hello"))
            .until("world!"),
    ]
}

pub(crate) fn whole() -> Vec<Script> {
    let large = pattern(0, 400_000);
    vec![
        Script::new("a whole body in memory")
            .whole(10_000)
            .send(post("/upload", pattern(0, 5000)))
            .until("end []"),
        Script::new("a whole body at the border of a file")
            .whole(5000)
            .send(post("/upload", pattern(0, 5000)))
            .until("end []"),
        Script::new("a whole body one above the border")
            .whole(5000)
            .send(post("/upload", pattern(0, 5001)))
            .until("end []"),
        Script::new("a whole body in a file").whole(1000).send(post("/upload", &large)).until("end []"),
        Script::new("a whole chunked body in a file, with trailers")
            .whole(1000)
            .send(chunked_head("/upload"))
            .send(chunks(&large, 3000))
            .send("0\r\nX-A: b\r\n\r\n")
            .until("X-A: b\"]"),
        Script::new("a whole body with trailers in memory")
            .whole(1000)
            .send(chunked_head("/upload") + "3\r\nabc\r\n0\r\nX-A: b\r\n\r\n")
            .until("X-A: b\"]"),
        Script::new("whole bodies one after another")
            .whole(1000)
            .send(post("/upload", &large))
            .send(post("/upload", "small"))
            .send(get("/hello"))
            .until("end []")
            .until("end []")
            .until("world!"),
        Script::new("a whole body that ends early")
            .whole(1000)
            .send(post_head("/upload", 100) + "some")
            .fin()
            .end(),
        Script::new("a whole body in a file that ends early")
            .whole(10)
            .send(post_head("/upload", 100_000))
            .send(pattern(0, 1000))
            .fin()
            .end(),
        Script::new("a whole body that breaks a rule")
            .whole(1000)
            .send(chunked_head("/upload") + "3\r\nabcd\r\n")
            .until("400")
            .end(),
        Script::new("an expected whole body")
            .whole(1000)
            .send("POST /upload HTTP/1.1\r\nHost: kit\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n")
            .until("100 Continue\r\n\r\n")
            .send("four")
            .until("end []"),
        Script::new("a whole body for a blocking handler")
            .whole(1000)
            .send(post("/sync", &large))
            .until("\r\n\r\nend"),
        Script::new("a whole body that is echoed from its file")
            .whole(1000)
            .send(post("/echo", &large))
            .send(get("/hello"))
            .until("world!"),
    ]
}

pub(crate) fn blocking() -> Vec<Script> {
    vec![
        Script::new("a blocking handler without a body").send(get("/sync")).until("\r\n\r\nend"),
        Script::new("a blocking handler reads a large body")
            .send(post("/sync", pattern(0, 500_000)))
            .until("\r\n\r\nend"),
        Script::new("a blocking handler reads chunks as they come")
            .send(chunked_head("/sync") + "3\r\nabc\r\n")
            .recorded("body 3 bytes")
            .send("3\r\ndef\r\n")
            .recorded("body 6 bytes")
            .send("0\r\n\r\n")
            .until("\r\n\r\nend"),
        Script::new("a blocking handler learns that the body broke off")
            .send(chunked_head("/sync") + "3\r\nabc\r\n")
            .recorded("body 3 bytes")
            .reset()
            .recorded("sync: "),
        Script::new("a blocking handler that panics")
            .send(get("/sync?panic"))
            .until("500")
            .until("\r\n\r\n")
            .connect()
            .send(get("/sync"))
            .until("\r\n\r\nend"),
        Script::new("blocking handlers one after another")
            .send([post("/sync", "one"), post("/sync", "two"), get("/hello").into()].concat())
            .until("\r\n\r\nend")
            .until("\r\n\r\nend")
            .until("world!"),
    ]
}
