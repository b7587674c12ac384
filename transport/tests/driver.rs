//! The driver on the in-memory transport: what goes in, what comes out, and what is given back.
#![allow(clippy::unwrap_used)]

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use bytes::Bytes;
use httpfsm::config::{Bodies, ServerConfig};
use httpfsm::error::CloseReason;
use httpfsm::fields::Fields;
use httpfsm::handler::{
    Body, ConnectionInfo, Frame, Handler, IoFailure, Request, Response, Subscriber, UpgradeError,
    UpgradeFuture, Upgraded,
};
use httpfsm::status::Status;
use httpfsm_transport::ServerHandle;
use httpfsm_transport::memory::{MemoryClient, MemoryServer};

const GET: &str = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";

fn server<H: Handler>(handler: H) -> MemoryServer<H> {
    MemoryServer::new(ServerConfig::default(), handler)
}

fn post(path: &str, body: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

/// A flag that a handler waits for and a test raises.
#[derive(Clone, Default)]
struct Gate(Arc<Mutex<(bool, Option<Waker>)>>);

impl Gate {
    fn open(&self) {
        let mut gate = self.0.lock().unwrap();
        gate.0 = true;
        if let Some(waker) = gate.1.take() {
            waker.wake();
        }
    }

    fn poll(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut gate = self.0.lock().unwrap();
        if gate.0 {
            return Poll::Ready(());
        }
        gate.1 = Some(cx.waker().clone());
        Poll::Pending
    }

    async fn wait(&self) {
        poll_fn(|cx| self.poll(cx)).await;
    }
}

#[test]
fn a_ready_handler_gets_a_response_in_one_wake_up() {
    let mut server = server(|_: Request| async { "Hello, world!" });
    let client = server.connect().unwrap();
    server.run();
    client.send(GET.repeat(16));
    assert_eq!(server.run(), 1);
    assert_eq!(client.take_text().matches("\r\n\r\nHello, world!").count(), 16);
}

#[test]
fn a_handler_that_waits_gets_a_response_when_it_is_woken() {
    let gate = Gate::default();
    let waiting = gate.clone();
    let mut server = server(move |_: Request| {
        let gate = waiting.clone();
        async move {
            gate.wait().await;
            "late"
        }
    });
    let client = server.connect().unwrap();
    client.send(GET);
    server.run();
    assert_eq!(client.take_text(), "");
    gate.open();
    assert_eq!(server.run(), 1);
    assert!(client.take_text().ends_with("late"));
}

#[test]
fn a_body_is_read_as_it_arrives() {
    let mut server = server(|mut request: Request| async move { request.body().collect(100).await });
    let client = server.connect().unwrap();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n");
    server.run();
    client.send("01");
    server.run();
    assert_eq!(client.take_text(), "");
    client.send("234");
    server.run();
    assert!(client.take_text().ends_with("\r\n\r\n01234"));
}

#[test]
fn continue_is_sent_when_the_body_is_read() {
    let mut server = server(|mut request: Request| async move {
        match request.path() {
            "/refuse" => Ok(Bytes::from_static(b"no")),
            _ => request.body().collect(100).await,
        }
    });
    let client = server.connect().unwrap();
    let head = "HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n";
    client.send(format!("POST / {head}"));
    server.run();
    assert_eq!(client.take_text(), "HTTP/1.1 100 Continue\r\n\r\n");
    client.send("ok");
    server.run();
    assert!(client.take_text().ends_with("\r\n\r\nok"));

    client.send(format!("POST /refuse {head}"));
    server.run();
    let answer = client.take_text();
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("Connection: close"), "{answer}");
}

#[test]
fn early_hints_come_before_the_response() {
    let mut server = server(|request: Request| async move {
        request.early_hints(Fields::new().with("Link", "</a.css>; rel=preload").unwrap());
        "late"
    });
    let client = server.connect().unwrap();
    client.send(GET);
    server.run();
    let answer = client.take_text();
    assert!(
        answer.starts_with("HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\nHTTP/1.1 200"),
        "{answer}"
    );
}

