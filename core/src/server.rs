//! The server: who may connect, and how it ends.
//!
//! A [`Server`] is a machine like a channel, and as pure: it knows no socket and no clock. It is told of each accepted
//! connection and says which channel to open, or says why it is [`NotAdmitted`]; it is told of each closed channel; told to
//! go out, it has the channels finish and says when the last is gone. It holds what channels have in common: the
//! configuration, `origins`, the limits, the names and the statistics. The channels themselves belong to the
//! transport, so the server need be locked only when one opens or closes.
//!
//! ```
//! use httpfsm::config::ServerConfig;
//! use httpfsm::peer::Peer;
//! use httpfsm::server::{Server, ServerInput, ServerOutput};
//! use httpfsm::time::Moment;
//!
//! let mut server = Server::new(ServerConfig::default());
//! let peername = Peer::Ip("192.0.2.1:5000".parse()?);
//! let sockname = Peer::Ip("192.0.2.9:80".parse()?);
//! server.handle(Moment::START, ServerInput::Connected { peername, sockname })?;
//! match server.next_output() {
//!     Some(ServerOutput::HttpChannel { name, .. }) => assert_eq!(name, "server.clisrv_1"),
//!     other => panic!("{other:?}"),
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#[cfg(test)]
mod coverage;
mod registry;
mod stats;
mod table;

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::sync::Arc;
use core::fmt;
use core::num::NonZero;

pub use crate::channel::ChannelStats;
use crate::config::ServerConfig;
use crate::fsm::{Cause, Taken, Trace};
use crate::peer::Peer;
use crate::time::Moment;
use registry::Registry;
pub use stats::ServerStats;
use table::MATRIX;
pub use table::{Action, Event, Internal, MACHINE, REFUSALS, ROWS, State};

/// The number of a channel, unique for the life of its server. The first is 1.
///
/// ```
#[doc = include_str!("examples/server.txt")]
/// let mut server = Server::new(ServerConfig::default());
/// server.handle(Moment::START, connected)?;
/// let Some(ServerOutput::HttpChannel { id, name, .. }) = server.next_output() else { panic!("it has room") };
/// assert_eq!((id.to_string(), name), ("1".into(), "server.clisrv_1".into()));
/// # Ok::<(), httpfsm::server::ServerNotAccepted>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ChannelId(NonZero<u64>);

impl ChannelId {
    /// The number, as in the channel's name.
    ///
    /// ```
    #[doc = include_str!("examples/server.txt")]
    /// let mut server = Server::new(ServerConfig::default());
    /// for expected in 1..=3 {
    ///     server.handle(Moment::START, connected.clone())?;
    ///     let Some(ServerOutput::HttpChannel { id, .. }) = server.next_output() else { panic!("it has room") };
    ///     assert_eq!(id.get(), expected);
    /// }
    /// # Ok::<(), httpfsm::server::ServerNotAccepted>(())
    /// ```
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0.get()
    }
}

/// The channel of a number that [`get`](ChannelId::get) has told.
impl From<NonZero<u64>> for ChannelId {
    fn from(number: NonZero<u64>) -> Self {
        Self(number)
    }
}

impl fmt::Display for ChannelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A step of a server, as [`Server::handle_with`] tells it.
///
/// ```
#[doc = include_str!("examples/server.txt")]
/// let mut server = Server::new(ServerConfig::default());
/// let mut last = None;
/// server.handle_with(Moment::START, connected, &mut |step: &Step| last = Some(*step))?;
/// assert_eq!(last.map(|step| step.to_string()), Some("Listening then Admitted: OpenChannel".into()));
/// # Ok::<(), httpfsm::server::ServerNotAccepted>(())
/// ```
pub type Step = Taken<State, Event, Internal, Action>;

