//! What a driver needs from a socket.

use std::fs::File;
use std::io::{self, IoSlice};
use std::task::{Context, Poll};

use httpfsm::channel::Channel;
use httpfsm::handler::Extensions;

/// A connected byte stream, polled.
///
/// The contracts are those of a non-blocking socket: `Pending` registers the task's waker for that direction; an
/// error means that the connection is lost. Dropping it closes the socket.
///
/// A wire may hold bytes that it has taken, as one that encrypts does. Whoever drives it
/// [flushes](Self::poll_flush) it after each write, before the task sleeps and before the half-close, and drops it
/// after that, unless the connection is lost or is to be reset.
///
/// A wire around another passes on each of these calls, also of those that have a default, but for
/// [`poll_read_ready`](Self::poll_read_ready) where it holds input of its own.
///
/// Input that is known, and output that is kept; the least that a wire needs:
///
/// ```
/// use std::io::{self, Read};
/// use std::sync::{Arc, Mutex};
/// use std::task::{Context, Poll};
///
/// use httpfsm::{Peer, Request, ServerConfig};
/// use httpfsm_transport::{Connections, Inline, Wire, block_on};
///
/// struct Script {
///     input: &'static [u8],
///     output: Arc<Mutex<Vec<u8>>>,
/// }
///
/// impl Wire for Script {
///     fn poll_read(&mut self, _: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
///         Poll::Ready(self.input.read(buffer))
///     }
///
///     fn poll_write(&mut self, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
///         self.output.lock().expect("nobody panics").extend_from_slice(bytes);
///         Poll::Ready(Ok(bytes.len()))
///     }
///
///     fn poll_close_write(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
///         Poll::Ready(Ok(()))
///     }
///
///     fn reset(&mut self) {}
/// }
///
/// # fn main() -> io::Result<()> {
/// let handler = |_: Request| async { "Hello, world!" };
/// let server = Connections::new(ServerConfig::default(), Arc::new(Inline), handler)?;
/// let output = Arc::<Mutex<Vec<u8>>>::default();
/// let script = Script { input: b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", output: Arc::clone(&output) };
/// let connection = server.serve_connection(script, Peer::Unix(None), Peer::Unix(None));
/// block_on(connection.expect("there is room"));
/// assert!(output.lock().expect("nobody panics").ends_with(b"\r\n\r\nHello, world!"));
/// # Ok(())
/// # }
/// ```
///
/// A socket that the system can send files to, in a runtime: each call has the runtime's registration of its direction.
///
/// ```
/// use std::fs::File;
/// use std::io::{self, IoSlice, Read, Write};
/// use std::net::{Shutdown, TcpStream};
/// use std::task::{Context, Poll};
///
/// use httpfsm_transport::{Wire, send_file, send_more};
///
/// struct Socket<R> {
///     stream: TcpStream,
///     runtime: R,
/// }
///
/// /// What the runtime knows of the socket. A call that would block makes a direction not ready.
/// trait Registration: Send + Unpin + 'static {
///     fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<()>;
///     fn poll_read<T>(&mut self, cx: &mut Context<'_>, call: impl FnMut() -> io::Result<T>) -> Poll<io::Result<T>>;
///     fn poll_write<T>(&mut self, cx: &mut Context<'_>, call: impl FnMut() -> io::Result<T>) -> Poll<io::Result<T>>;
/// }
///
/// impl<R: Registration> Wire for Socket<R> {
///     fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
///         self.runtime.poll_read(cx, || (&self.stream).read(buffer))
///     }
///
///     fn poll_read_ready(&mut self, cx: &mut Context<'_>) -> Poll<()> {
///         self.runtime.poll_readable(cx)
///     }
///
///     fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
///         self.runtime.poll_write(cx, || (&self.stream).write(bytes))
///     }
///
///     fn poll_write_vectored(&mut self, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
///         self.runtime.poll_write(cx, || (&self.stream).write_vectored(slices))
///     }
///
///     fn poll_write_more(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
///         self.runtime.poll_write(cx, || send_more(&self.stream, bytes))
///     }
///
///     fn sends_files(&self) -> bool {
///         cfg!(target_os = "linux")
///     }
///
///     fn poll_send_file(
///         &mut self,
///         cx: &mut Context<'_>,
///         file: &File,
///         at: u64,
///         length: u64,
///     ) -> Poll<io::Result<usize>> {
///         self.runtime.poll_write(cx, || send_file(&self.stream, file, at, length))
///     }
///
///     fn poll_close_write(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
///         Poll::Ready(self.stream.shutdown(Shutdown::Write))
///     }
///
///     fn owes_end(&self) -> bool {
///         // The system sends the end of a socket that is closed.
///         false
///     }
///
///     fn is_lost(&mut self) -> bool {
///         matches!(self.stream.take_error(), Ok(Some(_)))
///     }
///
///     fn reset(&mut self) {
///         // `SO_LINGER` of 0 seconds.
///     }
/// }
/// ```
pub trait Wire: Send + Unpin + 'static {
    /// Reads into `buffer`, which is not empty; 0 bytes are the end of the peer's input.
    ///
    /// # Errors
    ///
    /// The connection is lost. [`UnexpectedEof`](io::ErrorKind::UnexpectedEof): the peer has ended it without the end of the
    /// wire's own protocol, as TLS has one. Within a request or a response that is a loss, as something may be cut. Between
    /// them, before the first and behind the last, it is the peer's end, as 0 bytes are: many clients of TLS close so.
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>>;

    /// Ready where [`poll_read`](Self::poll_read) may return something: bytes, the end of input or an error. `Pending`
    /// registers the task's waker as that does: for a wire that knows from events what may be read, and saves whoever drives
    /// it the way there. By default it is ready, which says nothing.
    ///
    /// A wire that holds input of its own, as one that decrypts does, leaves it at that: what it holds may be read though
    /// nothing comes from the wire below.
    #[inline]
    fn poll_read_ready(&mut self, _cx: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }

    /// Writes some of `bytes`, which is not empty.
    ///
    /// # Errors
    ///
    /// The connection is lost.
    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>>;

    /// Writes some of the bytes in `slices`, in order. By default those of the first slice that is not empty, by
    /// [`poll_write`](Self::poll_write).
    ///
    /// # Errors
    ///
    /// The connection is lost.
    fn poll_write_vectored(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match slices.iter().find(|slice| !slice.is_empty()) {
            Some(slice) => self.poll_write(cx, slice),
            None => Poll::Ready(Ok(0)),
        }
    }

    /// As [`poll_write`](Self::poll_write); content of a file follows at once, for which the wire may wait. By default it is
    /// the same.
    ///
    /// # Errors
    ///
    /// The connection is lost.
    fn poll_write_more(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write(cx, bytes)
    }

    /// Whether [`poll_send_file`](Self::poll_send_file) does something. `false` by default.
    #[inline]
    fn sends_files(&self) -> bool {
        false
    }

    /// Sends some of `length` bytes of a file, from the byte `at`, without reading them: a socket has the system do it
    /// ([`send_file`](crate::send_file)).
    ///
    /// # Errors
    ///
    /// Nothing was sent. The bytes are then read and [written](Self::poll_write), which tells what it was if it is the
    /// connection. By default [`Unsupported`](io::ErrorKind::Unsupported).
    fn poll_send_file(
        &mut self,
        cx: &mut Context<'_>,
        file: &File,
        at: u64,
        length: u64,
    ) -> Poll<io::Result<usize>> {
        let _ = (cx, file, at, length);
        Poll::Ready(Err(io::ErrorKind::Unsupported.into()))
    }

    /// Passes on all bytes that the wire has taken and still holds. Ready when it holds none; `Pending` registers the
    /// task's waker for the direction of writes, and nothing is written until it is ready. By default it is ready at
    /// once, as for a socket, which holds nothing.
    ///
    /// # Errors
    ///
    /// The connection is lost.
    #[inline]
    fn poll_flush(&mut self, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// Ends our output (FIN); input goes on. The wire has been flushed.
    ///
    /// # Errors
    ///
    /// The connection is lost.
    fn poll_close_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Whether our output has an end of its own that the peer would miss if the wire were dropped now, as TLS has, and that
    /// [`poll_close_write`](Self::poll_close_write) sends. Whoever drives the wire then calls that before it drops it,
    /// also where nobody reads what would come behind, unless the connection is lost or is to be reset. `false` by
    /// default.
    #[inline]
    fn owes_end(&self) -> bool {
        false
    }

    /// Bytes of memory that the wire keeps for this connection while its task sleeps, beside those of its size: what it has
    /// taken and holds, for whoever accounts for memory. 0 by default.
    #[inline]
    fn held(&self) -> usize {
        0
    }

    /// Whether the connection is lost (reset by the peer, or by probes without a reply), though nothing is read that
    /// would say so. Asked every few seconds while the input must wait. A socket keeps it as its error (`take_error`).
    /// `false` by default; then a handler that reads no more works on for a peer that has reset the connection.
    fn is_lost(&mut self) -> bool {
        false
    }

    /// Adds what the wire knows of the connection when it is accepted, for handlers to read: the credentials of the peer of
    /// a Unix socket, say. Asked once, before the first read, so a handshake is still to come: what that tells,
    /// [`Layer::established`](crate::Layer::established) says. Nothing by default.
    fn extend(&self, extensions: &mut Extensions) {
        let _ = extensions;
    }

    /// Makes the close that follows a reset (RST), where the wire has such a thing.
    fn reset(&mut self);
}