#[test]
fn a_slow_reader_stops_the_source_and_a_slow_source_the_reader() {
    let pulled = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&pulled);
    let mut server = server(move |_: Request| {
        let count = Arc::clone(&count);
        async move {
            let mut left = 1000;
            Response::new(Status::OK).with_body(Body::from_fn(move |_| {
                count.fetch_add(1, Ordering::SeqCst);
                left -= 1;
                Poll::Ready(if left == 0 { Frame::End } else { Frame::Data(Bytes::from(vec![b'x'; 10_000])) })
            }))
        }
    });
    let client = server.connect().unwrap();
    client.send(GET);
    server.run();
    let held = pulled.load(Ordering::SeqCst);
    assert!(held < 20, "{held} pieces were pulled for 64 KiB on the way and 64 KiB of room");
    let mut received = 0;
    loop {
        let octets = client.take();
        if octets.is_empty() {
            break;
        }
        received += octets.len();
        server.run();
    }
    assert_eq!(pulled.load(Ordering::SeqCst), 1000);
    assert!(received > 9_990_000, "{received}");
}

#[test]
fn an_unread_upload_stops_at_the_window() {
    let gate = Gate::default();
    let waiting = gate.clone();
    let mut server = server(move |mut request: Request| {
        let gate = waiting.clone();
        async move {
            let first = request.body().next_data().await.map(|first| first.map(|octets| octets.len()));
            gate.wait().await;
            let rest = request.body().collect(10 << 20).await.map_or(0, |octets| octets.len());
            format!("{}", first.unwrap().unwrap() + rest)
        }
    });
    let client = server.connect().unwrap();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n");
    client.send(vec![b'x'; 1_000_000]);
    server.run();
    assert_eq!(client.take_text(), "");
    gate.open();
    server.run();
    assert!(client.take_text().ends_with("\r\n\r\n1000000"));
}

#[test]
fn an_echo_streams_both_ways_with_its_trailers() {
    let mut server =
        server(
            |mut request: Request| async move { Response::new(Status::OK).with_body(request.take_body()) },
        );
    let client = server.connect().unwrap();
    let piece = "0123456789abcdef".repeat(1000);
    client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    let mut answer = String::new();
    for _ in 0..50 {
        client.send(format!("{:x}\r\n{piece}\r\n", piece.len()));
        server.run();
        answer += &client.take_text();
    }
    client.send("0\r\nX-Sum: 5\r\n\r\n");
    server.run();
    answer += &client.take_text();
    assert!(answer.len() > 50 * piece.len(), "{}", answer.len());
    assert!(answer.ends_with("\r\n0\r\nX-Sum: 5\r\n\r\n"), "{}", &answer[answer.len() - 100..]);
}

#[test]
fn the_poll_after_a_flush_comes_when_its_bytes_have_left() {
    let step = Arc::new(AtomicUsize::new(0));
    let reached = Arc::clone(&step);
    let handler = move |_: Request| {
        let reached = Arc::clone(&reached);
        async move {
            Response::new(Status::OK).with_body(Body::from_fn(move |_| {
                Poll::Ready(match reached.fetch_add(1, Ordering::SeqCst) {
                    0 => Frame::Data(Bytes::from(vec![b'x'; 3000])),
                    1 => Frame::Flush,
                    _ => Frame::End,
                })
            }))
        }
    };
    let mut server = MemoryServer::with(ServerConfig::default(), 1000, None, handler);
    let client = server.connect().unwrap();
    client.send(GET);
    server.run();
    assert_eq!(step.load(Ordering::SeqCst), 2);
    let mut received = Vec::new();
    while step.load(Ordering::SeqCst) < 3 {
        let octets = client.take_at_most(500);
        assert!(!octets.is_empty());
        received.extend(octets);
        server.run();
    }
    assert!(received.len() >= 2000, "{}", received.len());
}

#[test]
fn a_panic_is_a_500_and_its_text_is_told_only_if_allowed() {
    for expose in [false, true] {
        let mut config = ServerConfig::default();
        config.channel.expose_tracebacks = expose;
        let mut server = MemoryServer::new(config, |request: Request| async move {
            assert!(request.path() != "/panic", "the cheese is out");
            "fine"
        });
        let client = server.connect().unwrap();
        client.send("GET /panic HTTP/1.1\r\nHost: a\r\n\r\n");
        server.run();
        let answer = client.take_text();
        assert!(answer.starts_with("HTTP/1.1 500 "), "{answer}");
        assert_eq!(answer.contains("the cheese is out"), expose, "{answer}");
        let other = server.connect().unwrap();
        other.send(GET);
        server.run();
        assert!(other.take_text().ends_with("fine"));
    }
}

