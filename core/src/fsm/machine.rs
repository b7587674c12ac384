//! A table with what a picture of it needs.

use super::{Refusal, Row};

/// A machine as data: its table, and beside it what a reader wants to know.
///
/// A machine keeps one as a constant; [`describe`](Self::describe) makes of it what the drawings are made from.
///
/// ```
#[doc = include_str!("../examples/door.txt")]
/// // Every state has a place in the picture, and every input a sender: a machine of one's own has such a test.
/// assert!(State::ALL.iter().all(|state| MACHINE.positions.iter().any(|place| place.state == *state)));
/// assert!(Event::ALL.iter().all(|event| MACHINE.inputs.iter().any(|input| input.event == *event)));
/// ```
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
///
/// ```
/// use httpfsm::channel::{MACHINE, State};
///
/// let head = MACHINE.positions.iter().find(|place| place.state == State::Head).expect("each state has a place");
/// assert_eq!((head.column, head.row, head.deadline), (1, 0, "head_timeout"));
/// ```
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
///
/// ```
#[doc = include_str!("../examples/door.txt")]
/// // `Open` is the second from the left in the upper row, for as long as this parameter says.
/// const OPEN: Position<State> = position(State::Open, 1, 0, "open_timeout");
/// assert!(MACHINE.positions.contains(&OPEN));
/// ```
pub const fn position<S>(state: S, column: u8, row: u8, deadline: &'static str) -> Position<S> {
    Position { state, column, row, deadline }
}

/// Who sends an event. *Top* is the application's side, *bottom* the transport's.
///
/// ```
/// use httpfsm::channel::MACHINE;
/// use httpfsm::fsm::Direction;
///
/// // What does an application have to handle?
/// let outputs = MACHINE.outputs.iter().filter(|output| output.direction == Direction::TopOutput);
/// assert!(outputs.map(|output| output.name).any(|name| name == "HttpRequest"));
/// ```
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
    ///
    /// ```
    /// use httpfsm::fsm::Direction;
    ///
    /// assert_eq!(Direction::BottomInput.label(), "Bottom input");
    /// ```
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
///
/// ```
/// use httpfsm::channel::{Event, MACHINE};
/// use httpfsm::fsm::Direction;
///
/// let tick = MACHINE.inputs.iter().find(|input| input.event == Event::Tick);
/// assert_eq!(tick.map(|input| input.direction), Some(Direction::BottomInput));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct InputEvent<E> {
    /// The event.
    pub event: E,
    /// Its sender.
    pub direction: Direction,
}

/// An event that the application sends.
///
/// ```
#[doc = include_str!("../examples/door.txt")]
/// const INPUTS: &[InputEvent<Event>] = &[top(Event::Push)];
/// assert_eq!(INPUTS[0].direction, Direction::TopInput);
/// ```
pub const fn top<E>(event: E) -> InputEvent<E> {
    InputEvent { event, direction: Direction::TopInput }
}

/// An event that the transport sends.
///
/// ```
#[doc = include_str!("../examples/door.txt")]
/// const INPUTS: &[InputEvent<Event>] = &[bottom(Event::Pull)];
/// assert_eq!(INPUTS[0].direction, Direction::BottomInput);
/// ```
pub const fn bottom<E>(event: E) -> InputEvent<E> {
    InputEvent { event, direction: Direction::BottomInput }
}

/// An event that the machine sends.
///
/// ```
/// use httpfsm::server::MACHINE;
///
/// let [.., gone] = MACHINE.outputs else { panic!("a server sends events") };
/// assert_eq!((gone.name, gone.meaning), ("Gone", "The last channel has closed."));
/// ```
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
///
/// ```
#[doc = include_str!("../examples/door.txt")]
/// const OUTPUTS: &[OutputEvent] = &[to_top("Opened", "Somebody may pass.")];
/// assert_eq!((MACHINE.outputs, OUTPUTS[0].direction), (OUTPUTS, Direction::TopOutput));
/// ```
pub const fn to_top(name: &'static str, meaning: &'static str) -> OutputEvent {
    OutputEvent { name, meaning, direction: Direction::TopOutput }
}

/// An event for the transport.
///
/// ```
#[doc = include_str!("../examples/door.txt")]
/// const OUTPUTS: &[OutputEvent] = &[to_bottom("Release", "The spring is to pull.")];
/// assert_eq!(OUTPUTS[0].direction, Direction::BottomOutput);
/// ```
pub const fn to_bottom(name: &'static str, meaning: &'static str) -> OutputEvent {
    OutputEvent { name, meaning, direction: Direction::BottomOutput }
}
