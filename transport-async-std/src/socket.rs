//! The sockets that a server accepts.

use std::fs::File;
use std::io::{self, IoSlice, Read, Write};
use std::net::Shutdown;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use async_io::Async;
use httpfsm_transport::{Wire, send_file, send_more};
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

    /// Sends. Where it sends fewer than `bytes` the socket is full.
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

impl Wire for RegisteredSocket {
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
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

    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_send(cx, bytes.len(), |mut socket| socket.write(bytes))
    }

    fn poll_write_vectored(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let bytes = slices.iter().map(|slice| slice.len()).sum();
        self.poll_send(cx, bytes, |mut socket| socket.write_vectored(slices))
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
        Poll::Ready(self.socket.get_ref().shutdown(Shutdown::Write))
    }

    fn is_lost(&mut self) -> bool {
        !matches!(self.socket.get_ref().take_error(), Ok(None))
    }

    fn reset(&mut self) {
        // A Unix socket takes the option and has no reset; its close is seen as one when bytes were unread.
        let _ = self.socket.get_ref().set_linger(Some(Duration::ZERO));
    }
}
