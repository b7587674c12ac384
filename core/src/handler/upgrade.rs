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
    ///
    /// ```
    #[doc = include_str!("../examples/upgraded.txt")]
    /// # let wire = Wire { input: b" again", output };
    /// // The peer sent `hello` right after its request, before the response: that is read first.
    /// let mut connection = Upgraded::new(Bytes::from_static(b"hello"), Box::new(wire));
    /// let mut buffer = [0; 64];
    /// assert_eq!(result_of(connection.read(&mut buffer)), Ok(5));
    /// assert_eq!(&buffer[..5], b"hello");
    /// ```
    #[must_use]
    pub fn new(leftover: Bytes, io: Box<dyn UpgradedIo>) -> Self {
        Self { leftover, io }
    }

    /// The bytes that came with the request and were not read yet, and the connection without them.
    ///
    /// ```
    #[doc = include_str!("../examples/upgraded.txt")]
    /// // For a library that reads the connection by itself.
    /// let (leftover, mut io) = connection.into_parts();
    /// assert!(leftover.is_empty());
    /// let mut buffer = [0; 64];
    /// let read = io.poll_read(&mut Context::from_waker(Waker::noop()), &mut buffer);
    /// assert_eq!(read, Poll::Ready(Ok(5)));
    /// ```
    #[must_use]
    pub fn into_parts(self) -> (Bytes, Box<dyn UpgradedIo>) {
        (self.leftover, self.io)
    }

    /// Reads into `buffer`, what came ahead first; 0 is the end of input (or an empty buffer).
    ///
    /// ```
    #[doc = include_str!("../examples/upgraded.txt")]
    /// let mut buffer = [0; 4];
    /// let read = connection.poll_read(&mut Context::from_waker(Waker::noop()), &mut buffer);
    /// assert_eq!((read, &buffer), (Poll::Ready(Ok(4)), b"hell"));
    /// ```
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
    ///
    /// ```
    #[doc = include_str!("../examples/upgraded.txt")]
    /// // This one takes three bytes at a time.
    /// let written = connection.poll_write(&mut Context::from_waker(Waker::noop()), b"hello");
    /// assert_eq!(written, Poll::Ready(Ok(3)));
    /// ```
    pub fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize, IoFailure>> {
        self.io.poll_write(cx, bytes)
    }

    /// Ready when all that was written has left.
    ///
    /// ```
    #[doc = include_str!("../examples/upgraded.txt")]
    /// let mut cx = Context::from_waker(Waker::noop());
    /// // As `flush` of a trait of a runtime does. Until it is ready, `cx` is woken when more has left.
    /// assert_eq!(connection.poll_flush(&mut cx), Poll::Ready(Ok(())));
    /// ```
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), IoFailure>> {
        self.io.poll_flush(cx)
    }

    /// Flushes, then ends this side of the connection; reading goes on.
    ///
    /// ```
    #[doc = include_str!("../examples/upgraded.txt")]
    /// let mut cx = Context::from_waker(Waker::noop());
    /// assert_eq!(connection.poll_close(&mut cx), Poll::Ready(Ok(())));
    /// assert_eq!(connection.poll_write(&mut cx, b"late"), Poll::Ready(Err(IoFailure::Closed)));
    /// ```
    pub fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), IoFailure>> {
        self.io.poll_close(cx)
    }

    /// Reads into `buffer`; 0 is the end of input.
    ///
    /// ```
    #[doc = include_str!("../examples/upgraded.txt")]
    /// let (mut all, mut buffer) = (Vec::new(), [0; 2]);
    /// loop {
    ///     match result_of(connection.read(&mut buffer))? {
    ///         0 => break,
    ///         length => all.extend_from_slice(&buffer[..length]),
    ///     }
    /// }
    /// assert_eq!(all, b"hello");
    /// # Ok::<(), IoFailure>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`IoFailure`] when the connection is lost.
    pub async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, IoFailure> {
        poll_fn(|cx| self.poll_read(cx, buffer)).await
    }

    /// Writes all of `bytes`.
    ///
    /// ```
    #[doc = include_str!("../examples/upgraded.txt")]
    /// result_of(connection.write_all(b"Hello, peer!"))?;
    /// assert_eq!(output.lock().unwrap().as_deref(), Some(&b"Hello, peer!"[..]));
    /// # Ok::<(), IoFailure>(())
    /// ```
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
    /// ```
    #[doc = include_str!("../examples/upgraded.txt")]
    /// async fn ask(connection: &mut Upgraded) -> Result<usize, IoFailure> {
    ///     connection.write_all(b"Who are you?\n").await?;
    ///     // The peer has to have the question before it can say anything.
    ///     connection.flush().await?;
    ///     connection.read(&mut [0; 64]).await
    /// }
    ///
    /// assert_eq!(result_of(ask(&mut connection)), Ok(5));
    /// ```
    ///
    /// # Errors
    ///
    /// [`IoFailure`] when the connection is lost.
    pub async fn flush(&mut self) -> Result<(), IoFailure> {
        poll_fn(|cx| self.poll_flush(cx)).await
    }

    /// Flushes, then ends this side of the connection; reading goes on.
    ///
    /// ```
    #[doc = include_str!("../examples/upgraded.txt")]
    /// result_of(connection.close())?;
    /// // The other direction goes on.
    /// assert_eq!(result_of(connection.read(&mut [0; 64])), Ok(5));
    /// # Ok::<(), IoFailure>(())
    /// ```
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
///
/// ```
/// use std::collections::VecDeque;
/// use std::io::Read;
/// use std::task::{Context, Poll};
///
/// use httpfsm::handler::{IoFailure, Upgraded, UpgradedIo};
///
/// /// A connection to itself, for a test of what an application does with one.
/// #[derive(Default)]
/// struct Loop {
///     bytes: VecDeque<u8>,
///     is_closed: bool,
/// }
///
/// impl UpgradedIo for Loop {
///     fn poll_read(&mut self, _cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<Result<usize, IoFailure>> {
///         if self.bytes.is_empty() && !self.is_closed {
///             return Poll::Pending;
///         }
///         Poll::Ready(self.bytes.read(buffer).map_err(|error| IoFailure::Other(error.to_string())))
///     }
///
///     fn poll_write(&mut self, _cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize, IoFailure>> {
///         if self.is_closed {
///             return Poll::Ready(Err(IoFailure::Closed));
///         }
///         self.bytes.extend(bytes);
///         Poll::Ready(Ok(bytes.len()))
///     }
///
///     fn poll_flush(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), IoFailure>> {
///         Poll::Ready(Ok(()))
///     }
///
///     fn poll_close(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), IoFailure>> {
///         self.is_closed = true;
///         Poll::Ready(Ok(()))
///     }
/// }
///
/// let connection = Upgraded::new(bytes::Bytes::new(), Box::new(Loop::default()));
/// # let _ = connection;
/// ```
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
///
/// ```
/// use httpfsm::handler::IoFailure;
///
/// /// What is worth a line of a log: that peers go is their affair.
/// fn line(failure: &IoFailure) -> Option<String> {
///     match failure {
///         IoFailure::Closed | IoFailure::Reset => None,
///         other => Some(other.to_string()),
///     }
/// }
///
/// assert_eq!(line(&IoFailure::Reset), None);
/// let failure = IoFailure::Other("No route to host.".into());
/// assert_eq!(line(&failure).as_deref(), Some("The connection failed: No route to host."));
/// ```
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum IoFailure {
    /// This side was closed, or the server dropped the connection (the end of a drain).
    Closed,
    /// The peer reset the connection.
    Reset,
    /// The peer ended the connection, but not the protocol below this one, as TLS without `close_notify`: what came may be
    /// cut.
    Truncated,
    /// Anything else, in the words of the system.
    Other(String),
}

impl fmt::Display for IoFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("The connection is closed."),
            Self::Reset => f.write_str("The peer reset the connection."),
            Self::Truncated => {
                f.write_str("The connection ended before the protocol below it did, so what came may be cut.")
            }
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
    ///
    /// ```
    #[doc = include_str!("../examples/request.txt")]
    /// use httpfsm::handler::{UpgradeError, UpgradeFuture};
    ///
    /// // Whoever made a request of another kind of this one has kept its control.
    /// let control = request("GET /chat HTTP/1.1", ()).into_parts().control;
    /// // A request that is made by hand has no connection.
    /// assert_eq!(result_of(UpgradeFuture::new(&control)).unwrap_err(), UpgradeError::Refused);
    /// ```
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
///
/// ```
/// use httpfsm::handler::{UpgradeError, UpgradeFuture};
///
/// async fn chat(upgrade: UpgradeFuture) {
///     match upgrade.await {
///         Ok(connection) => {
///             // Chat on it.
/// #           let _ = connection;
///         }
///         // The peer has gone while the response was on its way.
///         Err(UpgradeError::Disconnected) => {}
///         Err(mistake) => eprintln!("{mistake}"),
///     }
/// }
/// ```
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
