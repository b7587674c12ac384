//! The prologue: what comes before HTTP on a connection.
//!
//! A connection may begin with a *preface*, bytes that belong to no request: the header of a proxy that names the peer, or a
//! first byte that tells TLS from plain text. A *handshake* may follow, of a layer between the wire and HTTP. A
//! [`Prologue`] is the machine of both, and as pure as a channel: it knows no bytes and reads no clock. Whoever reads the
//! preface, or does the handshake, tells it the verdicts. It has the deadlines and the limit, and says how it ends: with an
//! open channel, with one that refuses the first request, with a connection of another protocol, or without any.
//!
//! ```
//! use httpfsm::config::ServerConfig;
//! use httpfsm::prologue::{Prologue, PrologueInput, PrologueOutput, State};
//! use httpfsm::time::Moment;
//!
//! let mut prologue = Prologue::new(&ServerConfig::default());
//! let at = Moment::from_millis;
//! prologue.handle(at(3), PrologueInput::Received(5))?;
//! prologue.handle(at(4), PrologueInput::LayerChosen)?;
//! assert_eq!(prologue.next_output(), Some(PrologueOutput::BeginHandshake));
//! assert_eq!(prologue.deadline(), Some(at(10_004)));
//! prologue.handle(at(90), PrologueInput::Established)?;
//! assert_eq!(prologue.next_output(), Some(PrologueOutput::Open(None)));
//! assert_eq!(prologue.state(), State::Open);
//! # Ok::<(), httpfsm::prologue::PrologueNotAccepted>(())
//! ```

#[cfg(test)]
mod coverage;
mod table;

use core::fmt;
use core::time::Duration;

use crate::channel::{self, Leave};
use crate::config::ServerConfig;
use crate::error::{CloseReason, Rule};
use crate::fsm::{Cause, Taken, Trace};
use crate::time::Moment;
use table::MATRIX;
pub use table::{Action, Event, Internal, MACHINE, REFUSALS, ROWS, State};

/// A step of a prologue, as [`Prologue::handle_with`] tells it.
///
/// ```
#[doc = include_str!("examples/prologue.txt")]
/// let mut last = None;
/// prologue.handle_with(at(3), PrologueInput::LayerChosen, &mut |step: &Step| last = Some(*step))?;
/// let last = last.expect("the input is in a row");
/// assert_eq!((last.state, last.next), (State::Preface, State::Handshake));
/// # Ok::<(), httpfsm::prologue::PrologueNotAccepted>(())
/// ```
pub type Step = Taken<State, Event, Internal, Action>;

/// What a prologue is told.
///
/// ```
#[doc = include_str!("examples/prologue.txt")]
/// // A listener for TLS, whose peer speaks plain HTTP.
/// prologue.handle(at(0), PrologueInput::LayerChosen)?;
/// assert_eq!(prologue.next_output(), Some(PrologueOutput::BeginHandshake));
/// prologue.handle(at(3), PrologueInput::HandshakeRefused(Rule::NotTls))?;
/// // The channel tells the peer, in plain HTTP.
/// assert_eq!(prologue.next_output(), Some(PrologueOutput::Open(Some(Rule::NotTls))));
/// # Ok::<(), httpfsm::prologue::PrologueNotAccepted>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum PrologueInput {
    /// So many bytes have come, at most [`Prologue::room`] and one at least. All that have come belong to the preface, and
    /// it needs more.
    Received(u32),
    /// The preface is complete. HTTP comes next, without a handshake.
    PrefaceRead,
    /// The preface is complete, or there is none. The handshake of a layer comes next.
    LayerChosen,
    /// The preface breaks this rule.
    PrefaceRefused(Rule),
    /// The server does not serve the peer that the preface names
    /// ([`ServerInput::PeerNamed`](crate::server::ServerInput::PeerNamed)).
    NotAdmitted,
    /// The handshake is complete. HTTP comes next.
    Established,
    /// The handshake has failed.
    HandshakeFailed,
    /// What has come in place of a handshake breaks this rule: it is of another protocol, and its peer can be told so
    /// without the layer.
    HandshakeRefused(Rule),
    /// Another protocol than HTTP/1.x comes next.
    OtherProtocol,
    /// The peer has ended its input.
    RxEnd,
    /// The connection was lost.
    Disconnected,
    /// The server wants the connection back.
    Evict,
    /// There is no room for what has come, under the server's `max_buffered_bytes`.
    NoRoom,
    /// The server goes out. The times are moments since the prologue began. A connection in its prologue has made no
    /// request, so it has until [`fresh_until`](Leave::fresh_until), and until [`cut_at`](Leave::cut_at) where that is
    /// sooner.
    GoOut(Leave),
    /// Time has passed; due at [`Prologue::deadline`].
    Tick,
}

