//! Responses that begin before the request body was read.

use httpfsm::CloseReason;
use httpfsm::channel::State;

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
