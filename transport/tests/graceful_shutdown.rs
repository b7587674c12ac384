//! The whole of a server's life behind `serve`, as one future.
#![allow(clippy::unwrap_used)]

use std::cell::Cell;
use std::future::{Future, IntoFuture, pending, poll_fn};
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use httpfsm::{Request, ServerConfig};
use httpfsm_transport::memory::MemoryServer;

async fn handler(_: Request) -> &'static str {
    "fine"
}

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";

#[test]
fn the_server_drains_at_the_signal_and_the_future_resolves_when_it_is_gone() {
    let mut server = MemoryServer::new(ServerConfig::default(), handler);
    let client = server.connect().unwrap();
    server.run();
    let signal = Cell::new(false);
    let arrives = poll_fn(|_| if signal.get() { Poll::Ready(()) } else { Poll::Pending });
    let mut life = pin!(server.handle().with_graceful_shutdown(arrives));
    let cx = &mut Context::from_waker(Waker::noop());
    assert!(life.as_mut().poll(cx).is_pending());
    client.send(GET);
    server.run();
    assert!(!client.take_text().contains("close"), "it serves until the signal");
    signal.set(true);
    assert!(life.as_mut().poll(cx).is_pending(), "a connection is open");
    client.send(GET);
    server.run();
    assert!(client.take_text().contains("Connection: close"));
    drop(client);
    server.advance(Duration::from_secs(60));
    assert!(life.as_mut().poll(cx).is_ready());
}

#[test]
fn the_future_resolves_without_its_signal_where_another_drains_the_server() {
    let server = MemoryServer::new(ServerConfig::default(), handler);
    let mut life = pin!(server.handle().with_graceful_shutdown(pending()));
    let cx = &mut Context::from_waker(Waker::noop());
    assert!(life.as_mut().poll(cx).is_pending());
    server.handle().begin_drain(None);
    assert!(life.as_mut().poll(cx).is_ready());
}

#[test]
fn dropping_the_future_stops_nothing() {
    let mut server = MemoryServer::new(ServerConfig::default(), handler);
    drop(server.handle().with_graceful_shutdown(async {}));
    let client = server.connect().unwrap();
    client.send(GET);
    server.run();
    assert!(client.take_text().ends_with("fine"));
}

#[test]
fn a_handle_is_awaited_until_its_server_is_gone() {
    let mut server = MemoryServer::new(ServerConfig::default(), handler);
    let client = server.connect().unwrap();
    server.run();
    let handle = server.handle();
    let mut gone = pin!(handle.clone().into_future());
    let cx = &mut Context::from_waker(Waker::noop());
    handle.begin_drain(None);
    assert!(gone.as_mut().poll(cx).is_pending(), "a client is there");
    drop(client);
    server.run();
    assert!(gone.as_mut().poll(cx).is_ready());
}
