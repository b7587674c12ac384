//! The prologue, explored: every sequence of a few moves, held against the table, pair by pair.

use std::collections::BTreeSet;
use std::format;
use std::string::{String, ToString};
use std::time::Duration;
use std::vec;
use std::vec::Vec;

use super::{Action, Event, Internal, Prologue, PrologueInput, PrologueNotAccepted, REFUSALS, ROWS, State};
use crate::channel::Leave;
use crate::config::ServerConfig;
use crate::error::Rule;
use crate::fsm::{Act, Cause, Label, Taken};
use crate::time::Moment;

/// What somebody does.
#[derive(Clone, Copy, Debug)]
enum Move {
    Input(PrologueInput),
    /// The server goes out, with these seconds from now on.
    GoOut {
        fresh_until: u64,
        cut_at: u64,
    },
    /// The next deadline passes.
    Deadline,
}

const MOVES: [Move; 19] = [
    Move::Input(PrologueInput::Received(1)),
    Move::Input(PrologueInput::Received(2)),
    Move::Input(PrologueInput::PrefaceRead),
    Move::Input(PrologueInput::LayerChosen),
    Move::Input(PrologueInput::PrefaceRefused(Rule::Preface)),
    Move::Input(PrologueInput::NotAdmitted),
    Move::Input(PrologueInput::Established),
    Move::Input(PrologueInput::HandshakeFailed),
    Move::Input(PrologueInput::HandshakeRefused(Rule::NotTls)),
    Move::Input(PrologueInput::OtherProtocol),
    Move::Input(PrologueInput::RxEnd),
    Move::Input(PrologueInput::Disconnected),
    Move::Input(PrologueInput::Evict),
    Move::Input(PrologueInput::NoRoom),
    Move::GoOut { fresh_until: 1, cut_at: 2 },
    Move::GoOut { fresh_until: 2, cut_at: 1 },
    Move::GoOut { fresh_until: 0, cut_at: 0 },
    Move::Input(PrologueInput::Tick),
    Move::Deadline,
];

const DEPTH: usize = 4;

fn config() -> ServerConfig {
    ServerConfig {
        preface_timeout: Some(Duration::from_secs(5)),
        handshake_timeout: Some(Duration::from_secs(5)),
        max_preface_bytes: 2,
        ..ServerConfig::default()
    }
}

/// What happened on the way.
#[derive(Default)]
struct Coverage {
    /// Rows that were taken.
    rows: BTreeSet<String>,
    /// Inputs that were not accepted.
    refused: BTreeSet<String>,
    /// What was raised: in which state, by which action.
    raised: BTreeSet<(String, String, String)>,
}

fn make(prologue: &mut Prologue, at: &mut Moment, what: Move, seen: &mut Coverage) {
    let input = match what {
        Move::Input(input) => input,
        Move::GoOut { fresh_until, cut_at } => {
            let then = |seconds: u64| at.saturating_add_millis(1000 * seconds);
            let fresh_until = then(fresh_until);
            PrologueInput::GoOut(Leave { idle_until: *at, fresh_until, cut_at: then(cut_at) })
        }
        Move::Deadline => {
            *at = prologue.deadline().unwrap_or(*at);
            PrologueInput::Tick
        }
    };
    let mut before: &[Action] = &[];
    let result = prologue.handle_with(*at, input, &mut |step: &Taken<State, Event, Internal, Action>| {
        seen.rows.insert(format!("({}, {:?})", step.state, step.cause));
        if let Cause::Internal(event) = step.cause {
            let action = before.last().expect("an internal event is raised by an action").name();
            seen.raised.insert((step.state.to_string(), action, event.to_string()));
        }
        before = step.actions;
    });
    if let Err(PrologueNotAccepted { state, event }) = result {
        seen.refused.insert(format!("({state}, {event})"));
    }
    while prologue.next_output().is_some() {}
}

fn explore(seen: &mut Coverage, mut visit: impl FnMut(Prologue, Moment, &[Move])) {
    let mut scripts: Vec<Vec<Move>> = vec![Vec::new()];
    while let Some(moves) = scripts.pop() {
        let mut prologue = Prologue::new(&config());
        let mut at = Moment::START;
        for &what in &moves {
            make(&mut prologue, &mut at, what, seen);
        }
        visit(prologue, at, &moves);
        if moves.len() < DEPTH {
            scripts.extend(MOVES.iter().map(|&what| {
                let mut further = moves.clone();
                further.push(what);
                further
            }));
        }
    }
}

/// What an action may raise in a state; the exploration finds all of it, and nothing else.
fn raises(state: State, action: Action) -> &'static [Internal] {
    match (state, action) {
        (_, Action::CountBytes) => &[Internal::PrefaceTooLong],
        (State::Preface, Action::CheckDeadlines) => {
            &[Internal::PrefaceTimeout, Internal::DrainGrace, Internal::DrainTimeout]
        }
        (State::Handshake, Action::CheckDeadlines) => {
            &[Internal::HandshakeTimeout, Internal::DrainGrace, Internal::DrainTimeout]
        }
        _ => &[],
    }
}

/// Every row is taken and every refusal is given; what is raised is what [`raises`] says, which has a row wherever it is
/// raised.
///
/// Seen to fail: with a limit that is never reached; without the deadline of the handshake.
#[test]
fn every_pair_happens() {
    let mut seen = Coverage::default();
    explore(&mut seen, |_, _, _| {});
    let mut expected = BTreeSet::new();
    for row in ROWS {
        for &state in row.states {
            for cause in row.causes {
                let shown = format!("({state}, {cause:?})");
                assert!(seen.rows.contains(&shown), "never taken: {shown}");
            }
            let next = row.next.unwrap_or(state);
            for action in row.actions {
                let raised = raises(next, *action).iter();
                expected.extend(raised.map(|event| (next.to_string(), action.name(), event.to_string())));
            }
        }
    }
    assert_eq!(seen.raised, expected);
    for refusal in REFUSALS {
        for event in refusal.events {
            let shown = format!("({}, {event})", refusal.state);
            assert!(seen.refused.remove(&shown), "never given: {shown}");
        }
    }
    // More bytes than there is room for.
    assert_eq!(seen.refused, BTreeSet::from(["(Preface, Received)".to_string()]));
}

/// Wherever a prologue stands, its silence has an end, and an end it stays, without a deadline.
///
/// Seen to fail: with a handshake without its deadline; with a prologue that is over and keeps its deadline.
#[test]
fn every_silence_ends() {
    let is_over = |state: State| !matches!(state, State::Preface | State::Handshake);
    let mut seen = Coverage::default();
    explore(&mut Coverage::default(), |mut prologue, mut at, moves| {
        assert_eq!(prologue.deadline().is_none(), is_over(prologue.state()), "{moves:?}");
        if let Some(deadline) = prologue.deadline() {
            assert!(deadline > at, "{moves:?}");
        }
        make(&mut prologue, &mut at, Move::Deadline, &mut seen);
        let ended = prologue.state();
        assert!(is_over(ended) && prologue.deadline().is_none() && prologue.room() == 0, "{moves:?}");
        for what in MOVES {
            make(&mut prologue, &mut at, what, &mut seen);
            assert_eq!((prologue.state(), prologue.deadline()), (ended, None), "{what:?} after {moves:?}");
        }
    });
    assert!(State::ALL.iter().any(|&state| is_over(state)));
}
