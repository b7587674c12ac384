//! The connection is lost: every state ends at once, and nothing follows.

use httpfsm::channel::{Condition, Event, Input, NotAccepted, State};
use httpfsm::time::Moment;
use httpfsm::{BodyError, CloseReason};

use crate::rig::{GET, Rig, Seen, Setup, post};
use crate::support::{CONNECT, GET_CLOSE, refuses};

#[test]
fn a_lost_connection_ends_every_state_and_says_so() {
    let setups: [(State, Setup); 10] = [
        (State::Fresh, |rig| rig),
        (State::Head, |rig| rig.rx("GET")),
        (State::Idle, |rig| rig.rx(GET).ok("").send_all()),
        (State::WaitResponse, |rig| rig.rx(GET)),
        (State::Responding, |rig| rig.rx(GET).stream(None)),
        (State::Discard, |rig| rig.rx(post(5)).ok("")),
        (State::Flushing, |rig| rig.rx(GET).ok("")),
        (State::Closing, |rig| rig.rx(GET_CLOSE).ok("")),
        (State::Handover, |rig| rig.rx(CONNECT).ok("")),
        (State::Lingering, |rig| rig.rx(GET_CLOSE).ok("").send_all()),
    ];
    for (state, setup) in setups {
        let mut rig = Rig::new();
        setup(&mut rig);
        assert_eq!(rig.state(), state);
        rig.seen();
        rig.input(Input::Disconnected);
        // Lingering has sent everything, and ends for the reason it lingers for.
        let expected = if state == State::Lingering {
            [Seen::Drop, Seen::Closed(CloseReason::RequestedByPeer)]
        } else {
            [Seen::Reset, Seen::Closed(CloseReason::Disconnected)]
        };
        let seen: Vec<_> =
            rig.seen().into_iter().filter(|seen| !matches!(seen, Seen::BodyFailed(_))).collect();
        assert_eq!(seen, expected, "in {state:?}");
        assert!(rig.channel.waits_for().is_empty(), "in {state:?}");
        assert_eq!((rig.channel.unsent_len(), rig.channel.buffered()), (0, 0), "in {state:?}");
    }
}

#[test]
fn with_fin_is_disconnect_the_end_of_input_is_a_lost_connection() {
    for setup in [(|rig| rig.rx(GET)) as Setup, |rig| rig.rx(GET).stream(None)] {
        let mut rig = Rig::with(|config| config.fin_is_disconnect = true);
        setup(&mut rig);
        rig.seen();
        rig.input(Input::RxEnd);
        assert_eq!(rig.seen(), [Seen::Reset, Seen::Closed(CloseReason::Disconnected)]);
    }
}

/// The refusal names what was sent, and one of the conditions that are listed for it.
#[test]
fn with_fin_is_disconnect_a_second_end_of_input_is_refused_as_one() {
    let mut rig = Rig::with(|config| {
        config.fin_is_disconnect = true;
        config.output_high_water = 1024;
    });
    // The second request is not parsed while the response to the first has no room, so the end comes before it does.
    rig.rx(GET.repeat(2)).ok(&"x".repeat(1024)).input(Input::RxEnd).send_all();
    assert_eq!(rig.state(), State::WaitResponse);
    let refused = NotAccepted::new(State::WaitResponse, Event::RxEnd, Some(Condition::InputIsOpen));
    assert_eq!(rig.try_input(Input::RxEnd), Err(refused));
    assert_eq!(rig.state(), State::WaitResponse);
}

#[test]
fn a_lost_connection_tells_the_reader_of_a_body() {
    let mut rig = Rig::new();
    rig.rx(post(5)).demand(5).rx("he");
    rig.seen();
    rig.input(Input::Disconnected);
    assert_eq!(
        rig.seen(),
        [Seen::BodyFailed(BodyError::Disconnected), Seen::Reset, Seen::Closed(CloseReason::Disconnected)]
    );
}

#[test]
fn nothing_follows_the_close() {
    let mut rig = Rig::new();
    rig.rx(GET).input(Input::Disconnected);
    rig.seen();
    let leave = rig.channel.compiled_config().leave(Moment::START);
    for input in [
        Input::RxData(b"x"),
        Input::RxEnd,
        Input::Sent(1),
        Input::Disconnected,
        Input::GoOut(leave),
        Input::CheckPipeline,
    ] {
        refuses(&mut rig, input);
    }
    rig.tick(1 << 40);
    assert_eq!(rig.seen(), []);
}

/// What a transport asks whose peer ends without the end of its protocol.
#[test]
fn between_messages_an_end_of_the_connection_cuts_nothing() {
    let setups: [(State, bool, Setup); 9] = [
        (State::Fresh, true, |rig| rig),
        (State::Fresh, true, |rig| rig.rx("\r\n")),
        (State::Idle, true, |rig| rig.rx(GET).ok("").send_all()),
        (State::Lingering, true, |rig| rig.rx(GET_CLOSE).ok("").send_all()),
        (State::Head, false, |rig| rig.rx("GET")),
        (State::WaitResponse, false, |rig| rig.rx(GET)),
        (State::Flushing, false, |rig| rig.rx(GET).ok("")),
        (State::Closing, false, |rig| rig.rx(GET_CLOSE).ok("")),
        (State::Responding, false, |rig| rig.rx(GET).stream(None).send_all()),
    ];
    for (state, is_between, setup) in setups {
        let mut rig = Rig::new();
        setup(&mut rig).seen();
        assert_eq!((rig.state(), rig.channel.is_between_messages()), (state, is_between));
    }
}
