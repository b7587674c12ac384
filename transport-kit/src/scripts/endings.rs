//! How connections end: half-closed, reset, closed.

use std::time::Duration;

use crate::application::POINTS;
use crate::script::{Script, Step, chunked_head, get, post_head};
use crate::scripts::drains;
use crate::sum::pattern;

/// More than the buffers of two sockets hold, and all of it in one piece: while it leaves, the response is finished.
const LARGE: &str = "/whole?bytes=6000000";

/// The same, in the head of its response.
const UPGRADE: &str =
    "GET /upgrade?bytes=6000000 HTTP/1.1\r\nHost: kit\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n";

pub(crate) fn half_closes() -> Vec<Script> {
    vec![
        Script::new("an end without a request").fin().end(),
        Script::new("an end after a response").send(get("/hello")).until("world!").fin().end(),
        Script::new("an end behind a request that is with the handler")
            .send(get("/gate"))
            .recorded("waits")
            .fin()
            .recorded("peer ended")
            .open("gate")
            .until("passed")
            .end(),
        Script::new("an end inside a head").send("GET /hello HTT").fin().until("400").end(),
        Script::new("an end after an empty line").send("\r\n").fin().end(),
        Script::new("an end inside a body")
            .send(post_head("/upload", 100) + "some")
            .recorded("body 4 bytes")
            .fin()
            .end(),
        Script::new("an end inside a chunk")
            .send(chunked_head("/upload") + "64\r\nsome")
            .recorded("body 4 bytes")
            .fin()
            .end(),
        Script::new("an end inside trailers")
            .send(chunked_head("/upload") + "4\r\nsome\r\n0\r\nX-A: ")
            .recorded("body 4 bytes")
            .fin()
            .end(),
        Script::new("an end inside a body that nobody reads")
            .send(post_head("/gate", 100) + "some")
            .recorded("waits")
            .fin()
            .recorded("peer ended")
            .open("gate")
            .end(),
        Script::new("a handler that waits for the peer's end")
            .send(get("/peer-ended"))
            .recorded("waits")
            .fin()
            .until("\r\n\r\nended")
            .end(),
        Script::new("an end behind the 100 of a request that is echoed")
            .send("POST /echo HTTP/1.1\r\nHost: kit\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n")
            .until("100 Continue\r\n\r\n")
            .fin()
            .until("400")
            .end(),
        Script::new("an end while a large response leaves")
            .send(get("/download?bytes=600000&frame=10000&gate=10000"))
            .recorded("responds with 200")
            .until("\r\n\r\n")
            .fin()
            .recorded("peer ended")
            .open("source")
            .until("X-Sum: ")
            .end(),
        Script::new("an end while a finished response leaves")
            .send(get(LARGE))
            .sip(1, "\r\n\r\n")
            .fin()
            .end(),
        Script::new("an end while the last response leaves")
            .send(format!("GET {LARGE} HTTP/1.1\r\nHost: kit\r\nConnection: close\r\n\r\n"))
            .sip(1, "\r\n\r\n")
            .fin()
            .end(),
        Script::new("an end while the head of an upgrade leaves")
            .send(UPGRADE)
            .sip(1, "101")
            .fin()
            .until("\r\n\r\n[0 bytes")
            .end(),
        Script::new("an end behind the server's own")
            .send(chunked_head("/early"))
            .until("\r\n\r\nearly")
            .end()
            .fin()
            .recorded("closed"),
        Script::new("an end that counts as a disconnect")
            .config(|config| config.channel.fin_is_disconnect = true)
            .send(get("/never"))
            .recorded("waits")
            .fin()
            .recorded("dropped")
            .end(),
        Script::new("an end behind pipelined requests")
            .send(get("/gate") + &get("/hello") + &get("/hello"))
            .recorded("waits")
            .fin()
            .recorded("peer ended")
            .open("gate")
            .until("passed")
            .until("world!")
            .until("world!")
            .end(),
    ]
}

