//! The table of the [`Server`](super::Server).

use crate::fsm::{Label, Machine, Matrix, Refusal, Row, bottom, position, to_bottom, to_top, top};

crate::labelled! {
    /// Where the server stands.
    ///
    /// ```
    #[doc = include_str!("../examples/server.txt")]
    /// let mut server = Server::new(ServerConfig::default());
    /// assert_eq!(server.state(), State::Listening);
    /// server.handle(Moment::from_millis(5), ServerInput::GoOut)?;
    /// assert_eq!(server.state(), State::Draining);
    /// // Its listeners have closed, and no channel is open.
    /// server.handle(Moment::from_millis(9), ServerInput::ListenersClosed)?;
    /// assert_eq!(server.state(), State::Gone);
    /// # Ok::<(), httpfsm::server::ServerNotAccepted>(())
    /// ```
    #[non_exhaustive]
    pub enum State {
        /// New connections become channels.
        Listening,
        /// Told to go out: connections that waited for a listener become channels still, and all of them finish.
        Draining,
        /// Told to go out, and nobody listens any more: no new channel, the open ones finish.
        Leaving,
        /// Told to go out, and the last channel has closed. Nothing leaves this state.
        Gone,
    }
}

crate::labelled! {
    /// What happens to the server.
    ///
    /// ```
    /// use httpfsm::server::{Event, REFUSALS, State};
    ///
    /// // Only a server that is gone refuses anything.
    /// assert!(REFUSALS.iter().all(|refusal| refusal.state == State::Gone));
    /// assert_eq!(REFUSALS[0].events, [Event::PeerNamed, Event::HttpChannelClosed]);
    /// ```
    #[non_exhaustive]
    pub enum Event {
        /// A connection was accepted (EV_CONNECTED).
        Connected,
        /// A connection of a proxy was accepted, whose peer is named before HTTP.
        ProxyConnected,
        /// What came before HTTP on an accepted connection names another peer than the socket does.
        PeerNamed,
        /// A channel has closed (EV_HTTP_CHANNEL_CLOSED).
        HttpChannelClosed,
        /// Stop to listen, finish the channels and end (go_out).
        GoOut,
        /// No listener is open, and no connection that one has accepted is left to be told.
        ListenersClosed,
        /// Time has passed.
        Tick,
    }
}

crate::labelled! {
    /// What an action found.
    ///
    /// ```
    /// use httpfsm::fsm::Cause;
    /// use httpfsm::server::{Internal, ROWS};
    ///
    /// // Why may a connection be turned away?
    /// let turned_away = [Internal::OriginForeign, Internal::ServerFull, Internal::PeerFull, Internal::TooLate];
    /// let rows = turned_away.map(|event| ROWS.iter().find(|row| row.causes == [Cause::Internal(event)]));
    /// assert!(rows.into_iter().flatten().all(|row| row.next.is_none()));
    /// ```
    #[non_exhaustive]
    pub enum Internal {
        /// The peer may connect, and there is room for its channel.
        Admitted,
        /// The proxy may connect, and there is room for a channel.
        ProxyAdmitted,
        /// The peer that was named may connect, and has room for the channel.
        NamedAdmitted,
        /// `origins` does not name the peer that was named.
        NamedForeign,
        /// The peer that was named has `max_connections_per_peer` channels open.
        NamedFull,
        /// `origins` does not name the peer.
        OriginForeign,
        /// `max_connections` channels are open.
        ServerFull,
        /// The peer has `max_connections_per_peer` channels open.
        PeerFull,
        /// No channel is open.
        LastClosed,
        /// Channels are open still, or a listener is, at `drain_deadline`.
        DrainOver,
        /// A connection comes after `drain_deadline`, when nothing would end its channel any more.
        TooLate,
    }
}

crate::actions! {
    /// What the server does.
    ///
    /// ```
    /// use httpfsm::fsm::Act;
    /// use httpfsm::server::{Action, NotAdmitted};
    ///
    /// let action = Action::TurnAway(NotAdmitted::Full);
    /// assert_eq!(action.name(), "TurnAway(Full)");
    /// assert_eq!(action.meaning(), "Turn the connection away, for this reason.");
    /// ```
    #[non_exhaustive]
    pub enum Action {
        /// Look at `origins`, the time, and the counts: Admitted, OriginForeign, ServerFull, PeerFull or TooLate.
        CheckPeer,
        /// Look at `origins`, the time, and the count of all channels: ProxyAdmitted, OriginForeign, ServerFull or TooLate.
        CheckProxy,
        /// Number and name a channel, and hand it out.
        OpenChannel,
        /// The same, and count it for no peer until one is named.
        OpenUnnamed,
        /// Turn the connection away, for this reason.
        TurnAway(Reason),
        /// Look at `origins` and the count of the peer that was named: NamedAdmitted, NamedForeign or NamedFull.
        CheckNamedPeer,
        /// Count the channel for the peer that was named.
        MoveChannel,
        /// Turn the peer that was named away, for this reason. The channel counts until it has closed.
        TurnNamedAway(Reason),
        /// Forget the channel and add its counts to ours; LastClosed if it was the last.
        ForgetChannel,
        /// Arm `drain_deadline` and tell the channels to go out.
        BeginDrain,
        /// LastClosed if no channel is open.
        CountChannels,
        /// DrainOver if `drain_deadline` has passed.
        CheckDeadline,
        /// Have the channels that are left dropped.
        DropChannels,
        /// Report the end.
        ReportGone,
    }
}

