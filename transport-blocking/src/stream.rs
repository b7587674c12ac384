//! The wires of connections: sockets of which events tell.

use std::fmt;
use std::fs::File;
use std::io::{self, IoSlice};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use httpfsm_transport::{Wire, send_file, send_more};

use crate::poller::{READABLE, WRITABLE};
use crate::readiness::Readiness;
use crate::socket::{Socket, Stream};
use crate::task::Task;

/// Who is told what happens to a socket, and is woken by it.
pub trait Watcher: fmt::Debug + Send + Unpin + 'static {
    /// What is known of the socket.
    fn readiness(&self) -> &Readiness;

    /// Has the task of `cx` woken when `direction` becomes ready. `true` if it has become so.
    fn watch(&self, direction: u32, cx: &Context<'_>) -> bool;

    /// The socket is closed.
    fn close(&self);
}

impl Watcher for Arc<Task> {
    #[inline]
    fn readiness(&self) -> &Readiness {
        &self.readiness
    }

    #[inline]
    fn watch(&self, direction: u32, cx: &Context<'_>) -> bool {
        Task::watch(self, direction, cx)
    }

    fn close(&self) {
        Task::close(self);
    }
}

/// A socket whose readiness is known from its events: no system call is made that would only find that there is nothing
/// to do.
#[derive(Debug)]
pub struct WatchedSocket<S, T: Watcher> {
    /// None when it was taken out.
    socket: Option<S>,
    watcher: T,
}

impl<T: Watcher> WatchedSocket<Arc<Socket>, T> {
    /// The socket, which blocks again.
    pub(crate) fn into_stream(mut self) -> io::Result<Stream> {
        let socket = self.socket.take().and_then(Arc::into_inner);
        socket.ok_or(io::ErrorKind::NotConnected)?.into_stream()
    }
}

impl<S: AsRef<Socket>, T: Watcher> WatchedSocket<S, T> {
    pub(crate) fn new(socket: S, watcher: T) -> Self {
        Self { socket: Some(socket), watcher }
    }

    /// Ready, with what is known, where a system call may do something.
    #[inline]
    fn poll_ready(&self, cx: &Context<'_>, direction: u32) -> Poll<u32> {
        loop {
            let known = self.watcher.readiness().state();
            if known & direction != 0 {
                return Poll::Ready(known);
            }
            if !self.watcher.watch(direction, cx) {
                return Poll::Pending;
            }
        }
    }

    /// Makes the system call if it may do something. It does less than `wanted` bytes when there is no more to do.
    #[inline]
    fn poll_io(
        &mut self,
        cx: &Context<'_>,
        direction: u32,
        wanted: usize,
        mut call: impl FnMut(&Socket) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        let Some(socket) = &self.socket else {
            return Poll::Ready(Err(io::ErrorKind::NotConnected.into()));
        };
        loop {
            let known = ready!(self.poll_ready(cx, direction));
            match call(socket.as_ref()) {
                Ok(bytes) => {
                    if bytes > 0 && bytes < wanted {
                        self.watcher.readiness().settle(known, direction, false);
                    }
                    return Poll::Ready(Ok(bytes));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.watcher.readiness().settle(known, direction, true);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

impl<S: AsRef<Socket> + Send + Unpin + 'static, T: Watcher> Wire for WatchedSocket<S, T> {
    #[inline]
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        self.poll_io(cx, READABLE, buffer.len(), |socket| socket.read(buffer))
    }

    #[inline]
    fn poll_read_ready(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        // A socket that was taken out fails as it is read.
        if self.socket.is_none() { Poll::Ready(()) } else { self.poll_ready(cx, READABLE).map(drop) }
    }

    #[inline]
    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_io(cx, WRITABLE, bytes.len(), |socket| socket.write(bytes))
    }

    fn poll_write_vectored(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let wanted = slices.iter().map(|slice| slice.len()).sum();
        self.poll_io(cx, WRITABLE, wanted, |socket| socket.write_vectored(slices))
    }

    fn poll_write_more(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_io(cx, WRITABLE, bytes.len(), |socket| send_more(socket, bytes))
    }

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
        self.poll_io(cx, WRITABLE, 0, |socket| send_file(socket, file, at, length))
    }

    fn poll_close_write(&mut self, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // A half-close of a socket does not block.
        Poll::Ready(self.socket.as_ref().map_or(Ok(()), |socket| socket.as_ref().shutdown()))
    }

    fn is_lost(&mut self) -> bool {
        !matches!(self.socket.as_ref().map(|socket| socket.as_ref().take_error()), Some(Ok(None)))
    }

    fn reset(&mut self) {
        if let Some(socket) = &self.socket {
            socket.as_ref().reset();
        }
    }
}

impl<S, T: Watcher> Drop for WatchedSocket<S, T> {
    fn drop(&mut self) {
        // Closed, it leaves the system's set by itself, as nobody has another descriptor of it. That comes before its token
        // is given up, for which no event comes then, but what another worker was told already.
        self.socket = None;
        self.watcher.close();
    }
}
