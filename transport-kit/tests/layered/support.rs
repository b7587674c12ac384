//! Clients and servers that speak through the toy layer, and who polls them.

use std::io::{self};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use httpfsm_transport::memory::{MemoryWire, pair};
use httpfsm_transport::{Layered, Wire};
use httpfsm_transport_kit::ToyLayer;

pub(crate) type Toy = Layered<MemoryWire, ToyLayer>;

/// A client and a server over connections that hold so many bytes.
pub(crate) fn toys(capacity: usize) -> (Toy, Toy) {
    let (near, far) = pair(capacity);
    (Layered::new(near, ToyLayer::client()), Layered::new(far, ToyLayer::server()))
}

/// The same after their handshake.
pub(crate) fn established(capacity: usize) -> (Toy, Toy) {
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

pub(crate) fn cx() -> Context<'static> {
    Context::from_waker(Waker::noop())
}

#[derive(Default)]
pub(crate) struct WakeCount(pub(crate) AtomicUsize);

impl Wake for WakeCount {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl WakeCount {
    pub(crate) fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

/// A waker, and how often it was woken.
pub(crate) fn waker() -> (Waker, Arc<WakeCount>) {
    let woken = Arc::new(WakeCount::default());
    (Waker::from(Arc::clone(&woken)), woken)
}

/// What came of one poll of a read.
pub(crate) fn read(wire: &mut impl Wire, at_most: usize) -> Poll<io::Result<Vec<u8>>> {
    let mut buffer = vec![0; at_most];
    wire.poll_read(&mut cx(), &mut buffer).map_ok(|bytes| buffer[..bytes].to_vec())
}

/// All that is there, and how it ends, if it does.
pub(crate) fn read_all(wire: &mut impl Wire) -> (Vec<u8>, Option<io::Result<()>>) {
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
pub(crate) fn write(wire: &mut impl Wire, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        let Poll::Ready(Ok(taken)) = wire.poll_write(&mut cx(), bytes) else {
            panic!("{} left", bytes.len())
        };
        bytes = &bytes[taken..];
        assert!(matches!(wire.poll_flush(&mut cx()), Poll::Ready(Ok(()))), "{} left", bytes.len());
    }
}

/// Bytes that are not all the same.
pub(crate) fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|place| (place * 7 + place / 251) as u8).collect()
}

/// Tasks that are polled when they were woken, until none is.
pub(crate) fn run(tasks: &mut [&mut dyn FnMut(&mut Context<'_>)]) {
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
pub(crate) struct Transfer {
    pub(crate) sends: Vec<u8>,
    pub(crate) sent: usize,
    pub(crate) piece: usize,
    pub(crate) flushed: bool,
    pub(crate) closed: bool,
    pub(crate) received: Vec<u8>,
    pub(crate) peer_ended: bool,
}

impl Transfer {
    pub(crate) fn new(length: usize, piece: usize) -> Self {
        let (sends, received) = (pattern(length), Vec::new());
        Self { sends, sent: 0, piece, flushed: true, closed: false, received, peer_ended: false }
    }

    pub(crate) fn poll(&mut self, wire: &mut impl Wire, cx: &mut Context<'_>) {
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
