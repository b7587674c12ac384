//! Faults that only show in a drain with clients at work: transports that are tokio's but for one. In a process of its own,
//! whose threads and descriptors are counted.
#![allow(clippy::unwrap_used)]

use std::io::{self, IoSlice};
use std::mem;
use std::net::SocketAddr;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use httpfsm::handler::{Handler, Request};
use httpfsm::peer::Peer;
use httpfsm_tokio::{ServerHandle, Stream};
use httpfsm_transport::{
    Accept, Accepted, Inline, ListeningSocket, Opening, Server, Transport, Wire, accept,
};
use httpfsm_transport_kit::{drain_at_work, respond};
use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};

#[derive(Clone, Copy, PartialEq, Debug)]
enum Fault {
    Nothing,
    /// Connections whose request is with the handler when the drain begins end without a response.
    LosesWhatTheHandlerHas,
    /// Connections that wait to be accepted when the drain begins are reset.
    LeavesThoseWhoWait,
}
use Fault::*;

#[test]
fn a_drain_that_loses_requests_or_connections_is_caught() {
    assert_eq!(check(Nothing), Ok(()));
    let lost = check(LosesWhatTheHandlerHas).unwrap_err();
    assert!(lost.contains("requests that got a response, and that were delivered"), "{lost}");
    let left = check(LeavesThoseWhoWait).unwrap_err();
    assert!(left.contains("right before the drain") || left.contains("A silent client got"), "{left}");
}

/// What is wrong with the transport.
fn check(fault: Fault) -> Result<(), String> {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let _inside = runtime.enter();
    let handler = |request: Request| async {
        // So that requests are under way when the drain begins.
        tokio::time::sleep(Duration::from_millis(3)).await;
        respond(request).await
    };
    let drained = panic::catch_unwind(AssertUnwindSafe(|| {
        drain_at_work(|config, address| Server::on(Faulty(fault), config).listen_tcp(address).serve(handler))
    }));
    runtime.shutdown_background();
    drained.map(|tally| drop(tally.unwrap())).map_err(|panic| *panic.downcast::<String>().unwrap())
}

struct Faulty(Fault);

impl Transport for Faulty {
    fn start<H: Handler>(self, mut opening: Opening, handler: H) -> io::Result<ServerHandle> {
        let (service, handle) = opening.service(Arc::new(Inline), handler)?;
        let drains = Arc::new(AtomicBool::new(false));
        let (draining, tells) = (handle.draining(), Arc::clone(&drains));
        tokio::spawn(async move {
            draining.await;
            tells.store(true, SeqCst);
        });
        for listener in mem::take(&mut opening.listeners) {
            let (_, ListeningSocket::Tcp(socket)) = listener.into_parts() else { continue };
            let listener = FaultyListener {
                listener: TcpListener::from_std(socket)?,
                fault: self.0,
                drains: Arc::clone(&drains),
                accepted: 0,
            };
            tokio::spawn(accept(listener, Arc::clone(&service), handle.clone(), |driver| {
                tokio::spawn(driver);
            }));
        }
        Ok(handle)
    }
}

struct FaultyListener {
    listener: TcpListener,
    fault: Fault,
    drains: Arc<AtomicBool>,
    accepted: usize,
}

impl Accept for FaultyListener {
    type Wire = FaultyWire;

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Accepted<FaultyWire>>> {
        // The crowd has 40 clients before the late ones.
        if self.fault == LeavesThoseWhoWait && self.accepted >= 40 {
            return Poll::Pending;
        }
        let (stream, peername) = ready!(self.listener.poll_accept(cx))?;
        Poll::Ready(self.accepted(stream, peername))
    }

    fn accept_waiting(&mut self) -> io::Result<Accepted<FaultyWire>> {
        if self.fault == LeavesThoseWhoWait {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let (socket, peername) = SockRef::from(&self.listener).accept()?;
        socket.set_nonblocking(true)?;
        self.accepted(TcpStream::from_std(socket.into())?, peername.as_socket().unwrap())
    }
}

impl FaultyListener {
    fn accepted(&mut self, stream: TcpStream, peername: SocketAddr) -> io::Result<Accepted<FaultyWire>> {
        self.accepted += 1;
        let sockname = Peer::Ip(stream.local_addr()?);
        let drains = (self.fault == LosesWhatTheHandlerHas).then(|| Arc::clone(&self.drains));
        let wire = FaultyWire { stream: stream.into(), drains, requests: 0 };
        Ok(Accepted::new(wire, Peer::Ip(peername), sockname))
    }
}

struct FaultyWire {
    stream: Stream,
    /// Whether the server drains, where that makes a difference.
    drains: Option<Arc<AtomicBool>>,
    /// How many requests of a client that asks one after another were read. Who has asked once may be one that comes
    /// late, which sees a reset without counting.
    requests: u32,
}

impl FaultyWire {
    fn drains(&self) -> bool {
        self.drains.as_ref().is_some_and(|drains| drains.load(SeqCst))
    }
}

impl Wire for FaultyWire {
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let read = self.stream.poll_read(cx, buffer);
        if let Poll::Ready(Ok(read)) = &read {
            let is_counted = buffer[..*read].starts_with(b"GET /plaintext ") && !self.drains();
            self.requests = if is_counted { self.requests + 1 } else { 0 };
        }
        read
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.requests > 1 && self.drains() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        self.stream.poll_write_vectored(cx, slices)
    }

    fn poll_close_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream.poll_close_write(cx)
    }

    fn reset(&mut self) {
        self.stream.reset();
    }
}
