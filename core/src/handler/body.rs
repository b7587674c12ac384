//! The content of a request or a response, whole or in pieces.

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::future::poll_fn;
use core::mem;
use core::pin::Pin;
use core::task::{Context, Poll, ready};

use bytes::Bytes;

use super::gather::GatherUntil;
use crate::channel::Elsewhere;
use crate::error::BodyError;
use crate::fields::Fields;

/// The content of a message (RFC 9110 section 6.4) and, after it, its trailer section (section 6.5).
///
/// ```
/// use httpfsm::handler::{Body, BodyFailure};
///
/// async fn count(body: &mut Body) -> Result<usize, BodyFailure> {
///     let mut bytes = 0;
///     while let Some(data) = body.next_data().await {
///         bytes += data?.len();
///     }
///     Ok(bytes)
/// }
/// ```
#[derive(Default)]
pub enum Body {
    /// No bytes, or none any more.
    #[default]
    Empty,
    /// All bytes at once.
    Full(Bytes),
    /// Bytes as they come.
    Stream(Pin<Box<dyn Source>>),
    /// The bytes are over and this trailer section followed them.
    Trailers(Box<Fields>),
}

impl Body {
    /// A body that is pulled from a source.
    ///
    /// ```
    /// use std::pin::Pin;
    /// use std::task::{Context, Poll};
    ///
    /// use httpfsm::handler::{Body, Frame, Source};
    ///
    /// /// A piece of a cache, so many times.
    /// struct Repeated(bytes::Bytes, u64);
    ///
    /// impl Source for Repeated {
    ///     fn poll_frame(mut self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Frame> {
    ///         let Some(left) = self.1.checked_sub(1) else { return Poll::Ready(Frame::End) };
    ///         self.1 = left;
    ///         Poll::Ready(Frame::Data(self.0.clone()))
    ///     }
    ///
    ///     fn length(&self) -> Option<u64> {
    ///         Some(self.0.len() as u64 * self.1)
    ///     }
    /// }
    ///
    /// let body = Body::stream(Repeated("tick\n".into(), 3));
    /// assert_eq!(body.length(), Some(15));
    /// ```
    #[must_use]
    pub fn stream(source: impl Source + 'static) -> Self {
        Self::Stream(Box::pin(source))
    }

