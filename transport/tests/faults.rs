//! The driver over wires that fail, and with a spawner that has no thread.
#![allow(clippy::unwrap_used)]

#[path = "wires/faulty.rs"]
mod faulty;

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use httpfsm::config::{Bodies, ServerConfig};
use httpfsm::handler::{Handler, Request};
use httpfsm::peer::Peer;
use httpfsm_transport::memory::pair;
use httpfsm_transport::{Clock, Held, Inline, NoThread, Service, Spawner, Wire};

use faulty::{Fault, Faulty};

fn service(config: ServerConfig, spawner: impl Spawner) -> Arc<Service<impl Handler>> {
    let handler = |mut request: Request| async move {
        request.body().collect(1000).await.map(|bytes| bytes.len().to_string())
    };
    Service::new(config, Clock::manual(), Arc::new(spawner), None, handler)
}

fn cx() -> Context<'static> {
    Context::from_waker(Waker::noop())
}

#[test]
fn a_wire_that_fails_ends_its_connection_and_gives_everything_back() {
    for fault in Fault::ALL {
        for request in ["GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "BAD\r\n\r\n"] {
            let service = service(ServerConfig::default(), Inline);
            let wire = Faulty(fault, request.as_bytes());
            let mut driver = service.connect(wire, Peer::Unix(None), Peer::Unix(None)).unwrap();
            assert!(Pin::new(&mut driver).poll(&mut cx()).is_ready(), "{fault:?}: {request:?}");
            drop(driver);
            assert_eq!(service.held(), Held::default(), "{fault:?}: {request:?}");
        }
    }
}

/// A wire that tells when its request may be read, and must not be read before.
struct Tells {
    is_ready: Arc<AtomicBool>,
    request: &'static [u8],
    written: Arc<Mutex<Vec<u8>>>,
}

impl Wire for Tells {
    fn poll_read(&mut self, _cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        assert!(self.is_ready.swap(false, Ordering::Relaxed), "it is read in vain");
        Poll::Ready(io::Read::read(&mut self.request, buffer))
    }

    fn poll_read_ready(&mut self, _cx: &mut Context<'_>) -> Poll<()> {
        if self.is_ready.load(Ordering::Relaxed) { Poll::Ready(()) } else { Poll::Pending }
    }

    fn poll_write(&mut self, _cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.written.lock().unwrap().extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_close_write(&mut self, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn reset(&mut self) {}
}

#[test]
fn a_wire_that_tells_what_may_be_read_is_read_then() {
    let service = service(ServerConfig::default(), Inline);
    let (is_ready, written) = (Arc::default(), Arc::default());
    let request = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    let wire = Tells { is_ready: Arc::clone(&is_ready), request, written: Arc::clone(&written) };
    let mut driver = service.connect(wire, Peer::Unix(None), Peer::Unix(None)).unwrap();
    assert!(Pin::new(&mut driver).poll(&mut cx()).is_pending());
    assert!(written.lock().unwrap().is_empty());
    is_ready.store(true, Ordering::Relaxed);
    assert!(Pin::new(&mut driver).poll(&mut cx()).is_pending());
    assert!(written.lock().unwrap().starts_with(b"HTTP/1.1 200 "));
}

struct NoThreads;

impl Spawner for NoThreads {
    fn spawn_blocking(&self, _work: Box<dyn FnOnce() + Send>) -> Result<(), NoThread> {
        Err(NoThread)
    }
}

#[test]
fn a_body_that_finds_no_thread_for_its_file_gets_a_503() {
    let mut config = ServerConfig::default();
    config.channel.bodies = Some(Bodies::Whole);
    config.channel.inbuf_overflow = 10;
    let service = service(config, NoThreads);
    for (length, expected) in [(10, "HTTP/1.1 200 "), (11, "HTTP/1.1 503 ")] {
        let (mut near, far) = pair(4096);
        let mut driver = service.connect(far, Peer::Unix(None), Peer::Unix(None)).unwrap();
        let head = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n");
        let bytes = format!("{head}{}", "x".repeat(length));
        assert!(near.poll_write(&mut cx(), bytes.as_bytes()).is_ready());
        assert!(Pin::new(&mut driver).poll(&mut cx()).is_pending());
        let mut response = [0; 4096];
        let Poll::Ready(Ok(n)) = near.poll_read(&mut cx(), &mut response) else { panic!("no response") };
        let response = String::from_utf8_lossy(&response[..n]);
        assert!(response.starts_with(expected) && !response.contains("threads"), "{length}: {response}");
    }
}
