//! A server without its sockets: the handler, the shared state, and what connections reuse.

use std::fmt;
use std::sync::{Arc, Weak};
use std::task::Context;

use httpfsm::channel::CompiledConfig;
use httpfsm::config::{Bodies, ServerConfig};
use httpfsm::handler::{ConnectionInfo, Handler, MemoryUse, OwnEnd, Subscriber};
use httpfsm::peer::Peer;
use httpfsm::server::{ChannelId, NotAdmitted};

use crate::accept::Accepted;
use crate::alarms::NEVER;
use crate::channel_slot::ChannelSlot;
use crate::clock::Clock;
use crate::driver::Driver;
use crate::exchange::Exchange;
use crate::handle::ServerHandle;
use crate::job::Spawner;
use crate::shared_state::SharedState;
use crate::tape::Recorder;
use crate::wire::Wire;
use crate::worker::ReusePool;

/// What a service has given out and nobody has given back: [`Service::held`].
///
/// ```
/// use httpfsm::{Request, ServerConfig};
/// use httpfsm_transport::Held;
/// use httpfsm_transport::memory::MemoryServer;
///
/// let mut server = MemoryServer::new(ServerConfig::default(), |_: Request| async { "Hello, world!" });
/// let client = server.connect().unwrap();
/// server.run();
/// assert_eq!((server.held().channels, server.held().alarms), (1, 1), "it has 30 seconds for its first byte");
/// client.reset();
/// server.run();
/// assert_eq!(server.held(), Held::default(), "nothing has leaked");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct Held {
    /// Open channels.
    pub channels: u64,
    /// Requests that are with the application, where their number is limited.
    pub requests: u64,
    /// Bytes that are charged, and those that are promised.
    pub memory: MemoryUse,
    /// Deadlines that are armed.
    pub alarms: u64,
    /// Listeners.
    pub listeners: u64,
    /// Permits to wait for a peer.
    pub permits: u64,
}

/// What all connections of a server share. A transport makes one and asks it for a [`Driver`] per accepted socket.
///
/// ```
/// use std::pin::Pin;
/// use std::sync::Arc;
/// use std::task::{Context, Waker};
///
/// use httpfsm::{Peer, Request, ServerConfig};
/// use httpfsm_transport::memory::pair;
/// use httpfsm_transport::{Clock, Driver, Inline, Service, Wire};
///
/// let handler = |_: Request| async { "Hello, world!" };
/// let service = Service::new(ServerConfig::default(), Clock::manual(), Arc::new(Inline), None, handler);
/// let (mut client, wire) = pair(1024);
/// // A runtime spawns it as a task of its own, and polls it when the wire or a deadline wakes it.
/// let mut driver: Driver<_, _> = service.connect(wire, Peer::Unix(None), Peer::Unix(None)).expect("there is room");
/// let mut cx = Context::from_waker(Waker::noop());
/// assert!(client.poll_write(&mut cx, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").is_ready());
/// assert!(Pin::new(&mut driver).poll(&mut cx).is_pending());
/// let mut received = [0; 15];
/// assert!(client.poll_read(&mut cx, &mut received).is_ready());
/// assert_eq!(&received, b"HTTP/1.1 200 OK");
/// ```
pub struct Service<H: Handler> {
    pub(crate) handler: H,
    pub(crate) shared: Arc<SharedState>,
    pub(crate) exchanges: ReusePool<Box<Exchange<H::Future>>>,
    pub(crate) compiled: Arc<CompiledConfig>,
    pub(crate) whole_bodies: bool,
    /// The configuration says so.
    pub(crate) streams_bodies: bool,
    pub(crate) limits_pipeline: bool,
}

impl<H: Handler> Service<H> {
    /// A service that serves `handler` under `config`. `spawner` runs the file work of whole bodies.
    pub fn new(
        config: ServerConfig,
        clock: Clock,
        spawner: Arc<dyn Spawner>,
        subscriber: Option<Arc<dyn Subscriber>>,
        handler: H,
    ) -> Arc<Self> {
        Self::recorded(config, clock, spawner, subscriber, None, handler)
    }

