//! Deadlines: nothing happens until one comes. The others are far away.

use crate::script::{Script, Soon, chunked_head, get, post_head};

pub(crate) fn scripts() -> Vec<Script> {
    let soon = |name: &str, set: Soon| Script::new(name).soon(set);
    vec![
        soon("no first byte", |config, soon| config.channel.first_byte_timeout = Some(soon)).silent_end(),
        soon("nothing behind empty lines", |config, soon| config.channel.first_byte_timeout = Some(soon))
            .pieces(["\r\n\r", "\n\r\n\r\n"])
            .silent_end(),
        soon("half of an empty line", |config, soon| config.channel.first_byte_timeout = Some(soon))
            .send("\r")
            .silent_end(),
        soon("nothing behind empty lines and a response", |config, soon| {
            config.channel.inactivity_timeout = Some(soon);
        })
        .send(get("/hello") + "\r\n")
        .until("world!")
        .send("\r\n\r\n")
        .silent_end(),
        soon("half a head", |config, soon| config.channel.head_timeout = Some(soon))
            .send("GET /hello HTTP/1.1\r\nHo")
            .until("408")
            .end(),
        soon("half a head behind a response", |config, soon| config.channel.head_timeout = Some(soon))
            .send(get("/hello") + "GET /hello HTTP/1.1\r\nHo")
            .until("world!")
            .until("408")
            .end(),
        soon("half a body", |config, soon| config.channel.body_timeout = Some(soon))
            .send(post_head("/upload", 100) + "some")
            .until("408")
            .end(),
        soon("half a chunk", |config, soon| config.channel.body_timeout = Some(soon))
            .send(chunked_head("/upload") + "64\r\nsome")
            .until("408")
            .end(),
        soon("half a whole body", |config, soon| config.channel.body_timeout = Some(soon))
            .whole(1000)
            .send(post_head("/upload", 100) + "some")
            .until("408")
            .end(),
        soon("no response", |config, soon| config.channel.responseless_timeout = Some(soon))
            .send(get("/never"))
            .until("503")
            .end(),
        soon("no response to a body that was read", |config, soon| {
            config.channel.responseless_timeout = Some(soon)
        })
        .send(post_head("/never", 4) + "four")
        .until("503")
        .end(),
        soon("no response behind the peer's end", |config, soon| {
            config.channel.peer_ended_timeout = Some(soon);
        })
        .send(get("/never"))
        .recorded("waits")
        .fin()
        .recorded("peer ended")
        .until("503")
        .recorded("dropped")
        .end(),
        soon("no response to a body that was read, behind the peer's end", |config, soon| {
            config.channel.peer_ended_timeout = Some(soon);
        })
        .send(post_head("/never", 4) + "four")
        .recorded("waits")
        .fin()
        .until("503")
        .end(),
        soon("no more frames behind the peer's end", |config, soon| {
            config.channel.peer_ended_timeout = Some(soon);
        })
        .send(get("/download?bytes=1000&end=never"))
        .until("\r\n3e8\r\n")
        .fin()
        .recorded("peer ended")
        .end(),
        soon("no more frames", |config, soon| config.channel.stream_idle_timeout = Some(soon))
            .send(get("/download?bytes=1000&end=never"))
            .until("\r\n3e8\r\n")
            .end(),
        soon("idle for too long", |config, soon| config.channel.inactivity_timeout = Some(soon))
            .send(get("/hello"))
            .until("world!")
            .end(),
        soon("no rest of a body", |config, soon| config.channel.discard_timeout = Some(soon))
            .send(post_head("/early", 1000) + "some")
            .until("\r\n\r\nearly")
            .end(),
        soon("lingering comes to an end", |config, soon| config.channel.linger_timeout = Some(soon))
            .send(get("/close"))
            .until("closing")
            .recorded("closed"),
        // The second connection ends long after the first has come of age, and the idle one says so in its next response.
        soon("old enough", |config, soon| {
            config.channel.connection_age = Some(soon);
            config.channel.head_timeout = Some(3 * soon);
        })
        .send(get("/hello"))
        .until("world!")
        .connect()
        .send("GET /hel")
        .until("408")
        .end()
        .choose(0)
        .send(get("/hello"))
        .until("Connection: close")
        .until("world!")
        .end(),
        soon("a blocking handler waits for a body", |config, soon| config.channel.body_timeout = Some(soon))
            .send(post_head("/sync", 100) + "some")
            .recorded("sync: ")
            .end(),
    ]
}
