//! A listener that is registered with tokio.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::{Context, Poll, ready};

use httpfsm::peer::Peer;
use httpfsm_transport::{Accept, Accepted, Listener, ListenerAddress, ListeningSocket, unix_peer};
use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

use crate::stream::Stream;

pub(crate) struct RegisteredListener {
    address: ListenerAddress,
    socket: TokioListener,
}

enum TokioListener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl RegisteredListener {
    /// Registers a listener with the runtime that this is called in.
    pub(crate) fn new(listener: Listener) -> io::Result<Self> {
        let (address, socket) = listener.into_parts();
        // tokio tells of a runtime without its I/O driver in no other way than a panic.
        let register = || {
            Ok(match socket {
                ListeningSocket::Tcp(listener) => TokioListener::Tcp(TcpListener::from_std(listener)?),
                ListeningSocket::Unix(listener) => TokioListener::Unix(UnixListener::from_std(listener)?),
            })
        };
        let socket = catch_unwind(AssertUnwindSafe(register)).unwrap_or_else(|_| {
            let text = "The tokio runtime has no I/O driver, by which a server is served: it is to be built with \
                `enable_io` or `enable_all`.";
            Err(io::Error::other(text))
        });
        Ok(Self { address, socket: socket? })
    }
}

impl Accept for RegisteredListener {
    type Wire = Stream;

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Accepted<Stream>>> {
        Poll::Ready(Ok(match &self.socket {
            TokioListener::Tcp(listener) => {
                let (stream, peername) = ready!(listener.poll_accept(cx))?;
                let sockname = self.address.sockname(|| stream.local_addr())?;
                self.address.accepted(Stream::Tcp(stream), Peer::Ip(peername), sockname)
            }
            TokioListener::Unix(listener) => {
                let (stream, peername) = ready!(listener.poll_accept(cx))?;
                let sockname = self.address.sockname(|| Err(io::ErrorKind::Unsupported.into()))?;
                self.address.accepted(Stream::Unix(stream), unix_peer(peername.as_pathname()), sockname)
            }
        }))
    }

    /// Asks the system: tokio asks it only after it has heard of a connection, and at the end nobody waits for that.
    fn accept_waiting(&mut self) -> io::Result<Accepted<Stream>> {
        let (socket, peername) = match &self.socket {
            TokioListener::Tcp(listener) => SockRef::from(listener).accept(),
            TokioListener::Unix(listener) => SockRef::from(listener).accept(),
        }?;
        socket.set_nonblocking(true)?;
        match &self.socket {
            TokioListener::Tcp(_) => {
                let stream = TcpStream::from_std(socket.into())?;
                let peername = peername.as_socket().ok_or(io::ErrorKind::Unsupported)?;
                let sockname = self.address.sockname(|| stream.local_addr())?;
                Ok(self.address.accepted(Stream::Tcp(stream), Peer::Ip(peername), sockname))
            }
            TokioListener::Unix(_) => {
                let stream = UnixStream::from_std(socket.into())?;
                let sockname = self.address.sockname(|| Err(io::ErrorKind::Unsupported.into()))?;
                Ok(self.address.accepted(Stream::Unix(stream), unix_peer(peername.as_pathname()), sockname))
            }
        }
    }
}
