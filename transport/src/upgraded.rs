//! An upgraded connection for blocking code.

use std::future::poll_fn;
use std::io::{self, Read, Write};

use httpfsm::handler::Upgraded;

use crate::sync::block_on;

/// An [`Upgraded`] connection as `std::io::Read` and `Write`: the thread waits for the bytes, so it must be one that
/// may block. Dropping it closes the connection. The crate of each transport has this type, too, as
/// `httpfsm_blocking::UpgradedStream`.
///
/// ```
/// use std::io::{self, Read, Write};
///
/// use httpfsm_transport::UpgradedStream;
///
/// fn echo(mut connection: UpgradedStream) -> io::Result<()> {
///     let mut buffer = [0; 1024];
///     loop {
///         let bytes = connection.read(&mut buffer)?;
///         if bytes == 0 {
///             return connection.close();
///         }
///         connection.write_all(&buffer[..bytes])?;
///     }
/// }
/// ```
#[derive(Debug)]
pub struct UpgradedStream(Upgraded);

impl UpgradedStream {
    /// Reads and writes `connection`; what came ahead of it is read first.
    #[must_use]
    pub fn new(connection: Upgraded) -> Self {
        Self(connection)
    }

    /// Flushes, then ends this side of the connection; reading goes on.
    ///
    /// # Errors
    ///
    /// The connection is lost.
    pub fn close(&mut self) -> io::Result<()> {
        block_on(self.0.close()).map_err(io::Error::from)
    }

    /// The connection, for code that does not block.
    #[must_use]
    pub fn into_inner(self) -> Upgraded {
        self.0
    }
}

impl Read for UpgradedStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        block_on(self.0.read(buffer)).map_err(io::Error::from)
    }
}

impl Write for UpgradedStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        block_on(poll_fn(|cx| self.0.poll_write(cx, bytes))).map_err(io::Error::from)
    }

    fn flush(&mut self) -> io::Result<()> {
        block_on(self.0.flush()).map_err(io::Error::from)
    }
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Poll};

    use bytes::Bytes;
    use httpfsm::handler::{IoFailure, UpgradedIo};

    use super::*;

    /// Takes and yields two bytes at a time, after a `Pending` each.
    struct Slow {
        bytes: Vec<u8>,
        ready: bool,
    }

    impl Slow {
        fn poll(&mut self, cx: &Context<'_>) -> Poll<()> {
            self.ready = !self.ready;
            if self.ready {
                return Poll::Ready(());
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        }
    }

    impl UpgradedIo for Slow {
        fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<Result<usize, IoFailure>> {
            self.poll(cx).map(|()| {
                let bytes = self.bytes.len().min(buffer.len()).min(2);
                buffer[..bytes].copy_from_slice(&self.bytes[..bytes]);
                self.bytes.drain(..bytes);
                Ok(bytes)
            })
        }

        fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize, IoFailure>> {
            self.poll(cx).map(|()| {
                let taken = bytes.len().min(2);
                self.bytes.extend_from_slice(&bytes[..taken]);
                Ok(taken)
            })
        }

        fn poll_flush(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), IoFailure>> {
            Poll::Ready(Ok(()))
        }

        fn poll_close(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), IoFailure>> {
            Poll::Ready(Err(IoFailure::Reset))
        }
    }

    #[test]
    fn blocking_code_reads_what_came_ahead_and_then_the_connection() -> io::Result<()> {
        let io = Box::new(Slow { bytes: Vec::new(), ready: false });
        let mut stream = UpgradedStream::new(Upgraded::new(Bytes::from_static(b"ahead, "), io));
        stream.write_all(b"and behind")?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        assert_eq!(text, "ahead, and behind");
        assert_eq!(stream.close().map_err(|error| error.kind()), Err(io::ErrorKind::ConnectionReset));
        Ok(())
    }
}
