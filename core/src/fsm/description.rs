//! A machine without its types, as the drawings want it.

use alloc::vec::Vec;

use super::{Direction, Label, Machine, OutputEvent};

/// A machine as text and numbers, made by [`Machine::describe`]. Every drawing is made from it, and so from the rows
/// that the machine runs on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Description {
    /// The machine's name.
    pub name: &'static str,
    /// Where it begins, an index of `states`.
    pub initial: usize,
    /// Its states.
    pub states: Vec<StateNote>,
    /// The events that it takes, internal ones included.
    pub events: Vec<EventNote>,
    /// What it does.
    pub actions: Vec<ActionNote>,
    /// Its transitions.
    pub rows: Vec<RowNote>,
    /// The events that it sends.
    pub outputs: &'static [OutputEvent],
}

/// A state.
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
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ActionNote {
    /// Its name.
    pub label: &'static str,
    /// Its meaning, in a sentence.
    pub meaning: &'static str,
}

/// A transition, in indices of the lists beside it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RowNote {
    /// Where the machine stands.
    pub state: usize,
    /// What happens.
    pub event: usize,
    /// What the machine does.
    pub action: usize,
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

impl<S: Label, E: Label, A: Label> Machine<S, E, A> {
    /// The machine as text and numbers, ready to be drawn. A state without a place stands at the upper left; an
    /// event without a sender counts as internal.
    #[must_use]
    pub fn describe(&self) -> Description {
        let state = |&state: &S| {
            let place = self.places.iter().find(|place| place.state == state);
            StateNote {
                label: state.label(),
                meaning: state.meaning(),
                deadline: place.map_or("", |place| place.deadline),
                column: place.map_or(0, |place| place.column),
                row: place.map_or(0, |place| place.row),
            }
        };
        let event = |&event: &E| {
            let input = self.inputs.iter().find(|input| input.event == event);
            let direction = input.map_or(Direction::Internal, |input| input.direction);
            EventNote { label: event.label(), meaning: event.meaning(), direction }
        };
        let rows = self.rows.iter().map(|row| RowNote {
            state: row.state.index(),
            event: row.event.index(),
            action: row.action.index(),
            next: row.next.index(),
        });
        Description {
            name: self.name,
            initial: self.initial.index(),
            states: S::ALL.iter().map(state).collect(),
            events: E::ALL.iter().map(event).collect(),
            actions: A::ALL
                .iter()
                .map(|action| ActionNote { label: action.label(), meaning: action.meaning() })
                .collect(),
            rows: rows.collect(),
            outputs: self.outputs,
        }
    }
}

impl Description {
    /// The row of a state and an event; `None`: refused.
    #[must_use]
    pub fn row(&self, state: usize, event: usize) -> Option<RowNote> {
        self.rows.iter().copied().find(|row| row.state == state && row.event == event)
    }

    /// Whether no row leaves a state.
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
