//! Finite state machines as data.
//!
//! # Theory of operation
//!
//! A machine is a table. Each [`Row`] says: in this *state*, on this *event*, run this *action* and go to this
//! *next* state. Each [`Refusal`] says: in this state, this event does not fit. Every pair of a state and an event is
//! one or the other, written out; there is no wildcard. [`fold!`](crate::fold) turns the two lists into a dense
//! [`Matrix`] while compiling, and a pair that is listed twice, or not at all, does not compile.
//!
//! The driver of a machine is then three lines: look up the [`Step`] of the state and the event, go to `next`, run
//! `action`. The next state is set *before* the action runs, and an action can neither see nor set it. Where the way
//! depends on data, the action decides and returns one *internal* event, which the driver looks up in turn: so each
//! condition has a row, and no row hides an `if`.
//!
//! The same rows are the source of the documentation: a [`Machine`] adds to them what a picture needs (where a state
//! stands, which deadline it owns, who sends an event), and its [`Description`] renders Mermaid, DOT, SVG and Markdown.
//!
//! # A machine of one's own
//!
//! ```
//! use httpfsm::fsm::{Matrix, Refusal, Row, refuse, row};
//!
//! httpfsm::labelled! {
//!     /// Where the door stands.
//!     pub enum State {
//!         /// Nobody passes.
//!         Shut,
//!         /// Everybody passes.
//!         Open,
//!     }
//! }
//! httpfsm::labelled! {
//!     /// What happens to the door.
//!     pub enum Event {
//!         /// Someone pushes.
//!         Push,
//!         /// The spring pulls.
//!         Pull,
//!     }
//! }
//! httpfsm::labelled! {
//!     /// What the door does.
//!     pub enum Action {
//!         /// It turns.
//!         Turn,
//!     }
//! }
//! use {Action::*, Event::*, State::*};
//!
//! const ROWS: &[Row<State, Event, Action>] = &[
//!     row(Shut, Push, Turn, Open),
//!     row(Open, Pull, Turn, Shut),
//! ];
//! const REFUSALS: &[Refusal<State, Event>] = &[
//!     refuse(Shut, Pull),
//!     refuse(Open, Push),
//! ];
//! static MATRIX: Matrix<State, Action, 2, 2> = httpfsm::fold!(State, Event, Action, ROWS, REFUSALS);
//!
//! assert_eq!(MATRIX.step(Shut, Push).map(|step| step.next), Some(Open));
//! assert_eq!(MATRIX.step(Shut, Pull), None);
//! ```

mod description;
mod dot;
mod label;
mod layout;
mod machine;
mod markdown;
mod matrix;
mod mermaid;
mod svg;
mod text;

pub use description::{ActionNote, Description, EventNote, RowNote, StateNote};
pub use label::Label;
pub use machine::{
    Direction, Input, Machine, OutputEvent, Place, bottom, internal, place, to_bottom, to_top, top,
};
pub use matrix::{Folding, Matrix};

/// One transition: in `state`, on `event`, run `action` and go to `next`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Row<S, E, A> {
    /// Where the machine stands.
    pub state: S,
    /// What happens.
    pub event: E,
    /// What the machine does, after it has gone to `next`.
    pub action: A,
    /// Where it stands then.
    pub next: S,
}

/// A [`Row`], written so that a table of them reads like one.
pub const fn row<S, E, A>(state: S, event: E, action: A, next: S) -> Row<S, E, A> {
    Row { state, event, action, next }
}

/// A pair that does not fit: in `state`, `event` is not accepted and changes nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Refusal<S, E> {
    /// Where the machine stands.
    pub state: S,
    /// What it does not accept there.
    pub event: E,
}

/// A [`Refusal`], written so that a table of them reads like one.
pub const fn refuse<S, E>(state: S, event: E) -> Refusal<S, E> {
    Refusal { state, event }
}

/// What the matrix answers: the right half of a [`Row`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Step<S, A> {
    /// What to do, after going to `next`.
    pub action: A,
    /// Where to go.
    pub next: S,
}
