//! Code of the application that panics where nobody thinks of it: nobody else is concerned.
#![allow(clippy::unwrap_used)]

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::panic::resume_unwind;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use bytes::Bytes;
use httpfsm::Channel;
use httpfsm::channel::{
    Action, ChannelTrace, Event, Input, InputPart, Internal, NotAccepted, Output, State, Step,
};
use httpfsm::config::ServerConfig;
use httpfsm::fsm::Trace;
use httpfsm::handler::{Body, BodyFailure, Frame, Request, Response, Source, Subscriber};
use httpfsm::request::RequestRef;
use httpfsm::status::Status;
use httpfsm::time::Now;
use httpfsm_transport::memory::MemoryServer;
use httpfsm_transport::{Held, Opened, Recorder, Tape};

fn explode() -> ! {
    resume_unwind(Box::new("as it must"))
}

/// Panics when it is dropped.
struct PanicsOnDrop;

impl Drop for PanicsOnDrop {
    fn drop(&mut self) {
        explode();
    }
}

struct PanickingBytes(PanicsOnDrop);

impl AsRef<[u8]> for PanickingBytes {
    fn as_ref(&self) -> &[u8] {
        let Self(PanicsOnDrop) = self;
        b"content"
    }
}

/// An error that panics when it is asked what it is, or when it is dropped.
struct PanickingError(Option<PanicsOnDrop>);

impl fmt::Display for PanickingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_some() { f.write_str("as expected") } else { explode() }
    }
}

impl fmt::Debug for PanickingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PanickingError")
    }
}

impl Error for PanickingError {}

/// Does not know how long it is.
struct Endless;

impl Source for Endless {
    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Frame> {
        Poll::Ready(Frame::End)
    }

    fn length(&self) -> Option<u64> {
        explode()
    }
}

async fn explosive(request: Request) -> Response {
    let fails = |failure| {
        let mut failure = Some(failure);
        Body::from_fn(move |_| Poll::Ready(Frame::Error(BodyFailure::source(failure.take().unwrap()))))
    };
    let body = match request.path() {
        "/dropped" => {
            let bomb = PanicsOnDrop;
            Body::from_fn(move |_| {
                let _ = &bomb;
                Poll::Pending
            })
        }
        "/bytes" => {
            Body::from_fn(|_| Poll::Ready(Frame::Data(Bytes::from_owner(PanickingBytes(PanicsOnDrop)))))
        }
        "/told" => fails(PanickingError(None)),
        "/failure-dropped" => fails(PanickingError(Some(PanicsOnDrop))),
        "/length" => Body::stream(Endless),
        _ => Body::from("fine"),
    };
    Response::new(Status::OK).with_body(body)
}

fn config() -> ServerConfig {
    ServerConfig { maximum_simultaneous_requests: 2, ..ServerConfig::default() }
}

/// What comes of a request behind one that has its response, and before one.
fn received(request_line: &str) -> String {
    let mut server = MemoryServer::new(config(), explosive);
    let client = server.connect().unwrap();
    let request = |line: &str| format!("{line} HTTP/1.1\r\nHost: a\r\n\r\n");
    client.send([request("GET /first"), request(request_line), request("GET /last")].concat());
    server.run();
    let received = client.take_text();
    client.reset();
    server.run();
    assert_eq!(server.held(), Held::default());
    received
}

fn statuses(received: &str) -> Vec<&str> {
    received.split("HTTP/1.1 ").skip(1).map(|response| &response[..3]).collect()
}

#[test]
fn a_source_that_is_not_asked_for_its_content_panics_for_itself() {
    assert_eq!(statuses(&received("HEAD /dropped")), ["200", "200", "200"]);
}

#[test]
fn a_source_that_panics_when_it_is_asked_for_its_length_is_a_500() {
    assert_eq!(statuses(&received("GET /length")), ["200", "500"]);
}

#[test]
fn bytes_that_panic_when_they_are_dropped_cut_their_response_alone() {
    assert_eq!(statuses(&received("GET /bytes")), ["200", "200"]);
}

#[test]
fn a_failure_that_panics_when_it_is_told_or_dropped_is_one_of_its_source() {
    for line in ["GET /told", "GET /failure-dropped"] {
        assert_eq!(statuses(&received(line)), ["200", "200"], "{line}: it is cut off");
    }
}

