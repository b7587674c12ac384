//! The memory of responses: pieces for which room is reserved, output that is held up, and what a wire keeps.

use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use httpfsm::config::ServerConfig;
use httpfsm::handler::{
    Body, BodyFailure, Frame, Handler, MemoryHandle, Request, ReserveFuture, Response, Source, UpgradeFuture,
};
use httpfsm_transport::Wire;
use httpfsm_transport::memory::{MemoryClient, MemoryServer, MemoryWire};

use crate::memory::{KIB, NoRooms, config, end};
use crate::support::poll;

/// A response of pieces for which room is reserved.
struct Reserves {
    memory: MemoryHandle,
    reserving: Option<ReserveFuture>,
    left: usize,
}

impl Source for Reserves {
    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Frame> {
        if self.left == 0 {
            return Poll::Ready(Frame::End);
        }
        let (memory, bytes) = (self.memory.clone(), self.left.min(256 * KIB));
        let reserving = self.reserving.get_or_insert_with(|| memory.reserve(bytes));
        let Poll::Ready(reserved) = Pin::new(reserving).poll(cx) else { return Poll::Pending };
        self.reserving = None;
        Poll::Ready(match reserved {
            Ok(reserved) => {
                let piece = vec![b'x'; reserved.bytes()];
                self.left -= piece.len();
                Frame::Data(reserved.attach(piece))
            }
            Err(none) => Frame::Error(BodyFailure::source(none)),
        })
    }
}

fn reserves(request: Request) -> std::future::Ready<Response> {
    let source = Reserves { memory: request.memory(), reserving: None, left: 1 << 20 };
    std::future::ready(Response::new(httpfsm::Status::OK).with_body(Body::stream(source)))
}

/// How many bytes the client takes, and lets the server send more. If there were none, there would be none for ever.
#[track_caller]
fn take<H: Handler>(server: &mut MemoryServer<H>, client: &MemoryClient) -> usize {
    let taken = client.take().len();
    assert!(taken > 0, "nothing comes any more");
    server.run();
    taken
}

const GET: &str = "GET / HTTP/1.0\r\n\r\n";

#[test]
fn pieces_of_slow_readers_stay_within_the_limit_and_who_reads_gets_all_of_its_response() {
    let mut server = MemoryServer::new(config(2 << 20), reserves);
    let clients: Vec<_> = (0..150).map(|_| server.connect().unwrap()).collect();
    for client in &clients {
        client.send(GET);
        server.run();
        assert!(server.held().memory.total() <= 2 << 20, "{:?}", server.held());
    }
    assert!(server.held().memory.total() > 1 << 20, "{:?}", server.held());
    let mut received = vec![0; clients.len()];
    while !clients.iter().all(MemoryClient::is_ended) {
        let before: usize = received.iter().sum();
        for (client, received) in clients.iter().zip(&mut received) {
            *received += client.take().len();
            server.run();
        }
        assert!(received.iter().sum::<usize>() > before, "nothing comes any more");
    }
    clients.iter().zip(&mut received).for_each(|(client, received)| *received += client.take().len());
    assert!(received.iter().all(|&bytes| bytes > 1 << 20));
    end(&mut server, &clients);
}

#[test]
fn a_piece_that_finds_no_room_in_time_has_its_response_cut_and_the_subscriber_hears_of_it_once() {
    let heard = Arc::<NoRooms>::default();
    let mut server = MemoryServer::with(config(2 << 20), 64 << 10, Some(heard.clone()), reserves);
    let clients: Vec<_> = (0..150).map(|_| server.connect().unwrap()).collect();
    clients.iter().for_each(|client| client.send(GET));
    server.run();
    server.advance(Duration::from_millis(9_999));
    assert_eq!(heard.count(), 0);
    server.advance(Duration::from_millis(1));
    let cut = clients.iter().filter(|client| client.is_reset()).count();
    assert!(cut > 10 && heard.count() == cut, "{cut} are cut, {} are told of", heard.count());
    assert!(heard.0.lock().unwrap().iter().all(|(has_connection, _)| !has_connection));
    assert_eq!(*heard.1.lock().unwrap(), [""; 0], "that is no failure beside");
    end(&mut server, &clients);
}

