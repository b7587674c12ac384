//! A driver, a connection of level 1 and an upgraded one over a wire that holds what is written, and slow readers.
#![allow(clippy::unwrap_used)]

use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use httpfsm::channel::CompiledConfig;
use httpfsm::config::{ChannelConfig, ServerConfig};
use httpfsm::handler::{Handler, Request, Response, UpgradeFuture};
use httpfsm::peer::Peer;
use httpfsm::response::ResponseRef;
use httpfsm::{Fields, Status};
use httpfsm_transport::memory::{MemoryWire, pair};
use httpfsm_transport::{Clock, Connection, Event, Held, Inline, Service, Timer, Wire};
use httpfsm_transport_kit::Buffering;

const BODY: usize = 1000;

#[derive(Default)]
struct WakeCount(AtomicUsize);

impl Wake for WakeCount {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

fn cx() -> Context<'static> {
    Context::from_waker(Waker::noop())
}

fn send(peer: &mut MemoryWire, bytes: &str) {
    let sent = peer.poll_write(&mut cx(), bytes.as_bytes());
    assert!(matches!(sent, Poll::Ready(Ok(n)) if n == bytes.len()), "{sent:?}");
}

/// At most so many bytes of what has arrived; `None` at the end.
fn read(peer: &mut MemoryWire, at_most: usize) -> Option<Vec<u8>> {
    let mut buffer = vec![0; at_most];
    match peer.poll_read(&mut cx(), &mut buffer) {
        Poll::Ready(Ok(0)) => None,
        Poll::Ready(read) => Some(buffer[..read.unwrap()].to_vec()),
        Poll::Pending => Some(Vec::new()),
    }
}

fn service<H: Handler>(clock: &Clock, handler: H) -> Arc<Service<H>> {
    Service::new(ServerConfig::default(), clock.clone(), Arc::new(Inline), None, handler)
}

