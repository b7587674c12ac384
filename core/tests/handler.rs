//! Requests, responses and what lies between them, without a transport.

use std::borrow::Cow;
use std::future::{Future, ready};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use httpfsm::channel::{CompiledConfig, Facts, Input};
use httpfsm::error::{BodyError, CloseReason, RequestError, Rule};
use httpfsm::fields::{Fields, InvalidField};
use httpfsm::handler::{
    Body, BodyFailure, CollectError, ConnectionInfo, Control, Frame, Handler, IntoResponse, IoFailure,
    Request, Response, Subscriber, UpgradeError, Upgraded, UpgradedIo, Waiter,
};
use httpfsm::peer::Peer;
use httpfsm::request::{RequestHead, Version};
use httpfsm::response::BodyRef;
use httpfsm::server::NotAdmitted;
use httpfsm::status::Status;
use httpfsm::time::{Date, Moment, Now};
use httpfsm::{Channel, ChannelConfig};

/// Writes down what it is asked for.
#[derive(Default)]
struct RecordingControl {
    asked: Mutex<Vec<String>>,
    gone: AtomicBool,
}

impl RecordingControl {
    fn note(&self, what: impl Into<String>) {
        self.asked.lock().expect("no test panics under the lock").push(what.into());
    }
}

impl Control for RecordingControl {
    fn send_continue(&self) {
        self.note("100");
    }
    fn refuse_expect(&self) {
        self.note("refuse");
    }
    fn informational(&self, status: Status, fields: Fields) {
        self.note(format!("{} {fields:?}", status.code()));
    }
    fn poll_peer_ended(&self, _waiter: &mut Waiter, _cx: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }
    fn poll_disconnected(&self, waiter: &mut Waiter, _cx: &mut Context<'_>) -> Poll<()> {
        if self.gone.load(Ordering::SeqCst) {
            return Poll::Ready(());
        }
        waiter.0 = Some(7);
        Poll::Pending
    }
    fn poll_upgrade(
        &self,
        _waiter: &mut Waiter,
        _cx: &mut Context<'_>,
    ) -> Poll<Result<Upgraded, UpgradeError>> {
        Poll::Ready(Ok(Upgraded::new(Bytes::from_static(b"ahead"), Box::new(PeerIo::default()))))
    }
    fn keep_place(&self) {
        self.note("hold");
    }
    fn release_place(&self) {
        self.note("release");
    }
    fn remove_waiter(&self, waiter: &mut Waiter) {
        self.note(format!("forget {:?}", waiter.0));
    }
}

/// Reads `behind` once, takes two bytes a write.
#[derive(Default)]
struct PeerIo {
    read: bool,
    full: bool,
}

