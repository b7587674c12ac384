//! Finite state machines as data.
//!
//! # Theory of operation
//!
//! A machine is a table. Each [`Row`] says: in these *states*, on this *event*, run these *actions* and go to this
//! *next* state. An event is an *input*, which somebody sends to the machine, or *internal*, which an action raises.
//! Each [`Refusal`] says: in this state, these inputs do not fit. Every pair of a state and an input is in a row or in a
//! refusal; there is no wildcard. [`fold!`](crate::fold) turns the two lists into a dense [`Matrix`] while compiling,
//! and a pair that is listed twice, or not at all, does not compile.
//!
//! The driver of a machine is then three lines: look up the [`Transition`] of the state and the event, go to `next`, run the
//! `actions`. The next state is set *before* the actions run, and an action can neither see nor set it. Where the way
//! depends on data, the last action of a row decides and returns one internal event, which the driver looks up in turn:
//! so each condition has a row, and no row hides an `if`.
//!
//! The same rows are the source of the documentation: a [`Machine`] adds to them what a picture needs (where a state
//! stands, which deadline it owns, who sends an input), and its [`Description`] renders Mermaid, DOT, SVG and Markdown.
//! The description and the drawings are behind the feature `draw`, which is on by default.
//!
//! # A machine of one's own
//!
//! ```
//! use httpfsm::fsm::{Matrix, NoEvents, Refusal, Row};
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
//! httpfsm::actions! {
//!     /// What the door does.
//!     pub enum Action {
//!         /// It turns by so many degrees.
//!         Turn(i32),
//!         /// It creaks.
//!         Creak,
//!     }
//! }
//! use Action::*;
//!
//! const ROWS: &[Row<State, Event, NoEvents, Action>] = httpfsm::rows! {
//!     State, Event, NoEvents;
//!     on   Shut,        Push,  [Creak, Turn(90)],  Open;
//!     on   Open,        Pull,  [Turn(-90)],        Shut;
//! };
//! const REFUSALS: &[Refusal<State, Event>] = httpfsm::refusals! {
//!     State, Event;
//!     Shut: Pull;
//!     Open: Push;
//! };
//! static MATRIX: Matrix<State, Event, NoEvents, Action, 2, 2, 0> =
//!     httpfsm::fold!(State, Event, NoEvents, Action, ROWS, REFUSALS);
//!
//! let step = MATRIX.on(State::Shut, Event::Push).unwrap();
//! assert_eq!((step.actions, step.next), (&[Creak, Turn(90)][..], State::Open));
//! assert!(MATRIX.on(State::Shut, Event::Pull).is_none());
//! ```

mod label;
mod machine;
mod matrix;
mod rows;
mod trace;

#[cfg(feature = "draw")]
mod description;
#[cfg(feature = "draw")]
mod dot;
#[cfg(feature = "draw")]
mod layout;
#[cfg(feature = "draw")]
mod markdown;
#[cfg(feature = "draw")]
mod mermaid;
#[cfg(feature = "draw")]
mod svg;
#[cfg(feature = "draw")]
mod text;

#[cfg(feature = "draw")]
pub use description::{ActionNote, Description, EventNote, RowNote, StateNote};
pub use label::{Act, Label, NoEvents};
pub use machine::{
    Direction, InputEvent, Machine, OutputEvent, Position, bottom, position, to_bottom, to_top, top,
};
pub use matrix::{Folding, Matrix};
pub use rows::{Cause, Refusal, Row, Transition};
pub use trace::{Taken, Trace};
