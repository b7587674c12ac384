//! Expect: 100-continue: when the 100 is sent, and what a response without it means for the connection.

use bytes::Bytes;
use httpfsm::channel::{Data, Input, State};
use httpfsm::response::BodyRef;
use httpfsm::{BodyError, CloseReason, Fields, Rule, Status};

use crate::rig::{GET, Rig, Seen, Setup, post, statuses};

/// A POST that waits for a 100 before it sends `length` bytes.
fn expect(length: usize) -> String {
    format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\nExpect: 100-continue\r\n\r\n")
}

#[test]
fn the_first_demand_sends_the_100_once() {
    let mut rig = Rig::new();
    rig.rx(expect(5));
    assert_eq!(rig.wire(), "");
    rig.demand(2);
    assert_eq!(rig.wire(), "HTTP/1.1 100 Continue\r\n\r\n");
    rig.demand(3).input(Input::Continue);
    assert_eq!(rig.wire(), "");
    rig.rx("hello");
    rig.seen();
    rig.ok("");
    assert_eq!(statuses(&rig.wire()), ["200"]);
    assert_eq!(rig.state(), State::Idle);
}

#[test]
fn the_application_can_send_the_100_before_it_reads() {
    let mut rig = Rig::new();
    rig.rx(expect(5)).input(Input::Continue);
    assert_eq!(rig.wire(), "HTTP/1.1 100 Continue\r\n\r\n");
    rig.demand(5).input(Input::Continue);
    assert_eq!(rig.wire(), "");
}

#[test]
fn each_request_gets_its_own_100_in_order() {
    let mut rig = Rig::new();
    for _ in 0..3 {
        rig.rx(expect(1)).demand(1);
        assert_eq!(rig.wire(), "HTTP/1.1 100 Continue\r\n\r\n");
        rig.rx("x").ok("");
        rig.wire();
    }
    // Behind another response it waits its turn.
    rig.rx(GET).rx(expect(1)).ok("first").demand(1);
    let wire = rig.wire();
    assert!(wire.ends_with("\r\n\r\nfirstHTTP/1.1 100 Continue\r\n\r\n"), "{wire}");
}

#[test]
fn no_100_is_sent_that_nobody_waits_for() {
    for request in [
        // Bytes of the body came already.
        expect(5) + "h",
        expect(5) + "hello",
        // HTTP/1.0 knows none.
        expect(5).replace("HTTP/1.1", "HTTP/1.0"),
        // There is no body.
        expect(0),
        post(5),
        GET.into(),
    ] {
        let mut rig = Rig::new();
        rig.rx(&request).demand(5);
        assert_eq!(rig.wire(), "", "{request}");
        assert_eq!(rig.state(), State::WaitResponse);
    }
}

#[test]
fn a_demand_of_nothing_asks_for_nothing() {
    let mut rig = Rig::new();
    rig.rx(expect(5)).demand(0);
    assert_eq!(rig.wire(), "");
    assert!(rig.channel.request().is_some());
}

#[test]
fn an_expectation_that_gets_a_response_without_its_100_closes() {
    for status in [Status::OK, Status::EXPECTATION_FAILED, Status::CONTENT_TOO_LARGE] {
        // Whether the client sent the body nevertheless cannot be known from what has arrived.
        for sent in ["", "hello", "GET / HTTP/1.1\r\nHost: evil\r\n\r\n"] {
            let mut rig = Rig::new();
            rig.rx(expect(34) + sent).respond(status, &Fields::new(), BodyRef::Empty);
            assert!(rig.wire().contains("\r\nConnection: close\r\n"), "{status} {sent:?}");
            assert_eq!(rig.close_reason(), CloseReason::BodyUnread);
        }
    }
}

#[test]
fn an_expectation_without_a_body_does_not_close() {
    let mut rig = Rig::new();
    rig.rx(expect(0)).ok("");
    assert!(!rig.wire().contains("close"));
    assert_eq!(rig.state(), State::Idle);
}

