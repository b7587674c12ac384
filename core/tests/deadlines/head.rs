//! The deadlines of a connection without a request: first byte, head, inactivity.

use httpfsm::channel::State;
use httpfsm::{CloseReason, Rule};

use crate::rig::{GET, Rig, Seen, seconds};
use crate::support::{never_passes, pass_at, refused};

#[test]
fn a_connection_that_sends_nothing_is_closed_in_silence() {
    let mut rig = Rig::new();
    let seen = pass_at(&mut rig, 30_000);
    assert_eq!(seen, [Seen::Drop, Seen::Closed(CloseReason::FirstByteTimeout)]);
    assert_eq!(rig.wire(), "");
    assert_eq!(rig.state(), State::Closed);
}

#[test]
fn without_a_first_byte_timeout_a_silent_connection_stays() {
    let mut rig = Rig::with(|config| config.first_byte_timeout = None);
    never_passes(&mut rig);
    assert_eq!(rig.state(), State::Fresh);
}

#[test]
fn a_head_that_is_late_gets_408() {
    let mut rig = Rig::new();
    rig.clock(7_000).rx("GET / HTTP/1.1\r\n");
    let seen = pass_at(&mut rig, 37_000);
    assert_eq!(seen, [Seen::Refused(Rule::HeadTimeout)]);
    assert_eq!(rig.state(), State::Closing);
    let wire = rig.wire();
    assert!(wire.starts_with("HTTP/1.1 408 Request Timeout\r\n"), "{wire}");
    assert!(wire.contains("\r\nConnection: close\r\n"), "{wire}");
    assert_eq!(rig.close_reason(), refused(Rule::HeadTimeout, 16));
}

#[test]
fn a_byte_now_and_then_does_not_move_the_deadline_of_a_head() {
    let mut rig = Rig::new();
    rig.rx("GET / HTTP/1.1\r\nHost: a\r\nX: ");
    for second in 1..30 {
        rig.clock(second * 1000).rx("x");
        assert_eq!(rig.deadline(), Some(30_000), "after {second} s");
    }
    assert_eq!(pass_at(&mut rig, 30_000), [Seen::Refused(Rule::HeadTimeout)]);
}

#[test]
fn empty_lines_move_no_deadline_and_get_no_response() {
    for lines in ["\r", "\r\n", "\r\n\r\n\r\n\r\n", "\r\n\r\n\r\n\r\n\r"] {
        let mut rig = Rig::new();
        rig.clock(5_000).rx(lines);
        let seen = pass_at(&mut rig, 30_000);
        assert_eq!(seen, [Seen::Drop, Seen::Closed(CloseReason::FirstByteTimeout)], "{lines:?}");
        assert_eq!(rig.wire(), "", "{lines:?}");
        // Between requests it is the connection that is idle.
        let mut rig = Rig::with(|config| config.inactivity_timeout = seconds(75));
        rig.rx(GET).ok("").wire();
        for (at, byte) in lines.bytes().enumerate() {
            rig.clock(7_000 * (at as u64 + 1)).rx([byte]);
        }
        let seen = pass_at(&mut rig, 75_000);
        assert_eq!(seen, [Seen::Drop, Seen::Closed(CloseReason::InactivityTimeout)], "{lines:?}");
        assert_eq!(rig.wire(), "", "{lines:?}");
    }
}

#[test]
fn a_head_behind_empty_lines_has_its_time_from_its_own_first_byte_on() {
    let mut rig = Rig::new();
    rig.clock(5_000).rx("\r\n").clock(29_000).rx("\r\nG");
    assert_eq!(pass_at(&mut rig, 59_000), [Seen::Refused(Rule::HeadTimeout)]);
    let mut rig = Rig::new();
    rig.rx(GET).ok("").send_all();
    rig.clock(5_000).rx("\r\n").clock(90_000).rx("G");
    assert_eq!(pass_at(&mut rig, 120_000), [Seen::Refused(Rule::HeadTimeout)]);
}

#[test]
fn a_second_head_has_a_deadline_of_its_own() {
    let mut rig = Rig::new();
    rig.rx(GET).ok("").send_all();
    rig.clock(50_000).rx("G");
    assert_eq!(pass_at(&mut rig, 80_000), [Seen::Refused(Rule::HeadTimeout)]);
}

#[test]
fn a_head_that_waited_behind_a_response_has_its_time_from_then_on() {
    let mut rig = Rig::new();
    rig.rx(GET).clock(100_000).rx("GET /2 HT");
    rig.clock(200_000).ok("").send_all();
    assert_eq!(rig.state(), State::Head);
    assert_eq!(pass_at(&mut rig, 230_000), [Seen::Refused(Rule::HeadTimeout)]);
}

#[test]
fn without_a_head_timeout_a_head_may_take_for_ever() {
    let mut rig = Rig::with(|config| config.head_timeout = None);
    rig.rx("GET / HTTP/1.1\r\n");
    never_passes(&mut rig);
    rig.rx("Host: a\r\n\r\n");
    assert_eq!(rig.state(), State::WaitResponse);
}

#[test]
fn an_idle_connection_is_closed_in_silence() {
    let mut rig = Rig::with(|config| config.inactivity_timeout = seconds(75));
    rig.clock(1_000).rx(GET).ok("");
    rig.clock(2_000);
    rig.wire();
    assert_eq!(rig.state(), State::Idle);
    let seen = pass_at(&mut rig, 77_000);
    assert_eq!(seen, [Seen::Drop, Seen::Closed(CloseReason::InactivityTimeout)]);
    assert_eq!(rig.wire(), "");
}

#[test]
fn the_default_of_inactivity_is_five_hours() {
    let mut rig = Rig::new();
    rig.rx(GET).ok("").send_all();
    assert_eq!(pass_at(&mut rig, 18_000_000).len(), 2);
}

#[test]
fn each_request_restarts_inactivity() {
    let mut rig = Rig::with(|config| config.inactivity_timeout = seconds(10));
    for round in 0..5 {
        rig.clock(round * 9_000).rx(GET).ok("").send_all();
        assert_eq!(rig.deadline(), Some(round * 9_000 + 10_000));
    }
}

#[test]
fn without_an_inactivity_timeout_an_idle_connection_stays() {
    let mut rig = Rig::with(|config| config.inactivity_timeout = None);
    rig.rx(GET).ok("").send_all();
    never_passes(&mut rig);
    assert_eq!(rig.state(), State::Idle);
}
