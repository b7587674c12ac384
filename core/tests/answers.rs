//! What goes out: framing to the octet, interim heads, hand-overs, the machine's own answers, and what becomes of an
//! answer when either side ends.

#[path = "support/rig.rs"]
mod rig;

use bytes::Bytes;
use httpfsm::{
    BodyError, BodyRef, CloseReason, Data, Date, ErrorPage, ErrorPages, Event, Fields, Input, Moment,
    NotAccepted, Now, RequestError, Rule, State, Status,
};
use rig::{GET, POST_CHUNKED, Reach, Rig, Told, post, statuses};

/// What the machine puts before `Connection` and the framing.
const ORIGIN: &str = "Server: httpfsm\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\n";

const GET_10: &str = "GET / HTTP/1.0\r\n\r\n";
const GET_10_KEEP: &str = "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n";
const GET_CLOSE: &str = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
const HEAD: &str = "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n";
const CONNECT: &str = "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n";
const UPGRADE: &str = "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n";

fn fields(lines: &[(&str, &str)]) -> Fields {
    let mut fields = Fields::new();
    for (name, value) in lines {
        fields.push(name, value).expect("a valid field");
    }
    fields
}

fn expect(length: usize) -> String {
    format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\nExpect: 100-continue\r\n\r\n")
}

#[track_caller]
fn refuses(rig: &mut Rig, input: Input<'_>) {
    let event = input.event();
    let state = rig.state();
    let unsent = rig.channel.unsent_len();
    let error = rig.try_input(input).expect_err("accepted");
    assert_eq!((error.state, error.event), (state, event));
    assert_eq!((rig.state(), rig.channel.unsent_len()), (state, unsent));
}

/// Sends everything, ends the peer's side, and gives the reason of the close.
#[track_caller]
fn reason(rig: &mut Rig) -> CloseReason {
    rig.send_all();
    if rig.state() == State::Lingering {
        rig.input(Input::RxEnd);
    }
    match rig.told().pop() {
        Some(Told::Closed(reason)) => reason,
        other => panic!("not closed: {other:?} in {:?}", rig.state()),
    }
}

// Framing.

/// How the application gives its five octets.
#[derive(Clone, Copy, Debug)]
enum Content {
    Empty,
    Slice,
    Declared,
    Bytes,
    Known,
    DeclaredStream,
    Unknown,
}

use Content::{Bytes as ByBytes, Declared, DeclaredStream, Empty, Known, Slice, Unknown};

#[track_caller]
fn answered(request: &str, status: u16, content: Content) -> (String, State) {
    let status = Status::new(status).expect("a status");
    let five = Bytes::from_static(b"hello");
    let declared = fields(&[("Content-Length", "5")]);
    let plain = Fields::new();
    let (fields, body) = match content {
        Empty => (&plain, BodyRef::Empty),
        Slice => (&plain, BodyRef::Slice(b"hello")),
        Declared => (&declared, BodyRef::Slice(b"hello")),
        ByBytes => (&plain, BodyRef::Bytes(&five)),
        Known => (&plain, BodyRef::Stream { length: Some(5) }),
        DeclaredStream => (&declared, BodyRef::Stream { length: None }),
        Unknown => (&plain, BodyRef::Stream { length: None }),
    };
    let mut rig = Rig::new();
    rig.rx(request).respond(status, fields, body);
    if rig.channel.owes_body() {
        rig.write("hel").write("lo").finish();
    }
    (rig.wire(), rig.state())
}

#[track_caller]
fn frames(request: &str, status: u16, contents: &[Content], tail: &str, state: State) {
    let version = if request.contains("HTTP/1.0") { "1.0" } else { "1.1" };
    let status_line = format!("HTTP/{version} {}", Status::new(status).expect("a status"));
    for &content in contents {
        let expected = (format!("{status_line}\r\n{ORIGIN}{tail}"), state);
        assert_eq!(answered(request, status, content), expected, "{content:?} to {request:?}");
    }
}

const LENGTH_KNOWN: &[Content] = &[Slice, Declared, ByBytes, Known, DeclaredStream];

#[test]
fn content_of_known_length_has_a_content_length() {
    frames(GET, 200, LENGTH_KNOWN, "Content-Length: 5\r\n\r\nhello", State::Idle);
    frames(GET, 404, LENGTH_KNOWN, "Content-Length: 5\r\n\r\nhello", State::Idle);
    frames(GET, 200, &[Empty], "Content-Length: 0\r\n\r\n", State::Idle);
    frames(
        GET_CLOSE,
        200,
        LENGTH_KNOWN,
        "Connection: close\r\nContent-Length: 5\r\n\r\nhello",
        State::Lingering,
    );
}

#[test]
fn content_of_unknown_length_is_chunked_and_the_connection_stays() {
    let chunks = "Transfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n";
    frames(GET, 200, &[Unknown], chunks, State::Idle);
    frames(GET_CLOSE, 200, &[Unknown], &format!("Connection: close\r\n{chunks}"), State::Lingering);
}

#[test]
fn http_1_0_closes_unless_it_asked_for_keep_alive_and_the_length_is_known() {
    frames(
        GET_10,
        200,
        LENGTH_KNOWN,
        "Connection: close\r\nContent-Length: 5\r\n\r\nhello",
        State::Lingering,
    );
    frames(GET_10, 200, &[Unknown], "Connection: close\r\n\r\nhello", State::Lingering);
    frames(GET_10, 200, &[Empty], "Connection: close\r\nContent-Length: 0\r\n\r\n", State::Lingering);
    frames(
        GET_10_KEEP,
        200,
        LENGTH_KNOWN,
        "Connection: keep-alive\r\nContent-Length: 5\r\n\r\nhello",
        State::Idle,
    );
    frames(GET_10_KEEP, 200, &[Empty], "Connection: keep-alive\r\nContent-Length: 0\r\n\r\n", State::Idle);
    frames(GET_10_KEEP, 200, &[Unknown], "Connection: close\r\n\r\nhello", State::Lingering);
}

#[test]
fn an_answer_to_head_says_what_get_would_have_got_and_has_no_content() {
    frames(HEAD, 200, LENGTH_KNOWN, "Content-Length: 5\r\n\r\n", State::Idle);
    frames(HEAD, 200, &[Unknown], "Transfer-Encoding: chunked\r\n\r\n", State::Idle);
    frames(HEAD, 200, &[Empty], "\r\n", State::Idle);
    let head_10 = "HEAD / HTTP/1.0\r\n\r\n";
    frames(head_10, 200, LENGTH_KNOWN, "Connection: close\r\nContent-Length: 5\r\n\r\n", State::Lingering);
    frames(head_10, 200, &[Unknown, Empty], "Connection: close\r\n\r\n", State::Lingering);
    let head_10_keep = "HEAD / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n";
    frames(
        head_10_keep,
        200,
        LENGTH_KNOWN,
        "Connection: keep-alive\r\nContent-Length: 5\r\n\r\n",
        State::Idle,
    );
}

#[test]
fn a_204_has_neither_content_nor_framing() {
    for content in [Empty, Slice, Declared, ByBytes, Known, DeclaredStream, Unknown] {
        frames(GET, 204, &[content], "\r\n", State::Idle);
        frames(HEAD, 204, &[content], "\r\n", State::Idle);
        frames(GET_10_KEEP, 204, &[content], "Connection: keep-alive\r\n\r\n", State::Idle);
        frames(GET_10, 204, &[content], "Connection: close\r\n\r\n", State::Lingering);
    }
}