    /// A body that a function yields, one [`Frame`] a call; it is not called again after its last frame.
    ///
    /// ```
    /// use std::task::Poll;
    ///
    /// use httpfsm::handler::{Body, Frame};
    ///
    /// let mut left = 3;
    /// let body = Body::from_fn(move |_cx| {
    ///     left -= 1;
    ///     Poll::Ready(if left < 0 { Frame::End } else { Frame::Data("tick\n".into()) })
    /// });
    /// # let _ = body;
    /// ```
    #[must_use]
    pub fn from_fn(next: impl FnMut(&mut Context<'_>) -> Poll<Frame> + Send + 'static) -> Self {
        Self::stream(SourceFn(next))
    }

    /// The number of bytes still to come, when it is known.
    ///
    /// ```
    /// use std::task::Poll;
    ///
    /// use httpfsm::handler::{Body, Frame};
    ///
    /// assert_eq!(Body::from("hello").length(), Some(5));
    /// assert_eq!(Body::from_fn(|_| Poll::Ready(Frame::End)).length(), None);
    /// ```
    #[must_use]
    pub fn length(&self) -> Option<u64> {
        match self {
            Self::Empty | Self::Trailers(_) => Some(0),
            Self::Full(bytes) => Some(bytes.len() as u64),
            Self::Stream(source) => source.length(),
        }
    }

    /// The next frame. After [`Frame::Trailers`] or [`Frame::Error`] it is [`Frame::End`] for ever, and the source
    /// is gone.
    ///
    /// ```
    /// use std::pin::Pin;
    /// use std::task::{Context, Poll};
    ///
    /// use httpfsm::handler::{Body, Frame, Source};
    ///
    /// /// Another body in upper case, and all that it yields beside as it is.
    /// struct Upper(Body);
    ///
    /// impl Source for Upper {
    ///     fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Frame> {
    ///         self.0.poll_frame(cx).map(|frame| match frame {
    ///             Frame::Data(bytes) => Frame::Data(bytes.to_ascii_uppercase().into()),
    ///             other => other,
    ///         })
    ///     }
    /// }
    /// ```
    pub fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Frame> {
        match self {
            Self::Empty => Poll::Ready(Frame::End),
            Self::Stream(source) => {
                let frame = ready!(source.as_mut().poll_frame(cx));
                if frame.is_last() {
                    *self = Self::Empty;
                }
                Poll::Ready(frame)
            }
            Self::Full(_) | Self::Trailers(_) => Poll::Ready(match mem::take(self) {
                Self::Full(bytes) => Frame::Data(bytes),
                Self::Trailers(fields) => Frame::Trailers(*fields),
                Self::Empty | Self::Stream(_) => Frame::End,
            }),
        }
    }

    /// The content that comes next, where it is elsewhere, for a transport that can send it: [`Source::take_elsewhere`].
    pub fn take_elsewhere(&mut self) -> Option<Elsewhere> {
        match self {
            Self::Stream(source) => source.as_mut().take_elsewhere(),
            Self::Empty | Self::Full(_) | Self::Trailers(_) => None,
        }
    }

    /// The next bytes, never an empty piece; `None` at the end. The trailer section, if one came, is then in
    /// [`trailers`](Self::trailers).
    ///
    /// Dropping the future before it is ready loses nothing.
    ///
    /// ```
    #[doc = include_str!("../examples/request.txt")]
    /// use httpfsm::handler::BodyFailure;
    ///
    /// async fn lines(body: &mut Body) -> Result<usize, BodyFailure> {
    ///     let mut lines = 0;
    ///     while let Some(data) = body.next_data().await {
    ///         lines += data?.iter().filter(|&&byte| byte == b'\n').count();
    ///     }
    ///     Ok(lines)
    /// }
    ///
    /// assert_eq!(result_of(lines(&mut "a\nb\n".into())).unwrap(), 2);
    /// ```
    ///
    /// # Errors
    ///
    /// [`BodyFailure`] when the body ends before its end; the next call gives `None`.
    pub async fn next_data(&mut self) -> Option<Result<Bytes, BodyFailure>> {
        poll_fn(|cx| self.poll_data(cx)).await
    }

    /// The poll under [`next_data`](Self::next_data).
    ///
    /// ```
    /// use std::task::{Context, Poll, Waker};
    ///
    /// use httpfsm::handler::Body;
    ///
    /// let mut body = Body::from_fn(|_| Poll::Pending);
    /// // For what is no `async fn`. Nothing has come yet, and `cx` is woken when it has.
    /// let mut cx = Context::from_waker(Waker::noop());
    /// assert!(body.poll_data(&mut cx).is_pending());
    /// ```
    pub fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyFailure>>> {
        loop {
            if let Self::Trailers(_) = self {
                return Poll::Ready(None);
            }
            match ready!(self.poll_frame(cx)) {
                Frame::Data(bytes) if bytes.is_empty() => {}
                Frame::Data(bytes) => return Poll::Ready(Some(Ok(bytes))),
                Frame::Flush => {}
                Frame::Trailers(fields) => *self = Self::Trailers(Box::new(fields)),
                Frame::End => return Poll::Ready(None),
                Frame::Error(failure) => return Poll::Ready(Some(Err(failure))),
            }
        }
    }

    /// The trailer section, once [`next_data`](Self::next_data) gave `None` or [`collect`](Self::collect) the
    /// whole; `None` if none came. Trailer fields are apart from the head's on purpose (RFC 9110 section 6.5.1).
    ///
    /// ```
    #[doc = include_str!("../examples/request.txt")]
    /// use httpfsm::handler::Frame;
    ///
    /// let mut frames = vec![Frame::Trailers(Fields::new().with("X-Rows", "2")?), Frame::Data("a\nb\n".into())];
    /// let mut body = Body::from_fn(move |_| Poll::Ready(frames.pop().unwrap_or(Frame::End)));
    /// assert!(body.trailers().is_none());
    /// assert_eq!(result_of(body.collect(1024)).unwrap(), "a\nb\n");
    /// assert_eq!(body.trailers().and_then(|trailers| trailers.get("X-Rows")), Some(&b"2"[..]));
    /// # Ok::<(), httpfsm::InvalidField>(())
    /// ```
    #[must_use]
    pub fn trailers(&self) -> Option<&Fields> {
        match self {
            Self::Trailers(fields) => Some(fields),
            Self::Empty | Self::Full(_) | Self::Stream(_) => None,
        }
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("Empty"),
            Self::Full(bytes) => write!(f, "Full({} bytes)", bytes.len()),
            Self::Stream(source) => f.debug_struct("Stream").field("length", &source.length()).finish(),
            Self::Trailers(fields) => f.debug_tuple("Trailers").field(fields).finish(),
        }
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self::Full(bytes)
    }
}

