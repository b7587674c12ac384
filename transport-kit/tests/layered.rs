//! A wire that a layer makes of another: what leaves, what is held, who is woken, and how it ends.
//!
//! These were seen to fail on changes to `layered.rs`, one at a time:
//!
//! | broken | found by |
//! |---|---|
//! | a flush is ready before all has left | `a_flush_is_ready_when_the_wire_below_has_all` and five more |
//! | the half-close leaves out the layer's end | `the_half_close_is_the_layers_end_and_then_that_of_the_wire_and_input_goes_on` and six more |
//! | reads pass on no replies | tests that then never end |
//! | replies have no bound | `nothing_is_received_while_16_kib_of_replies_wait` |
//! | one of two tasks is woken | `a_reader_and_a_writer_in_tasks_of_their_own_are_both_woken` |
//! | who else waits is not told that all was sent | `a_writer_is_woken_when_another_task_has_sent_what_it_waits_for` |
//! | replies are sent behind our end | `behind_our_end_nothing_is_sent` |
//! | a writer that was refused is not woken | `a_write_before_the_handshake_waits_for_it` |
//! | a write is refused for ever | `a_write_before_the_handshake_fails_when_there_will_be_none` |
//! | a buffer is kept when all is sent, or does not shrink | `a_flush_is_ready_when_the_wire_below_has_all`, `at_most_64_kib_are_taken_at_once_and_nothing_piles_up` |
#![allow(clippy::unwrap_used)]

use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use httpfsm::channel::{CompiledConfig, Facts};
use httpfsm::config::{ChannelConfig, ServerConfig};
use httpfsm::error::CloseReason;
use httpfsm::handler::{ConnectionInfo, Handler, Request, Response, Subscriber};
use httpfsm::peer::Peer;
use httpfsm::response::ResponseRef;
use httpfsm::{Fields, Status};
use httpfsm_transport::memory::{MemoryWire, pair};
use httpfsm_transport::{
    Clock, Connection, Event, Held, Inline, Layer, LayerError, Layered, Service, Timer, Wire,
};
use httpfsm_transport_kit::ToyLayer;

type Toy = Layered<MemoryWire, ToyLayer>;

/// A client and a server over connections that hold so many bytes.
fn toys(capacity: usize) -> (Toy, Toy) {
    let (near, far) = pair(capacity);
    (Layered::new(near, ToyLayer::client()), Layered::new(far, ToyLayer::server()))
}

/// The same after their handshake.
fn established(capacity: usize) -> (Toy, Toy) {
    let (mut client, mut server) = toys(capacity);
    for _ in 0..20 {
        for wire in [&mut client, &mut server] {
            let _ = wire.poll_flush(&mut cx()).map(Result::unwrap);
            assert!(wire.poll_read(&mut cx(), &mut [0]).is_pending());
        }
    }
    assert!(client.layer().is_established() && server.layer().is_established());
    (client, server)
}

fn cx() -> Context<'static> {
    Context::from_waker(Waker::noop())
}

#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Woken {
    fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

/// A waker, and how often it was woken.
fn waker() -> (Waker, Arc<Woken>) {
    let woken = Arc::new(Woken::default());
    (Waker::from(Arc::clone(&woken)), woken)
}

/// What came of one poll of a read.
fn read(wire: &mut impl Wire, at_most: usize) -> Poll<io::Result<Vec<u8>>> {
    let mut buffer = vec![0; at_most];
    wire.poll_read(&mut cx(), &mut buffer).map_ok(|bytes| buffer[..bytes].to_vec())
}

/// All that is there, and how it ends, if it does.
fn read_all(wire: &mut impl Wire) -> (Vec<u8>, Option<io::Result<()>>) {
    let mut all = Vec::new();
    loop {
        match read(wire, 700) {
            Poll::Pending => return (all, None),
            Poll::Ready(Ok(bytes)) if bytes.is_empty() => return (all, Some(Ok(()))),
            Poll::Ready(Ok(bytes)) => all.extend(bytes),
            Poll::Ready(Err(error)) => return (all, Some(Err(error))),
        }
    }
}

