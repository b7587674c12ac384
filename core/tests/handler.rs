//! Requests, responses and what lies between them, without a transport.

use std::borrow::Cow;
use std::error::Error;
use std::future::{Future, ready};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use httpfsm::channel::{Channel, Facts, Settings};
use httpfsm::config::ChannelConfig;
use httpfsm::error::{BodyError, RequestError, Rule};
use httpfsm::fields::{Fields, InvalidField};
use httpfsm::handler::{
    Body, BodyFailure, CollectError, ConnectionInfo, Control, Handler, IntoResponse, IoFailure,
    NotInformational, Request, Response, UpgradeError, Upgraded, UpgradedIo,
};
use httpfsm::input::Input;
use httpfsm::peer::Peer;
use httpfsm::request::{RequestHead, Version};
use httpfsm::response::BodyRef;
use httpfsm::status::Status;
use httpfsm::time::{Date, Moment, Now};

/// Writes down what it is asked for.
#[derive(Default)]
struct Recorder {
    asked: Mutex<Vec<String>>,
    gone: AtomicBool,
}

impl Recorder {
    fn note(&self, what: impl Into<String>) {
        self.asked.lock().expect("no test panics under the lock").push(what.into());
    }
}

impl Control for Recorder {
    fn send_continue(&self) {
        self.note("100");
    }
    fn refuse_expect(&self) {
        self.note("refuse");
    }
    fn informational(&self, status: Status, fields: Fields) {
        self.note(format!("{} {fields:?}", status.code()));
    }
    fn poll_peer_ended(&self, _cx: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }
    fn poll_disconnected(&self, _cx: &mut Context<'_>) -> Poll<()> {
        if self.gone.load(Ordering::SeqCst) { Poll::Ready(()) } else { Poll::Pending }
    }
    fn poll_upgrade(&self, _cx: &mut Context<'_>) -> Poll<Result<Upgraded, UpgradeError>> {
        Poll::Ready(Ok(Upgraded::new(Bytes::from_static(b"ahead"), Box::new(Wire::default()))))
    }
}

/// Reads `behind` once, takes two octets a write.
#[derive(Default)]
struct Wire {
    read: bool,
    full: bool,
}

