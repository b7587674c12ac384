//! The ledger tells what a server holds: under all attacks at once, what is allocated is the ledger's total and a constant
//! for each connection, within a tenth.
#![allow(clippy::unwrap_used)]

use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use allocation_counter::measure;
use httpfsm::config::{Bodies, ServerConfig};
use httpfsm::handler::{
    Body, BodyFailure, Frame, Handler, MemoryHandle, MemoryUse, Request, ReserveFuture, Response, Source,
};
use httpfsm::{Peer, Status};
use httpfsm_transport::{Clock, Driver, Inline, Service, Wire};

/// Connections of each attack.
const EACH: usize = 40;

/// What a connection takes beside what is charged: itself, its request and its handler.
const CONNECTION: u64 = 2 << 10;

/// A peer without memory of its own: sends these bytes, each so many times, and takes so many.
#[derive(Clone, Copy)]
struct Attack {
    name: &'static str,
    sends: &'static [(&'static str, usize)],
    takes: usize,
}

const ATTACKS: &[Attack] = &[
    Attack { name: "a slow reader", sends: &[("GET /large HTTP/1.1\r\nHost: a\r\n\r\n", 1)], takes: 100 },
    Attack {
        name: "a slow sender to a handler that does not read on",
        sends: &[
            ("POST /unread HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 100000\r\n\r\n", 1),
            ("0123456789", 6000),
        ],
        takes: 100,
    },
    Attack {
        name: "half a head",
        sends: &[("GET / HTTP/1.1\r\nHost: a\r\nX: ", 1), ("0123456789", 2000)],
        takes: 100,
    },
    Attack { name: "a pipeline", sends: &[("GET /text HTTP/1.1\r\nHost: a\r\n\r\n", 1000)], takes: 100 },
    Attack {
        name: "a body that is gathered",
        sends: &[("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n", 1), ("0123456789", 7000)],
        takes: 100,
    },
    Attack {
        name: "an upgraded connection",
        sends: &[("GET /upgrade HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n", 1)],
        takes: 1000,
    },
];

/// An attack under way.
struct AttackWire {
    attack: Attack,
    /// The part that is being sent, how often it was, and how much of it was.
    at: (usize, usize, usize),
}

impl Wire for AttackWire {
    fn poll_read(&mut self, _: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut read = 0;
        while read < buffer.len() {
            let (part, times, from) = self.at;
            let Some((text, all)) = self.attack.sends.get(part) else { break };
            let bytes = &text.as_bytes()[from..];
            let taken = bytes.len().min(buffer.len() - read);
            buffer[read..read + taken].copy_from_slice(&bytes[..taken]);
            read += taken;
            self.at = match (taken < bytes.len(), times + 1 < *all) {
                (true, _) => (part, times, from + taken),
                (false, true) => (part, times + 1, 0),
                (false, false) => (part + 1, 0, 0),
            };
        }
        if read == 0 { Poll::Pending } else { Poll::Ready(Ok(read)) }
    }

    fn poll_write(&mut self, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let taken = bytes.len().min(self.attack.takes);
        self.attack.takes -= taken;
        if taken == 0 { Poll::Pending } else { Poll::Ready(Ok(taken)) }
    }

    fn poll_close_write(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn reset(&mut self) {}
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
            // Whoever has the connection holds it. Nobody is there to be told that it is the application's.
            std::mem::forget(request.upgrade());
            Response::switching_protocols("x")
        }
        _ => Response::text("fine"),
    }
}

/// The crowd, and what it was made with.
struct Crowd<H: Handler> {
    service: Arc<Service<H>>,
    drivers: Vec<Driver<H, AttackWire>>,
}

impl<H: Handler> Crowd<H> {
    fn gather(config: ServerConfig, handler: H, attacks: &[Attack]) -> Self {
        let service = Service::new(config, Clock::manual(), Arc::new(Inline), None, handler);
        let drivers = attacks.iter().flat_map(|attack| {
            let wire = move || AttackWire { attack: *attack, at: (0, 0, 0) };
            (0..EACH).map(move |_| wire())
        });
        let peer = || Peer::Unix(None);
        let drivers = drivers.map(|wire| service.connect(wire, peer(), peer()).unwrap());
        let mut crowd = Self { drivers: drivers.collect(), service };
        // Some are refused, which lets others go on.
        for _ in 0..10 {
            crowd.drivers.retain_mut(|driver| {
                Pin::new(driver).poll(&mut Context::from_waker(Waker::noop())).is_pending()
            });
        }
        crowd
    }
}

fn config(max_buffered_bytes: u64) -> ServerConfig {
    let mut config = ServerConfig { max_buffered_bytes, ..ServerConfig::default() };
    config.channel.bodies = Some(Bodies::Whole);
    config
}

/// What the attacks take, by the allocator and by the ledger, and how many connections are left.
fn attacked(limit: u64, attacks: &[Attack]) -> (u64, MemoryUse, u64) {
    let mut crowd = None;
    let taken = measure(|| crowd = Some(Crowd::gather(config(limit), application, attacks)));
    let crowd = crowd.unwrap();
    let (memory, connections) = (crowd.service.held().memory, crowd.service.held().channels);
    let service = Arc::clone(&crowd.service);
    drop(crowd);
    assert_eq!(service.held().memory, MemoryUse::default());
    (u64::try_from(taken.bytes_current).unwrap(), memory, connections)
}

#[test]
fn what_is_allocated_under_attack_is_what_the_ledger_says_and_a_constant_for_each_connection() {
    // Buffers of the thread and of the service.
    let _ = attacked(0, ATTACKS);
    for attacks in ATTACKS.iter().map(std::slice::from_ref).chain([ATTACKS]) {
        let (taken, memory, connections) = attacked(512 << 20, attacks);
        let (charged, beside) = (memory.total(), connections * CONNECTION);
        let name = attacks.iter().map(|attack| attack.name).collect::<Vec<_>>().join(", ");
        let text =
            format!("{name}: {taken} allocated, {charged} charged, {connections} connections: {memory:?}");
        assert_eq!(connections as usize, attacks.len() * EACH, "{text}");
        assert!(taken.saturating_sub(beside).abs_diff(charged) <= charged / 10, "{text}");
    }
}

#[test]
fn under_attack_no_more_is_allocated_than_the_limit_and_what_is_always_granted() {
    for limit in [1 << 20, 2 << 20, 4 << 20] {
        let (taken, memory, connections) = attacked(limit, ATTACKS);
        // 4 KiB of input and of output each, and a response of 1 KiB behind it.
        let granted = connections * (CONNECTION + (4 << 10) + (6 << 10));
        assert!(taken <= limit + granted, "{taken} under {limit}: {memory:?}");
    }
}
