//! A wire and a layer, as a wire.

use std::fmt;
use std::io::{self, IoSlice};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker, ready};

use httpfsm::handler::Extensions;

use crate::layer::{Layer, LayerError};
use crate::panics;
use crate::wire::Wire;

use self::buffers::ThreadBuffer;
use self::through::Through;
use self::unread::Unread;

mod buffers;
mod handshake;
mod slices;
mod through;
mod unread;

/// What is read from below at once where the reader has room for less.
const READ_BYTES: usize = 16 << 10;
/// The same where it has room for more.
const MOST_BYTES: usize = (64 << 10) + OVERHEAD_BYTES;
/// What is read beyond the room of the reader: what the layer's protocol adds to 64 KiB, and not much more.
const OVERHEAD_BYTES: usize = 512;
/// Bytes of replies above which nothing is read until they are sent.
const REPLY_BYTES: usize = 16 << 10;
/// A buffer that waits is copied to a smaller one if it is more than a quarter and this many bytes too large.
const SPARE_BYTES: usize = 1 << 10;
/// Calls of `received` in one poll that find nothing to be read; then others get their turn.
const READS_PER_POLL: usize = 16;

/// A [`Wire`] whose bytes go through a [`Layer`]: what is written becomes what the layer makes of it, and what is read is
/// what the layer finds in the bytes of the wire below.
///
/// What the layer makes of plain bytes leaves when they are written, as far as the layer [passes it
/// on](Layer::write_through) and the wire below takes it at once. The rest waits until it is [flushed](Wire::poll_flush),
/// with what the layer sends by itself; a read passes the latter on as well. That is at most what the layer makes of 64 KiB
/// of plain bytes, and 16 KiB of replies. A read fills its buffer with what the layer finds in one read of the wire below,
/// of up to 64 KiB. A connection that waits for its peer holds no buffer but the layer's own: those in use are the thread's.
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
    /// What the layer has for the wire below; the first `sent` bytes are sent.
    down: Vec<u8>,
    sent: usize,
    /// How many bytes of `down` the layer has made when it received something.
    replies: usize,
    up: Unread,
    failed: Option<LayerError>,
    /// Who waits until `down` is sent.
    reader: Option<Waker>,
    writer: Option<Waker>,
    /// The wire below has taken bytes, and has not been flushed since.
    unflushed: bool,
    /// The wire below has failed in a write of the layer's, whose plain bytes are taken: the next flush says so.
    write_error: Option<io::Error>,
    /// The layer has taken no bytes of the last write: the writer waits until the layer receives something.
    write_refused: bool,
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
            up: Unread::default(),
            failed: None,
            reader: None,
            writer: None,
            unflushed: false,
            write_error: None,
            write_refused: false,
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

    /// The wire below, without the layer and what that has received.
    pub(crate) fn into_below(self) -> W {
        self.below
    }

    pub(crate) fn layer_mut(&mut self) -> &mut L {
        &mut self.layer
    }

    /// Has a buffer to which the layer appends; where nothing waits to be sent, that of the thread.
    fn borrow_buffer(&mut self) {
        if self.down.capacity() == 0 {
            self.down = ThreadBuffer::ToSend.borrow();
        }
    }

    /// Lets the layer write to the wire below, for which nothing waits, and append the rest to `down`.
    fn write_through(&mut self, plain: &[IoSlice<'_>], cx: &mut Context<'_>) -> Result<usize, LayerError> {
        self.borrow_buffer();
        let mut below = Through::new(&mut self.below, cx);
        let written = self.layer.write_through(plain, &mut below, &mut self.down);
        let outcome = below.into_outcome();
        self.unflushed |= outcome.was_asked;
        self.write_error = outcome.error;
        written
    }

    /// Sends `down` and flushes the wire below; then wakes the other side, if it waits for that.
    fn poll_down(&mut self, cx: &mut Context<'_>, side: Side) -> Poll<io::Result<()>> {
        if self.down.is_empty() && !self.unflushed {
            self.return_buffer();
            return Poll::Ready(Ok(()));
        }
        let other = match side {
            Side::Reader => &self.writer,
            Side::Writer => &self.reader,
        };
        let sent = match other {
            Some(other) if !other.will_wake(cx.waker()) => {
                let both = Waker::from(Arc::new(Both(cx.waker().clone(), other.clone())));
                self.poll_send(&mut Context::from_waker(&both), side)
            }
            _ => self.poll_send(cx, side),
        };
        if sent.is_pending() {
            self.wait(cx, side);
        } else {
            let (reader, writer) = (self.reader.take(), self.writer.take());
            let other = if side == Side::Reader { writer } else { reader };
            other.into_iter().for_each(panics::wake);
        }
        self.return_buffer();
        sent
    }

    fn poll_send(&mut self, cx: &mut Context<'_>, side: Side) -> Poll<io::Result<()>> {
        if let Some(error) = &self.write_error {
            // A reader may have something to read, and heed no error of a write. The writer is told in any case.
            let copy = io::Error::from(error.kind());
            let told = if side == Side::Writer { self.write_error.take() } else { None };
            return Poll::Ready(Err(told.unwrap_or(copy)));
        }
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

    /// Gives the thread's buffer back if all of `down` is sent, or if the rest fits a smaller buffer.
    fn return_buffer(&mut self) {
        let left = self.down.get(self.sent..).unwrap_or_default();
        if left.is_empty() {
            (self.sent, self.replies) = (0, 0);
            if self.down.capacity() > 0 {
                ThreadBuffer::ToSend.give_back(std::mem::take(&mut self.down));
            }
        } else if self.down.capacity() > left.len() + left.len() / 4 + SPARE_BYTES {
            let left = left.to_vec();
            self.sent = 0;
            ThreadBuffer::ToSend.give_back(std::mem::replace(&mut self.down, left));
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

    /// Ends the layer by this error. The last bytes that it made are sent as far as the wire takes them at once.
    #[cold]
    fn fail(&mut self, error: LayerError, cx: &mut Context<'_>, side: Side) -> io::Error {
        let _ = self.poll_down(cx, side);
        self.failed = Some(error.clone());
        self.end_input();
        let waiters = [self.reader.take(), self.writer.take()];
        waiters.into_iter().flatten().for_each(panics::wake);
        error.into()
    }

    /// Notes that the layer receives nothing more. A writer that waits for that is woken, to see the error.
    fn end_input(&mut self) {
        self.input_over = true;
        self.up.clear();
        self.wake_writer();
    }

    /// Wakes the writer whose bytes the layer has not taken. It may be the task that is polled now, which has tried its
    /// write already and must be polled again.
    fn wake_writer(&mut self) {
        if std::mem::take(&mut self.write_refused) {
            self.writer.take().into_iter().for_each(panics::wake);
        }
    }

    /// Passes bytes from below to the layer: those that it has left before, or as many as are there now, up to `most`.
    /// Returns `false` if it takes none.
    fn poll_receive(&mut self, cx: &mut Context<'_>, most: usize) -> Poll<io::Result<bool>> {
        if self.up.is_empty() {
            match ready!(self.below.poll_read(cx, self.up.room(most)))? {
                0 => {
                    self.below_ended = true;
                    self.layer.below_ended();
                    self.end_input();
                    return Poll::Ready(Ok(true));
                }
                bytes => self.up.came(bytes),
            }
        }
        match self.receive() {
            Ok(taken) => {
                if taken > 0 {
                    self.wake_writer();
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

    /// Passes the next bytes to the layer, and counts its replies. After the end of our output, replies are dropped.
    fn receive(&mut self) -> Result<usize, LayerError> {
        self.borrow_buffer();
        let before = self.down.len();
        let received = self.layer.received(self.up.next(), &mut self.down);
        self.up.take(*received.as_ref().unwrap_or(&0));
        if self.ended {
            self.down.truncate(before);
        }
        self.replies += self.down.len() - before;
        received
    }

    /// Reads what the layer finds in what is left of before and in one read from below, as far as there is room.
    fn poll_plain(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        // So much fills the buffer with what is left of before, and leaves hardly anything, which would be copied.
        let most = buffer.len().saturating_add(OVERHEAD_BYTES).saturating_sub(self.up.len());
        let most = most.clamp(READ_BYTES, MOST_BYTES);
        let (mut filled, mut took, mut turns) = (0, true, 0);
        // Behind bytes that were found nothing is read from below, and at each turn the layer takes one at least, or has
        // found some.
        while filled > 0 || turns < READS_PER_POLL {
            match self.layer.read(buffer.get_mut(filled..).unwrap_or_default()) {
                Ok(Some(0)) => {
                    self.end_input();
                    if filled == 0 {
                        return Poll::Ready(Ok(0));
                    }
                    break;
                }
                Ok(Some(bytes)) => {
                    filled += bytes;
                    // It may have waited with what comes for these to be read.
                    took = true;
                    if filled >= buffer.len() || self.up.is_empty() {
                        break;
                    }
                    continue;
                }
                Ok(None) if filled > 0 && self.up.is_empty() => break,
                Err(error) if self.failed.is_none() => {
                    let _ = self.fail(error, cx, Side::Reader);
                }
                Ok(None) | Err(_) => {}
            }
            if self.failed.is_some() {
                break;
            }
            if self.below_ended || !took {
                let text = "A layer took nothing of what it received, and had nothing to be read.";
                let error = if took { LayerError::Truncated } else { LayerError::own(text) };
                let _ = self.fail(error, cx, Side::Reader);
                break;
            }
            turns += 1;
            let sent = self.poll_down(cx, Side::Reader);
            if self.replies >= REPLY_BYTES {
                if filled > 0 {
                    break;
                }
                ready!(sent)?;
                continue;
            }
            took = match self.poll_receive(cx, most) {
                Poll::Ready(took) => took?,
                // A peer that no longer takes bytes may have sent some before, so its error comes after the read.
                Poll::Pending => match sent {
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                    _ => return Poll::Pending,
                },
            };
        }
        // The replies to what was read are sent at once.
        let _ = self.poll_down(cx, Side::Reader);
        match &self.failed {
            _ if filled > 0 => Poll::Ready(Ok(filled)),
            Some(error) => Poll::Ready(Err(error.clone().into())),
            None => {
                // A peer may send records without plain bytes for ever, and other connections are to have their turn.
                cx.waker().wake_by_ref();
                Poll::Pending
            }
        }
    }
}

impl<W: Wire, L: Layer> Wire for Layered<W, L> {
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let read = self.poll_plain(cx, buffer);
        self.up.give_back();
        read
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if let Some(error) = &self.failed {
            return Poll::Ready(Err(error.clone().into()));
        }
        if self.ended {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        // The layer makes nothing of new bytes before what it made of earlier ones is sent.
        ready!(self.poll_down(cx, Side::Writer))?;
        let mut plain = [IoSlice::new(&[]); slices::MAX];
        let plain = slices::bounded(bytes, &mut plain);
        if plain.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let written = self.write_through(plain, cx);
        if self.down.is_empty() {
            self.return_buffer();
        }
        match written {
            Ok(0) => {
                self.return_buffer();
                if let Some(error) = self.write_error.take() {
                    return Poll::Ready(Err(error));
                }
                if self.input_over {
                    return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
                }
                self.write_refused = true;
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
            self.borrow_buffer();
            self.layer.end(&mut self.down);
        }
        ready!(self.poll_flush(cx))?;
        let closed = self.below.poll_close_write(cx);
        self.closed |= closed.is_ready();
        closed
    }

    /// With what the layer holds; beside that it is 0 while the connection waits for its peer.
    fn held(&self) -> usize {
        self.down.capacity() + self.up.held() + self.layer.held() + self.below.held()
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

/// Wakes both tasks: the wire below keeps one waker for its output.
struct Both(Waker, Waker);

impl Wake for Both {
    fn wake(self: Arc<Self>) {
        self.0.wake_by_ref();
        self.1.wake_by_ref();
    }
}