#[test]
fn after_its_100_an_expectation_is_an_ordinary_body() {
    let mut rig = Rig::new();
    rig.rx(expect(5)).input(Input::Continue).ok("early");
    assert!(!rig.wire().contains("close"));
    assert_eq!(rig.state(), State::Discard);
    rig.rx("hello");
    assert_eq!(rig.state(), State::Idle);
}

#[test]
fn an_unknown_expectation_gets_417() {
    let mut rig = Rig::new();
    rig.rx("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nExpect: a-miracle\r\n\r\nx");
    assert_eq!(rig.seen(), [Seen::Refused(Rule::Expectation)]);
    assert_eq!(statuses(&rig.wire()), ["417"]);
}

/// A stream may ask for the body when it is polled first: then its head must not have left.
#[test]
fn the_head_of_a_stream_waits_until_the_body_that_it_asks_for_comes() {
    let mut rig = Rig::new();
    rig.rx(expect(5)).stream(None);
    assert_eq!((rig.wire().as_str(), rig.state()), ("", State::HeadHeld));
    rig.demand(5);
    // Not with the 100: HAProxy 2.6 takes two heads in one read for a fault.
    assert_eq!(rig.wire(), "HTTP/1.1 100 Continue\r\n\r\n");
    rig.demand(1);
    assert_eq!((rig.wire().as_str(), rig.state()), ("", State::HeadHeld));
    rig.rx("h");
    let head = rig.wire();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && !head.contains("close"), "{head}");
    rig.rx("ello").input(Input::Write(Data::Slice(b"hello"))).input(Input::Finish(None));
    assert!(rig.wire().ends_with("5\r\nhello\r\n0\r\n\r\n"));
    assert_eq!(rig.state(), State::Idle);
    assert!(rig.seen().contains(&Seen::BodyEnd(String::new())));
}

/// Whether the client sends its body all the same, nobody knows.
#[test]
fn the_head_of_a_stream_that_goes_on_without_the_body_closes() {
    for sent in ["", "hello"] {
        for release in [Input::Write(Data::Slice(b"x")), Input::Flush, Input::Finish(None)] {
            let mut rig = Rig::new();
            rig.rx(expect(5) + sent).stream(None);
            assert_eq!((rig.wire().as_str(), rig.state()), ("", State::HeadHeld), "{release:?}");
            rig.input(release);
            let wire = rig.wire();
            assert_eq!(statuses(&wire), ["200"], "{wire}");
            assert!(wire.contains("\r\nConnection: close\r\n"), "{wire}");
        }
    }
}

#[test]
fn the_head_of_a_stream_leaves_at_its_demand_where_the_body_came_without_its_100() {
    let mut rig = Rig::new();
    rig.rx(expect(5) + "he").stream(None);
    assert_eq!(rig.wire(), "");
    rig.demand(5);
    let wire = rig.wire();
    assert!(statuses(&wire) == ["200"] && !wire.contains("close"), "{wire}");
    rig.rx("llo");
    assert!(rig.seen().contains(&Seen::BodyEnd(String::new())));
}

#[test]
fn the_head_of_a_stream_waits_behind_a_100_that_the_application_sent_itself() {
    let mut rig = Rig::new();
    rig.rx(expect(5)).input(Input::Continue).stream(None);
    assert_eq!((statuses(&rig.wire()), rig.state()), (vec!["100"], State::HeadHeld));
    rig.rx("h");
    assert_eq!((statuses(&rig.wire()), rig.state()), (vec!["200"], State::Responding));
    // The body had begun.
    let mut rig = Rig::new();
    rig.rx(expect(5)).demand(5).rx("h").stream(None);
    assert_eq!((statuses(&rig.wire()), rig.state()), (vec!["100", "200"], State::Responding));
}

/// Of a body in chunks.
fn expect_chunks() -> String {
    expect(5).replace("Content-Length: 5", "Transfer-Encoding: chunked")
}