/// What the server is told.
///
/// ```
#[doc = include_str!("examples/server.txt")]
/// use httpfsm::server::ChannelStats;
///
/// let mut server = Server::new(ServerConfig::default());
/// server.handle(Moment::START, connected)?;
/// let Some(ServerOutput::HttpChannel { id, .. }) = server.next_output() else { panic!("it has room") };
/// // The channel has served two requests, and ended.
/// let mut stats = ChannelStats::default();
/// stats.requests = 2;
/// server.handle(Moment::from_millis(70), ServerInput::HttpChannelClosed { channel: id, stats })?;
/// assert_eq!((server.stats().closed, server.stats().channels.requests), (1, 2));
/// # Ok::<(), httpfsm::server::ServerNotAccepted>(())
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ServerInput {
    /// A connection was accepted (EV_CONNECTED). The next output is [`ServerOutput::HttpChannel`] or
    /// [`ServerOutput::NotAdmitted`].
    Connected {
        /// The address of the remote end.
        peername: Peer,
        /// Our own address.
        sockname: Peer,
    },
    /// A connection was accepted from a proxy, and what comes before HTTP on it is to name its peer
    /// ([`PeerNamed`](Self::PeerNamed)). `origins` judge the proxy, and `max_connections` counts the connection as any
    /// other. For `max_connections_per_peer` it counts when its peer is named: where none is, the caller names that of the
    /// socket. The next output is [`ServerOutput::HttpChannel`] or [`ServerOutput::NotAdmitted`].
    ProxyConnected {
        /// The address of the remote end, which is the proxy's.
        peername: Peer,
        /// Our own address.
        sockname: Peer,
    },
    /// What came before HTTP on a connection names another peer than the socket does, as a proxy does for its client
    /// ([`prologue`](crate::prologue)). `origins` and `max_connections_per_peer` judge that peer as they judge one that
    /// connects, and from now on the channel counts for it. The next output is [`ServerOutput::PeerAdmitted`] or
    /// [`ServerOutput::NotAdmitted`]; the channel is open either way, until its end is reported.
    PeerNamed {
        /// Which.
        channel: ChannelId,
        /// The address that was named.
        peername: Peer,
    },
    /// A channel has closed (EV_HTTP_CHANNEL_CLOSED), or could not be served at all.
    HttpChannelClosed {
        /// Which.
        channel: ChannelId,
        /// What it counted.
        stats: ChannelStats,
    },
    /// Stop to listen, have the channels finish, and end. Connections that waited for a listener may still be told as
    /// [`Connected`](Self::Connected); [`ListenersClosed`](Self::ListenersClosed) comes behind them. Repeating it is
    /// harmless.
    GoOut,
    /// No listener is open any more, and there is none that has accepted a connection and not told of it. After a
    /// [`GoOut`](Self::GoOut) no connection is served from here on, and the server is gone with its last channel; before
    /// it, and repeated, it means nothing.
    ListenersClosed,
    /// Time has passed; due at [`Server::deadline`].
    Tick,
}

impl ServerInput {
    /// The event of the table that this input is.
    ///
    /// ```
    /// use httpfsm::server::{Event, ServerInput};
    ///
    /// assert_eq!(ServerInput::GoOut.event(), Event::GoOut);
    /// ```
    #[must_use]
    pub const fn event(&self) -> Event {
        match self {
            Self::Connected { .. } => Event::Connected,
            Self::ProxyConnected { .. } => Event::ProxyConnected,
            Self::PeerNamed { .. } => Event::PeerNamed,
            Self::HttpChannelClosed { .. } => Event::HttpChannelClosed,
            Self::GoOut => Event::GoOut,
            Self::ListenersClosed => Event::ListenersClosed,
            Self::Tick => Event::Tick,
        }
    }
}

