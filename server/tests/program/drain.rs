//! The program goes out of service while clients are at work.

use std::net::TcpStream;
use std::time::Instant;

use httpfsm_transport_kit::Crowd;
use rustix::process::Signal;

use crate::{PATIENCE, Server};

on_each_transport! {
    a_signal_cuts_no_client_short,
}

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