impl From<&'static str> for Body {
    fn from(text: &'static str) -> Self {
        Self::Full(Bytes::from_static(text.as_bytes()))
    }
}

impl From<&'static [u8]> for Body {
    fn from(bytes: &'static [u8]) -> Self {
        Self::Full(Bytes::from_static(bytes))
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        Self::Full(text.into())
    }
}

impl From<Cow<'static, str>> for Body {
    fn from(text: Cow<'static, str>) -> Self {
        match text {
            Cow::Borrowed(text) => text.into(),
            Cow::Owned(text) => text.into(),
        }
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Full(bytes.into())
    }
}

impl From<()> for Body {
    fn from((): ()) -> Self {
        Self::Empty
    }
}

/// Where the bytes of a [`Body::Stream`] come from: pulled, one frame at a time, when there is room for them.
///
/// ```
/// use std::pin::Pin;
/// use std::task::{Context, Poll};
///
/// use httpfsm::handler::{Frame, Response, Source};
///
/// struct Countdown(u8);
///
/// impl Source for Countdown {
///     fn poll_frame(mut self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Frame> {
///         let Some(next) = self.0.checked_sub(1) else { return Poll::Ready(Frame::End) };
///         self.0 = next;
///         Poll::Ready(Frame::Data(format!("{next}\n").into()))
///     }
/// }
///
/// let response = Response::stream(Countdown(10));
/// # let _ = response;
/// ```
pub trait Source: Send {
    /// The next frame. `Pending` after arranging for the waker to be called, as in any future.
    ///
    /// After [`Frame::Trailers`], [`Frame::End`] or [`Frame::Error`] a source is dropped without being polled again.
    ///
    /// ```
    /// use std::pin::Pin;
    /// use std::task::{Context, Poll};
    ///
    /// use httpfsm::handler::{BodyFailure, Frame, Source};
    ///
    /// /// Waits for a text, and is that.
    /// struct Later<F>(Option<Pin<Box<F>>>);
    ///
    /// impl<F: Future<Output = Result<String, std::io::Error>> + Send> Source for Later<F> {
    ///     fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Frame> {
    ///         let Some(text) = &mut self.0 else { return Poll::Ready(Frame::End) };
    ///         text.as_mut().poll(cx).map(|text| {
    ///             self.0 = None;
    ///             text.map_or_else(|error| Frame::Error(BodyFailure::source(error)), |text| Frame::Data(text.into()))
    ///         })
    ///     }
    /// }
    /// ```
    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Frame>;

