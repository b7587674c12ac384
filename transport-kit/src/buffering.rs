//! A wire that holds what is written until it is flushed.

use std::io;
use std::task::{Context, Poll, ready};

use httpfsm::handler::Extensions;
use httpfsm_transport::Wire;

/// How many bytes it holds.
const CAPACITY: usize = 16 << 10;

/// A wire around another that keeps the bytes it takes in a buffer, and gives them to the other when it is
/// [flushed](Wire::poll_flush) or when the buffer is full. Those that it holds at the half-close or at the close are
/// lost, as in a wire that encrypts.
///
/// It is for who drives wires, in place of the [`Driver`](httpfsm_transport::Driver) or of
/// [`Connection`](httpfsm_transport::Connection): around the wires of a transport it changes no trace of the kit.
///
/// ```
/// use std::task::{Context, Poll, Waker};
///
/// use httpfsm_transport::Wire;
/// use httpfsm_transport::memory::pair;
/// use httpfsm_transport_kit::Buffering;
///
/// let (mut near, far) = pair(100);
/// let (mut wire, mut buffer) = (Buffering::new(far), [0; 10]);
/// let mut cx = Context::from_waker(Waker::noop());
/// assert!(matches!(wire.poll_write(&mut cx, b"bytes"), Poll::Ready(Ok(5))));
/// assert!(near.poll_read(&mut cx, &mut buffer).is_pending());
/// assert!(matches!(wire.poll_flush(&mut cx), Poll::Ready(Ok(()))));
/// assert!(matches!(near.poll_read(&mut cx, &mut buffer), Poll::Ready(Ok(5))));
/// ```
#[derive(Debug)]
pub struct Buffering<W> {
    inner: W,
    held: Vec<u8>,
}

impl<W: Wire> Buffering<W> {
    /// Wraps a wire.
    pub fn new(inner: W) -> Self {
        Self { inner, held: Vec::new() }
    }
}

impl<W: Wire> Wire for Buffering<W> {
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        self.inner.poll_read(cx, buffer)
    }

    fn poll_read_ready(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.inner.poll_read_ready(cx)
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.held.len() >= CAPACITY {
            ready!(self.poll_flush(cx))?;
        }
        let taken = bytes.len().min(CAPACITY - self.held.len());
        self.held.extend_from_slice(bytes.get(..taken).unwrap_or_default());
        Poll::Ready(Ok(taken))
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.held.is_empty() {
            let written = ready!(self.inner.poll_write(cx, &self.held))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.held.drain(..written);
        }
        self.inner.poll_flush(cx)
    }

    fn poll_close_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.held.clear();
        self.inner.poll_close_write(cx)
    }

    fn owes_end(&self) -> bool {
        self.inner.owes_end()
    }

    fn held(&self) -> usize {
        self.held.capacity() + self.inner.held()
    }

    fn is_lost(&mut self) -> bool {
        self.inner.is_lost()
    }

    fn extend(&self, extensions: &mut Extensions) {
        self.inner.extend(extensions);
    }

    fn reset(&mut self) {
        self.inner.reset();
    }
}