    /// The same, whose channels are recorded where `recorder` says so.
    pub fn recorded(
        config: ServerConfig,
        clock: Clock,
        spawner: Arc<dyn Spawner>,
        subscriber: Option<Arc<dyn Subscriber>>,
        recorder: Option<Arc<dyn Recorder>>,
        handler: H,
    ) -> Arc<Self> {
        let config = Arc::new(config);
        let compiled = CompiledConfig::new(&config.channel).taking_all_fields(handler.takes_all_fields());
        Arc::new(Self {
            handler,
            compiled: Arc::new(compiled),
            exchanges: ReusePool::new(),
            whole_bodies: config.channel.bodies == Some(Bodies::Whole),
            streams_bodies: config.channel.bodies == Some(Bodies::Streamed),
            limits_pipeline: config.channel.maximum_simultaneous_requests != 0,
            shared: Arc::new(SharedState::new(config, clock, spawner, subscriber, recorder)),
        })
    }

    /// The driver of a connection that was accepted; the transport runs it until it is done.
    ///
    /// # Errors
    ///
    /// The server does not serve this peer, or no further one; the socket is to be closed.
    pub fn connect<W: Wire>(
        self: &Arc<Self>,
        wire: W,
        peername: Peer,
        sockname: Peer,
    ) -> Result<Driver<H, W>, NotAdmitted> {
        self.connect_accepted(Accepted::new(wire, peername, sockname))
    }

    /// The same for a connection of a listener with settings of its own.
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use httpfsm::{Peer, Request, ServerConfig};
    /// use httpfsm_transport::{Accepted, Clock, Inline, ListenerInfo, Service, memory};
    ///
    /// let handler = |request: Request| async move { request.scheme().to_owned() };
    /// let service = Service::new(ServerConfig::default(), Clock::manual(), Arc::new(Inline), None, handler);
    /// let mut info = ListenerInfo::default();
    /// info.scheme = Some("https".into());
    /// let (_client, wire) = memory::pair(1024);
    /// let accepted = Accepted::new(wire, Peer::Unix(None), Peer::Unix(None)).with_listener(Arc::new(info));
    /// let driver = service.connect_accepted(accepted).expect("there is room");
    /// # drop(driver);
    /// ```
    ///
    /// # Errors
    ///
    /// As [`connect`](Self::connect).
    pub fn connect_accepted<W: Wire>(
        self: &Arc<Self>,
        accepted: Accepted<W>,
    ) -> Result<Driver<H, W>, NotAdmitted> {
        let admitted = self.shared.admit(accepted.arrival());
        self.open(accepted, admitted, &mut Weak::new())
    }

    /// The driver of a connection for which the machine has given its verdict. `own_end` is that of the connection before:
    /// where this one has the same, they share it.
    pub(crate) fn open<W: Wire>(
        self: &Arc<Self>,
        accepted: Accepted<W>,
        admitted: Result<(ChannelId, String), NotAdmitted>,
        own_end: &mut Weak<OwnEnd>,
    ) -> Result<Driver<H, W>, NotAdmitted> {
        let Accepted { wire, peername, sockname, listener } = accepted;
        let (id, channel) = admitted.inspect_err(|reason| {
            self.tell(|subscriber| subscriber.not_admitted(&peername, &sockname, *reason));
        })?;
        let slot = ChannelSlot::new(Arc::clone(&self.shared), id);
        let scheme = listener.scheme.as_ref().unwrap_or(&self.compiled.config().url_scheme).clone();
        let mut extensions = listener.extensions.clone();
        wire.extend(&mut extensions);
        let info = ConnectionInfo::new(peername, sockname, scheme, channel.into());
        let mut info = info.with_extensions(extensions);
        match own_end.upgrade() {
            Some(before) if before == info.own_end => info.own_end = before,
            // What a wire has added is not kept alive for the next one.
            _ => *own_end = Arc::downgrade(&info.own_end),
        }
        let (service, info) = (Arc::clone(self), Arc::new(info));
        Ok(match listener.before.is_some() {
            true => Driver::unopened(service, wire, info, slot, listener),
            false => Driver::new(service, wire, info, slot, self.shared.facts(id)),
        })
    }

