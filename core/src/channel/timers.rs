//! Deadlines. [`DEADLINES`] lists all of them: while what each one runs, which event its passing raises, and which
//! parameter says how long it runs.
//!
//! `Timers::earliest` finds the next one. Since when a deadline runs depends on its condition, so there is a piece of code
//! for each kind of [`RunsWhile`]; the event and the parameter are those of its line, which is looked up while compiling.
//! The times of a drain are made of their parameters in `compiled_config.rs` (`leave`), which the lines must name. A line
//! that is never looked at, a second one of a state or a condition, and one that names another parameter there do not
//! compile. The event is raised by the action `CheckDeadlines`, in the row for `Tick`. So is `ConnectionRefused`, which has
//! no line, as no time runs: it is over when the channel opens.
//!
//! To add a deadline:
//!
//! 1. A parameter in `config.rs` and a [`Timeout`] for it. `timeouts` in `compiled_config.rs` says what a zero means.
//! 2. An [`Internal`] event in `table.rs`, behind `FirstByteTimeout`, and a row for it in each state where it may pass.
//! 3. A line of [`DEADLINES`]. For a state that owns a deadline already, and for a new condition, also a kind of
//!    [`RunsWhile`] and its code in `Timers::earliest`.
//! 4. Its name in the picture (`description.rs`), if a state owns it.
//!
//! What is forgotten does not compile, or fails `core/tests/transitions.rs`, `core/tests/parameters` or `coverage.rs`.

use core::mem;

use super::compiled_config::{CompiledConfig, LEAST_GRACE, Leave, NEVER, Timeout};
use super::rate::Rate;
use super::{Internal, State};
use crate::fsm::Label;
use crate::time::Moment;

/// When a deadline runs.
///
/// ```
/// use httpfsm::channel::{DEADLINES, RunsWhile};
///
/// // Which parameters bound how slowly a peer may send, and how slowly it may read?
/// let slow = DEADLINES.iter().filter(|line| matches!(line.runs, RunsWhile::BodyAwaited | RunsWhile::OutputPending));
/// let parameters: Vec<_> = slow.map(|line| httpfsm::fsm::Label::meaning(line.timeout)).collect();
/// assert_eq!(parameters, ["body_timeout", "write_timeout"]);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum RunsWhile {
    /// In this state, from when the channel came into it.
    In(State),
    /// In this state, while the application is what is waited for: not the peer's body, nor room for output.
    Awaiting(State),
    /// In this state, while the application is what is waited for and the peer has ended its input.
    AwaitingBehindEnd(State),
    /// While body bytes were asked for and are still to come.
    BodyAwaited,
    /// While output is to be sent.
    OutputPending,
    /// In this state, while the server goes out.
    Leaving(State),
    /// While the server goes out, in any state but Upgraded and Closed. In Closing and Lingering it passes no sooner than
    /// `drain_grace`, and a second, after the channel came there: what was made at the last moment needs time to leave.
    LeavingAnywhere,
}

/// A deadline: while this, after that time, this happens.
///
/// ```
/// use httpfsm::channel::{DEADLINES, Internal, RunsWhile, State, Timeout};
///
/// // What happens to a request whose handler does not respond?
/// let line = DEADLINES.iter().find(|line| line.runs == RunsWhile::Awaiting(State::WaitResponse)).expect("it is listed");
/// assert_eq!((line.event, line.timeout), (Internal::ResponselessTimeout, Timeout::Responseless));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Deadline {
    /// When it runs.
    pub runs: RunsWhile,
    /// What its passing raises.
    pub event: Internal,
    /// How long it runs.
    pub timeout: Timeout,
}

const fn deadline(runs: RunsWhile, event: Internal, timeout: Timeout) -> Deadline {
    Deadline { runs, event, timeout }
}

