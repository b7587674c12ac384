use std::io::{BufRead, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Instant;

use rustix::process::Signal;

use crate::{FEW_CONNECTIONS, PATIENCE, ServerProcess, program, run, text};

on_each_transport! {
    a_free_port_is_announced_and_served,
    one_thread_is_enough,
    parameters_reach_the_machine_from_flags_and_variables,
    a_peer_outside_the_origins_gets_nothing,
    a_unix_socket_alone_and_beside_a_port,
    an_address_in_use_is_an_error_with_its_name,
    a_signal_drains_and_ends_the_program,
    a_drain_lets_a_running_request_finish,
    a_drain_ends_at_its_deadline,
    a_second_signal_quits_at_once,
    the_log_has_a_line_for_each_event_and_is_off_by_default,
}

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

fn a_free_port_is_announced_and_served(transport: &str) {
    let server = ServerProcess::on(transport, &[]);
    assert!(server.listening.starts_with("http://127.0.0.1:"), "{}", server.listening);
    let response = server.exchange(GET);
    assert_eq!(response.status, "HTTP/1.1 200 OK");
    assert_eq!(response.field("server"), Some("httpfsm"));
    assert_eq!(response.field("date").map(str::len), Some(29));
}

fn one_thread_is_enough(transport: &str) {
    assert_eq!(ServerProcess::on(transport, &["--threads", "1"]).exchange(GET).status, "HTTP/1.1 200 OK");
}

#[test]
fn each_transport_serves_and_drains_with_any_number_of_threads() {
    for transport in ["tokio", "async-std", "smol", "blocking"] {
        for threads in [&[][..], &["--threads", "1"], &["--threads", "3"]] {
            // The page names the transport.
            let server =
                ServerProcess::start(&[&["--app", "hello", "--transport", transport], threads].concat());
            let response = server.exchange(GET);
            assert_eq!(response.status, "HTTP/1.1 200 OK");
            assert!(response.text().contains(transport), "{response:?}");
            server.signal(Signal::TERM);
            assert_eq!(server.end().0.code(), Some(0), "{transport} {threads:?}");
        }
    }
}

#[test]
fn a_host_name_is_resolved() {
    let server = ServerProcess::start(&["--host", "localhost"]);
    assert!(server.address().ip().is_loopback());
    assert_eq!(server.exchange(GET).status, "HTTP/1.1 200 OK");
}

fn parameters_reach_the_machine_from_flags_and_variables(transport: &str) {
    let server = ServerProcess::on(transport, &["--identity", "mine", "--max-request-header-size", "64"]);
    assert_eq!(server.exchange(GET).field("server"), Some("mine"));
    let long = format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "a".repeat(64));
    assert_eq!(server.exchange(long.as_bytes()).status, "HTTP/1.1 431 Request Header Fields Too Large");

    let mut command = program();
    command.arg("serve").env("HTTPFSM_TRANSPORT", transport);
    let server = ServerProcess::spawn(command.env("HTTPFSM_PORT", "0").env("HTTPFSM_IDENTITY", "ours"));
    assert_eq!(server.exchange(GET).field("server"), Some("ours"));
}

#[test]
fn the_look_of_refusals_can_be_chosen() {
    let server = ServerProcess::start(&["--error-pages", "json"]);
    let response = server.exchange(b"GET / HTTP/1.1\r\n\r\n");
    assert_eq!(response.status, "HTTP/1.1 400 Bad Request");
    assert_eq!(response.field("content-type"), Some("application/problem+json"));
    assert!(response.text().contains("An HTTP/1.1 request needs a Host field."), "{response:?}");
}

fn a_peer_outside_the_origins_gets_nothing(transport: &str) {
    let server = ServerProcess::on(transport, &["--origins", "192.0.2.0/24,unix"]);
    let mut stream = server.connect();
    // The connection may be reset before the request is sent.
    let _ = stream.write_all(GET);
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes);
    assert_eq!(text(&bytes), "");
}

