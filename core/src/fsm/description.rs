//! A machine without its types, as the drawings want it.

use alloc::string::String;
use alloc::vec::Vec;

use super::{Act, Cause, Direction, Label, Machine, OutputEvent};

/// A machine as text and numbers, made by [`Machine::describe`]. Every drawing is made from it, and so from the rows
/// that the machine runs on.
///
/// ```
/// use httpfsm::channel::MACHINE;
///
/// let machine = MACHINE.describe();
/// // For a drawing of one's own: all that is drawn are names and indices.
/// let idle = machine.states.iter().position(|state| state.label == "Idle").expect("it is a state");
/// let from_idle: Vec<_> = machine
///     .rows
///     .iter()
///     .filter(|row| row.state == idle && row.next != idle)
///     .map(|row| format!("{} -> {}", machine.events[row.event].label, machine.states[row.next].label))
///     .collect();
/// assert!(from_idle.contains(&"DequeueRequest -> WaitResponse".into()));
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Description {
    /// The machine's name.
    pub name: &'static str,
    /// Where it begins, an index of `states`.
    pub initial: usize,
    /// Its states.
    pub states: Vec<StateNote>,
    /// The events that it takes: its inputs, then the internal ones.
    pub events: Vec<EventNote>,
    /// What it does, in the order of the rows.
    pub actions: Vec<ActionNote>,
    /// Its transitions, one for each state and event.
    pub rows: Vec<RowNote>,
    /// The events that it sends.
    pub outputs: &'static [OutputEvent],
}

/// A state.
///
/// ```
/// use httpfsm::server::MACHINE;
///
/// let machine = MACHINE.describe();
/// let first = machine.states[machine.initial];
/// assert_eq!((first.label, first.meaning), ("Listening", "New connections become channels."));
/// assert_eq!((first.deadline, first.column, first.row), ("", 0, 0));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StateNote {
    /// Its name.
    pub label: &'static str,
    /// Its meaning, in a sentence.
    pub meaning: &'static str,
    /// The parameter that limits the stay; empty: none.
    pub deadline: &'static str,
    /// Cells from the left of the picture.
    pub column: u8,
    /// Cells from the top of the picture.
    pub row: u8,
}

/// An event that the machine takes.
///
/// ```
/// use httpfsm::fsm::Direction;
/// use httpfsm::server::MACHINE;
///
/// let machine = MACHINE.describe();
/// let internal = machine.events.iter().find(|event| event.direction == Direction::Internal);
/// assert_eq!(internal.map(|event| event.label), Some("Admitted"));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EventNote {
    /// Its name.
    pub label: &'static str,
    /// Its meaning, in a sentence.
    pub meaning: &'static str,
    /// Who sends it.
    pub direction: Direction,
}

/// An action.
///
/// ```
/// use httpfsm::server::MACHINE;
///
/// let machine = MACHINE.describe();
/// let full = machine.actions.iter().find(|action| action.label == "TurnAway(Full)").expect("a row does it");
/// assert_eq!(full.meaning, "Turn the connection away, for this reason.");
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ActionNote {
    /// Its name, with its data: `Close(Drained)`.
    pub label: String,
    /// Its meaning, in a sentence.
    pub meaning: &'static str,
}

/// A transition, in indices of the lists beside it.
///
/// ```
/// use httpfsm::server::MACHINE;
///
/// let machine = MACHINE.describe();
/// let row = &machine.rows[0];
/// assert_eq!((machine.states[row.state].label, machine.events[row.event].label), ("Listening", "Connected"));
/// assert_eq!(machine.actions[row.actions[0]].label, "CheckPeer");
/// // It stays where it is.
/// assert_eq!(row.next, row.state);
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RowNote {
    /// Where the machine stands.
    pub state: usize,
    /// What happens.
    pub event: usize,
    /// What the machine does, in this order.
    pub actions: Vec<usize>,
    /// Where it stands then.
    pub next: usize,
}

/// All the transitions between two states, which a picture draws as one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Edge {
    pub(super) from: usize,
    pub(super) to: usize,
    /// Indices of events.
    pub(super) events: Vec<usize>,
}

