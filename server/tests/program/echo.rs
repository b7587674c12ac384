use std::io::{Read, Write};

use crate::{ReceivedResponse, ServerProcess, program};

on_each_transport! {
    a_request_comes_back_as_text,
    a_body_comes_back_in_hexadecimal,
    trailer_fields_come_behind_the_body,
    a_response_to_head_has_no_content,
    connect_is_not_allowed,
    a_truncated_body_is_not_echoed,
    a_stream_is_chunked,
    a_status_has_no_content,
    an_early_response_does_not_wait_for_the_body,
    an_upgraded_connection_echoes_its_bytes,
    without_an_upgrade_the_same_path_is_echoed,
}

fn server(transport: &str) -> ServerProcess {
    ServerProcess::on(transport, &["--app", "echo"])
}

fn a_request_comes_back_as_text(transport: &str) {
    let response = server(transport).exchange(
        b"GET /a?b=%20 HTTP/1.1\r\nHost: localhost\r\nX-One:  a\\\t\xe9  \r\nx-one:\r\n\
          Connection: close\r\n\r\n",
    );
    response.assert(
        "HTTP/1.1 200 OK",
        "GET /a?b=%20 HTTP/1.1\nhost: localhost\nx-one: a\\x5c\t\\xe9\nx-one: \nconnection: close\n\n0 \n",
    );
    assert_eq!(response.field("x-echo-ext"), Some("stream,status,early,upgrade"));
    assert_eq!(response.field("content-length"), Some(response.content.len().to_string().as_str()));
}

fn a_body_comes_back_in_hexadecimal(transport: &str) {
    let response = server(transport).exchange(b"POST / HTTP/1.0\r\nContent-Length: 4\r\n\r\n\x00a\r\xff");
    response.assert("HTTP/1.0 200 OK", "POST / HTTP/1.0\ncontent-length: 4\n\n4 00610dff\n");
}

fn trailer_fields_come_behind_the_body(transport: &str) {
    let response = server(transport).exchange(
        b"PUT /t HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n\
          3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nX-Sum: 5\r\n\r\n",
    );
    response.assert(
        "HTTP/1.1 200 OK",
        "PUT /t HTTP/1.1\nhost: a\nconnection: close\ntransfer-encoding: chunked\n\n\
         5 6162636465\ntrailer x-sum: 5\n",
    );
}

fn a_response_to_head_has_no_content(transport: &str) {
    let response = server(transport).exchange(b"HEAD / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    response.assert("HTTP/1.1 200 OK", "");
    assert_eq!(response.field("content-length"), Some("46"));
}

fn connect_is_not_allowed(transport: &str) {
    let response = server(transport).exchange(b"CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n");
    assert_eq!(response.status, "HTTP/1.1 405 Method Not Allowed");
}

fn a_truncated_body_is_not_echoed(transport: &str) {
    let server = server(transport);
    let mut stream = server.connect();
    stream.write_all(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nab").expect("sent");
    stream.shutdown(std::net::Shutdown::Write).expect("a half-closed connection");
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).expect("an end");
    assert!(!bytes.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&bytes));
}

fn a_stream_is_chunked(transport: &str) {
    let response =
        server(transport).exchange(b"GET /_rig/stream?x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    assert_eq!(response.field("transfer-encoding"), Some("chunked"));
    let text = response.text();
    assert!(text.ends_with("0\r\n\r\n"), "{text}");
    assert_eq!(response.field("x-echo-ext"), Some("stream,status,early,upgrade"));
}

fn a_status_has_no_content(transport: &str) {
    let server = server(transport);
    for (path, line) in [
        ("/_rig/status/404", "HTTP/1.1 404 Not Found"),
        ("/_rig/status/204", "HTTP/1.1 204 No Content"),
        ("/_rig/status/299?x", "HTTP/1.1 299 "),
    ] {
        let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        server.exchange(request.as_bytes()).assert(line, "");
    }
    let response = server.exchange(b"GET /_rig/status/99 HTTP/1.0\r\n\r\n");
    response.assert("HTTP/1.0 200 OK", "GET /_rig/status/99 HTTP/1.0\n\n0 \n");
}

fn an_early_response_does_not_wait_for_the_body(transport: &str) {
    let response = server(transport)
        .exchange(b"POST /_rig/early HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999\r\n\r\n");
    // Above the limit of a body, where the early response does not apply.
    assert_eq!(response.status, "HTTP/1.1 413 Content Too Large");
    let server = server(transport);
    let response = server.exchange(b"POST /_rig/early HTTP/1.1\r\nHost: a\r\nContent-Length: 999999\r\n\r\n");
    response.assert("HTTP/1.1 200 OK", "early\n");
    assert_eq!(response.field("connection"), Some("close"));
}

fn an_upgraded_connection_echoes_its_bytes(transport: &str) {
    let server = server(transport);
    let mut stream = server.connect();
    stream
        .write_all(
            b"GET /_rig/upgrade HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: rig-echo\r\n\r\nahead ",
        )
        .expect("sent");
    stream.write_all(b"and \x00 behind").expect("sent");
    stream.shutdown(std::net::Shutdown::Write).expect("a half-closed connection");
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).expect("a response");
    let response = ReceivedResponse::new(&bytes);
    response.assert("HTTP/1.1 101 Switching Protocols", "ahead and \x00 behind");
    assert_eq!(response.field("upgrade"), Some("rig-echo"));
    assert_eq!(response.field("connection").map(str::to_ascii_lowercase).as_deref(), Some("upgrade"));
}

fn without_an_upgrade_the_same_path_is_echoed(transport: &str) {
    let response = server(transport).exchange(b"GET /_rig/upgrade HTTP/1.0\r\n\r\n");
    response.assert("HTTP/1.0 200 OK", "GET /_rig/upgrade HTTP/1.0\n\n0 \n");
}

#[test]
fn the_timeout_of_the_rig_ends_a_stalled_head_and_a_stalled_body() {
    let mut command = program();
    let server = ServerProcess::spawn(
        command.args(["serve", "--port", "0", "--app", "echo"]).env("RIG_TIMEOUT_MS", "100"),
    );
    for stalled in ["GET / HTTP/1.1\r\nHo", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nab"] {
        let response = server.exchange(stalled.as_bytes());
        assert_eq!(response.status, "HTTP/1.1 408 Request Timeout", "{stalled:?}");
    }
    let mut silent = server.connect();
    let mut bytes = Vec::new();
    silent.read_to_end(&mut bytes).expect("an end");
    assert!(bytes.is_empty() || bytes.starts_with(b"HTTP/1.1 408 "));
}

#[test]
fn the_plain_mode_responds_with_the_body_alone() {
    let mut command = program();
    let server = ServerProcess::spawn(
        command.args(["serve", "--port", "0", "--app", "echo"]).env("RIG_PLAIN_ECHO", "1"),
    );
    let response = server.exchange(
        b"POST /_rig/early HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello",
    );
    response.assert("HTTP/1.1 200 OK", "hello");
}