    /// Wakes the connections whose deadlines have come, and says when the next one does, in milliseconds on the
    /// service's clock; `None`: none is armed. The task of `cx` is woken when an earlier one is armed. For whoever
    /// keeps the time without [`keep_time`](crate::keep_time), as a simulator does.
    ///
    /// ```
    /// use std::pin::Pin;
    /// use std::sync::Arc;
    /// use std::task::{Context, Waker};
    /// use std::time::Duration;
    ///
    /// use httpfsm::{Peer, Request, ServerConfig};
    /// use httpfsm_transport::{Clock, Inline, Service, memory};
    ///
    /// let (clock, mut cx) = (Clock::manual(), Context::from_waker(Waker::noop()));
    /// let handler = |_: Request| async { "Hello, world!" };
    /// let service = Service::new(ServerConfig::default(), clock.clone(), Arc::new(Inline), None, handler);
    /// let (_silent, wire) = memory::pair(1024);
    /// let mut driver = service.connect(wire, Peer::Unix(None), Peer::Unix(None)).expect("there is room");
    /// assert!(Pin::new(&mut driver).poll(&mut cx).is_pending());
    /// while let Some(next) = service.sweep(&mut cx) {
    ///     clock.advance(Duration::from_millis(next - clock.now()));
    ///     service.sweep(&mut cx);
    ///     if Pin::new(&mut driver).poll(&mut cx).is_ready() {
    ///         break;
    ///     }
    /// }
    /// assert_eq!(clock.now(), 30_000, "it has 30 seconds for its first byte");
    /// ```
    pub fn sweep(&self, cx: &mut Context<'_>) -> Option<u64> {
        Some(self.shared.sweep(cx)).filter(|&next| next != NEVER)
    }

    /// What nobody has given back yet. All 0 when everything is over; for whoever looks for leaks.
    #[must_use]
    pub fn held(&self) -> Held {
        self.shared.held()
    }

    /// Lets so many functions at a time wait for their peers on threads of a [scarce](Spawner::is_scarce) spawner: for the
    /// rest of a body that is longer than `inbuf_overflow`, for one behind a `100 Continue`, or for a slow reader of what
    /// they write. They are to be fewer than the threads. A function that has [given its place
    /// up](Spawner::give_place_up) needs none. Default 0: such functions are called when their bodies are whole, and write
    /// ahead of slow readers into temporary files.
    pub fn permit_waiting(&self, functions: usize) {
        self.shared.permits.set(functions);
    }

    /// Memory for an exchange.
    #[inline]
    pub(crate) fn new_exchange(&self) -> Box<Exchange<H::Future>> {
        self.exchanges.take().unwrap_or_else(|| Exchange::new(&self.shared))
    }

    /// Keeps the memory of an exchange that is over, for another.
    #[inline(always)]
    pub(crate) fn recycle(&self, mut exchange: Box<Exchange<H::Future>>) {
        exchange.shrink();
        self.exchanges.give(exchange);
    }

    /// Tells the subscriber, if there is one.
    #[inline]
    pub(crate) fn tell(&self, what: impl FnOnce(&dyn Subscriber)) {
        self.shared.report(what);
    }

    /// Tells the subscriber of what comes with every request, if it hears of that.
    #[inline]
    pub(crate) fn tell_of_request(&self, what: impl FnOnce(&dyn Subscriber)) {
        if self.shared.reports_requests {
            self.shared.report(what);
        }
    }

    /// The handle of the server, which listens at `addresses`.
    pub fn handle(&self, addresses: Vec<Peer>) -> ServerHandle {
        ServerHandle::new(Arc::clone(&self.shared), addresses)
    }
}

impl<H: Handler> fmt::Debug for Service<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service").field("shared", &self.shared).finish_non_exhaustive()
    }
}
