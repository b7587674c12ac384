//! The ledger tells what a server holds, on each transport: under all attacks at once, what is allocated is the ledger's
//! total and a constant for each connection, within a tenth; and a limit bounds it.
//!
//! Of Unix sockets the system buffers little, so that the server has to hold the rest.
#![allow(clippy::unwrap_used)]

use std::future::{Future, poll_fn};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::thread;
use std::time::{Duration, Instant};

use httpfsm::config::Bodies;
use httpfsm::handler::{Body, BodyFailure, Frame, MemoryHandle, MemoryUse, ReserveFuture, Source};
use httpfsm::{Request, Response, ServerConfig, Status};
use httpfsm_async_std::AsyncStd;
use httpfsm_async_std::smol::Smol;
use httpfsm_blocking::Blocking;
use httpfsm_tokio::Tokio;
use httpfsm_transport::{Server, ServerHandle, Transport, block_on};
use peak_alloc::PeakAlloc;
use tokio::runtime::Runtime;

#[global_allocator]
static ALLOCATED: PeakAlloc = PeakAlloc;

/// Connections of each attack.
const EACH: usize = 20;

/// Long enough for a loaded machine; nothing waits for it unless it fails.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a connection takes beside what is charged: its task, its request and its handler.
const CONNECTION: usize = 4 << 10;

/// Buffers of threads that have served nobody before.
const THREADS: usize = 512 << 10;

/// Without a change in this time, everything stands still.
const STILL: Duration = Duration::from_millis(300);

/// Sent, then so many bytes, by a peer that reads nothing.
struct Attack {
    begin: &'static str,
    more: &'static str,
    times: usize,
}

const fn attack(begin: &'static str, more: &'static str, times: usize) -> Attack {
    Attack { begin, more, times }
}

const ATTACKS: [Attack; 6] = [
    attack("GET /large HTTP/1.1\r\nHost: a\r\n\r\n", "", 0),
    attack(
        "POST /unread HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 100000\r\n\r\n",
        "0123456789",
        6000,
    ),
    attack("GET / HTTP/1.1\r\nHost: a\r\nX: ", "0123456789", 2000),
    attack("", "GET /text HTTP/1.1\r\nHost: a\r\n\r\n", 2000),
    attack("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n", "0123456789", 7000),
    attack("GET /upgrade HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n", "", 0),
];

/// A peer, and what it has still to send.
struct Peer {
    stream: UnixStream,
    left: Vec<u8>,
}

impl Peer {
    fn new(attack: &Attack, place: &Path) -> Self {
        let stream = UnixStream::connect(place).unwrap();
        stream.set_nonblocking(true).unwrap();
        let left = [attack.begin.to_owned(), attack.more.repeat(attack.times)].concat().into_bytes();
        Self { stream, left }
    }

    /// Sends what the server takes; whether it took something.
    fn send(&mut self) -> bool {
        match self.stream.write(&self.left) {
            Ok(sent) => {
                self.left.drain(..sent);
                if self.left.is_empty() {
                    self.left = Vec::new();
                }
                sent > 0
            }
            Err(error) => {
                // It may have been refused.
                if error.kind() != ErrorKind::WouldBlock {
                    self.left = Vec::new();
                }
                false
            }
        }
    }
}

/// Has the threads of a server make what they keep: some requests, whose connections are over.
fn warm_up(server: &ServerHandle, place: &Path) {
    let mut streams: Vec<_> = (0..16).map(|_| UnixStream::connect(place).unwrap()).collect();
    let request = b"GET /text HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    streams.iter_mut().for_each(|stream| stream.write_all(request).unwrap());
    let read = |stream: &mut UnixStream| stream.read_to_end(&mut Vec::new()).unwrap();
    assert!(streams.iter_mut().map(read).all(|length| length > 1000));
    drop(streams);
    while server.stats().n_channels > 0 {
        thread::sleep(Duration::from_millis(5));
    }
}

