//! Contract 5: a channel without output says what it waits for, and whoever obeys gets further.

use proptest::prelude::*;

use super::application::{Script, scripts};
use super::cases;
use super::choices::{Choices, choices};
use super::limits::limits;
use super::messages::traffic;
use super::model::Model;
use super::states::reach;
use httpfsm::ChannelConfig;
use httpfsm::channel::{Input, State, Waits};
use httpfsm::fsm::Label;
use httpfsm::time::Moment;

/// The most steps from the end of input to Closed, the application's own aside.
const STEPS: usize = 16;

proptest! {
    #![proptest_config(cases(256))]

    /// What a channel waits for is what takes it further; it waits for nothing only when it is closed.
    ///
    /// Fails if Head does not say that it waits for input.
    #[test]
    fn what_is_waited_for_is_what_helps(
        bytes in traffic(),
        limits in limits(),
        scripts in scripts(),
        order in choices(),
        turns in 0usize..200,
    ) {
        let mut model = Model::new(&limits.config(), &scripts);
        let mut choices = Choices::new(&order);
        let mut at = 0;
        for _ in 0..turns {
            turn(&mut model, &bytes, &mut at, &mut choices);
        }
        while model.take_output() {}
        let waits = model.channel.waits_for();
        prop_assert_eq!(waits.is_empty(), model.channel.is_closed(), "{:?} in {:?}", waits, model.channel.state());
        prop_assert_eq!(waits.input(), model.channel.input_room() > 0);
        prop_assert_eq!(waits.room(), !model.channel.unsent().is_empty());
        prop_assert_eq!(waits.deadline(), model.channel.deadline().is_some());
        if waits.application() {
            let served = [State::WaitResponse, State::Responding, State::Upgraded];
            prop_assert!(served.contains(&model.channel.state()));
        }
        let ways = usize::from(waits.input()) + usize::from(waits.room()) + usize::from(waits.deadline());
        if ways == 0 {
            return Ok(());
        }
        match choices.next() % 3 {
            0 if waits.input() && choices.next() % 2 == 0 => model.handle(Input::RxEnd).expect("input is waited for"),
            0 if waits.input() => model.handle(Input::RxData(b"G")).expect("input is waited for"),
            1 if waits.room() => prop_assert!(model.send(1)),
            _ => {
                let Some(due) = model.channel.deadline() else { return Ok(()) };
                prop_assert!(due.as_millis() > model.at, "{:?} has passed already", due);
                model.at = due.as_millis();
                model.handle(Input::Tick).expect("a tick is always taken");
                // Nobody is woken up again for the same moment.
                prop_assert!(model.channel.deadline().is_none_or(|next| next > due), "still due: {due:?}");
            }
        }
    }

    /// Deadlines alone end every channel: none is left waiting for ever, and no deadline comes round for ever.
    ///
    /// Fails if Head has no deadline.
    #[test]
    fn a_silent_peer_and_a_silent_application_come_to_an_end(
        bytes in traffic(),
        limits in limits(),
        scripts in scripts(),
        order in choices(),
        turns in 0usize..200,
    ) {
        let mut model = Model::new(&limits.config(), &scripts);
        let (mut choices, mut at) = (Choices::new(&order), 0);
        for _ in 0..turns {
            turn(&mut model, &bytes, &mut at, &mut choices);
        }
        for _ in 0..STEPS {
            while model.take_output() {}
            match model.channel.deadline() {
                Some(due) => model.at = due.as_millis(),
                None => break,
            }
            model.handle(Input::Tick).expect("a tick is always taken");
        }
        let state = model.channel.state();
        prop_assert!(matches!(state, State::Closed | State::Upgraded), "left in {state:?}");
    }

    /// From the end of input, wherever it comes, Closed is a few steps away, and no more input is waited for.
    ///
    /// Found: a partial head behind a pending response that was never refused.
    #[test]
    fn the_end_of_input_is_the_end_of_the_channel(
        bytes in traffic(),
        limits in limits(),
        scripts in scripts(),
        order in choices(),
        turns in 0usize..200,
    ) {
        let mut model = Model::new(&limits.config(), &scripts);
        let (mut choices, mut at) = (Choices::new(&order), 0);
        for _ in 0..turns {
            turn(&mut model, &bytes, &mut at, &mut choices);
        }
        let from = model.channel.state();
        if model.handle(Input::RxEnd).is_err() {
            prop_assert!(matches!(from, State::Upgraded | State::Closed), "the end of input is refused in {from:?}");
            return Ok(());
        }
        let mut steps = 1;
        while !model.channel.is_closed() || model.channel.has_output() {
            prop_assert!(!model.channel.waits_for().input(), "input after its end, from {from:?}");
            if model.take_output() || model.send(usize::MAX) {
                steps += 1;
                prop_assert!(steps <= STEPS, "more than {STEPS} steps from {from:?} to Closed: {:?}", model.seen);
            } else if model.channel.state() == State::Upgraded {
                return Ok(());
            } else {
                prop_assert!(
                    model.channel.waits_for().application(),
                    "stuck in {:?} from {:?}: {:?}", model.channel.state(), from, model.seen
                );
                prop_assert!(model.act(), "the application has nothing to do: {:?}", model.seen);
                // Each response has steps of its own.
                steps = 0;
            }
        }
        prop_assert_eq!(model.channel.waits_for(), Waits::default());
    }
}