/// What is wrong before the first byte of the content comes before the head, in one piece or byte by byte.
#[test]
fn a_head_that_waits_gives_way_to_the_response_to_a_body_that_broke() {
    for (body, rule) in [
        ("x", Rule::ChunkSize),
        ("5x", Rule::ChunkSize),
        ("5;\r\n", Rule::ChunkExtension),
        ("6\r\nhello!", Rule::BodyTooLarge),
        ("0\r\nno trailer\r\n\r\n", Rule::TrailerField),
    ] {
        for is_in_pieces in [false, true] {
            let mut rig = Rig::with(|config| config.max_request_body_size = 5);
            rig.rx(expect_chunks()).stream(None).demand(u64::MAX);
            assert_eq!(rig.wire(), "HTTP/1.1 100 Continue\r\n\r\n");
            let piece = if is_in_pieces { 1 } else { body.len() };
            for bytes in body.as_bytes().chunks(piece) {
                if rig.state() == State::HeadHeld {
                    rig.rx(bytes);
                }
            }
            let seen = rig.seen();
            assert!(seen.contains(&Seen::Refused(rule)), "{body:?}: {seen:?}");
            assert!(matches!(seen[1], Seen::BodyFailed(BodyError::Malformed(_))), "{body:?}: {seen:?}");
            assert_eq!(statuses(&rig.wire()), [rule.status().code().to_string()], "{body:?}");
        }
        // It came without its 100.
        let mut rig = Rig::with(|config| config.max_request_body_size = 5);
        rig.rx(expect_chunks() + body).stream(None);
        assert_eq!((rig.wire().as_str(), rig.state()), ("", State::HeadHeld));
        rig.demand(u64::MAX);
        assert_eq!(statuses(&rig.wire()), [rule.status().code().to_string()], "{body:?}");
    }
}

/// Where the head leaves does not depend on the cuts.
#[test]
fn the_head_of_a_stream_leaves_with_the_first_byte_of_the_content() {
    for piece in [1, 100] {
        let mut rig = Rig::new();
        rig.rx(expect_chunks()).stream(None).demand(u64::MAX).wire();
        for bytes in b"2;a=b\r".chunks(piece) {
            rig.rx(bytes);
        }
        assert_eq!((rig.wire().as_str(), rig.state()), ("", State::HeadHeld));
        rig.seen();
        // What is wrong behind it is the response's.
        for bytes in b"\nabx".chunks(piece) {
            rig.rx(bytes);
        }
        assert_eq!((statuses(&rig.wire()), rig.state()), (vec!["200"], State::Responding));
        let data: String =
            rig.seen().iter().map(|seen| if let Seen::Data(data) = seen { data } else { "" }).collect();
        assert_eq!(data, "ab");
    }
    // A body without content.
    let mut rig = Rig::new();
    rig.rx(expect_chunks()).stream(None).demand(1).rx("0\r\n").rx("\r");
    assert_eq!((statuses(&rig.wire()), rig.state()), (vec!["100"], State::HeadHeld));
    rig.rx("\n");
    assert_eq!((statuses(&rig.wire()), rig.state()), (vec!["200"], State::Responding));
    assert!(rig.seen().contains(&Seen::BodyEnd(String::new())));
}