#[test]
fn a_205_has_a_length_of_zero_and_no_content() {
    for content in [Empty, Slice, Declared, ByBytes, Known, DeclaredStream, Unknown] {
        frames(GET, 205, &[content], "Content-Length: 0\r\n\r\n", State::Idle);
        frames(
            GET_10_KEEP,
            205,
            &[content],
            "Connection: keep-alive\r\nContent-Length: 0\r\n\r\n",
            State::Idle,
        );
    }
}

#[test]
fn a_304_has_no_content_and_the_length_of_what_it_stands_for() {
    frames(GET, 304, LENGTH_KNOWN, "Content-Length: 5\r\n\r\n", State::Idle);
    frames(GET, 304, &[Empty, Unknown], "\r\n", State::Idle);
    frames(
        GET_10_KEEP,
        304,
        LENGTH_KNOWN,
        "Connection: keep-alive\r\nContent-Length: 5\r\n\r\n",
        State::Idle,
    );
}

#[test]
fn an_interim_status_is_no_final_answer() {
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
fn a_chunk_of_nothing_is_not_sent_since_it_would_be_the_last() {
    let mut rig = Rig::new();
    rig.rx(GET).stream(None).write("").write("a").write("").finish();
    assert!(rig.wire().ends_with("\r\n\r\n1\r\na\r\n0\r\n\r\n"));
}

#[test]
fn chunks_by_reference_are_framed_like_copies() {
    let content = "x".repeat(20_000);
    let mut rig = Rig::new();
    rig.rx(GET).stream(None).input(Input::Write(Data::Bytes(Bytes::from(content.clone()))));
    rig.write("tail").finish();
    let wire = rig.wire();
    let expected = format!("\r\n\r\n4e20\r\n{content}\r\n4\r\ntail\r\n0\r\n\r\n");
    assert!(wire.ends_with(&expected), "{:.300}", wire);
}

#[test]
fn a_stream_of_no_octets_is_whole_at_its_head() {
    let mut rig = Rig::new();
    rig.rx(GET).stream(Some(0));
    assert!(!rig.channel.owes_body());
    assert!(rig.wire().ends_with("Content-Length: 0\r\n\r\n"));
    assert_eq!(rig.state(), State::Idle);
}

#[test]
fn what_exceeds_its_content_length_is_cut_and_reported() {
    let declared = fields(&[("Content-Length", "3")]);
    for body in [BodyRef::Slice(b"hello"), BodyRef::Bytes(&Bytes::from_static(b"hello"))] {
        let mut rig = Rig::new();
        rig.rx(GET.repeat(2));
        rig.told();
        rig.respond(Status::OK, &declared, body);
        // The next request comes at once, so the report stands before it or after it, but stands.
        assert!(rig.told().contains(&Told::Excess(2)));
        let wire = rig.wire();
        assert!(wire.ends_with("Content-Length: 3\r\n\r\nhel"), "{wire}");
    }
    let mut rig = Rig::new();
    rig.rx(GET).stream(Some(3)).write("he");
    rig.told();
    rig.write("llo").write("!!");
    assert_eq!(rig.told(), [Told::Excess(2), Told::Excess(2)]);
    rig.input(Input::Write(Data::Bytes(Bytes::from(vec![b'x'; 10_000]))));
    assert_eq!(rig.told(), [Told::Excess(10_000)]);
    rig.finish();
    assert!(rig.wire().ends_with("Content-Length: 3\r\n\r\nhel"));
    assert_eq!(rig.state(), State::Idle);
}

#[test]
fn a_whole_answer_short_of_its_content_length_is_not_accepted() {
    let declared = fields(&[("Content-Length", "6")]);
    let five = Bytes::from_static(b"hello");
    for body in [BodyRef::Slice(b"hello"), BodyRef::Bytes(&five), BodyRef::Empty] {
        let mut rig = Rig::new();
        rig.rx(GET);
        assert!(rig.try_respond(Status::OK, &declared, body).is_err(), "{body:?}");
        assert_eq!((rig.state(), rig.wire().as_str()), (State::WaitResponse, ""));
        // Where no content is sent, the length is what GET would get.
        rig.respond(Status::NOT_MODIFIED, &declared, body);
        assert!(rig.wire().ends_with("Content-Length: 6\r\n\r\n"));
        rig.rx(HEAD).respond(Status::OK, &declared, body);
        assert!(rig.wire().ends_with("Content-Length: 6\r\n\r\n"));
    }
}

#[test]
fn a_streamed_answer_short_of_its_content_length_cuts_the_connection() {
    let mut rig = Rig::new();
    rig.rx(GET.repeat(2)).stream(Some(5)).write("hell");
    rig.told();
    rig.finish();
    assert_eq!(rig.state(), State::Closing);
    let wire = rig.wire();
    assert!(wire.ends_with("Content-Length: 5\r\n\r\nhell"), "{wire}");
    assert_eq!(rig.told(), [Told::CloseWrite]);
    assert_eq!(reason(&mut rig), CloseReason::AnswerShort);
}

#[test]
fn trailers_go_out_behind_the_last_chunk() {
    let trailers = fields(&[("X-Sum", "1"), ("Content-Type", "a/b"), ("ETag", "\"e\"")]);
    let mut rig = Rig::new();
    rig.rx(GET).stream(None).write("a").input(Input::Finish(Some(&trailers)));
    assert!(rig.wire().ends_with("1\r\na\r\n0\r\nX-Sum: 1\r\nETag: \"e\"\r\n\r\n"));
    assert_eq!(rig.state(), State::Idle);
}

#[test]
fn trailers_have_no_place_where_there_are_no_chunks() {
    let trailers = fields(&[("X-Sum", "1")]);
    for (request, length) in [(GET, Some(1)), (GET_10, Some(1)), (GET_10, None)] {
        let mut rig = Rig::new();
        rig.rx(request).stream(length).write("a").input(Input::Finish(Some(&trailers)));
        let wire = rig.wire();
        assert!(wire.ends_with("\r\n\r\na"), "{wire}");
    }
}

#[test]
fn http_1_2_to_1_9_are_answered_as_1_1() {
    for minor in 2..=9 {
        let mut rig = Rig::new();
        rig.rx(format!("GET / HTTP/1.{minor}\r\nHost: a\r\n\r\n")).stream(None).write("a").finish();
        let wire = rig.wire();
        assert!(wire.starts_with("HTTP/1.1 200 OK\r\n") && wire.ends_with("0\r\n\r\n"), "{wire}");
        assert_eq!(rig.state(), State::Idle);
    }
}

#[test]
fn answers_leave_in_the_order_of_their_requests_whatever_their_framing() {
    let mut rig = Rig::new();
    rig.rx([GET, HEAD, GET, GET].concat());
    rig.ok("1").ok("2").stream(None).write("3").finish().ok("4");
    let head = |framing: &str| format!("HTTP/1.1 200 OK\r\n{ORIGIN}{framing}\r\n\r\n");
    assert_eq!(
        rig.wire(),
        [
            &head("Content-Length: 1"),
            "1",
            &head("Content-Length: 1"),
            &head("Transfer-Encoding: chunked"),
            "1\r\n3\r\n0\r\n\r\n",
            &head("Content-Length: 1"),
            "4"
        ]
        .concat()
    );
}

#[test]
fn a_streamed_answer_holds_the_next_request_back() {
    let mut rig = Rig::new();
    rig.rx(GET.repeat(2)).stream(None);
    rig.told();
    rig.write("a").send_all();
    assert_eq!((rig.told(), rig.state()), (vec![], State::Responding));
    rig.finish();
    assert_eq!(rig.told(), [Told::Request("GET /".into())]);
}

// Server, Via, Date.

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
fn a_server_field_of_the_application_stays_and_via_names_this_server() {
    let own = fields(&[("Server", "app")]);
    for (request, via) in [(GET, "Via: 1.1 httpfsm\r\n"), (GET_10, "Via: 1.0 httpfsm\r\n")] {
        let mut rig = Rig::new();
        rig.rx(request).respond(Status::OK, &own, BodyRef::Empty);
        let wire = rig.wire();
        assert!(wire.contains(&format!("Server: app\r\n{via}Date: ")), "{wire}");
        assert_eq!(wire.matches("Server:").count(), 1);
    }
}

#[test]
fn the_date_is_the_one_given_with_the_input_and_the_application_s_own_stays() {
    let date = Date::new(*b"Sun, 06 Nov 1994 08:49:37 GMT").unwrap();
    let mut rig = Rig::new();
    rig.rx(GET);
    let plain = Fields::new();
    let answer = httpfsm::ResponseRef::new(Status::OK, &plain, b"");
    rig.channel.handle(&Now::new(Moment::START, &date), Input::HttpResponse(answer)).unwrap();
    assert!(rig.wire().contains("\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n"));
    rig.rx(GET).respond(Status::OK, &fields(&[("Date", "today")]), BodyRef::Empty);
    let wire = rig.wire();
    assert!(wire.contains("\r\nDate: today\r\n") && wire.matches("Date").count() == 1, "{wire}");
}

#[test]
fn the_application_can_ask_for_the_close() {
    let mut rig = Rig::new();
    rig.rx(GET.repeat(2)).respond(Status::OK, &fields(&[("Connection", "close")]), BodyRef::Slice(b"x"));
    rig.told();
    let wire = rig.wire();
    assert!(wire.contains("\r\nConnection: close\r\n") && wire.ends_with("\r\n\r\nx"), "{wire}");
    assert_eq!(rig.told(), [Told::CloseWrite]);
    assert_eq!(reason(&mut rig), CloseReason::RequestedByApplication);
}

#[test]
fn nothing_is_served_after_a_request_that_asked_for_the_close() {
    let mut rig = Rig::new();
    rig.rx([GET_CLOSE, GET].concat()).ok("x");
    assert_eq!(rig.told(), [Told::Request("GET /".into())]);
    assert_eq!(statuses(&rig.wire()), ["200"]);
    assert_eq!(reason(&mut rig), CloseReason::RequestedByPeer);
}

// Interim heads.

#[test]
fn an_interim_head_goes_before_the_answer_and_has_no_framing() {
    let hints = fields(&[("Link", "</a.css>; rel=preload")]);
    let mut rig = Rig::new();
    rig.rx(GET).input(Input::Informational(Status::EARLY_HINTS, &hints)).ok("");
    assert_eq!(
        rig.wire(),
        format!(
            "HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\nHTTP/1.1 200 OK\r\n{ORIGIN}Content-Length: 0\r\n\r\n"
        )
    );
}

#[test]
fn http_1_0_gets_no_interim_head() {
    let mut rig = Rig::new();
    rig.rx(GET_10).input(Input::Informational(Status::EARLY_HINTS, &Fields::new())).ok("");
    assert_eq!(statuses(&rig.wire()), ["200"]);
}

#[test]
fn only_102_and_what_follows_is_informational() {
    let mut rig = Rig::new();
    rig.rx(GET);
    for (code, accepted) in [(100, false), (101, false), (102, true), (103, true), (199, true), (200, false)]
    {
        let none = Fields::new();
        let result = rig.try_input(Input::Informational(Status::new(code).unwrap(), &none));
        assert_eq!(result.is_ok(), accepted, "{code}");
    }
    assert_eq!(statuses(&rig.wire()), ["102", "103", "199"]);
}

#[test]
fn no_interim_head_goes_inside_an_answer() {
    let none = Fields::new();
    let mut rig = Rig::new();
    rig.rx(GET).stream(None);
    refuses(&mut rig, Input::Informational(Status::EARLY_HINTS, &none));
}

// Expect.

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
    rig.told();
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
    // Behind another answer it waits its turn.
    rig.rx(GET).rx(expect(1)).ok("first").demand(1);
    let wire = rig.wire();
    assert!(wire.ends_with("\r\n\r\nfirstHTTP/1.1 100 Continue\r\n\r\n"), "{wire}");
}

