//! A running server, seen from outside.

use std::fmt;
use std::future::{Future, IntoFuture, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use httpfsm::handler::{Failure, MemoryUse};
use httpfsm::peer::Peer;
use httpfsm::server::{ChannelId, NotAdmitted, ServerStats};

use crate::alarms::{FRUITLESS, NEVER, Registration};
use crate::shared_state::{Arrival, SharedState};
use crate::until::Until;

/// How long a connection that was accepted waits for the place of one that is evicted.
const PATIENCE: Duration = Duration::from_millis(100);

/// How often an idle connection is looked for, [`FRUITLESS`] milliseconds apart, before the server counts as full. The
/// client of a connection may have its whole response, or be gone, before the thread that serves it has noticed; where there
/// are several threads, the next connection is accepted meanwhile.
const LOOKS: u32 = 5;

/// Milliseconds that connections of one listener wait in all, one behind the other, while others wait to be accepted.
const QUEUED: u64 = 250;

/// A handle on a running server; its clones are handles on the same one.
///
/// The server serves in the background, handle or not, and ends with the program. A program that does nothing else awaits
/// the handle: that waits until the server has [gone](Self::gone).
///
/// ```
/// use httpfsm::{Request, ServerConfig};
/// use httpfsm_transport::memory::MemoryServer;
///
/// # let mut server = MemoryServer::new(ServerConfig::default(), |_: Request| async { "Hello, world!" });
/// # httpfsm_transport::block_on(async move {
/// # let serve = || std::io::Result::Ok(server.handle().begin_drain(None).clone());
/// // A transport's `serve(listener, config, handler)`.
/// serve()?.await;
/// # std::io::Result::Ok(())
/// # }).expect("it serves");
/// ```
#[must_use = "the server ends with the program: await this, `gone()` or `with_graceful_shutdown(signal)`"]
#[derive(Clone)]
pub struct ServerHandle {
    shared: Arc<SharedState>,
    addresses: Arc<[Peer]>,
}

impl ServerHandle {
    pub(crate) fn new(shared: Arc<SharedState>, addresses: Vec<Peer>) -> Self {
        Self { shared, addresses: addresses.into() }
    }

    /// Takes the server out of service: it stops to listen, running responses are finished and say `close`, idle
    /// connections close after `drain_grace`. At `deadline`, or at the configuration's `drain_deadline` if that is earlier,
    /// requests without a response get a 503, and responses that run are cut. What has not left a second after `deadline`,
    /// or `drain_grace` after the configuration's, is dropped, and so are handlers that run on after their connections were
    /// lost. At a `deadline` of zero all is dropped at once. It may be called again with an earlier deadline. It returns at
    /// once; [`gone`](Self::gone) waits for the end: `server.begin_drain(None).gone().await`.
    ///
    /// ```
    /// # use httpfsm::{Request, ServerConfig};
    /// # use httpfsm_transport::memory::MemoryServer;
    /// use std::time::Duration;
    ///
    /// let mut server = MemoryServer::new(ServerConfig::default(), |_: Request| std::future::pending::<&str>());
    /// let client = server.connect().unwrap();
    /// client.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    /// server.run();
    /// server.handle().begin_drain(Some(Duration::from_secs(5)));
    /// server.advance(Duration::from_secs(5));
    /// assert!(client.take_text().starts_with("HTTP/1.1 503 "), "it has had its time");
    /// assert!(client.is_ended());
    /// ```
    pub fn begin_drain(&self, deadline: Option<Duration>) -> &Self {
        self.shared.go_out(deadline);
        self
    }

    /// Resolves when the server has gone out of service, whoever told it to: when the last channel is gone, and the last
    /// handler that ran on after its connection was lost, and nobody listens any more. Functions that block and have been
    /// responded for (`responseless_timeout`), or whose readers are gone, may run on. Dropping it stops nothing.
    ///
    /// ```
    /// use std::pin::pin;
    /// use std::task::{Context, Waker};
    /// # use httpfsm::{Request, ServerConfig};
    /// # use httpfsm_transport::memory::MemoryServer;
    ///
    /// let mut server = MemoryServer::new(ServerConfig::default(), |_: Request| async { "Hello, world!" });
    /// let client = server.connect().unwrap();
    /// server.run();
    /// let handle = server.handle();
    /// let (mut gone, mut cx) = (pin!(handle.begin_drain(None).gone()), Context::from_waker(Waker::noop()));
    /// assert!(gone.as_mut().poll(&mut cx).is_pending(), "a client is there");
    /// drop(client);
    /// server.run();
    /// assert!(gone.as_mut().poll(&mut cx).is_ready());
    /// ```
    pub fn gone(&self) -> Gone {
        self.clone().into_future()
    }

    /// Begins to drain the server when `signal` resolves, and resolves when it has [gone](Self::gone), whoever told it to
    /// go: the whole of a server's life behind `serve`. How long running responses have is the parameter `drain_deadline`.
    /// Dropping it stops nothing.
    ///
    /// Every transport has it. On blocking, where nothing awaits, `block_on` waits for it.
    ///
    /// ```
    /// use httpfsm::{Request, ServerConfig};
    /// use httpfsm_transport::memory::MemoryServer;
    ///
    /// # let mut server = MemoryServer::new(ServerConfig::default(), |_: Request| async { "Hello, world!" });
    /// # httpfsm_transport::block_on(async move {
    /// # let handle = server.handle();
    /// # let ctrl_c = async {};
    /// handle.with_graceful_shutdown(ctrl_c).await;
    /// # });
    /// ```
    pub async fn with_graceful_shutdown(self, signal: impl Future<Output = ()>) {
        let mut signal = pin!(signal);
        let mut draining = self.draining();
        poll_fn(|cx| match signal.as_mut().poll(cx) {
            Poll::Pending => Pin::new(&mut draining).poll(cx),
            ready => ready,
        })
        .await;
        self.begin_drain(None).gone().await;
    }

    /// The counts so far. Those of a channel are in them when it has closed.
    ///
    /// ```
    /// # use httpfsm::{Request, ServerConfig};
    /// # use httpfsm_transport::memory::MemoryServer;
    /// let mut config = ServerConfig::default();
    /// config.max_connections_per_peer = 1;
    /// let mut server = MemoryServer::new(config, |_: Request| async { "Hello, world!" });
    /// let client = server.connect().unwrap();
    /// assert!(server.connect().is_err());
    /// client.close_write();
    /// server.run();
    /// let stats = server.handle().stats();
    /// assert_eq!((stats.opened, stats.closed, stats.not_admitted_peer), (1, 1, 1));
    /// ```
    #[must_use]
    pub fn stats(&self) -> ServerStats {
        self.shared.stats()
    }

    /// What the server holds now. Beside that, each thread that serves connections has 80 KiB of buffers, and at most 320
    /// KiB, which it lends to one after another; a connection takes some 2 KiB; and what the application holds is its own.
    /// When the server is [`gone`](Self::gone) it holds nothing, except for bodies and pieces that the application has not
    /// dropped, which worker threads (`httpfsm-blocking`) do soon afterwards, and for files that are being closed.
    ///
    /// Who finds no room is told to [`Subscriber::no_room`](httpfsm::handler::Subscriber::no_room).
    ///
    /// ```
    /// use httpfsm_transport::ServerHandle;
    ///
    /// fn gauges(server: &ServerHandle) -> String {
    ///     let memory = server.memory();
    ///     format!("{} bytes in memory, {} in temporary files\n", memory.total(), memory.spooled)
    /// }
    /// # drop(gauges);
    /// ```
    #[must_use]
    pub fn memory(&self) -> MemoryUse {
        self.shared.ledger.memory()
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

    /// Resolves when the drain begins, whoever told the server to go out of service.
    ///
    /// What runs beside the server hears that it goes:
    ///
    /// ```
    /// use std::thread;
    /// # use httpfsm::{Request, ServerConfig};
    /// # use httpfsm_transport::memory::MemoryServer;
    /// use httpfsm_transport::block_on;
    ///
    /// let server = MemoryServer::new(ServerConfig::default(), |_: Request| async { "Hello, world!" });
    /// let draining = server.handle().draining();
    /// let beside = thread::spawn(|| {
    ///     block_on(draining);
    ///     "The cache is saved."
    /// });
    /// server.handle().begin_drain(None);
    /// assert_eq!(beside.join().expect("it does not panic"), "The cache is saved.");
    /// ```
    pub fn draining(&self) -> impl Future<Output = ()> + Send + Unpin + use<> {
        Until::new(Arc::clone(&self.shared), SharedState::is_draining)
    }

    /// For a transport's accept loop, which holds it as long as it listens: a server is gone only when all are
    /// dropped.
    #[must_use]
    pub fn listening(&self) -> Listening {
        Listening { registration: Registration::new(self.shared.listen()), shared: Arc::clone(&self.shared) }
    }

    /// Tells the subscriber that the listeners cannot accept for the moment.
    pub(crate) fn cannot_accept(&self, error: &io::Error) {
        let addresses: Vec<String> = self.addresses.iter().map(Peer::to_string).collect();
        let text = format!("No connection can be accepted at {}: {error}.", addresses.join(", "));
        self.shared.report_failure(None, Failure::Accept, &text);
    }

    pub(crate) fn shared(&self) -> &Arc<SharedState> {
        &self.shared
    }
}

/// As [`gone`](ServerHandle::gone).
impl IntoFuture for ServerHandle {
    type Output = ();
    type IntoFuture = Gone;

    fn into_future(self) -> Gone {
        Gone(Until::new(self.shared, SharedState::is_gone))
    }
}

/// The future of a [`ServerHandle`]: the server has [gone](ServerHandle::gone).
///
/// ```
/// use httpfsm_transport::{Gone, ServerHandle};
///
/// /// What a program keeps while it does something else.
/// struct Running(Gone);
///
/// fn keep(server: ServerHandle) -> Running {
///     Running(server.gone())
/// }
/// # let _ = keep;
/// ```
#[must_use = "it does nothing unless it is polled"]
pub struct Gone(Until<Arc<SharedState>, fn(&SharedState) -> bool>);

impl Future for Gone {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.0).poll(cx)
    }
}

