//! Deadlines: nothing happens until one comes. The others are far away.

use std::time::Duration;

use httpfsm::config::ChannelConfig;

use crate::script::{Script, chunked_head, get, post_head};

/// Long enough for the application to be heard before it, on a machine that has much else to do.
const SOON: Option<Duration> = Some(Duration::from_millis(600));

pub(crate) fn scripts() -> Vec<Script> {
    let soon = |name: &str, change: fn(&mut ChannelConfig)| {
        Script::new(name).config(|config| change(&mut config.channel))
    };
    vec![
        soon("no first octet", |channel| channel.first_byte_timeout = SOON).end(),
        soon("half a head", |channel| channel.head_timeout = SOON)
            .send("GET /hello HTTP/1.1\r\nHo")
            .until("408")
            .end(),
        soon("half a head behind an answer", |channel| channel.head_timeout = SOON)
            .send(get("/hello") + "GET /hello HTTP/1.1\r\nHo")
            .until("world!")
            .until("408")
            .end(),
        soon("half a body", |channel| channel.body_timeout = SOON)
            .send(post_head("/upload", 100) + "some")
            .until("408")
            .end(),
        soon("half a chunk", |channel| channel.body_timeout = SOON)
            .send(chunked_head("/upload") + "64\r\nsome")
            .until("408")
            .end(),
        soon("half a whole body", |channel| channel.body_timeout = SOON)
            .whole(1000)
            .send(post_head("/upload", 100) + "some")
            .until("408")
            .end(),
        soon("no answer", |channel| channel.responseless_timeout = SOON)
            .send(get("/never"))
            .until("503")
            .end(),
        soon("no answer to a body that was read", |channel| channel.responseless_timeout = SOON)
            .send(post_head("/never", 4) + "four")
            .until("503")
            .end(),
        soon("no more frames", |channel| channel.stream_idle_timeout = SOON)
            .send(get("/download?octets=1000&end=never"))
            .until("\r\n3e8\r\n")
            .told("dropped")
            .end(),
        soon("idle for too long", |channel| channel.inactivity_timeout = SOON)
            .send(get("/hello"))
            .until("world!")
            .end(),
        soon("no rest of a body", |channel| channel.discard_timeout = SOON)
            .send(post_head("/early", 1000) + "some")
            .until("\r\n\r\nearly")
            .end(),
        soon("lingering comes to an end", |channel| channel.linger_timeout = SOON)
            .send(get("/close"))
            .until("closing")
            .told("closed"),
        // The second connection ends long after the first has come of age.
        soon("old enough", |channel| {
            channel.connection_age = SOON;
            channel.head_timeout = Some(Duration::from_millis(1500));
        })
        .send(get("/gate"))
        .told("waits")
        .connect()
        .send("GET /hel")
        .until("408")
        .end()
        .choose(0)
        .open("gate")
        .until("passed")
        .end(),
        soon("a blocking handler waits for a body", |channel| channel.body_timeout = SOON)
            .send(post_head("/sync", 100) + "some")
            .told("sync: ")
            .end(),
    ]
}
