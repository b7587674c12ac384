//! What a driver needs from a socket.

use std::io::{self, IoSlice};
use std::task::{Context, Poll};

/// A connected byte stream, polled.
///
/// The contracts are those of a non-blocking socket: `Pending` registers the task's waker for that direction; an
/// error means that the connection is lost. Dropping it closes the socket.
pub trait Wire: Send + Unpin + 'static {
    /// Reads into `buffer`, which is not empty; 0 bytes are the end of the peer's input.
    ///
    /// # Errors
    ///
    /// The connection is lost.
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>>;

    /// Writes some of `bytes`.
    ///
    /// # Errors
    ///
    /// The connection is lost.
    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>>;

    /// Writes some of the bytes in `slices`, in order.
    ///
    /// # Errors
    ///
    /// The connection is lost.
    fn poll_write_vectored(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>>;

    /// Ends our output (FIN); input goes on.
    ///
    /// # Errors
    ///
    /// The connection is lost.
    fn poll_close_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Whether the connection is lost (reset by the peer, or by probes that nobody answered), though nothing is read that
    /// would say so. Asked every few seconds while the input must wait; `false` by default.
    fn is_lost(&mut self) -> bool {
        false
    }

    /// Makes the close that follows a reset (RST), where the wire has such a thing.
    fn reset(&mut self);
}