#[test]
fn while_others_wait_for_room_nobody_who_has_enough_to_send_waits_for_more() {
    let mut server = MemoryServer::with(config(2 << 20), 1 << 10, None, reserves);
    let clients: Vec<_> = (0..150).map(|_| server.connect().unwrap()).collect();
    for client in &clients {
        client.send(GET);
        server.run();
    }
    // The first one got its pieces, and has some 16 KiB of them left.
    let mut received = 0;
    while received < 48 * KIB {
        received += take(&mut server, &clients[0]);
    }
    server.advance(Duration::from_secs(10));
    let cut = clients.iter().filter(|client| client.is_reset()).count();
    assert!(cut > 10 && !clients[0].is_ended(), "{cut} of those who had nothing are cut");
    while !clients[0].is_ended() {
        received += take(&mut server, &clients[0]);
    }
    assert!(received + clients[0].take().len() > 1 << 20, "{received}");
    end(&mut server, &clients);
}

#[test]
fn without_room_a_source_is_not_asked_for_more_than_a_little_output() {
    // Pieces without a reservation, which the channel copies.
    let mut server = MemoryServer::with(config(100 * KIB), 1 << 10, None, |_: Request| async {
        let source = Body::from_fn(|_| Poll::Ready(Frame::Data(vec![b'x'; 2000].into())));
        Response::new(httpfsm::Status::OK).with_body(source)
    });
    let clients: Vec<_> = (0..100).map(|_| server.connect().unwrap()).collect();
    for client in &clients {
        client.send(GET);
        server.run();
    }
    // Each may have 4 KiB and one piece.
    let held = server.held().memory.output;
    assert!(held > 100 << 10 && held <= (200 + 100 * 8) << 10, "{held}");
    // Who reads goes on, although there is no room.
    let mut received = 0;
    for _ in 0..100 {
        received += clients[99].take().len();
        server.run();
    }
    assert!(received > 50_000, "{received}");
}

#[test]
fn without_room_no_request_is_taken_up_behind_a_response_that_its_peer_does_not_read() {
    let mut server =
        MemoryServer::with(config(100 * KIB), 1 << 10, None, |_: Request| async { "x".repeat(1000) });
    let pipeline = "GET / HTTP/1.1\r\nHost: a\r\n\r\n".repeat(1000);
    let clients: Vec<_> = (0..100).map(|_| server.connect().unwrap()).collect();
    for client in &clients {
        client.send(&pipeline);
        server.run();
    }
    let held = server.held().memory;
    assert!(held.total() > 100 << 10 && held.output <= (200 + 100 * 8) << 10, "{held:?}");
    let mut text = String::new();
    for _ in 0..3000 {
        text += &clients[99].take_text();
        server.run();
    }
    assert_eq!(text.matches("HTTP/1.1 ").count(), 1000);
}

/// A wire that keeps 1000 bytes for its connection.
struct Keeps(MemoryWire);

impl Wire for Keeps {
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        self.0.poll_read(cx, buffer)
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.0.poll_write(cx, bytes)
    }

    fn poll_close_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_close_write(cx)
    }

    fn held(&self) -> usize {
        1000
    }

    fn reset(&mut self) {
        self.0.reset();
    }
}

#[test]
fn what_a_wire_keeps_is_charged_as_output_also_when_the_connection_is_upgraded() {
    let kept = Arc::<Mutex<Vec<UpgradeFuture>>>::default();
    let its = Arc::clone(&kept);
    let handler = move |request: Request| {
        its.lock().unwrap().push(request.upgrade());
        std::future::ready(Response::switching_protocols("x"))
    };
    let mut server = MemoryServer::wrapped(ServerConfig::default(), 64 << 10, None, handler, Keeps);
    let clients = [server.connect().unwrap(), server.connect().unwrap()];
    server.run();
    assert_eq!(server.held().memory.output, 2000);
    clients[0].send("GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n");
    server.run();
    assert!(clients[0].take_text().starts_with("HTTP/1.1 101 "));
    assert_eq!((server.connections(), server.held().memory.output), (1, 2000));
    let upgraded = poll(kept.lock().unwrap().pop().unwrap());
    assert_eq!((upgraded.is_ready(), server.held().memory.output), (true, 2000));
    drop(upgraded);
    assert_eq!(server.held().memory.output, 1000);
    end(&mut server, &clients);
}
