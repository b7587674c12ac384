//! The table of a channel, folded: what the machine runs on.

use super::table::{Action, Event, Internal, REFUSALS, ROWS, State};
use crate::fsm::{Label, Matrix, Transition};

/// The rows and refusals, folded for the machine.
pub static MATRIX: ChannelMatrix =
    ChannelMatrix(crate::fold!(State, Event, Internal, Action, ROWS, REFUSALS));

/// What [`MATRIX`] is: a [`Matrix`] whose type does not tell how many states and events there are, since there may be more.
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
    #[inline(always)]
    #[must_use]
    pub fn on(&self, state: State, event: Event) -> Option<Transition<State, Action>> {
        self.0.on(state, event)
    }

    /// The step for an internal event in `state`; `None`: no action raises it there.
    #[inline(always)]
    #[must_use]
    pub fn then(&self, state: State, event: Internal) -> Option<Transition<State, Action>> {
        self.0.then(state, event)
    }
}
