//! A listener that is registered with the loop.

use std::io;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use httpfsm::peer::Peer;
use httpfsm_transport::{Accept, Accepted, Listener, ListenerAddress, ListeningSocket, unix_peer};
use mio::event::Source;
use mio::net::{TcpListener, UnixListener};
use mio::{Interest, Registry, Token};

use crate::lock::lock;
use crate::loop_handle::LoopHandle;
use crate::readiness::{READABLE, Readiness};
use crate::socket::Socket;
use crate::stream::LoopSocket;

pub(crate) struct LoopListener {
    address: ListenerAddress,
    socket: MioListener,
    readiness: Arc<Readiness>,
    handle: Arc<LoopHandle>,
    registry: Arc<Registry>,
    last_accepted: LastAccepted,
}

enum MioListener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// The registration of the connection that was accepted last. The next task that is spawned is its driver.
pub(crate) type LastAccepted = Arc<Mutex<Option<Arc<Readiness>>>>;

impl LoopListener {
    /// Registers a listener. `readiness` wakes the task that accepts.
    pub(crate) fn new(
        listener: Listener,
        readiness: Arc<Readiness>,
        handle: Arc<LoopHandle>,
        registry: Arc<Registry>,
    ) -> io::Result<Self> {
        let (address, socket) = listener.into_parts();
        let mut socket = match socket {
            ListeningSocket::Tcp(listener) => MioListener::Tcp(TcpListener::from_std(listener)),
            ListeningSocket::Unix(listener) => MioListener::Unix(UnixListener::from_std(listener)),
        };
        let source: &mut dyn Source = match &mut socket {
            MioListener::Tcp(listener) => listener,
            MioListener::Unix(listener) => listener,
        };
        registry.register(source, Token(readiness.token()), Interest::READABLE)?;
        Ok(Self { address, socket, readiness, handle, registry, last_accepted: LastAccepted::default() })
    }

    pub(crate) fn last_accepted(&self) -> LastAccepted {
        Arc::clone(&self.last_accepted)
    }

    fn accept(&self) -> io::Result<(Socket, Peer, Peer)> {
        Ok(match &self.socket {
            MioListener::Tcp(listener) => {
                let (stream, peername) = listener.accept()?;
                let sockname = self.address.sockname(|| stream.local_addr())?;
                (Socket::Tcp(stream), Peer::Ip(peername), sockname)
            }
            MioListener::Unix(listener) => {
                let (stream, peername) = listener.accept()?;
                let sockname = self.address.sockname(|| Err(io::ErrorKind::Unsupported.into()))?;
                (Socket::Unix(stream), unix_peer(peername.as_pathname()), sockname)
            }
        })
    }

    fn register(&self, accepted: (Socket, Peer, Peer)) -> io::Result<Accepted<LoopSocket>> {
        let (socket, peername, sockname) = accepted;
        let readiness = self.handle.register();
        let wire = LoopSocket::new(socket, Arc::clone(&readiness), &self.registry)?;
        let before = lock(&self.last_accepted).replace(readiness);
        drop(before);
        Ok(self.address.accepted(wire, peername, sockname))
    }
}

impl Accept for LoopListener {
    type Wire = LoopSocket;

    fn poll_accept(&mut self, _cx: &mut Context<'_>) -> Poll<io::Result<Accepted<LoopSocket>>> {
        loop {
            let known = self.readiness.state();
            if known & READABLE == 0 {
                return Poll::Pending;
            }
            // Any other failure leaves the listener ready: the connections that wait bring no further event.
            match self.accept() {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.readiness.settle(known, READABLE, true);
                }
                accepted => return Poll::Ready(accepted.and_then(|accepted| self.register(accepted))),
            }
        }
    }

    /// Asks the system, whether or not the loop has heard of a connection.
    fn accept_waiting(&mut self) -> io::Result<Accepted<LoopSocket>> {
        self.accept().and_then(|accepted| self.register(accepted))
    }
}

impl Drop for LoopListener {
    fn drop(&mut self) {
        self.readiness.close();
    }
}