/// What the server says.
///
/// ```
#[doc = include_str!("examples/server.txt")]
/// let config = ServerConfig { origins: vec!["10.0.0.0/8".parse()?], ..ServerConfig::default() };
/// let mut server = Server::new(config);
/// server.handle(Moment::START, connected)?;
/// let reason = NotAdmitted::Origin;
/// assert_eq!(server.next_output(), Some(ServerOutput::NotAdmitted { peername, reason }));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ServerOutput {
    /// Serve the connection with a new channel, and report its end with [`ServerInput::HttpChannelClosed`].
    HttpChannel {
        /// The channel's number.
        id: ChannelId,
        /// The channel's name, unique for the life of the server: `server.clisrv_17`.
        name: String,
        /// The address of the remote end.
        peername: Peer,
        /// Our own address.
        sockname: Peer,
    },
    /// Close the connection; nothing was sent. After [`PeerNamed`](ServerInput::PeerNamed) its end is reported as that of a
    /// channel.
    NotAdmitted {
        /// The address of the remote end.
        peername: Peer,
        /// Why.
        reason: NotAdmitted,
    },
    /// Serve the connection of this channel as one of the peer that was named.
    PeerAdmitted {
        /// Which.
        id: ChannelId,
    },
    /// Tell every open channel to go out, and each that is opened from now on ([`HttpChannel`](Self::HttpChannel)).
    GoOut,
    /// Drop every channel that is still open, and report each as closed.
    DropChannels,
    /// After a GoOut the listeners and the last channel have closed: the server is gone.
    Gone,
}

/// Why a connection was not served.
///
/// ```
#[doc = include_str!("examples/server.txt")]
/// let config = ServerConfig { max_connections_per_peer: 1, ..ServerConfig::default() };
/// let mut server = Server::new(config);
/// server.handle(Moment::START, connected)?;
/// let reason = server.would_turn_away(&peername).expect("it has one channel already");
/// assert_eq!(reason, NotAdmitted::Peer);
/// assert_eq!(reason.to_string(), "The peer has as many channels open as max_connections_per_peer allows.");
/// # Ok::<(), httpfsm::server::ServerNotAccepted>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum NotAdmitted {
    /// `origins` does not name the peer.
    Origin,
    /// `max_connections` channels are open.
    Full,
    /// The peer has `max_connections_per_peer` channels open.
    Peer,
    /// The server is going out, and its listeners have closed or its `drain_deadline` has passed.
    Draining,
}

impl core::error::Error for NotAdmitted {}

impl fmt::Display for NotAdmitted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Origin => "The peer is not among the origins that may connect.",
            Self::Full => "The server has as many channels open as max_connections allows.",
            Self::Peer => "The peer has as many channels open as max_connections_per_peer allows.",
            Self::Draining => "The server is going out and takes no new connection.",
        })
    }
}

/// The caller's mistake: an input that does not fit. Nothing changed but the time.
///
/// What a server refuses is the end, or another peer, of a channel that is not open.
///
/// ```
#[doc = include_str!("examples/server.txt")]
/// use httpfsm::server::ChannelStats;
///
/// let mut server = Server::new(ServerConfig::default());
/// server.handle(Moment::START, connected)?;
/// let Some(ServerOutput::HttpChannel { id, .. }) = server.next_output() else { panic!("it has room") };
/// let closed = ServerInput::HttpChannelClosed { channel: id, stats: ChannelStats::default() };
/// server.handle(Moment::START, closed.clone())?;
/// // A channel closes once.
/// let refused = server.handle(Moment::START, closed).unwrap_err();
/// assert_eq!((refused.state, refused.event), (State::Listening, Event::HttpChannelClosed));
/// # Ok::<(), httpfsm::server::ServerNotAccepted>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub struct ServerNotAccepted {
    /// Where the server stands.
    pub state: State,
    /// What it does not accept there.
    pub event: Event,
}

impl ServerNotAccepted {
    /// An input that the server does not accept in this state.
    ///
    /// ```
    /// use httpfsm::server::{Event, ServerNotAccepted, State};
    ///
    /// // What a test expects of a server that is gone.
    /// let refused = ServerNotAccepted::new(State::Gone, Event::HttpChannelClosed);
    /// assert!(refused.to_string().ends_with("in the state Gone: the channel is not open."));
    /// ```
    #[must_use]
    pub const fn new(state: State, event: Event) -> Self {
        Self { state, event }
    }
}

impl fmt::Display for ServerNotAccepted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "The server does not accept {} in the state {}: the channel is not open.",
            self.event, self.state
        )
    }
}

impl core::error::Error for ServerNotAccepted {}

