//! Connected sockets: those of the standard library, and those that do not block.

use std::io::{self, IoSlice, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use socket2::SockRef;

/// A connected socket of the standard library.
///
/// Code that has sockets of both kinds:
///
/// ```
/// use std::net::TcpListener;
/// use std::os::unix::net::UnixStream;
///
/// use httpfsm_blocking::Stream;
///
/// fn is_local(stream: &Stream) -> bool {
///     match stream {
///         Stream::Tcp(stream) => stream.peer_addr().is_ok_and(|peer| peer.ip().is_loopback()),
///         Stream::Unix(_) => true,
///     }
/// }
///
/// # fn main() -> std::io::Result<()> {
/// let (socket, _other) = UnixStream::pair()?;
/// assert!(is_local(&socket.into()));
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

/// A connected socket that does not block.
#[derive(Debug)]
pub struct Socket(Stream);

impl Socket {
    pub(crate) fn new(stream: Stream) -> io::Result<Self> {
        either!(&stream, stream => stream.set_nonblocking(true))?;
        Ok(Self(stream))
    }

    /// One that was accepted so.
    pub(crate) fn accepted(stream: TcpStream) -> Self {
        Self(stream.into())
    }

    #[inline]
    pub(crate) fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        either!(&self.0, stream => Read::read(&mut { stream }, buffer))
    }

    #[inline]
    pub(crate) fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        either!(&self.0, stream => Write::write(&mut { stream }, bytes))
    }

    pub(crate) fn write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        either!(&self.0, stream => Write::write_vectored(&mut { stream }, slices))
    }

    pub(crate) fn take_error(&self) -> io::Result<Option<io::Error>> {
        either!(&self.0, stream => stream.take_error())
    }

    pub(crate) fn shutdown(&self) -> io::Result<()> {
        either!(&self.0, stream => stream.shutdown(Shutdown::Write))
    }

    /// Has its close be a reset. A Unix socket has none; its close is seen as one when bytes were unread.
    pub(crate) fn reset(&self) {
        if let Stream::Tcp(stream) = &self.0 {
            let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO));
        }
    }

    /// The socket, which blocks again.
    pub(crate) fn into_stream(self) -> io::Result<Stream> {
        either!(&self.0, stream => stream.set_nonblocking(false))?;
        Ok(self.0)
    }
}

impl AsRef<Self> for Socket {
    fn as_ref(&self) -> &Self {
        self
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        either!(&self.0, stream => stream.as_fd())
    }
}
