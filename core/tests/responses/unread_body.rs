//! Responses that begin before the request body was read.

use httpfsm::CloseReason;
use httpfsm::channel::{Input, State};

use crate::rig::{POST_CHUNKED, Rig, Seen, post};

#[test]
fn a_short_known_rest_is_discarded_and_the_next_request_is_served() {
    let smuggled = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
    for arrived in 0..=smuggled.len() {
        let (before, after) = smuggled.split_at(arrived);
        let mut rig = Rig::new();
        rig.rx(post(smuggled.len() as u64) + before).ok("early");
        let wire = rig.wire();
        assert!(!wire.contains("close"), "{arrived}: {wire}");
        rig.rx([after, "GET /next HTTP/1.1\r\nHost: a\r\n\r\n"].concat());
        assert_eq!(
            rig.seen(),
            [Seen::Request("POST /".into()), Seen::Request("GET /next".into())],
            "{arrived}"
        );
    }
}

#[test]
fn a_rest_of_unknown_length_makes_the_response_say_close() {
    for arrived in ["", "5\r\nhello\r\n", "5\r\nhello\r\n0\r\n\r\n"] {
        let mut rig = Rig::new();
        rig.rx([POST_CHUNKED, arrived].concat()).ok("early");
        assert!(rig.wire().contains("\r\nConnection: close\r\n"), "{arrived:?}");
        assert_eq!(rig.close_reason(), CloseReason::BodyUnread);
    }
}

#[test]
fn a_body_that_was_read_does_not_close() {
    let mut rig = Rig::new();
    rig.rx([POST_CHUNKED, "5\r\nhello\r\n0\r\nX: y\r\n\r\n"].concat()).demand(100).ok("");
    assert_eq!(
        rig.seen(),
        [Seen::Request("POST /".into()), Seen::Data("hello".into()), Seen::BodyEnd("X: y\n".into())]
    );
    assert!(!rig.wire().contains("close"));
    assert_eq!(rig.state(), State::Idle);
}

#[test]
fn a_response_may_stream_while_the_body_comes() {
    let mut rig = Rig::new();
    rig.rx(POST_CHUNKED).demand(100).stream(None);
    for piece in ["a", "b"] {
        rig.rx(format!("1\r\n{piece}\r\n")).write(piece);
    }
    rig.rx("0\r\n\r\n").finish();
    let wire = rig.wire();
    assert!(!wire.contains("close") && wire.ends_with("1\r\na\r\n1\r\nb\r\n0\r\n\r\n"), "{wire}");
    assert_eq!(rig.state(), State::Idle);
}

#[test]
fn a_streamed_response_that_ends_before_a_long_body_closes() {
    let mut rig = Rig::new();
    rig.rx(POST_CHUNKED).demand(100).stream(None).finish().send_all();
    assert_eq!(rig.close_reason(), CloseReason::BodyUnread);
}

/// Fails if a streamed response does not say what comes of a rest that nobody reads, or if it closes for a short one.
#[test]
fn a_streamed_response_closes_for_a_long_rest_that_is_forgone() {
    let short = post(5);
    for (request, closes) in [(POST_CHUNKED, true), (&short, false)] {
        for asked in [false, true] {
            let mut rig = Rig::new();
            rig.rx(request);
            if asked {
                rig.demand(1);
            }
            rig.input(Input::BodyForgone).stream(None).finish();
            assert_eq!(rig.wire().contains("\r\nConnection: close\r\n"), closes, "{request:?}");
            if closes {
                assert_eq!(rig.send_all().close_reason(), CloseReason::BodyUnread);
            } else {
                rig.rx(["hello", "GET /next HTTP/1.1\r\nHost: a\r\n\r\n"].concat());
                assert_eq!(rig.seen().last(), Some(&Seen::Request("GET /next".into())));
            }
        }
    }
}

/// Fails if a demand behind it has an effect: the application would hear of bytes that a head with `close` has given up.
#[test]
fn what_is_forgone_does_not_come() {
    for request in [POST_CHUNKED.to_owned(), post(5)] {
        let mut rig = Rig::new();
        rig.rx(&request).demand(1).rx(if request == POST_CHUNKED { "5\r\nhe" } else { "he" });
        rig.input(Input::BodyForgone).demand(100).rx("llo");
        assert_eq!(rig.seen(), [Seen::Request("POST /".into()), Seen::Data("h".into())]);
        assert_eq!(rig.state(), State::WaitResponse);
    }
}

/// Fails if the head of a stream goes on waiting for a body that nobody reads, or if a 100 asks for it.
#[test]
fn a_head_that_waits_leaves_when_its_body_is_forgone() {
    for asked in [false, true] {
        let mut rig = Rig::new();
        rig.rx("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n")
            .stream(None);
        if asked {
            rig.demand(1);
        }
        assert_eq!(rig.state(), State::HeadHeld);
        rig.input(Input::BodyForgone).input(Input::BodyForgone);
        let wire = rig.wire();
        assert_eq!(wire.contains("HTTP/1.1 100 "), asked, "{wire}");
        assert!(wire.contains("HTTP/1.1 200 OK\r\n") && wire.contains("\r\nConnection: close\r\n"), "{wire}");
    }
}

#[test]
fn no_100_is_sent_for_a_body_that_is_forgone() {
    let mut rig = Rig::new();
    rig.rx("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");
    rig.input(Input::BodyForgone).demand(100).input(Input::Continue).stream(None);
    let wire = rig.wire();
    assert!(wire.starts_with("HTTP/1.1 200 OK\r\n") && wire.contains("\r\nConnection: close\r\n"), "{wire}");
}