impl PrologueInput {
    /// The event of the table that this input is.
    ///
    /// ```
    /// use httpfsm::prologue::{Event, PrologueInput};
    ///
    /// assert_eq!(PrologueInput::Received(5).event(), Event::Received);
    /// ```
    #[must_use]
    pub const fn event(&self) -> Event {
        match self {
            Self::Received(_) => Event::Received,
            Self::PrefaceRead => Event::PrefaceRead,
            Self::LayerChosen => Event::LayerChosen,
            Self::PrefaceRefused(_) => Event::PrefaceRefused,
            Self::NotAdmitted => Event::NotAdmitted,
            Self::Established => Event::Established,
            Self::HandshakeFailed => Event::HandshakeFailed,
            Self::HandshakeRefused(_) => Event::HandshakeRefused,
            Self::OtherProtocol => Event::OtherProtocol,
            Self::RxEnd => Event::RxEnd,
            Self::Disconnected => Event::Disconnected,
            Self::Evict => Event::Evict,
            Self::NoRoom => Event::NoRoom,
            Self::GoOut(_) => Event::GoOut,
            Self::Tick => Event::Tick,
        }
    }
}

/// What a prologue says.
///
/// ```
#[doc = include_str!("examples/prologue.txt")]
/// prologue.handle(at(3), PrologueInput::PrefaceRead)?;
/// match prologue.next_output() {
///     Some(PrologueOutput::Open(rule)) => {
///         // What came before HTTP goes into the facts of the channel.
///         let facts = Facts::default().with_refusal(rule);
///         assert_eq!(facts.refusal, None);
///     }
///     other => panic!("{other:?}"),
/// }
/// # Ok::<(), httpfsm::prologue::PrologueNotAccepted>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum PrologueOutput {
    /// Put the layer on the wire and do its handshake.
    BeginHandshake,
    /// Open the channel. With a rule, it is told that in its facts
    /// ([`Facts::refusal`](crate::channel::Facts::refusal)), and responds by it.
    Open(Option<Rule>),
    /// The connection belongs to another protocol from here on.
    HandOver,
    /// Close the connection, for this reason. No channel opens.
    Close(CloseReason),
}

/// The caller's mistake: an input that does not fit the state, or [`PrologueInput::Received`] with no bytes, or with more
/// than there is room for. Nothing changed but the time.
///
/// ```
#[doc = include_str!("examples/prologue.txt")]
/// let refused = prologue.handle(at(0), PrologueInput::Established).unwrap_err();
/// assert_eq!((refused.state, refused.event), (State::Preface, Event::Established));
/// assert_eq!(refused.to_string(), "The prologue does not accept Established in the state Preface.");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub struct PrologueNotAccepted {
    /// Where the prologue stands.
    pub state: State,
    /// What it does not accept there.
    pub event: Event,
}

impl fmt::Display for PrologueNotAccepted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "The prologue does not accept {} in the state {}.", self.event, self.state)
    }
}

impl core::error::Error for PrologueNotAccepted {}