/// Every deadline of a channel.
#[rustfmt::skip]
pub const DEADLINES: &[Deadline] = &[
    deadline(RunsWhile::In(State::Fresh),              Internal::FirstByteTimeout,    Timeout::FirstByte),
    deadline(RunsWhile::In(State::Head),               Internal::HeadTimeout,         Timeout::Head),
    deadline(RunsWhile::In(State::Idle),               Internal::InactivityTimeout,   Timeout::Inactivity),
    deadline(RunsWhile::Awaiting(State::WaitResponse), Internal::ResponselessTimeout, Timeout::Responseless),
    deadline(RunsWhile::Awaiting(State::HeadHeld),     Internal::StreamIdleTimeout,   Timeout::StreamIdle),
    deadline(RunsWhile::Awaiting(State::Responding),   Internal::StreamIdleTimeout,   Timeout::StreamIdle),
    deadline(RunsWhile::AwaitingBehindEnd(State::WaitResponse), Internal::PeerEndedTimeout, Timeout::PeerEnded),
    deadline(RunsWhile::AwaitingBehindEnd(State::HeadHeld), Internal::PeerEndedTimeout, Timeout::PeerEnded),
    deadline(RunsWhile::AwaitingBehindEnd(State::Responding), Internal::PeerEndedTimeout, Timeout::PeerEnded),
    deadline(RunsWhile::In(State::Discard),            Internal::DiscardTimeout,      Timeout::Discard),
    deadline(RunsWhile::In(State::Lingering),          Internal::LingerTimeout,       Timeout::Linger),
    deadline(RunsWhile::BodyAwaited,                   Internal::BodyTimeout,         Timeout::Body),
    deadline(RunsWhile::OutputPending,                 Internal::WriteTimeout,        Timeout::Write),
    deadline(RunsWhile::Leaving(State::Fresh),         Internal::DrainGrace,          Timeout::DrainGrace),
    deadline(RunsWhile::Leaving(State::Idle),          Internal::DrainGrace,          Timeout::DrainGrace),
    deadline(RunsWhile::LeavingAnywhere,               Internal::DrainTimeout,        Timeout::DrainDeadline),
];

/// The deadline that a state owns, as `Timers::earliest` wants it.
#[derive(Clone, Copy)]
struct Own {
    event: Internal,
    timeout: Timeout,
    /// It runs while the application is waited for.
    awaits: bool,
}

/// The table, folded: the lines by their conditions.
struct Folded {
    of_state: [Option<Own>; State::ALL.len()],
    body: Deadline,
    write: Deadline,
    cut: Deadline,
}

/// A line that would never be looked at does not compile: the second one for a state or a condition.
const FOLDED: Folded = {
    let mut of_state = [None; State::ALL.len()];
    let (mut behind_end, mut leaving) = ([false; State::ALL.len()], [false; State::ALL.len()]);
    let (mut body, mut write, mut cut) = (None, None, None);
    let mut at = 0;
    while at < DEADLINES.len() {
        let line = DEADLINES[at];
        let Deadline { runs, event, timeout } = line;
        let known = match runs {
            RunsWhile::In(state) => {
                assert!(!matches!(state, State::Upgraded | State::Closed), "nothing runs in these");
                of_state[state as usize].replace(Own { event, timeout, awaits: false }).is_some()
            }
            RunsWhile::Awaiting(state) => {
                of_state[state as usize].replace(Own { event, timeout, awaits: true }).is_some()
            }
            RunsWhile::BodyAwaited => body.replace(line).is_some(),
            RunsWhile::OutputPending => write.replace(line).is_some(),
            RunsWhile::LeavingAnywhere => {
                assert!(matches!(timeout, Timeout::DrainDeadline), "`CompiledConfig::leave` takes this one");
                cut.replace(line).is_some()
            }
            RunsWhile::Leaving(state) => {
                assert!(matches!(state, State::Fresh | State::Idle), "`Leave::until` knows these");
                assert!(matches!(timeout, Timeout::DrainGrace), "`CompiledConfig::leave` takes this one");
                mem::replace(&mut leaving[state as usize], true)
            }
            RunsWhile::AwaitingBehindEnd(state) => {
                assert!(
                    of_state[state as usize].is_some(),
                    "the state awaits the application, in a line above"
                );
                mem::replace(&mut behind_end[state as usize], true)
            }
        };
        assert!(!known, "two deadlines of a state or a condition");
        at += 1;
    }
    match (body, write, cut) {
        (Some(body), Some(write), Some(cut)) => Folded { of_state, body, write, cut },
        _ => panic!("a condition has no deadline"),
    }
};

static OF_STATE: [Option<Own>; State::ALL.len()] = FOLDED.of_state;

