//! The listening socket of a simulated server, for the accept loop that the transports use, too.

use std::collections::VecDeque;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use httpfsm::handler::Handler;
use httpfsm::peer::Peer;
use httpfsm_transport::{Accept, Accepted, Driver, ListenerInfo, ServerHandle, Service, accept};

use crate::layer::ServerEnd;
use crate::world::{Task, guard};

/// The port of the first client.
const PORT: u16 = 50_000;

/// EMFILE: the process has no descriptor left.
const NO_DESCRIPTORS: i32 = 24;

/// Where clients connect. Clones are the same listening socket.
pub(crate) struct ListenQueue<H: Handler> {
    queue: Arc<Mutex<QueueState>>,
    admitted: Arc<Mutex<Vec<Admitted<H>>>>,
}

/// The number of a client, and its driver.
pub(crate) type Admitted<H> = (usize, Box<Driver<H, ServerEnd>>);

#[derive(Default)]
struct QueueState {
    waiting: VecDeque<(usize, ServerEnd, Arc<ListenerInfo>)>,
    waker: Option<Waker>,
    /// Which calls that would have accepted somebody fail.
    failures: Vec<u32>,
    calls: u32,
    /// Who was accepted last: the accept loop serves one after the other.
    accepted: usize,
    closed: bool,
}

impl<H: Handler> ListenQueue<H> {
    pub(crate) fn new(failures: Vec<u32>) -> Self {
        let queue = QueueState { failures, ..QueueState::default() };
        Self { queue: Arc::new(Mutex::new(queue)), admitted: Arc::default() }
    }

    /// The accept loop, to be run as a task.
    pub(crate) fn accept_loop(&self, service: &Arc<Service<H>>, handle: &ServerHandle) -> Task {
        let (queue, admitted) = (Arc::clone(&self.queue), Arc::clone(&self.admitted));
        let listener = SimListener(Arc::clone(&self.queue));
        let spawn = move |driver| {
            let number = guard(&queue).accepted;
            guard(&admitted).push((number, Box::new(driver)));
        };
        Box::pin(accept(listener, Arc::clone(service), handle.clone(), spawn))
    }

    /// A client connects, to this listener. Where nobody listens any more, its socket is closed.
    pub(crate) fn connect(&self, number: usize, wire: ServerEnd, listener: Arc<ListenerInfo>) {
        let mut queue = guard(&self.queue);
        if !queue.closed {
            queue.waiting.push_back((number, wire, listener));
            queue.waker.take().into_iter().for_each(Waker::wake);
        }
    }

    /// The connections that were let in since the last call.
    pub(crate) fn take_admitted(&self) -> Vec<Admitted<H>> {
        std::mem::take(&mut *guard(&self.admitted))
    }

    /// How often it was asked for a connection and had one.
    pub(crate) fn calls(&self) -> u32 {
        guard(&self.queue).calls
    }
}

struct SimListener(Arc<Mutex<QueueState>>);

impl Accept for SimListener {
    type Wire = ServerEnd;

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Accepted<ServerEnd>>> {
        let mut queue = guard(&self.0);
        if queue.waiting.is_empty() {
            queue.waker = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let call = queue.calls;
        queue.calls += 1;
        if queue.failures.contains(&call) {
            return Poll::Ready(Err(io::Error::from_raw_os_error(NO_DESCRIPTORS)));
        }
        let Some((number, wire, listener)) = queue.waiting.pop_front() else { return Poll::Pending };
        queue.accepted = number;
        let own = SocketAddr::from((Ipv4Addr::LOCALHOST, 80));
        Poll::Ready(Ok(Accepted::new(wire, peer_of(number), own.into()).with_listener(listener)))
    }
}

impl Drop for SimListener {
    /// Who was not accepted yet is lost.
    fn drop(&mut self) {
        let lost = {
            let mut queue = guard(&self.0);
            queue.closed = true;
            std::mem::take(&mut queue.waiting)
        };
        drop(lost);
    }
}

/// The address of a client.
pub(crate) fn peer_of(number: usize) -> Peer {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port_of(number))).into()
}

/// Its port, also where another address is named.
pub(crate) fn port_of(number: usize) -> u16 {
    PORT + u16::try_from(number).unwrap_or_default()
}

/// The client at an address.
pub(crate) fn client_at(peer: &Peer) -> Option<usize> {
    match peer {
        Peer::Ip(address) => address.port().checked_sub(PORT).map(usize::from),
        Peer::Unix(_) => None,
    }
}
