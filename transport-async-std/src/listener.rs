//! A listener that is registered with the reactor.

use std::io;
use std::task::{Context, Poll, ready};

use async_io::Async;
use httpfsm::peer::Peer;
use httpfsm_transport::{Accept, Accepted, Listener, ListenerAddress, ListeningSocket, unix_peer};
use socket2::{SockAddr, Socket};

use crate::socket::RegisteredSocket;

pub(crate) struct RegisteredListener {
    address: ListenerAddress,
    socket: Async<Socket>,
}

impl RegisteredListener {
    pub(crate) fn new(listener: Listener) -> io::Result<Self> {
        let (address, socket) = listener.into_parts();
        let socket = match socket {
            ListeningSocket::Tcp(listener) => Socket::from(listener),
            ListeningSocket::Unix(listener) => Socket::from(listener),
        };
        Ok(Self { address, socket: Async::new_nonblocking(socket)? })
    }
}

impl Accept for RegisteredListener {
    type Wire = RegisteredSocket;

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Accepted<Self::Wire>>> {
        let (socket, peername) = loop {
            match self.socket.get_ref().accept() {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    ready!(self.socket.poll_readable(cx))?;
                }
                accepted => break accepted?,
            }
        };
        let sockname = self.address.sockname(|| {
            let address = socket.local_addr()?.as_socket();
            address.ok_or_else(|| io::ErrorKind::Unsupported.into())
        })?;
        let socket = RegisteredSocket::new(socket)?;
        Poll::Ready(Ok(self.address.accepted(socket, peer(&peername), sockname)))
    }
}

fn peer(address: &SockAddr) -> Peer {
    match address.as_socket() {
        Some(address) => Peer::Ip(address),
        None => unix_peer(address.as_pathname()),
    }
}