/// Whether a read that failed is the peer's end all the same: it has ended the connection without the end of the wire's own
/// protocol, and nothing could be cut.
#[cold]
pub(crate) fn is_end(error: &io::Error, channel: &Channel) -> bool {
    error.kind() == io::ErrorKind::UnexpectedEof && channel.is_between_messages()
}

/// Writes slices one after another, until one is taken only in part: [`Wire::poll_write_vectored`] for a wire that has no
/// such write of its own.
///
/// ```
/// use std::io::IoSlice;
/// use std::task::{Context, Poll, Waker};
///
/// use httpfsm_transport::memory::pair;
/// use httpfsm_transport::poll_write_each;
///
/// let (mut near, _far) = pair(9);
/// let slices = [IoSlice::new(b"Hello, "), IoSlice::new(b"world!")];
/// let written = poll_write_each(&mut near, &mut Context::from_waker(Waker::noop()), &slices);
/// assert!(matches!(written, Poll::Ready(Ok(9))), "the first whole, and two bytes of the second");
/// ```
///
/// # Errors
///
/// The first write failed.
pub fn poll_write_each<W: Wire + ?Sized>(
    wire: &mut W,
    cx: &mut Context<'_>,
    slices: &[IoSlice<'_>],
) -> Poll<io::Result<usize>> {
    let mut written = 0;
    for slice in slices.iter().filter(|slice| !slice.is_empty()) {
        match wire.poll_write(cx, slice) {
            Poll::Ready(Ok(taken)) => {
                written += taken;
                if taken < slice.len() {
                    break;
                }
            }
            Poll::Pending | Poll::Ready(Err(_)) if written > 0 => break,
            other => return other,
        }
    }
    Poll::Ready(Ok(written))
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    /// Takes three bytes of each write, up to a limit; then it fails.
    struct WritesThreeBytes(Vec<u8>, usize);

    impl Wire for WritesThreeBytes {
        fn poll_read(&mut self, _: &mut Context<'_>, _: &mut [u8]) -> Poll<io::Result<usize>> {
            Poll::Pending
        }

        fn poll_write(&mut self, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
            assert!(!bytes.is_empty(), "an empty write");
            if self.0.len() >= self.1 {
                return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
            }
            let taken = bytes.len().min(3);
            self.0.extend_from_slice(&bytes[..taken]);
            Poll::Ready(Ok(taken))
        }

        fn poll_write_vectored(
            &mut self,
            cx: &mut Context<'_>,
            slices: &[IoSlice<'_>],
        ) -> Poll<io::Result<usize>> {
            poll_write_each(self, cx, slices)
        }

        fn poll_close_write(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn reset(&mut self) {}
    }

    /// Has neither a vectored write nor a flush of its own.
    struct RequiredOnly(WritesThreeBytes);

    impl Wire for RequiredOnly {
        fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
            self.0.poll_read(cx, buffer)
        }

        fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
            self.0.poll_write(cx, bytes)
        }

        fn poll_close_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            self.0.poll_close_write(cx)
        }

        fn reset(&mut self) {}
    }

    #[test]
    fn by_default_the_first_slice_that_is_not_empty_is_written() {
        let mut cx = Context::from_waker(Waker::noop());
        let mut wire = RequiredOnly(WritesThreeBytes(Vec::new(), 100));
        let slices = [&b""[..], b"ab", b"cde"].map(IoSlice::new);
        let polled = wire.poll_write_vectored(&mut cx, &slices);
        assert!(matches!(polled, Poll::Ready(Ok(2))), "{polled:?}");
        assert_eq!(wire.0.0, b"ab");
        let polled = wire.poll_write_vectored(&mut cx, &[IoSlice::new(b"")]);
        assert!(matches!(polled, Poll::Ready(Ok(0))), "{polled:?}");
        assert!(matches!(wire.poll_flush(&mut cx), Poll::Ready(Ok(()))));
    }

    #[test]
    fn slices_are_written_in_order_up_to_the_first_that_is_not_taken_whole() {
        let slices = [&b"ab"[..], b"", b"cde", b"fghi", b"jk"].map(IoSlice::new);
        let mut cx = Context::from_waker(Waker::noop());
        // How much is taken before the wire fails, and what is written then.
        for (limit, written) in [(100, "abcdefgh"), (5, "abcde"), (1, "ab")] {
            let mut wire = WritesThreeBytes(Vec::new(), limit);
            let polled = wire.poll_write_vectored(&mut cx, &slices);
            assert!(matches!(polled, Poll::Ready(Ok(n)) if n == written.len()), "{polled:?}");
            assert_eq!(wire.0, written.as_bytes());
        }
        let polled = WritesThreeBytes(Vec::new(), 0).poll_write_vectored(&mut cx, &slices);
        assert!(matches!(polled, Poll::Ready(Err(_))), "{polled:?}");
    }
}
