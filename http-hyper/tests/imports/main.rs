//! Handlers that change nothing but an import.

use std::net::SocketAddr;

use httpfsm::ServerConfig;
use httpfsm_http::service;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// As axum serves them.
mod before {
    use axum::extract::ConnectInfo;
    use axum::response::sse::{Event, KeepAlive, Sse};

    include!("handlers.rs");
}

/// As httpfsm does.
mod after {
    use httpfsm_http::ConnectInfo;
    use httpfsm_http::sse::{Event, KeepAlive, Sse};

    include!("handlers.rs");
}

/// A connection on which a request has been sent, of HTTP/1.0: its response is without chunks.
async fn send(address: SocketAddr, line: &str) -> TcpStream {
    let mut client = TcpStream::connect(address).await.expect("it listens");
    client.write_all(format!("{line} HTTP/1.0\r\nHost: a\r\n\r\n").as_bytes()).await.expect("it is read");
    client
}

/// The status, the fields that an application decides on, and the content.
async fn ask(address: SocketAddr, line: &str) -> (String, Vec<String>, String) {
    let mut response = String::new();
    send(address, line).await.read_to_string(&mut response).await.expect("text");
    let (head, content) = response.split_once("\r\n\r\n").expect("a whole head");
    let mut lines = head.lines().map(str::to_ascii_lowercase);
    let status = lines.next().expect("a status line")[9..].to_owned();
    let of_application = ["allow:", "cache-control:", "content-type:"];
    let mut fields: Vec<_> =
        lines.filter(|line| of_application.iter().any(|name| line.starts_with(name))).collect();
    fields.sort_unstable();
    (status, fields, content.to_owned())
}

/// What comes of events that wait for a request of another connection, behind the first comment.
async fn late(address: SocketAddr) -> String {
    let mut client = BufReader::new(send(address, "GET /late").await);
    let mut line = String::new();
    while !line.starts_with(':') {
        line.clear();
        assert_ne!(client.read_line(&mut line).await.expect("text"), 0, "there is no comment");
    }
    assert_eq!(line, ": still here\n");
    assert!(ask(address, "POST /tell").await.0.starts_with("200 "));
    let mut rest = String::new();
    client.read_to_string(&mut rest).await.expect("text");
    rest.replace(": still here\n\n", "")
}

#[tokio::test]
async fn handlers_respond_alike_with_the_imports_of_either() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let theirs = listener.local_addr().unwrap();
    let app = before::app().into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async { axum::serve(listener, app).await });

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let ours = listener.local_addr().unwrap();
    let server = httpfsm_tokio::serve(listener, ServerConfig::default(), service(after::app())).unwrap();

    for (line, expected) in [
        ("GET /peer", "127.0.0.1"),
        ("POST /family?a=b", "/family?a=b by IPv4"),
        ("GET /count", "event: count\nid: 1\ndata: 1 of 3\n\n"),
        ("GET /nowhere", ""),
        ("DELETE /peer", ""),
    ] {
        let response = ask(theirs, line).await;
        assert!(response.2.starts_with(expected), "{line}: {response:?}");
        assert_eq!(ask(ours, line).await, response, "{line}");
    }
    for address in [theirs, ours] {
        assert_eq!(late(address).await, "\ndata: late\n\n");
    }
    server.begin_drain(None).gone().await;
}
