//! The channel, explored: from its beginning, by every move that a peer, an application, a transport and the time can
//! make, as far as new situations come up. What was taken on the way is held against the table, pair by pair; and the
//! table is walked for itself, with what actions are known to raise.

mod moves;

use std::collections::{BTreeSet, HashSet, VecDeque};
use std::format;
use std::string::String;
use std::sync::Arc;
use std::time::Duration;
use std::vec::Vec;

use self::moves::{Coverage, MOVES, Move, Number, make, number};
use super::body::BodyState;
use super::{
    Action, CONDITIONS, Channel, CompiledConfig, Condition, Event, Facts, Internal, MACHINE, MATRIX,
    REFUSALS, ROWS, State, deadline_of,
};
use crate::config::ChannelConfig;
use crate::error::Rule;
use crate::fsm::{Act, Cause, Label};
use crate::time::Moment;

/// Moves of a path. Longer paths lead to no new situation.
const DEPTH: usize = 5;

/// What makes two situations the same for this purpose: all that the way depends on, without the amounts.
fn situation(channel: &Channel) -> String {
    let parts = &channel.parts;
    let (receiver, sender, persistence, timers) = parts.owners();
    let body = receiver.body();
    let unparsed = receiver.buffer().unparsed_len().min(4);
    let flags = [
        receiver.input_ended(),
        persistence.must_close(),
        persistence.is_draining(),
        persistence.why_close_when_idle().is_some(),
        body.is_demanded(),
        body.expects(),
        body.is_continued(),
        sender.buffer().is_empty(),
        sender.buffer().has_large(),
        parts.room() > 0,
        receiver.request().upgrade,
        receiver.request().connect,
    ];
    let due = channel.deadline().map(|_| timers.due_event());
    let body: BodyState = body.state();
    format!("{} {body:?} {} {flags:?} {due:?} {unparsed}", channel.state, sender.owed_roughly())
}

/// Which deadlines come first, in seconds: those of states and bodies, that of output, those of a drain.
#[derive(Clone, Copy, Debug)]
struct DeadlineOrder {
    own: u64,
    write: u64,
    drain: u64,
    grace: u64,
}

const ORDERS: [DeadlineOrder; 4] = [
    DeadlineOrder { own: 2, write: 300, drain: 400, grace: 100 },
    DeadlineOrder { own: 200, write: 2, drain: 400, grace: 100 },
    DeadlineOrder { own: 200, write: 300, drain: 4, grace: 2 },
    DeadlineOrder { own: 200, write: 300, drain: 2, grace: 4 },
];

fn config(DeadlineOrder { own, write, drain, grace }: DeadlineOrder) -> ChannelConfig {
    let seconds = |n| Some(Duration::from_secs(n));
    ChannelConfig {
        first_byte_timeout: seconds(own),
        head_timeout: seconds(own),
        inactivity_timeout: seconds(own),
        responseless_timeout: seconds(own),
        stream_idle_timeout: seconds(own),
        peer_ended_timeout: seconds(own / 2),
        discard_timeout: seconds(own),
        linger_timeout: seconds(own),
        body_timeout: seconds(own),
        write_timeout: seconds(write),
        drain_deadline: seconds(drain),
        drain_grace: seconds(grace),
        connection_age: (own > 100).then(|| Duration::from_secs(50)),
        linger_bytes: 40,
        maximum_simultaneous_requests: 1,
        ..ChannelConfig::default()
    }
}

fn replay(compiled: &Arc<CompiledConfig>, moves: &[Move]) -> Channel {
    let mut channel = Channel::new(compiled.clone(), Facts::default());
    for &what in moves {
        make(&mut channel, what, &mut Coverage::default());
    }
    channel
}

