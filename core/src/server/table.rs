//! The table of the [`Server`](super::Server).

use crate::fsm::{
    Machine, Matrix, Refusal, Row, bottom, internal, place, refuse, row, to_bottom, to_top, top,
};

crate::labelled! {
    /// Where the server stands.
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
    pub enum Event {
        /// A connection was accepted (EV_CONNECTED).
        Connected,
        /// A channel has closed (EV_HTTP_CHANNEL_CLOSED).
        HttpChannelClosed,
        /// Stop to listen, finish the channels and end (go_out).
        GoOut,
        /// No listener is open, and no connection that one has accepted is left to be told.
        ListenersClosed,
        /// Time has passed.
        Tick,
        /// The peer may connect, and there is room for its channel.
        Admitted,
        /// `origins` does not name the peer.
        OriginForeign,
        /// `max_connections` channels are open.
        ServerFull,
        /// The peer has `max_connections_per_peer` channels open.
        PeerFull,
        /// The closed channel is one of ours.
        ChannelFound,
        /// The closed channel is none of ours, or was closed before: the caller's mistake.
        ChannelUnknown,
        /// No channel is open.
        LastClosed,
        /// Channels are open still, at `drain_deadline`.
        DrainOver,
    }
}

crate::labelled! {
    /// What the server does.
    pub enum Action {
        /// Nothing.
        Stay,
        /// Look at `origins` and count: Admitted, OriginForeign, ServerFull or PeerFull.
        CheckPeer,
        /// Number and name a channel, and hand it out.
        OpenChannel,
        /// Turn the connection away, because of its origin.
        RefuseOrigin,
        /// Turn the connection away, because the server is full.
        RefuseFull,
        /// Turn the connection away, because its peer has enough.
        RefusePeer,
        /// Turn the connection away, because the server goes out.
        RefuseDraining,
        /// Look the channel up: ChannelFound or ChannelUnknown.
        FindChannel,
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

use Action::*;
use Event::*;
use State::*;

/// The transitions.
#[rustfmt::skip]
pub const ROWS: &[Row<State, Event, Action>] = &[
    //  state      event              action          next
    row(Listening, Connected,         CheckPeer,      Listening),
    row(Listening, Admitted,          OpenChannel,    Listening),
    row(Listening, OriginForeign,     RefuseOrigin,   Listening),
    row(Listening, ServerFull,        RefuseFull,     Listening),
    row(Listening, PeerFull,          RefusePeer,     Listening),
    row(Listening, HttpChannelClosed, FindChannel,    Listening),
    row(Listening, ChannelFound,      ForgetChannel,  Listening),
    row(Listening, LastClosed,        Stay,           Listening),
    row(Listening, GoOut,             BeginDrain,     Draining),
    row(Listening, ListenersClosed,   Stay,           Listening),
    row(Listening, Tick,              Stay,           Listening),

    row(Draining,  Connected,         CheckPeer,      Draining),
    row(Draining,  Admitted,          OpenChannel,    Draining),
    row(Draining,  OriginForeign,     RefuseOrigin,   Draining),
    row(Draining,  ServerFull,        RefuseFull,     Draining),
    row(Draining,  PeerFull,          RefusePeer,     Draining),
    row(Draining,  HttpChannelClosed, FindChannel,    Draining),
    row(Draining,  ChannelFound,      ForgetChannel,  Draining),
    row(Draining,  LastClosed,        Stay,           Draining),
    row(Draining,  GoOut,             Stay,           Draining),
    row(Draining,  ListenersClosed,   CountChannels,  Leaving),
    row(Draining,  Tick,              CheckDeadline,  Draining),
    row(Draining,  DrainOver,         DropChannels,   Draining),

    row(Leaving,   Connected,         RefuseDraining, Leaving),
    row(Leaving,   HttpChannelClosed, FindChannel,    Leaving),
    row(Leaving,   ChannelFound,      ForgetChannel,  Leaving),
    row(Leaving,   LastClosed,        ReportGone,     Gone),
    row(Leaving,   GoOut,             Stay,           Leaving),
    row(Leaving,   ListenersClosed,   Stay,           Leaving),
    row(Leaving,   Tick,              CheckDeadline,  Leaving),
    row(Leaving,   DrainOver,         DropChannels,   Leaving),

    row(Gone,      Connected,         RefuseDraining, Gone),
    row(Gone,      HttpChannelClosed, FindChannel,    Gone),
    row(Gone,      GoOut,             Stay,           Gone),
    row(Gone,      ListenersClosed,   Stay,           Gone),
    row(Gone,      Tick,              Stay,           Gone),
];

/// The pairs that do not fit.
#[rustfmt::skip]
pub const REFUSALS: &[Refusal<State, Event>] = &[
    refuse(Listening, ChannelUnknown),
    refuse(Listening, DrainOver),

    refuse(Draining,  ChannelUnknown),

    refuse(Leaving,   Admitted),
    refuse(Leaving,   OriginForeign),
    refuse(Leaving,   ServerFull),
    refuse(Leaving,   PeerFull),
    refuse(Leaving,   ChannelUnknown),

    refuse(Gone,      Admitted),
    refuse(Gone,      OriginForeign),
    refuse(Gone,      ServerFull),
    refuse(Gone,      PeerFull),
    refuse(Gone,      ChannelFound),
    refuse(Gone,      ChannelUnknown),
    refuse(Gone,      LastClosed),
    refuse(Gone,      DrainOver),
];

/// The table, folded; what the server runs on.
pub(super) static MATRIX: Matrix<State, Action, 4, 13> = crate::fold!(State, Event, Action, ROWS, REFUSALS);

/// The machine with what its drawings need.
pub const MACHINE: Machine<State, Event, Action> = Machine {
    name: "Server",
    initial: Listening,
    rows: ROWS,
    refusals: REFUSALS,
    places: &[
        place(Listening, 0, 0, ""),
        place(Draining, 1, 0, "drain_deadline"),
        place(Leaving, 2, 0, "drain_deadline"),
        place(Gone, 3, 0, ""),
    ],
    inputs: &[
        bottom(Connected),
        bottom(HttpChannelClosed),
        bottom(ListenersClosed),
        bottom(Tick),
        top(GoOut),
        internal(Admitted),
        internal(OriginForeign),
        internal(ServerFull),
        internal(PeerFull),
        internal(ChannelFound),
        internal(ChannelUnknown),
        internal(LastClosed),
        internal(DrainOver),
    ],
    outputs: &[
        to_bottom("HttpChannel", "The connection is served by a new channel of this number and name."),
        to_bottom("Refused", "The connection is to be closed, for the reason given."),
        to_bottom("GoOut", "Every open channel is to go out."),
        to_bottom("DropChannels", "Every channel that is still open is to be dropped."),
        to_top("Gone", "The last channel has closed."),
    ],
};
