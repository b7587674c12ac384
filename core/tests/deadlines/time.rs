//! The order of deadlines and input, and clocks that go backwards.

use std::time::Duration;

use httpfsm::Rule;
use httpfsm::channel::{Input, State};

use crate::rig::{GET, Rig, Seen};
use crate::support::{FOR_EVER, pass_at};

#[test]
fn a_deadline_that_has_passed_comes_before_the_input() {
    let mut rig = Rig::new();
    rig.rx("GET / HTTP/1.1\r\n");
    let error = rig.clock(30_000).try_input(Input::RxData(b"Host: a\r\n\r\n")).unwrap_err();
    assert_eq!(error.state, State::Closing);
    assert_eq!(rig.seen(), [Seen::Refused(Rule::HeadTimeout)]);
}

#[test]
fn an_input_a_millisecond_before_its_deadline_is_in_time() {
    let mut rig = Rig::new();
    rig.rx("GET / HTTP/1.1\r\n").clock(29_999).rx("Host: a\r\n\r\n");
    assert_eq!(rig.seen(), [Seen::Request("GET /".into())]);
}

#[test]
fn time_that_goes_backwards_stands_still() {
    let mut rig = Rig::new();
    rig.clock(20_000).rx("G");
    rig.tick(0).clock(10).rx("ET");
    assert_eq!(rig.deadline(), Some(50_000));
    assert_eq!(pass_at(&mut rig, 50_000), [Seen::Refused(Rule::HeadTimeout)]);
}

#[test]
fn a_tick_without_a_deadline_due_changes_nothing() {
    let mut rig = Rig::new();
    rig.rx(GET);
    rig.seen();
    for millis in [0, 1, 1, 17_999_999] {
        rig.tick(millis);
        assert_eq!(
            (rig.seen(), rig.state(), rig.deadline()),
            (vec![], State::WaitResponse, Some(18_000_000))
        );
    }
}

#[test]
fn a_timeout_longer_than_time_never_passes() {
    let mut rig = Rig::with(|config| config.first_byte_timeout = Some(Duration::MAX));
    rig.tick(FOR_EVER);
    assert_eq!(rig.state(), State::Fresh);
}
