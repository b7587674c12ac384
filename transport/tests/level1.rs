//! Level 1 over wires in memory: what a connection tells, what it can be told, and wires that fail.
#![allow(clippy::unwrap_used)]

#[path = "wires/faulty.rs"]
mod faulty;

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use httpfsm::channel::{CompiledConfig, State};
use httpfsm::config::ChannelConfig;
use httpfsm::error::{BodyError, CloseReason, Rule};
use httpfsm::response::{BodyRef, ResponseRef};
use httpfsm::{Fields, Status};
use httpfsm_transport::memory::{MemoryWire, pair};
use httpfsm_transport::{Connection, Event, Timer, Wire};

use faulty::{Fault, Faulty};

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";

/// Time stands still.
struct NeverTimer;

impl Timer for NeverTimer {
    fn poll_until(&mut self, _cx: &mut Context<'_>, _at: Instant) -> Poll<()> {
        Poll::Pending
    }
}

fn cx() -> Context<'static> {
    Context::from_waker(Waker::noop())
}

/// The peer's end, and a connection over the other.
fn connection() -> (MemoryWire, Connection<MemoryWire, NeverTimer>) {
    let (near, far) = pair(1 << 20);
    (near, over(far))
}

fn over<W: Wire>(wire: W) -> Connection<W, NeverTimer> {
    let compiled = Arc::new(CompiledConfig::new(&ChannelConfig::default()));
    Connection::new(wire, NeverTimer, compiled, httpfsm::channel::Facts::default())
}

fn send(peer: &mut MemoryWire, bytes: impl AsRef<[u8]>) {
    let bytes = bytes.as_ref();
    assert!(matches!(peer.poll_write(&mut cx(), bytes), Poll::Ready(Ok(n)) if n == bytes.len()));
}

/// What has arrived.
fn received(peer: &mut MemoryWire) -> String {
    let (mut text, mut buffer) = (String::new(), [0; 4096]);
    while let Poll::Ready(Ok(bytes @ 1..)) = peer.poll_read(&mut cx(), &mut buffer) {
        text.push_str(std::str::from_utf8(&buffer[..bytes]).unwrap());
    }
    text
}

/// The events up to where the connection waits, or to its end.
fn events<W: Wire>(connection: &mut Connection<W, NeverTimer>) -> Vec<Event> {
    let mut events = Vec::new();
    while let Poll::Ready(Some(event)) = connection.poll_event(&mut cx()) {
        events.push(event);
    }
    events
}

fn upgrade(protocol: &str) -> Fields {
    Fields::new().with("Upgrade", protocol).unwrap()
}

fn response_with<'a>(fields: &'a Fields, body: BodyRef<'a>) -> ResponseRef<'a> {
    ResponseRef { status: Status::OK, fields, body }
}

/// A response of 300 bytes on a wire that holds 100, ended by a `finish` that was dropped while it waited.
fn finish_dropped() -> (MemoryWire, Connection<MemoryWire, NeverTimer>) {
    let (mut peer, far) = pair(100);
    let mut connection = over(far);
    send(&mut peer, GET);
    events(&mut connection);
    connection.respond(ResponseRef::stream(Status::OK, &Fields::new(), Some(300))).unwrap();
    let mut cx = cx();
    assert!(pin!(connection.write(vec![b'x'; 300])).poll(&mut cx).is_ready());
    assert!(pin!(connection.finish(None)).poll(&mut cx).is_pending());
    (peer, connection)
}

#[test]
fn an_end_that_was_dropped_while_it_waited_is_asked_for_again() {
    let (mut peer, mut connection) = finish_dropped();
    let mut text = String::new();
    while pin!(connection.finish(None)).poll(&mut cx()).map(Result::unwrap).is_pending() {
        text += &received(&mut peer);
    }
    text += &received(&mut peer);
    assert!(text.ends_with(&"x".repeat(300)));
    let again = pin!(connection.finish(None)).poll(&mut cx());
    assert!(matches!(again, Poll::Ready(Err(_))), "no response is under way");
}

#[test]
fn an_end_that_is_asked_for_again_after_the_connection_was_lost_says_so() {
    let (peer, mut connection) = finish_dropped();
    drop(peer);
    assert!(matches!(pin!(connection.finish(None)).poll(&mut cx()), Poll::Ready(Err(_))));
    let (peer, mut connection) = finish_dropped();
    drop(peer);
    events(&mut connection);
    assert!(matches!(pin!(connection.finish(None)).poll(&mut cx()), Poll::Ready(Err(_))));
}