/// Writes and flushes all of it; it fits.
fn write(wire: &mut impl Wire, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        let Poll::Ready(Ok(taken)) = wire.poll_write(&mut cx(), bytes) else {
            panic!("{} left", bytes.len())
        };
        bytes = &bytes[taken..];
        assert!(matches!(wire.poll_flush(&mut cx()), Poll::Ready(Ok(()))), "{} left", bytes.len());
    }
}

/// Bytes that are not all the same.
fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|place| (place * 7 + place / 251) as u8).collect()
}

/// Tasks that are polled when they were woken, until none is.
fn run(tasks: &mut [&mut dyn FnMut(&mut Context<'_>)]) {
    let wakers: Vec<_> = tasks.iter().map(|_| waker()).collect();
    let mut seen = vec![usize::MAX; tasks.len()];
    for _ in 0..1_000_000 {
        let mut woken = false;
        for (n, task) in tasks.iter_mut().enumerate() {
            let count = wakers[n].1.count();
            if std::mem::replace(&mut seen[n], count) != count {
                woken = true;
                task(&mut Context::from_waker(&wakers[n].0));
            }
        }
        if !woken {
            return;
        }
    }
    panic!("a task is woken for ever");
}

/// Sends bytes and then the end, and reads to the end.
struct Exchange {
    sends: Vec<u8>,
    sent: usize,
    piece: usize,
    flushed: bool,
    closed: bool,
    received: Vec<u8>,
    peer_ended: bool,
}

impl Exchange {
    fn new(length: usize, piece: usize) -> Self {
        let (sends, received) = (pattern(length), Vec::new());
        Self { sends, sent: 0, piece, flushed: true, closed: false, received, peer_ended: false }
    }

    fn poll(&mut self, wire: &mut impl Wire, cx: &mut Context<'_>) {
        let mut buffer = [0; 613];
        while !self.peer_ended {
            match wire.poll_read(cx, &mut buffer) {
                Poll::Pending => break,
                Poll::Ready(read) => match read.unwrap() {
                    0 => self.peer_ended = true,
                    bytes => self.received.extend_from_slice(&buffer[..bytes]),
                },
            }
        }
        while !self.closed {
            if !self.flushed {
                match wire.poll_flush(cx) {
                    Poll::Pending => return,
                    Poll::Ready(flushed) => flushed.unwrap(),
                }
                self.flushed = true;
            }
            let piece = &self.sends[self.sent..self.sends.len().min(self.sent + self.piece)];
            if piece.is_empty() {
                match wire.poll_close_write(cx) {
                    Poll::Pending => return,
                    Poll::Ready(closed) => closed.unwrap(),
                }
                self.closed = true;
                return;
            }
            match wire.poll_write(cx, piece) {
                Poll::Pending => return,
                Poll::Ready(taken) => self.sent += taken.unwrap(),
            }
            self.flushed = false;
        }
        let _ = wire.poll_flush(cx).map(Result::unwrap);
    }
}

#[test]
fn bytes_go_both_ways_whatever_the_wire_below_takes_and_nobody_sleeps_for_ever() {
    for capacity in [1, 3, 100, 4096, 70_000] {
        for (ours, theirs, piece) in [(0, 0, 1), (1, 40_000, 17), (60_000, 60_000, 100_000), (3000, 1, 999)] {
            let (mut client, mut server) = toys(capacity);
            let (mut at_client, mut at_server) = (Exchange::new(ours, piece), Exchange::new(theirs, piece));
            run(&mut [&mut |cx| at_client.poll(&mut client, cx), &mut |cx| at_server.poll(&mut server, cx)]);
            let what = format!("{capacity} {ours} {theirs} {piece}");
            assert!(at_client.closed && at_server.closed, "{what}");
            assert!(at_client.peer_ended && at_server.peer_ended, "{what}");
            assert!(at_client.received == at_server.sends, "{what}");
            assert!(at_server.received == at_client.sends, "{what}");
            assert_eq!((client.held(), server.held()), (0, 0), "{what}");
        }
    }
}

#[test]
fn an_end_below_without_the_layers_own_is_an_error_behind_the_last_bytes() {
    let (mut client, mut server) = established(10_000);
    write(&mut client, b"bytes");
    drop(client);
    let (bytes, end) = read_all(&mut server);
    assert_eq!(bytes, b"bytes");
    let error = end.unwrap().unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    assert!(matches!(error.get_ref().unwrap().downcast_ref(), Some(LayerError::Truncated)));
    assert_eq!(
        error.to_string(),
        "The connection ended before the end of the protocol below HTTP, so what came may be cut."
    );
    // It stays one.
    assert_eq!(read_all(&mut server).1.unwrap().unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
}

#[test]
fn the_half_close_is_the_layers_end_and_then_that_of_the_wire_and_input_goes_on() {
    let (mut client, mut server) = established(10_000);
    write(&mut server, b"last");
    assert!(server.owes_end());
    assert!(matches!(server.poll_close_write(&mut cx()), Poll::Ready(Ok(()))));
    assert!(!server.owes_end());
    let (bytes, end) = read_all(&mut client);
    assert_eq!((bytes, end.map(|end| end.is_ok())), (b"last".to_vec(), Some(true)));
    write(&mut client, b"more");
    assert_eq!(read(&mut server, 100).map(Result::unwrap), Poll::Ready(b"more".to_vec()));
    let late = server.poll_write(&mut cx(), b"late");
    assert!(matches!(late, Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::BrokenPipe));
}

#[test]
fn a_flush_is_ready_when_the_wire_below_has_all() {
    let (mut client, mut server) = established(100);
    let taken = server.poll_write(&mut cx(), &[b'x'; 300]);
    assert!(matches!(taken, Poll::Ready(Ok(300))), "{taken:?}");
    let (waker, woken) = waker();
    let mut came = 0;
    while server.poll_flush(&mut Context::from_waker(&waker)).is_pending() {
        assert!(server.held() > 0);
        let before = woken.count();
        came += read_all(&mut client).0.len();
        assert!(woken.count() > before, "it is not woken behind {came} bytes");
    }
    assert_eq!(server.held(), 0);
    assert_eq!(came + read_all(&mut client).0.len(), 300);
}

#[test]
fn at_most_64_kib_are_taken_at_once_and_nothing_piles_up() {
    let (mut client, mut server) = established(100);
    let slices = [&[1; 40_000][..], &[], &[2; 40_000], &[3; 9]].map(IoSlice::new);
    let taken = server.poll_write_vectored(&mut cx(), &slices);
    assert!(matches!(taken, Poll::Ready(Ok(65_536))), "{taken:?}");
    assert!(server.poll_write(&mut cx(), b"more").is_pending());
    assert!(server.held() <= 84_000, "{}", server.held());
    // What is held shrinks with what is left.
    let mut came = 0;
    while came < 60_000 {
        came += read_all(&mut client).0.len();
        let _ = server.poll_flush(&mut cx());
    }
    assert!(server.held() <= 8000, "{}", server.held());
    assert!(matches!(
        server.poll_write_vectored(&mut cx(), &slices[1..2]),
        Poll::Ready(Ok(0)) | Poll::Pending
    ));
}

#[test]
fn replies_leave_though_nothing_is_written() {
    let (mut client, mut server) = established(100_000);
    for _ in 0..16 {
        write(&mut client, b"record");
    }
    let (bytes, _) = read_all(&mut server);
    assert_eq!(bytes, b"record".repeat(16));
    assert!(read_all(&mut client).0.is_empty());
    assert_eq!(client.layer().replies(), 1);
}

#[test]
fn replies_that_cannot_leave_at_once_wake_the_reader_when_they_can() {
    let (mut client, mut server) = established(70);
    while server.poll_write(&mut cx(), &[b'x'; 50]).is_ready() {
        let _ = server.poll_flush(&mut cx());
    }
    let (waker, woken) = waker();
    for _ in 0..17 {
        write(&mut client, b"x");
        assert!(server.poll_read(&mut Context::from_waker(&waker), &mut [0; 10]).is_ready());
    }
    let mut came = 0;
    for _ in 0..50 {
        came += read_all(&mut client).0.len();
        if woken.0.swap(0, Ordering::SeqCst) > 0 {
            assert!(server.poll_read(&mut Context::from_waker(&waker), &mut [0; 10]).is_pending());
        }
    }
    assert_eq!(client.layer().replies(), 1, "{came} bytes came");
}

/// Replies with as many bytes as it receives, and has no plain bytes.
#[derive(Default)]
struct Echoes {
    received: Arc<AtomicUsize>,
}

impl Layer for Echoes {
    fn received(&mut self, below: &[u8], down: &mut Vec<u8>) -> Result<usize, LayerError> {
        self.received.fetch_add(below.len(), Ordering::SeqCst);
        down.extend_from_slice(below);
        Ok(below.len())
    }

    fn below_ended(&mut self) {}

    fn read(&mut self, _plain: &mut [u8]) -> Result<Option<usize>, LayerError> {
        Ok(None)
    }

    fn write(&mut self, plain: &[IoSlice<'_>], down: &mut Vec<u8>) -> Result<usize, LayerError> {
        down.extend_from_slice(&plain[0]);
        Ok(plain[0].len())
    }

    fn end(&mut self, down: &mut Vec<u8>) {
        down.push(b'.');
    }
}

#[test]
fn nothing_is_received_while_16_kib_of_replies_wait() {
    let received = Arc::new(AtomicUsize::new(0));
    let (mut near, far) = pair(1 << 20);
    let (mut back, forth) = pair(1000);
    let wire = Crossed { reads: far, writes: forth };
    let mut wire = Layered::new(wire, Echoes { received: Arc::clone(&received) });
    assert!(matches!(near.poll_write(&mut cx(), &pattern(1 << 20)), Poll::Ready(Ok(_))));
    let (waker, woken) = waker();
    assert!(wire.poll_read(&mut Context::from_waker(&waker), &mut [0; 9]).is_pending());
    assert!(received.load(Ordering::SeqCst) <= 3 * 16_384, "{received:?}");
    assert!(wire.held() <= 2 * 3 * 16_384, "{}", wire.held());
    // It goes on as they leave, and all of them do.
    let mut came = Vec::new();
    while came.len() < 1 << 20 {
        let before = woken.count();
        let Poll::Ready(Ok(bytes)) = read(&mut back, 999) else { panic!("{} came", came.len()) };
        came.extend(bytes);
        if woken.count() > before {
            assert!(wire.poll_read(&mut Context::from_waker(&waker), &mut [0; 9]).is_pending());
        }
    }
    assert!(came == pattern(1 << 20));
    assert_eq!(wire.held(), 0);
}

/// Reads from one wire and writes to another.
struct Crossed<R, W> {
    reads: R,
    writes: W,
}

impl<R: Wire, W: Wire> Wire for Crossed<R, W> {
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        self.reads.poll_read(cx, buffer)
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.writes.poll_write(cx, bytes)
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.writes.poll_flush(cx)
    }

    fn poll_close_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.writes.poll_close_write(cx)
    }

    fn reset(&mut self) {
        self.writes.reset();
    }
}

#[test]
fn behind_our_end_nothing_is_sent() {
    let (mut near, far) = pair(1000);
    let mut wire = Layered::new(far, Echoes::default());
    assert!(wire.poll_close_write(&mut cx()).is_ready());
    assert!(near.poll_write(&mut cx(), b"bytes").is_ready());
    assert!(wire.poll_read(&mut cx(), &mut [0; 9]).is_pending());
    assert!(matches!(wire.poll_flush(&mut cx()), Poll::Ready(Ok(()))));
    let (bytes, end) = read_all(&mut near);
    assert_eq!((bytes, end.map(|end| end.is_ok())), (b".".to_vec(), Some(true)));
}

#[test]
fn a_reader_and_a_writer_in_tasks_of_their_own_are_both_woken() {
    let (mut near, far) = pair(1000);
    let (mut back, forth) = pair(10);
    let mut wire = Layered::new(Crossed { reads: far, writes: forth }, Echoes::default());
    let ((reader, reads), (writer, writes)) = (waker(), waker());
    // Whichever waits first, and for what.
    for reader_first in [true, false] {
        assert!(near.poll_write(&mut cx(), b"reply").is_ready());
        for turn in [reader_first, !reader_first] {
            if turn {
                assert!(wire.poll_read(&mut Context::from_waker(&reader), &mut [0; 9]).is_pending());
            } else {
                while wire.poll_write(&mut Context::from_waker(&writer), b"written").is_ready() {}
            }
        }
        let before = (reads.count(), writes.count());
        assert!(read(&mut back, 100).is_ready());
        assert!(writes.count() > before.1, "the writer, the reader first: {reader_first}");
        // One of the two sends for both; the other hears of it.
        while wire.poll_read(&mut Context::from_waker(&reader), &mut [0; 9]).is_ready() {}
        while read(&mut back, 100).is_ready() {
            assert!(wire.poll_read(&mut Context::from_waker(&reader), &mut [0; 9]).is_pending());
        }
        assert!(wire.poll_flush(&mut Context::from_waker(&writer)).is_ready());
    }
}

#[test]
fn a_writer_is_woken_when_another_task_has_sent_what_it_waits_for() {
    let (mut back, forth) = pair(10);
    let mut wire = Layered::new(Crossed { reads: pair(1).0, writes: forth }, Echoes::default());
    let (writer, writes) = waker();
    while wire.poll_write(&mut Context::from_waker(&writer), b"written").is_ready() {}
    // Somebody reads, so there is room; the reader is the first to know.
    assert!(read(&mut back, 100).is_ready());
    let before = writes.count();
    let _ = wire.poll_read(&mut cx(), &mut [0; 9]);
    let _ = read(&mut back, 100);
    let _ = wire.poll_read(&mut cx(), &mut [0; 9]);
    assert!(writes.count() > before);
}

#[test]
fn a_write_before_the_handshake_waits_for_it() {
    let (mut client, mut server) = toys(1000);
    let (waker, woken) = waker();
    assert!(server.poll_write(&mut Context::from_waker(&waker), b"early").is_pending());
    assert_eq!((woken.count(), server.held()), (0, 0));
    assert!(client.poll_flush(&mut cx()).is_ready());
    assert!(server.poll_read(&mut Context::from_waker(&waker), &mut [0; 9]).is_pending());
    assert!(woken.count() > 0);
    write(&mut server, b"early");
    assert_eq!(read_all(&mut client).0, b"early");
}

#[test]
fn a_write_before_the_handshake_fails_when_there_will_be_none() {
    for reads_first in [true, false] {
        let (near, far) = pair(100);
        let mut wire = Layered::new(far, ToyLayer::server());
        let (waker, woken) = waker();
        if !reads_first {
            assert!(wire.poll_write(&mut Context::from_waker(&waker), b"early").is_pending());
        }
        drop(near);
        let before = woken.count();
        assert!(matches!(read(&mut wire, 9), Poll::Ready(Ok(bytes)) if bytes.is_empty()));
        assert_eq!(woken.count() > before, !reads_first);
        let late = wire.poll_write(&mut cx(), b"late");
        assert!(
            matches!(&late, Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::BrokenPipe),
            "{late:?}"
        );
    }
}

/// The bytes of a client's records: a hello, data, and one that is wrong.
fn wrong_record() -> Vec<u8> {
    let (mut near, far) = pair(10_000);
    let (mut client, mut server) = (Layered::new(far, ToyLayer::client()), ToyLayer::server());
    assert!(client.poll_flush(&mut cx()).is_ready());
    let Poll::Ready(Ok(mut bytes)) = read(&mut near, 1000) else { panic!("no hello") };
    let mut hello = Vec::new();
    assert_eq!(server.received(&bytes, &mut hello).unwrap(), bytes.len());
    assert!(near.poll_write(&mut cx(), &hello).is_ready());
    assert!(client.poll_read(&mut cx(), &mut [0]).is_pending());
    write(&mut client, b"right");
    write(&mut client, b"wrong");
    let Poll::Ready(Ok(records)) = read(&mut near, 1000) else { panic!("no records") };
    bytes.extend(records);
    *bytes.last_mut().unwrap() ^= 1;
    bytes
}

#[test]
fn behind_bytes_that_are_wrong_what_came_before_is_read_and_the_peer_gets_the_alert() {
    let bytes = wrong_record();
    for cut in 0..=bytes.len() {
        let (mut near, far) = pair(10_000);
        let mut server = Layered::new(far, ToyLayer::server());
        let mut all = Vec::new();
        for part in [&bytes[..cut], &bytes[cut..]].into_iter().filter(|part| !part.is_empty()) {
            assert!(near.poll_write(&mut cx(), part).is_ready());
            let (bytes, end) = read_all(&mut server);
            all.extend(bytes);
            let Some(end) = end else { continue };
            let error = end.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{cut}");
            assert_eq!(
                error.to_string(),
                "The peer broke off the protocol below HTTP, or broke its rules: The sum of a record is wrong."
            );
            let source = error.get_ref().unwrap().source().unwrap();
            assert_eq!(source.to_string(), "The sum of a record is wrong.");
        }
        assert_eq!(all, b"right", "{cut}");
        // A hello and the alert.
        let Poll::Ready(Ok(replies)) = read(&mut near, 1000) else { panic!("no alert") };
        assert_eq!((replies.len(), replies[9]), (4 + 5 + 4, 6), "{cut}");
        // Neither the error goes away, nor is anything written.
        for polled in [server.poll_read(&mut cx(), &mut [0]), server.poll_write(&mut cx(), b"x")] {
            assert!(matches!(polled, Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::InvalidData));
        }
        assert!(!server.owes_end());
        assert!(matches!(server.poll_close_write(&mut cx()), Poll::Ready(Ok(()))));
        assert!(matches!(read(&mut near, 9), Poll::Ready(Ok(bytes)) if bytes.is_empty()));
    }
}

/// Breaks the contract, or has no key.
struct Odd;

impl Layer for Odd {
    fn received(&mut self, _below: &[u8], _down: &mut Vec<u8>) -> Result<usize, LayerError> {
        Ok(0)
    }

    fn below_ended(&mut self) {}

    fn read(&mut self, _plain: &mut [u8]) -> Result<Option<usize>, LayerError> {
        Ok(None)
    }

    fn write(&mut self, _plain: &[IoSlice<'_>], down: &mut Vec<u8>) -> Result<usize, LayerError> {
        down.push(b'!');
        Err(LayerError::own("There is no key."))
    }

    fn end(&mut self, _down: &mut Vec<u8>) {}
}

#[test]
fn a_layer_that_neither_takes_nor_gives_is_an_error_and_no_loop() {
    for ends in [false, true] {
        let (mut near, far) = pair(10);
        let mut wire = Layered::new(far, Odd);
        if ends {
            assert!(near.poll_close_write(&mut cx()).is_ready());
        } else {
            assert!(near.poll_write(&mut cx(), b"bytes").is_ready());
        }
        let Poll::Ready(Err(error)) = read(&mut wire, 9) else { panic!("no error") };
        let kind = if ends { io::ErrorKind::UnexpectedEof } else { io::ErrorKind::Other };
        assert_eq!(error.kind(), kind, "{error}");
    }
}

/// Records without plain bytes that come without end.
#[test]
fn a_flood_that_has_nothing_to_be_read_lets_others_have_their_turn() {
    struct Silent;
    impl Layer for Silent {
        fn received(&mut self, below: &[u8], _: &mut Vec<u8>) -> Result<usize, LayerError> {
            Ok(below.len())
        }
        fn below_ended(&mut self) {}
        fn read(&mut self, _: &mut [u8]) -> Result<Option<usize>, LayerError> {
            Ok(None)
        }
        fn write(&mut self, _: &[IoSlice<'_>], _: &mut Vec<u8>) -> Result<usize, LayerError> {
            Ok(0)
        }
        fn end(&mut self, _: &mut Vec<u8>) {}
    }
    struct Endless;
    impl Wire for Endless {
        fn poll_read(&mut self, _: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
            Poll::Ready(Ok(buffer.len()))
        }
        fn poll_write(&mut self, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
            Poll::Ready(Ok(bytes.len()))
        }
        fn poll_close_write(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
        fn reset(&mut self) {}
    }
    let mut wire = Layered::new(Endless, Silent);
    let (waker, woken) = waker();
    assert!(wire.poll_read(&mut Context::from_waker(&waker), &mut [0; 9]).is_pending());
    assert_eq!(woken.count(), 1, "it goes on in the next turn");
}

#[test]
fn a_layer_that_fails_at_once_tells_its_peer_before_its_error() {
    struct NoKey;
    impl Layer for NoKey {
        fn received(&mut self, _: &[u8], down: &mut Vec<u8>) -> Result<usize, LayerError> {
            down.push(b'!');
            Err(LayerError::own("There is no key."))
        }
        fn below_ended(&mut self) {}
        fn read(&mut self, _: &mut [u8]) -> Result<Option<usize>, LayerError> {
            Ok(None)
        }
        fn write(&mut self, _: &[IoSlice<'_>], _: &mut Vec<u8>) -> Result<usize, LayerError> {
            Ok(0)
        }
        fn end(&mut self, _: &mut Vec<u8>) {}
    }
    let (mut near, far) = pair(10);
    let mut wire = Layered::new(far, NoKey);
    assert!(matches!(read(&mut wire, 9), Poll::Ready(Err(_))));
    assert!(matches!(read(&mut near, 9), Poll::Ready(Ok(bytes)) if bytes == b"!"));
}

#[test]
fn a_layer_that_fails_at_a_write_says_why_and_what_it_has_said_leaves() {
    let (mut near, far) = pair(10);
    let mut wire = Layered::new(far, Odd);
    let Poll::Ready(Err(error)) = wire.poll_write(&mut cx(), b"bytes") else { panic!("no error") };
    assert_eq!(error.kind(), io::ErrorKind::Other);
    assert_eq!(error.to_string(), "The protocol below HTTP cannot go on: There is no key.");
    assert!(matches!(read(&mut near, 9), Poll::Ready(Ok(bytes)) if bytes == b"!"));
}

#[test]
fn what_the_wire_below_knows_is_passed_on() {
    let (near, far) = pair(10);
    let mut wire = Layered::new(far, ToyLayer::server());
    assert!(!wire.is_lost());
    let mut near = near;
    near.reset();
    drop(near);
    assert!(wire.is_lost());
    let (mut near, far) = pair(10);
    let mut wire = Layered::new(far, ToyLayer::server());
    wire.reset();
    drop(wire);
    assert!(matches!(read(&mut near, 9), Poll::Ready(Err(_))));
}

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
    let mut at_client = Exchange::new(0, 100);
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
struct Told(Arc<AtomicUsize>);

impl Timer for Told {
    fn poll_until(&mut self, _cx: &mut Context<'_>, _at: Instant) -> Poll<()> {
        if self.0.load(Ordering::SeqCst) > 0 { Poll::Ready(()) } else { Poll::Pending }
    }
}

fn level_1(capacity: usize) -> (Toy, Connection<Toy, Told>, Arc<AtomicUsize>) {
    let (client, wire) = toys(capacity);
    let time = Arc::new(AtomicUsize::new(0));
    let compiled = Arc::new(CompiledConfig::new(&ChannelConfig::default()));
    (client, Connection::new(wire, Told(Arc::clone(&time)), compiled, Facts::default()), time)
}

#[test]
fn a_connection_of_level_1_ends_its_layer() {
    let (mut client, mut connection, _) = level_1(30);
    let mut at_client = Exchange::new(0, 100);
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
