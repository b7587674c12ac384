//! Contract 3: any call order is safe.

use proptest::prelude::*;

use super::application::Script;
use super::caller::{Call, Caller, View, steps};
use super::cases;
use super::limits::{Limits, limits};
use super::messages::traffic;
use super::model::Model;
use httpfsm::channel::{Input, State};

proptest! {
    #![proptest_config(cases(256))]

    /// No call panics, and a call that is refused changes nothing beyond the tick: neither what can be asked, nor
    /// what cannot.
    ///
    /// Fails if a refused input grants credit.
    #[test]
    fn a_refused_call_changes_nothing(traffic in traffic(), limits in limits(), steps in steps()) {
        let mut caller = Caller::new(&limits.config(), &traffic);
        for (n, step) in steps.iter().enumerate() {
            caller.pass(step.wait);
            caller.tick();
            // Showing everything takes long.
            let show = |caller: &Caller| {
                (n % 3 == 0 && caller.channel.buffered() < 2048).then(|| format!("{:?}", caller.channel))
            };
            if matches!(step.call, Call::Read(_)) {
                // Asking for room to read to may make some.
                caller.channel.spare();
            }
            let before = (View::of(&caller.channel), show(&caller));
            let outcome = caller.call(&step.call);
            if outcome.result.is_err() {
                let after = (View::of(&caller.channel), show(&caller));
                prop_assert_eq!(before, after, "{:?} changed something", step);
            }
        }
    }

    /// An input at a moment is a tick at that moment, then the input.
    ///
    /// Fails if the tick before an input is left out.
    #[test]
    fn an_input_is_first_a_tick(traffic in traffic(), limits in limits(), steps in steps()) {
        let mut plain = Caller::new(&limits.config(), &traffic);
        let mut ticked = Caller::new(&limits.config(), &traffic);
        for mut step in steps {
            // What depends on a question is asked before the tick, or after it.
            step.call = match step.call {
                Call::Read(n) => Call::RxData(n),
                Call::SentAll => Call::Sent(plain.channel.unsent_len()),
                call => call,
            };
            let input = !matches!(step.call, Call::Outputs(_) | Call::Forget | Call::Spare);
            if input {
                ticked.pass(step.wait);
                ticked.tick();
                let outcome = ticked.call(&step.call);
                prop_assert_eq!(plain.step(&step), (outcome, View::of(&ticked.channel)), "{:?}", step);
            } else {
                prop_assert_eq!(plain.call(&step.call), ticked.call(&step.call), "{:?}", step);
            }
        }
    }

    /// A moment in the past counts as the latest one that was seen.
    ///
    /// Found: the age of a connection judged by a moment in the past.
    #[test]
    fn time_that_goes_back_stands_still(traffic in traffic(), limits in limits(), steps in steps(), back in 1u64..9_000) {
        let config = httpfsm::ChannelConfig {
            connection_age: Some(std::time::Duration::from_secs(5)),
            ..limits.config()
        };
        let mut steady = Caller::new(&config, &traffic);
        let mut jumping = Caller::new(&config, &traffic);
        let mut latest = 0;
        for (n, step) in steps.iter().enumerate() {
            steady.pass(step.wait);
            steady.at = steady.at.max(latest);
            latest = steady.at;
            steady.tick();
            jumping.at = latest;
            jumping.tick();
            if n % 2 == 0 {
                jumping.at = latest.saturating_sub(back);
            }
            prop_assert_eq!(steady.call(&step.call), jumping.call(&step.call), "{:?}", step);
            prop_assert_eq!(View::of(&steady.channel), View::of(&jumping.channel), "{:?}", step);
        }
    }
}

/// Room to read to that was offered is void when the buffer goes that it was in.
///
/// Found: an RxRead into a store that was let go, then a panic.
#[test]
fn an_offer_does_not_outlive_its_buffer() {
    let mut model = Model::new(&Limits::Usual.config(), &[Script::Early]);
    model.feed(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    while model.take_output() {}
    model.act();
    let n = model.channel.spare().len();
    assert!(n > 0);
    model.send(usize::MAX);
    assert_eq!(model.channel.state(), State::Idle);
    assert!(model.handle(Input::RxRead(n)).is_err());
    model.feed(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(model.channel.state(), State::WaitResponse);
}

/// What was read after the end of input cannot be: it is refused, whichever way it comes.
///
/// Found: an RxRead was taken behind the end of input.
#[test]
fn nothing_is_read_behind_the_end_of_input() {
    let mut model = Model::new(&Limits::Usual.config(), &[Script::Early]);
    model.feed(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(!model.channel.spare().is_empty());
    model.handle(Input::RxEnd).expect("the end of input is taken in WaitResponse");
    assert!(model.handle(Input::RxRead(1)).is_err());
    assert!(model.handle(Input::RxData(b"x")).is_err());
    assert!(model.handle(Input::RxEnd).is_err());
}
