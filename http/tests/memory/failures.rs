//! What fails: services, bodies both ways, peers.

use std::error::Error;
use std::fmt;
use std::future::{Ready, pending, ready};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::Body as AxumBody;
use axum::routing::post;
use http::{Request, Response};
use http_body::Body as _;
use http_body_util::BodyExt;
use httpfsm::handler::BodyFailure;
use httpfsm::{BodyError, RequestError, Rule};
use httpfsm_http::{Body, BoxError, service};
use tower::{Service, service_fn};

use crate::Case;

/// An error that hides another.
#[derive(Debug)]
struct Wrapped(BoxError);

impl fmt::Display for Wrapped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("wrapped\r\nX: y")
    }
}

impl Error for Wrapped {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.0)
    }
}

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const CHUNKED: &str = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";

#[test]
fn an_error_of_a_service_is_a_500_of_which_the_subscriber_is_told() {
    let fails = service_fn(|_: Request<Body>| async { Err::<Response<Body>, _>(Wrapped("inner".into())) });
    let mut case = Case::new(service(fails));
    let response = case.ask("GET", "/");
    assert_eq!(response, "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(case.told.take(), ["handler: The service failed: wrapped  X: y"]);
    assert_eq!(case.ask("GET", "/"), response, "the connection goes on");
}

/// Ready at the third poll, or never, or not at all.
#[derive(Clone)]
struct Slow {
    polls: u32,
    fails: bool,
}

impl Service<Request<Body>> for Slow {
    type Response = Response<Body>;
    type Error = BoxError;
    type Future = Ready<Result<Response<Body>, BoxError>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        if self.fails {
            return Poll::Ready(Err("not today".into()));
        }
        self.polls += 1;
        if self.polls == 3 {
            return Poll::Ready(Ok(()));
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn call(&mut self, _: Request<Body>) -> Self::Future {
        ready(Ok(Response::new(self.polls.to_string().into())))
    }
}

#[test]
fn a_service_is_called_when_it_is_ready_and_fails_where_it_says_so() {
    let mut case = Case::new(service(Slow { polls: 0, fails: false }));
    for _ in 0..2 {
        assert!(case.ask("GET", "/").ends_with("\r\n\r\n3"), "each request has a clone of its own");
    }
    let mut case = Case::new(service(Slow { polls: 0, fails: true }));
    assert!(case.ask("GET", "/").starts_with("HTTP/1.1 500 "));
    assert_eq!(case.told.take(), ["handler: The service failed: not today"]);
}

/// Never ready.
#[derive(Clone)]
struct Never {
    _clone: Arc<()>,
}

impl Service<Request<Body>> for Never {
    type Response = Response<Body>;
    type Error = BoxError;
    type Future = Ready<Result<Response<Body>, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Pending
    }

    fn call(&mut self, _: Request<Body>) -> Self::Future {
        panic!("it is not ready")
    }
}

#[test]
fn a_service_that_is_never_ready_is_dropped_with_its_client_and_keeps_no_server_up() {
    let clones = Arc::new(());
    let mut case = Case::new(service(Never { _clone: Arc::clone(&clones) }));
    let idle = Arc::strong_count(&clones);
    assert_eq!(case.send(GET), "");
    assert_eq!(Arc::strong_count(&clones), idle + 1);
    case.client.reset();
    case.server.run();
    assert_eq!((Arc::strong_count(&clones), case.server.connections()), (idle, 0));

    let stays = case.server.connect().unwrap();
    stays.send(GET);
    case.server.run();
    let mut gone = std::pin::pin!(case.server.handle().begin_drain(Some(Duration::from_secs(10))).gone());
    let mut is_gone = || gone.as_mut().poll(&mut Context::from_waker(std::task::Waker::noop())).is_ready();
    case.server.run();
    assert!(!is_gone() && Arc::strong_count(&clones) == idle + 1);
    case.server.advance(Duration::from_secs(10));
    assert!(stays.take_text().starts_with("HTTP/1.1 503 "));
    assert_eq!(Arc::strong_count(&clones), idle);
    case.server.advance(Duration::from_secs(1));
    assert!(is_gone());
    assert_eq!(case.server.held(), httpfsm_transport::Held::default());
}

#[test]
fn a_body_that_fails_cuts_the_response_and_is_told_whenever_it_does() {
    for pieces in [0, 1, 3] {
        let respond = move |_: Request<Body>| async move {
            let good = (0..pieces).map(|_| Ok("piece"));
            let frames = good.chain([Err(Wrapped("inner".into()))]);
            Ok::<_, BoxError>(Response::new(AxumBody::from_stream(futures_lite::stream::iter(frames))))
        };
        let mut case = Case::new(service(service_fn(respond)));
        let response = case.send(GET);
        assert!(response.starts_with("HTTP/1.1 200 ") && !response.contains("0\r\n\r\n"), "{response}");
        assert_eq!(response.matches("piece").count(), pieces);
        assert!(case.client.is_ended(), "the peer sees that it is not whole");
        let told = case.told.take();
        assert!(told[0].starts_with("response: ") && told[0].contains("wrapped"), "{told:?}");
    }
}

/// A chunk size that is none.
const BROKEN: &str = "zz\r\n";

/// What has become of a body since it was asked last.
fn poll_frame(body: &mut Body) -> Poll<Option<Result<http_body::Frame<bytes::Bytes>, BodyFailure>>> {
    std::pin::pin!(body.frame()).poll(&mut Context::from_waker(std::task::Waker::noop()))
}

/// Before the head of the response the machine responds by itself, and drops the service with all that it has.
#[test]
fn a_request_body_that_fails_behind_the_head_has_the_machine_s_reason() {
    let no_size = RequestError::new(Rule::ChunkSize, 0);
    for reason in [BodyError::Malformed(no_size), BodyError::Truncated, BodyError::TimedOut] {
        let kept = Arc::new(Mutex::new(None));
        let keeps = Arc::clone(&kept);
        let responds = move |request: Request<Body>| {
            *keeps.lock().unwrap() = Some(request.into_body());
            async { Ok::<_, BoxError>(Response::new(endless())) }
        };
        let mut case = Case::new(service(service_fn(responds)));
        assert!(case.send(CHUNKED).starts_with("HTTP/1.1 200 "));
        let mut body = kept.lock().unwrap().take().unwrap();
        assert!(poll_frame(&mut body).is_pending(), "{reason}");
        case.server.run();
        match reason {
            BodyError::Malformed(_) => case.client.send(BROKEN),
            BodyError::Truncated => case.client.close_write(),
            _ => _ = case.server.advance(Duration::from_secs(60)),
        }
        case.server.run();
        let frame = poll_frame(&mut body);
        let Poll::Ready(Some(Err(failure))) = frame else { panic!("{reason} {frame:?}") };
        assert_eq!(failure.source().and_then(|error| error.downcast_ref()), Some(&reason));
        let told = case.told.take();
        assert!(!told.iter().any(|line| line.starts_with("handler")), "it is the peer's mistake: {told:?}");
    }
}

/// A body of which nothing more comes.
fn endless() -> AxumBody {
    AxumBody::from_stream(futures_lite::stream::pending::<Result<&str, BoxError>>())
}

#[test]
fn the_status_of_a_failure_of_a_body_is_found_in_the_error_of_a_service() {
    let malformed = |rule| BodyError::Malformed(RequestError::new(rule, 0));
    for (error, status) in [
        (BodyError::Truncated, 400),
        (malformed(Rule::ChunkSize), 400),
        (BodyError::TimedOut, 408),
        (malformed(Rule::BodyTooLarge), 413),
        (malformed(Rule::TrailerTooLarge), 431),
        (BodyError::Closed, 503),
        (BodyError::NotContinued, 500),
        (BodyError::ResponseComplete, 500),
    ] {
        let fails = move |_: Request<Body>| async move {
            let failure = BodyFailure::from(error);
            Err::<Response<Body>, BoxError>(Box::new(Wrapped(Box::new(Wrapped(failure.into())))))
        };
        let mut case = Case::new(service(service_fn(fails)));
        let response = case.ask("GET", "/");
        assert!(response.starts_with(&format!("HTTP/1.1 {status} ")), "{error}: {response}");
        assert_eq!(case.told.take(), [""; 0], "{error}");
    }
}

#[test]
fn a_request_body_that_fails_on_its_way_back_is_no_failure_of_the_server() {
    let echo = || post(|request: axum::extract::Request| async { request.into_body() });
    let mut case = Case::new(service(Router::new().route("/", echo())));
    case.send(CHUNKED);
    assert!(case.send("5\r\nhello\r\n").ends_with("5\r\nhello\r\n"));
    assert_eq!(case.send(BROKEN), "");
    assert!(case.client.is_ended());
    let told = case.told.take();
    assert!(told.iter().all(|line| !line.starts_with("response")), "{told:?}");
}

/// Whatever panics: while it is made, while it is polled, while it is dropped.
#[test]
fn a_panic_is_a_500_before_the_head_and_cuts_behind_it() {
    type Panicking =
        fn(
            Request<Body>,
        ) -> std::pin::Pin<Box<dyn Future<Output = Result<Response<AxumBody>, BoxError>> + Send>>;
    let made: Panicking = |_| panic!("made");
    let polled: Panicking = |_| Box::pin(async { panic!("polled") });
    let body: Panicking = |_| {
        Box::pin(async {
            let mut pieces = 0;
            Ok(Response::new(AxumBody::from_stream(futures_lite::stream::poll_fn(move |_| {
                pieces += 1;
                assert!(pieces < 3, "streamed");
                Poll::Ready(Some(Ok::<_, BoxError>("piece")))
            }))))
        })
    };
    for (function, status, told) in [
        (made, "500", "handler: The handler panicked: made"),
        (polled, "500", "handler: The handler panicked: polled"),
        (body, "200", "response: The handler panicked: streamed"),
    ] {
        let mut case = Case::new(service(service_fn(function)));
        let response = case.send(GET);
        assert!(response.starts_with(&format!("HTTP/1.1 {status} ")), "{response}");
        let lines = case.told.take();
        assert!(lines[0].starts_with(told), "{told}: {lines:?}");
    }
}

struct Dropped(Arc<AtomicBool>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[test]
fn a_peer_that_goes_away_drops_the_future_and_the_body_it_holds() {
    let flag = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&flag);
    let waits = move |request: Request<Body>| {
        let (guard, mut body) = (Dropped(Arc::clone(&seen)), request.into_body());
        async move {
            let _guard = guard;
            let _ = body.frame().await;
            pending::<Result<Response<Body>, BoxError>>().await
        }
    };
    let mut case = Case::new(service(service_fn(waits)));
    case.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhe");
    assert!(!flag.load(Ordering::SeqCst));
    case.client.reset();
    case.server.run();
    assert!(flag.load(Ordering::SeqCst));
    assert_eq!(case.server.connections(), 0);
    assert_eq!(case.server.held(), httpfsm_transport::Held::default());
}

#[test]
fn a_body_outlives_its_response_and_then_says_why_it_ends() {
    let kept = Arc::new(Mutex::new(None));
    let keeps = Arc::clone(&kept);
    let keep = move |request: Request<Body>| {
        *keeps.lock().unwrap() = Some(request.into_body());
        async { Ok::<_, BoxError>(Response::new(Body::from("kept"))) }
    };
    let mut case = Case::new(service(service_fn(keep)));
    let response = case.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\n");
    assert!(response.ends_with("kept"));
    let mut body = kept.lock().unwrap().take().unwrap();
    assert!(!body.is_end_stream());
    let frame = poll_frame(&mut body);
    let Poll::Ready(Some(Err(failure))) = frame else { panic!("{frame:?}") };
    assert_eq!(failure.source().and_then(|error| error.downcast_ref()), Some(&BodyError::ResponseComplete));
}

#[test]
fn a_response_of_the_wrong_kind_is_a_500() {
    for status in [100, 101, 103] {
        let respond = move |_: Request<Body>| async move {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = http::StatusCode::from_u16(status).unwrap();
            Ok::<_, BoxError>(response)
        };
        let mut case = Case::new(service(service_fn(respond)));
        assert!(case.ask("GET", "/").starts_with("HTTP/1.1 500 "), "{status}");
        assert!(case.told.take()[0].starts_with("handler: "), "{status}");
    }
}

#[test]
fn a_body_shorter_than_its_length_is_never_taken_for_whole() {
    let short = |_: Request<Body>| async {
        let mut response = Response::new(Body::from("hello"));
        response.headers_mut().insert("content-length", 7.into());
        Ok::<_, BoxError>(response)
    };
    let mut case = Case::new(service(service_fn(short)));
    assert!(case.ask("GET", "/").starts_with("HTTP/1.1 500 "));
    assert!(case.told.take()[0].starts_with("handler: "));
}