/// The server machine (GHttpServer).
///
/// Inputs go in through [`handle`](Self::handle) alone; outputs come out of [`next_output`](Self::next_output), which
/// is to be called after each `handle` until it returns `None`.
///
/// ```
#[doc = include_str!("examples/server.txt")]
/// let mut server = Server::new(ServerConfig::default());
/// server.handle(Moment::START, connected)?;
/// while let Some(output) = server.next_output() {
///     match output {
///         ServerOutput::HttpChannel { id, .. } => assert_eq!(id.get(), 1), // Serve the connection.
///         ServerOutput::NotAdmitted { reason, .. } => panic!("{reason}"),  // Close it.
///         other => panic!("{other:?} comes when the server goes out, or of a proxy"),
///     }
/// }
/// # Ok::<(), httpfsm::server::ServerNotAccepted>(())
/// ```
#[doc(alias = "GHttpServer")]
#[derive(Debug)]
pub struct Server {
    state: State,
    registry: Registry,
}

impl Server {
    /// A server that is listening; its channels are named `server.clisrv_1`, `server.clisrv_2`, ...
    ///
    /// ```
    /// use httpfsm::ServerConfig;
    /// use httpfsm::server::{Server, State};
    ///
    /// let server = Server::new(ServerConfig::hardened());
    /// assert_eq!((server.name(), server.state()), ("server", State::Listening));
    /// ```
    #[must_use]
    pub fn new(config: impl Into<Arc<ServerConfig>>) -> Self {
        Self::named("server", config)
    }

    /// A server of another name, for programs that run several: `admin.clisrv_1`, ...
    ///
    /// ```
    #[doc = include_str!("examples/server.txt")]
    /// let mut server = Server::named("admin", ServerConfig::default());
    /// server.handle(Moment::START, connected)?;
    /// let Some(ServerOutput::HttpChannel { name, .. }) = server.next_output() else { panic!("it has room") };
    /// assert_eq!(name, "admin.clisrv_1");
    /// # Ok::<(), httpfsm::server::ServerNotAccepted>(())
    /// ```
    #[must_use]
    pub fn named(name: impl Into<Cow<'static, str>>, config: impl Into<Arc<ServerConfig>>) -> Self {
        Self { state: MACHINE.initial, registry: Registry::new(name.into(), config.into()) }
    }

    /// Takes an input. `at` is the time since the server began; it is first a tick, and a time in the past is none.
    ///
    /// ```
    #[doc = include_str!("examples/server.txt")]
    /// let mut server = Server::new(ServerConfig::default());
    /// server.handle(Moment::from_millis(5), ServerInput::GoOut)?;
    /// assert_eq!(server.next_output(), Some(ServerOutput::GoOut));
    /// // A connection that a listener had accepted before is served still.
    /// server.handle(Moment::from_millis(6), connected)?;
    /// assert!(matches!(server.next_output(), Some(ServerOutput::HttpChannel { .. })));
    /// # Ok::<(), httpfsm::server::ServerNotAccepted>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ServerNotAccepted`] if `input` is the end, or another peer, of a channel that is not open. Nothing has changed but
    /// the time.
    pub fn handle(&mut self, at: Moment, input: ServerInput) -> Result<(), ServerNotAccepted> {
        self.handle_with(at, input, &mut ())
    }

    /// As [`handle`](Self::handle), and tells each row that was taken to `trace`, which may be a closure, when its
    /// actions have run. The first step of each input is that of [`Event::Tick`]: time passes before anything else. A panic
    /// of the trace leaves nothing half done: the other rows of the input run without the trace.
    ///
    /// ```
    #[doc = include_str!("examples/server.txt")]
    /// let mut server = Server::new(ServerConfig::default());
    /// let mut steps = Vec::new();
    /// server.handle_with(Moment::START, connected, &mut |step: &Step| steps.push(step.to_string()))?;
    /// assert_eq!(steps[1..], ["Listening on Connected: CheckPeer", "Listening then Admitted: OpenChannel"]);
    /// # Ok::<(), httpfsm::server::ServerNotAccepted>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`handle`](Self::handle).
    pub fn handle_with(
        &mut self,
        at: Moment,
        input: ServerInput,
        trace: &mut impl Trace<State, Event, Internal, Action>,
    ) -> Result<(), ServerNotAccepted> {
        let at = self.registry.advance(at);
        let event = input.event();
        // The tick before it closes no channel.
        let fits = MATRIX.on(self.state, event).is_some()
            && match input {
                ServerInput::HttpChannelClosed { channel, .. } | ServerInput::PeerNamed { channel, .. } => {
                    self.registry.is_open(channel)
                }
                _ => true,
            };
        let then = (fits && event != Event::Tick).then_some(event);
        let next = Some(Cause::Input(Event::Tick));
        let mut rest = RestOfInput { server: self, at, input: &input, next, then };
        while let Some(step) = rest.take_step() {
            trace.step(&step);
        }
        drop(rest);
        if fits { Ok(()) } else { Err(ServerNotAccepted::new(self.state, event)) }
    }

