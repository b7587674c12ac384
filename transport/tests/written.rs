//! Bodies that an async function writes, on the in-memory transport.
#![allow(clippy::unwrap_used)]

use std::convert::Infallible;
use std::future::pending;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};

use httpfsm::config::ServerConfig;
use httpfsm::fields::Fields;
use httpfsm::handler::{Body, Frame, Handler, Request, Response};
use httpfsm::status::Status;
use httpfsm_transport::memory::MemoryServer;
use httpfsm_transport::{BodyWriter, written};

const GET: &str = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";

fn server<H: Handler>(handler: H) -> MemoryServer<H> {
    MemoryServer::new(ServerConfig::default(), handler)
}

fn response(body: Body) -> Response {
    Response::new(Status::OK).with_body(body)
}

#[test]
fn what_is_written_is_the_content_and_the_trailers_follow() {
    async fn write(mut body: BodyWriter) -> Result<(), Infallible> {
        body.trailers(Fields::new().with("X-Sum", "3").unwrap());
        body.data("one").await;
        body.flush().await;
        body.data("two").await;
        Ok(())
    }
    let mut server = server(|_: Request| async { response(written(write)) });
    let client = server.connect().unwrap();
    client.send(GET);
    server.run();
    let response = client.take_text();
    assert!(response.ends_with("\r\n\r\n3\r\none\r\n3\r\ntwo\r\n0\r\nX-Sum: 3\r\n\r\n"), "{response}");
    client.send(GET);
    server.run();
    assert!(client.take_text().starts_with("HTTP/1.1 200 OK"));
}

#[test]
fn an_error_cuts_the_response_off() {
    async fn write(mut body: BodyWriter) -> Result<(), io::Error> {
        body.data("one").await;
        Err(io::Error::other("no more"))
    }
    let mut server = server(|_: Request| async { response(written(write)) });
    let client = server.connect().unwrap();
    client.send(GET);
    server.run();
    let response = client.take_text();
    assert!(response.ends_with("\r\n\r\n3\r\none\r\n"), "{response}");
    assert!(client.is_ended());
}

#[test]
fn writing_goes_on_only_when_the_bytes_before_a_flush_have_left() {
    let flushed = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&flushed);
    let handler = move |_: Request| {
        let flushed = Arc::clone(&count);
        async move {
            response(written(|mut body| async move {
                loop {
                    body.data(vec![b'x'; 1000]).await;
                    body.flush().await;
                    if flushed.fetch_add(1, Ordering::SeqCst) == 9 {
                        return Ok::<_, Infallible>(());
                    }
                }
            }))
        }
    };
    let mut server = MemoryServer::with(ServerConfig::default(), 2500, None, handler);
    let client = server.connect().unwrap();
    client.send(GET);
    server.run();
    assert_eq!(flushed.load(Ordering::SeqCst), 2);
    while server.connections() > 0 && flushed.load(Ordering::SeqCst) < 10 {
        assert!(!client.take().is_empty());
        server.run();
    }
    assert!(client.take_text().ends_with("\r\n0\r\n\r\n"));
}

#[test]
fn a_declared_length_holds() {
    async fn write(mut body: BodyWriter) -> Result<(), Infallible> {
        body.data("012").await;
        body.data("345").await;
        Ok(())
    }
    for (length, content) in [("6", "012345"), ("4", "0123"), ("7", "012345")] {
        let handler =
            move |_: Request| async move { response(written(write)).with_field("Content-Length", length) };
        let mut server = server(handler);
        let client = server.connect().unwrap();
        client.send(GET);
        server.run();
        let response = client.take_text();
        assert!(response.contains(&format!("Content-Length: {length}\r\n")), "{response}");
        assert!(response.ends_with(&format!("\r\n\r\n{content}")), "{response}");
        // A response that is shorter than it said ends its connection.
        assert_eq!(client.is_ended(), length == "7", "{response}");
    }
}

#[test]
fn the_future_is_dropped_when_the_peer_is_gone() {
    let alive = Arc::new(());
    let held = Arc::clone(&alive);
    let handler = move |_: Request| {
        let held = Arc::clone(&held);
        async move {
            response(written(|mut body| async move {
                let _held = held;
                body.data("one").await;
                pending::<Result<(), Infallible>>().await
            }))
        }
    };
    let mut server = server(handler);
    let client = server.connect().unwrap();
    client.send(GET);
    server.run();
    assert_eq!(Arc::strong_count(&alive), 3);
    client.reset();
    server.run();
    assert_eq!(Arc::strong_count(&alive), 2);
}

#[test]
fn a_frame_that_was_not_waited_for_is_written_all_the_same() {
    let mut body = written(|mut body| async move {
        let mut cx = Context::from_waker(Waker::noop());
        assert!(pin!(body.data("left")).poll(&mut cx).is_pending());
        Ok::<_, Infallible>(())
    });
    let mut cx = Context::from_waker(Waker::noop());
    assert!(matches!(body.poll_frame(&mut cx), Poll::Ready(Frame::Data(data)) if data == "left"));
    assert!(matches!(body.poll_frame(&mut cx), Poll::Ready(Frame::End)));
}
