//! The end that a layer owes, of connections that are served.

use std::future::Future;
use std::io::{self};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use httpfsm::channel::{CompiledConfig, Facts};
use httpfsm::config::{ChannelConfig, ServerConfig};
use httpfsm::error::CloseReason;
use httpfsm::handler::{ConnectionInfo, Handler, Request, Response, Subscriber};
use httpfsm::peer::Peer;
use httpfsm::response::ResponseRef;
use httpfsm::{Fields, Status};
use httpfsm_transport::memory::pair;
use httpfsm_transport::{Clock, Connection, Event, Held, Inline, Layered, Service, Timer, Wire};
use httpfsm_transport_kit::ToyLayer;

use crate::support::{Toy, Transfer, cx, read_all, toys, waker, write};

fn service<H: Handler>(clock: &Clock, handler: H) -> Arc<Service<H>> {
    Service::new(ServerConfig::default(), clock.clone(), Arc::new(Inline), None, handler)
}

const BODY: usize = 1000;

/// Responses through a layer over wires that hold this many bytes, to a peer that ends its input behind the request and
/// takes what is there.
fn last_response(capacity: usize) {
    let clock = Clock::manual();
    let service = service(&clock, |_: Request| async { "x".repeat(BODY) });
    let (near, far) = pair(capacity);
    let server = Layered::new(far, ToyLayer::server());
    let connected = service.connect(server, Peer::Unix(None), Peer::Unix(None));
    let mut driver = Some(connected.unwrap_or_else(|why| panic!("{why}")));
    let (driver_waker, driver_woken) = waker();
    driver_woken.0.fetch_add(1, Ordering::SeqCst);
    let mut client = Layered::new(near, ToyLayer::client());
    let mut at_client = Transfer::new(0, 100);
    at_client.sends = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".to_vec();
    let mut quiet = 0;
    while quiet < 3 && !at_client.peer_ended {
        let came = at_client.received.len();
        at_client.poll(&mut client, &mut cx());
        quiet = if at_client.received.len() > came { 0 } else { quiet + 1 };
        while driver_woken.0.swap(0, Ordering::SeqCst) > 0 {
            quiet = 0;
            let polled = driver
                .as_mut()
                .map(|driver| Pin::new(driver).poll(&mut Context::from_waker(&driver_waker)).is_ready());
            if polled == Some(true) {
                driver = None;
            }
        }
    }
    assert!(at_client.peer_ended, "{capacity}: {} bytes came", at_client.received.len());
    let text = String::from_utf8(at_client.received).unwrap();
    assert!(text.ends_with(&format!("\r\n\r\n{}", "x".repeat(BODY))), "{text}");
    assert!(driver.is_none(), "{capacity}: {driver:?}");
    drop((driver, client));
    assert_eq!(service.held(), Held::default());
}

#[test]
fn the_layers_end_comes_behind_the_last_response_to_a_peer_that_has_ended() {
    (1..60).chain([10_000]).for_each(last_response);
}

/// A connection that is closed with an end that cannot leave.
#[test]
fn an_end_that_nobody_takes_is_waited_for_ten_seconds_at_most() {
    let clock = Clock::manual();
    let service = service(&clock, |_: Request| async { "fine" });
    let (near, far) = pair(9);
    let connected =
        service.connect(Layered::new(far, ToyLayer::server()), Peer::Unix(None), Peer::Unix(None));
    let mut driver = connected.unwrap_or_else(|why| panic!("{why}"));
    let mut client = Layered::new(near, ToyLayer::client());
    // The handshake fills the connection, and the client ends and takes nothing.
    assert!(client.poll_flush(&mut cx()).is_ready());
    assert!(Pin::new(&mut driver).poll(&mut cx()).is_pending());
    assert!(client.poll_close_write(&mut cx()).is_ready());
    let (waker, woken) = waker();
    let mut context = Context::from_waker(&waker);
    assert!(Pin::new(&mut driver).poll(&mut context).is_pending());
    for (seconds, is_woken, is_over) in [(4, false, false), (2, true, false), (5, true, true)] {
        clock.advance(Duration::from_secs(seconds));
        service.sweep(&mut context);
        assert_eq!(woken.0.swap(0, Ordering::SeqCst) > 0, is_woken, "{seconds}");
        assert_eq!(service.held().channels, 1);
        assert_eq!(Pin::new(&mut driver).poll(&mut context).is_ready(), is_over);
    }
    drop(driver);
    assert_eq!(service.held(), Held::default());
    let reset = read_all(&mut client).1.unwrap().unwrap_err();
    assert_eq!(reset.kind(), io::ErrorKind::ConnectionReset);
}

