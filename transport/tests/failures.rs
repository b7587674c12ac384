//! What a subscriber hears of failures that are no peer's fault.
#![allow(clippy::unwrap_used)]

use std::io;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use httpfsm::config::{Bodies, ServerConfig};
use httpfsm::handler::{
    Body, BodyFailure, ConnectionInfo, Failure, Frame, IntoResponse, Request, Response, Subscriber,
};
use httpfsm::peer::Peer;
use httpfsm::request::RequestRef;
use httpfsm::status::Status;
use httpfsm_transport::memory::{MemoryClient, MemoryServer, MemoryWire, pair};
use httpfsm_transport::{Accept, Accepted, Clock, Inline, NoThread, Service, Spawner, Wire, accept};

#[derive(Default)]
struct SubscriberLog {
    failures: Mutex<Vec<String>>,
    lost: Mutex<Vec<String>>,
    requests: Mutex<usize>,
    hears_no_requests: bool,
}

impl SubscriberLog {
    fn failures(&self) -> Vec<String> {
        self.failures.lock().unwrap().clone()
    }
}

impl Subscriber for SubscriberLog {
    fn hears_requests(&self) -> bool {
        !self.hears_no_requests
    }

    fn failed(&self, connection: Option<&ConnectionInfo>, failure: Failure, text: &str) {
        let channel = connection.map_or("-", |connection| &connection.channel);
        self.failures.lock().unwrap().push(format!("{channel} {failure}: {text}"));
    }

    fn connection_lost(&self, connection: &ConnectionInfo, text: &str) {
        self.lost.lock().unwrap().push(format!("{} {text}", connection.channel));
    }

    fn request(&self, _: &ConnectionInfo, _: RequestRef<'_>) {
        *self.requests.lock().unwrap() += 1;
    }

    fn body_end(&self, _: &ConnectionInfo) {
        *self.requests.lock().unwrap() += 1;
    }
}

async fn fails(mut request: Request) -> Response {
    let source = |body| Response::new(Status::OK).with_body(body);
    match request.path() {
        "/panic" => panic!("out of cheese"),
        "/panic/lines" => panic!("out\nof\r\ncheese\u{1b}[m"),
        "/says" => Response::default().with_failure("The disk\nis full."),
        "/io" => io::Error::other("a\r\nb").into_response(),
        "/source/lines" => source(Body::from_fn(|_| Poll::Ready(Frame::Error(BodyFailure::source("a\nb"))))),
        "/source" => source(Body::from_fn(|_| Poll::Ready(Frame::Error(BodyFailure::source("it is gone"))))),
        "/source/panic" => source(Body::from_fn(|_| panic!("out of crackers"))),
        "/switch" => Response::new(Status::SWITCHING_PROTOCOLS),
        "/short" => Response::text("abc").with_field("Content-Length", "10"),
        "/field" => Response::text("abc").with_field("X-A", "a\r\nb"),
        "/echo" => source(request.take_body()),
        "/late" => {
            let (mut body, mut begun) = (request.take_body(), false);
            source(Body::from_fn(move |cx| match std::mem::replace(&mut begun, true) {
                false => Poll::Ready(Frame::Data("the head leaves".into())),
                true => body.poll_frame(cx),
            }))
        }
        _ => Response::text("fine"),
    }
}

/// What is heard of one request, and of what its client does then.
fn heard_of(
    heard: SubscriberLog,
    bodies: Bodies,
    path: &str,
    then: impl FnOnce(&MemoryClient),
) -> Arc<SubscriberLog> {
    let heard = Arc::new(heard);
    let mut config = ServerConfig::default();
    config.channel.bodies = Some(bodies);
    let subscriber: Arc<dyn Subscriber> = Arc::clone(&heard) as _;
    let mut server = MemoryServer::with(config, 1 << 16, Some(subscriber), fails);
    let client = server.connect().unwrap();
    client.send(format!("POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nsome "));
    server.run();
    then(&client);
    server.run();
    heard
}

fn failures(path: &str, then: impl FnOnce(&MemoryClient)) -> Vec<String> {
    heard_of(SubscriberLog::default(), Bodies::Streamed, path, then).failures()
}

fn stays(_: &MemoryClient) {}

#[test]
fn a_failure_of_the_application_is_told_with_its_channel() {
    for (path, told) in [
        ("/panic", "server.clisrv_1 handler: The handler panicked: out of cheese"),
        (
            "/switch",
            "server.clisrv_1 handler: The response cannot be sent, because this does not hold: A 101 names a protocol, \
             and the request asked for an upgrade and has no body to come.",
        ),
        (
            "/short",
            "server.clisrv_1 handler: The response cannot be sent, because this does not hold: The content is not \
             shorter than its Content-Length.",
        ),
        (
            "/field",
            "server.clisrv_1 handler: A field of the response cannot be sent: The value of X-A holds the control \
             character 0x0d at byte 1.",
        ),
        ("/source", "server.clisrv_1 response: The source of the body failed: it is gone"),
        ("/source/panic", "server.clisrv_1 response: The handler panicked: out of crackers"),
        // One line each.
        ("/panic/lines", "server.clisrv_1 handler: The handler panicked: out of  cheese [m"),
        ("/says", "server.clisrv_1 handler: The disk is full."),
        ("/io", "server.clisrv_1 handler: a  b"),
        ("/source/lines", "server.clisrv_1 response: The source of the body failed: a b"),
    ] {
        assert_eq!(failures(path, stays), [told], "{path}");
    }
}

