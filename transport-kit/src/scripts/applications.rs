//! Applications that fail.

use crate::script::{Script, get, post_head};

pub(crate) fn scripts() -> Vec<Script> {
    let mut scripts = vec![
        Script::new("a panic, and the next request")
            .send(get("/panic"))
            .until("500")
            .until("\r\n\r\n")
            .connect()
            .send(get("/hello"))
            .until("world!"),
        Script::new("a panic where the handler is called")
            .send(get("/panic-in-call"))
            .until("500")
            .until("\r\n\r\n"),
        Script::new("a panic later")
            .send(get("/panic-late"))
            .recorded("request")
            .open("panic")
            .until("500")
            .until("\r\n\r\n"),
        Script::new("a panic with its text")
            .config(|config| config.channel.expose_tracebacks = true)
            .send(get("/panic"))
            .until("500")
            .until("as asked"),
        Script::new("a panic with a body on its way")
            .send(post_head("/panic", 100))
            .until("500")
            .until("\r\n\r\n"),
        Script::new("a panic among pipelined requests")
            .send(get("/hello") + &get("/panic") + &get("/hello"))
            .until("world!")
            .until("500")
            .until("\r\n\r\n"),
    ];
    for (name, end) in [("panics", "panic"), ("fails", "error")] {
        scripts.push(
            Script::new(format!("a source that {name} before its first frame"))
                .send(get(&format!("/download?end={end}&gate=0")))
                .until("\r\n\r\n")
                .open("source")
                .end(),
        );
        scripts.push(
            Script::new(format!("a source that {name} in the middle"))
                .send(get(&format!("/download?bytes=1000&end={end}&gate=1000")))
                .until("\r\n\r\n3e8\r\n")
                .until("\r\n")
                .open("source")
                .end(),
        );
        scripts.push(
            Script::new(format!("a source that {name} where only a reset can tell"))
                .send(format!("GET /download?bytes=1000&end={end}&gate=1000 HTTP/1.0\r\n\r\n"))
                .until("\r\n\r\n")
                .until(&crate::sum::pattern(0, 1000)[900..])
                .open("source")
                .end(),
        );
    }
    scripts
}