    /// The number of bytes still to come, when it is known. A response is then sent with `Content-Length`, else
    /// chunked. A source that yields fewer has its response cut off; what it yields beyond is not sent.
    ///
    /// ```
    /// use std::pin::Pin;
    /// use std::task::{Context, Poll};
    ///
    /// use httpfsm::handler::{Frame, Response, Source};
    ///
    /// /// A file, and how much of it is to be read.
    /// struct FileSource {
    ///     file: std::fs::File,
    ///     left: u64,
    /// }
    ///
    /// impl Source for FileSource {
    ///     fn poll_frame(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Frame> {
    ///         // It reads here.
    /// #       Poll::Ready(Frame::End)
    ///     }
    ///
    ///     fn length(&self) -> Option<u64> {
    ///         Some(self.left)
    ///     }
    /// }
    ///
    /// # fn respond(file: std::fs::File) -> std::io::Result<Response> {
    /// let left = file.metadata()?.len();
    /// // Its head has `Content-Length`.
    /// Ok(Response::stream(FileSource { file, left }))
    /// # }
    /// ```
    fn length(&self) -> Option<u64> {
        None
    }

    /// The content that comes next, where the transport can send it by itself: bytes of a file, say
    /// (`httpfsm_transport::SentFile`). A transport that can send such content asks before it polls for a frame, and
    /// whoever reads the bytes never does; so the source yields them as frames unless it was asked. What it gives here
    /// counts as yielded, as a frame does. The default is `None`; a source that wraps another passes the call on.
    fn take_elsewhere(self: Pin<&mut Self>) -> Option<Elsewhere> {
        None
    }

    /// Ready when reading it will not wait for its peer, or may: see [`GatherUntil`]. `Some` is a body that takes the place
    /// of the source, with what is still to come; `None`: the source is read as before. The source of a request's body
    /// implements this, and one that wraps another source passes the call on. The default is ready at once: the source waits
    /// for no peer.
    ///
    /// ```
    /// use std::pin::Pin;
    /// use std::task::{Context, Poll, ready};
    ///
    /// use httpfsm::handler::{Body, Frame, GatherUntil, Source};
    ///
    /// /// A body whose bytes are counted as they are read.
    /// struct Counted {
    ///     body: Body,
    ///     bytes: u64,
    /// }
    ///
    /// impl Source for Counted {
    ///     fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Frame> {
    ///         let frame = ready!(self.body.poll_frame(cx));
    ///         if let Frame::Data(bytes) = &frame {
    ///             self.bytes += bytes.len() as u64;
    ///         }
    ///         Poll::Ready(frame)
    ///     }
    ///
    ///     fn poll_gathered(mut self: Pin<&mut Self>, until: GatherUntil, cx: &mut Context<'_>) -> Poll<Option<Body>> {
    ///         // What is gathered takes the place of the body within.
    ///         self.body.poll_gathered(until, cx).map(|()| None)
    ///     }
    /// }
    /// ```
    fn poll_gathered(self: Pin<&mut Self>, until: GatherUntil, cx: &mut Context<'_>) -> Poll<Option<Body>> {
        let _ = (until, cx);
        Poll::Ready(None)
    }
}

/// The source that [`Body::from_fn`] makes.
///
/// ```
/// use std::task::Poll;
///
/// use httpfsm::handler::{Body, Frame};
///
/// let body = Body::from_fn(|_| Poll::Ready(Frame::End));
/// let Body::Stream(source) = body else { panic!("a function is a source") };
/// // A function says nothing about what is still to come.
/// assert_eq!(source.length(), None);
/// ```
pub struct SourceFn<F>(F);

// The function is never pinned, only called.
impl<F> Unpin for SourceFn<F> {}

impl<F: FnMut(&mut Context<'_>) -> Poll<Frame> + Send> Source for SourceFn<F> {
    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Frame> {
        (self.get_mut().0)(cx)
    }
}

impl<F> fmt::Debug for SourceFn<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SourceFn(..)")
    }
}

