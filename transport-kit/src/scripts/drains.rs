//! Out of service, in the middle of everything.

use std::time::Duration;

use crate::script::{SOON, Script, get, post_head, upgrade};
use crate::sum::pattern;

pub(crate) fn scripts() -> Vec<Script> {
    let patient = Script::new;
    let quick = |name: &str| Script::new(name).soon(|config, soon| config.channel.drain_grace = Some(soon));
    vec![
        Script::new("a drain of nothing").fin().end().drain(None).gone(),
        quick("a drain of an idle connection").send(get("/hello")).until("world!").drain(None).end().gone(),
        // The grace is a second at least.
        quick("a drain of a silent connection that is new").drain(None).silent_end().gone(),
        quick("a drain of a new connection that has sent empty lines")
            .send("\r\n\r\n")
            .drain(None)
            .silent_end()
            .gone(),
        patient("a request on its way when the drain begins")
            .send(get("/hello"))
            .until("world!")
            .drain(None)
            .send(get("/hello"))
            .until("world!")
            .end()
            .gone(),
        patient("a drain before the first request")
            .drain(None)
            .send(get("/hello"))
            .until("world!")
            .end()
            .gone(),
        patient("a drain inside a head")
            .send(get("/hello") + "GET /hel")
            .until("world!")
            .drain(None)
            .send("lo HTTP/1.1\r\nHost: kit\r\n\r\n")
            .until("world!")
            .end()
            .gone(),
        patient("a drain while the handler runs")
            .send(get("/gate"))
            .recorded("waits")
            .drain(None)
            .open("gate")
            .until("passed")
            .end()
            .gone(),
        patient("a drain inside a body")
            .send(post_head("/upload", 2000))
            .send(pattern(0, 1000))
            .recorded("body 1000 bytes")
            .drain(None)
            .send(pattern(1000, 1000))
            .until("end []")
            .end()
            .gone(),
        patient("a drain inside a response")
            .send(get("/download?bytes=200000&frame=1000&gate=1000"))
            .until("\r\n3e8\r\n")
            .drain(None)
            .open("source")
            .until("X-Sum: ")
            .end()
            .gone(),
        patient("a drain while a large response leaves")
            .send(get("/download?bytes=6000000&frame=100000&gate=100000"))
            .until("\r\n\r\n")
            .drain(None)
            .open("source")
            .sip(60_000, "X-Sum: ")
            .end()
            .gone(),
        patient("a drain with requests behind")
            .send(get("/gate") + &get("/hello"))
            .recorded("waits")
            .drain(None)
            .open("gate")
            .until("passed")
            .end()
            .gone(),
        patient("a drain that cuts").send(get("/never")).recorded("waits").drain(SOON).end().gone(),
        patient("a drain that cuts at once")
            .send(get("/hello"))
            .until("world!")
            .drain(Duration::ZERO)
            .end()
            .gone(),
        patient("a drain that cuts an upgraded connection")
            .send(upgrade("/upgrade"))
            .until("\r\n\r\n")
            .send("ping")
            .until("ping")
            .drain(SOON)
            .recorded("tunnel 4 bytes")
            .gone(),
        patient("the channel's own drain deadline")
            .soon(|config, soon| config.channel.drain_deadline = Some(soon))
            .send(get("/never"))
            .recorded("waits")
            .drain(None)
            .until("503")
            .end()
            .gone(),
        patient("the server's own drain deadline")
            .soon(|config, soon| {
                config.drain_deadline = Some(soon);
                config.channel.drain_grace = Some(soon);
            })
            .send(get("/download?bytes=1000&end=never"))
            .until("\r\n3e8\r\n")
            .drain(None)
            .recorded("dropped")
            .gone(),
        patient("two connections in a drain")
            .send(get("/gate"))
            .recorded("waits")
            .connect()
            .send(get("/hello"))
            .until("world!")
            .drain(None)
            .send(get("/hello"))
            .until("world!")
            .end()
            .choose(0)
            .open("gate")
            .until("passed")
            .end()
            .gone(),
    ]
}
