//! Upgraded connections: handed over, given back, and ended with the server.

use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use httpfsm::config::ServerConfig;
use httpfsm::fields::Fields;
use httpfsm::handler::{
    Handler, IoFailure, MemoryUse, Request, Response, UpgradeError, UpgradeFuture, Upgraded,
};
use httpfsm_transport::memory::MemoryServer;

use crate::support::{GET, WakeCount, poll, serve};

#[test]
fn an_upgrade_hands_over_the_connection_with_what_was_read() {
    let slot: Arc<Mutex<Option<Upgraded>>> = Arc::default();
    let taken = Arc::clone(&slot);
    let mut server = serve(move |request: Request| {
        let (slot, upgrade) = (Arc::clone(&taken), request.upgrade());
        // Somebody else awaits the connection; here, the test's own thread.
        std::thread::spawn(move || {
            if let Ok(upgraded) = httpfsm_transport::block_on(upgrade) {
                *slot.lock().unwrap() = Some(upgraded);
            }
        });
        async { Response::switching_protocols("echo") }
    });
    let client = server.connect().unwrap();
    client.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\nfirst");
    server.run();
    assert!(client.take_text().starts_with("HTTP/1.1 101 Switching Protocols\r\n"));
    let mut upgraded = loop {
        if let Some(upgraded) = slot.lock().unwrap().take() {
            break upgraded;
        }
        std::thread::yield_now();
    };
    let mut buffer = [0; 16];
    assert_eq!(httpfsm_transport::block_on(upgraded.read(&mut buffer)).unwrap(), 5);
    client.send("second");
    assert_eq!(httpfsm_transport::block_on(upgraded.read(&mut buffer)).unwrap(), 6);
    assert_eq!(&buffer[..6], b"second");
    httpfsm_transport::block_on(upgraded.write_all(b"back")).unwrap();
    assert_eq!(client.take(), b"back");
    assert_eq!((server.connections(), server.handle().stats().n_channels), (0, 1));
    drop(upgraded);
    assert!(client.is_ended());
    assert_eq!(server.handle().stats().n_channels, 0);
}

#[test]
fn what_was_read_before_an_upgrade_is_counted_until_the_application_has_read_it() {
    let (requests, mut server) = keeping_requests();
    for is_read in [true, false] {
        let client = server.connect().unwrap();
        client.send("GET /upgrade HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n");
        client.send([b'x'; 3000]);
        server.run();
        let request = requests.lock().unwrap().pop().unwrap();
        let Poll::Ready(Ok(mut upgraded)) = poll(request.upgrade()) else { panic!("it is upgraded") };
        let held = server.handle().memory();
        assert_eq!((held.input, held.total()), (3000, 3000));
        let mut buffer = [0; 2999];
        assert!(matches!(poll(upgraded.read(&mut buffer)), Poll::Ready(Ok(2999))));
        assert_eq!(server.handle().memory(), held, "its memory is one");
        if is_read {
            assert!(matches!(poll(upgraded.read(&mut buffer)), Poll::Ready(Ok(1))));
        } else {
            drop(upgraded);
        }
        assert_eq!(server.handle().memory(), MemoryUse::default());
    }
}

#[test]
fn an_upgraded_connection_that_nobody_polls_ends_at_the_drain_deadline() {
    // The future of the second is not awaited before the end: the connection is ready in its request all the time.
    let futures: Arc<Mutex<Vec<UpgradeFuture>>> = Arc::default();
    let taken = Arc::clone(&futures);
    let mut server = serve(move |request: Request| {
        taken.lock().unwrap().push(request.upgrade());
        async { Response::switching_protocols("echo") }
    });
    let clients = [(); 2].map(|()| server.connect().unwrap());
    for client in &clients {
        client.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n");
        server.run();
    }
    let upgrade = || httpfsm_transport::block_on(futures.lock().unwrap().remove(0)).unwrap();
    let mut held = upgrade();
    let woken = Arc::new(WakeCount::default());
    let waker = Waker::from(Arc::clone(&woken));
    assert!(held.poll_read(&mut Context::from_waker(&waker), &mut [0]).is_pending());

    let mut gone = pin!(server.handle().begin_drain(Some(Duration::from_secs(5))).gone());
    let mut is_gone = || gone.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready();
    server.advance(Duration::from_millis(5999));
    assert!(!is_gone() && clients.iter().all(|client| !client.is_ended()));
    server.advance(Duration::from_millis(1));
    assert!(is_gone());
    assert!(clients.iter().all(|client| client.is_reset()));
    assert_eq!(server.handle().stats().n_channels, 0);
    assert_ne!(woken.0.load(Ordering::SeqCst), 0);
    for mut upgraded in [held, upgrade()] {
        let read = httpfsm_transport::block_on(upgraded.read(&mut [0]));
        assert_eq!(read, Err(IoFailure::Closed));
        assert_eq!(httpfsm_transport::block_on(upgraded.write_all(b"a")), Err(IoFailure::Closed));
    }
    assert_eq!(server.handle().stats().n_channels, 0);
}

