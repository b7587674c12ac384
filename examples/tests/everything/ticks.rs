//! Server-sent events.

use std::io::{BufRead, BufReader, Read, Write};

use crate::{on_each_transport, split, wait_for};

#[test]
fn ticks_come_one_by_one_until_the_client_closes() {
    on_each_transport(|server| {
        let idle = server.sockets();
        let mut stream = server.connect();
        stream.write_all(b"GET /ticks?rate=100 HTTP/1.0\r\n\r\n").expect("sent");
        let mut lines = BufReader::new(&stream).lines().map(|line| line.expect("a line"));
        let head: Vec<String> = lines.by_ref().take_while(|line| !line.is_empty()).collect();
        assert!(head.contains(&"Content-Type: text/event-stream".to_owned()), "{head:?}");
        let events: Vec<String> = lines.by_ref().filter(|line| !line.is_empty()).take(6).collect();
        assert_eq!(events, ["id: 1", "data: 1", "id: 2", "data: 2", "id: 3", "data: 3"]);
        assert!(server.sockets() > idle);
        drop(stream);
        wait_for("the end of the connection", || (server.sockets() == idle).then_some(()));
    });
}

#[test]
fn each_tick_leaves_at_once_as_a_chunk() {
    on_each_transport(|server| {
        let mut stream = server.connect();
        stream.write_all(b"GET /ticks?rate=1 HTTP/1.1\r\nHost: a\r\n\r\n").expect("sent");
        let first = b"f\r\nid: 1\ndata: 1\n\n\r\n";
        let mut bytes = Vec::new();
        while !bytes.ends_with(b"\n\n\r\n") {
            let mut next = [0];
            stream.read_exact(&mut next).expect("more");
            bytes.extend(next);
        }
        assert_eq!(String::from_utf8_lossy(split(&bytes).1), String::from_utf8_lossy(first));
    });
}

#[test]
fn a_rate_that_is_none_is_one() {
    on_each_transport(|server| {
        for query in ["", "?rate=", "?rate=0", "?rate=-1", "?rate=x", "?rate=1e9", "?rate=4294967296"] {
            let mut stream = server.connect();
            write!(stream, "GET /ticks{query} HTTP/1.1\r\nHost: a\r\n\r\n").expect("sent");
            let mut status = [0; 15];
            stream.read_exact(&mut status).expect("a response");
            assert_eq!(&status, b"HTTP/1.1 200 OK", "{query}");
        }
    });
}
