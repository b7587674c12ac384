//! An upgraded connection for what speaks futures-io.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_io::{AsyncRead, AsyncWrite};
use httpfsm::handler::Upgraded;

/// An [`Upgraded`] connection as `futures_io::AsyncRead` and `AsyncWrite`. Its errors are of the kinds that a socket's
/// would be, and carry the [`IoFailure`](httpfsm::handler::IoFailure). `httpfsm-async-std` has this type, too, as
/// `httpfsm_async_std::FuturesIo`.
///
/// ```
/// use httpfsm::handler::Upgraded;
/// use httpfsm_transport::FuturesIo;
///
/// fn adapt(upgraded: Upgraded) -> impl futures_io::AsyncRead + futures_io::AsyncWrite {
///     FuturesIo::new(upgraded)
/// }
/// ```
#[derive(Debug)]
pub struct FuturesIo(Upgraded);

impl FuturesIo {
    /// Adapts a connection.
    #[must_use]
    pub fn new(upgraded: Upgraded) -> Self {
        Self(upgraded)
    }

    /// Gives the connection back.
    #[must_use]
    pub fn into_inner(self) -> Upgraded {
        self.0
    }
}

impl AsyncRead for FuturesIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        self.0.poll_read(cx, buffer).map_err(io::Error::from)
    }
}

impl AsyncWrite for FuturesIo {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.0.poll_write(cx, bytes).map_err(io::Error::from)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_flush(cx).map_err(io::Error::from)
    }

    /// Ends our output (FIN); reading goes on.
    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_close(cx).map_err(io::Error::from)
    }
}