#[derive(Default)]
struct Reasons(Mutex<Vec<CloseReason>>);

impl Subscriber for Reasons {
    fn closed(&self, _: &ConnectionInfo, reason: CloseReason) {
        self.0.lock().unwrap().push(reason);
    }
}

/// The channel was over; only the end of its layer was cut.
#[test]
fn a_connection_whose_last_end_a_drain_cuts_has_ended_for_its_own_reason() {
    let (clock, reasons) = (Clock::manual(), Arc::<Reasons>::default());
    let subscriber: Arc<dyn Subscriber> = Arc::clone(&reasons) as _;
    let fine = |_: Request| async { "fine" };
    let service =
        Service::new(ServerConfig::default(), clock.clone(), Arc::new(Inline), Some(subscriber), fine);
    let (near, far) = pair(9);
    let connected =
        service.connect(Layered::new(far, ToyLayer::server()), Peer::Unix(None), Peer::Unix(None));
    let mut driver = connected.unwrap_or_else(|why| panic!("{why}"));
    let mut client = Layered::new(near, ToyLayer::client());
    assert!(client.poll_flush(&mut cx()).is_ready());
    assert!(Pin::new(&mut driver).poll(&mut cx()).is_pending());
    assert!(client.poll_close_write(&mut cx()).is_ready());
    assert!(Pin::new(&mut driver).poll(&mut cx()).is_pending());
    assert_eq!(*reasons.0.lock().unwrap(), []);
    service.handle(Vec::new()).begin_drain(Some(Duration::from_secs(1)));
    clock.advance(Duration::from_secs(2));
    service.sweep(&mut cx());
    assert!(Pin::new(&mut driver).poll(&mut cx()).is_ready());
    assert_eq!(*reasons.0.lock().unwrap(), [CloseReason::PeerEnded]);
}

/// What a client sends, what of the response it gets, why its connection ends at a drain deadline of zero, and whether with
/// the end of the layer.
#[test]
fn at_the_drain_deadline_the_end_of_a_layer_leaves_where_nothing_is_cut() {
    let cases = [
        ("", "", CloseReason::Drained, true),
        ("\r\n", "", CloseReason::Drained, true),
        ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", "fine", CloseReason::Drained, true),
        ("GET / HTTP/1.1\r\nHost: a\r\n", "", CloseReason::DrainTimeout, false),
        ("GET /never HTTP/1.1\r\nHost: a\r\n\r\n", "", CloseReason::DrainTimeout, false),
    ];
    for (request, response, reason, ends) in cases {
        let reasons = Arc::<Reasons>::default();
        let subscriber: Arc<dyn Subscriber> = Arc::clone(&reasons) as _;
        let handler = |request: Request| async move {
            if request.path() == "/never" {
                std::future::pending::<()>().await;
            }
            "fine"
        };
        let config = ServerConfig::default();
        let service = Service::new(config, Clock::manual(), Arc::new(Inline), Some(subscriber), handler);
        let (near, far) = pair(10_000);
        let server = Layered::new(far, ToyLayer::server());
        let connected = service.connect(server, Peer::Unix(None), Peer::Unix(None));
        let mut driver = connected.unwrap_or_else(|why| panic!("{why}"));
        let mut client = Layered::new(near, ToyLayer::client());
        for _ in 0..3 {
            assert!(client.poll_flush(&mut cx()).is_ready());
            assert!(Pin::new(&mut driver).poll(&mut cx()).is_pending());
            assert!(read_all(&mut client).0.is_empty());
        }
        write(&mut client, request.as_bytes());
        assert!(Pin::new(&mut driver).poll(&mut cx()).is_pending(), "{request:?}");
        service.handle(Vec::new()).begin_drain(Some(Duration::ZERO));
        service.sweep(&mut cx());
        assert!(Pin::new(&mut driver).poll(&mut cx()).is_ready());
        drop(driver);
        assert_eq!(*reasons.0.lock().unwrap(), [reason], "{request:?}");
        let (came, end) = read_all(&mut client);
        assert!(came.ends_with(response.as_bytes()), "{request:?}");
        let end = end.unwrap().map_err(|error| error.kind());
        let expected = if ends { Ok(()) } else { Err(io::ErrorKind::ConnectionReset) };
        assert_eq!(end, expected, "{request:?}");
        assert_eq!(service.held(), Held::default());
    }
}