#[test]
fn a_head_that_waits_gives_way_to_the_response_to_a_body_that_the_end_of_input_cuts() {
    // Nothing of it came, or its chunk size, or all but one byte without a 100.
    let setups: [Setup; 5] = [
        |rig| rig.rx(expect(5)).stream(None).input(Input::RxEnd).demand(5),
        |rig| rig.rx(expect(5)).stream(None).demand(5).input(Input::RxEnd),
        |rig| rig.rx(expect_chunks()).stream(None).demand(5).rx("5\r\n").input(Input::RxEnd),
        |rig| rig.rx(expect(5)).input(Input::Continue).stream(None).input(Input::RxEnd).demand(5),
        |rig| rig.rx(expect(5) + "hell").stream(None).input(Input::RxEnd).demand(5),
    ];
    for (number, setup) in setups.into_iter().enumerate() {
        let mut rig = Rig::new();
        setup(&mut rig);
        let wire = rig.wire();
        assert_eq!(statuses(&wire).last(), Some(&"400"), "{number}: {wire}");
        let seen = rig.seen();
        assert!(seen.contains(&Seen::BodyFailed(BodyError::Truncated)), "{number}: {seen:?}");
    }
    // All of it came.
    let mut rig = Rig::new();
    rig.rx(expect(5) + "hello").stream(None).input(Input::RxEnd).demand(5);
    assert_eq!(statuses(&rig.wire()), ["200"]);
}

#[test]
fn a_body_that_does_not_come_behind_its_100_gets_408() {
    for begun in ["", "5\r\n"] {
        let mut rig = Rig::new();
        rig.rx(expect_chunks()).stream(None).demand(5).wire();
        if !begun.is_empty() {
            rig.rx(begun);
        }
        let due = rig.deadline().expect("a deadline runs");
        rig.tick(due);
        assert_eq!(statuses(&rig.wire()), ["408"], "{begun:?}");
    }
}

/// The 100 takes the last room, and the application may wait for some before it writes.
#[test]
fn room_behind_a_head_that_waits_is_told() {
    let mut rig = Rig::with(|config| config.output_high_water = 1024);
    rig.rx(GET).ok(&"x".repeat(100));
    let head = rig.channel.unsent_len() - 100;
    rig.send_all();
    rig.rx(GET).ok(&"x".repeat(1010 - head)).rx(expect(5)).stream(None).demand(5);
    assert_eq!((rig.state(), rig.channel.room()), (State::HeadHeld, 0));
    rig.seen();
    rig.send_all();
    assert!(rig.seen().contains(&Seen::TransmitReady));
}

#[test]
fn a_head_that_waits_lets_the_application_send_the_100_itself() {
    let mut rig = Rig::new();
    rig.rx(expect(5)).stream(None).input(Input::Continue);
    assert_eq!((statuses(&rig.wire()), rig.state()), (vec!["100"], State::HeadHeld));
    rig.input(Input::Continue);
    assert_eq!(rig.wire(), "");
    rig.rx("h");
    assert_eq!((statuses(&rig.wire()), rig.state()), (vec!["200"], State::Responding));
    // The body came without it, and nothing is left to wait for.
    let mut rig = Rig::new();
    rig.rx(expect(5) + "h").stream(None).input(Input::Continue);
    assert_eq!((statuses(&rig.wire()), rig.state()), (vec!["200"], State::Responding));
}

#[test]
fn a_server_that_gets_busy_behind_a_head_that_waits_responds_503() {
    for asked in [false, true] {
        let mut rig = Rig::new();
        rig.rx(expect(5)).stream(None);
        if asked {
            rig.demand(5).wire();
        }
        rig.input(Input::Busy);
        let wire = rig.wire();
        assert_eq!(statuses(&wire), ["503"], "{wire}");
        assert!(rig.seen().contains(&Seen::Refused(Rule::Busy)));
        // What is left of a body that was asked for comes, and is discarded.
        assert_eq!(wire.contains("\r\nConnection: close\r\n"), !asked, "{wire}");
        if asked {
            rig.rx("hello").rx(GET).ok("");
            assert_eq!(statuses(&rig.wire()), ["200"]);
        }
    }
}

#[test]
fn an_application_that_fails_behind_a_head_that_waits_gets_500() {
    let mut rig = Rig::new();
    rig.rx(expect(5)).stream(None).input(Input::Abort(None));
    let wire = rig.wire();
    assert_eq!(statuses(&wire), ["500"], "{wire}");
    assert!(rig.seen().contains(&Seen::Refused(Rule::HandlerFailed)));
}