/// Visits every situation once, breadth first, with the moves that led there.
fn explore(config: &ChannelConfig, mut visit: impl FnMut(Channel, &[Move])) -> Coverage {
    let mut seen = Coverage::default();
    let compiled = Arc::new(CompiledConfig::new(config));
    let mut known = HashSet::new();
    let mut queue = VecDeque::from([Vec::new()]);
    let start = replay(&compiled, &[]);
    known.insert(situation(&start));
    visit(start, &[]);
    while let Some(moves) = queue.pop_front() {
        for &what in MOVES {
            let mut channel = replay(&compiled, &moves);
            // What does not fit changes nothing, and was looked up.
            if !make(&mut channel, what, &mut seen) {
                continue;
            }
            if known.insert(situation(&channel)) {
                let mut further: Vec<Move> = moves.clone();
                further.push(what);
                visit(channel, &further);
                if further.len() < DEPTH {
                    queue.push_back(further);
                }
            }
        }
    }
    seen
}

/// All that happens with deadlines in one order and in the others.
fn explore_all() -> Coverage {
    let mut all = Coverage::default();
    for order in ORDERS {
        let seen = explore(&config(order), |_, _| {});
        all.rows.extend(seen.rows);
        all.refusals.extend(seen.refusals);
        all.unmet.extend(seen.unmet);
        all.raised.extend(seen.raised);
    }
    // Depth alone does not lead to an interim head for which there is no room.
    let mut config = config(ORDERS[0]);
    config.output_high_water = 1 << 10;
    let moves = [Move::Rx("GET / HTTP/1.1\r\nHost: a\r\n\r\n"); 1];
    let mut channel = replay(&Arc::new(CompiledConfig::new(&config)), &moves);
    while channel.room() > 0 {
        make(&mut channel, Move::Informational, &mut all);
    }
    make(&mut channel, Move::Informational, &mut all);
    // Nor to a malformed body behind a 100.
    const EXPECT: &str =
        "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n";
    let moves = [Move::Rx(EXPECT), Move::Stream(None), Move::Demand];
    let mut channel = replay(&Arc::new(CompiledConfig::new(&config)), &moves);
    make(&mut channel, Move::Rx("xxG"), &mut all);
    // Nor does it lead to a request that comes while the one before it is responded to.
    let mut channel = replay(&Arc::new(CompiledConfig::new(&config)), &[]);
    make(&mut channel, Move::Untaken("GET / HTTP/1.1\r\nHost: a\r\n\r\n"), &mut all);
    // Nor does it lead to a connection that is refused.
    let facts = Facts::default().with_refusal(Some(Rule::Preface));
    let mut channel = Channel::new(Arc::new(CompiledConfig::new(&config)), facts);
    make(&mut channel, Move::Tick, &mut all);
    all
}

/// What an action may raise. The exploration finds all of it, and nothing else; deadlines are the table's own.
fn raises(action: Action) -> &'static [Internal] {
    use Internal as I;
    match action {
        Action::ParseHead => &[I::DequeueRequest, I::HeadBegins],
        Action::SearchHead => &[I::DequeueRequest, I::RequestRefused],
        Action::DecodeBody | Action::EndInput | Action::GrantBody => &[I::BodyBroken],
        Action::AcceptResponse => &[I::HeadWaits, I::ResponseComplete, I::SwitchProtocols],
        Action::DemandBody | Action::BeginBody => &[I::BodyBroken, I::BodyBegins],
        Action::FinishResponse => &[I::ResponseComplete, I::ResponseShort],
        Action::RespondBusy => &[I::ResponseComplete],
        Action::EndExchange => &[I::MustClose, I::BodyRest, I::NextRequest, I::OutputSent],
        Action::ChooseNext => &[I::MustClose, I::NextRequest, I::OutputSent],
        Action::CheckSent => &[I::OutputSent],
        Action::DiscardBody => &[I::BodyDiscarded],
        Action::CloseWrite | Action::DropInput => &[I::LingerOver],
        _ => &[],
    }
}

/// What `action` may raise in `state`.
fn raises_in(state: State, action: Action) -> Vec<Internal> {
    if action == Action::CheckDeadlines {
        let is_deadline = |event: &Internal| event.index() >= Internal::FirstByteTimeout.index();
        return Internal::ALL
            .iter()
            .copied()
            .filter(|event| is_deadline(event) && MATRIX.then(state, *event).is_some())
            .collect();
    }
    raises(action).to_vec()
}

