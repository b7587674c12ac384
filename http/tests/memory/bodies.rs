//! Bodies both ways: as they come, no faster, with their trailers.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io::Write;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::Multipart;
use axum::response::sse::{Event, Sse};
use axum::routing::{get, post};
use bytes::{Buf, Bytes};
use http::{HeaderMap, Request, Response};
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::{BodyExt, StreamBody};
use httpfsm::handler::IntoResponse;
use httpfsm::{Handler, ServerConfig};
use httpfsm_http::{Body, service};
use httpfsm_transport::{Held, NoThread, Spawner, SyncBodyWriter, Threads, written_sync};
use tower::service_fn;

use crate::Case;

const CHUNKED: &str = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";

/// What of a request's body comes, in words.
async fn frames(mut request: Request<Body>) -> Result<Response<Body>, Infallible> {
    let mut seen = format!("{:?} {};", request.body().size_hint().exact(), request.body().is_end_stream());
    while let Some(frame) = request.body_mut().frame().await {
        match frame.unwrap().into_data() {
            Ok(data) => seen += &format!(" {}", String::from_utf8_lossy(&data)),
            Err(frame) => seen += &format!(" {:?}", frame.into_trailers().unwrap()),
        }
    }
    seen += &format!("; {:?} {}", request.body().size_hint().exact(), request.body().is_end_stream());
    Ok(Response::new(seen.into()))
}

#[test]
fn data_trailers_and_lengths_of_a_request_reach_the_service() {
    let mut case = Case::new(service(service_fn(frames)));
    let mut seen = |request: String| case.send(request).split_once("\r\n\r\n").unwrap().1.to_owned();
    assert_eq!(seen("GET / HTTP/1.1\r\nHost: a\r\n\r\n".into()), "Some(0) true;; Some(0) true");
    let known = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello";
    assert_eq!(seen(known.into()), "Some(5) false; hello; Some(0) true");
    let trailers = format!("{CHUNKED}3\r\nabc\r\n0\r\nX-Sum: 6\r\nX-Sum: 7\r\n\r\n");
    assert_eq!(seen(trailers), "None false; abc {\"x-sum\": \"6\", \"x-sum\": \"7\"}; Some(0) true");
}

#[test]
fn trailers_of_a_response_follow_its_chunks() {
    let respond = |_: Request<Body>| async {
        let mut trailers = HeaderMap::new();
        trailers.insert("x-sum", "6".parse().unwrap());
        let frames = [Ok::<_, Infallible>(Frame::data(&b"abc"[..])), Ok(Frame::trailers(trailers))];
        Ok::<_, Infallible>(Response::new(StreamBody::new(futures_lite::stream::iter(frames))))
    };
    let response = Case::new(service(service_fn(respond))).ask("GET", "/");
    assert!(response.ends_with("\r\n\r\n3\r\nabc\r\n0\r\nx-sum: 6\r\n\r\n"), "{response}");
}

#[test]
fn an_echo_streams_both_ways_and_passes_trailers_on() {
    let own = service_fn(|request: Request<Body>| async {
        Ok::<_, Infallible>(Response::new(request.into_body()))
    });
    let app = Router::new().route("/", post(|request: axum::extract::Request| async { request.into_body() }));
    fn check(mut case: Case<impl httpfsm::Handler>) {
        assert!(case.send(CHUNKED).ends_with("\r\n\r\n"));
        assert_eq!(case.send("5\r\nhello\r\n"), "5\r\nhello\r\n");
        assert_eq!(case.send("1\r\n!\r\n"), "1\r\n!\r\n");
        assert_eq!(case.send("0\r\nX-Sum: 6\r\n\r\n").to_lowercase(), "0\r\nx-sum: 6\r\n\r\n");
    }
    check(Case::new(service(own)));
    check(Case::new(service(app)));
}

#[test]
fn a_body_of_a_known_length_keeps_it_where_it_is_sent_back() {
    let app = Router::new().route("/", post(|request: axum::extract::Request| async { request.into_body() }));
    let mut case = Case::new(service(app));
    let response = case.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello");
    assert!(
        response.contains("\r\nContent-Length: 5\r\n") && response.ends_with("\r\n\r\nhello"),
        "{response}"
    );
}

/// 100 bytes, of which 60 come first; what comes back.
fn in_two_pieces(handler: impl Handler) -> String {
    let mut case = Case::new(handler);
    let mut response = case.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n");
    response += &case.send([b'a'; 60]);
    response += &case.send([b'b'; 40]);
    assert!(!case.client.is_ended(), "{response}");
    response
}

