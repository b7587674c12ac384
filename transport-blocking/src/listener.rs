//! A listener that is registered with the loop.

use std::io;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use httpfsm::peer::Peer;
use httpfsm_transport::{Accept, Accepted, Listener, ListeningSocket, Place, unix_peer};
use mio::event::Source;
use mio::net::{TcpListener, UnixListener};
use mio::{Interest, Registry, Token};

use crate::home::Home;
use crate::lock::lock;
use crate::seat::{READABLE, Seat};
use crate::socket::Socket;
use crate::stream::Seated;

pub(crate) struct Registered {
    place: Place,
    socket: Listening,
    seat: Arc<Seat>,
    home: Arc<Home>,
    registry: Arc<Registry>,
    newcomer: Newcomer,
}

enum Listening {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// The registration of the connection that was accepted last. The next task that is spawned is its driver.
pub(crate) type Newcomer = Arc<Mutex<Option<Arc<Seat>>>>;

impl Registered {
    /// Registers a listener. `seat` wakes the task that accepts.
    pub(crate) fn new(
        listener: Listener,
        seat: Arc<Seat>,
        home: Arc<Home>,
        registry: Arc<Registry>,
    ) -> io::Result<Self> {
        let (place, socket) = listener.into_parts();
        let mut socket = match socket {
            ListeningSocket::Tcp(listener) => Listening::Tcp(TcpListener::from_std(listener)),
            ListeningSocket::Unix(listener) => Listening::Unix(UnixListener::from_std(listener)),
        };
        let source: &mut dyn Source = match &mut socket {
            Listening::Tcp(listener) => listener,
            Listening::Unix(listener) => listener,
        };
        registry.register(source, Token(seat.token()), Interest::READABLE)?;
        Ok(Self { place, socket, seat, home, registry, newcomer: Newcomer::default() })
    }

    pub(crate) fn newcomer(&self) -> Newcomer {
        Arc::clone(&self.newcomer)
    }

    fn accept(&self) -> io::Result<(Socket, Peer, Peer)> {
        Ok(match &self.socket {
            Listening::Tcp(listener) => {
                let (stream, peername) = listener.accept()?;
                let sockname = self.place.sockname(|| stream.local_addr())?;
                (Socket::Tcp(stream), Peer::Ip(peername), sockname)
            }
            Listening::Unix(listener) => {
                let (stream, peername) = listener.accept()?;
                let sockname = self.place.sockname(|| Err(io::ErrorKind::Unsupported.into()))?;
                (Socket::Unix(stream), unix_peer(peername.as_pathname()), sockname)
            }
        })
    }

    fn seat(&self, (socket, peername, sockname): (Socket, Peer, Peer)) -> io::Result<Accepted<Seated>> {
        let seat = self.home.seat();
        let wire = Seated::new(socket, Arc::clone(&seat), &self.registry)?;
        let before = lock(&self.newcomer).replace(seat);
        drop(before);
        Ok((wire, peername, sockname))
    }
}

impl Accept for Registered {
    type Wire = Seated;

    fn poll_accept(&mut self, _cx: &mut Context<'_>) -> Poll<io::Result<Accepted<Seated>>> {
        loop {
            let known = self.seat.state();
            if known & READABLE == 0 {
                return Poll::Pending;
            }
            // Any other failure leaves the listener ready: the connections that wait bring no further event.
            match self.accept() {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.seat.settle(known, READABLE, true);
                }
                accepted => return Poll::Ready(accepted.and_then(|accepted| self.seat(accepted))),
            }
        }
    }

    /// Asks the system, whether or not the loop has heard of a connection.
    fn accept_waiting(&mut self) -> io::Result<Accepted<Seated>> {
        self.accept().and_then(|accepted| self.seat(accepted))
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        self.seat.close();
    }
}