/// The machine of a connection before its channel opens.
///
/// Inputs go in through [`handle`](Self::handle) alone; outputs come out of [`next_output`](Self::next_output), which is to
/// be called after each `handle` until it returns `None`.
///
/// ```
#[doc = include_str!("examples/prologue.txt")]
/// // A part of the preface has come, and the rest does not come in time.
/// prologue.handle(at(3), PrologueInput::Received(5))?;
/// let due = prologue.deadline().expect("`preface_timeout` runs");
/// prologue.handle(due, PrologueInput::Tick)?;
/// assert_eq!(prologue.next_output(), Some(PrologueOutput::Close(CloseReason::PrefaceTimeout)));
/// # Ok::<(), httpfsm::prologue::PrologueNotAccepted>(())
/// ```
#[derive(Debug)]
pub struct Prologue {
    state: State,
    work: Work,
}

impl Prologue {
    /// A prologue that begins at [`Moment::START`], in [`State::Preface`]. Where no preface is to come,
    /// [`PrologueInput::LayerChosen`] is told at once.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use httpfsm::ServerConfig;
    /// use httpfsm::prologue::{Prologue, State};
    /// use httpfsm::time::Moment;
    ///
    /// let config = ServerConfig { preface_timeout: Some(Duration::from_secs(3)), ..ServerConfig::default() };
    /// let prologue = Prologue::new(&config);
    /// assert_eq!(prologue.state(), State::Preface);
    /// assert_eq!(prologue.deadline(), Some(Moment::from_millis(3_000)));
    /// ```
    #[must_use]
    pub fn new(config: &ServerConfig) -> Self {
        let work = Work {
            now: Moment::START,
            room: room(config),
            handshake_timeout: timeout(config.handshake_timeout),
            own: (Moment::from_millis(timeout(config.preface_timeout)), Internal::PrefaceTimeout),
            leave: None,
            begin_handshake: false,
            end: None,
        };
        Self { state: MACHINE.initial, work }
    }

    /// Takes an input. `at` is the time since the prologue began; it is first a tick, and a time in the past is none.
    ///
    /// ```
    #[doc = include_str!("examples/prologue.txt")]
    /// // More bytes than there is room for are not accepted, and nothing changes.
    /// assert!(prologue.handle(at(3), PrologueInput::Received(prologue.room() + 1)).is_err());
    /// prologue.handle(at(3), PrologueInput::PrefaceRead)?;
    /// assert_eq!(prologue.state(), State::Open);
    /// # Ok::<(), httpfsm::prologue::PrologueNotAccepted>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`PrologueNotAccepted`] if the input does not fit. Nothing has changed but the time.
    pub fn handle(&mut self, at: Moment, input: PrologueInput) -> Result<(), PrologueNotAccepted> {
        self.handle_with(at, input, &mut ())
    }

    /// As [`handle`](Self::handle), and tells each row that was taken to `trace`, which may be a closure, when its actions
    /// have run. The first step of each input is that of [`Event::Tick`]: time passes before anything else. A panic of the
    /// trace leaves nothing half done: the rest of the input is done, and not told.
    ///
    /// ```
    #[doc = include_str!("examples/prologue.txt")]
    /// let mut steps = Vec::new();
    /// let mut trace = |step: &Step| steps.push(step.to_string());
    /// prologue.handle_with(at(3), PrologueInput::PrefaceRead, &mut trace)?;
    /// assert_eq!(steps, ["Preface on Tick: CheckDeadlines", "Preface on PrefaceRead: OpenChannel -> Open"]);
    /// # Ok::<(), httpfsm::prologue::PrologueNotAccepted>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`handle`](Self::handle).
    pub fn handle_with(
        &mut self,
        at: Moment,
        input: PrologueInput,
        trace: &mut impl Trace<State, Event, Internal, Action>,
    ) -> Result<(), PrologueNotAccepted> {
        self.work.now = self.work.now.max(at.min(Moment::LAST));
        self.follow(PrologueInput::Tick, trace);
        let (state, event) = (self.state, input.event());
        let fits = match input {
            PrologueInput::Received(bytes) => bytes > 0 && bytes <= self.work.room,
            _ => true,
        };
        if !fits || MATRIX.on(state, event).is_none() {
            return Err(PrologueNotAccepted { state, event });
        }
        if event != Event::Tick {
            self.follow(input, trace);
        }
        Ok(())
    }

