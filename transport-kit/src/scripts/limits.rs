//! Limits, at their border and one above.

use httpfsm::config::ServerConfig;

use crate::chunks::chunks;
use crate::script::{Script, chunked_head, get, post};
use crate::sum::pattern;

pub(crate) fn scripts() -> Vec<Script> {
    let head = |length: usize| {
        let bare = get("/hello").len() + "X: \r\n".len();
        format!("GET /hello HTTP/1.1\r\nHost: kit\r\nX: {}\r\n\r\n", "x".repeat(length - bare))
    };
    let target = |length: usize| get(&format!("/hello?{}", "x".repeat(length - 7)));
    let fields =
        |fields: usize| format!("GET /hello HTTP/1.1\r\nHost: kit\r\n{}\r\n", "X: y\r\n".repeat(fields - 1));
    let chunked = |length: usize| {
        [chunked_head("/upload").into_bytes(), chunks(&pattern(0, length), 100), b"0\r\n\r\n".to_vec()]
            .concat()
    };
    let trailers = |trailers: usize| {
        format!("{}1\r\nx\r\n0\r\n{}\r\n", chunked_head("/upload"), "X: y\r\n".repeat(trailers))
    };
    let extension =
        |length: usize| format!("{}1;{}\r\nx\r\n0\r\n\r\n", chunked_head("/upload"), "x".repeat(length - 1));
    let small = |config: &mut ServerConfig| {
        config.channel.max_request_header_size = 2000;
        config.channel.max_request_target_size = 1000;
        config.channel.max_request_fields = 20;
        config.channel.max_request_body_size = 1000;
        config.channel.max_trailer_fields = 5;
        config.channel.max_chunk_extension_line = 50;
    };
    let fits = |name: &str, bytes: Vec<u8>, last: &str| {
        Script::new(format!("{name}, as large as may be")).config(small).send(bytes).until(last)
    };
    // Bytes of a refused request that stand unread do not make a reset: the server lingers.
    let above = |name: &str, bytes: Vec<u8>, status: &str| {
        Script::new(format!("{name}, one above the limit")).config(small).send(bytes).until(status).end()
    };
    vec![
        fits("a head", head(2000).into(), "world!"),
        above("a head", head(2001).into(), "431"),
        fits("a target", target(1000).into(), "world!"),
        above("a target", target(1001).into(), "414"),
        fits("fields", fields(20).into(), "world!"),
        above("fields", fields(21).into(), "431"),
        fits("a body", post("/upload", pattern(0, 1000)), "end []"),
        above("a body", post("/upload", pattern(0, 1001)), "413"),
        fits("a chunked body", chunked(1000), "end []"),
        above("a chunked body", chunked(1001), "413"),
        fits("trailers", trailers(5).into(), "end ["),
        above("trailers", trailers(6).into(), "431"),
        fits("an extension", extension(50).into(), "end []"),
        above("an extension", extension(60).into(), "400"),
        Script::new("the last request of a connection")
            .config(|config| config.channel.requests_per_connection = 3)
            .send(get("/hello").repeat(3))
            .until("world!")
            .until("world!")
            .until("world!")
            .end(),
        Script::new("more requests ahead than may wait")
            .config(|config| config.channel.maximum_simultaneous_requests = 2)
            // In one segment, so that all are there when it is judged.
            .send(get("/gate") + &get("/hello").repeat(3))
            .recorded("waits")
            .open("gate")
            .until("passed")
            .end(),
        Script::new("a small input bound")
            .config(|config| config.channel.input_bound = 4096)
            .send(get("/gate"))
            .recorded("waits")
            .send(get("/hello").repeat(1000))
            .send(get("/status?code=404"))
            .open("gate")
            .until("404")
            .until("\r\n\r\n"),
    ]
}
