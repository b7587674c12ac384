//! The table of the channel, walked: every pair, every way, every deadline.

#[path = "contracts/states.rs"]
mod states;

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::time::Duration;

use httpfsm::channel::{Action, Event, MACHINE, MATRIX, REFUSALS, ROWS, State, deadline_of};
use httpfsm::fsm::{Direction, Label};
use httpfsm::{Channel, ChannelConfig, Date, Input, Moment, Now};
use states::reach;

/// The states that rows lead to from one, itself included.
fn reachable(from: State) -> BTreeSet<usize> {
    let mut found = BTreeSet::from([from.index()]);
    loop {
        let before = found.len();
        found.extend(
            ROWS.iter()
                .filter(|row| found.contains(&row.state.index()))
                .map(|row| row.next.index())
                .collect::<Vec<_>>(),
        );
        if found.len() == before {
            return found;
        }
    }
}

fn direction(event: Event) -> Direction {
    let input = MACHINE.inputs.iter().find(|input| input.event == event);
    input.unwrap_or_else(|| panic!("{event} has no direction")).direction
}

type Parameter = fn(&mut ChannelConfig) -> &mut Option<Duration>;

/// The deadlines, and the parameter that each is configured with.
const DEADLINES: [(Event, Parameter); 12] = [
    (Event::FirstByteTimeout, |config| &mut config.first_byte_timeout),
    (Event::HeadTimeout, |config| &mut config.head_timeout),
    (Event::InactivityTimeout, |config| &mut config.inactivity_timeout),
    (Event::ResponselessTimeout, |config| &mut config.responseless_timeout),
    (Event::StreamIdleTimeout, |config| &mut config.stream_idle_timeout),
    (Event::DiscardTimeout, |config| &mut config.discard_timeout),
    (Event::LingerTimeout, |config| &mut config.linger_timeout),
    (Event::WriteTimeout, |config| &mut config.write_timeout),
    (Event::BodyTimeout, |config| &mut config.body_timeout),
    (Event::DrainGrace, |config| &mut config.drain_grace),
    (Event::DrainTimeout, |config| &mut config.drain_deadline),
    (Event::AgeReached, |config| &mut config.connection_age),
];

fn without_deadlines() -> ChannelConfig {
    let mut config = ChannelConfig::default();
    for (event, parameter) in DEADLINES {
        // Without these two the states that they belong to do not exist.
        if !matches!(event, Event::DiscardTimeout | Event::LingerTimeout) {
            *parameter(&mut config) = None;
        }
    }
    config
}

#[test]
fn every_pair_is_a_row_or_a_refusal() {
    assert_eq!(ROWS.len() + REFUSALS.len(), State::ALL.len() * Event::ALL.len());
    for &state in State::ALL {
        for &event in Event::ALL {
            let rows = ROWS.iter().filter(|row| row.state == state && row.event == event).count();
            let refusals = REFUSALS.iter().filter(|pair| pair.state == state && pair.event == event).count();
            assert_eq!(rows + refusals, 1, "({state}, {event})");
            assert_eq!(MATRIX.step(state, event).is_some(), rows == 1, "({state}, {event})");
        }
    }
}

#[test]
fn every_event_and_every_action_is_used() {
    for &event in Event::ALL {
        assert!(ROWS.iter().any(|row| row.event == event), "{event} is refused everywhere");
        assert!(MACHINE.inputs.iter().any(|input| input.event == event), "{event} has no direction");
    }
    for &action in Action::ALL {
        assert!(ROWS.iter().any(|row| row.action == action), "{action} is never done");
    }
}

#[test]
fn every_state_is_reached_and_left() {
    assert_eq!(reachable(State::Fresh).len(), State::ALL.len());
    for &state in State::ALL {
        assert!(reachable(state).contains(&State::Closed.index()), "{state} does not lead to Closed");
        // And not on paper only.
        assert_eq!(reach(state, &ChannelConfig::default()).state(), state);
    }
    assert_eq!(reachable(State::Closed).len(), 1, "something leaves Closed");
}

#[test]
fn every_channel_can_be_disconnected_and_every_state_takes_a_tick() {
    for &state in State::ALL {
        assert!(MATRIX.step(state, Event::Tick).is_some(), "{state} takes no tick");
        let lost = MATRIX.step(state, Event::Disconnected).map(|step| step.next);
        assert_eq!(lost, (state != State::Closed).then_some(State::Closed), "{state}");
    }
}