/// Somebody's turn, whoever it is.
pub(crate) fn turn(model: &mut Model, bytes: &[u8], at: &mut usize, choices: &mut Choices) {
    match choices.next() % 4 {
        0 => {
            let n = choices.amount().min(bytes.len() - *at);
            *at += model.feed(&bytes[*at..*at + n]);
        }
        1 => {
            model.take_output();
        }
        2 => {
            model.act();
        }
        _ => {
            model.send(choices.amount());
        }
    }
}

/// Two deadlines that have passed at once both count, and a time without end is no deadline that passes.
///
/// Found: deadlines that do not run passed at the end of time, and raised Tick for ever.
#[test]
fn the_end_of_time_is_harmless() {
    let limits = super::limits::Limits::Usual.config();
    for state in 0..3 {
        let config = httpfsm::ChannelConfig {
            first_byte_timeout: None,
            head_timeout: None,
            write_timeout: None,
            inactivity_timeout: None,
            ..limits.clone()
        };
        let mut model = Model::new(&config, &[Script::Early]);
        if state > 0 {
            model.feed(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
            while model.take_output() {}
            model.act();
        }
        if state > 1 {
            model.send(usize::MAX);
        }
        let before = model.channel.state();
        assert_eq!(model.channel.deadline(), None);
        model.at = u64::MAX;
        model.handle(Input::Tick).expect("a tick is always taken");
        assert_eq!(model.channel.state(), before);
        assert_eq!(model.channel.deadline(), None::<Moment>);
    }
}

/// The end of input in every state: what `the_end_of_input_is_the_end_of_the_channel` draws, one by one.
///
/// Found: a FIN in Discard that was not noted, so that the channel lingered for it.
#[test]
fn the_end_of_input_in_every_state() {
    let now = httpfsm::time::Now::new(Moment::START, &httpfsm::time::Date::EPOCH);
    for &state in State::ALL {
        let mut channel = reach(state, &ChannelConfig::default());
        while channel.next_output().is_some() {}
        let taken = channel.handle(&now, Input::RxEnd);
        if matches!(state, State::Upgraded | State::Closed) {
            assert!(taken.is_err(), "{state:?}");
            continue;
        }
        taken.expect("the end of input is taken");
        let mut steps = 1;
        while !channel.is_closed() || channel.has_output() {
            assert!(
                !channel.waits_for().input(),
                "input after its end, from {state:?} in {:?}",
                channel.state()
            );
            let sent = Input::Sent(channel.unsent_len());
            if channel.next_output().is_none() && channel.handle(&now, sent).is_err() {
                assert!(channel.waits_for().application(), "stuck in {:?} from {state:?}", channel.state());
                match channel.state() {
                    State::Upgraded => break,
                    _ => channel.handle(&now, Input::Abort(None)).expect("the application gives up"),
                }
            }
            steps += 1;
            assert!(steps <= STEPS, "more than {STEPS} steps from {state:?}");
        }
    }
}

/// At the drain deadline a request that still waits gets a response, which leaves.
///
/// Found: it was cut at the moment that made it.
#[test]
fn the_response_at_the_drain_deadline_can_leave() {
    let mut model = Model::new(&ChannelConfig::default(), &[]);
    model.feed(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let leave = model.channel.compiled_config().leave(Moment::START);
    model.handle(Input::GoOut(leave)).expect("going out is taken");
    model.at = 30_000;
    model.handle(Input::Tick).expect("a tick is always taken");
    assert_eq!(model.channel.state(), State::Closing);
    assert!(model.channel.unsent().starts_with(b"HTTP/1.1 503 "));
    // It has the grace of the drain for that.
    assert_eq!(model.channel.deadline(), Some(Moment::from_millis(31_000)));
    model.at = 31_000;
    model.handle(Input::Tick).expect("a tick is always taken");
    assert!(model.channel.is_closed());
}
