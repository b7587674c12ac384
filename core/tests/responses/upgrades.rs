//! 101 and CONNECT: the connection is handed over, or goes on in HTTP if the response refuses.

use std::panic::{AssertUnwindSafe, catch_unwind};

use httpfsm::channel::{Input, State, Step, WorkerBuffers};
use httpfsm::response::{BodyRef, ResponseRef};
use httpfsm::time::{Date, Moment, Now};
use httpfsm::{CloseReason, Fields, Status};

use crate::rig::{GET, Rig, Seen, statuses};
use crate::support::Content::{Declared, DeclaredStream, Empty, Known, Slice, Unknown};
use crate::support::{
    CONNECT, GET_10, GET_10_KEEP, GET_CLOSE, ORIGIN, UPGRADE, fields, refuses, response_to,
};

#[test]
fn an_accepted_upgrade_hands_over_what_came_behind_the_request() {
    let mut rig = Rig::new();
    rig.rx([UPGRADE, "GET /first"].concat());
    rig.respond(Status::SWITCHING_PROTOCOLS, &fields(&[("Upgrade", "echo")]), BodyRef::Empty);
    assert_eq!(rig.state(), State::Handover);
    rig.rx(" bytes");
    assert_eq!(rig.seen(), [Seen::Request("GET /".into())]);
    assert_eq!(
        rig.wire(),
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: upgrade\r\n\r\n"
    );
    assert_eq!(rig.seen(), [Seen::Upgraded("GET /first bytes".into())]);
    assert_eq!(rig.state(), State::Upgraded);
    refuses(&mut rig, Input::RxData(b"x"));
    rig.input(Input::Disconnected);
    assert_eq!(rig.seen(), [Seen::Closed(CloseReason::Upgraded)]);
}

/// The peer may end the other protocol before the application was told that it has begun: what was read is not lost.
#[test]
fn what_came_for_the_other_protocol_is_handed_over_also_if_the_connection_ends_first() {
    let mut rig = Rig::new();
    rig.rx([UPGRADE, "first"].concat());
    rig.respond(Status::SWITCHING_PROTOCOLS, &fields(&[("Upgrade", "echo")]), BodyRef::Empty);
    rig.seen();
    let now = Now::new(Moment::START, &Date::EPOCH);
    let n = rig.channel.unsent_len();
    // No output is taken between the two.
    rig.channel.handle(&now, Input::Sent(n)).expect("the head of the 101 has left");
    rig.channel.handle(&now, Input::Disconnected).expect("the other protocol has ended");
    rig.input(Input::Tick);
    assert_eq!(rig.seen(), [Seen::Upgraded("first".into()), Seen::Closed(CloseReason::Upgraded)]);
    assert!(rig.channel.waits_for().is_empty());
    rig.channel.take_back(&mut WorkerBuffers::new());
    assert_eq!(rig.channel.buffered(), 0);
}

/// Half-way in a step nobody knows what is right, so nothing is handed over.
#[test]
fn a_panic_after_a_hand_over_that_was_not_told_hands_nothing_over() {
    let mut rig = Rig::new();
    rig.rx([UPGRADE, "first"].concat());
    rig.respond(Status::SWITCHING_PROTOCOLS, &fields(&[("Upgrade", "echo")]), BodyRef::Empty);
    rig.seen();
    let now = Now::new(Moment::START, &Date::EPOCH);
    let n = rig.channel.unsent_len();
    rig.channel.handle(&now, Input::Sent(n)).expect("the head of the 101 has left");
    let mut panics = |_: &Step| panic!("out of cheese");
    let leave = rig.channel.leave(Moment::START);
    let caught =
        catch_unwind(AssertUnwindSafe(|| rig.channel.handle_with(&now, Input::GoOut(leave), &mut panics)));
    assert!(caught.is_err());
    rig.input(Input::Tick);
    assert_eq!(rig.seen(), [Seen::Reset, Seen::Closed(CloseReason::Aborted)]);
}

#[test]
fn a_refused_upgrade_parses_on() {
    let mut rig = Rig::new();
    rig.rx([UPGRADE, "GET /next HTTP/1.1\r\nHost: a\r\n\r\n"].concat());
    assert_eq!(rig.seen(), [Seen::Request("GET /".into())]);
    rig.ok("no");
    assert_eq!(rig.seen(), [Seen::Request("GET /next".into())]);
    rig.respond(
        Status::UPGRADE_REQUIRED,
        &fields(&[("Connection", "upgrade"), ("Upgrade", "echo")]),
        BodyRef::Empty,
    );
    let wire = rig.wire();
    assert_eq!(statuses(&wire), ["200", "426"]);
    assert!(wire.contains("Upgrade: echo\r\n") && wire.contains("Connection: upgrade\r\n"), "{wire}");
    assert_eq!(rig.state(), State::Idle);
}

#[test]
fn a_response_that_offers_protocols_has_the_upgrade_option_beside_any_other() {
    let offer = fields(&[("Upgrade", "echo")]);
    let with_option = fields(&[("Upgrade", "echo"), ("Connection", "upgrade")]);
    let and_close = fields(&[("Upgrade", "echo"), ("Connection", "close, upgrade")]);
    for (request, offers, options) in [
        (GET, &[&offer, &with_option][..], "upgrade"),
        (GET, &[&and_close], "close, upgrade"),
        (GET_CLOSE, &[&offer, &with_option, &and_close], "close, upgrade"),
        (GET_10, &[&offer, &with_option, &and_close], "close, upgrade"),
        (GET_10_KEEP, &[&offer, &with_option], "keep-alive, upgrade"),
        (CONNECT, &[&offer, &with_option], "close, upgrade"),
    ] {
        for offer in offers {
            let mut rig = Rig::new();
            rig.rx(request).respond(Status::UPGRADE_REQUIRED, offer, BodyRef::Empty);
            let expected =
                format!("Upgrade: echo\r\n{ORIGIN}Connection: {options}\r\nContent-Length: 0\r\n\r\n");
            let wire = rig.wire();
            assert!(wire.ends_with(&expected), "{request:?} {offer:?}: {wire}");
        }
    }
}

