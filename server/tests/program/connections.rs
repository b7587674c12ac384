//! Connections: which are refused, which are found to be lost, and which see an early refusal.

use std::io::{Read, Write};
use std::process::Command;

use rustix::process::Signal;

use crate::tools::tool;
use crate::{ReceivedResponse, ServerProcess, serve, text};

on_each_transport! {
    a_connection_that_a_limit_refuses_is_reported_without_the_log,
    a_request_that_a_limit_refuses_is_reported_without_the_log,
    a_failure_is_reported_without_the_log,
    a_connection_right_after_another_takes_its_place,
    a_client_that_sends_all_before_reading_sees_an_early_refusal,
    silent_peers_are_probed,
}

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

fn a_connection_that_a_limit_refuses_is_reported_without_the_log(transport: &str) {
    let server = ServerProcess::on(transport, &["--app", "hello", "--max-connections-per-peer", "1"]);
    let mut first = server.connect();
    first.write_all(b"GET / HTTP/1.1\r\n").expect("sent");
    for _ in 0..20 {
        let mut second = server.connect();
        let mut bytes = Vec::new();
        let _ = second.read_to_end(&mut bytes);
        assert_eq!(text(&bytes), "");
    }
    drop(first);
    server.signal(Signal::TERM);
    let (_, errors) = server.end();
    let reports = errors
        .lines()
        .filter(|line| {
            line.contains("The peer has as many connections open as --max-connections-per-peer allows.")
        })
        .count();
    assert!((1..20).contains(&reports), "{errors}");
}

fn a_request_that_a_limit_refuses_is_reported_without_the_log(transport: &str) {
    let server = ServerProcess::on(transport, &["--app", "echo", "--maximum-simultaneous-requests", "1"]);
    // The request counts as soon as its body is demanded.
    let mut first = server.connect();
    first
        .write_all(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n")
        .expect("sent");
    let mut interim = [0; 25];
    first.read_exact(&mut interim).expect("a response");
    assert_eq!(text(&interim), "HTTP/1.1 100 Continue\r\n\r\n");
    for _ in 0..20 {
        assert_eq!(server.exchange(GET).status, "HTTP/1.1 503 Service Unavailable");
    }
    drop(first);
    server.signal(Signal::TERM);
    let (_, errors) = server.end();
    let reports = errors
        .lines()
        .filter(|line| line.contains("is refused: ") && line.contains("--maximum-simultaneous-requests"));
    assert!((1..20).contains(&reports.count()), "{errors}");
}

fn a_failure_is_reported_without_the_log(transport: &str) {
    let mut command = serve(transport);
    command.args(["--port", "0", "--app", "echo", "--bodies", "whole", "--inbuf-overflow", "1"]);
    // No body can be kept.
    let server = ServerProcess::spawn(command.env("TMPDIR", "/nonexistent/httpfsm"));
    let handler = b"GET /_rig/panic HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let body = b"POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 10\r\n\r\n0123456789";
    for _ in 0..20 {
        for request in [&handler[..], body] {
            assert_eq!(server.exchange(request).status, "HTTP/1.1 500 Internal Server Error");
        }
    }
    server.signal(Signal::TERM);
    let (_, errors) = server.end();
    for reason in ["/_rig/panic asks for it", "The request body could not be kept"] {
        // A panic has a line of its own as well, without a peer.
        let reports =
            errors.lines().filter(|line| line.contains(" from 127.0.0.1:") && line.contains(reason));
        assert!((1..20).contains(&reports.count()), "{reason}: {errors}");
    }
}

/// The server may see the connections on different threads, and the next one before the end of the previous.
fn a_connection_right_after_another_takes_its_place(transport: &str) {
    let server = ServerProcess::on(transport, &["--app", "hello", "--max-connections", "1"]);
    // On a busy machine the thread of the previous connection may wait longer than the server does: then it is tried again.
    let rounds: Vec<u32> = (0..10).map(|_| refused_of_a_hundred(&server)).take_while(|&n| n >= 5).collect();
    assert!(rounds.len() < 10, "so many of a hundred were refused: {rounds:?}");
}

/// Of a hundred clients, each of which comes when the one before has gone or is idle.
fn refused_of_a_hundred(server: &ServerProcess) -> u32 {
    let (mut idle, mut refused) = (None, 0);
    for turn in 0..100 {
        let mut client = server.connect();
        let leaves = turn % 4 > 0;
        let request: &[u8] = if leaves { GET } else { b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" };
        // The connection may be refused before.
        let _ = client.write_all(request);
        let mut first = [0; 13];
        match client.read_exact(&mut first) {
            Ok(()) if leaves => {
                client.read_to_end(&mut Vec::new()).expect("a response");
            }
            Ok(()) => idle = Some(client),
            Err(_) => refused += 1,
        }
    }
    drop(idle);
    refused
}

/// As Python's http.client does.
fn a_client_that_sends_all_before_reading_sees_an_early_refusal(transport: &str) {
    for (app, method) in [("files", "POST"), ("files", "GET"), ("hello", "PUT")] {
        let folder = tempfile::tempdir().expect("a folder");
        let mut command = serve(transport);
        command.args(["--port", "0", "--app", app]);
        if app == "files" {
            command.arg(folder.path());
        }
        let server = ServerProcess::spawn(&mut command);
        let mut stream = server.connect();
        let length = 30_000_000;
        write!(
            stream,
            "{method} / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n"
        )
        .expect("sent");
        stream.write_all(&vec![b'x'; length]).expect("sent");
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).expect("a response");
        let status = if method == "GET" { "HTTP/1.1 200 OK" } else { "HTTP/1.1 405 Method Not Allowed" };
        assert_eq!(ReceivedResponse::new(&bytes).status, status);
    }
}

/// The keepalive timer of a connection, as `ss` shows it.
fn silent_peers_are_probed(transport: &str) {
    if tool("ss").is_none() {
        return;
    }
    // `ss` leaves out the seconds of ten minutes and more.
    for (arguments, expected) in [
        (&[][..], Some("timer:(keepalive,")),
        (&["--tcp-keepalive", "1010s"], Some("timer:(keepalive,16min,")),
        (&["--tcp-keepalive", "none"], None),
    ] {
        let server = ServerProcess::on(transport, arguments);
        let client = server.connect();
        let (ours, port) = (client.local_addr().expect("an address").port(), server.address().port());
        let connection = format!("( sport = :{port} and dport = :{ours} )");
        let ss = || {
            text(
                &Command::new("ss")
                    .args(["-Htno", "state", "established", &connection])
                    .output()
                    .expect("ss")
                    .stdout,
            )
        };
        // The kernel has accepted the connection, which inherits the option of the listener.
        let sockets = ss();
        match expected {
            Some(timer) => assert!(sockets.contains(timer), "{arguments:?}: {sockets}"),
            None => {
                assert!(sockets.contains("127.0.0.1") && !sockets.contains("timer:(keepalive,"), "{sockets}")
            }
        }
    }
}
