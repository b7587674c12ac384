//! Connected sockets: those of the standard library, and those that do not block.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use mio::event::Source;

/// A connected socket of the standard library.
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

/// A connected socket that does not block.
#[derive(Debug)]
pub(crate) enum Socket {
    Tcp(mio::net::TcpStream),
    Unix(mio::net::UnixStream),
}

impl Socket {
    pub(crate) fn new(stream: Stream) -> io::Result<Self> {
        Ok(match stream {
            Stream::Tcp(stream) => {
                stream.set_nonblocking(true)?;
                Self::Tcp(mio::net::TcpStream::from_std(stream))
            }
            Stream::Unix(stream) => {
                stream.set_nonblocking(true)?;
                Self::Unix(mio::net::UnixStream::from_std(stream))
            }
        })
    }

    pub(crate) fn bytes(&mut self) -> &mut dyn ByteStream {
        match self {
            Self::Tcp(stream) => stream,
            Self::Unix(stream) => stream,
        }
    }

    pub(crate) fn source(&mut self) -> &mut dyn Source {
        match self {
            Self::Tcp(stream) => stream,
            Self::Unix(stream) => stream,
        }
    }

    pub(crate) fn take_error(&self) -> io::Result<Option<io::Error>> {
        match self {
            Self::Tcp(stream) => stream.take_error(),
            Self::Unix(stream) => stream.take_error(),
        }
    }

    pub(crate) fn shutdown(&self) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.shutdown(Shutdown::Write),
            Self::Unix(stream) => stream.shutdown(Shutdown::Write),
        }
    }

    /// The socket, which blocks again.
    pub(crate) fn into_stream(self) -> io::Result<Stream> {
        Ok(match self {
            Self::Tcp(stream) => {
                let stream = TcpStream::from(OwnedFd::from(stream));
                stream.set_nonblocking(false)?;
                Stream::Tcp(stream)
            }
            Self::Unix(stream) => {
                let stream = UnixStream::from(OwnedFd::from(stream));
                stream.set_nonblocking(false)?;
                Stream::Unix(stream)
            }
        })
    }
}

/// What is moved.
pub(crate) trait ByteStream: Read + Write {}

impl<T: Read + Write> ByteStream for T {}