/// Panics in its call number so many, and when it is dropped.
struct PanickingTape {
    left: usize,
    _bomb: PanicsOnDrop,
}

impl PanickingTape {
    fn call(&mut self) {
        match self.left.checked_sub(1) {
            Some(left) => self.left = left,
            None => explode(),
        }
    }
}

impl Trace<State, Event, Internal, Action> for PanickingTape {
    fn step(&mut self, _: &Step) {
        self.call();
    }
}

impl ChannelTrace for PanickingTape {
    fn part(&mut self, _: InputPart, _: usize) {
        self.call();
    }
}

impl Tape for PanickingTape {
    fn read(&mut self, _: &[u8]) {
        self.call();
    }
    fn input(&mut self, _: &Now<'_>, _: &Input<'_>) {
        self.call();
    }
    fn taken(&mut self, _: &Result<(), NotAccepted>, _: &Channel) {
        self.call();
    }
    fn output(&mut self, _: &Output<'_>) {
        self.call();
    }
    fn request(&mut self, _: Option<RequestRef<'_>>) {
        self.call();
    }
    fn forgotten(&mut self) {
        self.call();
    }
    fn rest(&mut self) {
        self.call();
    }
}

struct PanickingRecorder(usize);

impl Recorder for PanickingRecorder {
    fn open(&self, _: &Opened<'_>) -> Option<Box<dyn Tape>> {
        Some(Box::new(PanickingTape { left: self.0, _bomb: PanicsOnDrop }))
    }

    fn report_to(&self, _: Arc<dyn Subscriber>) {
        explode();
    }
}

#[test]
fn a_tape_that_panics_ends_and_its_connection_goes_on() {
    for calls in 0..30 {
        let recorder: Arc<dyn Recorder> = Arc::new(PanickingRecorder(calls));
        let subscriber: Arc<dyn Subscriber> = Arc::new(());
        let handler = |_: Request| {
            let mut waited = false;
            async move {
                // The request is forgotten meanwhile.
                std::future::poll_fn(|cx| {
                    cx.waker().wake_by_ref();
                    if std::mem::replace(&mut waited, true) { Poll::Ready(()) } else { Poll::Pending }
                })
                .await;
                "fine"
            }
        };
        let mut server = MemoryServer::recorded(config(), 1 << 16, Some(subscriber), Some(recorder), handler);
        let client = server.connect().unwrap();
        for _ in 0..2 {
            client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
            server.run();
            assert!(client.take_text().ends_with("fine"), "{calls}");
        }
        client.close_write();
        server.run();
        assert_eq!(server.held(), Held::default(), "{calls}");
    }
}

struct Alarmed(Arc<AtomicUsize>);

impl Wake for Alarmed {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
        explode();
    }
}

/// A response is over, or a connection is lost: whoever waits for either is told, whatever others do.
#[test]
fn a_waker_that_panics_keeps_no_response_back_and_no_other_asleep() {
    for lost in [false, true] {
        let kept = Arc::new(Mutex::new((None::<Request>, None::<Waker>, false)));
        let keep = Arc::clone(&kept);
        let mut server = MemoryServer::new(config(), move |request: Request| {
            let kept = Arc::clone(&keep);
            kept.lock().unwrap().0 = Some(request);
            std::future::poll_fn(move |cx| {
                let mut kept = kept.lock().unwrap();
                kept.1 = Some(cx.waker().clone());
                if kept.2 { Poll::Ready("fine") } else { Poll::Pending }
            })
        });
        let client = server.connect().unwrap();
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        server.run();
        let woken = Arc::new(AtomicUsize::new(0));
        let request = kept.lock().unwrap().0.take().unwrap();
        let mut waits = [request.disconnected(), request.disconnected(), request.disconnected()];
        for waits in &mut waits {
            let waker = Waker::from(Arc::new(Alarmed(Arc::clone(&woken))));
            assert!(pin!(waits).poll(&mut Context::from_waker(&waker)).is_pending());
        }
        if lost {
            client.reset();
            server.run();
            assert_eq!(woken.load(Ordering::SeqCst), 3);
        }
        kept.lock().unwrap().2 = true;
        let waker = kept.lock().unwrap().1.take().unwrap();
        waker.wake();
        server.run();
        assert_eq!(woken.load(Ordering::SeqCst), 3);
        assert!(lost || client.take_text().ends_with("fine"));
        client.reset();
        server.run();
        assert_eq!(server.held(), Held::default());
    }
}
