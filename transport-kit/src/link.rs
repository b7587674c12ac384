//! The peer's end of a connection: a socket, or a wire of the subject's.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use httpfsm_transport::Wire;
use socket2::Socket;

use crate::sockets::MOMENT;

/// An end whose calls block for a moment at most.
pub(crate) enum Link {
    Socket(Socket),
    Wire(WireLink),
}

impl Link {
    /// Ends its output.
    pub(crate) fn fin(&mut self) {
        match self {
            Self::Socket(socket) => drop(socket.shutdown(Shutdown::Write)),
            Self::Wire(link) => {
                link.ends = true;
                link.go_on();
            }
        }
    }

    /// Resets the connection.
    pub(crate) fn reset(mut self) {
        match &mut self {
            Self::Socket(socket) => drop(socket.set_linger(Some(Duration::ZERO))),
            Self::Wire(link) => {
                link.is_reset = true;
                link.wire.reset();
            }
        }
    }

    /// Sends what it still holds, as far as that goes at once.
    pub(crate) fn go_on(&mut self) {
        if let Self::Wire(link) = self {
            link.go_on();
        }
    }
}

impl From<TcpStream> for Link {
    fn from(stream: TcpStream) -> Self {
        Self::Socket(stream.into())
    }
}

impl Read for Link {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Socket(socket) => socket.read(buffer),
            Self::Wire(link) => link.read(buffer),
        }
    }
}

impl Write for Link {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Socket(socket) => socket.write(bytes),
            Self::Wire(link) => link.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.go_on();
        Ok(())
    }
}

/// A wire, and what it is still to do.
pub(crate) struct WireLink {
    wire: Box<dyn Wire>,
    /// Its output is to end.
    ends: bool,
    is_reset: bool,
    /// What was read while nothing could be written: a byte, or none where the end has come.
    ahead: Option<io::Result<Option<u8>>>,
}

impl WireLink {
    pub(crate) fn new(wire: Box<dyn Wire>) -> Self {
        let mut link = Self { wire, ends: false, is_reset: false, ahead: None };
        // What its protocol begins with.
        link.go_on();
        link
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.go_on();
        match (self.ahead.take(), buffer.split_first_mut()) {
            (Some(Ok(Some(byte))), Some((first, rest))) => {
                *first = byte;
                let more = match rest {
                    [] => Poll::Pending,
                    rest => self.wire.poll_read(&mut Context::from_waker(Waker::noop()), rest),
                };
                match more {
                    Poll::Ready(Ok(bytes @ 1..)) => return Ok(1 + bytes),
                    Poll::Ready(end) => self.ahead = Some(end.map(|_| None)),
                    Poll::Pending => {}
                }
                Ok(1)
            }
            (Some(end), _) => end.map(|_| 0),
            (None, _) => wait(|cx| self.wire.poll_read(cx, buffer)),
        }
    }

    /// A protocol may have to read before it can write. The byte that comes with it is as good as unread.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Self { wire, ahead, .. } = self;
        let written = wait(|cx| {
            let written = wire.poll_write(cx, bytes);
            let mut byte = [0];
            if written.is_ready() || ahead.is_some() {
                return written;
            }
            if let Poll::Ready(read) = wire.poll_read(cx, &mut byte) {
                *ahead = Some(read.map(|read| byte.first().copied().filter(|_| read > 0)));
            }
            // It may be ready by now, and the waker be gone that would tell.
            wire.poll_write(cx, bytes)
        });
        self.go_on();
        written
    }

    /// Passes on what it holds, and then its end if that is to come. An error shows at the next read.
    fn go_on(&mut self) {
        let mut cx = Context::from_waker(Waker::noop());
        let is_flushed = matches!(self.wire.poll_flush(&mut cx), Poll::Ready(Ok(())));
        if is_flushed && self.ends && self.wire.poll_close_write(&mut cx).is_ready() {
            self.ends = false;
        }
    }
}

/// As a socket ends its output when it is closed.
impl Drop for WireLink {
    fn drop(&mut self) {
        if !self.is_reset {
            self.ends = true;
            self.go_on();
        }
    }
}

/// Polls for a moment.
fn wait<T>(mut poll: impl FnMut(&mut Context<'_>) -> Poll<io::Result<T>>) -> io::Result<T> {
    let (began, waker) = (Instant::now(), Waker::from(Arc::new(Parked(thread::current()))));
    loop {
        if let Poll::Ready(outcome) = poll(&mut Context::from_waker(&waker)) {
            return outcome;
        }
        let Some(left) = MOMENT.checked_sub(began.elapsed()) else {
            return Err(io::ErrorKind::WouldBlock.into());
        };
        thread::park_timeout(left);
    }
}

/// Wakes a thread that is parked.
pub(crate) struct Parked(pub(crate) Thread);

impl Wake for Parked {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}