impl fmt::Debug for Gone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Gone(..)")
    }
}

impl fmt::Debug for ServerHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerHandle")
            .field("addresses", &self.addresses)
            .field("shared", &self.shared)
            .finish()
    }
}

/// Stands for a listener that is open.
///
/// ```
/// use std::pin::pin;
/// use std::task::{Context, Waker};
/// use std::time::Duration;
///
/// use httpfsm::{Request, ServerConfig};
/// use httpfsm_transport::memory::MemoryServer;
///
/// let server = MemoryServer::new(ServerConfig::default(), |_: Request| async { "Hello, world!" });
/// let handle = server.handle();
/// let listening = handle.listening();
/// handle.begin_drain(Some(Duration::ZERO));
/// let (mut gone, mut cx) = (pin!(handle.gone()), Context::from_waker(Waker::noop()));
/// assert!(gone.as_mut().poll(&mut cx).is_pending(), "somebody listens");
/// drop(listening);
/// assert!(gone.as_mut().poll(&mut cx).is_ready());
/// ```
#[derive(Debug)]
pub struct Listening {
    shared: Arc<SharedState>,
    registration: Arc<Registration>,
}

impl Listening {
    /// Resolves after `length`, or when the server goes out of service: what an accept loop awaits when accepting
    /// failed ([`Backoff`](crate::Backoff)).
    ///
    /// ```
    /// use std::io;
    /// use std::time::Duration;
    ///
    /// use httpfsm_transport::Listening;
    ///
    /// /// The next connection of a loop that accepts by itself; `None` when the server goes out of service.
    /// async fn next<S>(listening: &Listening, mut accept: impl AsyncFnMut() -> io::Result<Option<S>>) -> Option<S> {
    ///     loop {
    ///         match accept().await {
    ///             Ok(accepted) => return accepted,
    ///             // There are no more descriptors, say, and soon there may be.
    ///             Err(_) => listening.pause(Duration::from_millis(50)).await,
    ///         }
    ///     }
    /// }
    /// # let _ = |listening: Listening| async move { next(&listening, async || Ok(Some(()))).await };
    /// ```
    pub async fn pause(&self, length: Duration) {
        self.wait(length, || self.shared.is_draining()).await;
    }

