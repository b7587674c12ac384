//! A connection that belongs to another protocol (RFC 9110 sections 7.8 and 9.3.6).

use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use core::fmt;
use core::future::{Future, poll_fn};
use core::pin::Pin;
use core::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};

use super::control::{Control, Waiting};

/// The connection after its upgrade: bytes in, bytes out. Dropping it closes the connection; what was not
/// [flushed](Self::flush) may be lost.
///
/// ```
/// use httpfsm::handler::{IoFailure, Upgraded};
///
/// async fn echo(mut connection: Upgraded) -> Result<(), IoFailure> {
///     let mut buffer = [0; 1024];
///     loop {
///         let bytes = connection.read(&mut buffer).await?;
///         if bytes == 0 {
///             return connection.close().await;
///         }
///         connection.write_all(&buffer[..bytes]).await?;
///         connection.flush().await?;
///     }
/// }
/// ```
pub struct Upgraded {
    leftover: Bytes,
    io: Box<dyn UpgradedIo>,
}

impl Upgraded {
    /// Puts together what the peer sent ahead, after its request, and the connection.
    #[must_use]
    pub fn new(leftover: Bytes, io: Box<dyn UpgradedIo>) -> Self {
        Self { leftover, io }
    }

    /// The bytes that came with the request and were not read yet, and the connection without them.
    #[must_use]
    pub fn into_parts(self) -> (Bytes, Box<dyn UpgradedIo>) {
        (self.leftover, self.io)
    }

    /// Reads into `buffer`, what came ahead first; 0 is the end of input (or an empty buffer).
    pub fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<Result<usize, IoFailure>> {
        if self.leftover.is_empty() {
            return self.io.poll_read(cx, buffer);
        }
        let bytes = self.leftover.len().min(buffer.len());
        if let Some(room) = buffer.get_mut(..bytes) {
            self.leftover.copy_to_slice(room);
            if self.leftover.is_empty() {
                // What has been read is not kept as long as the connection is.
                self.leftover = Bytes::new();
            }
        }
        Poll::Ready(Ok(bytes))
    }

    /// Writes some of `bytes` and says how many.
    pub fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize, IoFailure>> {
        self.io.poll_write(cx, bytes)
    }

    /// Ready when all that was written has left.
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), IoFailure>> {
        self.io.poll_flush(cx)
    }

    /// Flushes, then ends this side of the connection; reading goes on.
    pub fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), IoFailure>> {
        self.io.poll_close(cx)
    }

    /// Reads into `buffer`; 0 is the end of input.
    ///
    /// # Errors
    ///
    /// [`IoFailure`] when the connection is lost.
    pub async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, IoFailure> {
        poll_fn(|cx| self.poll_read(cx, buffer)).await
    }

    /// Writes all of `bytes`.
    ///
    /// # Errors
    ///
    /// [`IoFailure`] when the connection is lost, or takes no more bytes.
    pub async fn write_all(&mut self, mut bytes: &[u8]) -> Result<(), IoFailure> {
        poll_fn(|cx| {
            while !bytes.is_empty() {
                let written = ready!(self.poll_write(cx, bytes))?;
                if written == 0 {
                    return Poll::Ready(Err(IoFailure::Closed));
                }
                // Who owns the connection says how much was written, and no parser depends on it.
                bytes = bytes.get(written..).unwrap_or_default();
            }
            Poll::Ready(Ok(()))
        })
        .await
    }

    /// Waits until all that was written has left.
    ///
    /// # Errors
    ///
    /// [`IoFailure`] when the connection is lost.
    pub async fn flush(&mut self) -> Result<(), IoFailure> {
        poll_fn(|cx| self.poll_flush(cx)).await
    }

    /// Flushes, then ends this side of the connection; reading goes on.
    ///
    /// # Errors
    ///
    /// [`IoFailure`] when the connection is lost.
    pub async fn close(&mut self) -> Result<(), IoFailure> {
        poll_fn(|cx| self.poll_close(cx)).await
    }
}

impl fmt::Debug for Upgraded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upgraded").field("leftover", &self.leftover.len()).finish_non_exhaustive()
    }
}

/// The connection below an [`Upgraded`]; implemented by transports.
pub trait UpgradedIo: Send {
    /// Reads into `buffer` and says how many bytes; 0 is the end of input.
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<Result<usize, IoFailure>>;

    /// Writes some of `bytes` and says how many.
    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize, IoFailure>>;

    /// Ready when all that was written has left.
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), IoFailure>>;

    /// Flushes, then ends this side of the connection (sends FIN).
    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), IoFailure>>;
}

/// Why an upgraded connection failed.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum IoFailure {
    /// This side was closed, or the server dropped the connection (the end of a drain).
    Closed,
    /// The peer reset the connection.
    Reset,
    /// Anything else, in the words of the system.
    Other(String),
}

impl fmt::Display for IoFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("The connection is closed."),
            Self::Reset => f.write_str("The peer reset the connection."),
            Self::Other(words) => write!(f, "The connection failed: {words}"),
        }
    }
}

impl core::error::Error for IoFailure {}

/// Resolves to the connection when the 101, or the 2xx to CONNECT, has left; from
/// [`Request::upgrade`](super::Request::upgrade). It borrows nothing: give it to a task of its own, because the
/// response must come from the handler first.
///
/// ```
/// use httpfsm::handler::{Request, Response, UpgradeFuture};
///
/// async fn handler(request: Request, spawn: impl FnOnce(UpgradeFuture)) -> Response {
///     spawn(request.upgrade());
///     Response::switching_protocols("echo")
/// }
/// ```
#[must_use = "futures do nothing unless polled"]
pub struct UpgradeFuture(Waiting);

impl UpgradeFuture {
    /// The future of [`Request::upgrade`](super::Request::upgrade), for whoever has the control of a request alone
    /// ([`RequestParts`](super::RequestParts)).
    pub fn new(control: &Arc<dyn Control>) -> Self {
        Self(Waiting::new(control))
    }
}

impl Future for UpgradeFuture {
    type Output = Result<Upgraded, UpgradeError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.poll(|control, waiter| control.poll_upgrade(waiter, cx))
    }
}

impl fmt::Debug for UpgradeFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UpgradeFuture(..)")
    }
}

/// Why there is no upgraded connection.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum UpgradeError {
    /// The response was neither 101 nor 2xx to CONNECT, or the request asked for no upgrade. So it is also where the
    /// connection has been lost since.
    Refused,
    /// The connection was lost before the response had left.
    Disconnected,
    /// The connection was already handed to another [`UpgradeFuture`] of the same request.
    Taken,
}

impl fmt::Display for UpgradeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Refused => "The response to the request was no upgrade.",
            Self::Disconnected => "The connection was lost before the response to the upgrade had left.",
            Self::Taken => "The upgraded connection was already taken.",
        })
    }
}

impl core::error::Error for UpgradeError {}
