//! A running server, seen from outside.

use std::fmt;
use std::future::{Future, poll_fn};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use httpfsm::peer::Peer;
use httpfsm::server::ServerStats;

use crate::desk::Desk;

/// A handle on a running server; its clones are handles on the same one.
#[derive(Clone)]
pub struct ServerHandle {
    desk: Arc<Desk>,
    addresses: Arc<[Peer]>,
}

impl ServerHandle {
    pub(crate) fn new(desk: Arc<Desk>, addresses: Vec<Peer>) -> Self {
        Self { desk, addresses: addresses.into() }
    }

    /// Takes the server out of service: it stops to listen, running answers are finished and say `close`, idle
    /// connections close after `drain_grace`, and what is left at `deadline` (the configuration's `drain_deadline`
    /// if that is `None` or earlier) is dropped. The future resolves when the last channel is gone
    /// and nobody listens any more; dropping it stops nothing.
    pub fn drain(&self, deadline: Option<Duration>) -> impl Future<Output = ()> + Send + use<> {
        self.desk.go_out(deadline);
        self.gone()
    }

    /// Resolves when the server has gone out of service, whoever told it to.
    pub fn gone(&self) -> impl Future<Output = ()> + Send + use<> {
        let desk = Arc::clone(&self.desk);
        poll_fn(move |cx| desk.poll_gone(cx))
    }

    /// The counts so far. Those of a channel are in them when it has closed.
    #[must_use]
    pub fn stats(&self) -> ServerStats {
        self.desk.stats()
    }

    /// Where the server listens, in the order of its listeners; a port 0 is the port that the system chose.
    #[must_use]
    pub fn local_addrs(&self) -> &[Peer] {
        &self.addresses
    }

    /// The first TCP address of [`local_addrs`](Self::local_addrs).
    #[must_use]
    pub fn local_addr(&self) -> Option<std::net::SocketAddr> {
        self.addresses.iter().find_map(|address| match address {
            Peer::Ip(address) => Some(*address),
            Peer::Unix(_) => None,
        })
    }

    /// For a transport's accept loop: ready when the server goes out of service and the loop is to end.
    pub fn poll_going(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.desk.poll_going(cx)
    }

    /// For a transport's accept loop, which holds it as long as it listens: a server is gone only when all are
    /// dropped.
    #[must_use]
    pub fn listening(&self) -> Listening {
        self.desk.listen();
        Listening(Arc::clone(&self.desk))
    }

    pub(crate) fn desk(&self) -> &Arc<Desk> {
        &self.desk
    }
}

impl fmt::Debug for ServerHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerHandle").field("addresses", &self.addresses).field("desk", &self.desk).finish()
    }
}

/// Stands for a listener that is open.
#[derive(Debug)]
pub struct Listening(Arc<Desk>);

impl Drop for Listening {
    fn drop(&mut self) {
        self.0.end_listening();
    }
}
