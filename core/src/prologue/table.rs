//! The table of the [`Prologue`](super::Prologue).

use crate::error::{CloseReason, Rule};
use crate::fsm::{Label, Machine, Matrix, Refusal, Row, bottom, position, to_bottom, to_top, top};

crate::labelled! {
    /// Where a prologue stands.
    ///
    /// ```
    /// use httpfsm::fsm::Label;
    /// use httpfsm::prologue::{ROWS, State};
    ///
    /// // Where is a prologue over? Where no row leads on.
    /// let over: Vec<_> = State::ALL
    ///     .iter()
    ///     .filter(|state| ROWS.iter().all(|row| !row.states.contains(state) || row.next.is_none()))
    ///     .collect();
    /// assert_eq!(over, [&State::Open, &State::Handed, &State::Refused, &State::Closed]);
    /// ```
    #[non_exhaustive]
    pub enum State {
        /// The bytes that come before everything else are awaited: a header of a proxy, or the first byte.
        Preface,
        /// The layer between the wire and HTTP does its handshake.
        Handshake,
        /// The channel opens. Nothing leaves this state.
        Open,
        /// The connection belongs to another protocol. Nothing leaves this state.
        Handed,
        /// What came is not what may come before HTTP, and no channel opens. Nothing leaves this state.
        Refused,
        /// The time, the peer or the server has ended the connection, and no channel opens. Nothing leaves this state.
        Closed,
    }
}

crate::labelled! {
    /// What happens to a connection before its channel opens.
    ///
    /// ```
    /// use httpfsm::fsm::Cause;
    /// use httpfsm::prologue::{Event, ROWS, State};
    ///
    /// // What leads to an open channel that has had a handshake?
    /// let established = ROWS.iter().find(|row| row.causes.contains(&Cause::Input(Event::Established)));
    /// assert_eq!(established.and_then(|row| row.next), Some(State::Open));
    /// ```
    #[non_exhaustive]
    pub enum Event {
        /// Bytes have come that belong to the preface, and more are needed.
        Received,
        /// The preface is complete, and HTTP comes next.
        PrefaceRead,
        /// The preface is complete, or there is none, and a handshake comes next.
        LayerChosen,
        /// The preface breaks a rule.
        PrefaceRefused,
        /// The server does not serve the peer that the preface names.
        NotAdmitted,
        /// The handshake is complete, and HTTP comes next.
        Established,
        /// The handshake has failed.
        HandshakeFailed,
        /// What has come in place of a handshake breaks a rule.
        HandshakeRefused,
        /// Another protocol than HTTP/1.x comes next.
        OtherProtocol,
        /// The peer has ended its input.
        RxEnd,
        /// The connection was lost.
        Disconnected,
        /// The server wants the connection back.
        Evict,
        /// There is no room for what has come.
        NoRoom,
        /// The server goes out (go_out).
        GoOut,
        /// Time has passed.
        Tick,
    }
}

crate::labelled! {
    /// What an action found.
    ///
    /// ```
    #[doc = include_str!("../examples/prologue.txt")]
    /// use httpfsm::fsm::Cause;
    /// use httpfsm::prologue::Internal;
    ///
    /// let mut raised = Vec::new();
    /// let due = prologue.deadline().expect("a preface has its time");
    /// prologue.handle_with(due, PrologueInput::Tick, &mut |step: &Step| {
    ///     if let Cause::Internal(event) = step.cause {
    ///         raised.push(event);
    ///     }
    /// })?;
    /// assert_eq!(raised, [Internal::PrefaceTimeout]);
    /// # Ok::<(), httpfsm::prologue::PrologueNotAccepted>(())
    /// ```
    #[non_exhaustive]
    pub enum Internal {
        /// The preface needs more than `max_preface_bytes`.
        PrefaceTooLong,
        /// `preface_timeout` has passed.
        PrefaceTimeout,
        /// `handshake_timeout` has passed.
        HandshakeTimeout,
        /// The server goes out, and the time for a first request has passed.
        DrainGrace,
        /// The server goes out, and `drain_deadline` has come.
        DrainTimeout,
    }
}

crate::actions! {
    /// What a prologue does.
    ///
    /// ```
    /// use httpfsm::fsm::Act;
    /// use httpfsm::prologue::{Action, ROWS};
    ///
    /// // Which reasons does a prologue close a connection for, without a channel?
    /// let closes = ROWS.iter().flat_map(|row| row.actions).filter_map(|action| match action {
    ///     Action::Close(reason) => Some(reason.to_string()),
    ///     _ => None,
    /// });
    /// assert!(closes.collect::<Vec<_>>().contains(&"The handshake before HTTP failed.".into()));
    /// assert_eq!(Action::HandOver.meaning(), "Have the connection handed over.");
    /// ```
    #[non_exhaustive]
    pub enum Action {
        /// Count the bytes of the preface; PrefaceTooLong if no more may come.
        CountBytes,
        /// Arm `handshake_timeout` and have the handshake begun.
        BeginHandshake,
        /// Have the channel opened.
        OpenChannel,
        /// Have the channel opened, which responds by the rule of the input.
        OpenRefused,
        /// Have the channel opened, which responds by this rule.
        OpenRefusedBy(Rule),
        /// Have the connection handed over.
        HandOver,
        /// Have the connection closed, for this reason.
        Close(CloseReason),
        /// Note the times of the server that goes out.
        NoteLeave,
        /// Raise what the passing of the next deadline raises, if it has passed.
        CheckDeadlines,
    }
}

