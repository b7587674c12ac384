//! The wires of connections: sockets that are registered with a loop.

use std::io::{self, IoSlice};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use httpfsm_transport::Wire;
use mio::{Interest, Registry, Token};
use socket2::SockRef;

use crate::readiness::{READABLE, Readiness, WRITABLE};
use crate::socket::{Socket, Stream};

/// A socket in a loop, whose readiness is known from its registration: no system call is made that would only find that
/// there is nothing to do.
#[derive(Debug)]
pub struct LoopSocket {
    /// None when it was taken out.
    socket: Option<Socket>,
    readiness: Arc<Readiness>,
}

impl LoopSocket {
    pub(crate) fn new(mut socket: Socket, ready: Arc<Readiness>, registry: &Registry) -> io::Result<Self> {
        let token = Token(ready.token());
        let registered = registry.register(socket.source(), token, Interest::READABLE | Interest::WRITABLE);
        // Made before the result is looked at: where it is an error, the drop has the loop forget the registration.
        let this = Self { socket: Some(socket), readiness: ready };
        registered.map(|()| this)
    }

    /// The socket, which blocks again.
    pub(crate) fn into_stream(mut self, registry: &Registry) -> io::Result<Stream> {
        let mut socket = self.socket.take().ok_or(io::ErrorKind::NotConnected)?;
        registry.deregister(socket.source())?;
        socket.into_stream()
    }

    /// Makes the system call if it may do something. It does less than `wanted` bytes when there is no more to do.
    #[inline]
    fn poll_io(
        &mut self,
        cx: &Context<'_>,
        direction: u32,
        wanted: usize,
        mut call: impl FnMut(&mut Socket) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        let Some(socket) = &mut self.socket else {
            return Poll::Ready(Err(io::ErrorKind::NotConnected.into()));
        };
        loop {
            let known = self.readiness.state();
            if known & direction == 0 {
                if self.readiness.watch(direction, cx) {
                    continue;
                }
                return Poll::Pending;
            }
            match call(socket) {
                Ok(bytes) => {
                    if bytes > 0 && bytes < wanted {
                        self.readiness.settle(known, direction, false);
                    }
                    return Poll::Ready(Ok(bytes));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.readiness.settle(known, direction, true);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

impl Wire for LoopSocket {
    #[inline]
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        self.poll_io(cx, READABLE, buffer.len(), |socket| socket.bytes().read(buffer))
    }

    #[inline]
    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_io(cx, WRITABLE, bytes.len(), |socket| socket.bytes().write(bytes))
    }

    fn poll_write_vectored(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let wanted = slices.iter().map(|slice| slice.len()).sum();
        self.poll_io(cx, WRITABLE, wanted, |socket| socket.bytes().write_vectored(slices))
    }

    fn poll_close_write(&mut self, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // A half-close of a socket does not block.
        Poll::Ready(self.socket.as_ref().map_or(Ok(()), Socket::shutdown))
    }

    fn is_lost(&mut self) -> bool {
        !matches!(self.socket.as_ref().map(Socket::take_error), Some(Ok(None)))
    }

    fn reset(&mut self) {
        // A Unix socket has no reset; its close is seen as one when bytes were unread.
        if let Some(Socket::Tcp(stream)) = &self.socket {
            let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO));
        }
    }
}

impl Drop for LoopSocket {
    fn drop(&mut self) {
        // Closed, it leaves the loop's set by itself.
        self.socket = None;
        self.readiness.close();
    }
}
