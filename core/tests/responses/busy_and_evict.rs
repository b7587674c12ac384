//! What the server decides about a channel: `Busy` and `Evict`.

use httpfsm::channel::{Input, State};
use httpfsm::time::{Date, Moment, Now};
use httpfsm::{CloseReason, Rule};

use crate::rig::{GET, Rig, Seen, Setup, post, statuses};
use crate::support::refuses;

#[test]
fn a_busy_server_responds_503_and_the_connection_goes_on() {
    let mut rig = Rig::new();
    rig.rx(GET.repeat(2)).input(Input::Busy);
    assert_eq!(
        rig.seen(),
        [Seen::Request("GET /".into()), Seen::Refused(Rule::Busy), Seen::Request("GET /".into())]
    );
    rig.ok("served");
    let wire = rig.wire();
    assert_eq!(statuses(&wire), ["503", "200"]);
    assert!(!wire.contains("close"), "{wire}");
    assert_eq!(rig.state(), State::Idle);
    assert_eq!(rig.channel.stats().refused, 1);
}

#[test]
fn a_busy_server_refuses_only_a_request_that_waits() {
    let mut rig = Rig::new();
    refuses(&mut rig, Input::Busy);
    rig.rx(GET).stream(None);
    refuses(&mut rig, Input::Busy);
}

#[test]
fn an_evicted_connection_closes_when_it_is_idle() {
    let mut rig = Rig::new();
    rig.rx(GET).ok("").send_all();
    rig.seen();
    rig.input(Input::Evict);
    assert_eq!(rig.seen(), [Seen::Drop, Seen::Closed(CloseReason::Evicted)]);
}

#[test]
fn a_connection_that_is_busy_when_evicted_finishes_first() {
    let setups: [Setup; 3] = [
        |rig| rig.input(Input::Evict).rx(GET),
        |rig| rig.rx("GET").input(Input::Evict).rx(&GET[3..]),
        |rig| rig.rx(GET).input(Input::Evict),
    ];
    for setup in setups {
        let mut rig = Rig::new();
        setup(&mut rig);
        rig.ok("last");
        let wire = rig.wire();
        assert!(wire.contains("\r\nConnection: close\r\n") && wire.ends_with("last"), "{wire}");
        assert_eq!(rig.close_reason(), CloseReason::Evicted);
    }
    let mut rig = Rig::new();
    rig.rx(GET).stream(None).input(Input::Evict).write("all").finish();
    assert!(rig.wire().ends_with("3\r\nall\r\n0\r\n\r\n"));
    assert_eq!(rig.close_reason(), CloseReason::Evicted);
    let mut rig = Rig::new();
    rig.rx(GET).ok("all").input(Input::Evict);
    assert!(rig.wire().ends_with("all"));
    assert_eq!(rig.close_reason(), CloseReason::Evicted);
}

#[test]
fn each_request_that_a_busy_server_refuses_is_told() {
    let mut rig = Rig::new();
    rig.rx(GET.repeat(3));
    let now = Now::new(Moment::START, &Date::EPOCH);
    // Two verdicts before anybody asks what came out.
    for _ in 0..2 {
        rig.channel.handle(&now, Input::Busy).unwrap();
    }
    rig.input(Input::Tick).ok("x");
    let refused = Seen::Refused(Rule::Busy);
    assert_eq!(rig.seen().iter().filter(|&seen| *seen == refused).count(), 2);
    assert_eq!(statuses(&rig.wire()), ["503", "503", "200"]);
}

/// A request that has its response is no request that could be refused.
#[test]
fn a_busy_server_has_nothing_to_refuse_after_a_response() {
    for setup in [
        (|rig| rig.rx(post(5)).ok("")) as Setup,
        |rig| rig.rx(GET).ok(""),
        |rig| rig.rx(GET).ok("").send_all(),
        |rig| rig.rx(GET).stream(None),
        |rig| rig,
    ] {
        let mut rig = Rig::new();
        setup(&mut rig);
        refuses(&mut rig, Input::Busy);
    }
}