/// The deadline that a state owns; `None`: none of its own.
///
/// ```
/// use httpfsm::channel::{Internal, State, deadline_of};
///
/// assert_eq!(deadline_of(State::Head), Some(Internal::HeadTimeout));
/// // What leaves has the deadline of all output, and none for being here.
/// assert_eq!(deadline_of(State::Flushing), None);
/// ```
#[must_use]
pub fn deadline_of(state: State) -> Option<Internal> {
    OF_STATE[state.index()].map(|own| own.event)
}

/// Two facts that start further deadlines: the peer has ended its input; the server drains.
#[derive(Clone, Copy)]
pub(super) struct Endings<'a> {
    /// The peer has ended its input.
    pub(super) input_ended: bool,
    /// The server goes out.
    pub(super) leave: Option<&'a Leave>,
}

/// The time of a channel and its deadlines, in milliseconds since the channel opened.
#[derive(Debug)]
pub(super) struct Timers {
    latest: Moment,
    /// When the channel came into its state.
    entered: Moment,
    /// The next deadline.
    due: Moment,
    /// What its passing raises.
    due_event: Internal,
    /// Since when the application is waited for.
    application_since: Moment,
    application_awaited: bool,
    body: Rate,
    write: Rate,
    /// When the connection is old.
    age: u64,
}

impl Timers {
    pub(super) fn new(age: u64) -> Self {
        Self {
            latest: Moment::START,
            entered: Moment::START,
            due: Moment::NEVER,
            due_event: Internal::FirstByteTimeout,
            application_since: Moment::START,
            application_awaited: false,
            body: Rate::default(),
            write: Rate::default(),
            age,
        }
    }

    /// The connection is refused at once: that passes as a deadline does, and before any input.
    pub(super) fn refuse_at_once(&mut self) {
        (self.due, self.due_event) = (Moment::START, Internal::ConnectionRefused);
    }

    /// Goes to `at`, unless it is past; returns the moment that counts.
    #[inline]
    pub(super) fn advance(&mut self, at: Moment) -> Moment {
        self.latest = at.min(Moment::LAST).max(self.latest);
        self.latest
    }

    #[inline]
    pub(super) fn is_due(&self, at: Moment) -> bool {
        // A deadline that does not run is NEVER, which no moment reaches.
        at >= self.due
    }

    pub(super) fn latest(&self) -> Moment {
        self.latest
    }

    #[inline]
    pub(super) fn due(&self) -> Option<Moment> {
        (self.due != Moment::NEVER).then_some(self.due)
    }

    /// What the passing of the next deadline raises.
    #[inline]
    pub(super) fn due_event(&self) -> Internal {
        self.due_event
    }

    #[inline]
    pub(super) fn enter(&mut self, at: Moment) {
        self.entered = at;
    }

    /// The application has given a sign of life.
    #[inline]
    pub(super) fn heard_application(&mut self, at: Moment) {
        self.application_since = at;
    }

    /// A request was delivered: nothing was awaited for it yet.
    #[inline]
    pub(super) fn begin_request(&mut self) {
        self.body.reset();
        self.application_awaited = false;
    }

    /// Bytes of an awaited body have come.
    #[inline]
    pub(super) fn body_came(&mut self, n: usize, at: Moment, min_rate: u32) {
        self.body.progress(n, at.as_millis(), min_rate);
    }

    /// Bytes of the output have left.
    #[inline]
    pub(super) fn output_left(&mut self, n: usize, at: Moment, min_rate: u32) {
        self.write.progress(n, at.as_millis(), min_rate);
    }

    /// All of the output has left: what is staged next is a batch of its own, also within the same event.
    #[inline]
    pub(super) fn output_gone(&mut self) {
        self.write.reset();
    }

    /// Whether the connection has reached its age. That is no deadline: only a response looks at it, since a connection that
    /// closes between two requests may lose one that is on its way.
    pub(super) fn is_old(&self) -> bool {
        self.latest.as_millis() >= self.age
    }

    /// Whether the application or the body was awaited until now.
    #[inline]
    pub(super) fn watches_application(&self) -> bool {
        self.application_awaited || self.body.is_on()
    }

    /// From now on this is awaited: bytes of the body, or the application.
    #[inline]
    pub(super) fn watch(&mut self, at: Moment, body: bool, application: bool, min_rate: u32) {
        self.body.set_on(body, at.as_millis(), min_rate);
        if application && !self.application_awaited {
            self.application_since = at;
        }
        self.application_awaited = application;
    }

