//! Deadlines, the drain of a server, and its end.

use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Waker};
use std::time::Duration;

use httpfsm::config::ServerConfig;
use httpfsm::error::CloseReason;
use httpfsm::handler::{ConnectionInfo, Request, Subscriber};
use httpfsm_transport::ServerHandle;
use httpfsm_transport::memory::{MemoryClient, MemoryServer};

use crate::support::{GET, Gate, never, serve};

#[test]
fn deadlines_wake_their_connections() {
    let mut server = serve(|_: Request| async { "fine" });
    let silent = server.connect().unwrap();
    let slow = server.connect().unwrap();
    let idle = server.connect().unwrap();
    slow.send("GET / HT");
    idle.send(GET);
    server.run();
    assert!(idle.take_text().ends_with("fine"));
    server.advance(Duration::from_millis(29_999));
    assert!(!silent.is_ended() && !slow.is_ended());
    server.advance(Duration::from_millis(1));
    assert!(silent.is_ended());
    assert!(slow.take_text().starts_with("HTTP/1.1 408 "));
    assert!(!idle.is_ended());
    server.advance(Duration::from_secs(18_000));
    assert!(idle.is_ended());
    assert_eq!(server.handle().stats().n_channels, 0);
}

#[test]
fn a_drain_closes_the_idle_waits_for_the_busy_and_cuts_the_rest() {
    let gate = Gate::default();
    let waiting = gate.clone();
    let mut server = serve(move |request: Request| {
        let gate = waiting.clone();
        async move {
            match request.path() {
                "/gate" => gate.wait().await,
                "/never" => std::future::pending().await,
                _ => {}
            }
            "done"
        }
    });
    let [idle, busy, stuck] =
        [GET, "GET /gate HTTP/1.1\r\nHost: a\r\n\r\n", "GET /never HTTP/1.1\r\nHost: a\r\n\r\n"].map(
            |request| {
                let client = server.connect().unwrap();
                client.send(request);
                client
            },
        );
    server.run();
    let mut drained = pin!(server.handle().begin_drain(Some(Duration::from_secs(10))).gone());
    let mut is_drained = || drained.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready();
    server.run();
    assert_eq!(server.connect().unwrap_err(), httpfsm::server::NotAdmitted::Draining);
    server.advance(Duration::from_secs(1));
    assert!(idle.is_ended());
    gate.open();
    server.run();
    assert!(busy.take_text().contains("Connection: close"));
    assert!(!stuck.is_ended() && !is_drained());
    server.advance(Duration::from_secs(9));
    let response = stuck.take_text();
    assert!(response.starts_with("HTTP/1.1 503 ") && !stuck.is_reset() && !is_drained(), "{response}");
    server.advance(Duration::from_secs(1));
    assert!(is_drained());
    assert_eq!(server.handle().stats().n_channels, 0);
}

#[test]
fn the_last_responses_of_a_drain_have_time_to_leave() {
    let handler = |_: Request| std::future::pending::<&'static str>();
    let mut server = MemoryServer::with(ServerConfig::default(), 10, None, handler);
    let client = server.connect().unwrap();
    client.send(GET);
    server.run();
    let drained = server.handle().begin_drain(None).gone();
    server.run();
    server.advance(Duration::from_secs(30));
    let mut response = String::new();
    while !client.is_ended() {
        response += &client.take_text();
        server.advance(Duration::from_millis(1));
    }
    assert!(!client.is_reset() && response.starts_with("HTTP/1.1 503 "), "{response}");
    server.advance(Duration::from_secs(1));
    let mut drained = pin!(drained);
    assert!(drained.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready());
}

#[test]
fn a_connection_that_opens_while_the_server_goes_out_hears_of_it() {
    struct GoesOut(Mutex<Option<ServerHandle>>);

    impl Subscriber for GoesOut {
        // In the first wake-up of the connection, before it has an alarm.
        fn request(&self, _: &ConnectionInfo, _: httpfsm::request::RequestRef<'_>) {
            if let Some(server) = self.0.lock().unwrap().take() {
                server.begin_drain(None);
            }
        }
    }

    let goes_out = Arc::new(GoesOut(Mutex::default()));
    let subscriber: Arc<dyn Subscriber> = Arc::clone(&goes_out) as _;
    let handler = |_: Request| async { "fine" };
    let mut server = MemoryServer::with(ServerConfig::default(), 1 << 16, Some(subscriber), handler);
    *goes_out.0.lock().unwrap() = Some(server.handle());
    let client = server.connect().unwrap();
    client.send(GET);
    server.run();
    assert!(client.take_text().contains("Connection: close\r\n"));
    // It is read from for a while, so that no reset overtakes the response.
    server.advance(Duration::from_secs(2));
    assert!(client.is_ended());
    assert_eq!(server.connections(), 0);
}