    fn follow(&mut self, input: PrologueInput, trace: &mut impl Trace<State, Event, Internal, Action>) {
        let next = Some(Cause::Input(input.event()));
        let mut rest = RestOfInput { prologue: self, input, next };
        while let Some(step) = rest.take_step() {
            trace.step(&step);
        }
    }

    /// The next thing to do; each is yielded once, in order.
    ///
    /// ```
    #[doc = include_str!("examples/prologue.txt")]
    /// prologue.handle(at(0), PrologueInput::LayerChosen)?;
    /// prologue.handle(at(40), PrologueInput::Established)?;
    /// assert_eq!(prologue.next_output(), Some(PrologueOutput::BeginHandshake));
    /// assert_eq!(prologue.next_output(), Some(PrologueOutput::Open(None)));
    /// assert_eq!(prologue.next_output(), None);
    /// # Ok::<(), httpfsm::prologue::PrologueNotAccepted>(())
    /// ```
    pub fn next_output(&mut self) -> Option<PrologueOutput> {
        if core::mem::take(&mut self.work.begin_handshake) {
            return Some(PrologueOutput::BeginHandshake);
        }
        self.work.end.take()
    }

    /// When a [`Tick`](PrologueInput::Tick) is due; `None`: no deadline runs.
    ///
    /// ```
    #[doc = include_str!("examples/prologue.txt")]
    /// assert_eq!(prologue.deadline(), Some(at(10_000))); // `preface_timeout`
    /// prologue.handle(at(500), PrologueInput::LayerChosen)?;
    /// assert_eq!(prologue.deadline(), Some(at(10_500))); // `handshake_timeout`
    /// # Ok::<(), httpfsm::prologue::PrologueNotAccepted>(())
    /// ```
    #[must_use]
    pub fn deadline(&self) -> Option<Moment> {
        Some(self.work.due().0).filter(|due| *due != Moment::NEVER)
    }

    /// Bytes of the preface that may still come; 0 when it is over.
    ///
    /// ```
    #[doc = include_str!("examples/prologue.txt")]
    /// assert_eq!(prologue.room(), 4 << 10); // `max_preface_bytes`
    /// prologue.handle(at(3), PrologueInput::Received(96))?;
    /// assert_eq!(prologue.room(), 4_000);
    /// # Ok::<(), httpfsm::prologue::PrologueNotAccepted>(())
    /// ```
    #[must_use]
    pub fn room(&self) -> u32 {
        if self.state == State::Preface { self.work.room } else { 0 }
    }

    /// Where the prologue stands.
    ///
    /// ```
    #[doc = include_str!("examples/prologue.txt")]
    /// prologue.handle(at(3), PrologueInput::OtherProtocol)?;
    /// assert_eq!(prologue.state(), State::Handed);
    /// # Ok::<(), httpfsm::prologue::PrologueNotAccepted>(())
    /// ```
    #[must_use]
    pub const fn state(&self) -> State {
        self.state
    }
}

/// What is still to be done of an input, row by row. A trace that panics drops it, and then the rest is done without
/// being told, as for a server: the connection has its verdict.
struct RestOfInput<'a> {
    prologue: &'a mut Prologue,
    input: PrologueInput,
    /// What to look up in the table next.
    next: Option<Cause<Event, Internal>>,
}