    /// Why a connection from this peer would be turned away now; `None`: it would be served.
    ///
    /// ```
    #[doc = include_str!("examples/server.txt")]
    /// let config = ServerConfig { max_connections: 1, ..ServerConfig::default() };
    /// let mut server = Server::new(config);
    /// assert_eq!(server.would_turn_away(&peername), None);
    /// server.handle(Moment::START, connected)?;
    /// // A transport closes an idle channel first, where there is one, and then tells of the connection.
    /// assert_eq!(server.would_turn_away(&peername), Some(NotAdmitted::Full));
    /// # Ok::<(), httpfsm::server::ServerNotAccepted>(())
    /// ```
    #[must_use]
    pub fn would_turn_away(&self, peername: &Peer) -> Option<NotAdmitted> {
        match self.state {
            State::Listening | State::Draining => self.registry.would_turn_away(peername),
            State::Leaving | State::Gone => Some(NotAdmitted::Draining),
        }
    }

    /// The same of a [proxy](ServerInput::ProxyConnected); `None`: it would be served, and its peer judged when it is named.
    ///
    /// ```
    #[doc = include_str!("examples/server.txt")]
    /// let config = ServerConfig { origins: vec!["10.0.0.0/8".parse()?], ..ServerConfig::default() };
    /// let server = Server::new(config);
    /// assert_eq!(server.would_turn_away_proxy(&Peer::Ip("10.0.0.7:5000".parse()?)), None);
    /// assert_eq!(server.would_turn_away_proxy(&peername), Some(NotAdmitted::Origin));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn would_turn_away_proxy(&self, proxy: &Peer) -> Option<NotAdmitted> {
        match self.state {
            State::Listening | State::Draining => self.registry.would_turn_away_proxy(proxy),
            State::Leaving | State::Gone => Some(NotAdmitted::Draining),
        }
    }

    /// The next thing to do; each is yielded once, in order.
    ///
    /// ```
    #[doc = include_str!("examples/server.txt")]
    /// let mut server = Server::new(ServerConfig::default());
    /// server.handle(Moment::START, ServerInput::GoOut)?;
    /// server.handle(Moment::START, ServerInput::ListenersClosed)?;
    /// assert_eq!(server.next_output(), Some(ServerOutput::GoOut));
    /// assert_eq!(server.next_output(), Some(ServerOutput::Gone));
    /// assert_eq!(server.next_output(), None);
    /// # Ok::<(), httpfsm::server::ServerNotAccepted>(())
    /// ```
    pub fn next_output(&mut self) -> Option<ServerOutput> {
        self.registry.next_output()
    }

    /// When a [`Tick`](ServerInput::Tick) is due; `None`: no deadline runs.
    ///
    /// ```
    #[doc = include_str!("examples/server.txt")]
    /// let mut server = Server::new(ServerConfig::default());
    /// assert_eq!(server.deadline(), None);
    /// server.handle(Moment::START, ServerInput::GoOut)?;
    /// // `drain_deadline`, and the `drain_grace` of the channels.
    /// assert_eq!(server.deadline(), Some(Moment::from_millis(31_000)));
    /// # Ok::<(), httpfsm::server::ServerNotAccepted>(())
    /// ```
    #[must_use]
    pub fn deadline(&self) -> Option<Moment> {
        self.registry.deadline()
    }

    /// Where the server stands.
    ///
    /// ```
    #[doc = include_str!("examples/server.txt")]
    /// let mut server = Server::new(ServerConfig::default());
    /// assert_eq!(server.state(), State::Listening);
    /// server.handle(Moment::START, ServerInput::GoOut)?;
    /// assert_eq!(server.state(), State::Draining);
    /// # Ok::<(), httpfsm::server::ServerNotAccepted>(())
    /// ```
    #[must_use]
    pub const fn state(&self) -> State {
        self.state
    }

    /// Whether the server has gone out and its last channel has closed.
    ///
    /// ```
    #[doc = include_str!("examples/server.txt")]
    /// let mut server = Server::new(ServerConfig::default());
    /// server.handle(Moment::START, ServerInput::GoOut)?;
    /// // A listener may still tell of a connection.
    /// assert!(!server.is_gone());
    /// server.handle(Moment::START, ServerInput::ListenersClosed)?;
    /// assert!(server.is_gone());
    /// # Ok::<(), httpfsm::server::ServerNotAccepted>(())
    /// ```
    #[must_use]
    pub fn is_gone(&self) -> bool {
        self.state == State::Gone
    }

    /// The counts so far.
    ///
    /// ```
    #[doc = include_str!("examples/server.txt")]
    /// let mut server = Server::new(ServerConfig::default());
    /// server.handle(Moment::START, connected)?;
    /// let stats = server.stats();
    /// assert_eq!((stats.n_channels, stats.opened, stats.not_admitted()), (1, 1, 0));
    /// # Ok::<(), httpfsm::server::ServerNotAccepted>(())
    /// ```
    #[must_use]
    pub const fn stats(&self) -> ServerStats {
        self.registry.stats()
    }

    /// What the server obeys.
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use httpfsm::channel::CompiledConfig;
    /// use httpfsm::ServerConfig;
    /// use httpfsm::server::Server;
    ///
    /// let server = Server::new(ServerConfig::hardened());
    /// // What the channels obey is made ready once.
    /// let compiled = Arc::new(CompiledConfig::new(&server.config().channel));
    /// assert_eq!(compiled.config().max_request_fields, 100);
    /// ```
    #[must_use]
    pub const fn config(&self) -> &Arc<ServerConfig> {
        self.registry.config()
    }

    /// The server's name, which begins the names of its channels.
    ///
    /// ```
    /// use httpfsm::ServerConfig;
    /// use httpfsm::server::Server;
    ///
    /// assert_eq!(Server::named("admin", ServerConfig::default()).name(), "admin");
    /// ```
    #[must_use]
    pub fn name(&self) -> &str {
        self.registry.name()
    }
}

