//! The table of the channel, walked: every pair, every way, every deadline.

#[path = "contracts/states.rs"]
mod states;

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::time::Duration;

use httpfsm::channel::{
    Action, CompiledConfig, DEADLINES, Deadline, Event, Input, Internal, Leave, MACHINE, MATRIX, REFUSALS,
    ROWS, RunsWhile, State, Timeout, deadline_of,
};
use httpfsm::fsm::{Act, Cause, Label};
use httpfsm::time::{Date, Moment, Now};
use httpfsm::{Channel, ChannelConfig, CloseReason};
use states::reach;

/// The states that rows lead to from one, itself included.
fn reachable(from: State) -> BTreeSet<usize> {
    let mut found = BTreeSet::from([from.index()]);
    loop {
        let before = found.len();
        let ways = ROWS.iter().filter_map(|row| row.next.map(|next| (row.states, next)));
        let reached = ways.filter(|(states, _)| states.iter().any(|state| found.contains(&state.index())));
        found.extend(reached.map(|(_, next)| next.index()).collect::<Vec<_>>());
        if found.len() == before {
            return found;
        }
    }
}

/// The parameter of a deadline.
fn parameter(timeout: Timeout, config: &mut ChannelConfig) -> &mut Option<Duration> {
    match timeout {
        Timeout::FirstByte => &mut config.first_byte_timeout,
        Timeout::Head => &mut config.head_timeout,
        Timeout::Inactivity => &mut config.inactivity_timeout,
        Timeout::Responseless => &mut config.responseless_timeout,
        Timeout::StreamIdle => &mut config.stream_idle_timeout,
        Timeout::PeerEnded => &mut config.peer_ended_timeout,
        Timeout::Discard => &mut config.discard_timeout,
        Timeout::Linger => &mut config.linger_timeout,
        Timeout::Body => &mut config.body_timeout,
        Timeout::Write => &mut config.write_timeout,
        Timeout::DrainGrace => &mut config.drain_grace,
        Timeout::DrainDeadline => &mut config.drain_deadline,
        other => panic!("{other} has no parameter here"),
    }
}

fn without_deadlines() -> ChannelConfig {
    let mut config = ChannelConfig::default();
    for &timeout in Timeout::ALL {
        // Without these two the states that they belong to do not exist.
        if !matches!(timeout, Timeout::Discard | Timeout::Linger) {
            *parameter(timeout, &mut config) = None;
        }
    }
    config
}

#[test]
fn every_pair_of_a_state_and_an_input_is_a_row_or_a_refusal() {
    for &state in State::ALL {
        for &event in Event::ALL {
            let of_pair = |row: &&httpfsm::fsm::Row<State, Event, Internal, Action>| {
                row.states.contains(&state) && row.causes.contains(&Cause::Input(event))
            };
            let rows = ROWS.iter().filter(of_pair).count();
            let refusals = REFUSALS.iter().filter(|refusal| refusal.state == state);
            let refusals = refusals.filter(|refusal| refusal.events.contains(&event)).count();
            assert_eq!(rows + refusals, 1, "({state}, {event})");
            assert_eq!(MATRIX.on(state, event).is_some(), rows == 1, "({state}, {event})");
        }
    }
}

#[test]
fn every_event_and_every_action_is_used() {
    let causes = || ROWS.iter().flat_map(|row| row.causes);
    for &event in Event::ALL {
        assert!(causes().any(|cause| *cause == Cause::Input(event)), "{event} is refused everywhere");
        assert!(MACHINE.inputs.iter().any(|input| input.event == event), "{event} has no direction");
    }
    for &event in Internal::ALL {
        assert!(causes().any(|cause| *cause == Cause::Internal(event)), "{event} has no row");
    }
    let used: Vec<String> = ROWS.iter().flat_map(|row| row.actions).map(Act::name).collect();
    for name in Action::NAMES {
        let is_used = used.iter().any(|one| one.split('(').next() == Some(name));
        assert!(is_used, "{name} is never done");
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
        assert!(MATRIX.on(state, Event::Tick).is_some(), "{state} takes no tick");
        let lost = MATRIX.on(state, Event::Disconnected).map(|step| step.next);
        assert_eq!(lost, (state != State::Closed).then_some(State::Closed), "{state}");
    }
}

#[test]
fn after_the_end_of_input_no_state_waits_for_input() {
    for &state in State::ALL {
        let ended = MATRIX.on(state, Event::RxEnd).is_some();
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
            Input::CheckPipeline,
            Input::Tick,
            Input::HttpResponse(httpfsm::response::ResponseRef::new(httpfsm::Status::OK, &fields, b"x")),
            Input::Write(httpfsm::channel::Data::Slice(b"x")),
            Input::Flush,
            // Whether a response is complete is no question of the state.
            Input::Finish(None),
            Input::Continue,
            Input::Informational(httpfsm::Status::EARLY_HINTS, &fields),
            Input::BodyDemand(1),
            Input::BodyForgone,
            Input::Abort(None),
            Input::GoOut(leave(&ChannelConfig::default())),
        ]
    };
    assert_eq!(inputs().len(), Event::ALL.len());
    let now = Now::new(Moment::START, &Date::EPOCH);
    for &state in State::ALL {
        for input in inputs() {
            let mut channel = reach(state, &ChannelConfig::default());
            while channel.next_output().is_some() {}
            let event = input.event();
            let before = format!("{channel:?}");
            let result = channel.handle(&now, input);
            assert_eq!(result.is_ok(), MATRIX.on(state, event).is_some(), "({state}, {event})");
            if let Err(refused) = result {
                assert_eq!((refused.state, refused.event, refused.unmet), (state, event, None));
                assert_eq!(format!("{channel:?}"), before, "({state}, {event}) changed something");
            }
        }
    }
}

