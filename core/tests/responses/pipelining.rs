//! Several requests on a connection: their responses leave in order, and one request at a time is delivered.

use httpfsm::channel::State;
use httpfsm::{CloseReason, Rule};

use crate::rig::{GET, Rig, Seen, statuses};
use crate::support::{GET_CLOSE, HEAD, ORIGIN};

#[test]
fn responses_leave_in_the_order_of_their_requests_whatever_their_framing() {
    let mut rig = Rig::new();
    rig.rx([GET, HEAD, GET, GET].concat());
    rig.ok("1").ok("2").stream(None).write("3").finish().ok("4");
    let head = |framing: &str| format!("HTTP/1.1 200 OK\r\n{ORIGIN}{framing}\r\n\r\n");
    assert_eq!(
        rig.wire(),
        [
            &head("Content-Length: 1"),
            "1",
            &head("Content-Length: 1"),
            &head("Transfer-Encoding: chunked"),
            "1\r\n3\r\n0\r\n\r\n",
            &head("Content-Length: 1"),
            "4"
        ]
        .concat()
    );
}

#[test]
fn a_streamed_response_holds_the_next_request_back() {
    let mut rig = Rig::new();
    rig.rx(GET.repeat(2)).stream(None);
    rig.seen();
    rig.write("a").send_all();
    assert_eq!((rig.seen(), rig.state()), (vec![], State::Responding));
    rig.finish();
    assert_eq!(rig.seen(), [Seen::Request("GET /".into())]);
}

#[test]
fn nothing_is_served_after_a_request_that_asked_for_the_close() {
    let mut rig = Rig::new();
    rig.rx([GET_CLOSE, GET].concat()).ok("x");
    assert_eq!(rig.seen(), [Seen::Request("GET /".into())]);
    assert_eq!(statuses(&rig.wire()), ["200"]);
    assert_eq!(rig.close_reason(), CloseReason::RequestedByPeer);
}

#[test]
fn a_bad_request_behind_a_pending_response_is_refused_after_it() {
    let mut rig = Rig::new();
    rig.rx([GET, "BAD\r\n\r\n", GET].concat());
    assert_eq!(rig.seen(), [Seen::Request("GET /".into())]);
    rig.stream(None).write("good").finish();
    assert_eq!(rig.seen(), [Seen::Refused(Rule::RequestLine)]);
    let wire = rig.wire();
    assert_eq!(statuses(&wire), ["200", "400"]);
    assert!(wire.contains("4\r\ngood\r\n0\r\n\r\nHTTP/1.1 400 "), "{wire}");
    assert_eq!(rig.seen(), [Seen::CloseWrite]);
}
