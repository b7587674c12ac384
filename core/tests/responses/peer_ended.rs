//! The peer ends its side: what has arrived is served, what is incomplete is refused.

use httpfsm::channel::{Input, State};
use httpfsm::{BodyError, CloseReason, RequestError, Rule};

use crate::rig::{GET, POST_CHUNKED, Rig, Seen, Setup, post, statuses};
use crate::support::{CONNECT, GET_CLOSE, refuses};

#[test]
fn a_peer_that_ends_between_requests_is_closed() {
    for setup in [(|rig| rig) as Setup, |rig| rig.rx(GET).ok("").send_all()] {
        let mut rig = Rig::new();
        setup(&mut rig);
        rig.seen();
        rig.input(Input::RxEnd);
        assert_eq!(rig.seen(), [Seen::Drop, Seen::Closed(CloseReason::PeerEnded)]);
    }
}

#[test]
fn a_head_that_the_end_of_input_cuts_gets_400() {
    let mut rig = Rig::new();
    rig.rx("GET / HTTP/1.1\r\nHost: a\r\n").input(Input::RxEnd);
    assert_eq!(rig.seen(), [Seen::Refused(Rule::HeadTruncated)]);
    assert_eq!(statuses(&rig.wire()), ["400"]);
    let error = RequestError::new(Rule::HeadTruncated, 25);
    assert_eq!(rig.seen(), [Seen::Drop, Seen::Closed(CloseReason::Refused(error))]);
}

#[test]
fn an_empty_line_before_the_end_of_input_is_no_request() {
    for empty in ["\r", "\r\n"] {
        let mut rig = Rig::new();
        rig.rx(empty).input(Input::RxEnd);
        assert_eq!(rig.wire(), "");
        assert_eq!(rig.seen().pop(), Some(Seen::Closed(CloseReason::PeerEnded)), "{empty:?}");
    }
}

#[test]
fn a_request_before_the_end_of_input_gets_a_response() {
    let mut rig = Rig::new();
    rig.rx(GET).input(Input::RxEnd);
    assert_eq!(rig.seen(), [Seen::Request("GET /".into()), Seen::PeerEnded]);
    rig.ok("after all");
    assert!(rig.wire().ends_with("after all"));
    assert_eq!(rig.seen(), [Seen::Drop, Seen::Closed(CloseReason::PeerEnded)]);
}

#[test]
fn a_streamed_response_goes_on_after_the_end_of_input() {
    let mut rig = Rig::new();
    rig.rx(GET).stream(None);
    rig.seen();
    rig.input(Input::RxEnd);
    assert_eq!(rig.seen(), [Seen::PeerEnded]);
    rig.write("all").finish();
    assert!(rig.wire().ends_with("3\r\nall\r\n0\r\n\r\n"));
    assert_eq!(rig.seen(), [Seen::Drop, Seen::Closed(CloseReason::PeerEnded)]);
}

#[test]
fn all_requests_before_the_end_of_input_get_responses() {
    let mut rig = Rig::new();
    rig.rx(GET.repeat(3)).input(Input::RxEnd).ok("1").ok("2").ok("3");
    assert_eq!(statuses(&rig.wire()), ["200"; 3]);
    assert_eq!(rig.state(), State::Closed);
}

#[test]
fn a_cut_head_behind_a_response_is_refused_after_it() {
    let mut rig = Rig::new();
    rig.rx([GET, "GET /2 HTT"].concat()).input(Input::RxEnd);
    rig.seen();
    rig.ok("1");
    assert_eq!(rig.seen(), [Seen::Refused(Rule::HeadTruncated)]);
    assert_eq!(statuses(&rig.wire()), ["200", "400"]);
    assert_eq!(rig.state(), State::Closed);
}

#[test]
fn an_empty_line_behind_the_last_response_ends_in_silence() {
    let mut rig = Rig::new();
    rig.rx([GET, "\r\n"].concat()).input(Input::RxEnd).ok("1");
    assert_eq!(statuses(&rig.wire()), ["200"]);
    assert_eq!(rig.seen().pop(), Some(Seen::Closed(CloseReason::PeerEnded)));
}

