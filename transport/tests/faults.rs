//! The driver over wires that fail, and with a spawner that has no thread.
#![allow(clippy::unwrap_used)]

use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use httpfsm::config::{Bodies, ServerConfig};
use httpfsm::handler::{Handler, Request};
use httpfsm::peer::Peer;
use httpfsm_transport::memory::pair;
use httpfsm_transport::{Clock, Inline, Service, Spawner, Wire};

fn service(config: ServerConfig, spawner: impl Spawner) -> Arc<Service<impl Handler>> {
    let handler = |mut request: Request| async move {
        request.body().collect(1000).await.map(|octets| octets.len().to_string())
    };
    Service::new(config, Clock::manual(), Arc::new(spawner), None, handler)
}

fn cx() -> Context<'static> {
    Context::from_waker(Waker::noop())
}

/// What a wire does when it is written to, and when its output is ended.
#[derive(Clone, Copy, Debug)]
enum Fault {
    /// It takes nothing, and says so without an error.
    Zero,
    Broken,
    /// It takes everything, and cannot send a FIN.
    NoFin,
}

/// A peer that sends this, over a wire with a fault.
struct Faulty(Fault, &'static [u8]);

impl Wire for Faulty {
    fn poll_read(&mut self, _cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        if self.1.is_empty() {
            return Poll::Pending;
        }
        Poll::Ready(io::Read::read(&mut self.1, buffer))
    }
    fn poll_write(&mut self, _cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(match self.0 {
            Fault::Zero => Ok(0),
            Fault::Broken => Err(io::ErrorKind::BrokenPipe.into()),
            Fault::NoFin => Ok(octets.len()),
        })
    }
    fn poll_write_vectored(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_write(cx, slices.first().map_or(&[], |slice| slice))
    }
    fn poll_close_write(&mut self, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Err(io::ErrorKind::NotConnected.into()))
    }
    fn reset(&mut self) {}
}

#[test]
fn a_wire_that_fails_ends_its_connection_and_gives_everything_back() {
    for fault in [Fault::Zero, Fault::Broken, Fault::NoFin] {
        for request in ["GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "BAD\r\n\r\n"] {
            let service = service(ServerConfig::default(), Inline);
            let wire = Faulty(fault, request.as_bytes());
            let mut driver = service.connect(wire, Peer::Unix(None), Peer::Unix(None)).unwrap();
            assert!(Pin::new(&mut driver).poll(&mut cx()).is_ready(), "{fault:?}: {request:?}");
            drop(driver);
            assert_eq!(service.held(), [0; 5], "{fault:?}: {request:?}");
        }
    }
}

/// As a runtime's that shuts down.
struct NoThreads;

impl Spawner for NoThreads {
    fn spawn_blocking(&self, _work: Box<dyn FnOnce() + Send>) {
        panic!("there are no threads");
    }
}

#[test]
fn a_body_that_nobody_can_write_to_its_file_is_answered_500() {
    let mut config = ServerConfig::default();
    config.channel.bodies = Some(Bodies::Whole);
    config.channel.inbuf_overflow = 10;
    let service = service(config, NoThreads);
    for (length, expected) in [(10, "HTTP/1.1 200 "), (11, "HTTP/1.1 500 ")] {
        let (mut near, far) = pair(4096);
        let mut driver = service.connect(far, Peer::Unix(None), Peer::Unix(None)).unwrap();
        let head = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n");
        let octets = format!("{head}{}", "x".repeat(length));
        assert!(near.poll_write(&mut cx(), octets.as_bytes()).is_ready());
        assert!(Pin::new(&mut driver).poll(&mut cx()).is_pending());
        let mut answer = [0; 4096];
        let Poll::Ready(Ok(n)) = near.poll_read(&mut cx(), &mut answer) else { panic!("no answer") };
        let answer = String::from_utf8_lossy(&answer[..n]);
        assert!(answer.starts_with(expected) && !answer.contains("threads"), "{length}: {answer}");
    }
}