#[test]
fn an_upgraded_connection_does_not_count_as_idle() {
    let config = ServerConfig { max_connections: 2, ..ServerConfig::default() };
    let upgrades: Arc<Mutex<Vec<UpgradeFuture>>> = Arc::default();
    let taken = Arc::clone(&upgrades);
    let mut server = MemoryServer::new(config, move |request: Request| {
        let asks = request.field("upgrade").is_some();
        taken.lock().unwrap().extend(asks.then(|| request.upgrade()));
        async move { if asks { Response::switching_protocols("echo") } else { Response::text("") } }
    });
    let [upgraded, idle] = [(); 2].map(|()| {
        let client = server.connect().unwrap();
        client.send(GET);
        server.run();
        server.advance(Duration::from_secs(1));
        client
    });
    // In one wake-up of the connection that has been idle for the longest.
    upgraded.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n");
    server.run();
    let _third = server.connect().unwrap();
    assert!(idle.is_ended() && !upgraded.is_ended());
}

#[test]
fn a_refused_upgrade_is_told_and_the_connection_goes_on() {
    let told = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&told);
    let mut server = serve(move |request: Request| {
        let (count, upgrade) = (Arc::clone(&count), request.upgrade());
        std::thread::spawn(move || {
            if httpfsm_transport::block_on(upgrade).is_err() {
                count.fetch_add(1, Ordering::SeqCst);
            }
        });
        async { "no" }
    });
    let client = server.connect().unwrap();
    client.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n");
    client.send(GET);
    server.run();
    assert_eq!(client.take_text().matches("HTTP/1.1 200 ").count(), 2);
    while told.load(Ordering::SeqCst) < 2 {
        std::thread::yield_now();
    }
}

/// Keeps each request, so that it can be asked after its end.
fn keeping_requests() -> (Arc<Mutex<Vec<Request>>>, MemoryServer<impl Handler>) {
    let kept: Arc<Mutex<Vec<Request>>> = Arc::default();
    let keep = Arc::clone(&kept);
    let server = serve(move |request: Request| {
        let is_upgrade = request.path() == "/upgrade";
        keep.lock().unwrap().push(request);
        async move {
            if is_upgrade { Response::switching_protocols("echo") } else { std::future::pending().await }
        }
    });
    (kept, server)
}

#[test]
fn an_upgraded_connection_is_handed_over_once() {
    let (kept, mut server) = keeping_requests();
    let client = server.connect().unwrap();
    client.send("GET /upgrade HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n");
    server.run();
    let request = kept.lock().unwrap().pop().unwrap();
    let upgraded = poll(request.upgrade());
    let Poll::Ready(Ok(mut upgraded)) = upgraded else { panic!("{upgraded:?}") };
    assert!(matches!(poll(request.upgrade()), Poll::Ready(Err(UpgradeError::Taken))));
    // Nothing asked for is nothing read, and no end.
    assert_eq!(poll(upgraded.read(&mut [])), Poll::Ready(Ok(0)));
    client.send("x");
    assert_eq!(poll(upgraded.read(&mut [0; 9])), Poll::Ready(Ok(1)));
}

/// The connection ends with the 500, and nobody has asked before its end.
#[test]
fn an_upgrade_that_was_refused_is_so_also_when_its_connection_is_gone() {
    for head in ["GET /upgrade HTTP/1.1\r\nHost: a\r\n\r\n", "GET /upgrade HTTP/1.0\r\n\r\n"] {
        let (kept, mut server) = keeping_requests();
        let client = server.connect().unwrap();
        client.send(head);
        server.run();
        assert!(client.take_text().contains(" 500 "));
        client.close_write();
        server.run();
        assert_eq!(server.connections(), 0);
        let request = kept.lock().unwrap().pop().unwrap();
        let upgraded = poll(request.upgrade());
        assert!(matches!(upgraded, Poll::Ready(Err(UpgradeError::Refused))), "{upgraded:?}");
        assert!(request.is_disconnected());
    }
}

#[test]
fn a_request_whose_connection_is_lost_asks_in_vain() {
    let (kept, mut server) = keeping_requests();
    let client = server.connect().unwrap();
    client.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n");
    server.run();
    let request = kept.lock().unwrap().pop().unwrap();
    assert!(poll(request.upgrade()).is_pending());
    client.reset();
    server.run();
    assert!(request.is_disconnected());
    assert!(matches!(poll(request.upgrade()), Poll::Ready(Err(UpgradeError::Disconnected))));
    request.early_hints(Fields::new());
    server.run();
    assert_eq!(server.connections(), 0);
}