impl<S: Label, E: Label, I: Label, A: Act> Machine<S, E, I, A> {
    /// The machine as text and numbers, ready to be drawn. A state without a place stands at the upper left; an
    /// input without a sender counts as internal.
    ///
    /// ```
    #[doc = include_str!("../examples/door.txt")]
    /// let door = MACHINE.describe();
    /// assert_eq!((door.name, door.states.len(), door.rows.len()), ("Door", 2, 2));
    /// ```
    #[must_use]
    pub fn describe(&self) -> Description {
        let state = |&state: &S| {
            let place = self.positions.iter().find(|place| place.state == state);
            StateNote {
                label: state.label(),
                meaning: state.meaning(),
                deadline: place.map_or("", |place| place.deadline),
                column: place.map_or(0, |place| place.column),
                row: place.map_or(0, |place| place.row),
            }
        };
        let input = |&event: &E| {
            let input = self.inputs.iter().find(|input| input.event == event);
            let direction = input.map_or(Direction::Internal, |input| input.direction);
            EventNote { label: event.label(), meaning: event.meaning(), direction }
        };
        let internal = |event: &I| EventNote {
            label: event.label(),
            meaning: event.meaning(),
            direction: Direction::Internal,
        };
        let mut known: Vec<A> = Vec::new();
        let mut number = |action: &A| {
            known.iter().position(|one| one == action).unwrap_or_else(|| {
                known.push(*action);
                known.len() - 1
            })
        };
        let mut rows = Vec::new();
        for row in self.rows {
            let actions: Vec<usize> = row.actions.iter().map(&mut number).collect();
            for state in row.states {
                let next = row.next.unwrap_or(*state).index();
                for cause in row.causes {
                    let event = match cause {
                        Cause::Input(event) => event.index(),
                        Cause::Internal(event) => E::ALL.len() + event.index(),
                    };
                    rows.push(RowNote { state: state.index(), event, actions: actions.clone(), next });
                }
            }
        }
        Description {
            name: self.name,
            initial: self.initial.index(),
            states: S::ALL.iter().map(state).collect(),
            events: E::ALL.iter().map(input).chain(I::ALL.iter().map(internal)).collect(),
            actions: known
                .iter()
                .map(|action| ActionNote { label: action.name(), meaning: action.meaning() })
                .collect(),
            rows,
            outputs: self.outputs,
        }
    }
}

impl Description {
    /// The row of a state and an event; `None`: refused.
    ///
    /// ```
    #[doc = include_str!("../examples/door.txt")]
    /// let door = MACHINE.describe();
    /// let (shut, push, pull) = (0, 0, 1);
    /// assert!(door.row(shut, push).is_some());
    /// assert!(door.row(shut, pull).is_none());
    /// ```
    #[must_use]
    pub fn row(&self, state: usize, event: usize) -> Option<&RowNote> {
        self.rows.iter().find(|row| row.state == state && row.event == event)
    }

    /// Whether no row leaves a state.
    ///
    /// ```
    /// use httpfsm::channel::MACHINE;
    ///
    /// let machine = MACHINE.describe();
    /// let last: Vec<_> = (0..machine.states.len()).filter(|&state| machine.is_final(state)).collect();
    /// assert_eq!(last.iter().map(|&state| machine.states[state].label).collect::<Vec<_>>(), ["Closed"]);
    /// ```
    #[must_use]
    pub fn is_final(&self, state: usize) -> bool {
        self.rows.iter().all(|row| row.state != state || row.next == state)
    }

    /// The transitions merged, in order of their first row; those that stay in their state last.
    pub(super) fn edges(&self) -> Vec<Edge> {
        let mut edges: Vec<Edge> = Vec::new();
        for row in &self.rows {
            match edges.iter_mut().find(|edge| edge.from == row.state && edge.to == row.next) {
                Some(edge) => edge.events.push(row.event),
                None => edges.push(Edge { from: row.state, to: row.next, events: [row.event].into() }),
            }
        }
        edges.sort_by_key(|edge| edge.from == edge.to);
        edges
    }
}
