//! The deadlines that `GoOut` starts.

use httpfsm::{CloseReason, Input, Rule, State};

use crate::rig::{GET, Rig, Seen, Setup, post, seconds, statuses};
use crate::support::{never_passes, pass_at, refused};

#[test]
fn an_idle_connection_has_a_grace_when_the_server_goes_out() {
    let mut rig = Rig::new();
    rig.rx(GET).ok("").send_all();
    rig.clock(10_000).input(Input::GoOut);
    assert_eq!(pass_at(&mut rig, 11_000), [Seen::Drop, Seen::Closed(CloseReason::Drained)]);
}

#[test]
fn a_request_within_the_grace_gets_a_response_that_says_close() {
    let mut rig = Rig::new();
    rig.rx(GET).ok("").send_all().input(Input::GoOut);
    rig.wire();
    rig.clock(999).rx(GET).ok("last");
    let wire = rig.wire();
    assert!(wire.contains("Connection: close\r\n") && wire.ends_with("last"), "{wire}");
    assert_eq!(rig.close_reason(), CloseReason::Drained);
}

#[test]
fn going_out_twice_does_not_move_the_deadlines() {
    let mut rig = Rig::new();
    rig.rx(GET).ok("").send_all().input(Input::GoOut);
    rig.clock(500).input(Input::GoOut);
    assert_eq!(rig.deadline(), Some(1_000));
}

#[test]
fn without_a_drain_grace_an_idle_connection_stays_to_the_drain_deadline() {
    let mut rig = Rig::with(|config| config.drain_grace = None);
    rig.rx(GET).ok("").send_all().input(Input::GoOut);
    assert_eq!(pass_at(&mut rig, 30_000), [Seen::Drop, Seen::Closed(CloseReason::Drained)]);
}

#[test]
fn at_the_drain_deadline_a_request_without_a_response_gets_503() {
    let mut rig = Rig::new();
    rig.rx(GET).clock(1_000).input(Input::GoOut);
    assert_eq!(pass_at(&mut rig, 31_000), [Seen::Refused(Rule::Draining)]);
    assert_eq!(statuses(&rig.wire()), ["503"]);
    assert_eq!(rig.close_reason(), refused(Rule::Draining, 0));
}

#[test]
fn the_drain_deadline_cuts_every_other_state() {
    let states: [(State, Setup); 5] = [
        (State::Fresh, |rig| rig),
        (State::Head, |rig| rig.rx("GET")),
        (State::Responding, |rig| rig.rx(GET).stream(None)),
        (State::Flushing, |rig| rig.rx(GET.repeat(2)).ok(&"x".repeat(1024))),
        (State::Handover, |rig| rig.rx("CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n").ok("")),
    ];
    for (state, setup) in states {
        let mut rig = only_drain_deadlines();
        setup(&mut rig);
        rig.input(Input::GoOut);
        assert_eq!(rig.state(), state);
        let seen = pass_at(&mut rig, 30_000);
        assert_eq!(seen.last(), Some(&Seen::Closed(CloseReason::DrainTimeout)), "in {state:?}");
        assert_eq!(rig.state(), State::Closed);
    }
}

/// A channel that only the drain deadline ends.
fn only_drain_deadlines() -> Rig {
    Rig::with(|config| {
        config.first_byte_timeout = None;
        config.head_timeout = None;
        config.write_timeout = None;
        config.linger_timeout = seconds(1_000);
        config.discard_timeout = seconds(1_000);
        config.stream_idle_timeout = None;
        config.output_high_water = 1024;
    })
}

#[test]
fn the_drain_deadline_ends_what_closes_already() {
    let last = "GET / HTTP/1.0\r\n\r\n";
    let mut rig = only_drain_deadlines();
    rig.rx(last).ok("").input(Input::GoOut);
    assert_eq!(rig.state(), State::Closing);
    assert_eq!(pass_at(&mut rig, 30_000), [Seen::Reset, Seen::Closed(CloseReason::DrainTimeout)]);

    let mut rig = only_drain_deadlines();
    rig.rx(last).ok("").send_all().input(Input::GoOut);
    assert_eq!(rig.state(), State::Lingering);
    assert_eq!(pass_at(&mut rig, 30_000), [Seen::Drop, Seen::Closed(CloseReason::RequestedByPeer)]);
}

#[test]
fn the_503_of_the_drain_deadline_has_the_grace_to_leave() {
    let mut rig = only_drain_deadlines();
    rig.rx(GET).input(Input::GoOut).tick(30_000);
    assert_eq!(rig.state(), State::Closing);
    let seen = pass_at(&mut rig, 31_000);
    assert!(seen.contains(&Seen::Reset), "{seen:?}");

    let mut rig = only_drain_deadlines();
    rig.rx(GET).input(Input::GoOut).tick(30_000).clock(30_500);
    assert_eq!(statuses(&rig.wire()), ["503"]);
    assert_eq!(rig.state(), State::Lingering);
    pass_at(&mut rig, 31_500);
    assert_eq!(rig.state(), State::Closed);
}

#[test]
fn going_out_ends_a_discard_at_once() {
    let mut rig = only_drain_deadlines();
    rig.rx(post(9)).ok("").input(Input::GoOut);
    assert_eq!(rig.state(), State::Closing);
    rig.send_all().input(Input::RxEnd);
    assert_eq!(rig.seen().pop(), Some(Seen::Closed(CloseReason::Drained)));
}

#[test]
fn a_rest_that_is_discarded_does_not_outlive_the_drain_deadline() {
    let mut rig = Rig::with(|config| config.discard_timeout = seconds(1_000));
    rig.rx(post(9)).demand(1).stream(None);
    rig.input(Input::GoOut).finish().send_all();
    assert!(rig.deadline().unwrap() <= 30_000, "{:?} until {:?}", rig.state(), rig.deadline());
    rig.tick(30_000);
    assert_eq!(rig.state(), State::Closed);
}

#[test]
fn without_a_drain_deadline_the_drain_waits() {
    let mut rig = Rig::with(|config| {
        config.drain_deadline = None;
        config.responseless_timeout = None;
    });
    rig.rx(GET).input(Input::GoOut);
    never_passes(&mut rig);
    rig.ok("at last");
    assert!(rig.wire().contains("Connection: close"));
}

#[test]
fn an_upgraded_connection_has_no_deadline_of_ours() {
    let mut rig = Rig::new();
    rig.rx("CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n").ok("").send_all();
    rig.input(Input::GoOut);
    never_passes(&mut rig);
}