#[test]
fn a_source_that_panics_cuts_the_response() {
    let mut server = server(|_: Request| async {
        let mut first = true;
        Response::new(Status::OK).with_body(Body::from_fn(move |_| {
            assert!(std::mem::take(&mut first), "no more");
            Poll::Ready(Frame::Data(Bytes::from_static(b"first")))
        }))
    });
    let client = server.connect().unwrap();
    client.send(GET);
    server.run();
    let answer = client.take_text();
    assert!(answer.starts_with("HTTP/1.1 200 ") && !answer.contains("\r\n0\r\n\r\n"), "{answer}");
    assert!(client.is_ended());
    let client = server.connect().unwrap();
    client.send("GET / HTTP/1.0\r\n\r\n");
    server.run();
    assert!(client.is_reset(), "its end would look like the end of the answer");
}

/// Counts the futures that were dropped before their end.
struct Dropped(Arc<AtomicUsize>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn a_lost_connection_drops_the_handler() {
    let dropped = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&dropped);
    let mut server = server(move |_: Request| {
        let guard = Dropped(Arc::clone(&count));
        async move {
            std::future::pending::<()>().await;
            drop(guard);
        }
    });
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
    let mut server = server(move |request: Request| {
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
fn running_on(config: ServerConfig) -> (Gate, Arc<AtomicUsize>, MemoryServer<impl Handler>) {
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
    assert_eq!(server.held(), [0, 1, 0, 1, 0], "the channel is closed, the handler runs");
    (gate, dropped, server)
}

fn one_at_a_time() -> ServerConfig {
    ServerConfig { maximum_simultaneous_requests: 1, ..ServerConfig::default() }
}

#[test]
fn a_drain_waits_for_a_handler_that_runs_on_after_its_connection_was_lost() {
    let (gate, dropped, mut server) = running_on(one_at_a_time());
    let mut drained = pin!(server.handle().drain(Some(Duration::from_secs(10))));
    server.advance(Duration::from_secs(9));
    assert!(poll(drained.as_mut()).is_pending() && dropped.load(Ordering::SeqCst) == 0);
    gate.open();
    server.run();
    assert!(poll(drained).is_ready());
    assert_eq!((dropped.load(Ordering::SeqCst), server.held()), (1, [0; 5]));
}

#[test]
fn a_handler_that_runs_on_after_its_connection_was_lost_is_dropped_at_the_drain_deadline() {
    let (_gate, dropped, mut server) = running_on(one_at_a_time());
    let count = Arc::<Woken>::default();
    let waker = Waker::from(Arc::clone(&count));
    let mut drained = pin!(server.handle().drain(Some(Duration::from_secs(10))));
    assert!(drained.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    server.advance(Duration::from_secs(10));
    assert!(poll(drained).is_ready());
    assert!(count.0.load(Ordering::SeqCst) > 0, "who waits is told");
    assert_eq!((dropped.load(Ordering::SeqCst), server.held()), (1, [0; 5]));
}

#[test]
fn a_handler_that_runs_on_after_its_connection_was_lost_has_as_long_as_any_handler() {
    let mut config = one_at_a_time();
    config.channel.responseless_timeout = Some(Duration::from_secs(60));
    let (_gate, dropped, mut server) = running_on(config);
    server.advance(Duration::from_millis(59_999));
    assert_eq!((dropped.load(Ordering::SeqCst), server.held()), (0, [0, 1, 0, 1, 0]));
    server.advance(Duration::from_millis(1));
    assert_eq!((dropped.load(Ordering::SeqCst), server.held()), (1, [0; 5]));
}

#[test]
fn a_lost_connection_drops_a_handler_that_does_not_wait_for_it_any_more() {
    let dropped = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&dropped);
    let mut server = server(move |request: Request| {
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

#[test]
fn the_end_of_the_peers_output_is_reported_and_the_response_still_goes_out() {
    let mut server = server(|request: Request| async move {
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

#[test]
fn a_response_may_come_before_the_body_was_read() {
    let mut server = server(|_: Request| async { (Status::FORBIDDEN, "no") });
    let client = server.connect().unwrap();
    client.send(post("/", &"x".repeat(1000)));
    client.send(GET);
    server.run();
    let answer = client.take_text();
    assert_eq!(answer.matches("HTTP/1.1 403 ").count(), 2, "{answer}");
}

#[test]
fn an_upgrade_hands_over_the_connection_with_what_was_read() {
    let slot: Arc<Mutex<Option<Upgraded>>> = Arc::default();
    let taken = Arc::clone(&slot);
    let mut server = server(move |request: Request| {
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
fn an_upgraded_connection_that_nobody_polls_ends_at_the_drain_deadline() {
    // The future of the second is not awaited before the end: the connection is ready in its request all the time.
    let futures: Arc<Mutex<Vec<UpgradeFuture>>> = Arc::default();
    let taken = Arc::clone(&futures);
    let mut server = server(move |request: Request| {
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
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(Arc::clone(&woken));
    assert!(held.poll_read(&mut Context::from_waker(&waker), &mut [0]).is_pending());

    let mut gone = pin!(server.handle().drain(Some(Duration::from_secs(5))));
    let mut is_gone = || gone.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready();
    server.advance(Duration::from_millis(4999));
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

/// How often a task was woken.
#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
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
    let mut server = server(move |request: Request| {
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
fn keeping() -> (Arc<Mutex<Vec<Request>>>, MemoryServer<impl Handler>) {
    let kept: Arc<Mutex<Vec<Request>>> = Arc::default();
    let keep = Arc::clone(&kept);
    let server = server(move |request: Request| {
        let is_upgrade = request.path() == "/upgrade";
        keep.lock().unwrap().push(request);
        async move {
            if is_upgrade { Response::switching_protocols("echo") } else { std::future::pending().await }
        }
    });
    (kept, server)
}

fn poll<F: Future>(future: F) -> Poll<F::Output> {
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn an_upgraded_connection_is_handed_over_once() {
    let (kept, mut server) = keeping();
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

#[test]
fn a_request_whose_connection_is_lost_asks_in_vain() {
    let (kept, mut server) = keeping();
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

#[test]
fn a_body_whose_100_was_refused_is_closed_to_its_reader() {
    let mut server = server(|mut request: Request| async move {
        request.refuse_expect();
        request.body().collect(100).await
    });
    let client = server.connect().unwrap();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
    server.run();
    let answer = client.take_text();
    assert!(answer.starts_with("HTTP/1.1 503 ") && !answer.contains("100 Continue"), "{answer}");
}

#[test]
fn whole_bodies_reach_the_handler_at_once_from_memory_or_from_a_file() {
    let mut config = ServerConfig::default();
    config.channel.bodies = Some(Bodies::Whole);
    config.channel.inbuf_overflow = 1000;
    let calls = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&calls);
    let mut server = MemoryServer::new(config, move |mut request: Request| {
        count.fetch_add(1, Ordering::SeqCst);
        async move {
            let length = request.body().length();
            let octets = request.body().collect(10 << 20).await?;
            let sum: u64 = octets.iter().map(|&octet| u64::from(octet)).sum();
            Ok::<_, httpfsm::handler::CollectError>(format!("{length:?} {} {sum}", octets.len()))
        }
    });
    for length in [10, 1000, 1001, 300_000, 3_000_000] {
        let client = server.connect().unwrap();
        client.send(format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n"));
        let body: Vec<u8> = (0..length).map(|at| (at % 251) as u8).collect();
        let sum: u64 = body.iter().map(|&octet| u64::from(octet)).sum();
        client.send(&body[..5]);
        server.run();
        let before = calls.load(Ordering::SeqCst);
        client.send(&body[5..]);
        server.run();
        assert_eq!(calls.load(Ordering::SeqCst), before + 1);
        let answer = client.take_text();
        assert!(answer.ends_with(&format!("\r\n\r\nSome({length}) {length} {sum}")), "{answer}");
    }
}

#[test]
fn a_whole_body_in_chunks_has_a_length_and_its_trailers() {
    for overflow in [3, 0] {
        let mut config = ServerConfig::default();
        config.channel.bodies = Some(Bodies::Whole);
        config.channel.inbuf_overflow = overflow;
        let mut server = MemoryServer::new(config, |mut request: Request| async move {
            let length = request.body().length();
            let octets = request.body().collect(100).await.unwrap();
            format!("{length:?} {octets:?} {:?}", request.trailers())
        });
        for (chunks, expected) in [
            ("0\r\n\r\n", r#"Some(0) b"" None"#),
            ("4\r\nabcd\r\n0\r\n\r\n", r#"Some(4) b"abcd" None"#),
            ("4\r\nabcd\r\n0\r\nX-Sum: 7\r\n\r\n", r#"Some(4) b"abcd" Some({"X-Sum": "7"})"#),
            ("0\r\nX-Sum: 7\r\n\r\n", r#"Some(0) b"" Some({"X-Sum": "7"})"#),
        ] {
            let client = server.connect().unwrap();
            client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
            client.send(chunks);
            server.run();
            let answer = client.take_text();
            assert!(answer.ends_with(&format!("\r\n\r\n{expected}")), "{overflow}: {answer}");
        }
    }
}

#[test]
fn as_many_requests_as_allowed_are_with_the_application() {
    let config = ServerConfig { maximum_simultaneous_requests: 2, ..ServerConfig::default() };
    let gate = Gate::default();
    let waiting = gate.clone();
    let mut server = MemoryServer::new(config, move |_: Request| {
        let gate = waiting.clone();
        async move { poll_fn(|cx| gate.poll(cx)).await }
    });
    let clients: Vec<_> = (0..3).map(|_| server.connect().unwrap()).collect();
    for client in &clients {
        client.send(GET);
        server.run();
    }
    assert!(clients[2].take_text().starts_with("HTTP/1.1 503 "));
    clients[0].reset();
    server.run();
    let next = server.connect().unwrap();
    next.send(GET);
    server.run();
    assert_eq!(next.take_text(), "");
    gate.open();
    server.run();
    assert!(next.take_text().starts_with("HTTP/1.1 204 "));
}

#[test]
fn deadlines_wake_their_connections() {
    let mut server = server(|_: Request| async { "fine" });
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
    let mut server = server(move |request: Request| {
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
    let mut drained = std::pin::pin!(server.handle().drain(Some(Duration::from_secs(10))));
    let mut is_drained = || drained.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready();
    server.run();
    assert_eq!(server.connect().unwrap_err(), httpfsm::server::Refusal::Draining);
    server.advance(Duration::from_secs(1));
    assert!(idle.is_ended());
    gate.open();
    server.run();
    assert!(busy.take_text().contains("Connection: close"));
    assert!(!stuck.is_ended() && !is_drained());
    server.advance(Duration::from_secs(9));
    assert!(stuck.is_reset());
    assert!(is_drained());
    assert_eq!(server.handle().stats().n_channels, 0);
}

#[test]
fn a_dropped_server_gives_everything_back() {
    let dropped = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&dropped);
    let mut server = server(move |_: Request| {
        let guard = Dropped(Arc::clone(&count));
        async move {
            std::future::pending::<()>().await;
            drop(guard);
        }
    });
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

#[test]
fn a_subscriber_hears_of_every_channel() {
    #[derive(Default)]
    struct Log(Mutex<Vec<String>>);

    impl Subscriber for Log {
        fn opened(&self, connection: &ConnectionInfo) {
            self.0.lock().unwrap().push(format!("{} opened", connection.channel));
        }

        fn closed(&self, connection: &ConnectionInfo, reason: CloseReason) {
            self.0.lock().unwrap().push(format!("{} closed: {reason:?}", connection.channel));
        }
    }

    let log = Arc::new(Log::default());
    let subscriber: Arc<dyn Subscriber> = Arc::clone(&log) as _;
    let handler = |_: Request| async { "fine" };
    let mut server = MemoryServer::with(ServerConfig::default(), 1 << 16, Some(subscriber), handler);
    let client = server.connect().unwrap();
    client.send(GET);
    server.run();
    client.close_write();
    server.run();
    assert_eq!(*log.0.lock().unwrap(), ["server.clisrv_1 opened", "server.clisrv_1 closed: PeerEnded"]);
}

#[test]
fn at_the_limit_of_connections_the_longest_idle_gives_its_place() {
    let config = ServerConfig { max_connections: 3, max_connections_per_peer: 2, ..ServerConfig::default() };
    let gate = Gate::default();
    let waiting = gate.clone();
    let mut server = MemoryServer::new(config, move |request: Request| {
        let gate = waiting.clone();
        async move {
            if request.path() == "/gate" {
                gate.wait().await;
            }
            "fine"
        }
    });
    let peer = |last: u8| std::net::SocketAddr::from(([192, 0, 2, last], 1000)).into();
    let [first, second, third] = ["/", "/", "/gate"].map(|path| {
        let last = 1 + u8::try_from(server.connections()).unwrap();
        let client = server.connect_from(peer(last)).unwrap();
        client.send(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n"));
        server.advance(Duration::from_millis(100));
        client
    });
    // The first is idle again, but since later than the second.
    first.send(GET);
    server.advance(Duration::from_millis(100));
    let fourth = server.connect_from(peer(3)).unwrap();
    assert!(second.is_ended() && !first.is_ended());
    assert_eq!(server.connect_from(peer(3)).unwrap_err(), httpfsm::server::Refusal::Peer);
    assert!(!first.is_ended(), "a peer that has enough evicts nobody");
    assert!(server.connect_from(peer(4)).is_ok());
    assert!(first.is_ended());
    // Nobody is idle now: one waits for its handler, two for their first request.
    assert_eq!(server.connect_from(peer(5)).unwrap_err(), httpfsm::server::Refusal::Full);
    gate.open();
    server.run();
    assert!(third.take_text().ends_with("fine"));
    drop(fourth);
}

/// A search keeps no more than it may hand out; these are more.
#[test]
fn of_very_many_that_are_idle_the_longest_idle_give_their_places() {
    let config = ServerConfig { max_connections: 600, ..ServerConfig::default() };
    let mut server = MemoryServer::new(config, |_: Request| async { "fine" });
    let clients: Vec<_> = (0..600).map(|_| server.connect().unwrap()).collect();
    // Idle since different moments, in another order than they came in: 7 and 600 have no factor in common.
    for turn in 0..600 {
        clients[turn * 7 % 600].send(GET);
        server.advance(Duration::from_millis(1));
    }
    let mut late = Vec::new();
    for turn in 0..5 {
        late.push(server.connect().unwrap());
        let ended: Vec<_> = (0..600).filter(|turn| clients[turn * 7 % 600].is_ended()).collect();
        assert_eq!(ended, Vec::from_iter(0..=turn));
    }
}

#[test]
fn half_heads_hold_no_more_than_the_limit_of_bytes_and_one_that_grows_above_it_gets_503() {
    let config = ServerConfig { max_buffered_octets: 10_000, ..ServerConfig::default() };
    let mut server = MemoryServer::new(config, |_: Request| async { "fine" });
    let idle = server.connect().unwrap();
    idle.send(GET);
    server.run();
    let head = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}", "x".repeat(3000));
    let clients: Vec<_> = (0..20)
        .map(|_| {
            let client = server.connect().unwrap();
            client.send(&head);
            server.run();
            client
        })
        .collect();
    let (refused, held): (Vec<_>, Vec<_>) =
        clients.iter().map(|client| client.take_text()).partition(|text| text.starts_with("HTTP/1.1 503 "));
    assert!(held.len() <= 3 && refused.len() >= 17, "{} heads are held", held.len());
    assert!(!idle.is_ended(), "an idle connection holds nothing that its end would free");
    for client in clients.iter().take(held.len()) {
        client.send("\r\n\r\n");
        server.run();
        assert!(client.take_text().ends_with("fine"));
    }
}

/// Fails where only what the channels hold is counted.
#[test]
fn unread_bodies_hold_no_more_than_the_limit_of_bytes_and_one_that_grows_above_it_gets_503() {
    for bodies in [Bodies::Whole, Bodies::Streamed] {
        let mut config = ServerConfig { max_buffered_octets: 100_000, ..ServerConfig::default() };
        config.channel.bodies = Some(bodies);
        // Asks for the body, and does not take it.
        let handler = |mut request: Request| async move {
            let _ = request.body().next_data().await;
            std::future::pending::<()>().await;
        };
        let mut server = MemoryServer::new(config, handler);
        let mut refused = 0;
        let clients: Vec<_> = (0..20)
            .map(|_| {
                let client = server.connect().unwrap();
                client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n12345");
                server.run();
                client.send(vec![b'x'; 20_000]);
                server.run();
                refused += usize::from(client.take_text().starts_with("HTTP/1.1 503 "));
                client
            })
            .collect();
        assert!((15..=16).contains(&refused), "{bodies:?}: {refused} of {} are refused", clients.len());
        // What the lost ones held is free again.
        drop(clients);
        server.run();
        let client = server.connect().unwrap();
        client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n");
        client.send(vec![b'x'; 20_000]);
        server.run();
        assert_eq!(client.take_text(), "", "{bodies:?}");
    }
}

/// However many there are, the handler has those of one window, and the rest waits with the peer.
#[test]
fn of_a_million_requests_whose_responses_nobody_reads_few_get_one() {
    const ANSWER: usize = 1000;
    let answered = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&answered);
    let mut server = server(move |_: Request| {
        count.fetch_add(1, Ordering::SeqCst);
        async { Response::octets(vec![b'x'; ANSWER]) }
    });
    let client = server.connect().unwrap();
    let thousand = GET.repeat(1000);
    for _ in 0..1000 {
        client.send(&thousand);
        server.run();
    }
    // 64 KiB on the way, and 64 KiB unsent.
    let most = 2 * (64 << 10) / ANSWER + 1;
    assert!(answered.load(Ordering::SeqCst) <= most, "{answered:?} of {most}");
    client.reset();
    server.run();
    assert_eq!(server.connections(), 0);
}

#[test]
fn the_last_responses_of_a_drain_have_time_to_leave() {
    let handler = |_: Request| std::future::pending::<&'static str>();
    let mut server = MemoryServer::with(ServerConfig::default(), 10, None, handler);
    let client = server.connect().unwrap();
    client.send(GET);
    server.run();
    let drained = server.handle().drain(None);
    server.run();
    server.advance(Duration::from_secs(30));
    let mut answer = String::new();
    while !client.is_ended() {
        answer += &client.take_text();
        server.advance(Duration::from_millis(1));
    }
    assert!(!client.is_reset() && answer.starts_with("HTTP/1.1 503 "), "{answer}");
    server.advance(Duration::from_secs(1));
    let mut drained = std::pin::pin!(drained);
    assert!(drained.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready());
}

#[test]
fn a_connection_that_opens_while_the_server_goes_out_hears_of_it() {
    struct GoesOut(Mutex<Option<httpfsm_transport::ServerHandle>>);

    impl Subscriber for GoesOut {
        // In the first wake-up of the connection, before it has an alarm.
        fn request(&self, _: &ConnectionInfo, _: httpfsm::request::RequestRef<'_>) {
            if let Some(server) = self.0.lock().unwrap().take() {
                drop(server.drain(None));
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
    server.advance(Duration::from_secs(1));
    assert!(client.is_ended());
    assert_eq!(server.connections(), 0);
}

#[test]
fn a_shorter_drain_replaces_a_longer_one() {
    let mut server = server(|_: Request| std::future::pending::<&'static str>());
    let client = server.connect().unwrap();
    client.send(GET);
    server.run();
    drop(server.handle().drain(None));
    server.run();
    drop(server.handle().drain(Some(Duration::from_secs(2))));
    server.advance(Duration::from_secs(2));
    assert!(client.is_reset());
}

#[test]
fn a_subscriber_hears_of_excess_and_its_panics_go_no_further() {
    #[derive(Default)]
    struct Panics(AtomicUsize);

    impl Subscriber for Panics {
        fn opened(&self, _: &ConnectionInfo) {
            panic!("opened");
        }

        fn excess(&self, _: &ConnectionInfo, octets: u64) {
            self.0.fetch_add(usize::try_from(octets).unwrap(), Ordering::SeqCst);
            panic!("excess");
        }

        fn closed(&self, _: &ConnectionInfo, _: CloseReason) {
            panic!("closed");
        }
    }

    let log = Arc::new(Panics::default());
    let subscriber: Arc<dyn Subscriber> = Arc::clone(&log) as _;
    let handler = |_: Request| async {
        let mut frames = [Frame::Data("0123456789".into()), Frame::End].into_iter();
        let body = Body::from_fn(move |_| Poll::Ready(frames.next().unwrap_or(Frame::End)));
        Response::new(Status::OK).with_field("Content-Length", "7").with_body(body)
    };
    let mut server = MemoryServer::with(ServerConfig::default(), 1 << 16, Some(subscriber), handler);
    let client = server.connect().unwrap();
    client.send(GET);
    server.run();
    let answer = client.take_text();
    assert!(answer.ends_with("\r\n\r\n0123456"), "{answer}");
    client.close_write();
    server.run();
    assert_eq!((log.0.load(Ordering::SeqCst), server.handle().stats().n_channels), (3, 0));
}

#[test]
fn a_source_of_endless_flushes_leaves_others_their_turn() {
    let polls = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&polls);
    let handler = move |request: Request| {
        let count = Arc::clone(&count);
        async move {
            let empty = request.path() == "/empty";
            Response::new(Status::OK).with_body(Body::from_fn(move |_| {
                count.fetch_add(1, Ordering::SeqCst);
                assert!(count.load(Ordering::SeqCst) < 100_000);
                Poll::Ready(if empty { Frame::Data(Bytes::new()) } else { Frame::Flush })
            }))
        }
    };
    let service = httpfsm_transport::Service::new(
        ServerConfig::default(),
        httpfsm_transport::Clock::manual(),
        Arc::new(httpfsm_transport::Inline),
        None,
        handler,
    );
    for path in ["/empty", "/flush"] {
        let (mut near, far) = httpfsm_transport::memory::pair(1000);
        let peer = httpfsm::peer::Peer::Unix(None);
        let mut driver = service.connect(far, peer.clone(), peer).unwrap();
        let mut cx = Context::from_waker(Waker::noop());
        let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n");
        let _ = httpfsm_transport::Wire::poll_write(&mut near, &mut cx, request.as_bytes());
        polls.store(0, Ordering::SeqCst);
        assert!(std::pin::Pin::new(&mut driver).poll(&mut cx).is_pending());
        let pulled = polls.load(Ordering::SeqCst);
        assert!(pulled <= 16 * 64, "{path}: {pulled} frames in one wake-up");
    }
}

#[test]
fn a_body_of_tiny_pieces_is_one_piece_for_a_reader_that_was_away() {
    let gate = Gate::default();
    let waiting = gate.clone();
    let mut server = server(move |mut request: Request| {
        let gate = waiting.clone();
        async move {
            let body = request.body();
            let _ = poll_fn(|cx| Poll::Ready(body.poll_data(cx).is_ready())).await;
            gate.wait().await;
            let octets = body.next_data().await.map(Result::unwrap);
            format!("{}", octets.map_or(0, |octets| octets.len()))
        }
    });
    let client = server.connect().unwrap();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 300\r\n\r\n");
    server.run();
    for _ in 0..300 {
        client.send("x");
        server.run();
    }
    gate.open();
    server.run();
    let answer = client.take_text();
    assert!(answer.ends_with("\r\n\r\n300"), "{answer}");
}

#[test]
fn a_subscriber_hears_of_a_connection_that_is_not_admitted() {
    #[derive(Default)]
    struct Turned(Mutex<Vec<httpfsm::server::Refusal>>);

    impl Subscriber for Turned {
        fn not_admitted(
            &self,
            _: &httpfsm::peer::Peer,
            _: &httpfsm::peer::Peer,
            reason: httpfsm::server::Refusal,
        ) {
            self.0.lock().unwrap().push(reason);
        }
    }

    let turned = Arc::new(Turned::default());
    let subscriber: Arc<dyn Subscriber> = Arc::clone(&turned) as _;
    let config = ServerConfig { origins: vec!["192.0.2.0/24".parse().unwrap()], ..ServerConfig::default() };
    let mut server = MemoryServer::with(config, 100, Some(subscriber), |_: Request| async { "fine" });
    assert!(server.connect().is_err());
    assert_eq!(*turned.0.lock().unwrap(), [httpfsm::server::Refusal::Origin]);
}

#[test]
fn what_is_sent_during_a_drain_finds_it_so_within_a_wake_up_that_began_before() {
    let slot: Arc<Mutex<Option<(MemoryClient, ServerHandle)>>> = Arc::default();
    let handlers = Arc::clone(&slot);
    let mut server = server(move |_: Request| {
        if let Some((client, handle)) = &*handlers.lock().unwrap() {
            drop(handle.drain(None));
            client.send(GET);
        }
        async { "fine" }
    });
    let client = server.connect().unwrap();
    client.send(GET);
    *slot.lock().unwrap() = Some((client, server.handle()));
    server.run();
    let text = slot.lock().unwrap().as_ref().unwrap().0.take_text();
    let answers: Vec<_> = text.split_inclusive("fine").collect();
    assert_eq!(answers.len(), 2, "{text}");
    assert!(answers[1].contains("Connection: close\r\n"), "{text}");
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
        let mut server = server(move |request: Request| {
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