#[test]
fn after_the_end_of_input_no_state_waits_for_input() {
    for &state in State::ALL {
        let ended = MATRIX.step(state, Event::RxEnd).is_some();
        assert_eq!(ended, !matches!(state, State::Upgraded | State::Closed), "{state}");
    }
}

/// What does not fit is refused with its names, and changes nothing, in every state.
#[test]
fn every_refused_input_is_refused() {
    let fields = httpfsm::Fields::new();
    let inputs = || {
        [
            Input::RxData(b"x"),
            Input::RxEnd,
            Input::Sent(1),
            Input::TransmitReady,
            Input::Disconnected,
            Input::Busy,
            Input::Evict,
            Input::Judge,
            Input::Tick,
            Input::HttpResponse(httpfsm::ResponseRef::new(httpfsm::Status::OK, &fields, b"x")),
            Input::Write(httpfsm::Data::Slice(b"x")),
            Input::Flush,
            // Whether an answer is complete is no question of the state.
            Input::Finish(None),
            Input::Continue,
            Input::Informational(httpfsm::Status::EARLY_HINTS, &fields),
            Input::BodyDemand(1),
            Input::Abort(None),
            Input::GoOut,
        ]
    };
    let outer = Event::ALL.iter().filter(|&&event| direction(event) != Direction::Internal).count();
    assert_eq!(inputs().len(), outer);
    let now = Now::new(Moment::START, &Date::EPOCH);
    for &state in State::ALL {
        for input in inputs() {
            let mut channel = reach(state, &ChannelConfig::default());
            let event = input.event();
            let before = format!("{channel:?}");
            let result = channel.handle(&now, input);
            assert_eq!(result.is_ok(), MATRIX.step(state, event).is_some(), "({state}, {event})");
            if let Err(refused) = result {
                assert_eq!((refused.state, refused.event), (state, event));
                assert_eq!(format!("{channel:?}"), before, "({state}, {event}) changed something");
            }
        }
    }
}

/// The deadline that a state owns has a row there, and no state has a row for that of another.
#[test]
fn states_own_the_deadlines_of_their_rows() {
    let conditions =
        [Event::BodyTimeout, Event::WriteTimeout, Event::DrainGrace, Event::DrainTimeout, Event::AgeReached];
    for &state in State::ALL {
        for (event, _) in DEADLINES.into_iter().filter(|(event, _)| !conditions.contains(event)) {
            let row = MATRIX.step(state, event).is_some();
            assert_eq!(row, deadline_of(state) == Some(event), "({state}, {event})");
        }
        let place = MACHINE.places.iter().find(|place| place.state == state).expect("each state has a place");
        assert_eq!(
            deadline_of(state).is_some(),
            place.deadline.contains("_timeout"),
            "{state} is drawn otherwise"
        );
    }
}

/// With one deadline configured, it runs in exactly the states that have a row for it (and output to send, or a body
/// to await), at its moment, and its passing is that row.
#[test]
fn each_deadline_runs_where_the_table_says() {
    let start = Now::new(Moment::START, &Date::EPOCH);
    for (event, parameter) in DEADLINES {
        for &state in State::ALL {
            let mut config = without_deadlines();
            *parameter(&mut config) = Some(Duration::from_secs(7));
            let mut channel = reach(state, &config);
            let has_request = matches!(state, State::WaitResponse | State::Responding);
            if event == Event::BodyTimeout && has_request {
                channel.handle(&start, Input::BodyDemand(9)).expect("the body can be asked for");
            }
            if matches!(event, Event::DrainGrace | Event::DrainTimeout)
                && channel.handle(&start, Input::GoOut).is_err()
            {
                continue;
            }
            // Going out ends some states at once.
            let state = channel.state();
            if matches!(state, State::Discard | State::Lingering) && deadline_of(state) != Some(event) {
                // A deadline of their own always runs beside it.
                continue;
            }
            let own = MATRIX.step(state, event).is_some();
            let seven = Moment::from_millis(7000);
            assert_eq!(channel.deadline(), own.then_some(seven), "({state}, {event})");
            if own {
                let early = Now::new(Moment::from_millis(6999), &Date::EPOCH);
                channel.handle(&early, Input::Tick).expect("a tick is always taken");
                assert_eq!(channel.state(), state, "{event} passed too early");
                channel.handle(&Now::new(seven, &Date::EPOCH), Input::Tick).expect("a tick is always taken");
                assert_ne!(channel.deadline(), Some(seven), "{event} did not pass in {state}");
                // Only a slow body leaves an answer that has begun where it is.
                let stays = (state, event) == (State::Responding, Event::BodyTimeout);
                assert_eq!(channel.state() == state, stays, "({state}, {event})");
            }
        }
    }
}

