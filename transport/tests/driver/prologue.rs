//! A connection before its channel opens: what it is told, when it is woken, and what its end says.

use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use httpfsm::config::ServerConfig;
use httpfsm::error::CloseReason;
use httpfsm::handler::{ConnectionInfo, Request, Subscriber};
use httpfsm::peer::Peer;
use httpfsm_transport::memory::pair;
use httpfsm_transport::{
    Accepted, Clock, Held, Inline, ListenerInfo, Preface, PrefaceRead, PrefaceVerdict, Service, Wire,
};

use crate::support::{GET, WakeCount};

/// A line, whatever it says.
struct Line;

impl Preface for Line {
    fn received(&mut self, bytes: &[u8]) -> PrefaceVerdict {
        match bytes.iter().position(|&byte| byte == b'\n') {
            Some(end) => PrefaceVerdict::Read(PrefaceRead::new(end + 1)),
            None => PrefaceVerdict::NeedsMore,
        }
    }
}

/// Why connections were not opened, and what was said of it.
#[derive(Default)]
struct NotOpened(Mutex<Vec<(CloseReason, Option<String>)>>);

impl Subscriber for NotOpened {
    fn not_opened(&self, connection: &ConnectionInfo, reason: CloseReason, text: Option<&str>) {
        assert_eq!(connection.channel, "server.clisrv_1");
        self.0.lock().unwrap().push((reason, text.map(str::to_owned)));
    }

    fn connection_lost(&self, _: &ConnectionInfo, text: &str) {
        panic!("the text comes with the reason: {text}");
    }

    fn closed(&self, _: &ConnectionInfo, reason: CloseReason) {
        panic!("it was not opened: {reason}");
    }
}

#[test]
fn the_task_sleeps_until_bytes_or_a_deadline_come_and_no_longer_than_the_first() {
    let (clock, heard) = (Clock::manual(), Arc::<NotOpened>::default());
    let handler = |_: Request| async { "fine" };
    let subscriber: Arc<dyn Subscriber> = Arc::clone(&heard) as _;
    let service =
        Service::new(ServerConfig::default(), clock.clone(), Arc::new(Inline), Some(subscriber), handler);
    let (mut near, far) = pair(1000);
    let accepted = Accepted::new(far, Peer::Unix(None), Peer::Unix(None));
    let accepted = accepted.with_listener(Arc::new(ListenerInfo::default().preface(|_| Line)));
    let mut driver = service.connect_accepted(accepted).unwrap_or_else(|why| panic!("{why}"));
    let woken = Arc::<WakeCount>::default();
    let waker = Waker::from(Arc::clone(&woken));
    let mut cx = Context::from_waker(&waker);
    let mut poll = |cx: &mut Context<'_>| Pin::new(&mut driver).poll(cx);
    assert!(poll(&mut cx).is_pending());
    assert_eq!(woken.0.swap(0, Ordering::SeqCst), 0, "it waits");
    assert!(near.poll_write(&mut Context::from_waker(Waker::noop()), b"half a li").is_ready());
    assert_eq!(woken.0.swap(0, Ordering::SeqCst), 1);
    assert!(poll(&mut cx).is_pending());
    assert_eq!(service.sweep(&mut cx), Some(10_000));
    clock.advance(Duration::from_secs(10));
    service.sweep(&mut cx);
    assert_eq!(woken.0.swap(0, Ordering::SeqCst), 1);
    assert!(poll(&mut cx).is_ready());
    assert_eq!(*heard.0.lock().unwrap(), [(CloseReason::PrefaceTimeout, None)]);
    drop(driver);
    assert_eq!(service.held(), Held::default());
}

#[test]
fn a_connection_that_is_lost_says_how() {
    let heard = Arc::<NotOpened>::default();
    let subscriber: Arc<dyn Subscriber> = Arc::clone(&heard) as _;
    let handler = |_: Request| async { "fine" };
    let config = ServerConfig::default();
    let mut server = httpfsm_transport::memory::MemoryServer::with(config, 1000, Some(subscriber), handler);
    server.set_listener(ListenerInfo::default().preface(|_| Line));
    let client = server.connect().unwrap();
    server.run();
    client.reset();
    server.run();
    let heard = heard.0.lock().unwrap();
    assert!(
        matches!(&heard[..], [(CloseReason::Disconnected, Some(text))] if text.contains("reset")),
        "{heard:?}"
    );
}

/// A wire from which a preface comes in pieces without end.
struct Endless;

impl Wire for Endless {
    fn poll_read(&mut self, _: &mut Context<'_>, buffer: &mut [u8]) -> Poll<std::io::Result<usize>> {
        buffer[0] = b'x';
        Poll::Ready(Ok(1))
    }

    fn poll_write(&mut self, _: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_close_write(&mut self, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn reset(&mut self) {}
}

#[test]
fn others_have_their_turn_while_a_preface_comes_in_pieces() {
    let handler = |_: Request| async { "fine" };
    let service = Service::new(ServerConfig::default(), Clock::manual(), Arc::new(Inline), None, handler);
    let accepted = Accepted::new(Endless, Peer::Unix(None), Peer::Unix(None));
    let accepted = accepted.with_listener(Arc::new(ListenerInfo::default().preface(|_| Line)));
    let mut driver = service.connect_accepted(accepted).unwrap_or_else(|why| panic!("{why}"));
    let woken = Arc::<WakeCount>::default();
    let waker = Waker::from(Arc::clone(&woken));
    for _ in 0..10 {
        assert!(Pin::new(&mut driver).poll(&mut Context::from_waker(&waker)).is_pending());
        assert_eq!(woken.0.swap(0, Ordering::SeqCst), 1, "it goes on");
    }
    assert!((100..1000).contains(&service.held().memory.input), "{:?}", service.held());
}

#[test]
fn a_listener_without_a_preface_or_a_layer_has_nothing_before_http() {
    let mut server = crate::support::serve(|_: Request| async { "fine" });
    server.set_listener(ListenerInfo::default().hand_over(|_| ()));
    let client = server.connect().unwrap();
    client.send(GET);
    server.run();
    assert!(client.take_text().ends_with("fine"));
}
