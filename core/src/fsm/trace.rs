//! Each step of a machine, for whoever wants to see it.

use core::fmt;

use super::{Act, Cause, Label};
use crate::time::Moment;

/// A row that a machine has taken: one step of a machine. `Display` is without the time, and as the table has it:
/// `Head on RxData: Receive, ParseHead -> WaitResponse`. Internal events come with `then`, and a row that stays in its state
/// has no arrow.
///
/// ```
/// use std::sync::Arc;
/// use httpfsm::channel::{CompiledConfig, Event, Facts, Input, State, Step};
/// use httpfsm::fsm::Cause;
/// use httpfsm::time::{Date, Moment, Now};
/// use httpfsm::{Channel, ChannelConfig};
///
/// let mut channel = Channel::new(Arc::new(CompiledConfig::new(&ChannelConfig::default())), Facts::default());
/// let now = Now::new(Moment::from_millis(7), &Date::EPOCH);
/// channel.handle_with(&now, Input::Disconnected, &mut |step: &Step| {
///     assert_eq!((step.at, step.cause), (Moment::from_millis(7), Cause::Input(Event::Disconnected)));
///     assert_eq!((step.state, step.next), (State::Fresh, State::Closed));
///     assert_eq!(step.to_string(), "Fresh on Disconnected: Disconnect -> Closed");
/// })?;
/// # Ok::<(), httpfsm::channel::NotAccepted>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Taken<S, E, I, A: 'static> {
    /// When.
    pub at: Moment,
    /// Where the machine stood.
    pub state: S,
    /// What happened.
    pub cause: Cause<E, I>,
    /// What it does.
    pub actions: &'static [A],
    /// Where it stands while the actions run, and from then on.
    pub next: S,
}

impl<S: Label, E: Label, I: Label, A: Act> fmt::Display for Taken<S, E, I, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (word, event) = match self.cause {
            Cause::Input(event) => ("on", event.label()),
            Cause::Internal(event) => ("then", event.label()),
        };
        write!(f, "{} {word} {event}", self.state.label())?;
        for (n, action) in self.actions.iter().enumerate() {
            write!(f, "{} {}", if n == 0 { ":" } else { "," }, action.name())?;
        }
        if self.next == self.state { Ok(()) } else { write!(f, " -> {}", self.next.label()) }
    }
}

/// Hears of each row that a machine takes. [`Channel::handle_with`](crate::Channel::handle_with) tells it before the actions
/// of the row run, [`Server::handle_with`](crate::server::Server::handle_with) behind them.
///
/// There may be more steps than inputs: a row may raise an event that has a row of its own, and time may be a step with the
/// input `Tick`, which nobody has given, before the step of the input that has come: in a channel where a deadline has
/// passed, in a server and in a prologue always.
///
/// `()` hears nothing and costs nothing.
///
/// ```
/// use httpfsm::channel::{Action, Event, Internal, State};
/// use httpfsm::fsm::{Label, Taken, Trace};
///
/// /// How often a channel has come into each state.
/// #[derive(Default)]
/// struct Entries([u64; State::ALL.len()]);
///
/// impl Trace<State, Event, Internal, Action> for Entries {
///     fn step(&mut self, step: &Taken<State, Event, Internal, Action>) {
///         if step.next != step.state {
///             self.0[step.next.index()] += 1;
///         }
///     }
/// }
/// ```
pub trait Trace<S, E, I, A: 'static> {
    /// A row was taken.
    ///
    /// ```
    /// use httpfsm::fsm::{Act, Label, Taken, Trace};
    ///
    /// /// A line of a log for each row, of any machine.
    /// struct Log(Vec<String>);
    ///
    /// impl<S: Label, E: Label, I: Label, A: Act> Trace<S, E, I, A> for Log {
    ///     fn step(&mut self, step: &Taken<S, E, I, A>) {
    ///         self.0.push(format!("{:>8} {step}", step.at.as_millis()));
    ///     }
    /// }
    /// ```
    fn step(&mut self, step: &Taken<S, E, I, A>);
}

impl<S, E, I, A: 'static> Trace<S, E, I, A> for () {
    #[inline(always)]
    fn step(&mut self, _: &Taken<S, E, I, A>) {}
}

impl<S, E, I, A: 'static, F: FnMut(&Taken<S, E, I, A>)> Trace<S, E, I, A> for F {
    fn step(&mut self, step: &Taken<S, E, I, A>) {
        self(step);
    }
}
