//! The deadlines that `GoOut` starts.

use std::time::Duration;

use httpfsm::channel::{Input, Leave, State};
use httpfsm::time::Moment;
use httpfsm::{CloseReason, Rule};

use crate::rig::{GET, Rig, Seen, Setup, post, seconds, statuses};
use crate::support::{never_passes, pass_at, refused};

#[test]
fn an_idle_connection_has_a_grace_when_the_server_goes_out() {
    let mut rig = Rig::new();
    rig.rx(GET).ok("").send_all();
    rig.clock(10_000).go_out();
    assert_eq!(pass_at(&mut rig, 11_000), [Seen::Drop, Seen::Closed(CloseReason::Drained)]);
}

#[test]
fn a_request_within_the_grace_gets_a_response_that_says_close() {
    let mut rig = Rig::new();
    rig.rx(GET).ok("").send_all().go_out();
    rig.wire();
    rig.clock(999).rx(GET).ok("last");
    let wire = rig.wire();
    assert!(wire.contains("Connection: close\r\n") && wire.ends_with("last"), "{wire}");
    assert_eq!(rig.close_reason(), CloseReason::Drained);
}

#[test]
fn going_out_again_moves_the_deadlines() {
    let mut rig = Rig::new();
    rig.rx(GET).ok("").send_all().go_out();
    rig.clock(500).go_out();
    assert_eq!(rig.deadline(), Some(1_500));
    let at = Moment::from_millis(700);
    rig.input(Input::GoOut(Leave { idle_until: Moment::NEVER, fresh_until: Moment::NEVER, cut_at: at }));
    assert_eq!(pass_at(&mut rig, 700), [Seen::Drop, Seen::Closed(CloseReason::Drained)]);
}

/// Like `linger_timeout` and `discard_timeout`, a time of zero is at once; `None` is until the drain deadline.
#[test]
fn a_drain_grace_of_zero_closes_an_idle_connection_at_once() {
    let mut rig = Rig::with(|config| config.drain_grace = Some(Duration::ZERO));
    rig.rx(GET).ok("").send_all().clock(500).go_out();
    assert_eq!(rig.close_reason(), CloseReason::Drained);
}

/// A response that is made at the last moment has a second to leave, whatever the grace is.
#[test]
fn the_503_of_the_drain_deadline_leaves_even_without_a_grace() {
    let mut rig = Rig::with(|config| config.drain_grace = Some(Duration::ZERO));
    rig.rx(GET).go_out();
    assert_eq!(pass_at(&mut rig, 30_000), [Seen::Refused(Rule::Draining)]);
    assert_eq!(statuses(&rig.wire()), ["503"]);
}

/// Its first request may be on its way, so it has a second even without a grace; but it does not hold up a drain.
#[test]
fn a_fresh_connection_has_the_grace_and_a_second_at_least_for_its_request() {
    for (grace, until) in [(0, 1_000), (1_000, 1_000), (2_500, 2_500)] {
        let grace = Some(Duration::from_millis(grace));
        let mut rig = Rig::with(|config| config.drain_grace = grace);
        rig.go_out();
        assert_eq!(pass_at(&mut rig, until), [Seen::Drop, Seen::Closed(CloseReason::Drained)]);
        let mut rig = Rig::with(|config| config.drain_grace = grace);
        rig.go_out().clock(until - 1).rx(GET).ok("last");
        assert!(rig.wire().ends_with("last"), "a request within the time");
        assert_eq!(rig.close_reason(), CloseReason::Drained);
    }
}

#[test]
fn without_a_drain_grace_an_idle_connection_stays_to_the_drain_deadline() {
    let mut rig = Rig::with(|config| config.drain_grace = None);
    rig.rx(GET).ok("").send_all().go_out();
    assert_eq!(pass_at(&mut rig, 30_000), [Seen::Drop, Seen::Closed(CloseReason::Drained)]);
}

#[test]
fn empty_lines_hold_no_drain() {
    let mut rig = Rig::new();
    rig.rx(GET).ok("").send_all().rx("\r\n").go_out();
    assert_eq!(pass_at(&mut rig, 1_000), [Seen::Drop, Seen::Closed(CloseReason::Drained)]);
    let mut rig = Rig::new();
    rig.rx("\r\n").go_out();
    assert_eq!(pass_at(&mut rig, 1_000), [Seen::Drop, Seen::Closed(CloseReason::Drained)]);
    // The server goes out while the request before them is responded to.
    let mut rig = Rig::new();
    rig.rx(GET.to_owned() + "\r\n").go_out().ok("last");
    assert!(rig.wire().ends_with("last"));
    assert_eq!(rig.close_reason(), CloseReason::Drained);
}

#[test]
fn at_the_drain_deadline_a_request_without_a_response_gets_503() {
    let mut rig = Rig::new();
    rig.rx(GET).clock(1_000).go_out();
    assert_eq!(pass_at(&mut rig, 31_000), [Seen::Refused(Rule::Draining)]);
    assert_eq!(statuses(&rig.wire()), ["503"]);
    assert_eq!(rig.close_reason(), refused(Rule::Draining, 0));
}