    /// Resolves after `length`, or when all is cut.
    pub(crate) async fn pause_while_draining(&self, length: Duration) {
        self.wait(length, || self.is_cut()).await;
    }

    /// Whether the drain deadline has come.
    pub(crate) fn is_cut(&self) -> bool {
        self.shared.is_cut()
    }

    /// The machine's verdict on a connection that was accepted. Where the server is full, the channel that has been
    /// idle for the longest is closed, and this resolves when there is room, or after a moment; meanwhile no other
    /// listener takes that place. Where no channel is idle, this looks for one a few more times, as one may soon be. For
    /// a moment after it found none, it resolves at once for the connections that follow, so that a server that stays full
    /// turns many away in little time; and so it does when those that were accepted before have waited for long, which
    /// `waited` counts in milliseconds.
    pub(crate) async fn admit(
        &self,
        arrival: Arrival<'_>,
        waited: &mut u64,
    ) -> Result<(ChannelId, String), NotAdmitted> {
        let Self { shared, .. } = self;
        let until = shared.clock.now().saturating_add(millis(PATIENCE));
        let (mut looks, mut reservation) = (0, None);
        loop {
            if let Some(verdict) = shared.admit_unless_full(arrival, reservation.is_some()) {
                shared.stays_full_until(0);
                return verdict;
            }
            let now = shared.clock.now();
            let mut pause = until.saturating_sub(now);
            if pause == 0 {
                return shared.admit(arrival);
            }
            reservation = reservation.or_else(|| shared.reserve());
            if reservation.is_none() {
                looks += 1;
                if looks == LOOKS {
                    shared.stays_full_until(now.saturating_add(FRUITLESS));
                }
                // A place that is free and reserved for another is none for this one.
                let gives_up = shared.stays_full(now) || *waited >= QUEUED;
                if gives_up && shared.is_still_full(arrival, true) {
                    return shared.admit(arrival);
                }
                pause = pause.min(FRUITLESS);
            }
            let is_reserved = reservation.is_some();
            self.wait(Duration::from_millis(pause), || !shared.is_still_full(arrival, is_reserved)).await;
            *waited = waited.saturating_add(shared.clock.now().saturating_sub(now));
        }
    }