#[test]
fn a_request_that_asks_for_no_upgrade_is_not_handed_over() {
    for request in [
        GET.to_owned(),
        UPGRADE.replace("1.1", "1.0"),
        UPGRADE.replace("Connection: upgrade\r\n", ""),
        UPGRADE.replace("Upgrade: echo\r\n", ""),
    ] {
        let mut rig = Rig::new();
        rig.rx(&request);
        let protocol = fields(&[("Upgrade", "echo")]);
        let switch = rig.try_respond(Status::SWITCHING_PROTOCOLS, &protocol, BodyRef::Empty);
        assert!(switch.is_err(), "{request}");
        assert_eq!(rig.state(), State::WaitResponse);
    }
}

#[test]
fn a_head_that_offers_protocols_and_is_no_last_word_has_the_upgrade_option_too() {
    let offer = fields(&[("Upgrade", "echo")]);
    let mut rig = Rig::new();
    rig.rx(GET).input(Input::Informational(Status::EARLY_HINTS, &offer));
    assert_eq!(rig.wire(), "HTTP/1.1 103 Early Hints\r\nUpgrade: echo\r\nConnection: upgrade\r\n\r\n");
    let mut rig = Rig::new();
    rig.rx(CONNECT).respond(Status::OK, &offer, BodyRef::Empty);
    let wire = rig.wire();
    assert!(wire.ends_with(&format!("Upgrade: echo\r\n{ORIGIN}Connection: upgrade\r\n\r\n")), "{wire}");
}

#[test]
fn a_101_that_names_no_protocol_is_not_accepted() {
    let mut rig = Rig::new();
    rig.rx(UPGRADE);
    for nameless in [Fields::new(), fields(&[("Connection", "upgrade")])] {
        assert!(rig.try_respond(Status::SWITCHING_PROTOCOLS, &nameless, BodyRef::Empty).is_err());
    }
    assert_eq!((rig.state(), rig.wire().as_str()), (State::WaitResponse, ""));
    rig.respond(Status::SWITCHING_PROTOCOLS, &fields(&[("Upgrade", "echo")]), BodyRef::Empty);
    assert_eq!(rig.state(), State::Handover);
}

#[test]
fn an_upgrade_with_a_body_is_handed_over_when_the_body_was_read() {
    let mut rig = Rig::new();
    let protocol = fields(&[("Upgrade", "echo")]);
    rig.rx(UPGRADE.replace("Host: a\r\n", "Host: a\r\nContent-Length: 5\r\n") + "hello");
    assert!(rig.try_respond(Status::SWITCHING_PROTOCOLS, &protocol, BodyRef::Empty).is_err());
    rig.demand(5).rx("left").respond(Status::SWITCHING_PROTOCOLS, &protocol, BodyRef::Empty).send_all();
    assert_eq!(rig.seen().pop(), Some(Seen::Upgraded("left".into())));
}

#[test]
fn an_accepted_connect_hands_over_without_framing() {
    for content in [Empty, Slice, Declared, Known, DeclaredStream, Unknown] {
        let (wire, state) = response_to(CONNECT, 200, content);
        assert_eq!(
            (wire, state),
            (format!("HTTP/1.1 200 OK\r\n{ORIGIN}\r\n"), State::Upgraded),
            "{content:?}"
        );
    }
    let mut rig = Rig::new();
    rig.rx([CONNECT, "\x16\x03"].concat()).ok("").send_all();
    assert_eq!(rig.seen(), [Seen::Request("CONNECT a:1".into()), Seen::Upgraded("\x16\x03".into())]);
}

#[test]
fn a_refused_connect_closes_and_what_follows_is_not_parsed() {
    let mut rig = Rig::new();
    rig.rx([CONNECT, GET].concat()).respond(Status::FORBIDDEN, &Fields::new(), BodyRef::Slice(b"no"));
    let wire = rig.wire();
    assert!(wire.contains("\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno"), "{wire}");
    assert_eq!(rig.seen()[1..], [Seen::CloseWrite]);
}

/// A list whose elements are all empty names no protocol (RFC 9110 sections 5.6.1.2 and 7.8), in either direction.
#[test]
fn an_upgrade_to_nothing_is_none() {
    for list in ["", ",", " , ,"] {
        let mut rig = Rig::new();
        rig.rx(format!("GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade:{list}\r\n\r\n"));
        let echo = fields(&[("Upgrade", "echo")]);
        let body = BodyRef::Empty;
        let switch = ResponseRef { status: Status::SWITCHING_PROTOCOLS, fields: &echo, body };
        refuses(&mut rig, Input::HttpResponse(switch));

        let mut rig = Rig::new();
        rig.rx(UPGRADE);
        let nothing = fields(&[("Upgrade", list)]);
        let switch = ResponseRef { status: Status::SWITCHING_PROTOCOLS, fields: &nothing, body };
        refuses(&mut rig, Input::HttpResponse(switch));
    }
}
