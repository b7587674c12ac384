//! A wire and a layer, as a wire.

mod handshake;

use std::cell::Cell;
use std::fmt;
use std::io::{self, IoSlice};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker, ready};
use std::thread::LocalKey;

use httpfsm::handler::Extensions;

use crate::layer::{Layer, LayerError};
use crate::panics;
use crate::wire::Wire;

/// Bytes that are read from below at once.
const READ: usize = 16 << 10;
/// Plain bytes that are written at once.
const WRITE: usize = 64 << 10;
/// Slices of one write.
const SLICES: usize = 8;
/// Bytes of replies above which nothing is read before they have left.
const REPLIES: usize = 16 << 10;
/// A buffer that is held is copied to a smaller one where it is more than a quarter and this many bytes too large.
const SPARE: usize = 1 << 10;
/// Reads from below in one poll, before others get their turn.
const TURNS: usize = 16;
/// A larger buffer is not kept by its thread.
const KEPT: usize = 128 << 10;

thread_local! {
    /// What is to be sent, while a layer says it.
    static DOWN: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
    /// What is read from below, of `READ` bytes; empty before the first time.
    static UP: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// A [`Wire`] whose bytes go through a [`Layer`]: what is written becomes what the layer makes of it, and what is read is
/// what the layer finds in the bytes of the wire below.
///
/// Plain bytes that were written wait as bytes of the layer's until they are [flushed](Wire::poll_flush), with those that
/// the layer sends by itself; a read passes the latter on as well. They are at most what the layer makes of 64 KiB of
/// plain bytes, and 16 KiB of replies. A connection that waits for its peer holds no buffer but the layer's own: those in
/// use are the thread's.
///
/// The half-close is the end of the layer's protocol, and then that of the wire below. An end below without that of the
/// protocol is an error, of the kind [`UnexpectedEof`](io::ErrorKind::UnexpectedEof). Where the layer fails, what it has
/// for its peer leaves as far as that goes at once, plain bytes that came before are read, and then there is the
/// [error](LayerError).
///
/// A handler, served over a layer in memory:
///
/// ```
/// use httpfsm::config::ServerConfig;
/// use httpfsm::handler::Request;
/// use httpfsm_transport::memory::MemoryServer;
/// use httpfsm_transport::{Layer, Layered};
///
/// fn serve<L: Layer>(layer: impl Fn() -> L + Send + 'static) {
///     let config = ServerConfig::default();
///     let mut server = MemoryServer::wrapped(config, 64 << 10, None, |_: Request| async { "Hello, world!" }, move |wire| {
///         Layered::new(wire, layer())
///     });
///     server.run();
/// }
/// ```
pub struct Layered<W, L> {
    below: W,
    layer: L,
    /// What is to be sent, of which `sent` bytes have been.
    down: Vec<u8>,
    sent: usize,
    /// Of these, bytes that were made by `received`.
    replies: usize,
    /// What was read from below and the layer has not taken, from `taken` on.
    up: Vec<u8>,
    taken: usize,
    failed: Option<LayerError>,
    /// Who waits until all has been sent.
    reader: Option<Waker>,
    writer: Option<Waker>,
    /// The wire below has taken bytes, and has not been flushed since.
    unflushed: bool,
    /// The layer has taken no plain bytes when it could have: the writer waits for something to be received.
    refused: bool,
    /// Our output was ended by the layer's protocol.
    ended: bool,
    /// Our output was ended on the wire below.
    closed: bool,
    /// The peer has ended its output on the wire below.
    below_ended: bool,
    /// Nothing more comes from the layer: the peer has ended its output, or the layer has failed.
    input_over: bool,
}

/// Who polls.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Reader,
    Writer,
}

