//! The accept loop of every transport. It never ends for a failure, and never spins.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use httpfsm::handler::Handler;
use httpfsm::peer::Peer;
use rustix::io::Errno;

use crate::driver::Driver;
use crate::handle::{Listening, ServerHandle};
use crate::listener::ListenerInfo;
use crate::panics;
use crate::service::Service;
use crate::shared_state::Arrival;
use crate::wire::Wire;

/// `PermissionDenied` so often in a row concerns all connections, and not single ones.
const FORBIDDEN: u32 = 64;

/// Connections accepted before others get their turn.
const TURNS: u32 = 64;

/// Connections that one listener accepts after the server went out of service, so that clients that go on connecting do
/// not hold up the drain.
const WAITING: usize = 65_536;
/// Failures in a row, about ten seconds of them, after which it gives up the connections that still wait.
const FAILURES: u32 = 16;

/// A listener in a runtime.
///
/// [`accept()`] takes one, and its page shows one.
pub trait Accept: Send + 'static {
    /// What it accepts.
    type Wire: Wire;

    /// Accepts a connection.
    ///
    /// # Errors
    ///
    /// Nothing was accepted: the connection was lost again, or there are no more descriptors.
    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Accepted<Self::Wire>>>;

    /// Accepts a connection that waits, whether or not the runtime knows of it already. The listener is about to close,
    /// which resets those that still wait.
    ///
    /// A runtime that learns late of a connection has the system asked:
    ///
    /// ```
    /// use std::io;
    /// use std::net::{TcpListener, TcpStream};
    /// use std::task::{Context, Poll};
    ///
    /// # use httpfsm_transport::memory::MemoryWire as SocketWire;
    /// use httpfsm_transport::{Accept, Accepted};
    ///
    /// struct Listening {
    ///     socket: TcpListener,
    ///     // And what the runtime has for it.
    /// }
    ///
    /// # fn accepted(_: TcpStream) -> io::Result<Accepted<SocketWire>> { Err(io::ErrorKind::Unsupported.into()) }
    /// impl Accept for Listening {
    ///     type Wire = SocketWire;
    /// #     fn poll_accept(&mut self, _: &mut Context<'_>) -> Poll<io::Result<Accepted<SocketWire>>> { Poll::Pending }
    ///
    ///     // `poll_accept` asks the runtime first.
    ///
    ///     fn accept_waiting(&mut self) -> io::Result<Accepted<SocketWire>> {
    ///         accepted(self.socket.accept()?.0)
    ///     }
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// [`WouldBlock`](io::ErrorKind::WouldBlock): none waits. Else as [`poll_accept`](Self::poll_accept).
    fn accept_waiting(&mut self) -> io::Result<Accepted<Self::Wire>> {
        match self.poll_accept(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(accepted) => accepted,
            Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
        }
    }
}

/// A connection that was accepted.
///
/// ```
/// use std::sync::Arc;
///
/// use httpfsm::peer::Peer;
/// use httpfsm_transport::{Accepted, ListenerInfo, memory};
///
/// let (_client, wire) = memory::pair(1024);
/// let peername = Peer::Ip(([192, 0, 2, 7], 50_000).into());
/// let sockname = Peer::Ip(([192, 0, 2, 1], 443).into());
/// let mut info = ListenerInfo::default();
/// info.scheme = Some("https".into());
/// // The listener keeps its own in an `Arc`, and each connection has a clone of that.
/// let accepted = Accepted::new(wire, peername, sockname).with_listener(Arc::new(info));
/// assert_eq!(accepted.listener.scheme.as_deref(), Some("https"));
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct Accepted<W> {
    /// Its bytes.
    pub wire: W,
    /// The peer's address.
    pub peername: Peer,
    /// Our address.
    pub sockname: Peer,
    /// What its listener says of all its connections.
    pub listener: Arc<ListenerInfo>,
}

impl<W> Accepted<W> {
    /// A connection of a listener that says nothing: [`ListenerInfo::default`].
    #[must_use]
    pub fn new(wire: W, peername: Peer, sockname: Peer) -> Self {
        Self { wire, peername, sockname, listener: Arc::default() }
    }

    /// The same of this listener.
    #[must_use]
    pub fn with_listener(mut self, listener: Arc<ListenerInfo>) -> Self {
        self.listener = listener;
        self
    }

    /// What the machine of the server is asked about.
    #[inline]
    pub(crate) fn arrival(&self) -> Arrival<'_> {
        let Self { peername, sockname, listener, .. } = self;
        Arrival { peername, sockname, names_peer: listener.before.names_peer(peername) }
    }
}

