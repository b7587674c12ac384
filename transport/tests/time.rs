//! Whose deadline comes is woken, whatever the others do who are woken.
#![allow(clippy::unwrap_used)]

use std::future::Future;
use std::hint::black_box;
use std::pin::Pin;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Condvar, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::Duration;

use httpfsm::config::ServerConfig;
use httpfsm::error::CloseReason;
use httpfsm::handler::{ConnectionInfo, Handler, Request, Response, Subscriber, Upgraded};
use httpfsm::peer::Peer;
use httpfsm_transport::memory::{MemoryWire, pair};
use httpfsm_transport::{Clock, Driver, Inline, Service, Wire, keep_time};

/// Longer than anything here takes: only what never comes reaches it.
const HANG: Duration = Duration::from_secs(20);

/// A waker that does as it is told.
struct Does<F>(F);

impl<F: Fn() + Send + Sync + 'static> Does<F> {
    fn waker(does: F) -> Waker {
        Waker::from(Arc::new(Self(does)))
    }
}

impl<F: Fn() + Send + Sync + 'static> Wake for Does<F> {
    fn wake(self: Arc<Self>) {
        (self.0)();
    }
}

/// Blocks those who pass until it is opened.
#[derive(Clone, Default)]
struct ThreadGate(Arc<(Mutex<bool>, Condvar)>);

impl ThreadGate {
    fn open(&self) {
        *self.0.0.lock().unwrap() = true;
        self.0.1.notify_all();
    }

    /// Whether it was opened before long.
    fn pass(&self) -> bool {
        let closed = self.0.0.lock().unwrap();
        *self.0.1.wait_timeout_while(closed, 2 * HANG, |open| !*open).unwrap().0
    }
}

/// A driver whose first byte does not come.
fn silent<H: Handler>(service: &Arc<Service<H>>) -> (Driver<H, MemoryWire>, MemoryWire) {
    let (near, far) = pair(1000);
    (service.connect(far, Peer::Unix(None), Peer::Unix(None)).unwrap_or_else(|why| panic!("{why}")), near)
}

fn poll<H: Handler>(driver: &mut Driver<H, MemoryWire>, waker: &Waker) -> Poll<()> {
    Pin::new(driver).poll(&mut Context::from_waker(waker))
}

/// Two connections at the deadlines of which one does `what`; the other is woken all the same.
fn another_is_woken_beside(what: impl Fn() + Send + Sync + 'static, end: impl FnOnce()) {
    let mut config = ServerConfig::default();
    config.channel.first_byte_timeout = Some(Duration::from_millis(30));
    let handler = |_: Request| async { "fine" };
    let service = Service::new(config, Clock::system(), Arc::new(Inline), None, handler);
    keep_time(&service.handle(Vec::new())).unwrap();
    let (mut one, _peer_of_one) = silent(&service);
    let (begin, begun) = mpsc::channel();
    let does = Does::waker(move || {
        let _ = begin.send(());
        what();
    });
    assert!(poll(&mut one, &does).is_pending());
    begun.recv_timeout(HANG).expect("the first is woken");
    // After the first: it is in there still, or has ended whoever woke it.
    let (mut other, _its_peer) = silent(&service);
    let (wake, woken) = mpsc::channel();
    assert!(poll(&mut other, &Does::waker(move || _ = wake.send(()))).is_pending());
    let woken = woken.recv_timeout(HANG);
    end();
    woken.expect("the time goes on");
    drop((one, other));
    service.handle(Vec::new()).begin_drain(None);
}

#[test]
fn a_waker_that_blocks_stops_no_time() {
    let gate = ThreadGate::default();
    let its = gate.clone();
    another_is_woken_beside(move || _ = its.pass(), || gate.open());
}

#[test]
fn a_waker_that_panics_stops_no_time() {
    let panics = || {
        // Once: it is also woken by its peer, on the thread of this test.
        if thread::current().name().is_some_and(|name| name.starts_with("httpfsm")) {
            std::panic::resume_unwind(Box::new("as it must"));
        }
    };
    another_is_woken_beside(panics, || ());
}

/// Keeps upgraded connections, and nobody reads from them.
#[derive(Clone, Default)]
struct Keeps(Arc<Mutex<Vec<Upgraded>>>);

impl Handler for Keeps {
    type Future = std::future::Ready<Response>;

    fn call(&self, request: Request) -> Self::Future {
        let (upgrade, kept) = (request.upgrade(), Arc::clone(&self.0));
        thread::spawn(move || {
            if let Ok(upgraded) = httpfsm_transport::block_on(upgrade) {
                kept.lock().unwrap().push(upgraded);
            }
        });
        std::future::ready(Response::switching_protocols("x"))
    }
}

/// The first `closed` needs a quarter of a megabyte of stack, and does not return before the second is told.
struct Slow {
    first: Mutex<bool>,
    gate: ThreadGate,
    told: Mutex<Sender<(CloseReason, bool)>>,
}

impl Slow {
    fn new() -> (Self, Receiver<(CloseReason, bool)>) {
        let (tell, told) = mpsc::channel();
        (Self { first: Mutex::new(true), gate: ThreadGate::default(), told: Mutex::new(tell) }, told)
    }
}

#[inline(never)]
fn fill_stack(kilobytes: usize) -> u8 {
    let some = black_box([1_u8; 1024]);
    if kilobytes == 0 { some[0] } else { some[kilobytes % 1024] & fill_stack(kilobytes - 1) }
}

impl Subscriber for Slow {
    fn closed(&self, _: &ConnectionInfo, reason: CloseReason) {
        let passed = if std::mem::take(&mut *self.first.lock().unwrap()) {
            fill_stack(256) == 1 && self.gate.pass()
        } else {
            self.gate.open();
            true
        };
        let _ = self.told.lock().unwrap().send((reason, passed));
    }
}

/// At the drain deadline a waker closes an upgraded connection, and nobody else is there to tell of it.
#[test]
fn a_subscriber_that_is_slow_at_the_drain_deadline_has_the_stack_of_any_thread_and_holds_up_no_other_connection()
 {
    let (slow, told) = Slow::new();
    let keeps = Keeps::default();
    let service = Service::new(
        ServerConfig::default(),
        Clock::system(),
        Arc::new(Inline),
        Some(Arc::new(slow)),
        keeps.clone(),
    );
    let handle = service.handle(Vec::new());
    keep_time(&handle).unwrap();
    let mut peers = Vec::new();
    for _ in 0..2 {
        let (mut driver, mut near) = silent(&service);
        let mut cx = Context::from_waker(Waker::noop());
        let upgrade = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n";
        assert!(near.poll_write(&mut cx, upgrade).is_ready());
        while poll(&mut driver, Waker::noop()).is_pending() {
            thread::yield_now();
        }
        peers.push(near);
    }
    while keeps.0.lock().unwrap().len() < 2 {
        thread::yield_now();
    }
    handle.begin_drain(Some(Duration::from_millis(1)));
    for _ in 0..2 {
        let told = told.recv_timeout(3 * HANG).expect("the drain deadline cuts both");
        assert_eq!(told, (CloseReason::DrainTimeout, true));
    }
}