impl RestOfInput<'_> {
    fn take_step(&mut self) -> Option<Step> {
        let cause = self.next.take()?;
        let Prologue { state, work } = &mut *self.prologue;
        let found = match cause {
            Cause::Input(event) => MATRIX.on(*state, event),
            Cause::Internal(event) => MATRIX.then(*state, event),
        };
        debug_assert!(found.is_some(), "{cause:?} was raised in {state}, which has no row for it");
        let found = found?;
        let step = Step { at: work.now, state: *state, cause, actions: found.actions, next: found.next };
        *state = step.next;
        for &action in step.actions {
            self.next = work.act(action, self.input).map(Cause::Internal);
        }
        Some(step)
    }
}

impl Drop for RestOfInput<'_> {
    fn drop(&mut self) {
        while self.take_step().is_some() {}
    }
}

/// What the actions work on. It knows nothing of states.
#[derive(Debug)]
struct Work {
    now: Moment,
    /// Bytes of the preface that may still come.
    room: u32,
    /// In milliseconds.
    handshake_timeout: u64,
    /// The deadline of the preface or of the handshake, and what its passing raises.
    own: (Moment, Internal),
    leave: Option<Leave>,
    /// What was not taken of the outputs.
    begin_handshake: bool,
    end: Option<PrologueOutput>,
}

impl Work {
    fn act(&mut self, action: Action, input: PrologueInput) -> Option<Internal> {
        match (action, input) {
            (Action::CountBytes, PrologueInput::Received(bytes)) => {
                self.room = self.room.saturating_sub(bytes);
                return (self.room == 0).then_some(Internal::PrefaceTooLong);
            }
            (Action::BeginHandshake, _) => {
                let due = self.now.saturating_add_millis(self.handshake_timeout);
                self.own = (due, Internal::HandshakeTimeout);
                self.begin_handshake = true;
            }
            (Action::OpenChannel, _) => self.end(PrologueOutput::Open(None)),
            (
                Action::OpenRefused,
                PrologueInput::PrefaceRefused(rule) | PrologueInput::HandshakeRefused(rule),
            )
            | (Action::OpenRefusedBy(rule), _) => self.end(PrologueOutput::Open(Some(rule))),
            (Action::HandOver, _) => self.end(PrologueOutput::HandOver),
            (Action::Close(reason), _) => {
                self.begin_handshake = false;
                self.end(PrologueOutput::Close(reason));
            }
            (Action::NoteLeave, PrologueInput::GoOut(leave)) => self.leave = Some(leave),
            (Action::CheckDeadlines, _) => {
                let (due, event) = self.due();
                // A deadline that does not run is NEVER, which no moment reaches.
                return (self.now >= due).then_some(event);
            }
            (Action::CountBytes | Action::OpenRefused | Action::NoteLeave, _) => {
                debug_assert!(false, "{action:?} takes the data of another input than its row is for");
            }
        }
        None
    }

    /// The prologue is over, and with it its deadlines.
    fn end(&mut self, output: PrologueOutput) {
        self.own.0 = Moment::NEVER;
        self.leave = None;
        self.end = Some(output);
    }

    /// The next deadline, and what its passing raises.
    fn due(&self) -> (Moment, Internal) {
        let Some(leave) = self.leave else { return self.own };
        let leaving = [(leave.fresh_until, Internal::DrainGrace), (leave.cut_at, Internal::DrainTimeout)];
        leaving.into_iter().fold(self.own, |sooner, other| if other.0 < sooner.0 { other } else { sooner })
    }
}

/// A zero is no deadline, as `None` is.
fn timeout(duration: Option<Duration>) -> u64 {
    duration
        .filter(|time| !time.is_zero())
        .map_or(Moment::NEVER.as_millis(), |time| Moment::from_duration(time).as_millis().max(1))
}

/// What comes behind the preface in the same read is the first input of a channel, which has room for one read.
fn room(config: &ServerConfig) -> u32 {
    const READ: u32 = channel::READ as u32;
    match config.max_preface_bytes {
        0 => READ,
        limit => limit.min(READ),
    }
}