/// The end of a connection that is closed behind its response, by the server's half-close or, where the peer has ended
/// its input, at once. The peer takes longer for it than the server lingers.
fn last_response_to_a_slow_reader(peer_ends: bool) {
    let clock = Clock::manual();
    let service = service(&clock, |_: Request| async { "x".repeat(BODY) });
    let (mut near, far) = pair(100);
    let connected = service.connect(Buffering::new(far), Peer::Unix(None), Peer::Unix(None));
    let mut driver = Some(connected.unwrap_or_else(|why| panic!("{why}")));
    send(&mut near, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    if peer_ends {
        assert!(near.poll_close_write(&mut cx()).is_ready());
    }
    let woken = Arc::new(WakeCount::default());
    let waker = Waker::from(Arc::clone(&woken));
    let (mut received, mut polled) = (Vec::new(), 0);
    woken.0.fetch_add(1, Ordering::SeqCst);
    while let Some(bytes) = read(&mut near, 10) {
        let empty = bytes.is_empty();
        received.extend(bytes);
        clock.advance(Duration::from_millis(100));
        service.sweep(&mut cx());
        // It is polled only when it was woken.
        let wakes = woken.0.load(Ordering::SeqCst);
        assert!(!empty || wakes > polled, "it sleeps with {} bytes sent", received.len());
        if std::mem::replace(&mut polled, wakes) < wakes {
            let done = driver
                .as_mut()
                .map(|driver| Pin::new(driver).poll(&mut Context::from_waker(&waker)).is_ready());
            if done == Some(true) {
                driver = None;
            }
        }
    }
    let text = String::from_utf8(received).unwrap();
    assert!(text.ends_with(&format!("\r\n\r\n{}", "x".repeat(BODY))), "{text}");
    drop(near);
    if let Some(mut driver) = driver {
        assert!(Pin::new(&mut driver).poll(&mut cx()).is_ready());
    }
    assert_eq!(service.held(), Held::default());
}

#[test]
fn a_half_close_comes_behind_what_the_wire_holds() {
    last_response_to_a_slow_reader(false);
}

#[test]
fn a_close_comes_behind_what_the_wire_holds() {
    last_response_to_a_slow_reader(true);
}

#[test]
fn a_peer_that_takes_nothing_of_what_the_wire_holds_is_cut_by_the_write_timeout() {
    let clock = Clock::manual();
    let service = service(&clock, |_: Request| async { "x".repeat(BODY) });
    let (mut near, far) = pair(100);
    let connected = service.connect(Buffering::new(far), Peer::Unix(None), Peer::Unix(None));
    let mut driver = connected.unwrap_or_else(|why| panic!("{why}"));
    send(&mut near, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(Pin::new(&mut driver).poll(&mut cx()).is_pending());
    let write_timeout = ChannelConfig::default().write_timeout.unwrap();
    clock.advance(write_timeout - Duration::from_secs(1));
    assert!(Pin::new(&mut driver).poll(&mut cx()).is_pending());
    clock.advance(Duration::from_secs(2));
    assert!(Pin::new(&mut driver).poll(&mut cx()).is_ready());
    drop(driver);
    // As on a socket, behind what came before.
    let mut buffer = [0; 2000];
    assert!(matches!(near.poll_read(&mut cx(), &mut buffer), Poll::Ready(Ok(100))));
    let read = near.poll_read(&mut cx(), &mut buffer);
    assert!(matches!(read, Poll::Ready(Err(_))), "it is reset: {read:?}");
    assert_eq!(service.held(), Held::default());
}

/// Holds what is written, and fails when it is to pass it on.
struct Breaks(MemoryWire);

impl Wire for Breaks {
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        self.0.poll_read(cx, buffer)
    }

    fn poll_write(&mut self, _cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(&mut self, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()))
    }

    fn poll_close_write(&mut self, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn reset(&mut self) {
        self.0.reset();
    }
}

#[test]
fn a_flush_that_fails_ends_the_connection() {
    for request in ["", "GET / HTTP/1.1\r\nHost: a\r\n\r\n"] {
        let service = service(&Clock::manual(), |_: Request| async { "fine" });
        let (mut near, far) = pair(100);
        let connected = service.connect(Breaks(far), Peer::Unix(None), Peer::Unix(None));
        let mut driver = connected.unwrap_or_else(|why| panic!("{why}"));
        if !request.is_empty() {
            send(&mut near, request);
        }
        assert!(Pin::new(&mut driver).poll(&mut cx()).is_ready(), "{request}");
        drop(driver);
        assert_eq!(service.held(), Held::default());
        let (_near, far) = pair(100);
        let mut connection = over(Breaks(far));
        let mut last = None;
        while let Poll::Ready(Some(event)) = connection.poll_event(&mut cx()) {
            last = Some(event);
        }
        assert!(matches!(last, Some(Event::Closed(_))), "{last:?}");
    }
}

/// Sends a byte of its own behind each read, which takes at most so many bytes, until its output is ended.
struct Acknowledges(Buffering<MemoryWire>, usize, bool);

impl Wire for Acknowledges {
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let at_most = buffer.len().min(self.1);
        let read = self.0.poll_read(cx, &mut buffer[..at_most]);
        if !self.2 && matches!(read, Poll::Ready(Ok(1..))) {
            assert!(self.0.poll_write(cx, b"!").is_ready());
        }
        read
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.0.poll_write(cx, bytes)
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_flush(cx)
    }

    fn poll_close_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.2 = true;
        self.0.poll_close_write(cx)
    }

    fn reset(&mut self) {
        self.0.reset();
    }
}

#[test]
fn bytes_of_the_wires_own_leave_before_the_task_sleeps_and_before_the_half_close() {
    let request = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let service = service(&Clock::manual(), |_: Request| async { "fine" });
    let (mut near, far) = pair(1000);
    let wire = Acknowledges(Buffering::new(far), request.len() - 1, false);
    let connected = service.connect(wire, Peer::Unix(None), Peer::Unix(None));
    let mut driver = connected.unwrap_or_else(|why| panic!("{why}"));
    send(&mut near, &request[..9]);
    assert!(Pin::new(&mut driver).poll(&mut cx()).is_pending());
    assert_eq!(read(&mut near, 1000).unwrap(), b"!");
    send(&mut near, &format!("{}{}", &request[9..], "excess".repeat(10)));
    assert!(Pin::new(&mut driver).poll(&mut cx()).is_pending());
    let text = String::from_utf8(read(&mut near, 1000).unwrap()).unwrap();
    assert_eq!(read(&mut near, 1000), None);
    assert!(text.starts_with("!HTTP/1.1 200 ") && text.ends_with("fine!"), "{text}");

    let (mut near, far) = pair(1000);
    let mut connection = over(Acknowledges(Buffering::new(far), 1000, false));
    send(&mut near, &request[..9]);
    while connection.poll_event(&mut cx()).is_ready() {}
    assert_eq!(read(&mut near, 1000).unwrap(), b"!");
}

