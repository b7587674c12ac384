//! The socket of a connection.

use std::io::{self, IoSlice};
use std::net::Shutdown;
use std::os::fd::AsFd;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_io::{AsyncRead, AsyncWrite};
use httpfsm_transport::Wire;
use socket2::SockRef;

/// A connected socket of futures-io: a `TcpStream` or `UnixStream` of smol or of async-std.
///
/// futures-io has no half-close (its `poll_close` is a flush in these libraries) and no reset, so those are asked of
/// the descriptor.
///
/// A server that is given its sockets:
///
/// ```
/// use futures_lite::{AsyncReadExt, AsyncWriteExt};
/// use httpfsm::{Peer, Request, ServerConfig};
/// use httpfsm_async_std::{Stream, connections};
/// use smol::net::unix::UnixStream;
///
/// # smol::block_on(async {
/// let server = connections(ServerConfig::default(), |_: Request| async { "Hello, world!" })?;
/// let (mut client, socket) = UnixStream::pair()?;
/// let connection = server.serve_connection(Stream::new(socket), Peer::Unix(None), Peer::Unix(None));
/// let serving = smol::spawn(connection.expect("there is room"));
/// client.write_all(b"GET / HTTP/1.0\r\n\r\n").await?;
/// let mut received = String::new();
/// client.read_to_string(&mut received).await?;
/// assert!(received.ends_with("\r\n\r\nHello, world!"));
/// # drop(client);
/// # serving.await;
/// # std::io::Result::Ok(()) }).expect("there are sockets");
/// ```
#[derive(Debug)]
pub struct Stream<S>(S);

impl<S: AsyncRead + AsyncWrite + AsFd + Send + Unpin + 'static> Stream<S> {
    /// Takes a socket.
    pub fn new(socket: S) -> Self {
        Self(socket)
    }

    /// Gives the socket back.
    pub fn into_inner(self) -> S {
        self.0
    }
}

impl<S: AsyncRead + AsyncWrite + AsFd + Send + Unpin + 'static> Wire for Stream<S> {
    #[inline]
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }

    #[inline]
    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, slices)
    }

    fn poll_close_write(&mut self, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // A half-close of a socket does not block.
        Poll::Ready(SockRef::from(&self.0).shutdown(Shutdown::Write))
    }

    fn is_lost(&mut self) -> bool {
        !matches!(SockRef::from(&self.0).take_error(), Ok(None))
    }

    fn reset(&mut self) {
        // A Unix socket takes the option and has no reset; its close is seen as one when bytes were unread.
        let _ = SockRef::from(&self.0).set_linger(Some(Duration::ZERO));
    }
}
