//! Responses of every size and kind.

use crate::script::{Script, get};

pub(crate) fn scripts() -> Vec<Script> {
    let mut scripts = vec![
        Script::new("a response without content").send(get("/status?code=200")).until("\r\n\r\n"),
        Script::new("204, 205, 304")
            .send(
                get("/status?code=204")
                    + &get("/status?code=205")
                    + &get("/status?code=304")
                    + &get("/hello"),
            )
            .until("world!"),
        Script::new("HEAD")
            .send("HEAD /hello HTTP/1.1\r\nHost: kit\r\n\r\n")
            .until("\r\n\r\n")
            .send(get("/hello"))
            .until("world!"),
        Script::new("HEAD of a streamed response")
            .send("HEAD /download?bytes=100000 HTTP/1.1\r\nHost: kit\r\n\r\n")
            .until("\r\n\r\n")
            .recorded("dropped")
            .send(get("/hello"))
            .until("world!"),
        Script::new("a response that closes").send(get("/close")).until("closing").end(),
        Script::new("a response of one large piece")
            .send(get("/whole?bytes=1000000"))
            .send(get("/hello"))
            .until("world!"),
        Script::new("large pieces behind each other")
            .send(get("/whole?bytes=200000").repeat(5) + &get("/hello"))
            .until("world!"),
        Script::new("a response in many small frames with trailers")
            .send(get("/download?bytes=5000&frame=7"))
            .until("\r\n0\r\nX-Sum: ")
            .until("\r\n\r\n"),
        Script::new("a response of no frames").send(get("/download")).until("0\r\nX-Sum: ").until("\r\n\r\n"),
        Script::new("a flush after each frame")
            .send(get("/download?bytes=5000&frame=500&flush"))
            .until("X-Sum: ")
            .until("\r\n\r\n"),
        Script::new("a flush that the peer sees before the next frame")
            .send(get("/download?bytes=20&frame=10&flush&gate=10"))
            .until("abcdefghij\r\n")
            .open("source")
            .until("X-Sum: ")
            .until("\r\n\r\n"),
        Script::new("a response with a length and too many bytes")
            .send(get("/download?bytes=20&frame=10&length=15"))
            .until("abcdefghijklmno")
            .recorded("excess")
            .send(get("/hello"))
            .until("world!"),
        Script::new("a response with a length that it does not reach")
            .send(get("/download?bytes=10&frame=10&length=15&gate=10"))
            .until("abcdefghij")
            .open("source")
            .end(),
        Script::new("a response to HTTP/1.0 that ends with the connection")
            .send("GET /download?bytes=30000 HTTP/1.0\r\n\r\n")
            .end(),
        Script::new("a field that cannot be sent").send(get("/bad-field")).until("500").until("\r\n\r\n"),
        Script::new("a source that waits")
            .send(get("/download?bytes=3000&gate=1000"))
            .recorded("responds with 200")
            .until("\r\n3e8\r\n")
            .open("source")
            .until("X-Sum: ")
            .until("\r\n\r\n"),
    ];
    for frame in [100, 4096, 65_536, 65_537, 300_000] {
        let name = format!("a response above the high-water mark in frames of {frame}");
        let bytes = if frame == 100 { 100_000 } else { 600_000 };
        let path = format!("/download?bytes={bytes}&frame={frame}");
        scripts.push(Script::new(name).send(get(&path)).until("\r\n0\r\nX-Sum: ").until("\r\n\r\n"));
    }
    for (what, path) in [
        ("a whole response", "/whole?bytes=100000"),
        ("frames", "/download?bytes=100000&frame=9999"),
        ("frames of a length", "/download?bytes=100000&frame=9999&length=100000&end=plain"),
    ] {
        scripts.push(
            Script::new(format!("{what} through a small buffer, in sips"))
                .small_buffer()
                .send(get(path) + &get("/hello"))
                .sip(1000, "world!"),
        );
    }
    scripts.push(
        Script::new("small responses through a small buffer")
            .small_buffer()
            .send(get("/hello").repeat(500) + &get("/status?code=404"))
            .sip(700, "404")
            .until("\r\n\r\n"),
    );
    scripts.push(
        Script::new("a low high-water mark")
            .config(|config| config.channel.output_high_water = 1024)
            .send(get("/download?bytes=50000&frame=3000"))
            .until("X-Sum: ")
            .until("\r\n\r\n"),
    );
    scripts
}
