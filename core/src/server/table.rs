//! The table of the [`Server`](super::Server).

use crate::fsm::{
    Machine, Matrix, Refusal, Row, bottom, internal, place, refuse, row, to_bottom, to_top, top,
};

crate::labelled! {
    /// Where the server stands.
    pub enum State {
        /// New connections become channels.
        Listening,
        /// Told to go out: no new channel, the open ones finish.
        Draining,
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
        /// Take no new connection, finish the open channels and end (go_out).
        GoOut,
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
        /// Arm `drain_deadline` and tell the channels to go out; LastClosed if there is none.
        BeginDrain,
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
    row(Listening, Tick,              Stay,           Listening),

    row(Draining,  Connected,         RefuseDraining, Draining),
    row(Draining,  HttpChannelClosed, FindChannel,    Draining),
    row(Draining,  ChannelFound,      ForgetChannel,  Draining),
    row(Draining,  LastClosed,        ReportGone,     Gone),
    row(Draining,  GoOut,             Stay,           Draining),
    row(Draining,  Tick,              CheckDeadline,  Draining),
    row(Draining,  DrainOver,         DropChannels,   Draining),

    row(Gone,      Connected,         RefuseDraining, Gone),
    row(Gone,      HttpChannelClosed, FindChannel,    Gone),
    row(Gone,      GoOut,             Stay,           Gone),
    row(Gone,      Tick,              Stay,           Gone),
];

/// The pairs that do not fit.
#[rustfmt::skip]
pub const REFUSALS: &[Refusal<State, Event>] = &[
    refuse(Listening, ChannelUnknown),
    refuse(Listening, DrainOver),

    refuse(Draining,  Admitted),
    refuse(Draining,  OriginForeign),
    refuse(Draining,  ServerFull),
    refuse(Draining,  PeerFull),
    refuse(Draining,  ChannelUnknown),

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
pub(super) static MATRIX: Matrix<State, Action, 3, 12> = crate::fold!(State, Event, Action, ROWS, REFUSALS);

/// The machine with what its drawings need.
pub const MACHINE: Machine<State, Event, Action> = Machine {
    name: "Server",
    initial: Listening,
    rows: ROWS,
    refusals: REFUSALS,
    places: &[place(Listening, 0, 0, ""), place(Draining, 1, 0, "drain_deadline"), place(Gone, 2, 0, "")],
    inputs: &[
        bottom(Connected),
        bottom(HttpChannelClosed),
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