#[test]
fn at_the_drain_deadline_half_a_head_gets_503_behind_the_responses_before() {
    let mut rig = only_drain_deadlines();
    rig.rx(GET).ok("first").rx("GET / HT").clock(1_000).go_out();
    assert_eq!(pass_at(&mut rig, 31_000), [Seen::Refused(Rule::Draining)]);
    assert_eq!(statuses(&rig.wire()), ["200", "503"]);
    assert_eq!(rig.close_reason(), refused(Rule::Draining, 8));
}

#[test]
fn the_drain_deadline_cuts_every_other_state() {
    let states: [(State, Setup); 3] = [
        (State::Responding, |rig| rig.rx(GET).stream(None)),
        (State::Flushing, |rig| rig.rx(GET.repeat(2)).ok(&"x".repeat(1024))),
        (State::Handover, |rig| rig.rx("CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n").ok("")),
    ];
    for (state, setup) in states {
        let mut rig = only_drain_deadlines();
        setup(&mut rig);
        rig.go_out();
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
    rig.rx(last).ok("").go_out();
    assert_eq!(rig.state(), State::Closing);
    assert_eq!(pass_at(&mut rig, 30_000), [Seen::Reset, Seen::Closed(CloseReason::DrainTimeout)]);

    let mut rig = only_drain_deadlines();
    rig.rx(last).ok("").send_all().go_out();
    assert_eq!(rig.state(), State::Lingering);
    assert_eq!(pass_at(&mut rig, 30_000), [Seen::Drop, Seen::Closed(CloseReason::RequestedByPeer)]);
}

#[test]
fn the_503_of_the_drain_deadline_has_the_grace_to_leave() {
    let mut rig = only_drain_deadlines();
    rig.rx(GET).go_out().tick(30_000);
    assert_eq!(rig.state(), State::Closing);
    let seen = pass_at(&mut rig, 31_000);
    assert!(seen.contains(&Seen::Reset), "{seen:?}");

    let mut rig = only_drain_deadlines();
    rig.rx(GET).go_out().tick(30_000).clock(30_500);
    assert_eq!(statuses(&rig.wire()), ["503"]);
    assert_eq!(rig.state(), State::Lingering);
    pass_at(&mut rig, 31_500);
    assert_eq!(rig.state(), State::Closed);
}

/// What leaves has its grace from when it began to, also if that was before the server went out: a later cut never cuts
/// earlier.
#[test]
fn a_later_cut_never_ends_a_response_that_leaves_earlier() {
    let setups: [(State, Setup); 2] = [
        (State::Closing, |rig| rig.rx("GET / HTTP/1.0\r\n\r\n").ok("")),
        (State::Lingering, |rig| rig.rx("GET / HTTP/1.0\r\n\r\n").ok("").send_all()),
    ];
    for (state, setup) in setups {
        let ends = [0, 99, 100, 101, 150, 151, 1_100, 1_101, 5_000].map(|cut_at| {
            let mut rig = only_drain_deadlines();
            setup(rig.clock(100));
            assert_eq!(rig.state(), state);
            let never = Moment::NEVER;
            let cut_at = Moment::from_millis(cut_at);
            rig.clock(150).input(Input::GoOut(Leave { idle_until: never, fresh_until: never, cut_at }));
            rig.deadline()
        });
        assert_eq!(
            ends,
            [1_100, 1_100, 1_100, 1_100, 1_100, 1_100, 1_100, 1_101, 5_000].map(Some),
            "{state}"
        );
    }
}

#[test]
fn going_out_ends_a_discard_at_once() {
    let mut rig = only_drain_deadlines();
    rig.rx(post(9)).ok("").go_out();
    assert_eq!(rig.state(), State::Closing);
    rig.send_all().input(Input::RxEnd);
    assert_eq!(rig.seen().pop(), Some(Seen::Closed(CloseReason::Drained)));
}

#[test]
fn a_rest_that_is_discarded_does_not_outlive_the_drain_deadline() {
    let mut rig = Rig::with(|config| config.discard_timeout = seconds(1_000));
    rig.rx(post(9)).demand(1).stream(None);
    rig.go_out().finish().send_all();
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
    rig.rx(GET).go_out();
    never_passes(&mut rig);
    rig.ok("at last");
    assert!(rig.wire().contains("Connection: close"));
}

#[test]
fn an_upgraded_connection_has_no_deadline_of_ours() {
    let mut rig = Rig::new();
    rig.rx("CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n").ok("").send_all();
    rig.go_out();
    never_passes(&mut rig);
}

/// Nothing of it is cut, whichever of its deadlines comes first.
#[test]
fn a_fresh_connection_is_drained_at_the_drain_deadline_as_an_idle_one() {
    let mut rig = Rig::new();
    let cut_at = Moment::from_millis(500);
    rig.input(Input::GoOut(Leave { idle_until: Moment::NEVER, fresh_until: Moment::NEVER, cut_at }));
    assert_eq!(pass_at(&mut rig, 500), [Seen::Drop, Seen::Closed(CloseReason::Drained)]);
}
