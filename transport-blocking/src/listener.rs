//! A listener of which events tell.

use std::io;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use httpfsm::peer::Peer;
use httpfsm_transport::{Accept, Accepted, Listener, ListenerAddress, ListeningSocket, unix_peer};

use crate::lock::lock;
use crate::poller::{self, Poller, READABLE};
use crate::pool::Pool;
use crate::socket::{Socket, Stream};
use crate::stream::WatchedSocket;
use crate::task::Task;

pub(crate) struct WatchedListener {
    address: ListenerAddress,
    socket: ListeningSocket,
    /// That accepts.
    task: Arc<Task>,
    pool: Arc<Pool>,
    poller: Arc<Poller>,
    pub(crate) last_accepted: LastAccepted,
}

/// The task of the connection that was accepted last. The next driver that is spawned is its future.
pub(crate) type LastAccepted = Arc<Mutex<Option<Arc<Task>>>>;

impl WatchedListener {
    /// Has the events of a listener wake `task`, which accepts.
    pub(crate) fn new(listener: Listener, pool: &Arc<Pool>, task: Arc<Task>) -> io::Result<Self> {
        let (address, socket) = listener.into_parts();
        let poller = pool.poller()?;
        poller.add(&socket, task.token())?;
        let (pool, last_accepted) = (Arc::clone(pool), LastAccepted::default());
        Ok(Self { address, socket, task, pool, poller, last_accepted })
    }

    fn accept(&self) -> io::Result<(Socket, Peer, Peer)> {
        Ok(match &self.socket {
            ListeningSocket::Tcp(listener) => {
                let (stream, peername) = poller::accept(listener)?;
                let sockname = self.address.sockname(|| stream.local_addr())?;
                (Socket::accepted(stream), Peer::Ip(peername), sockname)
            }
            ListeningSocket::Unix(listener) => {
                let (stream, peername) = listener.accept()?;
                let sockname = self.address.sockname(|| Err(io::ErrorKind::Unsupported.into()))?;
                (Socket::new(Stream::Unix(stream))?, unix_peer(peername.as_pathname()), sockname)
            }
        })
    }

    fn watch(&self, accepted: (Socket, Peer, Peer)) -> io::Result<Accepted<<Self as Accept>::Wire>> {
        let (socket, peername, sockname) = accepted;
        let task = self.pool.task()?;
        let added = self.poller.add(&socket, task.token());
        // Made before the result is looked at: where it is an error, the drop has the task forgotten.
        let wire = WatchedSocket::new(socket, Arc::clone(&task));
        added?;
        let before = lock(&self.last_accepted).replace(task);
        drop(before);
        Ok(self.address.accepted(wire, peername, sockname))
    }
}

impl Accept for WatchedListener {
    type Wire = WatchedSocket<Socket, Arc<Task>>;

    fn poll_accept(&mut self, _cx: &mut Context<'_>) -> Poll<io::Result<Accepted<Self::Wire>>> {
        loop {
            let known = self.task.readiness.state();
            if known & READABLE == 0 {
                return Poll::Pending;
            }
            // Any other failure leaves the listener ready: the connections that wait bring no further event.
            match self.accept() {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.task.readiness.settle(known, READABLE, true);
                }
                accepted => return Poll::Ready(accepted.and_then(|accepted| self.watch(accepted))),
            }
        }
    }

    /// Asks the system, whether or not an event has told of a connection.
    fn accept_waiting(&mut self) -> io::Result<Accepted<Self::Wire>> {
        self.accept().and_then(|accepted| self.watch(accepted))
    }
}

impl Drop for WatchedListener {
    fn drop(&mut self) {
        // Passed by reference, it stays open: each client that comes later would wake a worker.
        self.poller.remove(&self.socket);
        self.task.close();
    }
}
