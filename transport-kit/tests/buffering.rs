//! The driver over a wire that holds what is written until it is flushed: it keeps all that a transport owes, and where
//! it is never flushed, the kit finds what is lost.
#![allow(clippy::unwrap_used)]

use std::io;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use httpfsm::handler::Handler;
use httpfsm::peer::Peer;
use httpfsm_tokio::{BlockingPool, ServerHandle, Stream};
use httpfsm_transport::{
    Accept, Accepted, ListenerAddress, ListeningSocket, Opening, Transport, Wire, accept, unix_peer,
};
use httpfsm_transport_kit::{Application, Buffering, Kit, Plan, Report};
use tokio::net::{TcpListener, UnixListener};

/// tokio, over wires that [`Buffering`] wraps.
struct Buffered {
    flushes: bool,
}

impl Transport for Buffered {
    fn start<H: Handler>(self, mut opening: Opening, handler: H) -> io::Result<ServerHandle> {
        let spawner = Arc::new(BlockingPool);
        let (service, handle) = opening.service(spawner, handler)?;
        for listener in opening.listeners {
            let (address, socket) = listener.into_parts();
            let listener = match socket {
                ListeningSocket::Tcp(socket) => Listens::Tcp(TcpListener::from_std(socket)?),
                ListeningSocket::Unix(socket) => Listens::Unix(UnixListener::from_std(socket)?),
            };
            let listener = BufferingListener { _address: address, listener, flushes: self.flushes };
            tokio::spawn(accept(listener, Arc::clone(&service), handle.clone(), |driver| {
                tokio::spawn(driver);
            }));
        }
        Ok(handle)
    }
}

struct BufferingListener {
    _address: ListenerAddress,
    listener: Listens,
    flushes: bool,
}

enum Listens {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Accept for BufferingListener {
    type Wire = MayFlush;

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Accepted<MayFlush>>> {
        let (stream, peername, sockname) = match &self.listener {
            Listens::Tcp(listener) => {
                let (stream, peername) = ready!(listener.poll_accept(cx))?;
                let sockname = Peer::Ip(stream.local_addr()?);
                (Stream::from(stream), Peer::Ip(peername), sockname)
            }
            Listens::Unix(listener) => {
                let (stream, _) = ready!(listener.poll_accept(cx))?;
                let sockname = unix_peer(stream.local_addr()?.as_pathname());
                (stream.into(), unix_peer(None), sockname)
            }
        };
        let wire = MayFlush { inner: Buffering::new(stream), flushes: self.flushes };
        Poll::Ready(Ok(Accepted::new(wire, peername, sockname)))
    }
}

/// A driver that does not flush is one whose wire is not told to.
struct MayFlush {
    inner: Buffering<Stream>,
    flushes: bool,
}

impl Wire for MayFlush {
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        self.inner.poll_read(cx, buffer)
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.inner.poll_write(cx, bytes)
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.flushes { self.inner.poll_flush(cx) } else { Poll::Ready(Ok(())) }
    }

    fn poll_close_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.inner.poll_close_write(cx)
    }

    fn is_lost(&mut self) -> bool {
        self.inner.is_lost()
    }

    fn reset(&mut self) {
        self.inner.reset();
    }
}

fn check(kit: &Kit, flushes: bool) -> Report {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    kit.check(&|plan: Plan, application: Application| {
        let _inside = runtime.enter();
        plan.on(Buffered { flushes }).serve(application.blocking(BlockingPool))
    })
}

#[test]
fn bytes_that_a_wire_holds_are_not_lost() {
    check(&Kit::default(), true).assert();
}

/// To slow readers, at a half-close and at a close.
#[test]
fn a_driver_that_does_not_flush_loses_bytes() {
    let broken = ["output", "half-close", "partial writes"];
    let kit = Kit::default().patience(std::time::Duration::from_secs(2)).only(broken).unwrap();
    let report = check(&kit, false);
    assert_eq!(report.broken(), broken, "{report}");
}
