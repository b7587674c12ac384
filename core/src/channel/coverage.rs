//! The channel, explored: from its beginning, by every move that a peer, an application, a transport and the time can
//! make, as far as new situations come up. What was taken on the way is held against the table, pair by pair; and the
//! table is walked for itself, with what actions are known to raise.

use std::collections::{BTreeSet, HashSet, VecDeque};
use std::format;
use std::string::String;
use std::sync::Arc;
use std::time::Duration;
use std::vec::Vec;

use bytes::Bytes;

use super::context::{Answering, Receiving};
use super::{Action, Channel, Event, Facts, MACHINE, MATRIX, REFUSALS, ROWS, Settings, State, deadline_of};
use crate::config::ChannelConfig;
use crate::fields::Fields;
use crate::fsm::{Direction, Label};
use crate::input::{Data, Input};
use crate::response::{BodyRef, ResponseRef};
use crate::status::Status;
use crate::time::{Date, Moment, Now};
use crate::witness;

/// What somebody does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Move {
    Rx(&'static str),
    RxEnd,
    SentOne,
    SentAll,
    TransmitReady,
    Disconnected,
    Busy,
    Evict,
    Judge,
    Tick,
    /// The next deadline passes.
    Deadline,
    Answer,
    /// Content that goes out by reference, and closes the room.
    AnswerLarge,
    Switch,
    Stream(Option<u64>),
    Write,
    Flush,
    Finish,
    Continue,
    Informational,
    Demand,
    Abort,
    GoOut,
}

use Move::*;