#[test]
fn no_100_is_sent_that_nobody_waits_for() {
    for request in [
        // Octets of the body came already.
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
fn an_expectation_that_is_answered_without_its_100_closes() {
    for status in [Status::OK, Status::EXPECTATION_FAILED, Status::CONTENT_TOO_LARGE] {
        // Whether the client sent the body nevertheless cannot be known from what has arrived.
        for sent in ["", "hello", "GET / HTTP/1.1\r\nHost: evil\r\n\r\n"] {
            let mut rig = Rig::new();
            rig.rx(expect(34) + sent).respond(status, &Fields::new(), BodyRef::Empty);
            assert!(rig.wire().contains("\r\nConnection: close\r\n"), "{status} {sent:?}");
            assert_eq!(reason(&mut rig), CloseReason::BodyUnread);
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
fn an_unknown_expectation_is_answered_417() {
    let mut rig = Rig::new();
    rig.rx("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nExpect: a-miracle\r\n\r\nx");
    assert_eq!(rig.told(), [Told::Refused(Rule::Expectation)]);
    assert_eq!(statuses(&rig.wire()), ["417"]);
}

// Answers before the body was read.

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
            rig.told(),
            [Told::Request("POST /".into()), Told::Request("GET /next".into())],
            "{arrived}"
        );
    }
}

#[test]
fn a_rest_of_unknown_length_makes_the_answer_say_close() {
    for arrived in ["", "5\r\nhello\r\n", "5\r\nhello\r\n0\r\n\r\n"] {
        let mut rig = Rig::new();
        rig.rx([POST_CHUNKED, arrived].concat()).ok("early");
        assert!(rig.wire().contains("\r\nConnection: close\r\n"), "{arrived:?}");
        assert_eq!(reason(&mut rig), CloseReason::BodyUnread);
    }
}

#[test]
fn a_body_that_was_read_does_not_close() {
    let mut rig = Rig::new();
    rig.rx([POST_CHUNKED, "5\r\nhello\r\n0\r\nX: y\r\n\r\n"].concat()).demand(100).ok("");
    assert_eq!(
        rig.told(),
        [Told::Request("POST /".into()), Told::Data("hello".into()), Told::BodyEnd("X: y\n".into())]
    );
    assert!(!rig.wire().contains("close"));
    assert_eq!(rig.state(), State::Idle);
}

#[test]
fn an_answer_may_stream_while_the_body_comes() {
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
fn a_streamed_answer_that_ends_before_a_long_body_closes() {
    let mut rig = Rig::new();
    rig.rx(POST_CHUNKED).demand(100).stream(None).finish().send_all();
    assert_eq!(reason(&mut rig), CloseReason::BodyUnread);
}

// Handing over.

#[test]
fn an_accepted_upgrade_hands_over_what_came_behind_the_request() {
    let mut rig = Rig::new();
    rig.rx([UPGRADE, "GET /first"].concat());
    rig.respond(Status::SWITCHING_PROTOCOLS, &fields(&[("Upgrade", "echo")]), BodyRef::Empty);
    assert_eq!(rig.state(), State::Handover);
    rig.rx(" octets");
    assert_eq!(rig.told(), [Told::Request("GET /".into())]);
    assert_eq!(
        rig.wire(),
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: upgrade\r\n\r\n"
    );
    assert_eq!(rig.told(), [Told::Upgraded("GET /first octets".into())]);
    assert_eq!(rig.state(), State::Upgraded);
    refuses(&mut rig, Input::RxData(b"x"));
    rig.input(Input::Disconnected);
    assert_eq!(rig.told(), [Told::Closed(CloseReason::Upgraded)]);
}

#[test]
fn a_refused_upgrade_parses_on() {
    let mut rig = Rig::new();
    rig.rx([UPGRADE, "GET /next HTTP/1.1\r\nHost: a\r\n\r\n"].concat());
    assert_eq!(rig.told(), [Told::Request("GET /".into())]);
    rig.ok("no");
    assert_eq!(rig.told(), [Told::Request("GET /next".into())]);
    rig.respond(
        Status::UPGRADE_REQUIRED,
        &fields(&[("Connection", "upgrade"), ("Upgrade", "echo")]),
        BodyRef::Empty,
    );
    let wire = rig.wire();
    assert_eq!(statuses(&wire), ["200", "426"]);
    assert!(wire.contains("Upgrade: echo\r\n") && wire.contains("Connection: upgrade\r\n"), "{wire}");
    assert_eq!(rig.state(), State::Idle);
}

#[test]
fn an_answer_that_offers_protocols_has_the_upgrade_option_beside_any_other() {
    let offer = fields(&[("Upgrade", "echo")]);
    let with_option = fields(&[("Upgrade", "echo"), ("Connection", "upgrade")]);
    let and_close = fields(&[("Upgrade", "echo"), ("Connection", "close, upgrade")]);
    for (request, offers, options) in [
        (GET, &[&offer, &with_option][..], "upgrade"),
        (GET, &[&and_close], "close, upgrade"),
        (GET_CLOSE, &[&offer, &with_option, &and_close], "close, upgrade"),
        (GET_10, &[&offer, &with_option, &and_close], "close, upgrade"),
        (GET_10_KEEP, &[&offer, &with_option], "keep-alive, upgrade"),
        (CONNECT, &[&offer, &with_option], "close, upgrade"),
    ] {
        for offer in offers {
            let mut rig = Rig::new();
            rig.rx(request).respond(Status::UPGRADE_REQUIRED, offer, BodyRef::Empty);
            let expected =
                format!("Upgrade: echo\r\n{ORIGIN}Connection: {options}\r\nContent-Length: 0\r\n\r\n");
            let wire = rig.wire();
            assert!(wire.ends_with(&expected), "{request:?} {offer:?}: {wire}");
        }
    }
}

#[test]
fn a_request_that_asks_for_no_upgrade_is_not_handed_over() {
    for request in [
        GET.to_owned(),
        UPGRADE.replace("1.1", "1.0"),
        UPGRADE.replace("Connection: upgrade\r\n", ""),
        UPGRADE.replace("Upgrade: echo\r\n", ""),
    ] {
        let mut rig = Rig::new();
        rig.rx(&request);
        let protocol = fields(&[("Upgrade", "echo")]);
        let switch = rig.try_respond(Status::SWITCHING_PROTOCOLS, &protocol, BodyRef::Empty);
        assert!(switch.is_err(), "{request}");
        assert_eq!(rig.state(), State::WaitResponse);
    }
}

#[test]
fn a_head_that_offers_protocols_and_is_no_last_word_has_the_upgrade_option_too() {
    let offer = fields(&[("Upgrade", "echo")]);
    let mut rig = Rig::new();
    rig.rx(GET).input(Input::Informational(Status::EARLY_HINTS, &offer));
    assert_eq!(rig.wire(), "HTTP/1.1 103 Early Hints\r\nUpgrade: echo\r\nConnection: upgrade\r\n\r\n");
    let mut rig = Rig::new();
    rig.rx(CONNECT).respond(Status::OK, &offer, BodyRef::Empty);
    let wire = rig.wire();
    assert!(wire.ends_with(&format!("Upgrade: echo\r\n{ORIGIN}Connection: upgrade\r\n\r\n")), "{wire}");
}

#[test]
fn a_101_that_names_no_protocol_is_not_accepted() {
    let mut rig = Rig::new();
    rig.rx(UPGRADE);
    for nameless in [Fields::new(), fields(&[("Connection", "upgrade")])] {
        assert!(rig.try_respond(Status::SWITCHING_PROTOCOLS, &nameless, BodyRef::Empty).is_err());
    }
    assert_eq!((rig.state(), rig.wire().as_str()), (State::WaitResponse, ""));
    rig.respond(Status::SWITCHING_PROTOCOLS, &fields(&[("Upgrade", "echo")]), BodyRef::Empty);
    assert_eq!(rig.state(), State::Handover);
}

#[test]
fn an_upgrade_with_a_body_is_handed_over_when_the_body_was_read() {
    let mut rig = Rig::new();
    let protocol = fields(&[("Upgrade", "echo")]);
    rig.rx(UPGRADE.replace("Host: a\r\n", "Host: a\r\nContent-Length: 5\r\n") + "hello");
    assert!(rig.try_respond(Status::SWITCHING_PROTOCOLS, &protocol, BodyRef::Empty).is_err());
    rig.demand(5).rx("left").respond(Status::SWITCHING_PROTOCOLS, &protocol, BodyRef::Empty).send_all();
    assert_eq!(rig.told().pop(), Some(Told::Upgraded("left".into())));
}

#[test]
fn an_accepted_connect_hands_over_without_framing() {
    for content in [Empty, Slice, Declared, Known, DeclaredStream, Unknown] {
        let (wire, state) = answered(CONNECT, 200, content);
        assert_eq!(
            (wire, state),
            (format!("HTTP/1.1 200 OK\r\n{ORIGIN}\r\n"), State::Upgraded),
            "{content:?}"
        );
    }
    let mut rig = Rig::new();
    rig.rx([CONNECT, "\x16\x03"].concat()).ok("").send_all();
    assert_eq!(rig.told(), [Told::Request("CONNECT a:1".into()), Told::Upgraded("\x16\x03".into())]);
}

#[test]
fn a_refused_connect_closes_and_what_follows_is_not_parsed() {
    let mut rig = Rig::new();
    rig.rx([CONNECT, GET].concat()).respond(Status::FORBIDDEN, &Fields::new(), BodyRef::Slice(b"no"));
    let wire = rig.wire();
    assert!(wire.contains("\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno"), "{wire}");
    assert_eq!(rig.told()[1..], [Told::CloseWrite]);
}

// Failures of the application.

#[test]
fn a_failure_before_the_answer_is_a_500() {
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
        assert_eq!(rig.told()[1..], [Told::Refused(Rule::HandlerFailed), Told::CloseWrite]);
        assert_eq!(reason(&mut rig), CloseReason::Refused(error));
    }
}

#[test]
fn a_failure_inside_an_answer_cuts_it_so_that_it_cannot_look_whole() {
    let mut rig = Rig::new();
    rig.rx(GET).stream(None).write("begun").input(Input::Abort(Some("why")));
    let wire = rig.wire();
    assert!(wire.ends_with("5\r\nbegun\r\n") && !wire.contains("why"), "{wire}");
    assert_eq!(reason(&mut rig), CloseReason::Aborted);

    let mut rig = Rig::new();
    rig.rx(GET).stream(Some(9)).write("begun").input(Input::Abort(None));
    assert!(rig.wire().ends_with("Content-Length: 9\r\n\r\nbegun"));
    assert_eq!(reason(&mut rig), CloseReason::Aborted);

    // What ends with the connection would look whole: it needs a reset.
    let mut rig = Rig::new();
    rig.rx(GET_10).stream(None).write("begun").input(Input::Abort(None));
    rig.told();
    assert!(rig.wire().ends_with("begun"));
    assert_eq!(rig.told(), [Told::Reset, Told::Closed(CloseReason::Aborted)]);
}

#[test]
fn a_failure_with_an_unread_body_tells_the_application_that_the_body_ended() {
    let mut rig = Rig::new();
    rig.rx(post(5)).demand(5).input(Input::Abort(None));
    assert!(rig.told().contains(&Told::BodyFailed(BodyError::Closed)));
}

// Verdicts of the server.

#[test]
fn a_busy_server_answers_503_and_the_connection_goes_on() {
    let mut rig = Rig::new();
    rig.rx(GET.repeat(2)).input(Input::Busy);
    assert_eq!(
        rig.told(),
        [Told::Request("GET /".into()), Told::Refused(Rule::Busy), Told::Request("GET /".into())]
    );
    rig.ok("served");
    let wire = rig.wire();
    assert_eq!(statuses(&wire), ["503", "200"]);
    assert!(!wire.contains("close"), "{wire}");
    assert_eq!(rig.state(), State::Idle);
    assert_eq!(rig.channel.stats().refused, 1);
}

#[test]
fn a_busy_server_refuses_only_a_request_that_waits() {
    let mut rig = Rig::new();
    refuses(&mut rig, Input::Busy);
    rig.rx(GET).stream(None);
    refuses(&mut rig, Input::Busy);
}

#[test]
fn an_evicted_connection_closes_when_it_is_idle() {
    let mut rig = Rig::new();
    rig.rx(GET).ok("").send_all();
    rig.told();
    rig.input(Input::Evict);
    assert_eq!(rig.told(), [Told::Drop, Told::Closed(CloseReason::Evicted)]);
}

#[test]
fn a_connection_that_is_busy_when_evicted_finishes_first() {
    let reaches: [Reach; 3] = [
        |rig| rig.input(Input::Evict).rx(GET),
        |rig| rig.rx("GET").input(Input::Evict).rx(&GET[3..]),
        |rig| rig.rx(GET).input(Input::Evict),
    ];
    for reach in reaches {
        let mut rig = Rig::new();
        reach(&mut rig);
        rig.ok("last");
        let wire = rig.wire();
        assert!(wire.contains("\r\nConnection: close\r\n") && wire.ends_with("last"), "{wire}");
        assert_eq!(reason(&mut rig), CloseReason::Evicted);
    }
    let mut rig = Rig::new();
    rig.rx(GET).stream(None).input(Input::Evict).write("all").finish();
    assert!(rig.wire().ends_with("3\r\nall\r\n0\r\n\r\n"));
    assert_eq!(reason(&mut rig), CloseReason::Evicted);
    let mut rig = Rig::new();
    rig.rx(GET).ok("all").input(Input::Evict);
    assert!(rig.wire().ends_with("all"));
    assert_eq!(reason(&mut rig), CloseReason::Evicted);
}

// The machine's own answers.

#[test]
fn an_error_answer_says_which_rule_was_broken() {
    let mut rig = Rig::new();
    rig.rx("GET / HTTP/1.1\r\n\r\n");
    assert_eq!(
        rig.wire(),
        format!(
            "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\n{ORIGIN}Connection: close\r\nContent-Length: 56\r\n\r\n400 Bad Request\nAn HTTP/1.1 request needs a Host field.\n"
        )
    );
    assert_eq!(reason(&mut rig), CloseReason::Refused(RequestError::new(Rule::HostMissing, 0)));
}

#[test]
fn an_error_answer_has_the_version_of_its_request() {
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
fn an_error_answer_to_head_has_no_content() {
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
fn a_bad_request_behind_a_pending_answer_is_refused_after_it() {
    let mut rig = Rig::new();
    rig.rx([GET, "BAD\r\n\r\n", GET].concat());
    assert_eq!(rig.told(), [Told::Request("GET /".into())]);
    rig.stream(None).write("good").finish();
    assert_eq!(rig.told(), [Told::Refused(Rule::RequestLine)]);
    let wire = rig.wire();
    assert_eq!(statuses(&wire), ["200", "400"]);
    assert!(wire.contains("4\r\ngood\r\n0\r\n\r\nHTTP/1.1 400 "), "{wire}");
    assert_eq!(rig.told(), [Told::CloseWrite]);
}

#[test]
fn a_broken_body_is_answered_by_the_machine_before_the_application_answers() {
    let mut rig = Rig::new();
    rig.rx([POST_CHUNKED, "2\r\nab\r\nINVALID\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"].concat());
    rig.told();
    rig.demand(100);
    let told = rig.told();
    assert_eq!(told[0], Told::Data("ab".into()));
    assert!(
        matches!(told[1], Told::BodyFailed(BodyError::Malformed(error)) if error.rule == Rule::ChunkSize)
    );
    assert_eq!(told[2..], [Told::Refused(Rule::ChunkSize)]);
    assert_eq!(statuses(&rig.wire()), ["400"]);
    assert_eq!(rig.told(), [Told::CloseWrite]);
}

#[test]
fn a_broken_body_ends_with_the_answer_that_runs() {
    let mut rig = Rig::new();
    rig.rx(POST_CHUNKED).demand(100).stream(None);
    rig.told();
    rig.rx("INVALID\r\n");
    assert!(matches!(rig.told()[..], [Told::BodyFailed(BodyError::Malformed(_))]));
    rig.write("nevertheless").finish();
    assert!(rig.wire().ends_with("nevertheless\r\n0\r\n\r\n"));
    assert!(matches!(reason(&mut rig), CloseReason::BodyFailed(BodyError::Malformed(_))));
}

// Late and misplaced.

#[test]
fn a_late_response_is_refused_and_never_sent() {
    let reaches: [Reach; 8] = [
        |rig| rig,
        |rig| rig.rx("GET"),
        |rig| rig.rx(GET).stream(None),
        |rig| rig.rx(GET).ok(""),
        |rig| rig.rx(GET).ok("").send_all(),
        |rig| rig.rx(GET_CLOSE).ok(""),
        |rig| rig.rx(post(5)).ok(""),
        |rig| rig.rx(GET).input(Input::Disconnected),
    ];
    for reach in reaches {
        let mut rig = Rig::new();
        reach(&mut rig);
        let plain = Fields::new();
        let response = httpfsm::ResponseRef::new(Status::OK, &plain, b"late");
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
fn a_response_after_the_machine_s_own_is_refused() {
    let mut rig = Rig::with(|config| config.responseless_timeout = rig::seconds(1));
    rig.rx(GET).tick(1_000);
    let plain = Fields::new();
    refuses(&mut rig, Input::HttpResponse(httpfsm::ResponseRef::new(Status::OK, &plain, b"late")));
    assert_eq!(statuses(&rig.wire()), ["503"]);
}

// Flushing.

#[test]
fn a_flush_is_complete_when_its_octets_have_left() {
    let mut rig = Rig::new();
    rig.rx(GET).stream(None).write("one");
    rig.told();
    rig.input(Input::Flush);
    assert_eq!(rig.told(), [Told::Flush]);
    let mark = rig.channel.unsent_len();
    rig.write("two").send(mark - 1);
    assert_eq!(rig.told(), []);
    rig.send(1);
    assert_eq!(rig.told(), [Told::Flushed]);
    rig.send_all();
    assert_eq!(rig.told(), []);
}

#[test]
fn a_flush_with_nothing_to_send_is_complete_at_once() {
    let mut rig = Rig::new();
    rig.rx(GET);
    rig.told();
    rig.input(Input::Flush);
    assert_eq!(rig.told(), [Told::Flushed]);
}

#[test]
fn a_flush_before_the_answer_is_about_what_stands_before_it() {
    let mut rig = Rig::new();
    rig.rx(GET).input(Input::Informational(Status::EARLY_HINTS, &Fields::new()));
    rig.told();
    rig.input(Input::Flush);
    assert_eq!(rig.told(), [Told::Flush]);
    rig.send_all();
    assert_eq!(rig.told(), [Told::Flushed]);
}

#[test]
fn the_application_is_told_when_there_is_room_again() {
    let mut rig = Rig::with(|config| config.output_high_water = 1024);
    rig.rx(GET).stream(None);
    rig.told();
    rig.write(&"x".repeat(rig.channel.room()));
    assert_eq!(rig.channel.room(), 0);
    refuses(&mut rig, Input::Write(Data::Slice(b"x")));
    rig.send(1);
    let left = rig.channel.unsent_len();
    if left > 1024 {
        rig.send(left - 1023);
    }
    assert_eq!(rig.told(), [Told::TransmitReady]);
    assert!(rig.channel.room() > 0);
}

#[test]
fn a_socket_that_is_ready_is_given_what_there_is() {
    let mut rig = Rig::new();
    rig.rx(GET).ok("");
    rig.told();
    rig.input(Input::TransmitReady);
    assert_eq!(rig.told(), [Told::Flush]);
    rig.send_all().input(Input::TransmitReady);
    assert_eq!(rig.told(), []);
}

// The end of input.

#[test]
fn a_peer_that_ends_between_requests_is_closed() {
    for reach in [(|rig| rig) as Reach, |rig| rig.rx(GET).ok("").send_all()] {
        let mut rig = Rig::new();
        reach(&mut rig);
        rig.told();
        rig.input(Input::RxEnd);
        assert_eq!(rig.told(), [Told::Drop, Told::Closed(CloseReason::PeerEnded)]);
    }
}

#[test]
fn a_head_that_the_end_of_input_cuts_is_answered_400() {
    let mut rig = Rig::new();
    rig.rx("GET / HTTP/1.1\r\nHost: a\r\n").input(Input::RxEnd);
    assert_eq!(rig.told(), [Told::Refused(Rule::HeadTruncated)]);
    assert_eq!(statuses(&rig.wire()), ["400"]);
    let error = RequestError::new(Rule::HeadTruncated, 25);
    assert_eq!(rig.told(), [Told::Drop, Told::Closed(CloseReason::Refused(error))]);
}

#[test]
fn an_empty_line_before_the_end_of_input_is_no_request() {
    for empty in ["\r", "\r\n"] {
        let mut rig = Rig::new();
        rig.rx(empty).input(Input::RxEnd);
        assert_eq!(rig.wire(), "");
        assert_eq!(rig.told().pop(), Some(Told::Closed(CloseReason::PeerEnded)), "{empty:?}");
    }
}

#[test]
fn a_request_before_the_end_of_input_is_answered() {
    let mut rig = Rig::new();
    rig.rx(GET).input(Input::RxEnd);
    assert_eq!(rig.told(), [Told::Request("GET /".into()), Told::PeerEnded]);
    rig.ok("after all");
    assert!(rig.wire().ends_with("after all"));
    assert_eq!(rig.told(), [Told::Drop, Told::Closed(CloseReason::PeerEnded)]);
}

#[test]
fn a_streamed_answer_goes_on_after_the_end_of_input() {
    let mut rig = Rig::new();
    rig.rx(GET).stream(None);
    rig.told();
    rig.input(Input::RxEnd);
    assert_eq!(rig.told(), [Told::PeerEnded]);
    rig.write("all").finish();
    assert!(rig.wire().ends_with("3\r\nall\r\n0\r\n\r\n"));
    assert_eq!(rig.told(), [Told::Drop, Told::Closed(CloseReason::PeerEnded)]);
}

#[test]
fn all_requests_before_the_end_of_input_are_answered() {
    let mut rig = Rig::new();
    rig.rx(GET.repeat(3)).input(Input::RxEnd).ok("1").ok("2").ok("3");
    assert_eq!(statuses(&rig.wire()), ["200"; 3]);
    assert_eq!(rig.state(), State::Closed);
}

#[test]
fn a_cut_head_behind_an_answer_is_refused_after_it() {
    let mut rig = Rig::new();
    rig.rx([GET, "GET /2 HTT"].concat()).input(Input::RxEnd);
    rig.told();
    rig.ok("1");
    assert_eq!(rig.told(), [Told::Refused(Rule::HeadTruncated)]);
    assert_eq!(statuses(&rig.wire()), ["200", "400"]);
    assert_eq!(rig.state(), State::Closed);
}

#[test]
fn an_empty_line_behind_the_last_answer_ends_in_silence() {
    let mut rig = Rig::new();
    rig.rx([GET, "\r\n"].concat()).input(Input::RxEnd).ok("1");
    assert_eq!(statuses(&rig.wire()), ["200"]);
    assert_eq!(rig.told().pop(), Some(Told::Closed(CloseReason::PeerEnded)));
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
        let end = [Told::BodyFailed(BodyError::Truncated), Told::Refused(Rule::BodyTruncated)];
        // Demanded before and after.
        let mut rig = Rig::new();
        rig.rx(request.clone() + sent).demand(100).input(Input::RxEnd);
        let told = rig.told();
        assert_eq!(
            told[told.len() - 3..],
            [end[0].clone(), Told::PeerEnded, end[1].clone()],
            "what came before the end of input, and the end"
        );
        assert_eq!(statuses(&rig.wire()), ["400"]);
        let mut rig = Rig::new();
        rig.rx(request + sent).input(Input::RxEnd).demand(100);
        let told = rig.told();
        assert!(told.starts_with(&[Told::Request("POST /".into()), Told::PeerEnded]), "{told:?}");
        assert!(told.ends_with(&end), "{told:?}");
        assert!(told.iter().any(|told| matches!(told, Told::Data(data) if "hello".starts_with(data))));
    }
}

#[test]
fn a_body_that_came_whole_before_the_end_of_input_is_whole_however_late_it_is_read() {
    for request in [post(5) + "hello", POST_CHUNKED.to_owned() + "5\r\nhello\r\n0\r\n\r\n"] {
        let mut rig = Rig::new();
        rig.rx(request).input(Input::RxEnd);
        rig.told();
        let mut data = String::new();
        for _ in 0..5 {
            rig.demand(1);
            for told in rig.told() {
                match told {
                    Told::Data(octets) => data += &octets,
                    Told::BodyEnd(_) => data += ".",
                    other => panic!("{other:?}"),
                }
            }
        }
        if data == "hello" {
            rig.demand(1);
            assert_eq!(rig.told(), [Told::BodyEnd(String::new())]);
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
    rig.told();
    rig.input(Input::RxEnd);
    assert_eq!(rig.told(), [Told::Drop, Told::Closed(CloseReason::BodyUnread)]);
}

#[test]
fn the_end_of_input_while_an_answer_leaves_changes_nothing_of_it() {
    for request in [GET.to_owned(), GET_CLOSE.to_owned(), CONNECT.to_owned(), post(5)] {
        let mut rig = Rig::new();
        rig.rx(&request).ok("hello");
        rig.told();
        rig.input(Input::RxEnd);
        assert_eq!(rig.told(), []);
        let wire = rig.wire();
        assert!(wire.ends_with("hello") || request == CONNECT, "{wire}");
        let ended = if request == CONNECT { State::Upgraded } else { State::Closed };
        assert_eq!(rig.state(), ended, "{request}");
    }
}

#[test]
fn input_does_not_end_twice() {
    for reach in [(|rig| rig.rx(GET)) as Reach, |rig| rig.rx(GET).stream(None)] {
        let mut rig = Rig::new();
        reach(&mut rig);
        rig.input(Input::RxEnd);
        refuses(&mut rig, Input::RxEnd);
        refuses(&mut rig, Input::RxData(b"x"));
        assert!(!rig.channel.waits_for().input());
        assert!(rig.channel.spare().is_empty());
    }
}

#[test]
fn on_request_the_end_of_input_is_a_disconnect() {
    for reach in [(|rig| rig.rx(GET)) as Reach, |rig| rig.rx(GET).stream(None)] {
        let mut rig = Rig::with(|config| config.fin_is_disconnect = true);
        reach(&mut rig);
        rig.told();
        rig.input(Input::RxEnd);
        assert_eq!(rig.told(), [Told::Reset, Told::Closed(CloseReason::Disconnected)]);
    }
}

#[test]
fn a_disconnect_ends_every_state_and_says_so() {
    let reaches: [(State, Reach); 10] = [
        (State::Fresh, |rig| rig),
        (State::Head, |rig| rig.rx("GET")),
        (State::Idle, |rig| rig.rx(GET).ok("").send_all()),
        (State::WaitResponse, |rig| rig.rx(GET)),
        (State::Responding, |rig| rig.rx(GET).stream(None)),
        (State::Discard, |rig| rig.rx(post(5)).ok("")),
        (State::Flushing, |rig| rig.rx(GET).ok("")),
        (State::Closing, |rig| rig.rx(GET_CLOSE).ok("")),
        (State::Handover, |rig| rig.rx(CONNECT).ok("")),
        (State::Lingering, |rig| rig.rx(GET_CLOSE).ok("").send_all()),
    ];
    for (state, reach) in reaches {
        let mut rig = Rig::new();
        reach(&mut rig);
        assert_eq!(rig.state(), state);
        rig.told();
        rig.input(Input::Disconnected);
        // Lingering has sent everything, and ends for the reason it lingers for.
        let expected = if state == State::Lingering {
            [Told::Drop, Told::Closed(CloseReason::RequestedByPeer)]
        } else {
            [Told::Reset, Told::Closed(CloseReason::Disconnected)]
        };
        let told: Vec<_> =
            rig.told().into_iter().filter(|told| !matches!(told, Told::BodyFailed(_))).collect();
        assert_eq!(told, expected, "in {state:?}");
        assert!(rig.channel.waits_for().is_empty(), "in {state:?}");
        assert_eq!((rig.channel.unsent_len(), rig.channel.buffered()), (0, 0), "in {state:?}");
    }
}

#[test]
fn a_disconnect_tells_the_reader_of_a_body() {
    let mut rig = Rig::new();
    rig.rx(post(5)).demand(5).rx("he");
    rig.told();
    rig.input(Input::Disconnected);
    assert_eq!(
        rig.told(),
        [Told::BodyFailed(BodyError::Disconnected), Told::Reset, Told::Closed(CloseReason::Disconnected)]
    );
}

#[test]
fn nothing_follows_the_close() {
    let mut rig = Rig::new();
    rig.rx(GET).input(Input::Disconnected);
    rig.told();
    for input in
        [Input::RxData(b"x"), Input::RxEnd, Input::Sent(1), Input::Disconnected, Input::GoOut, Input::Judge]
    {
        refuses(&mut rig, input);
    }
    rig.tick(1 << 40);
    assert_eq!(rig.told(), []);
}

// Going out.

#[test]
fn a_fresh_connection_may_still_make_one_request_when_the_server_goes_out() {
    for head in ["", "GET"] {
        let mut rig = Rig::new();
        rig.rx(head).input(Input::GoOut);
        rig.rx(&GET[head.len()..]).ok("last");
        let wire = rig.wire();
        assert!(wire.contains("\r\nConnection: close\r\n") && wire.ends_with("last"), "{wire}");
        assert_eq!(reason(&mut rig), CloseReason::Drained);
    }
}

#[test]
fn a_request_that_waits_when_the_server_goes_out_is_answered_with_close() {
    let mut rig = Rig::new();
    rig.rx(GET.repeat(2)).input(Input::GoOut).ok("last");
    let wire = rig.wire();
    assert_eq!(statuses(&wire), ["200"]);
    assert!(wire.contains("\r\nConnection: close\r\n"), "{wire}");
    assert_eq!(reason(&mut rig), CloseReason::Drained);
}

#[test]
fn an_answer_that_runs_when_the_server_goes_out_is_finished() {
    let mut rig = Rig::new();
    rig.rx(GET).stream(None).input(Input::GoOut).write("all").finish();
    assert!(rig.wire().ends_with("3\r\nall\r\n0\r\n\r\n"));
    assert_eq!(reason(&mut rig), CloseReason::Drained);
}

#[test]
fn an_answer_that_leaves_when_the_server_goes_out_leaves() {
    let mut rig = Rig::new();
    rig.rx(GET).ok("all").input(Input::GoOut);
    assert_eq!(rig.state(), State::Closing);
    assert!(rig.wire().ends_with("all"));
    assert_eq!(reason(&mut rig), CloseReason::Drained);
}

#[test]
fn a_hand_over_is_finished_when_the_server_goes_out() {
    let mut rig = Rig::new();
    rig.rx(CONNECT).ok("").input(Input::GoOut).send_all();
    assert_eq!(rig.state(), State::Upgraded);
    rig.input(Input::GoOut);
    assert_eq!(rig.state(), State::Upgraded);
}

#[test]
fn closing_and_lingering_go_on_when_the_server_goes_out() {
    let mut rig = Rig::new();
    rig.rx(GET_CLOSE).ok("all").input(Input::GoOut);
    assert_eq!(rig.state(), State::Closing);
    assert!(rig.wire().ends_with("all"));
    rig.input(Input::GoOut);
    assert_eq!(rig.state(), State::Lingering);
    assert_eq!(reason(&mut rig), CloseReason::RequestedByPeer);
}

// The specification's methods.

#[test]
fn the_methods_of_the_specification_are_the_events_by_other_names() {
    let mut rig = Rig::new();
    rig.rx(GET.repeat(2));
    rig.told();
    let now = Now::new(Moment::START, &Date::EPOCH);
    let plain = Fields::new();
    let channel = &mut rig.channel;
    let whole = httpfsm::ResponseRef::new(Status::OK, &plain, b"whole");
    channel.finish(&now, Some(whole)).unwrap();
    let head =
        httpfsm::ResponseRef { status: Status::OK, fields: &plain, body: BodyRef::Stream { length: None } };
    channel.handle(&now, Input::HttpResponse(head)).unwrap();
    channel.write(&now, Data::Slice(b"a")).unwrap();
    channel.flush(&now).unwrap();
    channel.finish(&now, None).unwrap();
    channel.go_out(&now).unwrap();
    assert_eq!(channel.write(&now, Data::Slice(b"b")).unwrap_err().event, Event::Write);
    let wire = rig.wire();
    assert_eq!(statuses(&wire), ["200", "200"]);
    assert!(wire.contains("whole") && wire.ends_with("1\r\na\r\n0\r\n\r\n"), "{wire}");
    assert_eq!(reason(&mut rig), CloseReason::Drained);
}

#[test]
fn an_answer_can_be_made_from_its_request_without_a_copy() {
    let mut rig = Rig::new();
    rig.rx("GET /echo HTTP/1.1\r\nHost: a\r\n\r\n");
    let now = Now::new(Moment::START, &Date::EPOCH);
    let plain = Fields::new();
    let answered = rig.channel.answer(&now, |request, answer| {
        answer.give(httpfsm::ResponseRef::new(Status::OK, &plain, request.target().as_bytes()));
    });
    assert_eq!(answered, Ok(true));
    assert!(rig.wire().ends_with("/echo"));
    let answered = rig.channel.answer(&now, |_, _| panic!("no request waits"));
    assert_eq!(answered, Ok(false));
}

#[test]
fn an_answer_that_does_not_fit_is_refused_and_the_request_still_waits() {
    let mut rig = Rig::new();
    rig.rx("GET /echo HTTP/1.1\r\nHost: a\r\n\r\n");
    let now = Now::new(Moment::START, &Date::EPOCH);
    let plain = Fields::new();
    assert_eq!(rig.channel.answer(&now, |_, _| {}), Ok(false), "nothing was given");
    let answered = rig.channel.answer(&now, |_, answer| {
        // The first one counts, and nobody asked for another protocol.
        answer.give(httpfsm::ResponseRef::new(Status::SWITCHING_PROTOCOLS, &plain, b""));
        answer.give(httpfsm::ResponseRef::new(Status::OK, &plain, b"late"));
    });
    assert_eq!(answered, Err(NotAccepted { state: State::WaitResponse, event: Event::HttpResponse }));
    assert_eq!((rig.state(), rig.channel.unsent_len()), (State::WaitResponse, 0));
    assert_eq!(rig.channel.request().map(|request| request.target()), Some("/echo"));
    rig.ok("x");
    assert_eq!(statuses(&rig.wire()), ["200"]);
}

#[test]
fn finish_with_a_response_ends_it_whether_its_content_was_to_follow_or_not() {
    for body in [BodyRef::Stream { length: None }, BodyRef::Slice(b"x")] {
        let mut rig = Rig::new();
        rig.rx(GET);
        let now = Now::new(Moment::START, &Date::EPOCH);
        let plain = Fields::new();
        let response = httpfsm::ResponseRef { status: Status::OK, fields: &plain, body };
        assert_eq!(rig.channel.finish(&now, Some(response)), Ok(()));
        let wire = rig.wire();
        assert!(wire.ends_with("0\r\n\r\n") || wire.ends_with("\r\n\r\nx"), "{wire}");
        assert_eq!(rig.state(), State::Idle, "{wire}");
    }
}

#[test]
fn an_answer_to_head_with_empty_content_says_so_and_one_without_content_does_not() {
    for (body, says) in [(BodyRef::Slice(b""), true), (BodyRef::Empty, false)] {
        let mut rig = Rig::new();
        rig.rx("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n").respond(Status::OK, &Fields::new(), body);
        let wire = rig.wire();
        assert_eq!(wire.contains("Content-Length: 0\r\n"), says, "{wire}");
    }
}

#[test]
fn an_answer_that_goes_on_closes_if_the_peer_still_waits_for_its_100() {
    let head = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n";
    for (body, close) in [("", true), ("hello", false)] {
        let mut rig = Rig::new();
        rig.rx(head).rx(body);
        if !body.is_empty() {
            rig.demand(5);
        }
        rig.stream(None);
        let wire = rig.wire();
        assert_eq!(wire.contains("Connection: close"), close, "{wire}");
    }
}

#[test]
fn each_request_that_a_busy_server_refuses_is_told() {
    let mut rig = Rig::new();
    rig.rx(GET.repeat(3));
    let now = Now::new(Moment::START, &Date::EPOCH);
    // Two verdicts before anybody asks what came out.
    for _ in 0..2 {
        rig.channel.handle(&now, Input::Busy).unwrap();
    }
    rig.ok("x");
    let refused = Told::Refused(Rule::Busy);
    assert_eq!(rig.told().iter().filter(|&told| *told == refused).count(), 2);
    assert_eq!(statuses(&rig.wire()), ["503", "503", "200"]);
}

#[test]
fn a_transport_that_has_room_is_asked_to_send_what_is_pending_in_every_state() {
    let pending: [(State, Reach); 7] = [
        (State::Head, |rig| rig.rx(GET).ok("x").rx("GET /")),
        (State::WaitResponse, |rig| rig.rx(GET).ok("x").rx(GET)),
        (State::Responding, |rig| rig.rx(GET).stream(None)),
        (State::Discard, |rig| rig.rx(post(5)).ok("x")),
        (State::Flushing, |rig| rig.rx(GET).ok("x")),
        (State::Closing, |rig| rig.rx("BAD\r\n\r\n")),
        (State::Handover, |rig| {
            rig.rx("CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n").respond(
                Status::OK,
                &Fields::new(),
                BodyRef::Empty,
            )
        }),
    ];
    for (state, reach) in pending {
        let mut rig = Rig::new();
        reach(&mut rig).told();
        assert_eq!(rig.state(), state);
        assert!(rig.channel.unsent_len() > 0, "{state}");
        assert_eq!(rig.input(Input::TransmitReady).told(), [Told::Flush], "{state}");
    }
}
