//! Any I/O of tokio's kind.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use httpfsm_transport::Wire;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A wire over anything that is `AsyncRead` and `AsyncWrite`: a stream that encrypts, one in memory, one with a buffer.
///
/// It is flushed before the connection sleeps and closes; `poll_shutdown` is its half-close, behind which it is read on.
/// Traits have no reset, so the peer of a connection that is to be reset sees that its I/O was dropped without a
/// `poll_shutdown`. For a socket of the system take [`Stream`](crate::Stream), which can be reset.
///
/// A server over pipes in memory:
///
/// ```
/// use httpfsm::config::ServerConfig;
/// use httpfsm::handler::Request;
/// use httpfsm::peer::Peer;
/// use httpfsm_tokio::{Io, connections};
/// use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// let server = connections(ServerConfig::default(), |request: Request| async move {
///     format!("You asked for {}.\n", request.target())
/// })?;
///
/// let (mut client, io) = duplex(1024);
/// // What is known of the two ends.
/// let (peername, sockname) = (Peer::Unix(None), Peer::Unix(None));
/// match server.serve_connection(Io::new(io), peername, sockname) {
///     Ok(connection) => drop(tokio::spawn(connection)),
///     Err(refusal) => println!("{refusal}"),
/// }
///
/// client.write_all(b"GET /here HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await?;
/// let mut response = String::new();
/// client.read_to_string(&mut response).await?;
/// assert!(response.ends_with("\r\n\r\nYou asked for /here.\n"));
/// drop(client);
///
/// server.handle().begin_drain(None).gone().await;
/// # Ok(())
/// # }
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
        let mut buffer = ReadBuf::new(buffer);
        Pin::new(&mut self.io).poll_read(cx, &mut buffer).map_ok(|()| buffer.filled().len())
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
        let closed = Pin::new(&mut self.io).poll_shutdown(cx);
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