impl<W: Wire, L: Layer> Layered<W, L> {
    /// Puts a layer on a wire. What the layer begins with leaves with the first poll.
    pub fn new(below: W, layer: L) -> Self {
        let mut layered = Self {
            below,
            layer,
            down: Vec::new(),
            sent: 0,
            replies: 0,
            up: Vec::new(),
            taken: 0,
            failed: None,
            reader: None,
            writer: None,
            unflushed: false,
            refused: false,
            ended: false,
            closed: false,
            below_ended: false,
            input_over: false,
        };
        layered.failed = layered.layer.received(&[], &mut layered.down).err();
        layered
    }

    /// The layer, to be asked what is known of the peer.
    #[must_use]
    pub fn layer(&self) -> &L {
        &self.layer
    }

    /// Bytes that are held beside the layer's own, for whoever accounts for memory; 0 while the connection waits for its
    /// peer.
    #[must_use]
    pub fn held(&self) -> usize {
        self.down.capacity() + self.up.capacity()
    }

    /// Has the layer say something, in the thread's buffer where nothing waits to be sent.
    fn say<T>(&mut self, what: impl FnOnce(&mut L, &mut Vec<u8>) -> T) -> T {
        if self.down.capacity() == 0 {
            self.down = borrow(&DOWN);
        }
        what(&mut self.layer, &mut self.down)
    }

    /// Sends what is to be sent, and flushes it below. Whoever else waits for that is woken then.
    fn poll_down(&mut self, cx: &mut Context<'_>, side: Side) -> Poll<io::Result<()>> {
        if self.down.is_empty() && !self.unflushed {
            self.rest();
            return Poll::Ready(Ok(()));
        }
        let other = match side {
            Side::Reader => &self.writer,
            Side::Writer => &self.reader,
        };
        let sent = match other {
            Some(other) if !other.will_wake(cx.waker()) => {
                // The wire below knows one waker in this direction.
                let both = Waker::from(Arc::new(Both(cx.waker().clone(), other.clone())));
                self.poll_send(&mut Context::from_waker(&both))
            }
            _ => self.poll_send(cx),
        };
        if sent.is_pending() {
            self.wait(cx, side);
        } else {
            let (reader, writer) = (self.reader.take(), self.writer.take());
            let other = if side == Side::Reader { writer } else { reader };
            other.into_iter().for_each(panics::wake);
        }
        self.rest();
        sent
    }

    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(bytes) = self.down.get(self.sent..).filter(|bytes| !bytes.is_empty()) {
            self.unflushed = true;
            match ready!(self.below.poll_write(cx, bytes))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                sent => self.sent += sent,
            }
        }
        ready!(self.below.poll_flush(cx))?;
        self.unflushed = false;
        Poll::Ready(Ok(()))
    }

    /// Gives the thread's buffer back, once what is in it has been sent or fits a smaller one.
    fn rest(&mut self) {
        let left = self.down.get(self.sent..).unwrap_or_default();
        if left.is_empty() {
            (self.sent, self.replies) = (0, 0);
            if self.down.capacity() > 0 {
                give_back(&DOWN, std::mem::take(&mut self.down));
            }
        } else if self.down.capacity() > left.len() + left.len() / 4 + SPARE {
            let left = left.to_vec();
            self.sent = 0;
            give_back(&DOWN, std::mem::replace(&mut self.down, left));
        }
    }

    fn wait(&mut self, cx: &Context<'_>, side: Side) {
        let place = match side {
            Side::Reader => &mut self.reader,
            Side::Writer => &mut self.writer,
        };
        if !place.as_ref().is_some_and(|known| known.will_wake(cx.waker())) {
            *place = Some(cx.waker().clone());
        }
    }

    /// The layer goes no further. What it has said last leaves as far as it does at once.
    #[cold]
    fn fail(&mut self, error: LayerError, cx: &mut Context<'_>, side: Side) -> io::Error {
        let _ = self.poll_down(cx, side);
        self.failed = Some(error.clone());
        self.end_input();
        let waiters = [self.reader.take(), self.writer.take()];
        waiters.into_iter().flatten().for_each(panics::wake);
        error.into()
    }

    /// Nothing more comes for which a writer could wait.
    fn end_input(&mut self) {
        self.input_over = true;
        self.wake_refused();
    }

    /// Wakes a writer of whom the layer has taken nothing. It may be the task that is polled, which has its write behind it.
    fn wake_refused(&mut self) {
        if std::mem::take(&mut self.refused) {
            self.writer.take().into_iter().for_each(panics::wake);
        }
    }

    /// Passes bytes from below to the layer; `false` where it takes none.
    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        if self.up.is_empty() {
            let mut up = borrow(&UP);
            up.resize(READ, 0);
            let read = self.below.poll_read(cx, &mut up);
            let received = match &read {
                Poll::Ready(Ok(bytes @ 1..)) => Some(self.receive(up.get(..*bytes).unwrap_or_default())),
                _ => None,
            };
            if let (Some(Ok(taken)), Poll::Ready(Ok(bytes))) = (&received, &read) {
                self.up.extend_from_slice(up.get(*taken..*bytes).unwrap_or_default());
            }
            give_back_full(&UP, up);
            match (ready!(read)?, received) {
                (_, Some(received)) => self.received(received, cx),
                _ => {
                    self.below_ended = true;
                    self.layer.below_ended();
                    self.end_input();
                    Poll::Ready(Ok(true))
                }
            }
        } else {
            let up = std::mem::take(&mut self.up);
            let received = self.receive(up.get(self.taken..).unwrap_or_default());
            self.taken += *received.as_ref().unwrap_or(&0);
            if self.taken < up.len() {
                self.up = up;
            } else {
                self.taken = 0;
            }
            self.received(received, cx)
        }
    }

    /// Has the layer take bytes, and counts its replies. Behind our end there are none.
    fn receive(&mut self, bytes: &[u8]) -> Result<usize, LayerError> {
        let before = self.down.len();
        let received = self.say(|layer, down| layer.received(bytes, down));
        if self.ended {
            self.down.truncate(before);
        }
        self.replies += self.down.len() - before;
        received
    }

    fn received(
        &mut self,
        received: Result<usize, LayerError>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<bool>> {
        match received {
            Ok(taken) => {
                if taken > 0 {
                    self.wake_refused();
                }
                Poll::Ready(Ok(taken > 0))
            }
            Err(error) => {
                let _ = self.fail(error, cx, Side::Reader);
                // What came before is read first.
                Poll::Ready(Ok(true))
            }
        }
    }
}