/// The times of a server that goes out when the channel opens.
fn leave(config: &ChannelConfig) -> Leave {
    CompiledConfig::new(config).leave(Moment::START)
}

/// The state in which a deadline runs; `None`: it may run in several.
fn only_state(deadline: &Deadline) -> Option<State> {
    match deadline.runs {
        RunsWhile::In(state)
        | RunsWhile::Awaiting(state)
        | RunsWhile::AwaitingBehindEnd(state)
        | RunsWhile::Leaving(state) => Some(state),
        _ => None,
    }
}

/// A deadline that runs in one state has a row there, and elsewhere only if it runs there, too.
#[test]
fn deadlines_have_rows_where_they_run() {
    for deadline in DEADLINES {
        let event = deadline.event;
        let same = || DEADLINES.iter().filter(|other| other.event == event);
        for &state in State::ALL {
            let row = MATRIX.then(state, event).is_some();
            match same().map(only_state).collect::<Option<Vec<State>>>() {
                Some(states) => assert_eq!(row, states.contains(&state), "({state}, {event})"),
                None => assert!(same().count() == 1, "{event} runs in one state and in several"),
            }
        }
    }
    for &state in State::ALL {
        let place =
            MACHINE.positions.iter().find(|place| place.state == state).expect("each state has a place");
        let own = DEADLINES.iter().find(|deadline| Some(deadline.event) == deadline_of(state));
        let named = own.map_or("", |own| own.timeout.meaning());
        let drawn = place.deadline.split(',').next().unwrap_or_default();
        assert_eq!(if drawn == "write" { "" } else { drawn }, named, "{state} is drawn otherwise");
    }
}

/// With one deadline configured, it runs in exactly the states that have a row for it (and output to send, or a body
/// to await), at its moment, and its passing is that row.
#[test]
fn each_deadline_runs_where_the_table_says() {
    let start = Now::new(Moment::START, &Date::EPOCH);
    for Deadline { event, timeout, .. } in DEADLINES {
        for &state in State::ALL {
            let mut config = without_deadlines();
            *parameter(*timeout, &mut config) = Some(Duration::from_secs(7));
            let mut channel = reach(state, &config);
            while channel.next_output().is_some() {}
            let has_request = matches!(state, State::WaitResponse | State::HeadHeld | State::Responding);
            if *event == Internal::BodyTimeout && has_request {
                channel.handle(&start, Input::BodyDemand(9)).expect("the body can be asked for");
            }
            if *event == Internal::PeerEndedTimeout && has_request {
                channel.handle(&start, Input::RxEnd).expect("the input can end");
            }
            if matches!(event, Internal::DrainGrace | Internal::DrainTimeout)
                && channel.handle(&start, Input::GoOut(leave(&config))).is_err()
            {
                continue;
            }
            // Going out ends some states at once.
            let state = channel.state();
            if matches!(state, State::Discard | State::Lingering) && deadline_of(state) != Some(*event) {
                // A deadline of their own always runs beside it.
                continue;
            }
            let own = MATRIX.then(state, *event).is_some();
            let seven = Moment::from_millis(7000);
            assert_eq!(channel.deadline(), own.then_some(seven), "({state}, {event})");
            if own {
                let early = Now::new(Moment::from_millis(6999), &Date::EPOCH);
                channel.handle(&early, Input::Tick).expect("a tick is always taken");
                assert_eq!(channel.state(), state, "{event} passed too early");
                channel.handle(&Now::new(seven, &Date::EPOCH), Input::Tick).expect("a tick is always taken");
                assert_ne!(channel.deadline(), Some(seven), "{event} did not pass in {state}");
                // Only a slow body leaves a response that has begun where it is.
                let stays = (state, *event) == (State::Responding, Internal::BodyTimeout);
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
            (Input::CheckPipeline, State::ALL),
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

    // The response promised to go on; the rest of the body comes first.
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
fn a_flush_is_told_in_every_state_in_which_a_response_leaves() {
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
        while channel.next_output().is_some() {}
        let at = |millis| Now::new(Moment::from_millis(millis), &Date::EPOCH);
        // A closed channel takes neither.
        let _ = channel.handle(&at(0), Input::GoOut(leave(&config)));
        let _ = channel.handle(&at(7_000), Input::Tick);
        let told = told(&mut channel);
        let closed = |reason: CloseReason| told.contains(&format!("HttpChannelClosed({reason:?})"));
        match state {
            // A request that waits, or has begun, gets a 503 first.
            State::Head | State::WaitResponse | State::HeadHeld => {
                assert_eq!(channel.state(), State::Closing, "from {state}: {told:?}");
                continue;
            }
            // Nothing is cut where no head has begun.
            State::Fresh | State::Idle => assert!(closed(CloseReason::Drained), "from {state}: {told:?}"),
            State::Responding | State::Flushing => {
                assert!(closed(CloseReason::DrainTimeout), "from {state}: {told:?}");
            }
            _ => {}
        }
        assert_eq!(channel.state(), State::Closed, "from {state}");
    }
}