#[test]
fn the_length_of_a_body_is_what_is_still_to_come() {
    let rest = async |mut request: Request<Body>| {
        let first = request.body_mut().frame().await.unwrap().unwrap().into_data().unwrap();
        assert_eq!((first.len(), request.body().size_hint().exact()), (60, Some(40)));
        Ok::<_, Infallible>(Response::new(request.into_body()))
    };
    let response = in_two_pieces(service(service_fn(rest)));
    let whole = format!("\r\n\r\n{}", "b".repeat(40));
    assert!(response.contains("\r\nContent-Length: 40\r\n") && response.ends_with(&whole), "{response}");
}

/// A handler around a service sees the same of a response.
#[test]
fn the_length_of_the_body_of_a_response_is_what_is_still_to_come() {
    let app = Router::new().route("/", post(|request: axum::extract::Request| async { request.into_body() }));
    let app = service(app);
    let response = in_two_pieces(move |request: httpfsm::Request| {
        let response = app.call(request);
        async move {
            let mut body = response.await.into_response().body;
            assert_eq!(body.length(), Some(100));
            let first = body.next_data().await.unwrap().unwrap();
            format!("{} {:?} {}", first.len(), body.length(), body.collect(40).await.unwrap().len())
        }
    });
    assert!(response.ends_with("\r\n\r\n60 Some(40) 40"), "{response}");
}

/// An endless body of pieces, which counts them.
struct Endless(Arc<AtomicUsize>);

impl http_body::Body for Endless {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&[b'x'; 4096])))))
    }
}

impl Drop for Endless {
    fn drop(&mut self) {
        self.0.store(0, Ordering::SeqCst);
    }
}

#[test]
fn a_response_is_pulled_no_faster_than_its_peer_reads_and_dropped_when_the_peer_goes() {
    let pieces = Arc::new(AtomicUsize::new(0));
    let counts = Arc::clone(&pieces);
    let respond = move |_: Request<Body>| {
        let body = Endless(Arc::clone(&counts));
        async { Ok::<_, Infallible>(Response::new(body)) }
    };
    let mut case = Case::with_capacity(4096, service(service_fn(respond)));
    case.client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    case.server.run();
    let before = pieces.load(Ordering::SeqCst);
    assert!((1..200).contains(&before), "{before} pieces");
    case.server.run();
    assert_eq!(pieces.load(Ordering::SeqCst), before);
    for _ in 0..200 {
        let _ = case.client.take();
        case.server.run();
    }
    let later = pieces.load(Ordering::SeqCst);
    assert!(later > before + 100, "{later} pieces");
    case.client.reset();
    case.server.run();
    assert_eq!(pieces.load(Ordering::SeqCst), 0, "dropped");
}

#[test]
fn a_request_is_read_no_faster_than_the_service_does() {
    let never = service_fn(|request: Request<Body>| async move {
        let _body = request.into_body();
        std::future::pending::<()>().await;
        Ok::<_, Infallible>(Response::new(Body::empty()))
    });
    let mut case = Case::new(service(never));
    case.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\n");
    let mut sent = 0;
    while case.server.run() > 0 && sent < 10_000_000 {
        case.client.send([b'x'; 16 << 10]);
        sent += 16 << 10;
    }
    let held = case.server.handle().memory();
    assert!(held.total() < 200_000, "{held:?}");
}

