//! Responses to requests that a thread has pulled, without a function, over sockets.
#![allow(clippy::unwrap_used)]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::task::Poll;
use std::time::Duration;

use httpfsm::config::Bodies;
use httpfsm::handler::{Body, Frame, Response};
use httpfsm::{ServerConfig, Status};
use httpfsm_blocking::{Incoming, IncomingRequest, block_on, incoming, serve};

/// Long enough for a loaded machine; nothing here waits for it unless it fails.
const PATIENCE: Duration = Duration::from_secs(60);

/// A connection on which one request has been sent.
struct Client(TcpStream);

impl Client {
    fn ask(address: SocketAddr, line: &str, content: &str) -> Self {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let length = content.len();
        write!(
            stream,
            "{line} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{content}"
        )
        .unwrap();
        Self(stream)
    }

    fn response(mut self) -> String {
        let mut response = String::new();
        self.0.read_to_string(&mut response).unwrap();
        response
    }
}

fn pull(requests: &Incoming) -> IncomingRequest {
    requests.recv_timeout(PATIENCE).unwrap()
}

#[test]
fn pulled_requests_are_responded_to_in_any_order_with_any_response() {
    let (handler, requests) = incoming();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = serve(listener, ServerConfig::default(), handler).unwrap();
    let address = server.local_addr().unwrap();

    let first = Client::ask(address, "GET /first", "");
    let pulled = pull(&requests);
    assert_eq!((pulled.method(), pulled.target()), ("GET", "/first"));
    // It waits while others come and go, some with more than a socket holds, one with content that nobody reads.
    let large = "x".repeat(3 << 20);
    let second = Client::ask(address, "POST /second", "unread");
    pull(&requests).respond(large.clone());
    assert!(second.response().ends_with(&format!("\r\n\r\n{large}")));
    let third = Client::ask(address, "DELETE /third", "");
    pull(&requests).respond(Status::NO_CONTENT);
    assert!(third.response().starts_with("HTTP/1.1 204 No Content\r\n"));
    let gone = Client::ask(address, "GET /gone", "");
    let pulled_of_gone = pull(&requests);
    drop(gone);
    pulled_of_gone.respond("Nobody reads this.");

    pulled.respond(Response::text("at last").with_status(Status::ACCEPTED).with_field("X-A", "1"));
    let response = first.response();
    assert!(response.starts_with("HTTP/1.1 202 Accepted\r\n"), "{response}");
    assert!(response.contains("\r\nX-A: 1\r\n") && response.ends_with("\r\n\r\nat last"), "{response}");

    let forgotten = Client::ask(address, "GET /forgotten", "");
    drop(pull(&requests));
    assert!(forgotten.response().starts_with("HTTP/1.1 500 "));
    block_on(server.begin_drain(None).gone());
    assert!(requests.recv().is_none());
}

/// Fails, some times of so many, if the connection may have the response before the request has let its body go.
#[test]
fn a_streamed_response_to_a_request_whose_long_body_was_not_read_says_close() {
    let (handler, requests) = incoming();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut config = ServerConfig::default();
    config.channel.bodies = Some(Bodies::Streamed);
    let server = serve(listener, config, handler).unwrap();
    let address = server.local_addr().unwrap();
    for turn in 0..500 {
        let mut client = TcpStream::connect(address).unwrap();
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        client.write_all(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n").unwrap();
        let mut frames = [Frame::Data("hello".into()), Frame::End].into_iter();
        let body = Body::from_fn(move |_| Poll::Ready(frames.next().unwrap_or(Frame::End)));
        pull(&requests).respond(Response::new(Status::OK).with_body(body));
        client.shutdown(std::net::Shutdown::Write).unwrap();
        let mut response = String::new();
        client.read_to_string(&mut response).unwrap();
        assert!(response.contains("\r\nConnection: close\r\n"), "{turn}: {response}");
    }
    block_on(server.begin_drain(None).gone());
}