/// The rows of one input that are still to run. If the trace panics, `Drop` runs them without it, so that every connection
/// gets its verdict and every closed channel is counted.
struct RestOfInput<'a> {
    server: &'a mut Server,
    at: Moment,
    input: &'a ServerInput,
    /// What to look up in the table next.
    next: Option<Cause<Event, Internal>>,
    /// The input, which comes behind the tick and what that raises.
    then: Option<Event>,
}

impl RestOfInput<'_> {
    fn take_step(&mut self) -> Option<Step> {
        let cause = self.next.take().or_else(|| self.then.take().map(Cause::Input))?;
        let Server { state, registry } = &mut *self.server;
        let found = match cause {
            Cause::Input(event) => MATRIX.on(*state, event),
            Cause::Internal(event) => MATRIX.then(*state, event),
        };
        debug_assert!(found.is_some(), "{cause:?} was raised in {state}, which has no row for it");
        let found = found?;
        let step = Step { at: self.at, state: *state, cause, actions: found.actions, next: found.next };
        *state = step.next;
        for &action in step.actions {
            self.next = registry.act(action, self.input).map(Cause::Internal);
        }
        Some(step)
    }
}

impl Drop for RestOfInput<'_> {
    fn drop(&mut self) {
        while self.take_step().is_some() {}
    }
}
