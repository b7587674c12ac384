//! The signals that end the program.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::{ServerProcess, TRANSPORTS, on_each_transport, wait_for};

/// How long a drain may last: the default of `drain_deadline`.
const DRAIN: Duration = Duration::from_secs(30);

/// Opens a response without an end, and reads its first bytes.
fn open_ticks(server: &ServerProcess) -> TcpStream {
    let mut stream = server.connect();
    stream.write_all(b"GET /ticks?rate=100 HTTP/1.1\r\nHost: example\r\n\r\n").expect("sent");
    assert_ne!(stream.read(&mut [0; 256]).expect("a response"), 0);
    stream
}

/// Waits until the server accepts no more connections.
fn wait_for_the_drain(server: &ServerProcess) {
    wait_for("the drain", || TcpStream::connect(server.address).err());
}

#[test]
fn the_first_signal_drains_and_the_second_drops_what_is_left() {
    for transport in TRANSPORTS {
        for second in [Signal::TERM, Signal::INT] {
            let server = ServerProcess::start(transport, &[]);
            let _upload = server.post("/files", "kept until the end");
            assert_eq!(server.files().len(), 1, "{transport}");
            let mut stream = open_ticks(&server);
            let drained = Instant::now();
            server.signal(Signal::INT);
            wait_for_the_drain(&server);
            // The response goes on for as long as the drain may last.
            assert_ne!(stream.read(&mut [0; 256]).expect("more of the response"), 0, "{transport}");
            server.end_by(second);
            assert!(drained.elapsed() < DRAIN, "{transport}: it waited for the end of the drain");
        }
    }
}

#[test]
fn a_client_that_is_dropped_does_not_take_its_response_for_whole() {
    on_each_transport(|server| {
        let mut stream = open_ticks(server);
        server.signal(Signal::TERM);
        wait_for_the_drain(server);
        server.signal(Signal::TERM);
        let mut bytes = Vec::new();
        match stream.read_to_end(&mut bytes) {
            Ok(_) => assert!(!bytes.ends_with(b"0\r\n\r\n"), "{:?}", String::from_utf8_lossy(&bytes)),
            Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
        }
    });
}