/// Each row by itself: state, cause, actions, next state.
fn pairs() -> impl Iterator<Item = (State, Cause<Event, Internal>, &'static [Action], State)> {
    ROWS.iter().flat_map(|row| {
        row.states.iter().flat_map(move |&state| {
            let next = row.next.unwrap_or(state);
            row.causes.iter().map(move |&cause| (state, cause, row.actions, next))
        })
    })
}

/// Every row is taken, every refusal is given, and every condition fails to be met once, on channels that were led
/// there by inputs alone; what was raised on the way is what [`raises`] says. So the table has nothing that does not
/// happen. That nothing is raised where it has no row: see [`nothing_is_raised_without_a_row`].
///
/// Seen to fail: with a row from Discard to Closing at DrainTimeout, which going out makes impossible; with a
/// `finish` that takes a response short of its length for a complete one.
#[test]
fn every_pair_happens() {
    let seen = explore_all();
    let rows = pairs().filter(|(state, cause, ..)| !seen.rows.contains(&(*state, number(*cause))));
    let missed: Vec<String> = rows.map(|(state, cause, ..)| format!("({state}, {cause:?})")).collect();
    assert!(missed.is_empty(), "never taken: {missed:?}");
    for refusal in REFUSALS {
        for &event in refusal.events {
            assert!(
                seen.refusals.contains(&(refusal.state, event)),
                "never given: ({}, {event})",
                refusal.state
            );
        }
    }
    let listed: BTreeSet<(Event, Condition)> = CONDITIONS
        .iter()
        .flat_map(|(event, conditions)| conditions.iter().map(|condition| (*event, *condition)))
        .collect();
    assert_eq!(seen.unmet, listed, "what was not met, and what the table lists");

    for (_, cause, actions, next) in pairs() {
        let Some(&action) = actions.last() else { continue };
        for &event in Internal::ALL {
            if action != Action::CheckDeadlines {
                continue;
            }
            let expected = raises_in(next, action).contains(&event);
            let observed = seen.raised.contains(&(next, action.name(), event));
            assert_eq!(observed, expected, "{event} passes in {next}, {cause:?}");
        }
    }
    for (_, _, actions, _) in pairs() {
        for &action in actions.iter().filter(|action| **action != Action::CheckDeadlines) {
            for &event in Internal::ALL {
                let observed = seen.raised.iter().any(|one| one.1 == action.name() && one.2 == event);
                assert_eq!(observed, raises(action).contains(&event), "{action:?} raises {event}");
            }
        }
    }
}

/// The table alone: only the last action of a row may raise an event, and what it may raise has a row in the state
/// that the row leads to.
///
/// Seen to fail: without the row for BodyRest in Flushing.
#[test]
fn nothing_is_raised_without_a_row() {
    for (state, cause, actions, next) in pairs() {
        let shown = format!("({state}, {cause:?}) does {actions:?}");
        let Some((&last, others)) = actions.split_last() else { continue };
        assert!(others.iter().all(|&action| raises(action).is_empty()), "{shown}");
        for event in raises_in(next, last) {
            assert!(MATRIX.then(next, event).is_some(), "{shown} and raises {event} in {next}");
        }
    }
}

fn step(state: State, cause: Cause<Event, Internal>) -> Option<crate::fsm::Transition<State, Action>> {
    match cause {
        Cause::Input(event) => MATRIX.on(state, event),
        Cause::Internal(event) => MATRIX.then(state, event),
    }
}