fn a_unix_socket_alone_and_beside_a_port(transport: &str) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("web.sock");
    let path = path.to_str().expect("text");

    let server = ServerProcess::spawn(crate::serve(transport).args(["--unix", path]));
    assert_eq!(server.listening, format!("unix:{path}"));
    let mut stream = UnixStream::connect(path).expect("a connection");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    stream.write_all(GET).expect("sent");
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).expect("a response");
    assert!(bytes.starts_with(b"HTTP/1.1 200 OK\r\n"));
    drop(server);

    let other = directory.path().join("other.sock");
    let other = other.to_str().expect("text");
    let mut server = ServerProcess::on(transport, &["--unix", other]);
    let mut second = String::new();
    server.stdout.read_line(&mut second).expect("a line");
    assert_eq!(second, format!("listening on unix:{other}\n"));
    assert_eq!(server.exchange(GET).status, "HTTP/1.1 200 OK");
}

fn an_address_in_use_is_an_error_with_its_name(transport: &str) {
    let server = ServerProcess::on(transport, &[]);
    let port = server.address().port().to_string();
    let output = run(&["serve", "--transport", transport, "--port", &port]);
    let errors = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert!(errors.contains(&port), "{errors}");
    assert!(output.stdout.is_empty());
}

fn a_signal_drains_and_ends_the_program(transport: &str) {
    for signal in [Signal::TERM, Signal::INT] {
        let server = ServerProcess::on(transport, &[]);
        server.exchange(GET);
        server.signal(signal);
        let (status, errors) = server.end();
        assert_eq!(status.code(), Some(0), "{errors}");
        assert!(errors.contains("draining"), "{errors}");
    }
}

fn a_drain_lets_a_running_request_finish(transport: &str) {
    let server = ServerProcess::on(transport, &["--app", "bench"]);
    let mut stream = server.connect();
    stream.write_all(b"POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello").expect("sent");
    // A response on a later connection shows that the server is running.
    server.exchange(b"GET /plaintext HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    server.signal(Signal::TERM);
    std::thread::sleep(std::time::Duration::from_millis(50));
    stream.write_all(b"world").expect("sent");
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).expect("a response");
    let response = crate::ReceivedResponse::new(&bytes);
    response.assert("HTTP/1.1 200 OK", "10");
    assert_eq!(response.field("connection"), Some("close"));
    drop(stream);
    assert_eq!(server.end().0.code(), Some(0));
}

fn a_drain_ends_at_its_deadline(transport: &str) {
    let server = ServerProcess::on(transport, &["--app", "bench", "--drain-deadline", "100ms"]);
    let mut stream = server.connect();
    // More than the system's buffers hold, to a client that does not read it.
    stream.write_all(b"GET /bytes/100000000 HTTP/1.1\r\nHost: a\r\n\r\n").expect("sent");
    server.exchange(b"GET /plaintext HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    server.signal(Signal::TERM);
    let (status, errors) = server.end();
    assert_eq!(status.code(), Some(0), "{errors}");
    assert!(errors.contains("httpfsm: 1 connection was cut at the drain deadline."), "{errors}");
}

fn a_second_signal_quits_at_once(transport: &str) {
    let mut server = ServerProcess::on(
        transport,
        &["--app", "bench", "--drain-deadline", "none", "--drain-deadline-per-channel", "none"],
    );
    let mut stream = server.connect();
    stream.write_all(b"POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello").expect("sent");
    server.exchange(b"GET /plaintext HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    server.signal(Signal::TERM);
    // A second signal right after the first counts as the first, as `timeout` sends it; on a busy machine a later one
    // may as well.
    let started = Instant::now();
    while server.child.try_wait().expect("a child").is_none() {
        assert!(started.elapsed() < PATIENCE, "it drains on");
        server.signal(Signal::TERM);
        std::thread::sleep(std::time::Duration::from_millis(300));
    }
    let (status, errors) = server.end();
    assert_eq!(status.code(), Some(143), "{errors}");
}

fn the_log_has_a_line_for_each_event_and_is_off_by_default(transport: &str) {
    let server = ServerProcess::on(transport, &["--log"]);
    server.exchange(GET);
    server.exchange(b"GET / HTTP/1.1\r\n\r\n");
    server.signal(Signal::TERM);
    let (_, errors) = server.end();
    for event in ["opened at 127.0.0.1:", "refused 400: An HTTP/1.1 request needs a Host field.", "closed: "]
    {
        assert!(errors.contains(event), "no {event:?} in {errors}");
    }

    let server = ServerProcess::on(transport, &["--app", "hello", FEW_CONNECTIONS]);
    server.exchange(GET);
    server.signal(Signal::TERM);
    let (_, errors) = server.end();
    assert_eq!(errors.lines().count(), 1, "{errors}");
}
