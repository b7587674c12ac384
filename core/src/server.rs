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
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ChannelId(NonZero<u64>);

impl ChannelId {
    /// The number, as in the channel's name.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0.get()
    }
}

impl fmt::Display for ChannelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A step of a server, as [`Server::handle_with`] tells it.
pub type Step = Taken<State, Event, Internal, Action>;

/// What the server is told.
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
#[doc(alias = "GHttpServer")]
#[derive(Debug)]
pub struct Server {
    state: State,
    registry: Registry,
}

impl Server {
    /// A server that is listening; its channels are named `server.clisrv_1`, `server.clisrv_2`, ...
    #[must_use]
    pub fn new(config: impl Into<Arc<ServerConfig>>) -> Self {
        Self::named("server", config)
    }

    /// A server of another name, for programs that run several: `admin.clisrv_1`, ...
    #[must_use]
    pub fn named(name: impl Into<Cow<'static, str>>, config: impl Into<Arc<ServerConfig>>) -> Self {
        Self { state: MACHINE.initial, registry: Registry::new(name.into(), config.into()) }
    }

    /// Takes an input. `at` is the time since the server began; it is first a tick, and a time in the past is none.
    ///
    /// # Errors
    ///
    /// [`ServerNotAccepted`] if `input` is the end, or another peer, of a channel that is not open. Nothing has changed but
    /// the time.
    pub fn handle(&mut self, at: Moment, input: ServerInput) -> Result<(), ServerNotAccepted> {
        self.handle_with(at, input, &mut ())
    }

    /// As [`handle`](Self::handle), and tells each row that was taken to `trace`, which may be a closure, when its
    /// actions have run. A panic of the trace leaves nothing half done: the other rows of the input run without the trace.
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
    #[must_use]
    pub fn would_turn_away(&self, peername: &Peer) -> Option<NotAdmitted> {
        match self.state {
            State::Listening | State::Draining => self.registry.would_turn_away(peername),
            State::Leaving | State::Gone => Some(NotAdmitted::Draining),
        }
    }

    /// The same of a [proxy](ServerInput::ProxyConnected); `None`: it would be served, and its peer judged when it is named.
    #[must_use]
    pub fn would_turn_away_proxy(&self, proxy: &Peer) -> Option<NotAdmitted> {
        match self.state {
            State::Listening | State::Draining => self.registry.would_turn_away_proxy(proxy),
            State::Leaving | State::Gone => Some(NotAdmitted::Draining),
        }
    }

    /// The next thing to do; each is yielded once, in order.
    pub fn next_output(&mut self) -> Option<ServerOutput> {
        self.registry.next_output()
    }

    /// When a [`Tick`](ServerInput::Tick) is due; `None`: no deadline runs.
    #[must_use]
    pub fn deadline(&self) -> Option<Moment> {
        self.registry.deadline()
    }

    /// Where the server stands.
    #[must_use]
    pub const fn state(&self) -> State {
        self.state
    }

    /// Whether the server has gone out and its last channel has closed.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        self.state == State::Gone
    }

    /// The counts so far.
    #[must_use]
    pub const fn stats(&self) -> ServerStats {
        self.registry.stats()
    }

    /// What the server obeys.
    #[must_use]
    pub const fn config(&self) -> &Arc<ServerConfig> {
        self.registry.config()
    }

    /// The server's name, which begins the names of its channels.
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