#[test]
fn a_response_that_cannot_be_sent_says_why_on_the_page_of_the_developer() {
    for expose in [false, true] {
        let mut config = ServerConfig::default();
        config.channel.expose_tracebacks = expose;
        let mut server = MemoryServer::new(config, fails);
        let client = server.connect().unwrap();
        client.send("GET /short HTTP/1.1\r\nHost: a\r\n\r\n");
        server.run();
        let wire = client.take_text();
        assert!(wire.starts_with("HTTP/1.1 500 "), "{wire}");
        assert_eq!(wire.contains("The content is not shorter than its Content-Length."), expose, "{wire}");
    }
}

/// The peer still waits for its 100, and it is not to blame.
#[test]
fn a_body_that_is_first_asked_for_behind_the_head_is_a_failure_of_the_response() {
    let heard = Arc::new(SubscriberLog::default());
    let subscriber: Arc<dyn Subscriber> = Arc::clone(&heard) as _;
    let mut server = MemoryServer::with(ServerConfig::default(), 1 << 16, Some(subscriber), fails);
    let client = server.connect().unwrap();
    client.send("POST /late HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n");
    server.run();
    assert!(client.take_text().starts_with("HTTP/1.1 200 "));
    let told = "server.clisrv_1 response: The request body was first asked for after the head of the response, when no 100 \
                Continue can be sent.";
    assert_eq!(heard.failures(), [told]);
}

#[test]
fn what_the_peer_does_is_no_failure() {
    assert_eq!(failures("/", stays), [""; 0]);
    assert_eq!(failures("/echo", MemoryClient::close_write), [""; 0]);
    assert_eq!(failures("/echo", MemoryClient::reset), [""; 0]);
}

#[test]
fn how_a_connection_was_lost_is_told() {
    let lost = |then: fn(&MemoryClient)| {
        let heard = heard_of(SubscriberLog::default(), Bodies::Streamed, "/echo", then);
        heard.lost.lock().unwrap().clone()
    };
    assert_eq!(lost(MemoryClient::reset), ["server.clisrv_1 connection reset"]);
    assert_eq!(lost(stays), [""; 0]);
    assert_eq!(lost(MemoryClient::close_write), [""; 0]);
}

#[test]
fn whoever_wants_no_requests_hears_of_the_failures_alone() {
    for (hears_no_requests, told) in [(false, 2), (true, 0)] {
        let heard = SubscriberLog { hears_no_requests, ..SubscriberLog::default() };
        let heard = heard_of(heard, Bodies::Whole, "/panic", |client| client.send("body"));
        assert_eq!(heard.failures().len(), 1);
        assert_eq!(*heard.requests.lock().unwrap(), told);
    }
}

/// Has no place for files.
struct NoFiles;

impl Spawner for NoFiles {
    fn spawn_blocking(&self, _: Box<dyn FnOnce() + Send>) -> Result<(), NoThread> {
        Err(NoThread)
    }
}

#[test]
fn a_body_that_cannot_be_kept_is_told() {
    let heard = Arc::<SubscriberLog>::default();
    let mut config = ServerConfig::default();
    config.channel.bodies = Some(Bodies::Whole);
    config.channel.inbuf_overflow = 1;
    let subscriber: Arc<dyn Subscriber> = Arc::clone(&heard) as _;
    let service = Service::new(config, Clock::manual(), Arc::new(NoFiles), Some(subscriber), fails);
    let (mut near, far) = pair(1000);
    let mut driver = pin!(service.connect(far, Peer::Unix(None), Peer::Unix(None)).unwrap());
    let mut cx = Context::from_waker(Waker::noop());
    let post = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nsome body";
    assert!(near.poll_write(&mut cx, post).is_ready());
    let _ = driver.as_mut().poll(&mut cx);
    assert_eq!(
        heard.failures(),
        [
            "server.clisrv_1 spool: The request body could not be kept: There is no thread for work that blocks, and the system gives none."
        ]
    );
}

/// A listener of a process without descriptors.
struct NoDescriptors;

impl Accept for NoDescriptors {
    type Wire = MemoryWire;

    fn poll_accept(&mut self, _: &mut Context<'_>) -> Poll<io::Result<Accepted<MemoryWire>>> {
        Poll::Ready(Err(io::Error::from_raw_os_error(24)))
    }
}

#[test]
fn a_listener_that_cannot_accept_is_told_with_the_addresses() {
    let heard = Arc::<SubscriberLog>::default();
    let subscriber: Arc<dyn Subscriber> = Arc::clone(&heard) as _;
    let config = ServerConfig::default();
    let service = Service::new(config, Clock::manual(), Arc::new(Inline), Some(subscriber), fails);
    let addresses = vec![Peer::Ip(([127, 0, 0, 1], 80).into()), Peer::Unix(Some("/run/a".into()))];
    let handle = service.handle(addresses);
    let mut accepting = pin!(accept(NoDescriptors, Arc::clone(&service), handle, |_| ()));
    let _ = accepting.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    let told = "- accept: No connection can be accepted at 127.0.0.1:80, unix:/run/a: Too many open files (os error 24).";
    assert_eq!(heard.failures(), [told]);
}
