//! The caller's mistake: an input that the state does not take, or that does not meet a condition.
//!
//! Both are data beside the rows of `table.rs`: `REFUSALS` for the states, `CONDITIONS` for the inputs. The conditions
//! are checked by `Parts::unmet` in `parts.rs`, and those of a response by `unmet` in `plan.rs`.

use core::fmt;

use super::{Condition, Event, State};
use crate::fsm::Label;

/// An input that is not accepted: the caller's mistake. Nothing has changed beyond the passing of time.
///
/// [`REFUSALS`](super::REFUSALS) lists the events that each state refuses, [`CONDITIONS`](super::CONDITIONS) what an input
/// has to meet elsewhere.
///
/// ```
#[doc = include_str!("../examples/waiting_channel.txt")]
/// use httpfsm::channel::{Condition, Event};
///
/// // The state takes a final response. A 103 is none.
/// let response = ResponseRef::new(Status::EARLY_HINTS, &fields, b"");
/// let refused = channel.handle(&now, Input::HttpResponse(response)).unwrap_err();
/// assert_eq!((refused.state, refused.event), (State::WaitResponse, Event::HttpResponse));
/// assert_eq!(refused.unmet, Some(Condition::IsFinal));
/// # Ok::<(), httpfsm::channel::NotAccepted>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub struct NotAccepted {
    /// Where the channel stands.
    pub state: State,
    /// What it does not accept.
    pub event: Event,
    /// The condition that the input does not meet; `None`: the state does not accept the event, whatever it carries.
    pub unmet: Option<Condition>,
}

impl NotAccepted {
    /// An input that a state does not accept, because of this condition or (`None`) whatever it carries.
    ///
    /// ```
    /// use httpfsm::channel::{Event, NotAccepted, State};
    ///
    /// // For a test of what a transport makes of one.
    /// let refused = NotAccepted::new(State::Closed, Event::Write, None);
    /// assert_eq!(refused.to_string(), "Write is not accepted in Closed.");
    /// ```
    #[must_use]
    pub const fn new(state: State, event: Event, unmet: Option<Condition>) -> Self {
        Self { state, event, unmet }
    }
}

impl fmt::Display for NotAccepted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is not accepted in {}", self.event.label(), self.state.label())?;
        match self.unmet {
            None => f.write_str("."),
            Some(condition) => write!(f, ", because this does not hold: {}", condition.meaning()),
        }
    }
}

impl core::error::Error for NotAccepted {}
