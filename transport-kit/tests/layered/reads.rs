//! How much one read takes, and what becomes of what the layer has not taken.

use std::collections::VecDeque;
use std::io::{self, IoSlice, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use httpfsm_transport::memory::{MemoryWire, pair};
use httpfsm_transport::{Established, Layer, LayerError, Layered, Wire};

use crate::support::{WakeCount, cx, established, pattern, read, read_all, waker, write};
use crate::wires::Crossed;

/// Passes on what it is given as records of so many bytes, each behind so many bytes that are none, and takes nothing
/// while one waits to be read: as rustls. Says how much it was given at once.
struct Records {
    record: usize,
    overhead: usize,
    input: Vec<u8>,
    plain: VecDeque<u8>,
    most: usize,
    /// What comes behind so many plain bytes is wrong.
    right: usize,
    /// What each record is answered with.
    reply: Vec<u8>,
    /// Behind so many plain bytes is the end.
    length: usize,
    panics: bool,
    /// How many bytes of a handshake come first.
    hello: usize,
    calls: usize,
}

impl Records {
    fn new(record: usize, overhead: usize) -> Self {
        let (input, plain) = (Vec::new(), VecDeque::new());
        let (right, length, reply) = (usize::MAX, usize::MAX, Vec::new());
        Self {
            record,
            overhead,
            input,
            plain,
            most: 0,
            right,
            reply,
            length,
            panics: false,
            hello: 0,
            calls: 0,
        }
    }
}

impl Layer for Records {
    fn received(&mut self, below: &[u8], down: &mut Vec<u8>) -> Result<usize, LayerError> {
        assert!(self.plain.is_empty() && self.length > 0, "it has something to be read");
        assert!(!self.panics || below.is_empty(), "a layer");
        self.most = self.most.max(below.len());
        self.calls += usize::from(!below.is_empty());
        if self.hello > 0 {
            let taken = self.hello.min(below.len());
            self.hello -= taken;
            return Ok(taken);
        }
        let missing = self.record + self.overhead - self.input.len();
        let taken = below.get(..missing).unwrap_or(below);
        self.input.extend_from_slice(taken);
        if self.input.len() == self.record + self.overhead {
            if self.right < self.record {
                return Err(LayerError::peer("A record is wrong."));
            }
            self.right -= self.record;
            self.plain.extend(self.input.drain(..).skip(self.overhead));
            down.extend_from_slice(&self.reply);
        }
        Ok(taken.len())
    }

    fn below_ended(&mut self) {}

    fn read(&mut self, plain: &mut [u8]) -> Result<Option<usize>, LayerError> {
        let most = plain.len().min(self.length);
        let read = self.plain.read(&mut plain[..most]).unwrap_or_default();
        self.length -= read;
        Ok(Some(read).filter(|&read| read > 0 || self.length == 0))
    }

    fn write(&mut self, _: &[IoSlice<'_>], _: &mut Vec<u8>) -> Result<usize, LayerError> {
        Ok(0)
    }

    fn end(&mut self, _: &mut Vec<u8>) {}

    fn established(&self) -> Option<Established> {
        (self.hello == 0).then(Established::default)
    }
}

/// There is always more to be read. Counts its reads.
#[derive(Default)]
struct Full {
    reads: usize,
    bytes: usize,
}

impl Wire for Full {
    fn poll_read(&mut self, _: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        buffer.fill(b'x');
        self.reads += 1;
        self.bytes += buffer.len();
        assert!(self.reads < 1000, "{} bytes", self.bytes);
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

#[test]
fn a_read_fills_its_buffer_and_leaves_little_of_what_came_from_below() {
    // Records of TLS, and small ones.
    for (record, overhead) in [(16_384, 22), (1400, 22)] {
        for room in [65_536, 16_384, 100] {
            let mut wire = Layered::new(Full::default(), Records::new(record, overhead));
            let mut came = 0;
            for turn in 0..50 {
                let Poll::Ready(Ok(bytes)) = read(&mut wire, room) else { panic!("{record} {room} {turn}") };
                came += bytes.len();
                let left = if room < 16_384 { 2 * 16_384 } else { 1024 + 2 * record };
                assert!(wire.held() <= left, "{} bytes are left, {room} {turn}", wire.held());
                if record > 10_000 && room == 65_536 && turn > 0 {
                    assert_eq!(bytes.len(), room, "{turn}");
                    assert!(wire.held() <= 512, "{} bytes are left, {turn}", wire.held());
                }
            }
            // The rest of a record that was too large comes by itself.
            assert!(came >= 25 * room, "{came} bytes in 50 reads of {room}");
            assert!(wire.layer().most <= 16_384, "the bound of a call");
        }
    }
}

#[test]
fn a_read_takes_what_is_there_and_waits_for_no_more() {
    let (mut near, far) = pair(1 << 20);
    let mut wire = Layered::new(far, Records::new(10, 0));
    assert!(near.poll_write(&mut cx(), &pattern(39)).is_ready());
    assert!(matches!(read(&mut wire, 1000), Poll::Ready(Ok(bytes)) if bytes == pattern(39)[..30]));
    assert!(read(&mut wire, 1000).is_pending());
    assert!(near.poll_write(&mut cx(), &pattern(40)[39..]).is_ready());
    assert!(matches!(read(&mut wire, 7), Poll::Ready(Ok(bytes)) if bytes == pattern(40)[30..37]));
    assert!(matches!(read(&mut wire, 7), Poll::Ready(Ok(bytes)) if bytes == pattern(40)[37..]));
    assert_eq!(wire.held(), 0);
}

#[test]
fn what_came_before_an_error_is_read_whole_and_then_there_is_the_error() {
    for room in [3, 25, 1000] {
        let (mut near, far) = pair(1 << 20);
        let mut wire = Layered::new(far, Records { right: 20, ..Records::new(10, 2) });
        assert!(near.poll_write(&mut cx(), &pattern(100)).is_ready());
        let mut came = Vec::new();
        let error = loop {
            match read(&mut wire, room) {
                Poll::Ready(Ok(bytes)) => came.extend(bytes),
                Poll::Ready(Err(error)) => break error,
                Poll::Pending => panic!("no error behind {} bytes", came.len()),
            }
        };
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        let records = pattern(100);
        assert_eq!(came, [&records[2..12], &records[14..24]].concat(), "{room}");
        assert_eq!(wire.held(), 0, "{room}");
    }
}

#[test]
fn the_replies_to_all_that_a_read_found_leave_with_it() {
    let (mut near, far) = pair(1 << 20);
    let mut wire = Layered::new(far, Records { reply: b"r".to_vec(), ..Records::new(10, 0) });
    assert!(near.poll_write(&mut cx(), &pattern(40)).is_ready());
    assert!(matches!(read(&mut wire, 1000), Poll::Ready(Ok(bytes)) if bytes.len() == 40));
    assert_eq!(read_all(&mut near).0, b"rrrr");
}

#[test]
fn the_end_behind_bytes_comes_with_the_next_read() {
    let (mut client, mut server) = established(1 << 20);
    write(&mut client, &pattern(3000));
    assert!(matches!(client.poll_close_write(&mut cx()), Poll::Ready(Ok(()))));
    assert!(matches!(read(&mut server, 60_000), Poll::Ready(Ok(bytes)) if bytes == pattern(3000)));
    for _ in 0..2 {
        assert!(matches!(read(&mut server, 60_000), Poll::Ready(Ok(bytes)) if bytes.is_empty()));
    }
    assert_eq!(server.held(), 0);
}

#[test]
fn what_is_left_of_a_read_is_the_connections_own_and_no_other_gets_it() {
    let mut wires: Vec<_> = (0..3)
        .map(|n| {
            let (mut near, far) = pair(1 << 20);
            assert!(near.poll_write(&mut cx(), &vec![n; 50_000]).is_ready());
            (near, Layered::new(far, Records::new(1000, 0)))
        })
        .collect();
    let mut came = [0; 3];
    // Each reads a little in turn, so what is left of one stands beside what is read of the others.
    for _ in 0..100 {
        for (n, (_, wire)) in wires.iter_mut().enumerate() {
            let Poll::Ready(Ok(bytes)) = read(wire, 700) else { continue };
            assert!(bytes.iter().all(|&byte| usize::from(byte) == n), "bytes of another");
            came[n] += bytes.len();
            assert!(wire.held() <= 16 << 10, "{}", wire.held());
        }
    }
    assert_eq!(came, [50_000; 3]);
    assert!(wires.iter().all(|(_, wire)| wire.held() == 0));
}

#[test]
fn what_came_with_the_end_of_a_handshake_is_the_connections_own() {
    let (mut near, far) = pair(1 << 20);
    let mut wire = Layered::new(far, Records { hello: 3, ..Records::new(10, 0) });
    assert!(near.poll_write(&mut cx(), &[b"hey", &pattern(50)[..]].concat()).is_ready());
    assert!(matches!(wire.poll_established(&mut cx()), Poll::Ready(Ok(_))));
    assert_eq!(wire.held(), 50);
    let (mut other, far) = pair(1 << 20);
    assert!(other.poll_write(&mut cx(), &[b'x'; 100]).is_ready());
    assert_eq!(read_all(&mut Layered::new(far, Records::new(10, 0))).0, [b'x'; 100]);
    assert_eq!(read_all(&mut wire).0, pattern(50));
    assert_eq!(wire.held(), 0);
}

#[test]
fn a_read_ends_where_replies_wait_and_what_is_left_comes_when_they_have_left() {
    let (mut near, reads) = pair(1 << 20);
    let (mut back, writes) = pair(1000);
    let layer = Records { reply: vec![b'r'; 6000], ..Records::new(10, 0) };
    let mut wire = Layered::new(Crossed { reads, writes }, layer);
    assert!(near.poll_write(&mut cx(), &pattern(70)).is_ready());
    let mut came = Vec::new();
    for (replies, plain) in [(3, 30), (3, 30), (1, 10)] {
        let (waker, woken) = waker();
        let mut buffer = [0; 1000];
        let cx = &mut Context::from_waker(&waker);
        assert!(
            matches!(wire.poll_read(cx, &mut buffer), Poll::Ready(Ok(bytes)) if bytes == plain),
            "{plain}"
        );
        came.extend_from_slice(&buffer[..plain]);
        assert!(wire.poll_read(cx, &mut buffer).is_pending());
        assert!(wire.held() <= 8000 * replies, "{}", wire.held());
        assert_eq!(woken.count(), 0);
        // The reader waits for the wire below, and passes the replies on.
        for _ in 0..6 * replies {
            assert_eq!(read_all(&mut back).0.len(), 1000);
            assert!(replies == 1 || woken.count() > 0, "it is not woken");
            let _ = wire.poll_flush(cx);
        }
    }
    assert_eq!(came, pattern(70));
}

#[test]
fn a_read_that_finds_nothing_lets_others_have_their_turn_whatever_room_it_has() {
    for room in [9, 65_536, 1 << 20] {
        let mut wire = Layered::new(Full::default(), Records::new(1, 1 << 30));
        let (waker, woken) = waker();
        assert!(wire.poll_read(&mut Context::from_waker(&waker), &mut vec![0; room]).is_pending());
        assert_eq!((woken.count(), wire.layer().calls), (1, 16), "{room}");
        assert!(wire.held() <= 64 << 10, "{}", wire.held());
    }
}

#[test]
fn nothing_is_kept_of_what_comes_behind_the_end_of_the_layer() {
    let (mut near, far) = pair(1 << 20);
    let mut wire = Layered::new(far, Records { length: 20, reply: b"r".to_vec(), ..Records::new(10, 0) });
    assert!(near.poll_write(&mut cx(), &pattern(50_000)).is_ready());
    assert!(matches!(read(&mut wire, 65_536), Poll::Ready(Ok(bytes)) if bytes == pattern(20)));
    assert_eq!(wire.held(), 0);
    assert_eq!(read_all(&mut near).0, b"rr");
    assert!(matches!(read(&mut wire, 65_536), Poll::Ready(Ok(bytes)) if bytes.is_empty()));
}

#[test]
fn a_panic_of_a_layer_leaves_the_buffer_of_the_thread_to_others() {
    let (mut near, far) = pair(1 << 20);
    let mut wire = Layered::new(far, Records { panics: true, ..Records::new(10, 0) });
    assert!(near.poll_write(&mut cx(), &[b'p'; 1000]).is_ready());
    assert!(catch_unwind(AssertUnwindSafe(|| read(&mut wire, 1000))).is_err());
    let (mut near, far) = pair(1 << 20);
    let mut other = Layered::new(far, Records::new(10, 0));
    assert!(near.poll_write(&mut cx(), &pattern(25)).is_ready());
    assert_eq!(read_all(&mut other).0, pattern(20));
    drop(wire);
    assert!(near.poll_write(&mut cx(), &pattern(30)[25..]).is_ready());
    assert_eq!(read_all(&mut other).0, pattern(30)[20..]);
    assert_eq!(other.held(), 0);
}

/// Numbers below a bound, small ones as often as large ones.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let (shift, number) = ((self.0 >> 58) % 20, (self.0 >> 20) as usize % (1 << 20));
        (number >> shift) % bound
    }
}

/// A layer on a layer, and what its peer sends.
struct Peer {
    near: MemoryWire,
    wire: Layered<Layered<MemoryWire, Records>, Records>,
    sends: Vec<u8>,
    plain: Vec<u8>,
    came: Vec<u8>,
    waker: Waker,
    woken: Arc<WakeCount>,
    /// How often it had been woken when it was polled last.
    seen: usize,
    is_pending: bool,
}

impl Peer {
    fn new(numbers: &mut Numbers) -> Self {
        const RECORDS: [(usize, usize); 5] = [(3, 1), (50, 3), (1400, 22), (16_384, 22), (100_000, 7)];
        let (near, wire) = pair(1 << 20);
        let mut plain = pattern(250_000);
        let sends = plain.clone();
        let [inner, outer] = [0; 2].map(|_| RECORDS[numbers.below(RECORDS.len())]);
        for (record, overhead) in [inner, outer] {
            let records = plain.chunks_exact(record + overhead);
            plain = records.flat_map(|record| &record[overhead..]).copied().collect();
        }
        let wire = Layered::new(wire, Records::new(inner.0, inner.1));
        let wire = Layered::new(wire, Records::new(outer.0, outer.1));
        let (waker, woken) = waker();
        Self { near, wire, sends, plain, came: Vec::new(), waker, woken, seen: 0, is_pending: false }
    }

    fn is_woken(&self) -> bool {
        !self.is_pending || self.woken.count() > self.seen
    }

    fn send(&mut self, bytes: usize) {
        let piece: Vec<_> = self.sends.drain(..bytes.min(self.sends.len())).collect();
        let sent = self.near.poll_write(&mut cx(), &piece);
        assert!(piece.is_empty() || matches!(sent, Poll::Ready(Ok(taken)) if taken == piece.len()));
    }

    fn read(&mut self, room: usize) {
        self.seen = self.woken.count();
        let mut buffer = vec![0; room];
        let read = self.wire.poll_read(&mut Context::from_waker(&self.waker), &mut buffer);
        self.is_pending = read.is_pending();
        if let Poll::Ready(bytes) = read {
            self.came.extend_from_slice(&buffer[..bytes.unwrap()]);
        }
        assert!(self.wire.layer().most <= 16_384, "the bound of a call");
    }
}

/// Two connections on a thread, whose bytes come in pieces and are read with changing room.
#[test]
fn however_bytes_are_cut_and_read_they_are_the_same_and_nobody_sleeps_for_ever() {
    for seed in 0..60 {
        let mut numbers = Numbers(seed);
        let mut peers = [0; 2].map(|_| Peer::new(&mut numbers));
        while peers.iter().any(|peer| peer.is_woken() || !peer.sends.is_empty()) {
            for peer in &mut peers {
                if !peer.is_woken() || numbers.below(4) == 0 {
                    peer.send(1 + numbers.below(100_000));
                }
                if peer.is_woken() {
                    peer.read(1 + numbers.below(70_000));
                }
            }
        }
        for peer in &peers {
            assert_eq!(peer.came.len(), peer.plain.len(), "{seed}");
            assert!(peer.came == peer.plain, "{seed}");
            assert_eq!(peer.wire.held(), 0, "{seed}");
        }
    }
}
