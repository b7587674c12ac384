//! Expect: 100-continue: when the 100 is sent, and what a response without it means for the connection.

use httpfsm::{BodyRef, CloseReason, Fields, Input, Rule, State, Status};

use crate::rig::{GET, Rig, Seen, post, statuses};

/// A POST that waits for a 100 before it sends `length` bytes.
fn expect(length: usize) -> String {
    format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\nExpect: 100-continue\r\n\r\n")
}

#[test]
fn the_first_demand_sends_the_100_once() {
    let mut rig = Rig::new();
    rig.rx(expect(5));
    assert_eq!(rig.wire(), "");
    rig.demand(2);
    assert_eq!(rig.wire(), "HTTP/1.1 100 Continue\r\n\r\n");
    rig.demand(3).input(Input::Continue);
    assert_eq!(rig.wire(), "");
    rig.rx("hello");
    rig.seen();
    rig.ok("");
    assert_eq!(statuses(&rig.wire()), ["200"]);
    assert_eq!(rig.state(), State::Idle);
}

#[test]
fn the_application_can_send_the_100_before_it_reads() {
    let mut rig = Rig::new();
    rig.rx(expect(5)).input(Input::Continue);
    assert_eq!(rig.wire(), "HTTP/1.1 100 Continue\r\n\r\n");
    rig.demand(5).input(Input::Continue);
    assert_eq!(rig.wire(), "");
}

#[test]
fn each_request_gets_its_own_100_in_order() {
    let mut rig = Rig::new();
    for _ in 0..3 {
        rig.rx(expect(1)).demand(1);
        assert_eq!(rig.wire(), "HTTP/1.1 100 Continue\r\n\r\n");
        rig.rx("x").ok("");
        rig.wire();
    }
    // Behind another response it waits its turn.
    rig.rx(GET).rx(expect(1)).ok("first").demand(1);
    let wire = rig.wire();
    assert!(wire.ends_with("\r\n\r\nfirstHTTP/1.1 100 Continue\r\n\r\n"), "{wire}");
}

#[test]
fn no_100_is_sent_that_nobody_waits_for() {
    for request in [
        // Bytes of the body came already.
        expect(5) + "h",
        expect(5) + "hello",
        // HTTP/1.0 knows none.
        expect(5).replace("HTTP/1.1", "HTTP/1.0"),
        // There is no body.
        expect(0),
        post(5),
        GET.into(),
    ] {
        let mut rig = Rig::new();
        rig.rx(&request).demand(5);
        assert_eq!(rig.wire(), "", "{request}");
        assert_eq!(rig.state(), State::WaitResponse);
    }
}

#[test]
fn a_demand_of_nothing_asks_for_nothing() {
    let mut rig = Rig::new();
    rig.rx(expect(5)).demand(0);
    assert_eq!(rig.wire(), "");
    assert!(rig.channel.request().is_some());
}

#[test]
fn an_expectation_that_gets_a_response_without_its_100_closes() {
    for status in [Status::OK, Status::EXPECTATION_FAILED, Status::CONTENT_TOO_LARGE] {
        // Whether the client sent the body nevertheless cannot be known from what has arrived.
        for sent in ["", "hello", "GET / HTTP/1.1\r\nHost: evil\r\n\r\n"] {
            let mut rig = Rig::new();
            rig.rx(expect(34) + sent).respond(status, &Fields::new(), BodyRef::Empty);
            assert!(rig.wire().contains("\r\nConnection: close\r\n"), "{status} {sent:?}");
            assert_eq!(rig.close_reason(), CloseReason::BodyUnread);
        }
    }
}

#[test]
fn an_expectation_without_a_body_does_not_close() {
    let mut rig = Rig::new();
    rig.rx(expect(0)).ok("");
    assert!(!rig.wire().contains("close"));
    assert_eq!(rig.state(), State::Idle);
}

#[test]
fn after_its_100_an_expectation_is_an_ordinary_body() {
    let mut rig = Rig::new();
    rig.rx(expect(5)).input(Input::Continue).ok("early");
    assert!(!rig.wire().contains("close"));
    assert_eq!(rig.state(), State::Discard);
    rig.rx("hello");
    assert_eq!(rig.state(), State::Idle);
}

#[test]
fn an_unknown_expectation_gets_417() {
    let mut rig = Rig::new();
    rig.rx("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nExpect: a-miracle\r\n\r\nx");
    assert_eq!(rig.seen(), [Seen::Refused(Rule::Expectation)]);
    assert_eq!(statuses(&rig.wire()), ["417"]);
}

#[test]
fn a_response_that_goes_on_closes_if_the_peer_still_waits_for_its_100() {
    let head = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n";
    for (body, close) in [("", true), ("hello", false)] {
        let mut rig = Rig::new();
        rig.rx(head).rx(body);
        if !body.is_empty() {
            rig.demand(5);
        }
        rig.stream(None);
        let wire = rig.wire();
        assert_eq!(wire.contains("Connection: close"), close, "{wire}");
    }
}
