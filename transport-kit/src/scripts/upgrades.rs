//! Connections that become another protocol's.

use crate::script::{Script, get, upgrade};
use crate::sum::pattern;

pub(crate) fn scripts() -> Vec<Script> {
    let connect = "CONNECT kit:80 HTTP/1.1\r\nHost: kit:80\r\n\r\n";
    let large = pattern(0, 300_000);
    vec![
        Script::new("an upgrade that echoes")
            .send(upgrade("/upgrade"))
            .until("101")
            .until("\r\n\r\n")
            .send("ping")
            .until("ping")
            .send("pong")
            .until("pong")
            .fin()
            .until("[8 bytes")
            .end(),
        Script::new("bytes ahead of the upgrade")
            .send(upgrade("/upgrade") + "ahead")
            .until("\r\n\r\nahead")
            .fin()
            .until("[5 bytes")
            .end(),
        Script::new("a large echo on an upgraded connection")
            .send(upgrade("/upgrade"))
            .until("\r\n\r\n")
            .send(&large)
            .fin()
            .until("[300000 bytes")
            .end(),
        Script::new("a large echo through a small buffer")
            .small_buffer()
            .send(upgrade("/upgrade"))
            .until("\r\n\r\n")
            .send(&large[..50_000])
            .fin()
            .sip(1000, "[50000 bytes")
            .end(),
        Script::new("an upgrade that is refused")
            .send(upgrade("/upgrade?refuse"))
            .until("403")
            .until("no")
            .recorded("tunnel: ")
            .send(get("/hello"))
            .until("world!"),
        Script::new("CONNECT")
            .send(connect)
            .until("\r\n\r\n")
            .send("through")
            .until("through")
            .fin()
            .until("[7 bytes")
            .end(),
        Script::new("CONNECT and bytes ahead")
            .send(connect.to_owned() + "ahead")
            .until("\r\n\r\nahead")
            .fin()
            .until("[5 bytes")
            .end(),
        Script::new("a reset of an upgraded connection")
            .send(upgrade("/upgrade"))
            .until("\r\n\r\n")
            .send("ping")
            .until("ping")
            .reset()
            .recorded("tunnel 4 bytes"),
        Script::new("an upgrade behind another request")
            .send(get("/hello") + &upgrade("/upgrade") + "x")
            .until("world!")
            .until("\r\n\r\nx")
            .fin()
            .end(),
        Script::new("an upgrade that nobody asked for")
            .send(get("/upgrade"))
            .until("\r\n\r\n")
            .recorded("tunnel: "),
        Script::new("an upgraded connection in a drain")
            .send(upgrade("/upgrade"))
            .until("\r\n\r\n")
            .recorded("tunnel begins")
            .drain(None)
            .send("still")
            .until("still")
            .fin()
            .until("[5 bytes")
            .end()
            .gone(),
    ]
}
