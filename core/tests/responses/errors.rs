//! Error responses: those that the channel makes itself, and those to a handler that failed.

use std::panic::{AssertUnwindSafe, catch_unwind};

use httpfsm::channel::{Input, State, Step};
use httpfsm::response::{BodyRef, ResponseRef};
use httpfsm::time::{Date, Moment, Now};
use httpfsm::{BodyError, CloseReason, ErrorPage, ErrorPages, Fields, RequestError, Rule, Status};

use crate::rig::{GET, POST_CHUNKED, Rig, Seen, post, statuses};
use crate::support::{GET_10, ORIGIN};

#[test]
fn an_error_response_says_which_rule_was_broken() {
    let mut rig = Rig::new();
    rig.rx("GET / HTTP/1.1\r\n\r\n");
    assert_eq!(
        rig.wire(),
        format!(
            "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\n{ORIGIN}Connection: close\r\nContent-Length: 56\r\n\r\n400 Bad Request\nAn HTTP/1.1 request needs a Host field.\n"
        )
    );
    assert_eq!(rig.close_reason(), CloseReason::Refused(RequestError::new(Rule::HostMissing, 0)));
}

#[test]
fn an_error_response_has_the_version_of_its_request() {
    for (request, start) in [
        ("GET / HTTP/1.0\r\nHost: a b\r\n\r\n", "HTTP/1.0 400 "),
        ("GET / HTTP/1.1\r\nHost: a b\r\n\r\n", "HTTP/1.1 400 "),
        ("GET / HTTP/1.5\r\nHost: a b\r\n\r\n", "HTTP/1.1 400 "),
        ("GET / HTTP/2.0\r\nHost: a\r\n\r\n", "HTTP/1.1 505 "),
        ("\r\nGET / HTTP/1.0\r\nHost: a b\r\n\r\n", "HTTP/1.0 400 "),
        ("nonsense\r\n\r\n", "HTTP/1.1 400 "),
    ] {
        let mut rig = Rig::new();
        rig.rx(request);
        let wire = rig.wire();
        assert!(wire.starts_with(start), "{request:?}: {wire}");
    }
    // Errors after the head too.
    let mut rig = Rig::new();
    rig.rx(GET_10).input(Input::Abort(None));
    assert!(rig.wire().starts_with("HTTP/1.0 500 "));
}

#[test]
fn an_error_response_to_head_has_no_content() {
    let mut rig = Rig::new();
    rig.rx("HEAD / HTTP/1.1\r\n\r\n");
    let wire = rig.wire();
    assert!(wire.ends_with("Content-Length: 56\r\n\r\n"), "{wire}");
}

#[test]
fn error_pages_replace_the_content_and_nothing_else() {
    let page = |error: &RequestError| ErrorPage {
        content_type: "application/json".into(),
        body: format!("{{\"status\":{}}}", error.status().code()).into(),
    };
    let mut rig = Rig::with(|config| config.error_pages = Some(ErrorPages::new(page)));
    rig.rx("GET / HTTP/1.1\r\n\r\n");
    assert_eq!(
        rig.wire(),
        format!(
            "HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\n{ORIGIN}Connection: close\r\nContent-Length: 14\r\n\r\n{{\"status\":400}}"
        )
    );
}

#[test]
fn an_error_page_whose_type_is_no_field_value_falls_back_to_the_text() {
    let page = |_: &RequestError| ErrorPage { content_type: "a\r\nX: y".into(), body: "evil".into() };
    let mut rig = Rig::with(|config| config.error_pages = Some(ErrorPages::new(page)));
    rig.rx("GET / HTTP/1.1\r\n\r\n");
    let wire = rig.wire();
    assert!(wire.contains("Content-Type: text/plain") && !wire.contains("X: y"), "{wire}");
}

#[test]
fn a_broken_body_is_refused_before_the_handler_responds() {
    let mut rig = Rig::new();
    rig.rx([POST_CHUNKED, "2\r\nab\r\nINVALID\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"].concat());
    rig.seen();
    rig.demand(100);
    let seen = rig.seen();
    assert_eq!(seen[0], Seen::Data("ab".into()));
    assert!(
        matches!(seen[1], Seen::BodyFailed(BodyError::Malformed(error)) if error.rule == Rule::ChunkSize)
    );
    assert_eq!(seen[2..], [Seen::Refused(Rule::ChunkSize)]);
    assert_eq!(statuses(&rig.wire()), ["400"]);
    assert_eq!(rig.seen(), [Seen::CloseWrite]);
}

#[test]
fn a_broken_body_ends_with_the_response_that_runs() {
    let mut rig = Rig::new();
    rig.rx(POST_CHUNKED).demand(100).stream(None);
    rig.seen();
    rig.rx("INVALID\r\n");
    assert!(matches!(rig.seen()[..], [Seen::BodyFailed(BodyError::Malformed(_))]));
    rig.write("nevertheless").finish();
    assert!(rig.wire().ends_with("nevertheless\r\n0\r\n\r\n"));
    assert!(matches!(rig.close_reason(), CloseReason::BodyFailed(BodyError::Malformed(_))));
}

#[test]
fn a_failure_before_the_response_is_a_500() {
    for (expose, text, page) in
        [(false, Some("at line 7"), false), (true, None, false), (true, Some("at line 7"), true)]
    {
        let mut rig = Rig::with(|config| config.expose_tracebacks = expose);
        rig.rx(GET.repeat(2)).input(Input::Abort(text));
        let wire = rig.wire();
        assert!(wire.starts_with("HTTP/1.1 500 Internal Server Error\r\n"), "{wire}");
        assert!(wire.contains("\r\nConnection: close\r\n"), "{wire}");
        assert_eq!(wire.contains("at line 7"), page, "{wire}");
        assert_eq!(statuses(&wire).len(), 1);
        let error = RequestError::new(Rule::HandlerFailed, 0);
        assert_eq!(rig.seen()[1..], [Seen::Refused(Rule::HandlerFailed), Seen::CloseWrite]);
        assert_eq!(rig.close_reason(), CloseReason::Refused(error));
    }
}