/// The states in which a channel may come to wait, and the rows on the way, from `start` on.
fn walk(start: State) -> (BTreeSet<State>, BTreeSet<(State, Number)>) {
    let (mut rests, mut rows) = (BTreeSet::from([start]), BTreeSet::new());
    let mut queue = VecDeque::from([start]);
    while let Some(state) = queue.pop_front() {
        let mut steps: Vec<(State, Cause<Event, Internal>)> =
            Event::ALL.iter().map(|&event| (state, Cause::Input(event))).collect();
        while let Some((from, cause)) = steps.pop() {
            let Some(step) = step(from, cause) else { continue };
            if rows.insert((from, number(cause))) {
                let raised = step.actions.last().map_or(Vec::new(), |&last| raises_in(step.next, last));
                steps.extend(raised.into_iter().map(|raised| (step.next, Cause::Internal(raised))));
                if rests.insert(step.next) {
                    queue.push_back(step.next);
                }
            }
        }
    }
    (rests, rows)
}

/// The table alone: from the beginning every state and every row can be reached, and from every state an end can.
///
/// Seen to fail: with a Handover that stays when its output has left; with a row for BodyRest in Head.
#[test]
fn no_state_is_dead_and_no_row_is_idle() {
    let (states, rows) = walk(MACHINE.initial);
    for (state, cause, ..) in pairs() {
        assert!(rows.contains(&(state, number(cause))), "nothing leads to ({state}, {cause:?})");
    }
    for &state in State::ALL {
        assert!(states.contains(&state), "nothing leads to {state}");
        let (ends, ways) = walk(state);
        assert!(ends.contains(&State::Closed), "{state} does not lead to Closed");
        let leaves = pairs().any(|(from, cause, _, next)| {
            from == state && next != state && ways.contains(&(from, number(cause)))
        });
        assert_eq!(leaves, state != State::Closed, "{state}");
    }
    // Time alone ends every channel that is not another protocol's: no silence is for ever.
    for &state in State::ALL {
        let mut ends = BTreeSet::from([state]);
        loop {
            let before = ends.len();
            let reached: Vec<State> = pairs()
                .filter(|(from, ..)| ends.contains(from))
                .filter(|(from, cause, ..)| {
                    let passed = raises_in(*from, Action::CheckDeadlines);
                    matches!(cause, Cause::Internal(event) if passed.contains(event))
                })
                .map(|(.., next)| next)
                .collect();
            ends.extend(reached);
            if ends.len() == before {
                break;
            }
        }
        let ended = ends.contains(&State::Closed);
        assert_eq!(ended, state != State::Upgraded, "silence in {state} leads to {ends:?}");
    }
}

/// Who is waited for in a state that owns no deadline: `None`: nobody, it is the end.
fn waited_for(state: State) -> Option<&'static str> {
    match state {
        State::Flushing | State::Closing | State::Handover => Some("write"),
        State::Upgraded => Some("application"),
        _ => None,
    }
}

/// In every situation, a channel that is not closed says what it waits for, and its silence has an end: its state's
/// own deadline, or that of the output. Deadlines alone close it, each after the one before.
///
/// Seen to fail: without WriteTimeout among the deadlines; with a Flushing that rests with nothing to send.
#[test]
fn every_situation_waits_for_something_that_ends() {
    for order in ORDERS {
        explore(&config(order), |mut channel, moves| {
            let (state, waits) = (channel.state(), channel.waits_for());
            assert_eq!(waits.is_empty(), state == State::Closed, "{moves:?}");
            match (deadline_of(state), waited_for(state)) {
                (Some(_), None) => assert!(waits.deadline(), "no deadline in {state} after {moves:?}"),
                (None, Some("write")) => {
                    assert!(waits.room() && waits.deadline(), "no output in {state} after {moves:?}");
                }
                (None, Some(_)) => assert!(waits.application() && !waits.deadline(), "{moves:?}"),
                (None, None) => assert_eq!(state, State::Closed, "{moves:?}"),
                (Some(_), Some(_)) => panic!("{state} has a deadline and says whom it waits for"),
            }
            let mut passed = Moment::START;
            for _ in 0..16 {
                let Some(due) = channel.deadline() else { break };
                assert!(due > passed, "a deadline came round after {moves:?}");
                passed = due;
                make(&mut channel, Move::Deadline, &mut Coverage::default());
            }
            let ended = matches!(channel.state(), State::Closed | State::Upgraded);
            assert!(ended, "left in {} after {moves:?}", channel.state());
        });
    }
}
