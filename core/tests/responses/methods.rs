//! The methods of the specification, and `Channel::respond_with`.

use httpfsm::channel::{Data, Event, Input, State};
use httpfsm::response::{BodyRef, ResponseRef};
use httpfsm::time::{Date, Moment, Now};
use httpfsm::{CloseReason, Fields, Status};

use crate::rig::{GET, Rig, statuses};

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
