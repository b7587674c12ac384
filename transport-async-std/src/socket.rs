//! The sockets that a server accepts.

use std::io::{self, IoSlice, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use async_io::Async;
use futures_io::{AsyncRead, AsyncWrite};
use socket2::Socket;

/// A connected socket, TCP or Unix, that remembers what it can do: the runtimes' own sockets try a read that must
/// fail before they wait, which is a system call a request. To wait is to have the reactor look, so that nothing
/// that came in between is lost.
#[derive(Debug)]
pub(crate) struct RegisteredSocket {
    socket: Async<Socket>,
    readable: bool,
    writable: bool,
}

impl RegisteredSocket {
    pub(crate) fn new(socket: Socket) -> io::Result<Self> {
        // The first request is often there as soon as the connection is.
        Ok(Self { socket: Async::new(socket)?, readable: true, writable: true })
    }

    /// Writes at most `bytes`.
    fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        bytes: usize,
        mut send: impl FnMut(&Socket) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        loop {
            if !self.writable {
                ready!(self.socket.poll_writable(cx))?;
                self.writable = true;
            }
            match send(self.socket.get_ref()) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.writable = false,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                sent => {
                    self.writable = !sent.as_ref().is_ok_and(|sent| *sent < bytes);
                    return Poll::Ready(sent);
                }
            }
        }
    }
}

impl AsyncRead for RegisteredSocket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        loop {
            if !self.readable {
                ready!(self.socket.poll_readable(cx))?;
                self.readable = true;
            }
            match self.socket.get_ref().read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.readable = false,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                received => {
                    // The end of input is there to be read again.
                    self.readable = !received.as_ref().is_ok_and(|bytes| (1..buffer.len()).contains(bytes));
                    return Poll::Ready(received);
                }
            }
        }
    }
}

impl AsyncWrite for RegisteredSocket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_send(cx, bytes.len(), |mut socket| socket.write(bytes))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let bytes = slices.iter().map(|slice| slice.len()).sum();
        self.poll_send(cx, bytes, |mut socket| socket.write_vectored(slices))
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.socket.get_ref().shutdown(std::net::Shutdown::Write))
    }
}

impl AsFd for RegisteredSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