#[test]
fn the_100_comes_when_the_body_is_read_and_not_where_it_is_refused() {
    let app = Router::new()
        .route("/", post(|body: String| async move { body }))
        .route("/refuse", post(|| async { http::StatusCode::FORBIDDEN }));
    let expecting = |target| {
        format!("POST {target} HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
    };
    let mut case = Case::new(service(app.clone()));
    assert_eq!(case.send(expecting("/")), "HTTP/1.1 100 Continue\r\n\r\n");
    assert!(case.send("hello").ends_with("\r\n\r\nhello"));
    let refused = Case::new(service(app)).send(expecting("/refuse"));
    assert!(refused.starts_with("HTTP/1.1 403 ") && refused.contains("Connection: close\r\n"), "{refused}");
    // An echo asks for the body only when its response is polled.
    let echo =
        Router::new().route("/", post(|request: axum::extract::Request| async { request.into_body() }));
    let mut case = Case::new(service(echo));
    assert_eq!(case.send(expecting("/")), "HTTP/1.1 100 Continue\r\n\r\n");
    assert!(case.send("hello").ends_with("\r\n\r\nhello"));
}

#[test]
fn server_sent_events_leave_one_by_one() {
    let sender = Events::default();
    let receiver = sender.clone();
    let events = move || {
        let receiver = receiver.clone();
        Sse::new(futures_lite::stream::unfold(receiver, |receiver| async move {
            let text = std::future::poll_fn(|cx| receiver.poll(cx)).await?;
            Some((Ok::<_, Infallible>(Event::default().data(text)), receiver))
        }))
    };
    let mut case = Case::new(service(Router::new().route("/", get(move || async move { events() }))));
    let head = case.ask("GET", "/");
    assert!(head.contains("content-type: text/event-stream\r\n") && head.ends_with("\r\n\r\n"), "{head}");
    sender.send(Some("one"));
    assert_eq!(case.send(""), "b\r\ndata: one\n\n\r\n");
    sender.send(Some("two"));
    assert_eq!(case.send(""), "b\r\ndata: two\n\n\r\n");
    sender.send(None);
    assert_eq!(case.send(""), "0\r\n\r\n");
}

/// A queue with one reader.
#[derive(Clone, Default)]
struct Events(Arc<Mutex<EventQueue>>);

#[derive(Default)]
struct EventQueue {
    /// `None` is the end.
    events: VecDeque<Option<&'static str>>,
    waiter: Option<Waker>,
}

impl Events {
    fn send(&self, event: Option<&'static str>) {
        let mut queue = self.0.lock().unwrap();
        queue.events.push_back(event);
        let waiter = queue.waiter.take();
        drop(queue);
        waiter.into_iter().for_each(Waker::wake);
    }

    fn poll(&self, cx: &mut Context<'_>) -> Poll<Option<&'static str>> {
        let mut queue = self.0.lock().unwrap();
        queue.waiter = Some(cx.waker().clone());
        queue.events.pop_front().map_or(Poll::Pending, Poll::Ready)
    }
}

async fn parts(mut multipart: Multipart) -> String {
    let mut seen = String::new();
    while let Some(field) = multipart.next_field().await.unwrap() {
        seen += &format!("{}={};", field.name().unwrap().to_owned(), field.text().await.unwrap());
    }
    seen
}

#[test]
fn a_form_of_several_parts_is_read() {
    let mut case = Case::new(service(Router::new().route("/", post(parts))));
    let content = "--b\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\n1\r\n--b\r\n\
        Content-Disposition: form-data; name=\"y\"; filename=\"f\"\r\n\r\ntwo\r\n--b--\r\n";
    let length = content.len();
    case.send(format!(
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: {length}\r\n\r\n"
    ));
    let (first, rest) = content.split_at(40);
    case.send(first);
    assert!(case.send(rest).ends_with("\r\n\r\nx=1;y=two;"));
}

/// Data that is not one piece of memory.
struct Pieces(bytes::buf::Chain<Bytes, Bytes>, bool);

impl http_body::Body for Pieces {
    type Data = bytes::buf::Chain<Bytes, Bytes>;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Infallible>>> {
        let first = std::mem::take(&mut self.1);
        Poll::Ready(
            first.then(|| Ok(Frame::data(self.0.first_ref().clone().chain(self.0.last_ref().clone())))),
        )
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(10)
    }
}

#[test]
fn data_of_several_pieces_is_sent_whole() {
    let respond = |_: Request<Body>| async {
        let pieces = Bytes::from_static(b"01234").chain(Bytes::from_static(b"56789"));
        Ok::<_, Infallible>(Response::new(Pieces(pieces, true)))
    };
    let response = Case::new(service(service_fn(respond))).ask("GET", "/");
    assert!(
        response.contains("Content-Length: 10\r\n") && response.ends_with("\r\n\r\n0123456789"),
        "{response}"
    );
}

/// A body that says how long it is, and counts how often it is polled.
struct Promises {
    polls: Arc<AtomicUsize>,
    length: u64,
}

impl http_body::Body for Promises {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.polls.fetch_add(1, Ordering::SeqCst);
        Poll::Ready(None)
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.length)
    }
}

fn promises(length: u64) -> (Case<impl httpfsm::Handler>, Arc<AtomicUsize>) {
    let polls = Arc::new(AtomicUsize::new(0));
    let counts = Arc::clone(&polls);
    let respond = move |_: Request<Body>| {
        let response = Response::new(Promises { polls: Arc::clone(&counts), length });
        async { Ok::<_, Infallible>(response) }
    };
    (Case::new(service(service_fn(respond))), polls)
}