const MOVES: &[Move] = &[
    Rx("GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
    Rx("GET / HTTP/1.0\r\n\r\n"),
    Rx("CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n"),
    Rx("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n"),
    Rx("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"),
    Rx("GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: b\r\n\r\n"),
    Rx("G"),
    Rx("\r\n"),
    Rx("xxG"),
    RxEnd,
    SentOne,
    SentAll,
    TransmitReady,
    Disconnected,
    Busy,
    Evict,
    Judge,
    Tick,
    Deadline,
    Answer,
    AnswerLarge,
    Switch,
    Stream(None),
    Stream(Some(2)),
    Write,
    Flush,
    Finish,
    Continue,
    Informational,
    Demand,
    Abort,
    GoOut,
];

/// How far from the beginning. Every situation that more moves lead to resembles one that fewer lead to.
const DEPTH: usize = 5;

static LARGE: [u8; 70_000] = [b'x'; 70_000];

fn make(channel: &mut Channel, what: Move) -> bool {
    let at = match what {
        Deadline => match channel.deadline() {
            Some(due) => due,
            None => return false,
        },
        _ => channel.context.latest,
    };
    let now = Now::new(at, &Date::EPOCH);
    let fields = Fields::new();
    let protocol = Fields::new().with("Upgrade", "b").expect("a field");
    let large = Bytes::from_static(&LARGE);
    let whole = |status, body| Input::HttpResponse(ResponseRef { status, fields: &fields, body });
    let input = match what {
        Rx(octets) => Input::RxData(octets.as_bytes()),
        RxEnd => Input::RxEnd,
        SentOne => Input::Sent(1),
        SentAll => Input::Sent(channel.unsent_len()),
        TransmitReady => Input::TransmitReady,
        Disconnected => Input::Disconnected,
        Busy => Input::Busy,
        Evict => Input::Evict,
        Judge => Input::Judge,
        Tick | Deadline => Input::Tick,
        Answer => whole(Status::OK, BodyRef::Slice(b"hi")),
        AnswerLarge => whole(Status::OK, BodyRef::Bytes(&large)),
        Switch => {
            let (status, body) = (Status::SWITCHING_PROTOCOLS, BodyRef::Empty);
            Input::HttpResponse(ResponseRef { status, fields: &protocol, body })
        }
        Stream(length) => whole(Status::OK, BodyRef::Stream { length }),
        Write => Input::Write(Data::Slice(b"x")),
        Flush => Input::Flush,
        Finish => Input::Finish(None),
        Continue => Input::Continue,
        Informational => Input::Informational(Status::EARLY_HINTS, &fields),
        Demand => Input::BodyDemand(u64::MAX),
        Abort => Input::Abort(None),
        GoOut => Input::GoOut,
    };
    let accepted = channel.handle(&now, input).is_ok();
    while channel.next_output().is_some() {}
    accepted
}

/// What makes two situations the same for this purpose: all that the way depends on, without the amounts.
type Situation = (State, Receiving, Answering, [bool; 12], Option<Event>, usize);

fn situation(channel: &Channel) -> Situation {
    let context = &channel.context;
    let answering = match context.answering {
        Answering::Length(rest) => Answering::Length(rest.min(2)),
        other => other,
    };
    let flags = [
        context.ended,
        context.must_close,
        context.draining,
        context.evicted,
        context.demanded,
        context.expects,
        context.outbuf.is_empty(),
        context.outbuf.has_large(),
        context.room() > 0,
        context.flush_at.is_some(),
        context.meta.upgrade,
        context.meta.connect,
    ];
    let due = channel.deadline().map(|_| context.due_event);
    (channel.state, context.receiving, answering, flags, due, context.inbuf.unparsed_len().min(4))
}

/// Which deadlines come first, in seconds: those of states and bodies, that of output, those of a drain.
#[derive(Clone, Copy, Debug)]
struct Order {
    own: u64,
    write: u64,
    drain: u64,
    grace: u64,
}

const ORDERS: [Order; 4] = [
    Order { own: 2, write: 300, drain: 400, grace: 100 },
    Order { own: 200, write: 2, drain: 400, grace: 100 },
    Order { own: 200, write: 300, drain: 4, grace: 2 },
    Order { own: 200, write: 300, drain: 2, grace: 4 },
];

fn config(Order { own, write, drain, grace }: Order) -> ChannelConfig {
    let seconds = |n| Some(Duration::from_secs(n));
    ChannelConfig {
        first_byte_timeout: seconds(own),
        head_timeout: seconds(own),
        inactivity_timeout: seconds(own),
        responseless_timeout: seconds(own),
        stream_idle_timeout: seconds(own),
        discard_timeout: seconds(own),
        linger_timeout: seconds(own),
        body_timeout: seconds(own),
        write_timeout: seconds(write),
        drain_deadline: seconds(drain),
        drain_grace: seconds(grace),
        connection_age: (own > 100).then(|| Duration::from_secs(50)),
        linger_octets: 40,
        maximum_simultaneous_requests: 1,
        ..ChannelConfig::default()
    }
}

fn replay(settings: &Arc<Settings>, moves: &[Move]) -> Channel {
    let mut channel = Channel::new(settings.clone(), Facts::default());
    for &what in moves {
        make(&mut channel, what);
    }
    channel
}

/// Visits every situation once, breadth first, with the moves that led there.
fn explore(config: &ChannelConfig, mut visit: impl FnMut(Channel, &[Move])) {
    let settings = Arc::new(Settings::new(config));
    let mut known = HashSet::new();
    let mut queue = VecDeque::from([Vec::new()]);
    let start = replay(&settings, &[]);
    known.insert(format!("{:?}", situation(&start)));
    visit(start, &[]);
    while let Some(moves) = queue.pop_front() {
        for &what in MOVES {
            let mut channel = replay(&settings, &moves);
            // What does not fit changes nothing, and was looked up.
            if !make(&mut channel, what) {
                continue;
            }
            if known.insert(format!("{:?}", situation(&channel))) {
                let mut further: Vec<Move> = moves.clone();
                further.push(what);
                visit(channel, &further);
                if further.len() < DEPTH {
                    queue.push_back(further);
                }
            }
        }
    }
}

/// What an action may raise. The exploration finds all of it, and nothing else; deadlines are the table's own.
fn raises(action: Action) -> &'static [Event] {
    use Event as E;
    match action {
        Action::ReceiveHead => &[E::DequeueRequest, E::RequestRefused],
        Action::ParseHead => &[E::DequeueRequest, E::RequestRefused, E::NothingMore],
        Action::EndHead => &[E::RequestRefused, E::NothingMore],
        Action::ReceiveBody | Action::EndInput | Action::GrantBody => &[E::BodyBroken],
        Action::AcceptResponse => &[E::AnswerComplete, E::SwitchProtocols],
        Action::FinishAnswer => &[E::AnswerComplete, E::AnswerShort],
        Action::AnswerBusy => &[E::AnswerComplete],
        Action::Conclude => &[E::MustClose, E::BodyRest, E::NextRequest, E::OutputDrained],
        Action::ReceiveNext => &[E::NextRequest],
        Action::NoteEvictionAndConclude | Action::NoteDrainAndConclude | Action::EndAndConclude => {
            &[E::MustClose]
        }
        Action::TakeSentAndConclude => &[E::NextRequest, E::OutputDrained],
        Action::TakeSent
        | Action::CutAnswer
        | Action::CutShort
        | Action::CutSilent
        | Action::BeginClose
        | Action::CloseUnread
        | Action::EndUnread
        | Action::BeginDrainedClose => &[E::OutputDrained],
        Action::DiscardBody => &[E::BodyDiscarded],
        Action::CloseWrite | Action::CountLinger => &[E::LingerOver],
        _ => &[],
    }
}

/// What `action` may raise in `state`.
fn raises_in(state: State, action: Action) -> Vec<Event> {
    if action == Action::CheckDeadlines {
        let is_deadline = |event: &Event| event.index() >= Event::FirstByteTimeout.index();
        let rows = ROWS.iter().filter(|row| row.state == state).map(|row| row.event);
        return rows.filter(is_deadline).collect();
    }
    raises(action).to_vec()
}

fn is_internal(event: Event) -> bool {
    let input = MACHINE.inputs.iter().find(|input| input.event == event).expect("each event has a sender");
    input.direction == Direction::Internal
}