#[test]
fn a_failure_inside_a_response_cuts_it_so_that_it_cannot_look_whole() {
    let mut rig = Rig::new();
    rig.rx(GET).stream(None).write("begun").input(Input::Abort(Some("why")));
    let wire = rig.wire();
    assert!(wire.ends_with("5\r\nbegun\r\n") && !wire.contains("why"), "{wire}");
    assert_eq!(rig.close_reason(), CloseReason::Aborted);

    let mut rig = Rig::new();
    rig.rx(GET).stream(Some(9)).write("begun").input(Input::Abort(None));
    assert!(rig.wire().ends_with("Content-Length: 9\r\n\r\nbegun"));
    assert_eq!(rig.close_reason(), CloseReason::Aborted);

    // What ends with the connection would look whole: it needs a reset.
    let mut rig = Rig::new();
    rig.rx(GET_10).stream(None).write("begun").input(Input::Abort(None));
    rig.seen();
    assert!(rig.wire().ends_with("begun"));
    assert_eq!(rig.seen(), [Seen::Reset, Seen::Closed(CloseReason::Aborted)]);
}

#[test]
fn a_failure_with_an_unread_body_tells_the_application_that_the_body_ended() {
    let mut rig = Rig::new();
    rig.rx(post(5)).demand(5).input(Input::Abort(None));
    assert!(rig.seen().contains(&Seen::BodyFailed(BodyError::Closed)));
}

/// An error page panics at this input, behind a response to `before` that has not been sent. What comes out then.
#[track_caller]
fn after_a_panic(before: &str, requests: &str, input: Input<'_>) -> (Rig, Vec<String>) {
    let panics = |_: &RequestError| panic!("out of cheese");
    let mut rig = Rig::with(|config| config.error_pages = Some(ErrorPages::new(panics)));
    if !before.is_empty() {
        rig.rx(before).respond(Status::OK, &Fields::new(), BodyRef::Slice(b"the first"));
        assert!(rig.channel.unsent_len() > 0);
    }
    rig.rx(requests);
    let now = Now::new(Moment::START, &Date::EPOCH);
    let caught = catch_unwind(AssertUnwindSafe(|| rig.channel.handle(&now, input)));
    assert!(caught.is_err(), "no page was asked for");
    let mut outputs = Vec::new();
    while let Some(output) = rig.channel.next_output() {
        outputs.push(format!("{output:?}"));
    }
    (rig, outputs)
}

/// A request that waits behind the one whose error page panicked would get a response that was meant for that one, or the
/// one before it once more.
#[test]
fn a_panic_of_an_error_page_ends_the_connection_and_lets_nothing_through() {
    let two = format!("{GET}{GET}");
    for before in ["", GET] {
        for (requests, input) in [
            (&two[..], Input::Busy),
            (&two, Input::Abort(None)),
            ("", Input::RxData(b"\0")),
            ("GET / HTTP", Input::RxEnd),
        ] {
            let (mut rig, outputs) = after_a_panic(before, requests, input);
            let expected = ["Drop { reset: true }", "HttpChannelClosed(Aborted)"];
            assert!(outputs.ends_with(&expected.map(String::from)), "{before:?} {requests:?}: {outputs:?}");
            assert!(!outputs.contains(&"HttpRequest".into()), "{before:?} {requests:?}: {outputs:?}");
            assert_eq!(rig.state(), State::Closed);
            assert_eq!((rig.channel.deadline(), rig.channel.unsent_len()), (None, 0));
            assert!(rig.channel.waits_for().is_empty() && rig.channel.buffered() == 0);
            let (fields, now) = (Fields::new(), Now::new(Moment::from_millis(7 * 86_400_000), &Date::EPOCH));
            for late in [
                Input::Finish(None),
                Input::HttpResponse(ResponseRef::new(Status::OK, &fields, b"late")),
                Input::RxData(GET.as_bytes()),
                Input::Abort(None),
                Input::Sent(1),
            ] {
                assert!(rig.channel.handle(&now, late).is_err(), "{requests:?}");
            }
            let _ = rig.channel.handle(&now, Input::Tick);
            assert!(rig.channel.next_output().is_none() && rig.channel.unsent_len() == 0);
        }
    }
}

#[test]
fn a_panic_of_a_trace_ends_the_connection() {
    let mut rig = Rig::new();
    let now = Now::new(Moment::START, &Date::EPOCH);
    let mut panics = |_: &Step| panic!("out of cheese");
    let caught = catch_unwind(AssertUnwindSafe(|| {
        rig.channel.handle_with(&now, Input::RxData(GET.as_bytes()), &mut panics)
    }));
    assert!(caught.is_err());
    assert_eq!((rig.state(), rig.channel.request().is_none()), (State::Closed, true));
}

#[test]
fn a_panic_of_a_trace_of_a_closed_channel_ends_nothing_twice() {
    let mut rig = Rig::new();
    rig.rx(GET).input(Input::Disconnected);
    assert!(rig.seen().contains(&Seen::Closed(CloseReason::Disconnected)));
    let (now, mut panics) = (Now::new(Moment::START, &Date::EPOCH), |_: &Step| panic!("out of cheese"));
    let caught = catch_unwind(AssertUnwindSafe(|| rig.channel.handle_with(&now, Input::Tick, &mut panics)));
    assert!(caught.is_err());
    assert!(rig.channel.next_output().is_none());
}