impl<W: Wire, L: Layer> Wire for Layered<W, L> {
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut took = true;
        for _ in 0..TURNS {
            match self.layer.read(buffer) {
                Ok(Some(0)) => {
                    self.end_input();
                    return Poll::Ready(Ok(0));
                }
                Ok(Some(bytes)) => {
                    // Replies leave with the read that made them.
                    let _ = self.poll_down(cx, Side::Reader);
                    return Poll::Ready(Ok(bytes));
                }
                Ok(None) => {}
                Err(error) if self.failed.is_none() => {
                    return Poll::Ready(Err(self.fail(error, cx, Side::Reader)));
                }
                Err(_) => {}
            }
            if let Some(error) = self.failed.clone() {
                let _ = self.poll_down(cx, Side::Reader);
                return Poll::Ready(Err(error.into()));
            }
            if self.below_ended || !took {
                let text = "A layer took nothing of what it received, and had nothing to be read.";
                let error = if took { LayerError::Truncated } else { LayerError::own(text) };
                return Poll::Ready(Err(self.fail(error, cx, Side::Reader)));
            }
            let sent = self.poll_down(cx, Side::Reader);
            if self.replies >= REPLIES {
                ready!(sent)?;
                continue;
            }
            took = match self.poll_receive(cx) {
                Poll::Ready(took) => took?,
                // A peer that takes nothing more may have sent something before.
                Poll::Pending => match sent {
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                    _ => return Poll::Pending,
                },
            };
        }
        // Records without plain bytes may come without end, and others are to have their turn.
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if let Some(error) = &self.failed {
            return Poll::Ready(Err(error.clone().into()));
        }
        if self.ended {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        // Nothing piles up.
        ready!(self.poll_down(cx, Side::Writer))?;
        let mut plain = [IoSlice::new(&[]); SLICES];
        let filled = cut(slices, &mut plain);
        let plain = plain.get(..filled).unwrap_or_default();
        if plain.is_empty() {
            return Poll::Ready(Ok(0));
        }
        match self.say(|layer, down| layer.write(plain, down)) {
            Ok(0) => {
                self.rest();
                if self.input_over {
                    return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
                }
                self.refused = true;
                self.wait(cx, Side::Writer);
                Poll::Pending
            }
            Ok(taken) => Poll::Ready(Ok(taken)),
            Err(error) => Poll::Ready(Err(self.fail(error, cx, Side::Writer))),
        }
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_down(cx, Side::Writer))?;
        // It may hold bytes of its own.
        self.below.poll_flush(cx)
    }

    fn poll_close_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !std::mem::replace(&mut self.ended, true) && self.failed.is_none() {
            self.say(|layer, down| layer.end(down));
        }
        ready!(self.poll_flush(cx))?;
        let closed = self.below.poll_close_write(cx);
        self.closed |= closed.is_ready();
        closed
    }

    fn owes_end(&self) -> bool {
        !self.closed && self.failed.is_none()
    }

    fn is_lost(&mut self) -> bool {
        self.below.is_lost()
    }

    fn extend(&self, extensions: &mut Extensions) {
        self.below.extend(extensions);
    }

    fn reset(&mut self) {
        self.below.reset();
    }
}