    /// Has the channel closed that has been idle for the longest, if one is idle.
    pub(crate) fn evict(&self) {
        self.shared.evict();
    }

    async fn wait(&self, length: Duration, is_over: impl Fn() -> bool) {
        let Self { shared, registration } = self;
        let until = shared.clock.now().saturating_add(millis(length));
        let (alarm, mut known) = (DrainAlarm { shared, registration, at: until }, None);
        let mut is_over =
            Until::new(&**shared, |shared: &SharedState| shared.clock.now() >= until || is_over());
        poll_fn(|cx| {
            if !known.as_ref().is_some_and(|known: &Waker| known.will_wake(cx.waker())) {
                registration.set_waker(cx.waker());
                known = Some(cx.waker().clone());
            }
            shared.alarms.arm(registration, alarm.at, alarm.at);
            Pin::new(&mut is_over).poll(cx)
        })
        .await;
    }
}

fn millis(length: Duration) -> u64 {
    u64::try_from(length.as_millis()).unwrap_or(NEVER)
}

/// An entry among the alarms, removed when this is dropped.
struct DrainAlarm<'a> {
    shared: &'a SharedState,
    registration: &'a Arc<Registration>,
    at: u64,
}

impl Drop for DrainAlarm<'_> {
    fn drop(&mut self) {
        self.shared.alarms.disarm(self.registration, self.at);
        self.registration.forget_waker();
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.shared.end_listening();
    }
}