#[test]
fn interim_responses_go_before_the_final_one() {
    let (mut peer, mut connection) = connection();
    send(&mut peer, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
    assert!(matches!(events(&mut connection)[..], [Event::Opened, Event::Request]));
    let hint = Fields::new().with("Link", "</a>").unwrap();
    connection.informational(Status::EARLY_HINTS, &hint).unwrap();
    assert!(connection.informational(Status::OK, &hint).is_err(), "200 is no interim response");
    connection.send_continue().unwrap();
    assert!(events(&mut connection).is_empty());
    let wire = received(&mut peer);
    assert!(wire.starts_with("HTTP/1.1 103 ") && wire.ends_with("HTTP/1.1 100 Continue\r\n\r\n"), "{wire}");
    connection.demand(9).unwrap();
    assert!(events(&mut connection).is_empty(), "the 100 is not sent twice");
    send(&mut peer, "ok");
    let told = events(&mut connection);
    assert!(matches!(&told[..], [Event::BodyData(bytes), Event::BodyEnd(None)] if bytes == "ok"), "{told:?}");
    connection.respond(response_with(&Fields::new(), BodyRef::Slice(b"fine"))).unwrap();
    assert_eq!(connection.channel().state(), State::Flushing);
    events(&mut connection);
    assert!(received(&mut peer).ends_with("\r\n\r\nfine"));
    assert_eq!(connection.channel().state(), State::Idle);
}

#[test]
fn a_request_that_the_machine_refuses_is_told_and_the_response_lingers() {
    let (mut peer, mut connection) = connection();
    send(&mut peer, "GET / HTTP/1.1\r\n\r\n");
    let told = events(&mut connection);
    assert!(matches!(&told[..], [Event::Opened, Event::Refused(error)] if error.rule == Rule::HostMissing));
    assert!(received(&mut peer).starts_with("HTTP/1.1 400 "));
    // Our side was closed behind the response; their FIN is the end.
    assert!(matches!(peer.poll_read(&mut cx(), &mut [0; 1]), Poll::Ready(Ok(0))));
    assert!(peer.poll_close_write(&mut cx()).is_ready());
    let told = events(&mut connection);
    assert!(matches!(&told[..], [Event::Closed(CloseReason::Refused(_))]), "{told:?}");
}

#[test]
fn what_goes_wrong_with_a_body_or_a_response_is_told() {
    let (mut peer, mut connection) = connection();
    send(&mut peer, GET);
    events(&mut connection);
    let short = Fields::new().with("Content-Length", "2").unwrap();
    connection.respond(response_with(&short, BodyRef::Slice(b"12345"))).unwrap();
    assert!(matches!(events(&mut connection)[..], [Event::Excess(3)]));
    assert!(received(&mut peer).ends_with("\r\n\r\n12"));

    send(&mut peer, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf");
    events(&mut connection);
    connection.demand(9).unwrap();
    assert!(matches!(events(&mut connection)[..], [Event::BodyData(_)]));
    assert!(peer.poll_close_write(&mut cx()).is_ready());
    let told = events(&mut connection);
    let truncated = |event: &Event| matches!(event, Event::BodyFailed(BodyError::Truncated));
    assert!(told.iter().any(truncated), "{told:?}");
}

#[test]
fn the_machine_responds_for_an_application_that_fails() {
    let (mut peer, mut connection) = connection();
    assert!(connection.abort(None).is_err(), "no request waits");
    send(&mut peer, GET);
    events(&mut connection);
    connection.abort(Some("the disk is gone")).unwrap();
    let told = events(&mut connection);
    assert!(matches!(&told[..], [Event::Refused(error)] if error.rule == Rule::HandlerFailed), "{told:?}");
    let wire = received(&mut peer);
    assert!(wire.starts_with("HTTP/1.1 500 ") && !wire.contains("disk"), "{wire}");
    assert_eq!(format!("{connection:?}"), "Connection { state: Lingering, .. }");
}

#[test]
fn a_wire_that_fails_is_a_lost_connection_and_no_hang() {
    for fault in Fault::ALL {
        let mut connection = over(Faulty(fault, b"BAD\r\n\r\n"));
        let told = events(&mut connection);
        // The refusal was the reason before the wire failed.
        assert!(matches!(told.last(), Some(Event::Closed(CloseReason::Refused(_)))), "{told:?}");
        assert!(matches!(connection.poll_event(&mut cx()), Poll::Ready(None)));
        assert!(connection.into_parts().wire.is_none(), "the socket is closed");
    }
}

#[test]
fn nothing_is_read_that_there_is_no_room_for() {
    let (mut peer, mut connection) = connection();
    send(&mut peer, GET);
    events(&mut connection);
    // More than the channel takes behind a request that waits.
    send(&mut peer, vec![b'x'; 300_000]);
    assert!(events(&mut connection).is_empty());
    let room = connection.channel().input_room();
    assert_eq!(room, 0);
    assert!(events(&mut connection).is_empty());
    assert_eq!(connection.channel().state(), State::WaitResponse);
}

#[test]
fn debug_shows_no_byte_of_a_connection() {
    let (mut peer, mut connection) = connection();
    let head = "POST / HTTP/1.1\r\nHost: a\r\nAuthorization: Sesame\r\nConnection: upgrade\r\nUpgrade: x\r\n";
    send(&mut peer, format!("{head}Transfer-Encoding: chunked\r\n\r\n6\r\nSesame\r\n0\r\n\r\nSesame"));
    let mut shown = format!("{peer:?} {:?}", events(&mut connection));
    connection.demand(9).unwrap();
    shown += &format!("{:?}", events(&mut connection));
    connection.respond(ResponseRef::new(Status::SWITCHING_PROTOCOLS, &upgrade("x"), b"")).unwrap();
    shown += &format!("{:?}", events(&mut connection));
    send(&mut peer, "Sesame");
    shown += &format!("{peer:?} {:#?}", connection.into_parts());
    assert!(shown.contains("BodyData(6 bytes)") && shown.contains("Upgraded(6 bytes)"), "{shown}");
    // Neither as text nor as numbers.
    let numbers: String = shown.chars().filter(|c| c.is_ascii_digit() || *c == ',').collect();
    assert!(!shown.contains("Sesame") && !numbers.contains("83,101,115,97,109,101"), "{shown}");
}

#[test]
fn a_streamed_response_ends_with_its_head_where_there_is_no_content() {
    for (method, chunks) in [("GET", "2\r\nhi\r\n0\r\n\r\n"), ("HEAD", "")] {
        let (mut peer, mut connection) = connection();
        send(&mut peer, format!("{method} / HTTP/1.1\r\nHost: a\r\n\r\n"));
        events(&mut connection);
        connection.respond(ResponseRef::stream(Status::OK, &Fields::new(), None)).unwrap();
        assert_eq!(connection.channel().owes_body(), !chunks.is_empty(), "{method}");
        if connection.channel().owes_body() {
            assert!(pin!(connection.write("hi")).poll(&mut cx()).is_ready());
            assert!(pin!(connection.finish(None)).poll(&mut cx()).is_ready());
        }
        events(&mut connection);
        let wire = received(&mut peer);
        assert!(wire.contains("\r\nTransfer-Encoding: chunked\r\n"), "{wire}");
        assert!(wire.ends_with(&format!("\r\n\r\n{chunks}")), "{wire}");
    }
}

#[test]
fn a_flush_sends_a_head_that_waits_for_the_body() {
    let (mut peer, mut connection) = connection();
    send(&mut peer, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
    events(&mut connection);
    connection.respond(response_with(&Fields::new(), BodyRef::Stream { length: None })).unwrap();
    events(&mut connection);
    assert_eq!((received(&mut peer).as_str(), connection.channel().state()), ("", State::HeadHeld));
    assert!(matches!(pin!(connection.flush()).poll(&mut cx()), Poll::Ready(Ok(()))));
    assert!(received(&mut peer).starts_with("HTTP/1.1 200 "));
}

/// A timer whose time is that of the system.
struct DueTimer;

impl Timer for DueTimer {
    fn poll_until(&mut self, _cx: &mut Context<'_>, at: Instant) -> Poll<()> {
        if at <= Instant::now() { Poll::Ready(()) } else { Poll::Pending }
    }
}

#[test]
fn a_connection_whose_facts_refuse_it_responds_before_it_reads() {
    let (mut peer, far) = pair(1 << 20);
    send(&mut peer, GET);
    let compiled = Arc::new(CompiledConfig::new(&ChannelConfig::default()));
    let facts = httpfsm::channel::Facts::default().with_refusal(Some(Rule::Preface));
    let mut connection = Connection::new(far, DueTimer, compiled, facts);
    let mut refused = false;
    while let Poll::Ready(Some(event)) = connection.poll_event(&mut cx()) {
        refused |= matches!(event, Event::Refused(error) if error.rule == Rule::Preface);
        assert!(!matches!(event, Event::Request));
    }
    assert!(refused);
    assert!(received(&mut peer).starts_with("HTTP/1.1 400 "));
    assert_eq!(connection.channel().stats().requests, 0);
}