impl UpgradedIo for PeerIo {
    fn poll_read(&mut self, _cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<Result<usize, IoFailure>> {
        if std::mem::replace(&mut self.read, true) {
            return Poll::Ready(Ok(0));
        }
        buffer[..6].copy_from_slice(b"behind");
        Poll::Ready(Ok(6))
    }
    fn poll_write(&mut self, _cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize, IoFailure>> {
        Poll::Ready(Ok(if self.full { 0 } else { bytes.len().min(2) }))
    }
    fn poll_flush(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), IoFailure>> {
        self.full = true;
        Poll::Ready(Ok(()))
    }
    fn poll_close(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), IoFailure>> {
        Poll::Ready(Err(IoFailure::Reset))
    }
}

fn connection() -> ConnectionInfo {
    let peername = Peer::Ip(([192, 0, 2, 7], 4711).into());
    ConnectionInfo::new(peername, Peer::Unix(None), "https", "server.clisrv_17".into())
}

fn request(body: Body, control: Arc<dyn Control>) -> Request {
    Request::new(Arc::new(RequestHead::default()), body, Arc::new(connection()), control)
}

/// A head as a channel yields it.
fn head(bytes: &str) -> RequestHead {
    let mut channel =
        Channel::new(Arc::new(CompiledConfig::new(&ChannelConfig::default())), Facts::default());
    let now = Now::new(Moment::START, &Date::EPOCH);
    channel.handle(&now, Input::RxData(bytes.as_bytes())).expect("a fresh channel reads");
    while channel.next_output().is_some() {}
    channel.request().expect("the head is whole").into()
}

fn poll<F: Future>(future: F) -> Poll<F::Output> {
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

fn now<F: Future>(future: F) -> F::Output {
    match poll(future) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("the future is not ready"),
    }
}

fn response_of(value: impl IntoResponse) -> (u16, String, String) {
    let mut response = value.into_response();
    let content = now(response.body.collect(1000)).expect("the body is short");
    let content = String::from_utf8_lossy(&content).into_owned();
    let content_type = response.fields.get("content-type").unwrap_or_default();
    (response.status.code(), String::from_utf8_lossy(content_type).into_owned(), content)
}

#[test]
fn requests_and_what_they_give_are_send() {
    fn is_send<T: Send>(_: &T) {}
    let mut request = request(Body::Empty, Arc::new(()));
    is_send(&request.upgrade());
    is_send(&request.disconnected());
    is_send(&request.body().next_data());
    is_send(&request.body().collect(1));
    is_send(&request);
    is_send(&Response::text("x"));
}

#[test]
fn a_request_tells_its_connection() {
    let request = request(Body::from("x"), Arc::new(()));
    assert_eq!(request.peername().to_string(), "192.0.2.7:4711");
    assert_eq!(request.sockname(), &Peer::Unix(None));
    assert_eq!(request.scheme(), "https");
    assert_eq!(request.channel(), "server.clisrv_17");
}

#[test]
fn a_request_tells_its_head() {
    let bytes = "POST /a?b=c HTTP/1.1\r\nHost: example.com:81\r\nX-A: 1\r\nx-a: 2\r\nX-B: \u{e9}\r\n\
                  Content-Length: 3\r\nExpect: 100-continue\r\n\r\n";
    let request = Request::new(Arc::new(head(bytes)), Body::Empty, Arc::new(connection()), Arc::new(()));
    assert_eq!((request.method(), request.target()), ("POST", "/a?b=c"));
    assert_eq!((request.path(), request.query()), ("/a", Some("b=c")));
    assert_eq!(request.authority(), Some("example.com:81"));
    assert_eq!(request.version(), Version::Http11);
    assert!(request.expects_continue());
    assert_eq!(request.head().raw(), bytes.as_bytes());
    assert_eq!(request.fields().map(|field| field.name).collect::<Vec<_>>()[1..3], ["X-A", "x-a"]);
    assert_eq!(request.field("X-a"), Some(&b"1"[..]));
    assert_eq!((request.field_str("x-b"), request.field_str("X-C")), (Some("\u{e9}"), None));
    assert_eq!(request.connection(), &connection());
    let shown = format!("{request:?}");
    assert!(shown.contains("/a?b=c") && shown.contains("server.clisrv_17"), "{shown}");

    let head = head("GET / HTTP/1.0\r\nX-A: \u{e9}\r\n\r\n");
    let request = Request::new(Arc::new(head), Body::Empty, Arc::new(connection()), Arc::new(()));
    assert_eq!((request.version(), request.authority(), request.query()), (Version::Http10, None, None));
    assert!(!request.expects_continue());
}

#[test]
fn the_body_of_a_request_is_read_in_place_or_taken_out() {
    let mut taken = request(Body::from("abc"), Arc::new(()));
    assert_eq!(now(taken.take_body().collect(9)).unwrap(), "abc");
    assert_eq!(now(taken.body().collect(9)).unwrap(), "");
    assert_eq!(now(request(Body::from("abc"), Arc::new(())).into_body().collect(9)).unwrap(), "abc");

    let trailers = Fields::new().with("X-Sum", "7").unwrap();
    let mut frames = [Frame::Trailers(trailers.clone()), Frame::Data("abc".into())].into_iter();
    let body = Body::from_fn(move |_| Poll::Ready(frames.next_back().unwrap_or(Frame::End)));
    let mut request = request(body, Arc::new(()));
    assert_eq!(request.trailers(), None);
    assert_eq!(now(request.body().collect(9)).unwrap(), "abc");
    assert_eq!(request.trailers(), Some(&trailers));

    let alone = Request::new(
        Arc::new(RequestHead::default()),
        Body::Trailers(Box::new(trailers.clone())),
        Arc::new(connection()),
        Arc::new(()),
    );
    assert_eq!(alone.trailers(), Some(&trailers));
}

#[test]
fn a_request_made_by_hand_has_a_connection_that_reports_nothing() {
    let request = request(Body::from("x"), Arc::new(()));
    request.send_continue();
    request.refuse_expect();
    request.early_hints(Fields::new());
    assert!(poll(request.peer_ended()).is_pending());
    assert!(poll(request.disconnected()).is_pending() && !request.is_disconnected());
    let futures = (request.peer_ended(), request.disconnected(), request.upgrade());
    assert_eq!(format!("{futures:?}"), "(PeerEnded(..), Disconnected(..), UpgradeFuture(..))");
}

#[test]
fn what_is_asked_of_a_connection_reaches_its_control() {
    let control = Arc::new(RecordingControl::default());
    let request = request(Body::Empty, Arc::clone(&control) as Arc<dyn Control>);
    request.send_continue();
    request.refuse_expect();
    request.early_hints(Fields::new().with("Link", "</a>").unwrap());
    request.informational(Status::PROCESSING, Fields::new()).unwrap();
    for code in [100, 101, 200, 500] {
        assert!(request.informational(Status::new(code).unwrap(), Fields::new()).is_err(), "{code}");
    }
    // It expects no 100, so there is none to refuse.
    assert_eq!(*control.asked.lock().unwrap(), ["100", "103 {\"Link\": \"</a>\"}", "102 {}"]);
    assert!(poll(request.peer_ended()).is_ready());
    assert!(poll(request.disconnected()).is_pending() && !request.is_disconnected());
    control.gone.store(true, Ordering::SeqCst);
    assert!(poll(request.disconnected()).is_ready() && request.is_disconnected());
}

#[test]
fn a_control_hears_of_each_future_that_waited_and_is_dropped_and_of_places_that_are_held() {
    let control = Arc::new(RecordingControl::default());
    let request = request(Body::Empty, Arc::clone(&control) as Arc<dyn Control>);
    let mut waits = request.disconnected();
    assert!(poll(&mut waits).is_pending());
    drop((waits, request.disconnected(), request.peer_ended()));
    assert_eq!(*control.asked.lock().unwrap(), ["forget Some(7)"]);
    let place = request.keep_place();
    assert_eq!(format!("{place:?}"), "KeptPlace(..)");
    drop((place, request));
    assert_eq!(control.asked.lock().unwrap()[1..], ["hold", "release"]);
}

#[test]
fn an_upgraded_connection_reads_what_came_ahead_first() {
    let request = request(Body::Empty, Arc::new(RecordingControl::default()));
    let mut connection = now(request.upgrade()).unwrap();
    let mut buffer = [0; 3];
    let mut seen = Vec::new();
    for expected in [3, 2] {
        let bytes = now(connection.read(&mut buffer)).unwrap();
        assert_eq!(bytes, expected);
        seen.extend_from_slice(&buffer[..bytes]);
    }
    assert_eq!(seen, b"ahead");
    let mut buffer = [0; 9];
    assert_eq!(now(connection.read(&mut buffer)), Ok(6));
    assert_eq!(now(connection.read(&mut buffer)), Ok(0));
    assert_eq!(now(connection.write_all(b"12345")), Ok(()));
    assert_eq!(now(connection.flush()), Ok(()));
    assert_eq!(now(connection.write_all(b"1")), Err(IoFailure::Closed));
    assert_eq!(now(connection.close()), Err(IoFailure::Reset));
}

#[test]
fn an_upgraded_connection_can_be_taken_apart() {
    let connection = now(request(Body::Empty, Arc::new(RecordingControl::default())).upgrade()).unwrap();
    let (ahead, mut io) = connection.into_parts();
    assert_eq!(ahead, "ahead");
    let mut buffer = [0; 9];
    let read = io.poll_read(&mut Context::from_waker(Waker::noop()), &mut buffer);
    assert_eq!(read, Poll::Ready(Ok(6)), "what came ahead is not read twice");
}

#[test]
fn without_a_connection_there_is_no_upgrade() {
    let refused = now(request(Body::Empty, Arc::new(())).upgrade());
    assert_eq!(refused.unwrap_err(), UpgradeError::Refused);
}

#[test]
fn many_values_are_responses() {
    const TEXT: &str = "text/plain; charset=utf-8";
    const BYTES: &str = "application/octet-stream";
    let expect = |code, kind: &str, content: &str| (code, kind.to_owned(), content.to_owned());
    assert_eq!(response_of("a"), expect(200, TEXT, "a"));
    assert_eq!(response_of(String::from("b")), expect(200, TEXT, "b"));
    assert_eq!(response_of(Bytes::from_static(b"c")), expect(200, BYTES, "c"));
    assert_eq!(response_of(vec![b'd']), expect(200, BYTES, "d"));
    assert_eq!(response_of(&b"g"[..]), expect(200, BYTES, "g"));
    assert_eq!(response_of(Cow::Borrowed("h")), expect(200, TEXT, "h"));
    assert_eq!(response_of(Cow::<str>::Owned("i".into())), expect(200, TEXT, "i"));
    assert_eq!(response_of(Response::default().with_body(())), expect(200, "", ""));
    assert_eq!(response_of(()), expect(204, "", ""));
    assert_eq!(response_of(Status::GONE), expect(410, "", ""));
    assert_eq!(response_of((Status::CREATED, "e")), expect(201, TEXT, "e"));
    assert_eq!(response_of(Ok::<_, Status>("f")), expect(200, TEXT, "f"));
    assert_eq!(response_of(Err::<(), _>(Status::CONFLICT)), expect(409, "", ""));
    assert_eq!(response_of(Response::html("<p>")), expect(200, "text/html; charset=utf-8", "<p>"));
    assert_eq!(response_of(Response::json("{}")), expect(200, "application/json", "{}"));
}

#[test]
fn the_errors_of_a_handler_have_their_statuses() {
    let malformed = BodyError::Malformed(RequestError::new(Rule::TooManyTrailers, 0));
    for (error, code) in [
        (CollectError::TooLarge { limit: 1 }, 413),
        (CollectError::Failed(BodyError::Truncated.into()), 400),
        (CollectError::Failed(BodyError::TimedOut.into()), 408),
        (CollectError::Failed(BodyError::Closed.into()), 503),
        (CollectError::Failed(BodyError::ResponseComplete.into()), 500),
        (CollectError::Failed(malformed.into()), 431),
        (CollectError::Failed(BodyFailure::source("no")), 500),
    ] {
        assert_eq!(error.into_response().status.code(), code);
    }
    let response = InvalidField::ContentLength.into_response();
    assert_eq!((response.status.code(), response.fault()), (500, Some(&InvalidField::ContentLength)));
}

#[test]
fn a_field_that_cannot_be_sent_makes_the_response_a_500_for_good() {
    let response = Response::text("secret")
        .with_field("X-Name", "a\r\nSet-Cookie: b")
        .with_field("X-Other", "c")
        .with_status(Status::OK)
        .with_body("more");
    assert_eq!(response.status, Status::INTERNAL_SERVER_ERROR);
    assert!(response.fields.is_empty());
    assert!(matches!(response.body, Body::Empty));
    assert_eq!(
        response.fault(),
        Some(&InvalidField::Value { name: "X-Name".into(), byte: b'\r', position: 1 })
    );
    assert!(Response::text("x").try_field("A B", "c").is_err());
    let response = Response::text("x").try_field("A", "b").unwrap();
    assert_eq!(response.fields.get("a"), Some(&b"b"[..]));
    assert!(Response::redirect(Status::FOUND, "/\r\nX: y").fault().is_some());
    assert!(Response::switching_protocols("a\nb").fault().is_some());
}

#[test]
fn a_response_is_seen_by_the_machine_as_it_is() {
    assert!(matches!(Response::new(Status::OK).as_ref().body, BodyRef::Empty));
    assert!(matches!(Response::text("abc").as_ref().body, BodyRef::Bytes(bytes) if bytes == "abc"));
    let endless = Response::new(Status::OK).with_body(Body::from_fn(|_| Poll::Pending));
    assert!(matches!(endless.as_ref().body, BodyRef::Stream { length: None }));
    let trailers = Body::Trailers(Box::new(Fields::new()));
    let trailers = Response::new(Status::OK).with_body(trailers);
    assert!(matches!(trailers.as_ref().body, BodyRef::Stream { length: None }), "trailers need chunks");
    let mut taken = Response::stream(Three);
    assert!(matches!(taken.as_ref().body, BodyRef::Stream { length: Some(3) }));
    assert_eq!(taken.take_body().length(), Some(3));
    assert!(matches!(taken.as_ref().body, BodyRef::Empty));
    let upgrade = Response::switching_protocols("echo");
    assert!(upgrade.as_ref().fields.upgrade());
    assert!(Response::text("x").with_close().fields.close());
}

#[test]
fn a_response_is_small() {
    assert!(size_of::<Response>() <= 144, "{}", size_of::<Response>());
    assert!(size_of::<Request>() <= 72, "{}", size_of::<Request>());
}

#[test]
fn functions_and_closures_are_handlers() {
    async fn echo(mut request: Request) -> Result<Bytes, CollectError> {
        request.body().collect(10).await
    }
    fn call(handler: &impl Handler) -> u16 {
        let request = request(Body::from("12345678901"), Arc::new(()));
        now(handler.call(request)).into_response().status.code()
    }
    assert_eq!(call(&echo), 413);
    let greeting = Arc::new("hello".to_owned());
    assert_eq!(call(&move |_: Request| ready(greeting.to_string())), 200);
}

/// Three bytes that never come.
struct Three;

impl httpfsm::handler::Source for Three {
    fn poll_frame(self: std::pin::Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Frame> {
        Poll::Pending
    }
    fn length(&self) -> Option<u64> {
        Some(3)
    }
}

/// Hears of requests and of nothing else.
#[derive(Default)]
struct Requests(AtomicU64);

impl Subscriber for Requests {
    fn request(&self, _connection: &ConnectionInfo, _request: httpfsm::request::RequestRef<'_>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn a_subscriber_hears_only_of_what_it_asks_for() {
    let (connection, error) = (connection(), RequestError::new(Rule::BareLf, 0));
    let subscriber = Requests::default();
    subscriber.not_admitted(&connection.peername, &connection.sockname, NotAdmitted::Full);
    subscriber.opened(&connection);
    subscriber.body_end(&connection);
    subscriber.body_failed(&connection, &BodyError::TimedOut);
    subscriber.refused(&connection, &error);
    subscriber.invalid_field(&connection, &InvalidField::ContentLength);
    subscriber.excess(&connection, 1);
    subscriber.peer_ended(&connection);
    subscriber.upgraded(&connection);
    subscriber.closed(&connection, CloseReason::PeerEnded);
    assert_eq!(subscriber.0.load(Ordering::SeqCst), 0);
    subscriber.request(&connection, RequestHead::default().as_ref());
    assert_eq!(subscriber.0.load(Ordering::SeqCst), 1);
    // Nobody listens, and needs no more.
    ().request(&connection, RequestHead::default().as_ref());
}

#[test]
fn a_body_keeps_the_bytes_that_it_is_made_from() {
    assert!(matches!(Body::from(&b"d"[..]), Body::Full(bytes) if bytes == "d"));
    assert!(matches!(Body::from(Cow::Borrowed("e")), Body::Full(bytes) if bytes == "e"));
    assert!(matches!(Body::from(()), Body::Empty));
    let mut taken = Response::text("g").with_status(Status::NOT_FOUND);
    assert_eq!(taken.status, Status::NOT_FOUND);
    assert!(matches!(taken.take_body(), Body::Full(bytes) if bytes == "g"));
    assert!(matches!(taken.body, Body::Empty));
}
