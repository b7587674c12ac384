//! The connection is lost, or the peer ends its side, while a handler runs.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use httpfsm::config::ServerConfig;
use httpfsm::handler::{Handler, Request};
use httpfsm_transport::Held;
use httpfsm_transport::memory::MemoryServer;

use crate::support::{Dropped, GET, Gate, WakeCount, never, poll, serve};

#[test]
fn a_lost_connection_drops_the_handler() {
    let dropped = Arc::new(AtomicUsize::new(0));
    let mut server = serve(never(&dropped));
    let client = server.connect().unwrap();
    client.send(GET);
    server.run();
    assert_eq!(dropped.load(Ordering::SeqCst), 0);
    client.reset();
    server.run();
    assert_eq!(dropped.load(Ordering::SeqCst), 1);
    assert_eq!((server.connections(), server.handle().stats().n_channels), (0, 0));
}

#[test]
fn a_lost_connection_is_reported_to_a_handler_that_waits_for_it() {
    let told = Arc::new(AtomicUsize::new(0));
    let gate = Gate::default();
    let (count, waiting) = (Arc::clone(&told), gate.clone());
    let mut server = serve(move |request: Request| {
        let (count, gate) = (Arc::clone(&count), waiting.clone());
        async move {
            request.disconnected().await;
            count.fetch_add(1, Ordering::SeqCst);
            gate.wait().await;
            count.fetch_add(1, Ordering::SeqCst);
        }
    });
    let client = server.connect().unwrap();
    client.send(GET);
    server.run();
    client.reset();
    server.run();
    assert_eq!((told.load(Ordering::SeqCst), server.handle().stats().n_channels), (1, 0));
    gate.open();
    server.run();
    assert_eq!((told.load(Ordering::SeqCst), server.connections()), (2, 0));
}

/// A handler that goes on after its connection was lost, until the gate opens; and whether it was dropped.
fn handler_that_runs_on(config: ServerConfig) -> (Gate, Arc<AtomicUsize>, MemoryServer<impl Handler>) {
    let (gate, dropped) = (Gate::default(), Arc::new(AtomicUsize::new(0)));
    let (waiting, count) = (gate.clone(), Arc::clone(&dropped));
    let mut server = MemoryServer::new(config, move |request: Request| {
        let (gate, guard) = (waiting.clone(), Dropped(Arc::clone(&count)));
        async move {
            request.disconnected().await;
            gate.wait().await;
            drop(guard);
        }
    });
    let client = server.connect().unwrap();
    client.send(GET);
    server.run();
    client.reset();
    server.run();
    let held = server.held();
    assert_eq!(
        (held.channels, held.requests, held.alarms),
        (0, 1, 1),
        "the channel is closed, the handler runs"
    );
    (gate, dropped, server)
}

fn one_at_a_time() -> ServerConfig {
    ServerConfig { maximum_simultaneous_requests: 1, ..ServerConfig::default() }
}

#[test]
fn a_drain_waits_for_a_handler_that_runs_on_after_its_connection_was_lost() {
    let (gate, dropped, mut server) = handler_that_runs_on(one_at_a_time());
    let mut drained = pin!(server.handle().begin_drain(Some(Duration::from_secs(10))).gone());
    server.advance(Duration::from_secs(9));
    assert!(poll(drained.as_mut()).is_pending() && dropped.load(Ordering::SeqCst) == 0);
    gate.open();
    server.run();
    assert!(poll(drained).is_ready());
    assert_eq!((dropped.load(Ordering::SeqCst), server.held()), (1, Held::default()));
}

#[test]
fn a_handler_that_runs_on_after_its_connection_was_lost_is_dropped_at_the_drain_deadline() {
    let (_gate, dropped, mut server) = handler_that_runs_on(one_at_a_time());
    let count = Arc::<WakeCount>::default();
    let waker = Waker::from(Arc::clone(&count));
    let mut drained = pin!(server.handle().begin_drain(Some(Duration::from_secs(10))).gone());
    assert!(drained.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    server.advance(Duration::from_secs(11));
    assert!(poll(drained).is_ready());
    assert!(count.0.load(Ordering::SeqCst) > 0, "who waits is told");
    assert_eq!((dropped.load(Ordering::SeqCst), server.held()), (1, Held::default()));
}

#[test]
fn a_handler_that_runs_on_after_its_connection_was_lost_has_as_long_as_any_handler() {
    let mut config = one_at_a_time();
    config.channel.responseless_timeout = Some(Duration::from_secs(60));
    let (_gate, dropped, mut server) = handler_that_runs_on(config);
    server.advance(Duration::from_millis(59_999));
    let held = server.held();
    assert_eq!((dropped.load(Ordering::SeqCst), held.requests, held.alarms), (0, 1, 1));
    server.advance(Duration::from_millis(1));
    assert_eq!((dropped.load(Ordering::SeqCst), server.held()), (1, Held::default()));
}

#[test]
fn a_handler_that_runs_on_after_its_connection_was_lost_has_any_time_where_0_is_given() {
    let mut config = one_at_a_time();
    config.channel.responseless_timeout = Some(Duration::ZERO);
    let (gate, dropped, mut server) = handler_that_runs_on(config);
    server.advance(Duration::from_secs(1_000_000));
    assert_eq!(dropped.load(Ordering::SeqCst), 0);
    gate.open();
    server.run();
    assert_eq!((dropped.load(Ordering::SeqCst), server.held()), (1, Held::default()));
}

#[test]
fn a_lost_connection_drops_a_handler_that_does_not_wait_for_it_any_more() {
    let dropped = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&dropped);
    let mut server = serve(move |request: Request| {
        let guard = Dropped(Arc::clone(&count));
        async move {
            let mut disconnected = request.disconnected();
            poll_fn(|cx| {
                assert!(pin!(&mut disconnected).poll(cx).is_pending());
                Poll::Ready(())
            })
            .await;
            drop(disconnected);
            std::future::pending::<()>().await;
            drop(guard);
        }
    });
    let client = server.connect().unwrap();
    client.send(GET);
    server.run();
    client.reset();
    server.run();
    assert_eq!((dropped.load(Ordering::SeqCst), server.connections()), (1, 0));
}

/// Its input waits, so nobody reads the reset.
#[test]
fn a_reset_that_nobody_reads_ends_the_handler() {
    for (head, bodies) in [
        ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", "x"),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n", "y"),
    ] {
        let alive = Arc::new(());
        let held = Arc::clone(&alive);
        let mut server = serve(move |request: Request| {
            let held = Arc::clone(&held);
            async move {
                std::future::pending::<()>().await;
                drop((held, request));
                "never"
            }
        });
        let client = server.connect().unwrap();
        client.send(head);
        client.send(bodies.repeat(400_000));
        server.run();
        client.reset();
        server.run();
        assert_eq!(Arc::strong_count(&alive), 3, "{head:?}: it runs");
        server.advance(Duration::from_secs(5));
        assert_eq!(Arc::strong_count(&alive), 2, "{head:?}: it is dropped");
        assert_eq!((server.connections(), server.handle().stats().n_channels), (0, 0));
    }
}

#[test]
fn the_end_of_the_peers_output_is_reported_and_the_response_still_goes_out() {
    let mut server = serve(|request: Request| async move {
        request.peer_ended().await;
        "still here"
    });
    let client = server.connect().unwrap();
    client.send(GET);
    server.run();
    assert_eq!(client.take_text(), "");
    client.close_write();
    server.run();
    assert!(client.take_text().ends_with("still here"));
    assert_eq!(server.connections(), 0);
}