/// One thing that a [`Source`] yields.
///
/// ```
/// use std::task::Poll;
///
/// use httpfsm::handler::{Body, BodyFailure, Frame};
///
/// /// Rows as they come from a database. The peer gets each one at once, and sees where they break off.
/// fn rows(mut next: impl FnMut() -> Option<Result<String, std::io::Error>> + Send + 'static) -> Body {
///     let mut flush = false;
///     Body::from_fn(move |_| {
///         if std::mem::take(&mut flush) {
///             return Poll::Ready(Frame::Flush);
///         }
///         Poll::Ready(match next() {
///             Some(Ok(row)) => {
///                 flush = true;
///                 Frame::Data(row.into())
///             }
///             Some(Err(error)) => Frame::Error(BodyFailure::source(error)),
///             None => Frame::End,
///         })
///     })
/// }
/// ```
pub enum Frame {
    /// Bytes of the content.
    Data(Bytes),
    /// All bytes so far are to leave now; the next poll comes when they have left. Ignored in request bodies.
    Flush,
    /// The content is over, and this trailer section follows it. It is sent only where the content is chunked.
    Trailers(Fields),
    /// The content is over.
    End,
    /// The content cannot be continued. A response is cut off, so that the peer sees that it is not whole.
    Error(BodyFailure),
}

/// Of bytes it shows how many there are.
impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Data(bytes) => write!(f, "Data({} bytes)", bytes.len()),
            Self::Flush => f.write_str("Flush"),
            Self::Trailers(fields) => f.debug_tuple("Trailers").field(fields).finish(),
            Self::End => f.write_str("End"),
            Self::Error(failure) => f.debug_tuple("Error").field(failure).finish(),
        }
    }
}

impl Frame {
    /// Whether nothing follows this frame.
    ///
    /// ```
    /// use httpfsm::handler::Frame;
    ///
    /// assert!(!Frame::Data("hello".into()).is_last());
    /// assert!(Frame::End.is_last());
    /// ```
    #[must_use]
    pub const fn is_last(&self) -> bool {
        match self {
            Self::Data(_) | Self::Flush => false,
            Self::Trailers(_) | Self::End | Self::Error(_) => true,
        }
    }
}

/// Why a body ended before its end.
///
/// ```
/// use httpfsm::BodyError;
/// use httpfsm::handler::BodyFailure;
///
/// /// Whether the peer is the one to blame, so that a log need not say more.
/// fn is_of_the_peer(failure: &BodyFailure) -> bool {
///     matches!(failure, BodyFailure::Request(BodyError::Truncated | BodyError::Malformed(_)))
/// }
///
/// assert!(is_of_the_peer(&BodyError::Truncated.into()));
/// assert!(!is_of_the_peer(&BodyFailure::source("the disk is gone")));
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum BodyFailure {
    /// A request body: the peer, or the connection, or a limit.
    Request(BodyError),
    /// A source of the application's own failed: a file could not be read, say.
    Source(Box<dyn core::error::Error + Send + Sync>),
}

impl BodyFailure {
    /// A failure of the application's own.
    ///
    /// ```
    /// use httpfsm::handler::{BodyFailure, Frame};
    ///
    /// let frame = Frame::Error(BodyFailure::source("the disk is gone"));
    /// # let _ = frame;
    /// ```
    #[must_use]
    pub fn source(error: impl Into<Box<dyn core::error::Error + Send + Sync>>) -> Self {
        Self::Source(error.into())
    }
}

impl From<BodyError> for BodyFailure {
    fn from(error: BodyError) -> Self {
        Self::Request(error)
    }
}

impl fmt::Display for BodyFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Request(error) => write!(f, "{error}"),
            Self::Source(error) => write!(f, "The source of the body failed: {error}"),
        }
    }
}

impl core::error::Error for BodyFailure {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Request(error) => Some(error),
            Self::Source(error) => Some(&**error),
        }
    }
}
