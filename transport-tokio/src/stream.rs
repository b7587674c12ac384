//! The sockets that connections run on.

use std::fs::File;
use std::io::{self, IoSlice};
use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use httpfsm_transport::{Wire, send_file, send_more};
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

/// A connected socket.
///
/// A server that is given its sockets:
///
/// ```
/// use httpfsm::{Peer, Request, ServerConfig};
/// use httpfsm_tokio::{Stream, connections};
/// use tokio::io::{AsyncReadExt, AsyncWriteExt};
/// use tokio::net::UnixStream;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// let server = connections(ServerConfig::default(), |_: Request| async { "Hello, world!" })?;
/// let (mut client, socket) = UnixStream::pair()?;
/// let connection = server.serve_connection(Stream::from(socket), Peer::Unix(None), Peer::Unix(None));
/// tokio::spawn(connection.expect("there is room"));
/// client.write_all(b"GET / HTTP/1.0\r\n\r\n").await?;
/// let mut received = String::new();
/// client.read_to_string(&mut received).await?;
/// assert!(received.ends_with("\r\n\r\nHello, world!"));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub enum Stream {
    /// Over TCP.
    Tcp(TcpStream),
    /// Over a Unix socket.
    Unix(UnixStream),
}

impl From<TcpStream> for Stream {
    fn from(stream: TcpStream) -> Self {
        Self::Tcp(stream)
    }
}

impl From<UnixStream> for Stream {
    fn from(stream: UnixStream) -> Self {
        Self::Unix(stream)
    }
}

/// Has a call made on whichever socket it is.
macro_rules! either {
    ($stream:expr, $either:ident => $call:expr) => {
        match $stream {
            Stream::Tcp($either) => $call,
            Stream::Unix($either) => $call,
        }
    };
}

impl Stream {
    /// Sends with a call that tokio does not have. Where it sends fewer than `wanted` bytes the socket is full.
    fn poll_send(
        &self,
        cx: &mut Context<'_>,
        wanted: usize,
        mut send: impl FnMut(BorrowedFd<'_>) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(either!(self, stream => stream.poll_write_ready(cx)))?;
            let mut some = None;
            // A socket that is full counts as one that would block, or the next call would only find that out.
            let mut call = |socket: BorrowedFd<'_>| match send(socket) {
                Ok(sent) if sent < wanted => {
                    some = Some(sent);
                    Err(io::ErrorKind::WouldBlock.into())
                }
                sent => sent,
            };
            let sent = either!(self, stream => stream.try_io(Interest::WRITABLE, || call(stream.as_fd())));
            match (some, sent) {
                (Some(sent), _) => return Poll::Ready(Ok(sent)),
                (None, Err(error)) if error.kind() == io::ErrorKind::WouldBlock => {}
                (None, Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
                (None, sent) => return Poll::Ready(sent),
            }
        }
    }
}

impl Wire for Stream {
    #[inline]
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut buffer = ReadBuf::new(buffer);
        let read = either!(self, stream => Pin::new(stream).poll_read(cx, &mut buffer));
        read.map_ok(|()| buffer.filled().len())
    }

    #[inline]
    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        either!(self, stream => Pin::new(stream).poll_write(cx, bytes))
    }

    fn poll_write_vectored(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        either!(self, stream => Pin::new(stream).poll_write_vectored(cx, slices))
    }

    fn poll_write_more(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_send(cx, bytes.len(), |socket| send_more(socket, bytes))
    }

    #[inline]
    fn sends_files(&self) -> bool {
        cfg!(target_os = "linux")
    }

    fn poll_send_file(
        &mut self,
        cx: &mut Context<'_>,
        file: &File,
        at: u64,
        length: u64,
    ) -> Poll<io::Result<usize>> {
        // A part may also be all that the file has, so it does not say that the socket is full.
        self.poll_send(cx, 0, |socket| send_file(socket, file, at, length))
    }

    fn poll_close_write(&mut self, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // A half-close of a socket does not block.
        Poll::Ready(either!(self, stream => SockRef::from(&*stream).shutdown(Shutdown::Write)))
    }

    fn is_lost(&mut self) -> bool {
        let error = either!(self, stream => stream.take_error());
        !matches!(error, Ok(None))
    }

    fn reset(&mut self) {
        // A Unix socket has no reset; its close is seen as one when bytes were unread.
        if let Self::Tcp(stream) = self {
            let _ = SockRef::from(&*stream).set_linger(Some(std::time::Duration::ZERO));
        }
    }
}
