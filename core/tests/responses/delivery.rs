//! Nothing of the application reaches a request that it does not know, and a panic of its changes nothing.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use httpfsm::channel::{CompiledConfig, Condition, Event, Facts, Input, NotAccepted, Output, State, Step};
use httpfsm::response::ResponseRef;
use httpfsm::time::{Date, Moment, Now};
use httpfsm::{Channel, ChannelConfig, Fields, Status};

use crate::rig::{GET, Rig, Seen, post, statuses};
use crate::support::fields;

const NOW: Now<'static> = Now::new(Moment::START, &Date::EPOCH);

/// A channel with two requests, of which the outputs were taken up to the first.
fn two_requests() -> Channel {
    let mut channel = Channel::new(CompiledConfig::new(&ChannelConfig::default()).into(), Facts::default());
    channel.handle(&NOW, Input::RxData(GET.repeat(2).as_bytes())).expect("there is room");
    while channel.next_output().is_some() {}
    channel
}

#[test]
fn nothing_of_the_application_reaches_a_request_that_was_not_delivered() {
    let plain = Fields::new();
    let response = || Input::HttpResponse(ResponseRef::new(Status::OK, &plain, b"x"));
    for input in [
        response(),
        Input::Flush,
        Input::Continue,
        Input::Informational(Status::EARLY_HINTS, &plain),
        Input::BodyDemand(1),
        Input::Abort(None),
    ] {
        let mut channel = two_requests();
        channel.handle(&NOW, response()).unwrap();
        let event = input.event();
        let refused = NotAccepted::new(State::WaitResponse, event, Some(Condition::IsDelivered));
        assert_eq!(channel.handle(&NOW, input), Err(refused), "{event}");
        assert_eq!(
            channel.respond_with(&NOW, |_, _| panic!("it is not to be shown")).unwrap_err().unmet,
            refused.unmet
        );
        // The request comes, and is responded to like any other.
        assert!(matches!(channel.next_output(), Some(Output::HttpRequest)), "after {event}");
        channel.handle(&NOW, response()).unwrap();
        let wire = String::from_utf8(channel.unsent().to_vec()).unwrap();
        assert_eq!(statuses(&wire), ["200", "200"], "after {event}");
    }
}

/// Its head is shown from the moment on that the application is told of it.
#[test]
fn a_request_that_was_not_delivered_is_not_shown() {
    let mut channel = two_requests();
    let plain = Fields::new();
    channel.handle(&NOW, Input::HttpResponse(ResponseRef::new(Status::OK, &plain, b"x"))).unwrap();
    assert_eq!(channel.state(), State::WaitResponse);
    assert!(channel.request().is_none(), "it waits, and nobody knows it");
    channel.forget_request();
    assert!(matches!(channel.next_output(), Some(Output::HttpRequest)));
    assert!(channel.request().is_some());
}

/// The head and the bytes behind it stay where they are: taken out of the channel while the application looked at the
/// request, they were lost when it panicked, and a body was read as the next request.
#[test]
fn a_panic_while_a_request_is_looked_at_loses_no_input() {
    let mut rig = Rig::new();
    rig.rx(post(33)).rx("GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n");
    rig.seen();
    let panics = catch_unwind(AssertUnwindSafe(|| {
        rig.channel.respond_with(&NOW, |_, _| panic!("of the application"))
    }));
    assert!(panics.is_err());
    assert_eq!(rig.state(), State::WaitResponse);
    assert!(rig.channel.request().is_some(), "the request can still be asked for");
    rig.input(Input::BodyDemand(u64::MAX));
    let body = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
    assert_eq!(rig.seen(), [Seen::Data(body[..33].into()), Seen::BodyEnd(String::new())]);
}

/// What was given and not taken must not leave: the 500 that follows would be a second response to one request.
#[test]
fn a_panic_after_a_response_was_given_leaves_nothing_of_it() {
    let large = vec![b'x'; 40_000].into();
    for body in [httpfsm::response::BodyRef::Slice(b"given"), httpfsm::response::BodyRef::Bytes(&large)] {
        let mut rig = Rig::new();
        // Output of an earlier response is pending before it.
        rig.rx(GET.repeat(2)).ok("first");
        let plain = fields(&[("Content-Length", "2")]);
        let panics = catch_unwind(AssertUnwindSafe(|| {
            rig.channel.respond_with(&NOW, |_, responder| {
                responder.respond(ResponseRef { status: Status::OK, fields: &plain, body });
                panic!("of the application");
            })
        }));
        assert!(panics.is_err());
        assert_eq!(rig.state(), State::WaitResponse);
        rig.input(Input::Abort(None));
        let wire = rig.wire();
        assert_eq!(statuses(&wire), ["200", "500"], "{wire}");
        assert!(!wire.contains("given") && !wire.contains("xxx"), "{wire}");
        assert!(!rig.seen().iter().any(|seen| matches!(seen, Seen::Excess(_))), "nothing of it was cut");
    }
}

/// A deadline that has passed first is among them.
#[test]
fn a_trace_hears_the_same_of_a_response_that_borrows_as_of_any_other() {
    let plain = Fields::new();
    let later = Now::new(Moment::from_millis(7_000), &Date::EPOCH);
    for responseless in [None, Some(Duration::from_secs(7))] {
        let config = ChannelConfig { responseless_timeout: responseless, ..ChannelConfig::default() };
        let steps = [false, true].map(|borrows| {
            let mut channel = Channel::new(CompiledConfig::new(&config).into(), Facts::default());
            channel.handle(&NOW, Input::RxData(GET.repeat(2).as_bytes())).expect("there is room");
            while channel.next_output().is_some() {}
            let mut steps = Vec::new();
            let mut trace = |step: &Step| steps.push(*step);
            let response = ResponseRef::new(Status::OK, &plain, b"x");
            let responded = if borrows {
                channel.respond_with_trace(&later, &mut trace, |_, responder| responder.respond(response))
            } else {
                channel.handle_with(&later, Input::HttpResponse(response), &mut trace).map(|()| true)
            };
            assert_eq!(responded.unwrap_or(false), responseless.is_none());
            steps
        });
        assert_eq!(steps[0], steps[1]);
        let last = steps[0].last().map(|step| step.next);
        assert_eq!(last, Some(if responseless.is_none() { State::WaitResponse } else { State::Closing }));
    }
}

/// It says which condition the input does not meet, in a sentence.
#[test]
fn what_is_not_accepted_is_told_with_its_reason() {
    let mut rig = Rig::new();
    rig.rx(GET);
    let plain = Fields::new();
    let large = vec![b'x'; (64 << 10) + 1];
    let too_large = Input::HttpResponse(ResponseRef::new(Status::OK, &plain, &large));
    assert_eq!(
        rig.try_input(too_large).unwrap_err().to_string(),
        "HttpResponse is not accepted in WaitResponse, because this does not hold: \
         A content given as a slice is at most `output_high_water` long."
    );
    let short = fields(&[("Content-Length", "9")]);
    let refused = rig.try_input(Input::HttpResponse(ResponseRef::new(Status::OK, &short, b"12345678")));
    assert_eq!(refused.unwrap_err().unmet, Some(Condition::IsWhole));
    let refused = rig.try_input(Input::Write(httpfsm::channel::Data::Slice(b"x"))).unwrap_err();
    assert_eq!((refused.event, refused.unmet), (Event::Write, None));
    assert_eq!(refused.to_string(), "Write is not accepted in WaitResponse.");
}