/// Every row is taken and every refusal of an input is given, on channels that were led there by inputs alone; what
/// was raised on the way is what [`raises`] says. So the table has nothing that does not happen, and the refusals of
/// internal events, which nobody can send, are those of events that nobody raises there: see
/// [`nothing_is_raised_where_it_is_refused`].
///
/// Seen to fail: with a row from Discard to Closing at DrainTimeout, which going out makes impossible; with a
/// `finish_answer` that takes an answer short of its length for a complete one.
#[test]
fn every_pair_happens() {
    for order in ORDERS {
        explore(&config(order), |_, _| {});
    }
    let seen = witness::all_looked_up(MACHINE.name);
    let happened = |state: State, event: Event| seen.contains(&(state.index(), event.index()));
    let rows = ROWS.iter().filter(|row| !happened(row.state, row.event));
    let missed: Vec<String> = rows.map(|row| format!("row ({}, {})", row.state, row.event)).collect();
    assert!(missed.is_empty(), "never taken: {missed:?}");
    let outer = REFUSALS.iter().filter(|pair| !is_internal(pair.event));
    let missed: Vec<String> = outer
        .filter(|pair| !happened(pair.state, pair.event))
        .map(|pair| format!("refusal ({}, {})", pair.state, pair.event))
        .collect();
    assert!(missed.is_empty(), "never given: {missed:?}");
    let inner = REFUSALS.iter().filter(|pair| is_internal(pair.event));
    let raised: Vec<String> = inner
        .filter(|pair| happened(pair.state, pair.event))
        .map(|pair| format!("({}, {})", pair.state, pair.event))
        .collect();
    assert!(raised.is_empty(), "raised where it is refused: {raised:?}");

    let observed = witness::all_raised(MACHINE.name);
    for &action in Action::ALL {
        for &event in Event::ALL {
            let mut states = observed.iter().filter(|one| (one.1, one.2) == (action.index(), event.index()));
            if action == Action::CheckDeadlines {
                for &state in State::ALL {
                    let expected = raises_in(state, action).contains(&event)
                        && ROWS.iter().any(|row| row.state == state && row.action == action);
                    let seen = observed.contains(&(state.index(), action.index(), event.index()));
                    assert_eq!(seen, expected, "{event} passes in {state}");
                }
            } else {
                let expected = raises(action).contains(&event);
                assert_eq!(states.next().is_some(), expected, "{action} raises {event}");
            }
        }
    }
}

/// The table alone: whatever an action may raise has a row in the state that its row leads to.
///
/// Seen to fail: without the row for BodyRest in Flushing.
#[test]
fn nothing_is_raised_where_it_is_refused() {
    for row in ROWS {
        for event in raises_in(row.next, row.action) {
            let shown = format!("({}, {}) does {} and raises {event}", row.state, row.event, row.action);
            assert!(is_internal(event), "{shown}, which is an input");
            assert!(MATRIX.step(row.next, event).is_some(), "{shown} in {}, which refuses it", row.next);
        }
    }
}

/// The states in which a channel may come to rest, and the rows on the way, from `start` on.
fn walk(start: State) -> (BTreeSet<State>, BTreeSet<(State, Event)>) {
    let (mut rests, mut rows) = (BTreeSet::from([start]), BTreeSet::new());
    let mut queue = VecDeque::from([start]);
    while let Some(state) = queue.pop_front() {
        let outer = Event::ALL.iter().copied().filter(|&event| !is_internal(event));
        let mut steps: Vec<(State, Event)> = outer.map(|event| (state, event)).collect();
        while let Some((from, event)) = steps.pop() {
            let Some(step) = MATRIX.step(from, event) else { continue };
            if rows.insert((from, event)) {
                steps.extend(raises_in(step.next, step.action).into_iter().map(|raised| (step.next, raised)));
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
    for row in ROWS {
        assert!(rows.contains(&(row.state, row.event)), "nothing leads to ({}, {})", row.state, row.event);
    }
    for &state in State::ALL {
        assert!(states.contains(&state), "nothing leads to {state}");
        let (ends, ways) = walk(state);
        assert!(ends.contains(&State::Closed), "{state} does not lead to Closed");
        let leaves = ways.iter().any(|&(from, event)| {
            from == state && MATRIX.step(from, event).is_some_and(|step| step.next != state)
        });
        assert_eq!(leaves, state != State::Closed, "{state}");
    }
    // Time alone ends every channel that is not another protocol's: no silence is for ever.
    for &state in State::ALL {
        let mut ends = BTreeSet::from([state]);
        loop {
            let before = ends.len();
            let steps: Vec<State> = ROWS
                .iter()
                .filter(|row| ends.contains(&row.state))
                .filter(|row| raises_in(row.state, Action::CheckDeadlines).contains(&row.event))
                .map(|row| row.next)
                .collect();
            ends.extend(steps);
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
                make(&mut channel, Deadline);
            }
            let ended = matches!(channel.state(), State::Closed | State::Upgraded);
            assert!(ended, "left in {} after {moves:?}", channel.state());
        });
    }
}