#[test]
fn the_body_of_a_response_to_head_is_not_read() {
    let (mut case, polls) = promises(5);
    assert_eq!(case.ask("HEAD", "/"), "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
    assert_eq!(polls.load(Ordering::SeqCst), 0);
}

#[test]
fn a_body_that_ends_short_of_what_it_promised_is_cut() {
    let (mut case, _) = promises(5);
    assert_eq!(case.ask("GET", "/"), "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
    assert!(case.client.is_ended());
    case.client.close_write();
    case.server.run();
    assert_eq!(case.told.take(), ["closed: ResponseShort"]);
    let (mut case, _) = promises(0);
    assert_eq!(case.ask("GET", "/"), "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    assert!(!case.client.is_ended());
}

/// A body that says how long it is, in other frames than that, and knows when it has no more.
struct Frames {
    frames: VecDeque<&'static str>,
    length: u64,
}

impl http_body::Body for Frames {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.frames.pop_front().map(|frame| Ok(Frame::data(frame.into()))))
    }

    fn is_end_stream(&self) -> bool {
        self.frames.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.length)
    }
}

#[test]
fn a_body_of_another_length_than_it_said_is_cut_in_one_frame_as_in_two() {
    for frames in [&["hello"][..], &["he", "llo"]] {
        for (length, content, told) in [
            (10, "hello", "closed: ResponseShort"),
            (5, "hello", "closed: PeerEnded"),
            (3, "hel", "excess: 2, closed: PeerEnded"),
        ] {
            let respond = move |_: Request<Body>| async move {
                Ok::<_, Infallible>(Response::new(Frames {
                    frames: frames.iter().copied().collect(),
                    length,
                }))
            };
            let mut case = Case::new(service(service_fn(respond)));
            let response = case.ask("GET", "/");
            let whole = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{content}");
            assert_eq!(response, whole, "{frames:?}");
            assert_eq!(case.client.is_ended(), length == 10);
            case.client.close_write();
            case.server.run();
            assert_eq!(case.told.take().join(", "), told, "{frames:?} {length}");
        }
    }
}

#[test]
fn a_body_of_the_transport_yields_neither_empty_data_nor_flushes() {
    use httpfsm::handler::Frame;
    let mut frames = vec![Frame::End, Frame::Data("a".into()), Frame::Flush, Frame::Data(Bytes::new())];
    let mut body =
        Body::from(httpfsm::Body::from_fn(move |_| Poll::Ready(frames.pop().unwrap_or(Frame::End))));
    let data = httpfsm_transport::block_on(body.frame()).unwrap().unwrap().into_data();
    assert_eq!(data.ok(), Some(Bytes::from_static(b"a")));
    assert!(httpfsm_transport::block_on(body.frame()).is_none());
    assert!(
        Body::default().is_end_stream() && Body::from("").is_end_stream() && !Body::from("a").is_end_stream()
    );
}

/// Threads that pass for few.
struct Few;

impl Spawner for Few {
    fn spawn_blocking(&self, work: Box<dyn FnOnce() + Send>) -> Result<(), NoThread> {
        Threads.spawn_blocking(work)
    }

    fn is_scarce(&self) -> bool {
        true
    }
}

/// Whose handler responds with what a function writes, which is told how far it came.
fn writes(ends: &Sender<String>) -> Router {
    let ends = ends.clone();
    let respond = move || {
        let ends = ends.clone();
        let body = written_sync(Few, move |body: &mut SyncBodyWriter| {
            let written = (0..200).try_for_each(|_| body.write_all(&[b'x'; 50_000]));
            let _ = ends.send(written.as_ref().map_or_else(ToString::to_string, |()| "all".to_owned()));
            written
        });
        async { axum::body::Body::new(Body::from(body)) }
    };
    Router::new().route("/", get(respond))
}

fn until<H: Handler>(case: &mut Case<H>, mut is_so: impl FnMut(&mut Case<H>) -> bool) {
    let began = Instant::now();
    loop {
        case.server.run();
        if is_so(case) {
            return;
        }
        assert!(began.elapsed() < Duration::from_secs(60), "{:?}", case.server.held());
        thread::sleep(Duration::from_millis(1));
    }
}

/// Its body is polled within the handler.
#[test]
fn what_a_function_writes_for_a_router_has_the_limits_and_permits_of_the_server() {
    let (ends, ended) = channel();
    let config = ServerConfig { max_spooled_bytes: 100_000, ..ServerConfig::default() };
    let mut case = Case::under(config, 1000, service(writes(&ends)));
    case.client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let mut end = None;
    until(&mut case, |_| {
        end = ended.try_recv().ok();
        end.is_some()
    });
    assert!(end.is_some_and(|end| end.contains("holds as many bytes as it may")));

    let mut case = Case::under(ServerConfig::default(), 1000, service(writes(&ends)));
    case.server.permit_waiting(1);
    case.client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    until(&mut case, |case| case.server.held().permits == 1);
    let memory = case.server.held().memory;
    assert!(memory.pieces > 100_000 && memory.spooled == 0, "{memory:?}");
    case.client.reset();
    until(&mut case, |case| case.server.held() == Held::default());
}
