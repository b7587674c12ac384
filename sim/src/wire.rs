//! The simulated wire: a driver's socket, which does all that a socket may do.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, IoSlice};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::task::{Context, Poll, Waker};

use httpfsm::server::NotAdmitted;
use httpfsm_transport::{Wire, poll_write_each};

use crate::world::{World, guard};

/// Something that one call of the driver meets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Mishap {
    /// A write, not a read.
    pub(crate) write: bool,
    /// Which of the calls that would have moved bytes.
    pub(crate) call: u32,
    pub(crate) what: What,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum What {
    /// It moves so many bytes at most.
    Short(usize),
    /// It moves none and says so.
    Zero,
    /// It is not ready for so many milliseconds.
    Block(u64),
    /// It fails.
    Fail,
}

/// What both ends see. What is asked after every step needs no lock.
pub(crate) struct LinkEnds {
    link: Mutex<SimLink>,
    /// The client has something to look at.
    client_woken: AtomicBool,
    server_closed: AtomicBool,
    /// What the driver must not have done.
    violation: OnceLock<&'static str>,
    /// What a full server did to the connection.
    fate: OnceLock<Fate>,
    /// Requests that the server has understood.
    requests: AtomicUsize,
}

/// What a server does to a connection for reasons of its own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fate {
    /// It was accepted and closed at once.
    Refused(NotAdmitted),
    /// It was closed in favour of another.
    Evicted,
}

impl LinkEnds {
    pub(crate) fn new(capacity: usize, step: usize, mishaps: Vec<Mishap>) -> Self {
        Self {
            link: Mutex::new(SimLink { capacity, step, mishaps, ..SimLink::default() }),
            client_woken: AtomicBool::new(false),
            server_closed: AtomicBool::new(false),
            violation: OnceLock::new(),
            fate: OnceLock::new(),
            requests: AtomicUsize::new(0),
        }
    }

    pub(crate) fn link(&self) -> MutexGuard<'_, SimLink> {
        guard(&self.link)
    }

    pub(crate) fn client_woken(&self) -> bool {
        self.client_woken.load(Ordering::Relaxed)
    }

    pub(crate) fn wake_client(&self) {
        self.client_woken.store(true, Ordering::Relaxed);
    }

    pub(crate) fn take_client_wake(&self) {
        self.client_woken.store(false, Ordering::Relaxed);
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.server_closed.load(Ordering::Relaxed)
    }

    pub(crate) fn violation(&self) -> Option<&'static str> {
        self.violation.get().copied()
    }

    pub(crate) fn fate(&self) -> Option<Fate> {
        self.fate.get().copied()
    }

    pub(crate) fn meet_fate(&self, fate: Fate) {
        let _ = self.fate.set(fate);
    }

    pub(crate) fn requests(&self) -> usize {
        self.requests.load(Ordering::Relaxed)
    }

    pub(crate) fn note_request(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn blame(&self, violation: &'static str) {
        let _ = self.violation.set(violation);
    }
}

/// The bytes between them, and what happens to them.
#[derive(Default)]
pub(crate) struct SimLink {
    pub(crate) to_server: VecDeque<u8>,
    pub(crate) to_client: VecDeque<u8>,
    /// Bytes that each direction holds.
    pub(crate) capacity: usize,
    /// The most bytes that one call moves.
    pub(crate) step: usize,
    pub(crate) mishaps: Vec<Mishap>,
    /// FIN of the client.
    pub(crate) client_ended: bool,
    /// The client is gone, with a reset.
    pub(crate) client_reset: bool,
    /// FIN of the server.
    pub(crate) server_ended: bool,
    pub(crate) server_reset: bool,
    /// Bytes and ends that the driver has moved.
    pub(crate) moved: u64,
    reader: Option<Waker>,
    writer: Option<Waker>,
    calls: [u32; 2],
    blocked: [u64; 2],
}

