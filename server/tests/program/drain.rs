//! The program goes out of service while clients are at work.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::time::Instant;

use httpfsm_transport_kit::Crowd;
use rustix::process::Signal;

use crate::{Answer, PATIENCE, Server};

on_each_transport! {
    a_signal_cuts_no_client_short,
    who_waits_to_be_accepted_when_the_drain_begins_is_served,
}

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

fn a_signal_cuts_no_client_short(transport: &str) {
    // Whoever has said nothing may still make a request while the server drains; some of the crowd never do.
    let patience = ["--first-byte-timeout", "3s"];
    let server = Server::on(transport, &[&["--app", "bench", "--threads", "2"], &patience[..]].concat());
    let crowd = Crowd::gather(server.address());
    server.signal(Signal::TERM);
    // The server is on its way out when it listens no more.
    let started = Instant::now();
    while TcpStream::connect(server.address()).is_ok() {
        assert!(started.elapsed() < PATIENCE, "the server listens on");
    }
    let tally = crowd.disperse();
    assert_eq!(tally.wrong, [""; 0], "{} were answered, {} crossed", tally.answered, tally.crossed);
    assert_eq!(server.end().0.code(), Some(0));
}

/// The kernel has accepted them: that the listener closes would reset them, with their requests.
fn who_waits_to_be_accepted_when_the_drain_begins_is_served(transport: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("socket");
    let server = Server::on(transport, &["--app", "hello", "--unix", path.to_str().expect("text")]);
    server.exchange(GET);
    server.signal(Signal::STOP);
    let tcp = (0..80).map(|_| server.connect());
    let mut tcp: Vec<TcpStream> = tcp.collect();
    let unix = (0..8).map(|_| UnixStream::connect(&path).expect("a connection"));
    let mut unix: Vec<UnixStream> = unix.collect();
    tcp.iter_mut().for_each(|client| client.write_all(GET).expect("sent"));
    unix.iter_mut().for_each(|client| client.write_all(GET).expect("sent"));
    server.signal(Signal::TERM);
    server.signal(Signal::CONT);
    let served = |client: &mut dyn Read| {
        let mut bytes = Vec::new();
        client.read_to_end(&mut bytes).expect("a response");
        Answer::new(&bytes).status
    };
    let over_tcp = tcp.iter_mut().map(|client| served(client));
    let over_unix = unix.iter_mut().map(|client| served(client));
    for status in over_tcp.chain(over_unix) {
        assert_eq!(status, "HTTP/1.1 200 OK");
    }
    assert_eq!(server.end().0.code(), Some(0));
}