    /// Brings the next deadline up to date, at the end of an event.
    #[inline]
    pub(super) fn update_deadline(
        &mut self,
        at: Moment,
        state: State,
        output_pending: bool,
        endings: Endings<'_>,
        compiled: &CompiledConfig,
    ) {
        if output_pending != self.write.is_on() {
            // Each batch of output is counted for itself.
            if output_pending {
                self.write.begin(at.as_millis());
            } else {
                self.write.reset();
            }
        }
        let (due, event) = self.earliest(state, endings, compiled);
        self.due = Moment::from_millis(due);
        self.due_event = event;
    }

    /// The next deadline, and what its passing raises.
    #[inline]
    fn earliest(&self, state: State, endings: Endings<'_>, compiled: &CompiledConfig) -> (u64, Internal) {
        let none = (NEVER, FOLDED.cut.event);
        if matches!(state, State::Upgraded | State::Closed) {
            return none;
        }
        let mut earliest = match OF_STATE[state.index()] {
            Some(own) => {
                (self.own_since(own.awaits).saturating_add(compiled.timeout(own.timeout)), own.event)
            }
            None => none,
        };
        let Folded { body, write, .. } = FOLDED;
        if self.body.is_on() {
            let when = self.body.deadline(compiled.timeout(body.timeout), compiled.config.min_body_rate);
            earliest = sooner(earliest, when, body.event);
        }
        if self.write.is_on() {
            let when = self.write.deadline(compiled.timeout(write.timeout), compiled.config.min_write_rate);
            earliest = sooner(earliest, when, write.event);
        }
        if endings.input_ended | endings.leave.is_some() {
            return self.earliest_of_endings(state, endings, compiled, earliest);
        }
        earliest
    }

    /// Since when the deadline that a state owns runs; `NEVER`: it does not.
    #[inline]
    fn own_since(&self, awaits_application: bool) -> u64 {
        match (awaits_application, self.application_awaited) {
            (true, true) => self.application_since.as_millis(),
            (true, false) => NEVER,
            (false, _) => self.entered.as_millis(),
        }
    }

    #[cold]
    fn earliest_of_endings(
        &self,
        state: State,
        endings: Endings<'_>,
        compiled: &CompiledConfig,
        mut earliest: (u64, Internal),
    ) -> (u64, Internal) {
        for line in DEADLINES {
            let when = match (line.runs, endings.leave) {
                (RunsWhile::AwaitingBehindEnd(of), _) if of == state && endings.input_ended => {
                    // The end of input counts as an entry into the state.
                    let since = self.own_since(true).max(self.entered.as_millis());
                    since.saturating_add(compiled.timeout(line.timeout))
                }
                (RunsWhile::Leaving(of), Some(leave)) if of == state => leave.until(state).as_millis(),
                (RunsWhile::LeavingAnywhere, Some(leave)) => self.cut_at(state, leave, compiled),
                (
                    RunsWhile::AwaitingBehindEnd(_)
                    | RunsWhile::Leaving(_)
                    | RunsWhile::LeavingAnywhere
                    | RunsWhile::In(_)
                    | RunsWhile::Awaiting(_)
                    | RunsWhile::BodyAwaited
                    | RunsWhile::OutputPending,
                    _,
                ) => continue,
            };
            earliest = sooner(earliest, when, line.event);
        }
        earliest
    }

    /// `GoOut` ends a discard at once and never begins one, so Discard needs no time of its own.
    fn cut_at(&self, state: State, leave: &Leave, compiled: &CompiledConfig) -> u64 {
        let cut_at = leave.cut_at.as_millis();
        if !matches!(state, State::Closing | State::Lingering) {
            return cut_at;
        }
        // The response that was made at the last moment (the 503 of this deadline, say) needs time to leave.
        let grace = match compiled.timeout(Timeout::DrainGrace) {
            NEVER => LEAST_GRACE,
            grace => grace.max(LEAST_GRACE),
        };
        cut_at.max(self.entered.as_millis().saturating_add(grace))
    }
}

#[inline]
fn sooner(earliest: (u64, Internal), when: u64, event: Internal) -> (u64, Internal) {
    if when < earliest.0 { (when, event) } else { earliest }
}