/// Time stands still.
struct NeverTimer;

impl Timer for NeverTimer {
    fn poll_until(&mut self, _cx: &mut Context<'_>, _at: Instant) -> Poll<()> {
        Poll::Pending
    }
}

fn over<W: Wire>(wire: W) -> Connection<W, NeverTimer> {
    let compiled = Arc::new(CompiledConfig::new(&ChannelConfig::default()));
    Connection::new(wire, NeverTimer, compiled, httpfsm::channel::Facts::default())
}

/// A streamed response that has been written.
fn written() -> (MemoryWire, Connection<Buffering<MemoryWire>, NeverTimer>) {
    let (mut near, far) = pair(100);
    let mut connection = over(Buffering::new(far));
    send(&mut near, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    while connection.poll_event(&mut cx()).is_ready() {}
    connection.respond(ResponseRef::stream(Status::OK, &Fields::new(), Some(BODY as u64))).unwrap();
    assert!(pin!(connection.write(vec![b'x'; BODY])).poll(&mut cx()).is_ready());
    (near, connection)
}

#[test]
fn the_end_of_a_response_of_level_1_has_left_the_wire() {
    let (mut near, mut connection) = written();
    let mut received = Vec::new();
    while pin!(connection.finish(None)).poll(&mut cx()).is_pending() {
        received.extend(read(&mut near, 10).unwrap());
    }
    drop(connection);
    while let Some(bytes) = read(&mut near, 10) {
        received.extend(bytes);
    }
    let text = String::from_utf8(received).unwrap();
    assert!(text.ends_with(&format!("\r\n\r\n{}", "x".repeat(BODY))), "{text}");
}

#[test]
fn what_a_wire_holds_is_not_written_again_by_the_next_driver() {
    let (mut near, mut connection) = written();
    assert!(pin!(connection.finish(None)).poll(&mut cx()).is_pending());
    let parts = connection.into_parts();
    assert!(parts.channel.unsent().is_empty());
    let (mut wire, mut received) = (parts.wire.unwrap(), Vec::new());
    while wire.poll_flush(&mut cx()).is_pending() {
        received.extend(read(&mut near, 10).unwrap());
    }
    drop(wire);
    while let Some(bytes) = read(&mut near, 10) {
        received.extend(bytes);
    }
    let text = String::from_utf8(received).unwrap();
    assert!(text.ends_with(&format!("\r\n\r\n{}", "x".repeat(BODY))), "{text}");
}

#[test]
fn an_upgraded_connection_is_flushed_as_far_as_it_goes_and_waits_for_the_rest() {
    let future = Arc::new(Mutex::new(None::<UpgradeFuture>));
    let given = Arc::clone(&future);
    let service = service(&Clock::manual(), move |request: Request| {
        *given.lock().unwrap() = Some(request.upgrade());
        async { Response::switching_protocols("echo") }
    });
    let (mut near, far) = pair(200);
    let connected = service.connect(Buffering::new(far), Peer::Unix(None), Peer::Unix(None));
    let mut driver = connected.unwrap_or_else(|why| panic!("{why}"));
    send(&mut near, "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n");
    assert!(Pin::new(&mut driver).poll(&mut cx()).is_ready());
    let head = String::from_utf8(read(&mut near, 200).unwrap()).unwrap();
    assert!(head.starts_with("HTTP/1.1 101 ") && head.ends_with("\r\n\r\n"), "{head}");
    let upgrade = future.lock().unwrap().take().unwrap();
    let Poll::Ready(Ok(mut upgraded)) = pin!(upgrade).poll(&mut cx()) else { panic!("no upgrade") };
    // Nobody has to flush what the wire can pass on.
    assert!(pin!(upgraded.write_all(b"first")).poll(&mut cx()).is_ready());
    assert_eq!(read(&mut near, 200).unwrap(), b"first");
    assert!(pin!(upgraded.write_all(&[b'x'; 300])).poll(&mut cx()).is_ready());
    assert!(pin!(upgraded.flush()).poll(&mut cx()).is_pending());
    assert!(pin!(upgraded.close()).poll(&mut cx()).is_pending());
    assert_eq!(read(&mut near, 200).unwrap(), [b'x'; 200]);
    assert!(pin!(upgraded.close()).poll(&mut cx()).is_ready());
    assert_eq!(read(&mut near, 200).unwrap(), [b'x'; 100]);
    assert_eq!(read(&mut near, 200), None);
}