use self::Action::*;
use super::NotAdmitted as Reason;

/// The transitions.
pub const ROWS: &[Row<State, Event, Internal, Action>] = crate::rows! {
    State, Event, Internal;

    // A connection comes.
    on   Listening | Draining, Connected,       [CheckPeer],                  =;
    then Listening | Draining, Admitted,        [OpenChannel],                =;
    then Listening | Draining, OriginForeign,   [TurnAway(Reason::Origin)],   =;
    then Listening | Draining, ServerFull,      [TurnAway(Reason::Full)],     =;
    then Listening | Draining, PeerFull,        [TurnAway(Reason::Peer)],     =;
    then Draining,             TooLate,         [TurnAway(Reason::Draining)], =;
    on   Listening | Draining, ProxyConnected,  [CheckProxy],                 =;
    then Listening | Draining, ProxyAdmitted,   [OpenUnnamed],                =;
    on   Leaving | Gone,       Connected | ProxyConnected, [TurnAway(Reason::Draining)], =;

    // A connection that was accepted is of another peer.
    on   Listening | Draining | Leaving, PeerNamed, [CheckNamedPeer],         =;
    then Listening | Draining | Leaving, NamedAdmitted, [MoveChannel],        =;
    then Listening | Draining | Leaving, NamedForeign, [TurnNamedAway(Reason::Origin)], =;
    then Listening | Draining | Leaving, NamedFull, [TurnNamedAway(Reason::Peer)], =;

    // A channel closes.
    on   Listening | Draining | Leaving, HttpChannelClosed, [ForgetChannel], =;
    then Listening | Draining, LastClosed,      [],                           =;
    then Leaving,              LastClosed,      [ReportGone],                 Gone;

    // The server goes out.
    on   Listening,            GoOut,           [BeginDrain],                 Draining;
    on   Draining,             ListenersClosed, [CountChannels],              Leaving;
    then Draining | Leaving,   DrainOver,       [DropChannels],               =;
    on   Draining | Leaving | Gone, GoOut,      [],                           =;
    on   Listening | Leaving | Gone, ListenersClosed, [],                     =;

    // Time.
    on   Draining | Leaving,   Tick,            [CheckDeadline],              =;
    on   Listening | Gone,     Tick,            [],                           =;
};

/// The inputs that do not fit: when the server is gone, no channel is open that could close or be of another peer.
/// Elsewhere, too, neither is accepted of a channel that is not open.
pub const REFUSALS: &[Refusal<State, Event>] = crate::refusals! {
    State, Event;
    Gone: PeerNamed, HttpChannelClosed;
};

/// The table, folded; what the server runs on.
pub(super) static MATRIX: Matrix<
    State,
    Event,
    Internal,
    Action,
    { State::ALL.len() },
    { Event::ALL.len() },
    { Internal::ALL.len() },
> = crate::fold!(State, Event, Internal, Action, ROWS, REFUSALS);

/// The machine with what its drawings need.
pub const MACHINE: Machine<State, Event, Internal, Action> = Machine {
    name: "Server",
    initial: State::Listening,
    rows: ROWS,
    refusals: REFUSALS,
    positions: &[
        position(State::Listening, 0, 0, ""),
        position(State::Draining, 1, 0, "drain_deadline"),
        position(State::Leaving, 2, 0, "drain_deadline"),
        position(State::Gone, 3, 0, ""),
    ],
    inputs: &[
        bottom(Event::Connected),
        bottom(Event::ProxyConnected),
        bottom(Event::PeerNamed),
        bottom(Event::HttpChannelClosed),
        bottom(Event::ListenersClosed),
        bottom(Event::Tick),
        top(Event::GoOut),
    ],
    outputs: &[
        to_bottom("HttpChannel", "The connection is served by a new channel of this number and name."),
        to_bottom("NotAdmitted", "The connection is to be closed, for the reason given."),
        to_bottom("PeerAdmitted", "The connection is served as one of the peer that was named."),
        to_bottom("GoOut", "Every open channel is to go out."),
        to_bottom("DropChannels", "Every channel that is still open is to be dropped."),
        to_top("Gone", "The last channel has closed."),
    ],
};
