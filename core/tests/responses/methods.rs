//! The methods of the specification, and `Channel::respond_with`.

use httpfsm::channel::{Condition, Data, Event, Input, State};
use httpfsm::response::{BodyRef, ResponseRef};
use httpfsm::time::{Date, Moment, Now};
use httpfsm::{CloseReason, Fields, Status};

use crate::rig::{GET, Rig, statuses};
use crate::support::{UPGRADE, fields};

#[test]
fn the_methods_of_the_specification_are_the_events_by_other_names() {
    let mut rig = Rig::new();
    rig.rx(GET.repeat(2));
    rig.seen();
    let now = Now::new(Moment::START, &Date::EPOCH);
    let plain = Fields::new();
    let channel = &mut rig.channel;
    let whole = ResponseRef::new(Status::OK, &plain, b"whole");
    channel.finish(&now, Some(whole)).unwrap();
    while channel.next_output().is_some() {}
    let head = ResponseRef { status: Status::OK, fields: &plain, body: BodyRef::Stream { length: None } };
    channel.handle(&now, Input::HttpResponse(head)).unwrap();
    channel.write(&now, Data::Slice(b"a")).unwrap();
    channel.flush(&now).unwrap();
    channel.finish(&now, None).unwrap();
    channel.go_out(&now).unwrap();
    assert_eq!(channel.write(&now, Data::Slice(b"b")).unwrap_err().event, Event::Write);
    let wire = rig.wire();
    assert_eq!(statuses(&wire), ["200", "200"]);
    assert!(wire.contains("whole") && wire.ends_with("1\r\na\r\n0\r\n\r\n"), "{wire}");
    assert_eq!(rig.close_reason(), CloseReason::Drained);
}

#[test]
fn a_response_can_be_made_from_its_request_without_a_copy() {
    let mut rig = Rig::new();
    rig.rx("GET /echo HTTP/1.1\r\nHost: a\r\n\r\n");
    let now = Now::new(Moment::START, &Date::EPOCH);
    let plain = Fields::new();
    let responded = rig.channel.respond_with(&now, |request, responder| {
        responder.respond(ResponseRef::new(Status::OK, &plain, request.target().as_bytes()));
    });
    assert_eq!(responded, Ok(true));
    assert!(rig.wire().ends_with("/echo"));
    let responded = rig.channel.respond_with(&now, |_, _| panic!("no request waits"));
    assert_eq!(responded, Ok(false));
}

/// What is planned for a response that borrows is what is planned for any other.
#[test]
fn a_response_that_borrows_waits_and_switches_as_any_other() {
    let now = Now::new(Moment::START, &Date::EPOCH);
    let (plain, echo) = (Fields::new(), fields(&[("Upgrade", "echo")]));
    let expecting = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n";
    let stream = BodyRef::Stream { length: None };
    for (request, body, state) in [
        (expecting, stream, State::HeadHeld),
        (expecting, BodyRef::Slice(b"x"), State::Closing),
        (GET, stream, State::Responding),
    ] {
        let mut rig = Rig::new();
        rig.rx(request);
        let response = ResponseRef { status: Status::OK, fields: &plain, body };
        let responded = rig.channel.respond_with(&now, |_, responder| responder.respond(response));
        assert_eq!((responded, rig.state()), (Ok(true), state), "{request:?} {body:?}");
    }
    for (length, expected) in [("5", Some(Condition::MaySwitch)), ("0", None)] {
        let mut rig = Rig::new();
        rig.rx(UPGRADE.replace("\r\n\r\n", &format!("\r\nContent-Length: {length}\r\n\r\n")));
        rig.seen();
        let response =
            ResponseRef { status: Status::SWITCHING_PROTOCOLS, fields: &echo, body: BodyRef::Empty };
        let responded = rig.channel.respond_with(&now, |_, responder| responder.respond(response));
        assert_eq!(responded.err().and_then(|refused| refused.unmet), expected, "{length}");
    }
}

#[test]
fn a_head_that_waits_counts_as_held() {
    let mut rig = Rig::new();
    rig.rx("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
    let before = rig.channel.buffered();
    let long = fields(&[("X-Long", &"x".repeat(1000))]);
    rig.respond(Status::OK, &long, BodyRef::Stream { length: None });
    assert_eq!(rig.state(), State::HeadHeld);
    assert!(rig.channel.buffered() >= before + 1000, "{} after {before}", rig.channel.buffered());
}

/// A moment that was seen already cannot be before another.
#[test]
fn a_channel_leaves_from_the_latest_moment_on() {
    let mut rig = Rig::with(|config| config.drain_deadline = Some(std::time::Duration::from_secs(7)));
    rig.tick(5_000);
    for (at, cut_at) in [(0, 12_000), (6_000, 13_000)] {
        assert_eq!(rig.channel.leave(Moment::from_millis(at)).cut_at, Moment::from_millis(cut_at));
    }
}

#[test]
fn finish_with_a_response_ends_it_whether_its_content_was_to_follow_or_not() {
    for body in [BodyRef::Stream { length: None }, BodyRef::Slice(b"x")] {
        let mut rig = Rig::new();
        rig.rx(GET);
        let now = Now::new(Moment::START, &Date::EPOCH);
        let plain = Fields::new();
        let response = ResponseRef { status: Status::OK, fields: &plain, body };
        assert_eq!(rig.channel.finish(&now, Some(response)), Ok(()));
        let wire = rig.wire();
        assert!(wire.ends_with("0\r\n\r\n") || wire.ends_with("\r\n\r\nx"), "{wire}");
        assert_eq!(rig.state(), State::Idle, "{wire}");
    }
}