#[test]
fn a_body_that_the_end_of_input_cuts_is_not_whole() {
    for (request, sent) in [
        (post(5), "hell"),
        (POST_CHUNKED.to_owned(), "5\r\nhell"),
        (POST_CHUNKED.to_owned(), "5\r\nhello\r\n"),
        (POST_CHUNKED.to_owned(), "5\r\nhello\r\n0\r\n"),
        (POST_CHUNKED.to_owned(), "5\r\nhello\r\n0\r\nX: y\r\n"),
    ] {
        let end = [Seen::BodyFailed(BodyError::Truncated), Seen::Refused(Rule::BodyTruncated)];
        // Demanded before and after.
        let mut rig = Rig::new();
        rig.rx(request.clone() + sent).demand(100).input(Input::RxEnd);
        let seen = rig.seen();
        assert_eq!(
            seen[seen.len() - 3..],
            [end[0].clone(), Seen::PeerEnded, end[1].clone()],
            "what came before the end of input, and the end"
        );
        assert_eq!(statuses(&rig.wire()), ["400"]);
        let mut rig = Rig::new();
        rig.rx(request + sent).input(Input::RxEnd).demand(100);
        let seen = rig.seen();
        assert!(seen.starts_with(&[Seen::Request("POST /".into()), Seen::PeerEnded]), "{seen:?}");
        assert!(seen.ends_with(&end), "{seen:?}");
        assert!(seen.iter().any(|seen| matches!(seen, Seen::Data(data) if "hello".starts_with(data))));
    }
}

#[test]
fn a_body_that_came_whole_before_the_end_of_input_is_whole_however_late_it_is_read() {
    for request in [post(5) + "hello", POST_CHUNKED.to_owned() + "5\r\nhello\r\n0\r\n\r\n"] {
        let mut rig = Rig::new();
        rig.rx(request).input(Input::RxEnd);
        rig.seen();
        let mut data = String::new();
        for _ in 0..5 {
            rig.demand(1);
            for seen in rig.seen() {
                match seen {
                    Seen::Data(bytes) => data += &bytes,
                    Seen::BodyEnd(_) => data += ".",
                    other => panic!("{other:?}"),
                }
            }
        }
        if data == "hello" {
            rig.demand(1);
            assert_eq!(rig.seen(), [Seen::BodyEnd(String::new())]);
        } else {
            assert_eq!(data, "hello.");
        }
        rig.ok("");
        assert_eq!(statuses(&rig.wire()), ["200"]);
    }
}

#[test]
fn the_end_of_input_in_a_discarded_rest_closes_without_waiting_for_more() {
    let mut rig = Rig::new();
    rig.rx(post(5)).ok("early").send_all();
    assert_eq!(rig.state(), State::Discard);
    rig.seen();
    rig.input(Input::RxEnd);
    assert_eq!(rig.seen(), [Seen::Drop, Seen::Closed(CloseReason::BodyUnread)]);
}

#[test]
fn the_end_of_input_while_a_response_leaves_changes_nothing_of_it() {
    for request in [GET.to_owned(), GET_CLOSE.to_owned(), CONNECT.to_owned(), post(5)] {
        let mut rig = Rig::new();
        rig.rx(&request).ok("hello");
        rig.seen();
        rig.input(Input::RxEnd);
        assert_eq!(rig.seen(), []);
        let wire = rig.wire();
        assert!(wire.ends_with("hello") || request == CONNECT, "{wire}");
        let ended = if request == CONNECT { State::Upgraded } else { State::Closed };
        assert_eq!(rig.state(), ended, "{request}");
    }
}

#[test]
fn input_does_not_end_twice() {
    for setup in [(|rig| rig.rx(GET)) as Setup, |rig| rig.rx(GET).stream(None)] {
        let mut rig = Rig::new();
        setup(&mut rig);
        rig.input(Input::RxEnd);
        refuses(&mut rig, Input::RxEnd);
        refuses(&mut rig, Input::RxData(b"x"));
        assert!(!rig.channel.waits_for().input());
        assert!(rig.channel.spare().is_empty());
    }
}

/// Whoever waits for the end of the peer's input must not wait for ever, whichever request it has then.
#[test]
fn a_pipelined_request_hears_of_an_end_that_came_before_it() {
    let mut rig = Rig::new();
    let get = |target| format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n");
    rig.rx(get("/first") + &get("/second") + &get("/third")).input(Input::RxEnd);
    assert_eq!(rig.seen(), [Seen::Request("GET /first".into()), Seen::PeerEnded]);
    for target in ["/second", "/third"] {
        rig.ok("");
        assert_eq!(rig.seen(), [Seen::Request(format!("GET {target}")), Seen::PeerEnded]);
    }
    rig.ok("");
    assert_eq!(statuses(&rig.wire()), ["200", "200", "200"]);
    assert_eq!(rig.close_reason(), CloseReason::PeerEnded);
}