/// Whoever drops an upgraded connection waits for nothing.
#[test]
fn an_upgraded_connection_that_is_dropped_ends_its_layer_behind_what_was_written() {
    let clock = Clock::manual();
    let asked = Arc::new(Mutex::new(None));
    let asks = Arc::clone(&asked);
    let service = service(&clock, move |request: Request| {
        *asks.lock().unwrap() = Some(Box::pin(request.upgrade()));
        async { Response::switching_protocols("echo") }
    });
    let (near, far) = pair(10_000);
    let connected =
        service.connect(Layered::new(far, ToyLayer::server()), Peer::Unix(None), Peer::Unix(None));
    let mut driver = connected.unwrap_or_else(|why| panic!("{why}"));
    let mut client = Layered::new(near, ToyLayer::client());
    let mut sent = false;
    let mut upgraded = None;
    for _ in 0..10 {
        let _ = client.poll_flush(&mut cx());
        let _ = client.poll_read(&mut cx(), &mut [0; 1000]);
        let head = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n";
        sent = sent || client.poll_write(&mut cx(), head).is_ready();
        let _ = Pin::new(&mut driver).poll(&mut cx());
        if let Some(Poll::Ready(done)) =
            asked.lock().unwrap().as_mut().map(|asked| asked.as_mut().poll(&mut cx()))
        {
            upgraded = Some(done.unwrap());
            break;
        }
    }
    let mut upgraded = upgraded.expect("it is upgraded");
    assert!(upgraded.poll_write(&mut cx(), b"the last bytes").is_ready());
    drop(upgraded);
    let (bytes, end) = read_all(&mut client);
    assert!(bytes.ends_with(b"the last bytes"), "{}", bytes.escape_ascii());
    assert!(matches!(end, Some(Ok(()))), "{end:?}");
}

/// A timer whose time comes when it is told to.
struct ManualTimer(Arc<AtomicUsize>);

impl Timer for ManualTimer {
    fn poll_until(&mut self, _cx: &mut Context<'_>, _at: Instant) -> Poll<()> {
        if self.0.load(Ordering::SeqCst) > 0 { Poll::Ready(()) } else { Poll::Pending }
    }
}

fn level_1(capacity: usize) -> (Toy, Connection<Toy, ManualTimer>, Arc<AtomicUsize>) {
    let (client, wire) = toys(capacity);
    let time = Arc::new(AtomicUsize::new(0));
    let compiled = Arc::new(CompiledConfig::new(&ChannelConfig::default()));
    (client, Connection::new(wire, ManualTimer(Arc::clone(&time)), compiled, Facts::default()), time)
}

#[test]
fn a_connection_of_level_1_ends_its_layer() {
    let (mut client, mut connection, _) = level_1(30);
    let mut at_client = Transfer::new(0, 100);
    at_client.sends = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".to_vec();
    let mut closed = false;
    for _ in 0..500 {
        at_client.poll(&mut client, &mut cx());
        while let Poll::Ready(Some(event)) = connection.poll_event(&mut cx()) {
            if matches!(event, Event::Request) {
                let response = [b'x'; BODY];
                connection.respond(ResponseRef::new(Status::OK, &Fields::new(), &response)).unwrap();
            }
            closed |= matches!(event, Event::Closed(_));
        }
    }
    assert!(closed && at_client.peer_ended, "{} bytes came", at_client.received.len());
    assert!(at_client.received.ends_with(&[b'x'; BODY]));
}

#[test]
fn an_end_of_level_1_that_nobody_takes_is_waited_for_until_a_deadline() {
    let (mut client, mut connection, time) = level_1(9);
    assert!(client.poll_flush(&mut cx()).is_ready());
    assert!(matches!(connection.poll_event(&mut cx()), Poll::Ready(Some(Event::Opened))));
    assert!(connection.poll_event(&mut cx()).is_pending());
    assert!(client.poll_close_write(&mut cx()).is_ready());
    assert!(connection.poll_event(&mut cx()).is_pending());
    time.store(1, Ordering::SeqCst);
    assert!(matches!(connection.poll_event(&mut cx()), Poll::Ready(Some(Event::Closed(_)))));
    assert!(matches!(connection.poll_event(&mut cx()), Poll::Ready(None)));
    assert_eq!(read_all(&mut client).1.unwrap().unwrap_err().kind(), io::ErrorKind::ConnectionReset);
}