/// Nothing in it is pinned.
impl<W, L> Unpin for Layered<W, L> {}

impl<W: fmt::Debug, L> fmt::Debug for Layered<W, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Layered")
            .field("below", &self.below)
            .field("to_send", &(self.down.len() - self.sent))
            .field("failed", &self.failed)
            .finish_non_exhaustive()
    }
}

/// Two tasks that wait for the same thing.
struct Both(Waker, Waker);

impl Wake for Both {
    fn wake(self: Arc<Self>) {
        self.0.wake_by_ref();
        self.1.wake_by_ref();
    }
}

/// Takes slices that are not empty, and `WRITE` bytes of them at most; how many.
fn cut<'a>(slices: &'a [IoSlice<'_>], into: &mut [IoSlice<'a>; SLICES]) -> usize {
    let (mut room, mut filled) = (WRITE, 0);
    for (slice, place) in slices.iter().filter(|slice| !slice.is_empty()).zip(into) {
        let bytes = slice.get(..room).unwrap_or(slice);
        if bytes.is_empty() {
            break;
        }
        *place = IoSlice::new(bytes);
        room -= bytes.len();
        filled += 1;
    }
    filled
}

/// The thread's buffer; another one where that is in use, as of a layer on a layer, or where the thread is ending.
fn borrow(buffer: &'static LocalKey<Cell<Vec<u8>>>) -> Vec<u8> {
    buffer.try_with(Cell::take).unwrap_or_default()
}

fn give_back(buffer: &'static LocalKey<Cell<Vec<u8>>>, mut bytes: Vec<u8>) {
    bytes.clear();
    give_back_full(buffer, bytes);
}

fn give_back_full(buffer: &'static LocalKey<Cell<Vec<u8>>>, bytes: Vec<u8>) {
    if bytes.capacity() <= KEPT {
        // Where the thread is ending, it is freed.
        let _ = buffer.try_with(|place| {
            let other = place.take();
            place.set(if other.capacity() > bytes.capacity() { other } else { bytes });
        });
    }
}
