//! A driver is dropped after each number of polls: whatever it held is given back.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use bytes::Bytes;
use httpfsm::config::{Bodies, ServerConfig};
use httpfsm::handler::{Body, Frame, Handler, MemoryUse, Request, Response, UpgradeFuture, Upgraded};
use httpfsm::peer::Peer;
use httpfsm::status::Status;

use crate::memory::{MemoryWire, pair};
use crate::shared_state::SharedState;
use crate::until::Until;
use crate::wire::Wire;
use crate::{Accepted, Clock, Inline, Service};

/// What the peer does before a poll.
enum Step {
    Send(&'static [u8]),
    /// Takes so many bytes.
    Take(usize),
    Reset,
    Wait,
}
use Step::{Reset, Send, Take, Wait};

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";

fn config() -> ServerConfig {
    ServerConfig { maximum_simultaneous_requests: 2, ..ServerConfig::default() }
}

/// Polls a driver 0, 1, 2, ... times between the steps, drops it, and calls `after`.
fn drop_everywhere<H: Handler>(
    config: &ServerConfig,
    handler: impl Fn() -> H,
    steps: &[Step],
    mut after: impl FnMut(),
) {
    for polls in 0..=steps.len() {
        let service = Service::new(config.clone(), Clock::manual(), Arc::new(Inline), None, handler());
        // Small, so that output stands.
        let (mut near, far) = pair(2000);
        let Ok(driver) = service.connect(far, Peer::Unix(None), Peer::Unix(None)) else {
            panic!("refused");
        };
        let at_close = Arc::new(AtClose { shared: Arc::clone(&service.shared), memory: Mutex::default() });
        let mut closes = pin!(Until::new(&*service.shared, |_| false));
        let waker = Waker::from(Arc::clone(&at_close));
        assert!(closes.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        // A channel that closes wakes it.
        let _ = service
            .shared
            .is_still_full(Accepted::new((), Peer::Unix(None), Peer::Unix(None)).arrival(), false);
        let mut driver = Some(driver);
        for step in &steps[..polls] {
            act(step, &mut near);
            let polled = driver.as_mut().map(|driver| Pin::new(driver).poll(&mut noop()));
            if polled.is_some_and(|polled| polled.is_ready()) {
                driver = None;
            }
        }
        let busy = service.shared.held();
        assert!(polls == 0 || driver.is_none() || busy.alarms == 1, "one alarm for a connection: {busy:?}");
        drop(driver);
        after();
        let memory = at_close.memory.lock().unwrap().take();
        assert_eq!(memory, Some(MemoryUse::default()), "after {polls} polls, when the channel was reported");
        assert_eq!(service.shared.held(), crate::Held::default(), "after {polls} polls, which left {busy:?}");
    }
}

/// Looks what is held when a channel is reported closed.
struct AtClose {
    shared: Arc<SharedState>,
    memory: Mutex<Option<MemoryUse>>,
}

impl Wake for AtClose {
    fn wake(self: Arc<Self>) {
        *self.memory.lock().unwrap() = Some(self.shared.ledger.memory());
    }
}

fn noop() -> Context<'static> {
    Context::from_waker(Waker::noop())
}

fn act(step: &Step, near: &mut MemoryWire) {
    match step {
        Send(bytes) => {
            let _ = near.poll_write(&mut noop(), bytes);
        }
        Take(bytes) => {
            let _ = near.poll_read(&mut noop(), &mut vec![0; *bytes]);
        }
        Reset => {
            near.reset();
            *near = pair(1).0;
        }
        Wait => {}
    }
}

async fn once() {
    let mut waited = false;
    std::future::poll_fn(
        |_| if std::mem::replace(&mut waited, true) { Poll::Ready(()) } else { Poll::Pending },
    )
    .await;
}

#[test]
fn of_requests_that_get_late_responses() {
    let handler = || {
        |_: Request| async {
            once().await;
            "fine"
        }
    };
    let steps =
        [Wait, Send(b"GET / HT"), Send(b"TP/1.1\r\nHost: a\r\n\r\n"), Send(GET), Wait, Send(GET), Wait, Wait];
    drop_everywhere(&config(), handler, &steps, || ());
}

#[test]
fn of_a_response_that_its_peer_does_not_read() {
    let handler = || {
        |_: Request| async {
            Response::new(Status::OK)
                .with_body(Body::from_fn(|_| Poll::Ready(Frame::Data(Bytes::from(vec![b'x'; 10_000])))))
        }
    };
    let steps = [Send(GET), Wait, Take(500), Take(2000), Wait, Take(2000), Reset, Wait];
    drop_everywhere(&config(), handler, &steps, || ());
}

#[test]
fn of_pieces_of_a_response_that_its_peer_does_not_read() {
    let handler = || {
        |request: Request| async move {
            let memory = request.memory();
            Response::new(Status::OK).with_body(Body::from_fn(move |_| {
                let reserved = memory.try_reserve(10_000).unwrap();
                Poll::Ready(Frame::Data(reserved.attach(vec![b'x'; 10_000])))
            }))
        }
    };
    let steps = [Send(GET), Wait, Take(500), Take(2000), Reset, Wait];
    drop_everywhere(&config(), handler, &steps, || ());
}

#[test]
fn of_an_upload_that_is_echoed_or_gathered() {
    let handler =
        || |mut request: Request| async move { Response::new(Status::OK).with_body(request.take_body()) };
    let steps = [
        Send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n01"),
        Send(b"234\r\n"),
        Take(100),
        Send(b"3\r\nabc\r\n0\r\nX: y\r\n"),
        Send(b"\r\n"),
        Wait,
        Reset,
    ];
    drop_everywhere(&config(), handler, &steps, || ());
    let mut whole = config();
    whole.channel.bodies = Some(Bodies::Whole);
    whole.channel.inbuf_overflow = 3;
    drop_everywhere(&whole, handler, &steps, || ());
    let gathers = || {
        |mut request: Request| async move {
            request.body().gathered().await;
            Response::new(Status::OK).with_body(request.take_body())
        }
    };
    whole.channel.bodies = None;
    drop_everywhere(&whole, gathers, &steps, || ());
}

#[test]
fn of_a_handler_that_outlives_its_connection_or_panics_when_it_is_dropped() {
    struct PanicsOnDrop;
    impl Drop for PanicsOnDrop {
        fn drop(&mut self) {
            panic!("dropped");
        }
    }
    let handler = || {
        |request: Request| async move {
            let _bomb = PanicsOnDrop;
            request.disconnected().await;
            once().await;
            std::future::pending::<()>().await;
        }
    };
    drop_everywhere(&config(), handler, &[Send(GET), Send(&GET[..9]), Reset, Wait, Wait], || ());
    let handler = || {
        |_: Request| async move {
            let _bomb = PanicsOnDrop;
            std::future::pending::<()>().await;
        }
    };
    drop_everywhere(&config(), handler, &[Send(GET), Wait, Reset, Wait], || ());
}

#[test]
fn of_a_connection_that_is_handed_over() {
    let slot: Arc<Mutex<(Option<UpgradeFuture>, Option<Upgraded>)>> = Arc::default();
    let handler = || {
        let slot = Arc::clone(&slot);
        move |request: Request| {
            slot.lock().unwrap().0 = Some(request.upgrade());
            async { Response::switching_protocols("echo") }
        }
    };
    let steps = [
        Wait,
        Send(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\nfirst"),
        Wait,
        Reset,
    ];
    for taken in [false, true] {
        drop_everywhere(&config(), handler, &steps, || {
            let (future, _) = std::mem::take(&mut *slot.lock().unwrap());
            if let Some(future) = future.filter(|_| taken) {
                let _ = pin!(future).poll(&mut noop());
            }
        });
    }
}

#[test]
fn of_an_accept_loop_that_is_dropped_in_a_pause() {
    let service =
        Service::new(config(), Clock::manual(), Arc::new(Inline), None, |_: Request| async { "fine" });
    let listening = service.handle(Vec::new()).listening();
    {
        let mut pause = pin!(listening.pause(Duration::from_secs(1)));
        assert!(pause.as_mut().poll(&mut noop()).is_pending());
        let one = crate::Held { alarms: 1, listeners: 1, ..crate::Held::default() };
        assert_eq!(service.shared.held(), one);
    }
    drop(listening);
    assert_eq!(service.shared.held(), crate::Held::default());
}
