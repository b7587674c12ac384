//! A table with what a picture of it needs.

use super::{Refusal, Row};

/// A machine as data: its table, and beside it what a reader wants to know.
///
/// A machine keeps one as a constant; [`describe`](Self::describe) makes of it what the drawings are made from.
#[derive(Clone, Copy, Debug)]
pub struct Machine<S: 'static, E: 'static, I: 'static, A: 'static> {
    /// The name, as in `Server`.
    pub name: &'static str,
    /// Where the machine begins.
    pub initial: S,
    /// The transitions.
    pub rows: &'static [Row<S, E, I, A>],
    /// The inputs that do not fit.
    pub refusals: &'static [Refusal<S, E>],
    /// For each state, where it stands in the picture, and its deadline.
    pub positions: &'static [Position<S>],
    /// For each input, who sends it.
    pub inputs: &'static [InputEvent<E>],
    /// What the machine sends.
    pub outputs: &'static [OutputEvent],
}

/// Where a state stands in the picture, in cells of a grid, and the deadline that it owns.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Position<S> {
    /// The state.
    pub state: S,
    /// Cells from the left.
    pub column: u8,
    /// Cells from the top.
    pub row: u8,
    /// The parameter that limits the stay; empty: none of its own.
    pub deadline: &'static str,
}

/// A [`Position`], for a list of them.
pub const fn position<S>(state: S, column: u8, row: u8, deadline: &'static str) -> Position<S> {
    Position { state, column, row, deadline }
}

/// Who sends an event. *Top* is the application's side, *bottom* the transport's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Direction {
    /// From the application to the machine.
    TopInput,
    /// From the transport to the machine.
    BottomInput,
    /// From an action of the machine to the machine.
    Internal,
    /// From the machine to the application.
    TopOutput,
    /// From the machine to the transport.
    BottomOutput,
}

impl Direction {
    /// Every direction, in the order of the documentation.
    pub const ALL: [Self; 5] =
        [Self::TopInput, Self::BottomInput, Self::Internal, Self::TopOutput, Self::BottomOutput];

    /// The word for it in tables and drawings.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::TopInput => "Top input",
            Self::BottomInput => "Bottom input",
            Self::Internal => "Internal",
            Self::TopOutput => "Top output",
            Self::BottomOutput => "Bottom output",
        }
    }
}

/// Who sends an input to the machine.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct InputEvent<E> {
    /// The event.
    pub event: E,
    /// Its sender.
    pub direction: Direction,
}

/// An event that the application sends.
pub const fn top<E>(event: E) -> InputEvent<E> {
    InputEvent { event, direction: Direction::TopInput }
}

/// An event that the transport sends.
pub const fn bottom<E>(event: E) -> InputEvent<E> {
    InputEvent { event, direction: Direction::BottomInput }
}

/// An event that the machine sends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OutputEvent {
    /// Its name.
    pub name: &'static str,
    /// What it says, in a sentence.
    pub meaning: &'static str,
    /// Its receiver.
    pub direction: Direction,
}

/// An event for the application.
pub const fn to_top(name: &'static str, meaning: &'static str) -> OutputEvent {
    OutputEvent { name, meaning, direction: Direction::TopOutput }
}

/// An event for the transport.
pub const fn to_bottom(name: &'static str, meaning: &'static str) -> OutputEvent {
    OutputEvent { name, meaning, direction: Direction::BottomOutput }
}
