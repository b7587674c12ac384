//! The table of a channel, folded: what the machine runs on.

use super::table::{Action, Event, Internal, REFUSALS, ROWS, State};
use crate::fsm::{Label, Matrix, Transition};

/// The rows and refusals, folded for the machine.
pub static MATRIX: ChannelMatrix =
    ChannelMatrix(crate::fold!(State, Event, Internal, Action, ROWS, REFUSALS));

/// What [`MATRIX`] is: a [`Matrix`] whose type does not tell how many states and events there are, since there may be more.
///
/// ```
/// use httpfsm::channel::{Event, MATRIX, State};
/// use httpfsm::fsm::Label;
///
/// // What does a channel take while it is idle?
/// let taken: Vec<_> = Event::ALL.iter().filter(|&&event| MATRIX.on(State::Idle, event).is_some()).collect();
/// assert!(taken.contains(&&Event::RxData) && !taken.contains(&&Event::HttpResponse));
/// ```
#[derive(Debug)]
pub struct ChannelMatrix(
    Matrix<
        State,
        Event,
        Internal,
        Action,
        { State::ALL.len() },
        { Event::ALL.len() },
        { Internal::ALL.len() },
    >,
);

impl ChannelMatrix {
    /// The step for an input in `state`; `None`: the input is refused.
    ///
    /// ```
    /// use httpfsm::channel::{Action, Event, MATRIX, State};
    ///
    /// let step = MATRIX.on(State::WaitResponse, Event::HttpResponse).expect("it is what this state waits for");
    /// assert_eq!((step.actions, step.next), (&[Action::AcceptResponse][..], State::Responding));
    /// ```
    #[inline(always)]
    #[must_use]
    pub fn on(&self, state: State, event: Event) -> Option<Transition<State, Action>> {
        self.0.on(state, event)
    }

    /// The step for an internal event in `state`; `None`: no action raises it there.
    ///
    /// ```
    /// use httpfsm::CloseReason;
    /// use httpfsm::channel::{Action, Internal, MATRIX, State};
    ///
    /// // What comes of it that no request has begun in time?
    /// let step = MATRIX.then(State::Fresh, Internal::FirstByteTimeout).expect("a channel begins there");
    /// assert_eq!((step.actions, step.next), (&[Action::Close(CloseReason::FirstByteTimeout)][..], State::Closed));
    /// ```
    #[inline(always)]
    #[must_use]
    pub fn then(&self, state: State, event: Internal) -> Option<Transition<State, Action>> {
        self.0.then(state, event)
    }
}