impl SimLink {
    /// The client sends bytes.
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.to_server.extend(bytes);
        self.wake_reader();
    }

    /// The client ends its output.
    pub(crate) fn end(&mut self) {
        self.client_ended = true;
        self.wake_reader();
    }

    /// The client is gone: what was on its way is lost.
    pub(crate) fn reset(&mut self) {
        self.client_reset = true;
        self.to_server.clear();
        self.wake_reader();
        self.wake_writer();
    }

    /// The client takes at most so many bytes; says how many.
    pub(crate) fn take(&mut self, most: usize, bytes: &mut Vec<u8>) -> usize {
        let taken = most.min(self.to_client.len());
        let (first, second) = self.to_client.as_slices();
        let from_first = taken.min(first.len());
        bytes.extend_from_slice(&first[..from_first]);
        bytes.extend_from_slice(&second[..taken - from_first]);
        self.to_client.drain(..taken);
        self.wake_writer();
        taken
    }

    fn wake_reader(&mut self) {
        self.reader.take().into_iter().for_each(Waker::wake);
    }

    fn wake_writer(&mut self) {
        self.writer.take().into_iter().for_each(Waker::wake);
    }

    /// What the next call in a direction meets, once bytes could move: how many may.
    fn meet(&mut self, write: bool, world: &World, cx: &Context<'_>) -> Poll<io::Result<usize>> {
        let call = &mut self.calls[usize::from(write)];
        let number = *call;
        *call += 1;
        let mishap = self.mishaps.iter().find(|mishap| mishap.write == write && mishap.call == number);
        match mishap.map(|mishap| mishap.what) {
            None => Poll::Ready(Ok(self.step)),
            Some(What::Short(bytes)) => Poll::Ready(Ok(bytes.min(self.step))),
            Some(What::Zero) => Poll::Ready(Ok(0)),
            Some(What::Fail) => Poll::Ready(Err(ErrorKind::ConnectionReset.into())),
            Some(What::Block(length)) => {
                let until = world.millis() + length;
                self.blocked[usize::from(write)] = until;
                self.wait(write, until, world, cx);
                Poll::Pending
            }
        }
    }

    /// Waits for time, and for a reset, which ends every wait.
    fn wait(&mut self, write: bool, until: u64, world: &World, cx: &Context<'_>) {
        world.wake_at(until, cx.waker());
        let waiter = if write { &mut self.writer } else { &mut self.reader };
        *waiter = Some(cx.waker().clone());
    }

    fn is_blocked(&mut self, write: bool, world: &World, cx: &Context<'_>) -> bool {
        let until = self.blocked[usize::from(write)];
        let blocked = until > world.millis();
        if blocked {
            self.wait(write, until, world, cx);
        }
        blocked
    }
}

/// The driver's end of a link.
pub(crate) struct SimWire {
    pub(crate) ends: Arc<LinkEnds>,
    pub(crate) world: World,
    pub(crate) reset: bool,
}

impl Wire for SimWire {
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut link = self.ends.link();
        if buffer.is_empty() {
            self.ends.blame("it read into no room");
        }
        if link.client_reset {
            return Poll::Ready(Err(ErrorKind::ConnectionReset.into()));
        }
        if link.is_blocked(false, &self.world, cx) {
            return Poll::Pending;
        }
        if link.to_server.is_empty() && !link.client_ended {
            link.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let most = match link.meet(false, &self.world, cx) {
            Poll::Ready(Ok(most)) => most.clamp(1, buffer.len().max(1)),
            Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
            Poll::Pending => return Poll::Pending,
        };
        let most = most.min(buffer.len());
        let taken = io::Read::read(&mut link.to_server, &mut buffer[..most])?;
        link.moved += 1;
        self.ends.wake_client();
        Poll::Ready(Ok(taken))
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let mut link = self.ends.link();
        if bytes.is_empty() {
            self.ends.blame("it wrote nothing");
        }
        if link.server_ended {
            self.ends.blame("it wrote after its FIN");
        }
        if link.client_reset {
            return Poll::Ready(Err(ErrorKind::BrokenPipe.into()));
        }
        if link.is_blocked(true, &self.world, cx) {
            return Poll::Pending;
        }
        let room = link.capacity.saturating_sub(link.to_client.len());
        if room == 0 {
            link.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let most = match link.meet(true, &self.world, cx) {
            Poll::Ready(Ok(most)) => most.min(room).min(bytes.len()),
            Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
            Poll::Pending => return Poll::Pending,
        };
        link.to_client.extend(&bytes[..most]);
        link.moved += 1;
        self.ends.wake_client();
        Poll::Ready(Ok(most))
    }

    fn poll_write_vectored(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        poll_write_each(self, cx, slices)
    }

    fn poll_close_write(&mut self, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut link = self.ends.link();
        link.server_ended = true;
        link.moved += 1;
        self.ends.wake_client();
        Poll::Ready(Ok(()))
    }

    fn reset(&mut self) {
        self.reset = true;
    }
}

impl Drop for SimWire {
    fn drop(&mut self) {
        let mut link = self.ends.link();
        link.server_ended = true;
        self.ends.server_closed.store(true, Ordering::Relaxed);
        // A close before all input is read is a reset, and a reset destroys what the peer has not read yet.
        link.server_reset = self.reset || (!link.to_server.is_empty() && !link.client_reset);
        if link.server_reset {
            link.to_client.clear();
        }
        link.moved += 1;
        self.ends.wake_client();
    }
}
