//! `GoOut`: the last response of each connection while the server goes out of service.

use httpfsm::CloseReason;
use httpfsm::channel::State;

use crate::rig::{GET, Rig, statuses};
use crate::support::{CONNECT, GET_CLOSE};

#[test]
fn a_fresh_connection_may_still_make_one_request_when_the_server_goes_out() {
    for head in ["", "GET"] {
        let mut rig = Rig::new();
        rig.rx(head).go_out();
        rig.rx(&GET[head.len()..]).ok("last");
        let wire = rig.wire();
        assert!(wire.contains("\r\nConnection: close\r\n") && wire.ends_with("last"), "{wire}");
        assert_eq!(rig.close_reason(), CloseReason::Drained);
    }
}

#[test]
fn a_request_that_waits_when_the_server_goes_out_gets_a_response_with_close() {
    let mut rig = Rig::new();
    rig.rx(GET.repeat(2)).go_out().ok("last");
    let wire = rig.wire();
    assert_eq!(statuses(&wire), ["200"]);
    assert!(wire.contains("\r\nConnection: close\r\n"), "{wire}");
    assert_eq!(rig.close_reason(), CloseReason::Drained);
}

#[test]
fn a_response_that_runs_when_the_server_goes_out_is_finished() {
    let mut rig = Rig::new();
    rig.rx(GET).stream(None).go_out().write("all").finish();
    assert!(rig.wire().ends_with("3\r\nall\r\n0\r\n\r\n"));
    assert_eq!(rig.close_reason(), CloseReason::Drained);
}

#[test]
fn a_response_that_leaves_when_the_server_goes_out_leaves() {
    let mut rig = Rig::new();
    rig.rx(GET).ok("all").go_out();
    assert_eq!(rig.state(), State::Closing);
    assert!(rig.wire().ends_with("all"));
    assert_eq!(rig.close_reason(), CloseReason::Drained);
}

#[test]
fn a_handover_is_finished_when_the_server_goes_out() {
    let mut rig = Rig::new();
    rig.rx(CONNECT).ok("").go_out().send_all();
    assert_eq!(rig.state(), State::Upgraded);
    rig.go_out();
    assert_eq!(rig.state(), State::Upgraded);
}

#[test]
fn closing_and_lingering_go_on_when_the_server_goes_out() {
    let mut rig = Rig::new();
    rig.rx(GET_CLOSE).ok("all").go_out();
    assert_eq!(rig.state(), State::Closing);
    assert!(rig.wire().ends_with("all"));
    rig.go_out();
    assert_eq!(rig.state(), State::Lingering);
    assert_eq!(rig.close_reason(), CloseReason::RequestedByPeer);
}