#[test]
fn a_shorter_drain_replaces_a_longer_one() {
    let mut server = serve(|_: Request| std::future::pending::<&'static str>());
    let client = server.connect().unwrap();
    client.send(GET);
    server.run();
    server.handle().begin_drain(None);
    server.run();
    server.handle().begin_drain(Some(Duration::from_secs(2)));
    server.advance(Duration::from_millis(1_999));
    assert_eq!(client.take_text(), "");
    server.advance(Duration::from_millis(1));
    assert!(client.take_text().starts_with("HTTP/1.1 503 ") && !client.is_reset());
}

#[test]
fn a_short_drain_ends_in_a_503() {
    let mut server = serve(|_: Request| std::future::pending::<&'static str>());
    let client = server.connect().unwrap();
    client.send(GET);
    server.run();
    server.handle().begin_drain(Some(Duration::from_millis(300)));
    server.advance(Duration::from_millis(300));
    let response = client.take_text();
    assert!(response.starts_with("HTTP/1.1 503 ") && !client.is_reset(), "{response}");
}

#[test]
fn a_drain_of_no_time_drops_all_at_once() {
    let mut server = serve(|_: Request| std::future::pending::<&'static str>());
    let client = server.connect().unwrap();
    client.send(GET);
    server.run();
    server.handle().begin_drain(Some(Duration::ZERO));
    server.run();
    assert!(client.is_reset());
}

/// Notes why connections closed.
#[derive(Default)]
struct Reasons(Mutex<Vec<CloseReason>>);

impl Subscriber for Reasons {
    fn closed(&self, _: &ConnectionInfo, reason: CloseReason) {
        self.0.lock().unwrap().push(reason);
    }
}

#[test]
fn what_is_over_at_the_drain_deadline_is_not_cut() {
    let (reasons, handler) = (Arc::<Reasons>::default(), |_: Request| async { "fine" });
    let last = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let half = "GET / HTTP/1.1\r\nHost: ";
    for (request, expected) in [
        ("", CloseReason::Drained),
        (GET, CloseReason::Drained),
        (last, CloseReason::RequestedByPeer),
        (half, CloseReason::DrainTimeout),
    ] {
        let subscriber: Arc<dyn Subscriber> = Arc::clone(&reasons) as _;
        let mut server = MemoryServer::with(ServerConfig::default(), 1 << 16, Some(subscriber), handler);
        let client = server.connect().unwrap();
        client.send(request);
        server.run();
        assert_eq!(server.connections(), 1, "the last one lingers");
        server.handle().begin_drain(Some(Duration::ZERO));
        server.run();
        let is_cut = expected == CloseReason::DrainTimeout;
        assert_eq!((server.connections(), client.is_reset()), (0, is_cut), "after {request:?}");
        assert_eq!(reasons.0.lock().unwrap().pop(), Some(expected), "after {request:?}");
    }
}

#[test]
fn a_response_says_that_it_is_the_last_in_a_drain_that_began_within_its_wake_up() {
    let slot: Arc<Mutex<Option<(MemoryClient, ServerHandle)>>> = Arc::default();
    let handlers = Arc::clone(&slot);
    let mut server = serve(move |_: Request| {
        if let Some((client, handle)) = &*handlers.lock().unwrap() {
            handle.begin_drain(None);
            client.send(GET);
        }
        async { "fine" }
    });
    let client = server.connect().unwrap();
    client.send(GET);
    *slot.lock().unwrap() = Some((client, server.handle()));
    server.run();
    let text = slot.lock().unwrap().as_ref().unwrap().0.take_text();
    assert!(text.contains("Connection: close\r\n"), "{text}");
    assert_eq!(text.matches("HTTP/1.1 ").count(), 1, "{text}");
}

#[test]
fn a_dropped_server_gives_everything_back() {
    let dropped = Arc::new(AtomicUsize::new(0));
    let mut server = serve(never(&dropped));
    let handle = server.handle();
    let client = server.connect().unwrap();
    client.send(GET);
    server.run();
    drop(server);
    assert_eq!(dropped.load(Ordering::SeqCst), 1);
    assert!(client.is_ended());
    let stats = handle.stats();
    assert_eq!((stats.n_channels, stats.channels.requests), (0, 1));
}