/// Accepts until the server goes out of service, and then the connections that still wait; `spawn` runs the driver of
/// each connection. Where `spawn` panics, that connection is lost, the subscriber is told
/// ([`Failure::Accept`](httpfsm::handler::Failure::Accept)), and accepting goes on after a pause. The runtime is to run the
/// future, in the background.
///
/// A listener in memory, and what a runtime does with its connections:
///
/// ```
/// use std::io;
/// use std::pin::{Pin, pin};
/// use std::sync::{Arc, mpsc};
/// use std::task::{Context, Poll, Waker};
///
/// use httpfsm::{Peer, Request, ServerConfig};
/// use httpfsm_transport::memory::{MemoryWire, pair};
/// use httpfsm_transport::{Accept, Accepted, Clock, Inline, Service, Wire, accept};
///
/// /// One connection, and then no more.
/// struct Once(Option<MemoryWire>);
///
/// impl Accept for Once {
///     type Wire = MemoryWire;
///
///     fn poll_accept(&mut self, _: &mut Context<'_>) -> Poll<io::Result<Accepted<MemoryWire>>> {
///         match self.0.take() {
///             Some(wire) => Poll::Ready(Ok(Accepted::new(wire, Peer::Unix(None), Peer::Unix(None)))),
///             None => Poll::Pending,
///         }
///     }
/// }
///
/// let handler = |_: Request| async { "Hello, world!" };
/// let service = Service::new(ServerConfig::default(), Clock::system(), Arc::new(Inline), None, handler);
/// let handle = service.handle(Vec::new());
/// let (mut client, wire) = pair(1024);
/// let (spawn, tasks) = mpsc::channel();
/// let mut accepting = pin!(accept(Once(Some(wire)), service, handle, move |driver| drop(spawn.send(driver))));
///
/// let mut cx = Context::from_waker(Waker::noop());
/// assert!(client.poll_write(&mut cx, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").is_ready());
/// assert!(accepting.as_mut().poll(&mut cx).is_pending(), "it waits for the next one");
/// let mut driver = tasks.try_recv().expect("a connection was accepted");
/// assert!(Pin::new(&mut driver).poll(&mut cx).is_pending(), "it waits for the next request");
/// let mut received = [0; 15];
/// assert!(client.poll_read(&mut cx, &mut received).is_ready());
/// assert_eq!(&received, b"HTTP/1.1 200 OK");
/// ```
pub fn accept<A: Accept, H: Handler>(
    listener: A,
    service: Arc<Service<H>>,
    handle: ServerHandle,
    spawn: impl Fn(Driver<H, A::Wire>) + Send,
) -> impl Future<Output = ()> + Send {
    // Counted before the future runs: a drain that comes first must wait for it.
    let mut open = OpenListener { listener, listening: handle.listening() };
    async move {
        let (mut backoff, mut turns, mut draining) = (Backoff::default(), 0, handle.draining());
        let (mut waited, mut own_end) = (0, Weak::new());
        loop {
            let listener = &mut open.listener;
            let mut next = |cx: &mut Context<'_>| {
                let accepted = listener.poll_accept(cx);
                if accepted.is_pending() {
                    // Nobody is behind those that have waited.
                    waited = 0;
                }
                accepted
            };
            let accepted = poll_fn(|cx| match Pin::new(&mut draining).poll(cx) {
                Poll::Ready(()) => Poll::Ready(None),
                Poll::Pending => poll_in_turn(&mut turns, cx, &mut next).map(Some),
            });
            let served = match accepted.await {
                None => break,
                Some(Ok(accepted)) => {
                    let admitted = open.listening.admit(accepted.arrival(), &mut waited).await;
                    let opened = service.open(accepted, admitted, &mut own_end);
                    opened.map_or(Ok(()), |driver| run(&spawn, driver))
                }
                Some(Err(error)) => Err(error),
            };
            match served {
                Ok(()) => backoff.succeeded(),
                Err(error) => {
                    if let Some(pause) = backoff.failed(&error) {
                        handle.cannot_accept(&error);
                        // As where the server is full: who has been idle for the longest gives its descriptor.
                        if is_shortage(&error) {
                            open.listening.evict();
                        }
                        open.listening.pause(pause).await;
                    }
                }
            }
        }
        // The server goes out. Those that wait now would be reset with the listener, and with them their requests.
        let (mut backoff, mut failures, mut waited) = (Backoff::default(), 0, 0);
        for _ in 0..WAITING {
            if open.listening.is_cut() {
                break;
            }
            let listener = &mut open.listener;
            let accepted =
                poll_fn(|cx| poll_in_turn(&mut turns, cx, |_| Poll::Ready(listener.accept_waiting())));
            let served = match accepted.await {
                Ok(accepted) => {
                    let admitted = open.listening.admit(accepted.arrival(), &mut waited).await;
                    let opened = service.open(accepted, admitted, &mut own_end);
                    opened.map_or(Ok(()), |driver| run(&spawn, driver))
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => Err(error),
            };
            match served {
                Ok(()) => (backoff, failures) = (Backoff::default(), 0),
                Err(error) => {
                    if let Some(pause) = backoff.failed(&error) {
                        handle.cannot_accept(&error);
                        failures += 1;
                        if failures == FAILURES {
                            break;
                        }
                        if is_shortage(&error) {
                            open.listening.evict();
                        }
                        open.listening.pause_while_draining(pause).await;
                    }
                }
            }
        }
    }
}

/// Whether the system lacks something that a connection gives back when it closes: a descriptor, or memory.
pub(crate) fn is_shortage(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM))
}