impl UpgradedIo for Wire {
    fn poll_read(&mut self, _cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<Result<usize, IoFailure>> {
        if std::mem::replace(&mut self.read, true) {
            return Poll::Ready(Ok(0));
        }
        buffer[..6].copy_from_slice(b"behind");
        Poll::Ready(Ok(6))
    }
    fn poll_write(&mut self, _cx: &mut Context<'_>, octets: &[u8]) -> Poll<Result<usize, IoFailure>> {
        Poll::Ready(Ok(if self.full { 0 } else { octets.len().min(2) }))
    }
    fn poll_flush(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), IoFailure>> {
        self.full = true;
        Poll::Ready(Ok(()))
    }
    fn poll_close(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), IoFailure>> {
        Poll::Ready(Err(IoFailure::Reset))
    }
}

fn request(body: Body, control: Arc<dyn Control>) -> Request {
    let connection = ConnectionInfo {
        peername: Peer::Ip(([192, 0, 2, 7], 4711).into()),
        sockname: Peer::Unix(None),
        scheme: "https".into(),
        channel: "server.clisrv_17".into(),
    };
    Request::new(Arc::new(RequestHead::default()), body, Arc::new(connection), control)
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

fn answer(value: impl IntoResponse) -> (u16, String, String) {
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
fn what_is_asked_of_a_connection_reaches_its_control() {
    let control = Arc::new(Recorder::default());
    let request = request(Body::Empty, Arc::clone(&control) as Arc<dyn Control>);
    request.send_continue();
    request.refuse_expect();
    request.early_hints(Fields::new().with("Link", "</a>").unwrap());
    request.informational(Status::PROCESSING, Fields::new()).unwrap();
    for code in [100, 101, 200, 500] {
        assert!(request.informational(Status::new(code).unwrap(), Fields::new()).is_err(), "{code}");
    }
    assert_eq!(*control.asked.lock().unwrap(), ["100", "refuse", "103 {\"Link\": \"</a>\"}", "102 {}"]);
    assert!(poll(request.peer_ended()).is_ready());
    assert!(poll(request.disconnected()).is_pending() && !request.is_disconnected());
    control.gone.store(true, Ordering::SeqCst);
    assert!(poll(request.disconnected()).is_ready() && request.is_disconnected());
}

#[test]
fn an_upgraded_connection_reads_what_came_ahead_first() {
    let request = request(Body::Empty, Arc::new(Recorder::default()));
    let mut connection = now(request.upgrade()).unwrap();
    let mut buffer = [0; 3];
    let mut seen = Vec::new();
    for expected in [3, 2] {
        let octets = now(connection.read(&mut buffer)).unwrap();
        assert_eq!(octets, expected);
        seen.extend_from_slice(&buffer[..octets]);
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
fn without_a_connection_there_is_no_upgrade() {
    let refused = now(request(Body::Empty, Arc::new(())).upgrade());
    assert_eq!(refused.unwrap_err(), UpgradeError::Refused);
}

#[test]
fn many_values_are_answers() {
    const TEXT: &str = "text/plain; charset=utf-8";
    const OCTETS: &str = "application/octet-stream";
    let expect = |code, kind: &str, content: &str| (code, kind.to_owned(), content.to_owned());
    assert_eq!(answer("a"), expect(200, TEXT, "a"));
    assert_eq!(answer(String::from("b")), expect(200, TEXT, "b"));
    assert_eq!(answer(Bytes::from_static(b"c")), expect(200, OCTETS, "c"));
    assert_eq!(answer(vec![b'd']), expect(200, OCTETS, "d"));
    assert_eq!(answer(()), expect(204, "", ""));
    assert_eq!(answer(Status::GONE), expect(410, "", ""));
    assert_eq!(answer((Status::CREATED, "e")), expect(201, TEXT, "e"));
    assert_eq!(answer(Ok::<_, Status>("f")), expect(200, TEXT, "f"));
    assert_eq!(answer(Err::<(), _>(Status::CONFLICT)), expect(409, "", ""));
    assert_eq!(answer(Response::html("<p>")), expect(200, "text/html; charset=utf-8", "<p>"));
    assert_eq!(answer(Response::json("{}")), expect(200, "application/json", "{}"));
}

#[test]
fn the_errors_of_a_handler_have_their_statuses() {
    let malformed = BodyError::Malformed(RequestError::new(Rule::TooManyTrailers, 0));
    for (error, code) in [
        (CollectError::TooLarge { limit: 1 }, 413),
        (CollectError::Failed(BodyError::Truncated.into()), 400),
        (CollectError::Failed(BodyError::TimedOut.into()), 408),
        (CollectError::Failed(malformed.into()), 431),
        (CollectError::Failed(BodyFailure::source("no")), 500),
    ] {
        assert_eq!(error.into_response().status.code(), code);
    }
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
        Some(&InvalidField::Value { name: "X-Name".into(), octet: b'\r', position: 1 })
    );
    assert!(Response::text("x").try_field("A B", "c").is_err());
    assert!(Response::redirect(Status::FOUND, "/\r\nX: y").fault().is_some());
    assert!(Response::switching_protocols("a\nb").fault().is_some());
}

#[test]
fn a_response_is_seen_by_the_machine_as_it_is() {
    assert!(matches!(Response::new(Status::OK).as_ref().body, BodyRef::Empty));
    assert!(matches!(Response::text("abc").as_ref().body, BodyRef::Bytes(octets) if octets == "abc"));
    let endless = Response::new(Status::OK).with_body(Body::from_fn(|_| Poll::Pending));
    assert!(matches!(endless.as_ref().body, BodyRef::Stream { length: None }));
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

fn parsed(head: &str, body: Body) -> Request {
    let mut channel = Channel::new(Arc::new(Settings::new(&ChannelConfig::default())), Facts::default());
    let now = Now::new(Moment::START, &Date::EPOCH);
    channel.handle(&now, Input::RxData(head.as_bytes())).expect("room for a head");
    let head = RequestHead::from(channel.request().expect("a whole head"));
    let unix = || Peer::Unix(None);
    let connection = ConnectionInfo {
        peername: unix(),
        sockname: unix(),
        scheme: "http".into(),
        channel: "server.clisrv_1".into(),
    };
    Request::new(Arc::new(head), body, Arc::new(connection), Arc::new(()))
}

#[test]
fn a_request_tells_what_its_head_says() {
    let head = "POST /a?b HTTP/1.1\r\nHost: c:1\r\nX: ä\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n";
    let mut post = parsed(head, Body::from("content"));
    assert_eq!((post.method(), post.target(), post.path(), post.query()), ("POST", "/a?b", "/a", Some("b")));
    assert_eq!((post.authority(), post.version()), (Some("c:1"), Version::Http11));
    assert_eq!((post.field("x"), post.field_str("x")), (Some("ä".as_bytes()), Some("ä")));
    assert!(post.expects_continue());
    assert!(format!("{post:?}").contains("target: \"/a?b\""), "{post:?}");
    assert!(matches!(post.take_body(), Body::Full(octets) if octets == "content"));
    assert!(matches!(post.into_body(), Body::Empty));
    let get = parsed("GET / HTTP/1.0\r\n\r\n", Body::Trailers(Box::default()));
    assert_eq!(
        (get.query(), get.authority(), get.field("x"), get.version()),
        (None, None, None, Version::Http10)
    );
    assert!(!get.expects_continue() && get.trailers().is_some());
}

#[test]
fn nothing_happens_on_no_connection() {
    let get = parsed("GET / HTTP/1.0\r\n\r\n", Body::Empty);
    let mut cx = Context::from_waker(Waker::noop());
    assert!(pin!(get.peer_ended()).poll(&mut cx).is_pending());
    assert!(pin!(get.disconnected()).poll(&mut cx).is_pending());
    assert_eq!(format!("{:?} {:?}", get.peer_ended(), get.disconnected()), "PeerEnded(..) Disconnected(..)");
    assert_eq!(
        NotInformational(Status::OK).to_string(),
        "200 is not an interim response; those are 102 to 199."
    );
}

#[test]
fn content_of_every_kind_is_kept() {
    let content = |answer: Response| match answer.body {
        Body::Full(octets) => String::from_utf8_lossy(&octets).into_owned(),
        other => panic!("{other:?}"),
    };
    assert_eq!(content(Cow::Borrowed("a").into_response()), "a");
    assert_eq!(content(Cow::<str>::Owned("b".into()).into_response()), "b");
    assert_eq!(content((&b"c"[..]).into_response()), "c");
    assert!(matches!(Body::from(&b"d"[..]), Body::Full(octets) if octets == "d"));
    assert!(matches!(Body::from(Cow::Borrowed("e")), Body::Full(octets) if octets == "e"));
    assert!(matches!(Body::from(()), Body::Empty));
    assert_eq!(content(Response::text("f").with_status(Status::NOT_FOUND)), "f");
    let mut taken = Response::text("g");
    assert!(matches!(taken.take_body(), Body::Full(octets) if octets == "g"));
    assert!(matches!(taken.body, Body::Empty));
    let fault = Fields::new().push("\n", "").expect_err("no token");
    assert_eq!(fault.into_response().status, Status::INTERNAL_SERVER_ERROR);
}

#[test]
fn failures_say_what_failed_and_why() {
    let error = CollectError::TooLarge { limit: 7 };
    assert_eq!(error.to_string(), "The body is larger than the 7 octets allowed.");
    assert!(error.source().is_none());
    let error = CollectError::Failed(BodyFailure::source("the disk is gone"));
    assert_eq!(error.to_string(), "The source of the body failed: the disk is gone");
    let cause = error.source().and_then(Error::source).expect("a failure has a cause");
    assert_eq!(cause.to_string(), "the disk is gone");
    assert_eq!(format!("{:?} {:?}", Body::from("abc"), Body::Empty), "Full(3 octets) Empty");
}
