//! The fields that the channel adds to a response head, and the version in its status line.

use httpfsm::channel::{Input, State};
use httpfsm::response::{BodyRef, ResponseRef};
use httpfsm::time::{Date, Moment, Now};
use httpfsm::{CloseReason, Fields, Status};

use crate::rig::{GET, Rig, Seen};
use crate::support::{GET_10, fields};

#[test]
fn http_1_2_to_1_9_get_an_http_1_1_response() {
    for minor in 2..=9 {
        let mut rig = Rig::new();
        rig.rx(format!("GET / HTTP/1.{minor}\r\nHost: a\r\n\r\n")).stream(None).write("a").finish();
        let wire = rig.wire();
        assert!(wire.starts_with("HTTP/1.1 200 OK\r\n") && wire.ends_with("0\r\n\r\n"), "{wire}");
        assert_eq!(rig.state(), State::Idle);
    }
}

#[test]
fn the_identity_is_sent_as_server_and_an_empty_one_is_not() {
    for (identity, line) in [
        ("httpfsm/1.0 (test)", "Server: httpfsm/1.0 (test)\r\n"),
        ("", ""),
        // Nothing in a configuration can end a field line.
        ("a\r\nX: y", "Server: aX: y\r\n"),
    ] {
        let mut rig = Rig::with(|config| config.identity = identity.into());
        rig.rx(GET).ok("");
        let date = "Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n";
        assert_eq!(rig.wire(), format!("HTTP/1.1 200 OK\r\n{line}{date}Content-Length: 0\r\n\r\n"));
    }
}

#[test]
fn a_server_field_of_the_application_stays_alone() {
    let own = fields(&[("Server", "app")]);
    for request in [GET, GET_10] {
        let mut rig = Rig::new();
        rig.rx(request).respond(Status::OK, &own, BodyRef::Empty);
        let wire = rig.wire();
        assert!(wire.contains("Server: app\r\nDate: "), "{wire}");
        assert_eq!(wire.matches("Server:").count(), 1);
        assert!(!wire.contains("Via"), "an origin server is no intermediary: {wire}");
    }
}

#[test]
fn the_date_is_the_one_given_with_the_input_and_a_date_of_the_application_stays() {
    let date = Date::new(*b"Sun, 06 Nov 1994 08:49:37 GMT").unwrap();
    let mut rig = Rig::new();
    rig.rx(GET);
    let plain = Fields::new();
    let response = ResponseRef::new(Status::OK, &plain, b"");
    rig.channel.handle(&Now::new(Moment::START, &date), Input::HttpResponse(response)).unwrap();
    assert!(rig.wire().contains("\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n"));
    rig.rx(GET).respond(Status::OK, &fields(&[("Date", "today")]), BodyRef::Empty);
    let wire = rig.wire();
    assert!(wire.contains("\r\nDate: today\r\n") && wire.matches("Date").count() == 1, "{wire}");
}

#[test]
fn the_application_can_ask_for_the_close() {
    let mut rig = Rig::new();
    rig.rx(GET.repeat(2)).respond(Status::OK, &fields(&[("Connection", "close")]), BodyRef::Slice(b"x"));
    rig.seen();
    let wire = rig.wire();
    assert!(wire.contains("\r\nConnection: close\r\n") && wire.ends_with("\r\n\r\nx"), "{wire}");
    assert_eq!(rig.seen(), [Seen::CloseWrite]);
    assert_eq!(rig.close_reason(), CloseReason::RequestedByApplication);
}