pub(crate) fn disconnects() -> Vec<Script> {
    vec![
        Script::new("a reset without a request").reset(),
        Script::new("a reset after a response").send(get("/hello")).until("world!").reset(),
        Script::new("a reset inside a head").send(get("/hello") + "GET /he").until("world!").reset(),
        Script::new("a reset while the handler waits for it")
            .send(get("/disconnect"))
            .recorded("waits")
            .reset()
            .recorded("disconnected")
            .open("disconnected")
            .recorded("responds with 200"),
        Script::new("a reset while the handler waits for something else")
            .send(get("/never"))
            .recorded("waits")
            .reset()
            .recorded("dropped"),
        Script::new("a reset inside a body")
            .send(post_head("/upload", 100) + "some")
            .recorded("body 4 bytes")
            .reset()
            .recorded("closed"),
        Script::new("a reset behind the 100 of a request that is echoed")
            .send("POST /echo HTTP/1.1\r\nHost: kit\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n")
            .until("100 Continue\r\n\r\n")
            .reset()
            .recorded("closed"),
        Script::new("a reset inside a response")
            .send(get("/download?bytes=2000&gate=1000"))
            .until("\r\n\r\n")
            .until("\r\n3e8\r\n".trim_start())
            .until("\r\n")
            .reset()
            .recorded("dropped"),
        Script::new("a reset beside an upload and its response")
            .send(post_head("/duplex", 100) + "some")
            .until("begin ")
            .recorded("body 4 bytes")
            .reset()
            .recorded("closed"),
        Script::new("a reset while the rest of a body is awaited")
            .send(post_head("/early", 1000))
            .until("\r\n\r\nearly")
            .reset()
            .recorded("closed"),
        Script::new("a reset while a finished response leaves")
            .send(get(LARGE))
            .sip(1, "\r\n\r\n")
            .reset()
            .recorded("closed"),
        Script::new("a reset while the last response leaves")
            .send(format!("GET {LARGE} HTTP/1.1\r\nHost: kit\r\nConnection: close\r\n\r\n"))
            .sip(1, "\r\n\r\n")
            .reset()
            .recorded("closed"),
        Script::new("a reset while the head of an upgrade leaves")
            .send(UPGRADE)
            .sip(1, "101")
            .reset()
            .recorded("tunnel: "),
        Script::new("a reset behind the server's end")
            .send(chunked_head("/early"))
            .until("\r\n\r\nearly")
            .end()
            .reset()
            .recorded("closed"),
        Script::new("a reset of a body that is read elsewhere")
            .send(post_head("/detached", 100) + "some")
            .recorded("body 4 bytes")
            .reset()
            .recorded("detached: "),
        Script::new("a reset for others to live on")
            .connect()
            .send(get("/gate"))
            .recorded("waits")
            .choose(0)
            .send(get("/never"))
            .recorded("waits")
            .reset()
            .recorded("closed")
            .choose(1)
            .open("gate")
            .until("passed"),
    ]
}

/// A handler that is dropped at each point at which it may wait, and for each reason.
pub(crate) fn cancellations() -> Vec<Script> {
    let mut scripts = Vec::new();
    for (point, name) in POINTS.iter().enumerate() {
        for how in ["a reset", "an end that counts as one", "a drain"] {
            let mut script = Script::new(format!("{how} at {name} of a handler")).config(|config| {
                config.channel.fin_is_disconnect = true;
                config.maximum_simultaneous_requests = 1;
            });
            script = script.send(post_head("/points", 1000));
            for (passed, gate) in POINTS.iter().enumerate().take(point) {
                script = script.recorded(*gate);
                script = if passed < 5 && passed % 2 == 1 { script.send("some") } else { script.open(gate) };
            }
            script = script.recorded(*name);
            script = match how {
                "a drain" => script.drain(Duration::ZERO).recorded("dropped").end().gone(),
                // The only place for a request is free again.
                "a reset" => script.reset().recorded("dropped").connect().send(get("/hello")).until("world!"),
                _ => script.fin().recorded("dropped").end().connect().send(get("/hello")).until("world!"),
            };
            scripts.push(script);
        }
    }
    scripts
}

/// How connections end on a Unix socket, as far as that needs no reset.
pub(crate) fn on_unix() -> Vec<Script> {
    let scripts = half_closes().into_iter().chain(cancellations()).chain(drains::scripts());
    let resets = |script: &Script| script.steps.iter().any(|step| matches!(step, Step::Reset));
    scripts.filter(|script| !resets(script)).map(Script::on_unix).collect()
}

pub(crate) fn several() -> Vec<Script> {
    vec![
        Script::new("two connections at once")
            .send(get("/gate"))
            .recorded("waits")
            .connect()
            .send(get("/hello"))
            .until("world!")
            .choose(0)
            .open("gate")
            .until("passed"),
        Script::new("one connection waits for another's body")
            .send(post_head("/upload", 1000))
            .recorded("reads")
            .connect()
            .send(get("/whole?bytes=300000"))
            .until("\r\n\r\n")
            .send(get("/hello"))
            .until("world!")
            .choose(0)
            .send(pattern(0, 1000))
            .until("end []"),
        // The server waits for a moment alone until the first has closed.
        Script::new("an idle connection makes room")
            .config(|config| config.max_connections = 2)
            .send(get("/hello"))
            .until("world!")
            .connect()
            .send(get("/gate"))
            .recorded("waits")
            .connect_when_there_is_room()
            .send(get("/hello"))
            .until("world!")
            .choose(0)
            .end()
            .choose(1)
            .open("gate")
            .until("passed"),
        Script::new("a connection too many, where none is idle")
            .config(|config| config.max_connections = 1)
            .send(get("/gate"))
            .recorded("waits")
            .connect()
            .end()
            .choose(0)
            .open("gate")
            .until("passed"),
        Script::new("a connection too many of one peer")
            .config(|config| config.max_connections_per_peer = 2)
            .connect()
            .connect()
            .end()
            .choose(1)
            .send(get("/hello"))
            .until("world!"),
        Script::new("a request too many on the server")
            .config(|config| config.maximum_simultaneous_requests = 1)
            .send(get("/gate"))
            .recorded("waits")
            .connect()
            .send(get("/hello"))
            .until("503")
            .until("\r\n\r\n")
            .choose(0)
            .open("gate")
            .until("passed"),
    ]
}