/// What a channel shows of itself.
fn seen(channel: &Channel) -> impl PartialEq + Debug + use<> {
    (channel.state(), channel.deadline(), channel.unsent_len(), channel.waits_for(), channel.input_room())
}

fn told(channel: &mut Channel) -> Vec<String> {
    std::iter::from_fn(|| channel.next_output().map(|output| format!("{output:?}"))).collect()
}

#[test]
fn what_means_nothing_in_a_state_changes_nothing_there() {
    let now = Now::new(Moment::START, &Date::EPOCH);
    for &state in State::ALL {
        for (input, in_states) in [
            (Input::Judge, State::ALL),
            (Input::TransmitReady, State::ALL),
            (Input::Evict, &[State::Closing, State::Handover, State::Upgraded][..]),
        ] {
            if !in_states.contains(&state) {
                continue;
            }
            let mut channel = reach(state, &ChannelConfig::default());
            told(&mut channel);
            let before = seen(&channel);
            let shown = format!("{input:?} in {state}");
            let asks = matches!(input, Input::TransmitReady) && channel.unsent_len() > 0;
            let accepted = channel.handle(&now, input).is_ok();
            let expected: &[&str] = if accepted && asks { &["FlushOutputData"] } else { &[] };
            assert_eq!(told(&mut channel), expected, "{shown}");
            assert_eq!(seen(&channel), before, "{shown}");
            if state == State::Flushing {
                channel.handle(&now, Input::Sent(channel.unsent_len())).expect("all is sent");
                assert!(told(&mut channel).is_empty() && channel.state() == State::Idle, "after {shown}");
            }
        }
    }
}

#[test]
fn a_connection_that_is_wanted_back_ends_as_soon_as_its_state_allows() {
    let now = Now::new(Moment::START, &Date::EPOCH);
    let mut lingering = reach(State::Lingering, &ChannelConfig::default());
    told(&mut lingering);
    lingering.handle(&now, Input::Evict).expect("a channel can be evicted");
    assert!(lingering.is_closed());
    assert_eq!(told(&mut lingering).len(), 2, "Drop and HttpChannelClosed");

    // The answer promised to go on; the rest of the body comes first.
    let mut discarding = reach(State::Discard, &ChannelConfig::default());
    discarding.handle(&now, Input::Evict).expect("a channel can be evicted");
    assert_eq!(discarding.state(), State::Discard);
    discarding.handle(&now, Input::RxData(b"body")).expect("the rest of the body");
    discarding.handle(&now, Input::Sent(discarding.unsent_len())).expect("all is sent");
    discarding.handle(&now, Input::RxEnd).expect("the peer may end");
    let reason = told(&mut discarding).pop();
    assert_eq!(reason.as_deref(), Some("HttpChannelClosed(Evicted)"));
}

#[test]
fn a_flush_is_told_in_every_state_in_which_an_answer_leaves() {
    let now = Now::new(Moment::START, &Date::EPOCH);
    for state in [State::WaitResponse, State::Responding, State::Flushing, State::Handover] {
        let mut channel = reach(state, &ChannelConfig::default());
        told(&mut channel);
        if channel.handle(&now, Input::Flush).is_err() {
            assert_eq!(state, State::Flushing);
            continue;
        }
        assert_eq!(told(&mut channel), ["FlushOutputData"], "{state}");
        channel.handle(&now, Input::Sent(channel.unsent_len())).expect("all is sent");
        assert!(told(&mut channel).contains(&"Flushed".to_owned()), "{state}");
    }
}

#[test]
fn at_the_drain_deadline_every_state_closes() {
    let config = ChannelConfig { drain_deadline: Some(Duration::from_secs(7)), ..without_deadlines() };
    for &state in State::ALL.iter().filter(|state| **state != State::Upgraded) {
        let mut channel = reach(state, &config);
        let at = |millis| Now::new(Moment::from_millis(millis), &Date::EPOCH);
        // A closed channel takes neither.
        let _ = channel.handle(&at(0), Input::GoOut);
        let _ = channel.handle(&at(7_000), Input::Tick);
        told(&mut channel);
        // Who waits is answered 503 first.
        let expected = if state == State::WaitResponse { State::Closing } else { State::Closed };
        assert_eq!(channel.state(), expected, "from {state}");
    }
}
