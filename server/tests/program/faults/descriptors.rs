//! A server that has no descriptor left.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Resource, Rlimit, prlimit};

use super::{GET, Held};
use crate::{PATIENCE, Server};

on_each_transport! {
    an_acceptor_without_descriptors_does_not_spin_and_recovers,
}

const DESCRIPTORS: usize = 32;
const CLIENTS: usize = 100;

fn an_acceptor_without_descriptors_does_not_spin_and_recovers(transport: &str) {
    let server = Server::on(transport, &["--app", "bench"]);
    let before = Held::at_rest(&server);
    let limit = Some(DESCRIPTORS as u64);
    prlimit(
        Some(Pid::from_child(&server.child)),
        Resource::Nofile,
        Rlimit { current: limit, maximum: limit },
    )
    .expect("a limit");
    let mut early = server.connect();
    ask(&mut early);

    let clients: Vec<_> = (0..CLIENTS).map(|_| server.connect()).collect();
    let started = Instant::now();
    while Held::of(&server).descriptors < DESCRIPTORS {
        assert!(started.elapsed() < PATIENCE, "the server takes only {}", Held::of(&server));
        thread::sleep(Duration::from_millis(5));
    }
    // Whoever spins takes all of a second, and on the busiest machine more than a tenth; pauses take nothing.
    let ticks = processor_time(&server);
    thread::sleep(Duration::from_secs(1));
    let ticks = processor_time(&server) - ticks;
    assert!(ticks <= 10, "{ticks} hundredths of a second, in a second without descriptors");
    for _ in 0..10 {
        ask(&mut early);
    }

    drop((early, clients));
    server.exchange(GET).assert("HTTP/1.1 200 OK", "Hello, World!");
    before.is_all_that_is_left(&server);
}

/// One request on a connection that stays.
#[track_caller]
fn ask(stream: &mut TcpStream) {
    stream.write_all(b"GET /plaintext HTTP/1.1\r\nHost: a\r\n\r\n").expect("sent");
    let mut answer = Vec::new();
    while !answer.ends_with(b"Hello, World!") {
        let mut piece = [0; 1024];
        let n = stream.read(&mut piece).expect("an answer");
        assert_ne!(n, 0, "an end behind {:?}", String::from_utf8_lossy(&answer));
        answer.extend_from_slice(&piece[..n]);
    }
}

/// What the server has taken of processors, in hundredths of a second.
fn processor_time(server: &Server) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{}/stat", server.child.id())).expect("a running server");
    // The name of the program may contain blanks; after it come the fields from the third on.
    let (_, fields) = stat.rsplit_once(") ").expect("fields");
    fields.split(' ').skip(11).take(2).map(|ticks| ticks.parse::<u64>().expect("a number")).sum()
}