#[test]
fn a_body_that_is_first_asked_for_behind_the_head_fails_with_the_reason_once() {
    let mut rig = Rig::new();
    rig.rx(expect(5)).stream(None).input(Input::Write(Data::Slice(b"x")));
    rig.seen();
    rig.demand(5);
    assert_eq!(rig.seen(), [Seen::BodyFailed(BodyError::NotContinued)]);
    assert_eq!(rig.state(), State::Responding);
    rig.demand(5);
    assert_eq!(rig.seen(), []);
}

/// What the channel sends, write by write.
fn writes(rig: &mut Rig) -> Vec<String> {
    let mut writes = Vec::new();
    while rig.channel.unsent_len() > 0 {
        let mut slices = [&b""[..]; 3];
        let filled = rig.channel.unsent_slices(&mut slices);
        let write = slices[..filled].concat();
        assert!(write.starts_with(rig.channel.unsent()), "asked both ways");
        rig.input(Input::Sent(write.len()));
        writes.push(String::from_utf8(write).expect("text"));
    }
    writes
}

fn first_words(writes: &[String]) -> Vec<&str> {
    let words = writes.iter().map(|write| write.split([' ', '\r']).nth(1).unwrap_or_default());
    words.collect()
}

#[test]
fn each_of_several_interim_heads_leaves_in_a_write_of_its_own() {
    let hint = Fields::new();
    let hint = || Input::Informational(Status::EARLY_HINTS, &hint);
    let mut rig = Rig::new();
    rig.rx(expect(5)).input(hint()).input(hint()).demand(5);
    rig.respond(Status::OK, &Fields::new(), BodyRef::Slice(b"early"));
    let writes = writes(&mut rig);
    assert_eq!(first_words(&writes), ["103", "103", "100", "200"]);
    assert!(writes.iter().all(|write| write.matches("HTTP/1.1").count() == 1), "{writes:?}");
}

#[test]
fn interim_heads_between_pipelined_responses_leave_in_writes_of_their_own() {
    let hint = Fields::new();
    let mut rig = Rig::new();
    rig.rx(GET).ok("a").rx(GET).ok("b").rx(expect(1)).demand(1).rx("x").rx(GET).ok("c");
    rig.input(Input::Informational(Status::EARLY_HINTS, &hint)).ok("d");
    let writes = writes(&mut rig);
    assert_eq!(first_words(&writes), ["200", "100", "200", "103", "200"]);
    let heads: Vec<_> = writes.iter().map(|write| write.matches("HTTP/1.1").count()).collect();
    assert_eq!(heads, [2, 1, 1, 1, 1], "the first two responses need no write each");
}

/// Some proxies take two heads in one read for a fault.
#[test]
fn an_interim_head_leaves_in_a_write_of_its_own() {
    let hint = Fields::new();
    for is_hint in [false, true] {
        for body in [BodyRef::Slice(b"early"), BodyRef::Bytes(&Bytes::from(vec![b'x'; 20_000]))] {
            let mut rig = Rig::new();
            let hint = Input::Informational(Status::EARLY_HINTS, &hint);
            rig.rx(expect(5)).input(if is_hint { hint } else { Input::Continue });
            rig.respond(Status::OK, &Fields::new(), body);
            let first = String::from_utf8_lossy(rig.channel.unsent()).into_owned();
            assert!(first.starts_with("HTTP/1.1 10") && first.ends_with("\r\n\r\n"), "{first}");
            assert!(!first.contains(" 200 "), "{first}");
            let (n, whole) = (first.len(), rig.channel.unsent_len());
            rig.input(Input::Sent(n - 1));
            assert_eq!(rig.channel.unsent(), b"\n", "the rest of it");
            rig.input(Input::Sent(1));
            assert!(rig.channel.unsent().starts_with(b"HTTP/1.1 200 "));
            let mut slices = [&b""[..]; 3];
            let filled = rig.channel.unsent_slices(&mut slices);
            assert_eq!(slices[..filled].concat().len(), whole - n);
        }
    }
}
