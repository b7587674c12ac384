//! Any I/O of the kind of futures-io.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_io::{AsyncRead, AsyncWrite};
use httpfsm_transport::Wire;

/// A wire over anything that is `AsyncRead` and `AsyncWrite` of futures-io: a stream that encrypts, one in memory, one with
/// a buffer.
///
/// It is flushed before the connection sleeps and closes; `poll_close` is its half-close, behind which it is read on.
/// Traits have no reset, so the peer of a connection that is to be reset sees that its I/O was dropped without a
/// `poll_close`. For a socket of the system take [`Stream`](crate::Stream), which can be reset and ends its output:
/// `poll_close` of a socket of smol or of async-std does not.
///
/// ```
/// use futures_io::{AsyncRead, AsyncWrite};
/// use httpfsm::handler::Handler;
/// use httpfsm::peer::Peer;
/// use httpfsm_async_std::{Connections, Io};
///
/// /// Serves a connection whose ends have no names.
/// async fn serve<T>(server: &Connections<impl Handler>, io: T)
/// where
///     T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
/// {
///     match server.serve_connection(Io::new(io), Peer::Unix(None), Peer::Unix(None)) {
///         Ok(connection) => connection.await,
///         Err(refusal) => println!("{refusal}"),
///     }
/// }
/// ```
#[derive(Debug)]
pub struct Io<T> {
    io: T,
    /// Our output is ended, so there is nothing to flush.
    ended: bool,
}

impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Io<T> {
    /// Takes an I/O.
    pub fn new(io: T) -> Self {
        Self { io, ended: false }
    }

    /// Gives the I/O back. What it holds is still to be flushed.
    pub fn into_inner(self) -> T {
        self.io
    }
}

impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Wire for Io<T> {
    #[inline]
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_read(cx, buffer)
    }

    #[inline]
    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, slices)
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.ended {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_close_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let closed = Pin::new(&mut self.io).poll_close(cx);
        self.ended |= closed.is_ready();
        closed
    }

    #[inline]
    fn owes_end(&self) -> bool {
        !self.ended
    }

    /// There is none to be had; the drop that follows is what the peer sees.
    fn reset(&mut self) {}
}