use self::Action::*;

/// The transitions.
pub const ROWS: &[Row<State, Event, Internal, Action>] = crate::rows! {
    State, Event, Internal;

    // The preface comes.
    on   Preface,   Received,         [CountBytes],                                   =;
    then Preface,   PrefaceTooLong,   [OpenRefusedBy(Rule::PrefaceTooLong)],          Open;
    on   Preface,   PrefaceRead,      [OpenChannel],                                  Open;
    on   Preface,   LayerChosen,      [BeginHandshake],                               Handshake;
    on   Preface,   PrefaceRefused,   [OpenRefused],                                  Open;
    on   Preface,   NotAdmitted,      [Close(CloseReason::NotAdmitted)],              Refused;
    then Preface,   PrefaceTimeout,   [Close(CloseReason::PrefaceTimeout)],           Closed;

    // The handshake goes on.
    on   Handshake, Established,      [OpenChannel],                                  Open;
    on   Handshake, HandshakeFailed,  [Close(CloseReason::HandshakeFailed)],          Refused;
    on   Handshake, HandshakeRefused, [OpenRefused],                                  Open;
    then Handshake, HandshakeTimeout, [Close(CloseReason::HandshakeTimeout)],         Closed;

    // What both do alike. The peer:
    on   Preface | Handshake, OtherProtocol, [HandOver],                              Handed;
    on   Preface | Handshake, RxEnd,  [Close(CloseReason::PeerEnded)],                Closed;
    on   Preface | Handshake, Disconnected, [Close(CloseReason::Disconnected)],       Closed;

    // The server wants the connection back, or goes out.
    on   Preface | Handshake, Evict,  [Close(CloseReason::Evicted)],                  Closed;
    on   Preface | Handshake, NoRoom, [Close(CloseReason::NoRoom)],                   Closed;
    on   Preface | Handshake, GoOut,  [NoteLeave, CheckDeadlines],                    =;
    then Preface | Handshake, DrainGrace | DrainTimeout, [Close(CloseReason::Drained)], Closed;

    // Time.
    on   Preface | Handshake, Tick,   [CheckDeadlines],                               =;
    on   Open | Handed | Refused | Closed, Tick, [],                                  =;
};

/// The inputs that do not fit. When the prologue is over, the channel is told, or nobody is.
pub const REFUSALS: &[Refusal<State, Event>] = crate::refusals! {
    State, Event;
    Preface: Established, HandshakeFailed, HandshakeRefused;
    Handshake: Received, PrefaceRead, LayerChosen, PrefaceRefused, NotAdmitted;
    Open: Received, PrefaceRead, LayerChosen, PrefaceRefused, NotAdmitted, Established, HandshakeFailed, HandshakeRefused,
        OtherProtocol, RxEnd, Disconnected, Evict, NoRoom, GoOut;
    Handed: Received, PrefaceRead, LayerChosen, PrefaceRefused, NotAdmitted, Established, HandshakeFailed, HandshakeRefused,
        OtherProtocol, RxEnd, Disconnected, Evict, NoRoom, GoOut;
    Refused: Received, PrefaceRead, LayerChosen, PrefaceRefused, NotAdmitted, Established, HandshakeFailed, HandshakeRefused,
        OtherProtocol, RxEnd, Disconnected, Evict, NoRoom, GoOut;
    Closed: Received, PrefaceRead, LayerChosen, PrefaceRefused, NotAdmitted, Established, HandshakeFailed, HandshakeRefused,
        OtherProtocol, RxEnd, Disconnected, Evict, NoRoom, GoOut;
};

/// The table, folded; what the prologue runs on.
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
    name: "Prologue",
    initial: State::Preface,
    rows: ROWS,
    refusals: REFUSALS,
    positions: &[
        position(State::Preface, 0, 0, "preface_timeout"),
        position(State::Handshake, 1, 0, "handshake_timeout"),
        position(State::Open, 2, 0, ""),
        position(State::Closed, 0, 1, ""),
        position(State::Refused, 1, 1, ""),
        position(State::Handed, 2, 1, ""),
    ],
    inputs: &[
        bottom(Event::Received),
        bottom(Event::PrefaceRead),
        bottom(Event::LayerChosen),
        bottom(Event::PrefaceRefused),
        bottom(Event::Established),
        bottom(Event::HandshakeFailed),
        bottom(Event::HandshakeRefused),
        bottom(Event::OtherProtocol),
        bottom(Event::RxEnd),
        bottom(Event::Disconnected),
        bottom(Event::Evict),
        bottom(Event::NoRoom),
        bottom(Event::Tick),
        top(Event::NotAdmitted),
        top(Event::GoOut),
    ],
    outputs: &[
        to_bottom("BeginHandshake", "The layer is to be put on the wire, and its handshake done."),
        to_top("Open", "A channel is to be opened; with a rule, it responds by that and closes."),
        to_top("HandOver", "The connection belongs to another protocol from here on."),
        to_bottom("Close", "The connection is to be closed, for the reason given; no channel opens."),
    ],
};