/// Has the executor run a connection. Where that panics, as an executor may that finds no thread, the connection is
/// lost.
fn run<D>(spawn: impl Fn(D), driver: D) -> io::Result<()> {
    let run = panics::attempt(|| spawn(driver));
    run.map_err(|message| io::Error::other(format!("the executor panicked: {message}")))
}

/// Polls, but lets the other tasks of the thread run after [`TURNS`] polls in a row that were ready. So open
/// connections are served also while new ones come faster than they are accepted.
fn poll_in_turn<T>(
    turns: &mut u32,
    cx: &mut Context<'_>,
    poll: impl FnOnce(&mut Context<'_>) -> Poll<T>,
) -> Poll<T> {
    if *turns == TURNS {
        *turns = 0;
        cx.waker().wake_by_ref();
        return Poll::Pending;
    }
    let polled = poll(cx);
    *turns = if polled.is_ready() { *turns + 1 } else { 0 };
    polled
}

/// A listener, which is closed before the server learns that it is.
struct OpenListener<A> {
    listener: A,
    listening: Listening,
}

/// The pause after failed accepts: none for the failure of one connection, growing from 5 ms to 1 s while the
/// process or the system is out of descriptors or memory, or the system forbids to accept.
///
/// ```
/// use std::io;
/// use std::time::Duration;
///
/// use httpfsm_transport::Backoff;
///
/// let mut backoff = Backoff::default();
/// assert_eq!(backoff.failed(&io::ErrorKind::ConnectionAborted.into()), None, "the next one may be fine");
/// let no_descriptors = io::Error::from_raw_os_error(24); // EMFILE
/// assert_eq!(backoff.failed(&no_descriptors), Some(Duration::from_millis(5)));
/// assert_eq!(backoff.failed(&no_descriptors), Some(Duration::from_millis(10)));
/// backoff.succeeded();
/// assert_eq!(backoff.failed(&no_descriptors), Some(Duration::from_millis(5)));
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Backoff {
    failures: u32,
    forbidden: u32,
}

impl Backoff {
    /// A connection was accepted.
    pub fn succeeded(&mut self) {
        *self = Self::default();
    }

    /// Accepting failed: how long to pause before the next try, `None` for not at all.
    pub fn failed(&mut self, error: &io::Error) -> Option<Duration> {
        use io::ErrorKind as Kind;
        // These are about the connection that was to be accepted (accept(2): "treat them like EAGAIN").
        let of_one_connection = matches!(
            error.kind(),
            Kind::ConnectionAborted
                | Kind::ConnectionReset
                | Kind::ConnectionRefused
                | Kind::Interrupted
                | Kind::PermissionDenied
                | Kind::TimedOut
                | Kind::HostUnreachable
                | Kind::NetworkUnreachable
                | Kind::NetworkDown
        );
        // A firewall forbids a single connection with this error. A policy that forbids to accept gives it each time.
        if error.kind() == Kind::PermissionDenied {
            self.forbidden = self.forbidden.saturating_add(1);
        }
        if of_one_connection && self.forbidden <= FORBIDDEN {
            return None;
        }
        let pause = Duration::from_millis(5 << self.failures.min(8));
        self.failures = self.failures.saturating_add(1);
        Some(pause.min(Duration::from_secs(1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn out_of_descriptors_backs_off_up_to_a_second() {
        let mut backoff = Backoff::default();
        let emfile = io::Error::from_raw_os_error(24);
        assert_eq!(backoff.failed(&emfile), Some(Duration::from_millis(5)));
        assert_eq!(backoff.failed(&emfile), Some(Duration::from_millis(10)));
        for _ in 0..100 {
            assert!(backoff.failed(&emfile) <= Some(Duration::from_secs(1)));
        }
        assert_eq!(backoff.failed(&emfile), Some(Duration::from_secs(1)));
        backoff.succeeded();
        assert_eq!(backoff.failed(&emfile), Some(Duration::from_millis(5)));
    }

    #[test]
    fn while_all_come_at_once_others_get_their_turn() {
        let (mut turns, mut cx) = (0, Context::from_waker(std::task::Waker::noop()));
        for round in 0..3 * (TURNS + 1) {
            let polled = poll_in_turn(&mut turns, &mut cx, |_| Poll::Ready(()));
            assert_eq!(polled.is_pending(), round % (TURNS + 1) == TURNS, "{round}");
        }
    }

    #[test]
    fn a_system_that_forbids_to_accept_is_not_asked_without_end() {
        let mut backoff = Backoff::default();
        let forbidden = io::ErrorKind::PermissionDenied.into();
        for _ in 0..FORBIDDEN {
            assert_eq!(backoff.failed(&forbidden), None, "a firewall may have forbidden so many connections");
        }
        assert_eq!(backoff.failed(&forbidden), Some(Duration::from_millis(5)));
        assert_eq!(backoff.failed(&forbidden), Some(Duration::from_millis(10)));
        backoff.succeeded();
        assert_eq!(backoff.failed(&forbidden), None);
    }

    #[test]
    fn a_connection_that_was_reset_costs_no_pause() {
        let mut backoff = Backoff::default();
        assert_eq!(backoff.failed(&io::ErrorKind::ConnectionAborted.into()), None);
    }
}
