//! The program drains while clients are at work.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use httpfsm_transport_kit::Crowd;
use rustix::process::Signal;

use crate::tools::tool;
use crate::{PATIENCE, ReceivedResponse, ServerProcess, run, serve, text};

on_each_transport! {
    a_signal_cuts_no_client_short,
    a_connection_that_waits_to_be_accepted_when_the_drain_begins_is_served,
    without_a_grace_idle_connections_close_at_once,
    no_other_time_of_zero_ends_anything,
    a_stuck_drain_ends_after_its_deadline,
}

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

fn a_signal_cuts_no_client_short(transport: &str) {
    // A connection without a request yet may still make one while the server drains; some of the crowd never do.
    let patience = ["--first-byte-timeout", "3s"];
    let server =
        ServerProcess::on(transport, &[&["--app", "bench", "--threads", "2"], &patience[..]].concat());
    let crowd = Crowd::gather(server.address());
    server.signal(Signal::TERM);
    // The drain has begun when the server no longer listens.
    let started = Instant::now();
    while TcpStream::connect(server.address()).is_ok() {
        assert!(started.elapsed() < PATIENCE, "the server listens on");
    }
    let tally = crowd.disperse();
    assert_eq!(tally.wrong, [""; 0], "{} got responses, {} crossed", tally.responses, tally.crossed);
    assert_eq!(server.end().0.code(), Some(0));
}

/// The kernel has accepted these connections: closing the listener without accepting them would reset them.
fn a_connection_that_waits_to_be_accepted_when_the_drain_begins_is_served(transport: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("socket");
    let server = ServerProcess::on(transport, &["--app", "hello", "--unix", path.to_str().expect("text")]);
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
        ReceivedResponse::new(&bytes).status
    };
    let over_tcp = tcp.iter_mut().map(|client| served(client));
    let over_unix = unix.iter_mut().map(|client| served(client));
    for status in over_tcp.chain(over_unix) {
        assert_eq!(status, "HTTP/1.1 200 OK");
    }
    assert_eq!(server.end().0.code(), Some(0));
}

/// For each spelling of zero. Without a drain deadline only the closed connections end the drain.
fn without_a_grace_idle_connections_close_at_once(transport: &str) {
    let ended_by = |command: &mut Command| {
        command.args(["--app", "hello", "--port", "0", "--drain-deadline", "none"]);
        let server = ServerProcess::spawn(command);
        let mut idle = server.connect();
        idle.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").expect("sent");
        assert!(idle.read(&mut [0; 1 << 16]).expect("a response") > 0);
        server.signal(Signal::TERM);
        let (status, errors) = server.end();
        assert_eq!(status.code(), Some(0), "{errors}");
    };
    for zero in ["0", "0s", "0ms"] {
        ended_by(serve(transport).args(["--drain-grace", zero]));
    }
    ended_by(serve(transport).env("HTTPFSM_DRAIN_GRACE", "0"));
}

/// A time of zero is no deadline: requests are served, and the connection is kept.
fn no_other_time_of_zero_ends_anything(transport: &str) {
    let help = text(&run(&["serve", "--help"]).stdout);
    let flags = help.lines().filter_map(|line| line.trim().strip_suffix(" <TIME>"));
    // The second is a time of browsers.
    let flags: Vec<_> = flags.filter(|flag| !["--drain-grace", "--hsts"].contains(flag)).collect();
    assert!(flags.len() > 12, "{flags:?}");
    let zeros: Vec<String> = flags.iter().map(|flag| format!("{flag}=0")).collect();
    let arguments: Vec<&str> = zeros.iter().map(String::as_str).chain(["--app", "bench"]).collect();
    let server = ServerProcess::on(transport, &arguments);
    let mut client = server.connect();
    for _ in 0..2 {
        for part in ["POST /upload HTTP/1.1\r\nHo", "st: a\r\nContent-Length: 10\r\n\r\nhello", "world"] {
            thread::sleep(Duration::from_millis(20));
            client.write_all(part.as_bytes()).expect("sent");
        }
        let mut response = [0; 1 << 16];
        let n = client.read(&mut response).expect("a response");
        ReceivedResponse::new(&response[..n]).assert("HTTP/1.1 200 OK", "10");
    }
    server.signal(Signal::TERM);
    let (status, errors) = server.end();
    assert_eq!(status.code(), Some(0), "{errors}");
}

/// Stuck may be a handler that does not return, or a file system that does not respond. Here it is the accepting
/// thread.
fn a_stuck_drain_ends_after_its_deadline(transport: &str) {
    let Some(strace) = tool("strace") else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let socket = folder.path().join("socket");
    let mut command = Command::new(strace);
    // The process does not end before the delay of its thread is over.
    command.args(["-D", "-f", "-o", "/dev/null", "-e", "trace=accept4", "-e"]);
    command.arg("inject=accept4:delay_enter=10000000").arg(env!("CARGO_BIN_EXE_httpfsm"));
    command.args(["serve", "--app", "hello", "--port", "0", "--transport", transport]);
    command.args(["--drain-deadline", "100ms", "--drain-grace", "0", "--unix"]).arg(&socket);
    let server = ServerProcess::spawn(&mut command);
    let mut stuck = server.connect();
    stuck.write_all(GET).expect("sent");
    server.signal(Signal::TERM);
    let (status, errors) = server.end();
    assert_eq!(status.code(), Some(3), "{errors}");
    assert!(errors.contains("something does not return"), "{errors}");
    assert!(!socket.exists());
}
