//! The framing of a response: Content-Length, chunks, or the end of the connection; what follows for the connection.
//! The bytes are compared from the status line to the end.

use bytes::Bytes;
use httpfsm::channel::{Data, Input, State};
use httpfsm::response::BodyRef;
use httpfsm::{CloseReason, Fields, Status};

use crate::rig::{GET, Rig, Seen};
use crate::support::Content::{ByBytes, Declared, DeclaredStream, Empty, Known, Slice, Unknown};
use crate::support::{Content, GET_10, GET_10_KEEP, GET_CLOSE, HEAD, ORIGIN, fields, response_to};

/// For each content, the response is the status line, the fields of the channel, and then `tail`.
#[track_caller]
fn frames(request: &str, status: u16, contents: &[Content], tail: &str, state: State) {
    let version = if request.contains("HTTP/1.0") { "1.0" } else { "1.1" };
    let status_line = format!("HTTP/{version} {}", Status::new(status).expect("a status"));
    for &content in contents {
        let expected = (format!("{status_line}\r\n{ORIGIN}{tail}"), state);
        assert_eq!(response_to(request, status, content), expected, "{content:?} to {request:?}");
    }
}

/// The contents whose length is known at the head.
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
fn a_response_to_head_says_what_get_would_have_got_and_has_no_content() {
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
fn a_stream_of_no_bytes_is_whole_at_its_head() {
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
        rig.seen();
        rig.respond(Status::OK, &declared, body);
        // The next request comes at once, so the report stands before it or after it, but stands.
        assert!(rig.seen().contains(&Seen::Excess(2)));
        let wire = rig.wire();
        assert!(wire.ends_with("Content-Length: 3\r\n\r\nhel"), "{wire}");
    }
    let mut rig = Rig::new();
    rig.rx(GET).stream(Some(3)).write("he");
    rig.seen();
    rig.write("llo").write("!!");
    assert_eq!(rig.seen(), [Seen::Excess(2), Seen::Excess(2)]);
    rig.input(Input::Write(Data::Bytes(Bytes::from(vec![b'x'; 10_000]))));
    assert_eq!(rig.seen(), [Seen::Excess(10_000)]);
    rig.finish();
    assert!(rig.wire().ends_with("Content-Length: 3\r\n\r\nhel"));
    assert_eq!(rig.state(), State::Idle);
}

#[test]
fn a_whole_response_short_of_its_content_length_is_not_accepted() {
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
fn a_streamed_response_short_of_its_content_length_cuts_the_connection() {
    let mut rig = Rig::new();
    rig.rx(GET.repeat(2)).stream(Some(5)).write("hell");
    rig.seen();
    rig.finish();
    assert_eq!(rig.state(), State::Closing);
    let wire = rig.wire();
    assert!(wire.ends_with("Content-Length: 5\r\n\r\nhell"), "{wire}");
    assert_eq!(rig.seen(), [Seen::CloseWrite]);
    assert_eq!(rig.close_reason(), CloseReason::ResponseShort);
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
fn a_response_to_head_with_empty_content_says_so_and_one_without_content_does_not() {
    for (body, says) in [(BodyRef::Slice(b""), true), (BodyRef::Empty, false)] {
        let mut rig = Rig::new();
        rig.rx("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n").respond(Status::OK, &Fields::new(), body);
        let wire = rig.wire();
        assert_eq!(wire.contains("Content-Length: 0\r\n"), says, "{wire}");
    }
}
