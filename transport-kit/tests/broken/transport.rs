//! A transport that is tokio's but for one fault.

mod tasks;
mod wire;

use std::fs::File;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::{io, mem, thread};

use httpfsm::handler::Handler;
use httpfsm::peer::Peer;
use httpfsm_tokio::{ServerHandle, Stream};
use httpfsm_transport::memory::{MemoryWire, pair};
use httpfsm_transport::{
    Accept, Accepted, Inline, ListenerAddress, ListeningSocket, Opening, Transport, Wire, accept, unix_peer,
};
use socket2::SockRef;
use tasks::{Accepts, Deaf, FaultyHandler, Forgetful, is_accept_loop, is_timer};
use tokio::net::{TcpListener, TcpStream, UnixListener};
pub(crate) use wire::FaultyWire;

use crate::fault::Fault::{self, *};

/// tokio with a fault.
pub(crate) struct Faulty(pub(crate) Fault);

impl Transport for Faulty {
    fn start<H: Handler>(self, mut opening: Opening, handler: H) -> io::Result<ServerHandle> {
        let handler = FaultyHandler { inner: handler, fault: self.0 };
        let (service, handle) = opening.service(Arc::new(Inline), handler)?;
        match self.0 {
            LeaksADescriptorAServer => mem::forget(File::open("/dev/null")),
            LeaksAThreadAServer => drop(thread::spawn(thread::park)),
            _ => {}
        }
        for (number, listener) in mem::take(&mut opening.listeners).into_iter().enumerate() {
            let (address, socket) = listener.into_parts();
            if self.0 == SkipsEverySecondListener && number % 2 == 1 {
                let draining = handle.draining();
                tokio::spawn(async move {
                    draining.await;
                    drop((address, socket));
                });
                continue;
            }
            if let (SkipsIpv6, ListeningSocket::Tcp(socket)) = (self.0, &socket) {
                if socket.local_addr()?.is_ipv6() {
                    mem::forget(socket.try_clone()?);
                    continue;
                }
            }
            if let (KeepsListening, ListeningSocket::Tcp(socket)) = (self.0, &socket) {
                mem::forget(socket.try_clone()?);
            }
            let listener = FaultyListener::new(address, socket, self.0)?;
            let accepts = accept(listener, Arc::clone(&service), handle.clone(), move |driver| {
                drop(match self.0 {
                    NeverWakesForADeadline => tokio::spawn(Deaf(driver, is_timer)),
                    IgnoresEvictions => tokio::spawn(Deaf(driver, is_accept_loop)),
                    ForgetsDriversThatSawAPanic => tokio::spawn(Forgetful(Some(driver))),
                    _ => tokio::spawn(driver),
                });
            });
            tokio::spawn(Accepts(Box::pin(accepts)));
        }
        Ok(handle)
    }
}

struct FaultyListener {
    _address: ListenerAddress,
    socket: Listens,
    fault: Fault,
}

enum Listens {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl FaultyListener {
    fn new(address: ListenerAddress, socket: ListeningSocket, fault: Fault) -> io::Result<Self> {
        let socket = match socket {
            ListeningSocket::Tcp(socket) => Listens::Tcp(TcpListener::from_std(socket)?),
            ListeningSocket::Unix(socket) => Listens::Unix(UnixListener::from_std(socket)?),
        };
        Ok(Self { _address: address, socket, fault })
    }
}

impl Accept for FaultyListener {
    type Wire = FaultyWire;

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Accepted<FaultyWire>>> {
        let (stream, mut peername, mut sockname, ahead) = match &self.socket {
            Listens::Tcp(socket) => {
                let (stream, peername) = ready!(socket.poll_accept(cx))?;
                let ahead = match self.fault {
                    ReadsAheadWithoutBound => Some(read_ahead(&stream)?),
                    _ => None,
                };
                let sockname = Peer::Ip(stream.local_addr()?);
                (Stream::from(stream), Peer::Ip(peername), sockname, ahead)
            }
            Listens::Unix(socket) => {
                let (stream, _) = ready!(socket.poll_accept(cx))?;
                let address = stream.local_addr()?;
                let path = address.as_pathname().filter(|_| self.fault != ForgetsThePath);
                let sockname = unix_peer(path);
                (stream.into(), unix_peer(None), sockname, None)
            }
        };
        if self.fault == SwapsTheNames {
            mem::swap(&mut peername, &mut sockname);
        }
        if self.fault == LeaksDescriptors {
            mem::forget(File::open("/dev/null"));
        }
        let wire = FaultyWire::new(stream, ahead, self.fault);
        Poll::Ready(Ok(Accepted::new(wire, peername, sockname)))
    }
}

/// What comes on the connection, from a buffer that has no bound.
fn read_ahead(stream: &TcpStream) -> io::Result<MemoryWire> {
    let (near, mut far) = pair(usize::MAX);
    let stream = TcpStream::from_std(SockRef::from(stream).try_clone()?.into())?;
    tokio::spawn(async move {
        let mut buffer = vec![0; 64 << 10];
        while stream.readable().await.is_ok() {
            match stream.try_read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => {
                    if poll_fn(|cx| far.poll_write(cx, &buffer[..read])).await.is_err() {
                        break;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => break,
            }
        }
    });
    Ok(near)
}
