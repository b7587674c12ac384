//! The content of a request, and of a response where it is to be passed on as it is.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::HeaderMap;
use http_body::SizeHint;
use httpfsm::handler::{self, BodyFailure, Frame};

/// The body of a request as an `http_body::Body`: data, then trailers if there are any. It is read from the connection as
/// fast as it is polled, and no faster.
///
/// It is read before the response is complete: by the service, or by the body of its response. Behind the response a task
/// that the service has started finds what it had asked for and what had come by then; instead of the rest, also of bytes
/// that came with the head, it finds the error [`BodyError::ResponseComplete`](httpfsm::BodyError::ResponseComplete).
///
/// A service may respond with one, too: it is then passed on as it is, without a box. It is made of text, bytes or any
/// [`httpfsm::Body`].
///
/// ```
/// use std::convert::Infallible;
///
/// use httpfsm_http::Body;
///
/// async fn echo(request: http::Request<Body>) -> Result<http::Response<Body>, Infallible> {
///     Ok(http::Response::new(match request.method() {
///         &http::Method::POST => request.into_body(),
///         _ => Body::from("Send me something."),
///     }))
/// }
/// # let _ = echo;
/// ```
#[derive(Debug, Default)]
pub struct Body(handler::Body);

impl Body {
    /// No bytes.
    #[must_use]
    pub const fn empty() -> Self {
        Self(handler::Body::Empty)
    }

    /// The body as handlers have it.
    #[must_use]
    pub fn into_inner(self) -> handler::Body {
        self.0
    }
}

impl<T: Into<handler::Body>> From<T> for Body {
    fn from(content: T) -> Self {
        Self(content.into())
    }
}

/// Its error is a [`BodyFailure`], and says why a body ended before its end: where it was the machine's verdict, its
/// [`source`](std::error::Error::source) is the [`BodyError`](httpfsm::BodyError). Where a service wraps the error and
/// returns it, or sends the body back, that is found again.
impl http_body::Body for Body {
    type Data = Bytes;
    type Error = BodyFailure;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, BodyFailure>>> {
        loop {
            return Poll::Ready(match ready!(self.0.poll_frame(cx)) {
                Frame::Data(data) if data.is_empty() => continue,
                Frame::Data(data) => Some(Ok(http_body::Frame::data(data))),
                Frame::Flush => continue,
                Frame::Trailers(fields) => Some(match HeaderMap::try_from(&fields) {
                    Ok(trailers) => Ok(http_body::Frame::trailers(trailers)),
                    Err(error) => Err(BodyFailure::source(error)),
                }),
                Frame::End => None,
                Frame::Error(failure) => Some(Err(failure)),
            });
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            handler::Body::Empty => true,
            handler::Body::Full(bytes) => bytes.is_empty(),
            handler::Body::Stream(_) | handler::Body::Trailers(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        self.0.length().map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
