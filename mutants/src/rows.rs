//! Changes of the tables, a cell at a time. They change what the machines run on, not what is drawn.

use std::collections::BTreeSet;

use httpfsm::fsm::{Act, Cause, Label, Machine};

/// A changed cell.
pub struct Change {
    /// What is changed, for reading.
    pub name: String,
    /// The number under which tests that look the cell up are recorded.
    pub place: u32,
    /// What switches it on.
    pub setting: String,
}

/// A row for one state and one event.
struct Cell<A: 'static> {
    state: usize,
    /// The matrix and the event in it.
    event: (Matrix, usize),
    actions: &'static [A],
    next: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Matrix {
    Inputs,
    Internals,
}

// What is done to a cell, as `switch.txt` knows it.
const REFUSED: usize = 0;
const LEADS_TO: usize = 1;
const DOES_AS: usize = 2;
const IS_AS: usize = 3;
const DOES_NOTHING: usize = 4;

/// Every change of a table, which `file` holds: rows removed, sent to the states beside theirs, given the actions of the
/// next row or none; refusals taken as the same input is taken elsewhere. An internal event without a row is never
/// looked up (`coverage.rs` beside the tables shows that), so nothing is put in its place.
pub fn changes<S: Label, E: Label, I: Label, A: Act>(
    file: &str,
    machine: &Machine<S, E, I, A>,
) -> Vec<Change> {
    let states = S::ALL.len();
    let label = |(matrix, event): (Matrix, usize)| match matrix {
        Matrix::Inputs => E::LABELS[event],
        Matrix::Internals => I::LABELS[event],
    };
    let mut changes = Vec::new();
    let mut change = |state: usize, event: (Matrix, usize), kind: usize, x: usize, y: usize, what: String| {
        let offset = if event.0 == Matrix::Inputs { 0 } else { E::ALL.len() };
        let place = 100_000 + (states * 64 + state) * 64 + offset + event.1;
        changes.push(Change {
            name: format!("{file}: ({}, {}) {what}", S::LABELS[state], label(event)),
            place: u32::try_from(place).unwrap_or(u32::MAX),
            setting: format!("{states} {offset} {state} {} {kind} {x} {y}", event.1),
        });
    };
    let cells = cells(machine);
    for (index, cell) in cells.iter().enumerate() {
        let Cell { state, event, actions, next } = *cell;
        change(state, event, REFUSED, 0, 0, "is refused".to_owned());
        for other in BTreeSet::from([(next + 1) % states, (next + states - 1) % states]) {
            let text = format!("goes to {} instead of {}", S::LABELS[other], S::LABELS[next]);
            change(state, event, LEADS_TO, other, 0, text);
        }
        if !actions.is_empty() {
            change(state, event, DOES_NOTHING, 0, 0, format!("does nothing instead of {actions:?}"));
        }
        let following =
            cells.iter().cycle().skip(index + 1).take(cells.len()).find(|other| {
                other.event.0 == event.0 && other.actions != actions && !other.actions.is_empty()
            });
        if let Some(other) = following {
            let text = format!("does {:?} instead of {actions:?}", other.actions);
            change(state, event, DOES_AS, other.state, other.event.1, text);
        }
    }
    for refusal in machine.refusals {
        for event in refusal.events {
            let event = (Matrix::Inputs, event.index());
            if let Some(donor) = cells.iter().find(|cell| cell.event == event) {
                let text = format!("is taken as in {}", S::LABELS[donor.state]);
                change(refusal.state.index(), event, IS_AS, donor.state, event.1, text);
            }
        }
    }
    changes
}

fn cells<S: Label, E: Label, I: Label, A: Act>(machine: &Machine<S, E, I, A>) -> Vec<Cell<A>> {
    let mut cells = Vec::new();
    for row in machine.rows {
        for &state in row.states {
            for cause in row.causes {
                let event = match cause {
                    Cause::Input(event) => (Matrix::Inputs, event.index()),
                    Cause::Internal(event) => (Matrix::Internals, event.index()),
                };
                let next = row.next.unwrap_or(state).index();
                cells.push(Cell { state: state.index(), event, actions: row.actions, next });
            }
        }
    }
    cells
}
