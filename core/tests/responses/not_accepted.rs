//! Calls that are not accepted: too late, too early, or of the wrong kind.

use httpfsm::channel::{Condition, Data, Event, Input, NotAccepted, State};
use httpfsm::response::{BodyRef, ResponseRef};
use httpfsm::time::{Date, Moment, Now};
use httpfsm::{Fields, Status};

use crate::rig::{GET, Rig, Setup, post, seconds, statuses};
use crate::support::{GET_CLOSE, fields, refuses};

#[test]
fn a_late_response_is_refused_and_never_sent() {
    let setups: [Setup; 8] = [
        |rig| rig,
        |rig| rig.rx("GET"),
        |rig| rig.rx(GET).stream(None),
        |rig| rig.rx(GET).ok(""),
        |rig| rig.rx(GET).ok("").send_all(),
        |rig| rig.rx(GET_CLOSE).ok(""),
        |rig| rig.rx(post(5)).ok(""),
        |rig| rig.rx(GET).input(Input::Disconnected),
    ];
    for setup in setups {
        let mut rig = Rig::new();
        setup(&mut rig);
        let plain = Fields::new();
        let response = ResponseRef::new(Status::OK, &plain, b"late");
        refuses(&mut rig, Input::HttpResponse(response));
        if rig.state() != State::Responding {
            refuses(&mut rig, Input::Write(Data::Slice(b"late")));
            refuses(&mut rig, Input::Finish(None));
            refuses(&mut rig, Input::Abort(None));
        }
        assert!(!rig.wire().contains("late"));
    }
}

#[test]
fn a_response_after_the_channels_own_is_refused() {
    let mut rig = Rig::with(|config| config.responseless_timeout = seconds(1));
    rig.rx(GET).tick(1_000);
    let plain = Fields::new();
    refuses(&mut rig, Input::HttpResponse(ResponseRef::new(Status::OK, &plain, b"late")));
    assert_eq!(statuses(&rig.wire()), ["503"]);
}

#[test]
fn an_interim_status_is_no_final_response() {
    let mut rig = Rig::new();
    rig.rx(GET);
    for status in [Status::CONTINUE, Status::PROCESSING, Status::EARLY_HINTS, Status::SWITCHING_PROTOCOLS] {
        for body in [BodyRef::Empty, BodyRef::Slice(b"x"), BodyRef::Stream { length: None }] {
            assert!(rig.try_respond(status, &fields(&[("Upgrade", "x")]), body).is_err(), "{status}");
        }
    }
    assert_eq!((rig.state(), rig.wire().as_str()), (State::WaitResponse, ""));
    rig.ok("");
}

#[test]
fn a_response_that_does_not_fit_is_refused_and_the_request_still_waits() {
    let mut rig = Rig::new();
    rig.rx("GET /echo HTTP/1.1\r\nHost: a\r\n\r\n");
    let now = Now::new(Moment::START, &Date::EPOCH);
    let plain = Fields::new();
    assert_eq!(rig.channel.respond_with(&now, |_, _| {}), Ok(false), "nothing was given");
    let responded = rig.channel.respond_with(&now, |_, responder| {
        // The first one counts, and nobody asked for another protocol.
        responder.respond(ResponseRef::new(Status::SWITCHING_PROTOCOLS, &plain, b""));
        responder.respond(ResponseRef::new(Status::OK, &plain, b"late"));
    });
    assert_eq!(
        responded,
        Err(NotAccepted::new(State::WaitResponse, Event::HttpResponse, Some(Condition::MaySwitch)))
    );
    assert_eq!((rig.state(), rig.channel.unsent_len()), (State::WaitResponse, 0));
    assert_eq!(rig.channel.request().map(|request| request.target()), Some("/echo"));
    rig.ok("x");
    assert_eq!(statuses(&rig.wire()), ["200"]);
}