/// All attacks, when the server stands still.
fn crowd(server: &ServerHandle, place: &Path, each: usize) -> Vec<Peer> {
    let mut peers: Vec<_> =
        ATTACKS.iter().flat_map(|attack| (0..each).map(|_| Peer::new(attack, place))).collect();
    let (mut since, mut memory) = (Instant::now(), server.memory());
    while since.elapsed() < STILL {
        thread::sleep(Duration::from_millis(5));
        let sent = peers.iter_mut().filter(|peer| !peer.left.is_empty()).any(Peer::send);
        let now = server.memory();
        if sent || memory != now {
            (since, memory) = (Instant::now(), now);
        }
    }
    peers
}

/// Reserves room for each of its pieces.
struct Pieces {
    memory: MemoryHandle,
    reserving: Option<ReserveFuture>,
}

impl Source for Pieces {
    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Frame> {
        let memory = self.memory.clone();
        let reserving = self.reserving.get_or_insert_with(|| memory.reserve(64 << 10));
        let Poll::Ready(reserved) = Pin::new(reserving).poll(cx) else { return Poll::Pending };
        self.reserving = None;
        Poll::Ready(match reserved {
            Ok(reserved) => {
                let piece = vec![b'x'; reserved.bytes()];
                Frame::Data(reserved.attach(piece))
            }
            Err(none) => Frame::Error(BodyFailure::source(none)),
        })
    }
}

async fn application(mut request: Request) -> Response {
    match request.path() {
        "/large" => {
            let source = Pieces { memory: request.memory(), reserving: None };
            Response::new(Status::OK).with_body(Body::stream(source))
        }
        "/unread" => {
            // Asks for the body, and takes nothing of it.
            let _ = poll_fn(|cx| Poll::Ready(request.body().poll_data(cx).is_ready())).await;
            std::future::pending().await
        }
        "/text" => Response::text("x".repeat(1000)),
        "/upgrade" => {
            // Somebody holds the connection for ever.
            std::mem::forget(request.upgrade());
            Response::switching_protocols("x")
        }
        _ => Response::text("fine"),
    }
}

/// What the attacks take, by the allocator and by the ledger.
fn attacked<T: Transport>(transport: T, name: &str, limit: u64) -> (usize, MemoryUse) {
    let mut config =
        ServerConfig { max_buffered_bytes: limit, room_timeout: None, ..ServerConfig::default() };
    config.channel.bodies = Some(Bodies::Whole);
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("socket");
    let server = Server::on(transport, config).listen_unix(&place).serve(application).unwrap();
    warm_up(&server, &place);
    let before = ALLOCATED.current_usage();
    let mut peers = crowd(&server, &place, EACH);
    peers.iter_mut().for_each(|peer| peer.left = Vec::new());
    let (taken, memory) = (ALLOCATED.current_usage().saturating_sub(before), server.memory());
    server.begin_drain(Some(Duration::ZERO));
    block_on(server.gone());
    // Workers drop handlers and sources behind their connections, and other threads close files.
    let deadline = Instant::now() + PATIENCE;
    while server.memory() != MemoryUse::default() {
        assert!(Instant::now() < deadline, "on {name}: {:?}", server.memory());
        thread::sleep(Duration::from_millis(5));
    }
    (taken, memory)
}

fn check<T: Transport>(transport: impl Fn() -> T, name: &str) {
    let connections = EACH * ATTACKS.len();
    let (taken, memory) = attacked(transport(), name, 512 << 20);
    let (charged, beside) = (memory.total() as usize, connections * CONNECTION);
    let text = format!("on {name}: {taken} allocated, {charged} charged: {memory:?}");
    assert!(taken.saturating_sub(beside).abs_diff(charged) <= charged / 10, "{text}");
    assert!(charged > 4 << 20, "{text}");
    let limit = 2 << 20;
    let (taken, memory) = attacked(transport(), name, limit as u64);
    // 4 KiB of input, of output and of a gathered body each, and one response of 1 KiB.
    let granted = connections * (CONNECTION + (8 << 10) + (6 << 10));
    assert!(taken <= limit + granted + THREADS, "on {name}: {taken} allocated under {limit}: {memory:?}");
}

#[test]
fn on_each_transport_what_is_allocated_under_attack_is_what_the_ledger_says() {
    let runtime = Runtime::new().unwrap();
    let entered = runtime.enter();
    check(Tokio::default, "tokio");
    drop(entered);
    check(AsyncStd::default, "async-std");
    check(Smol::default, "smol");
    check(|| Blocking::default().workers(2), "blocking");
}
