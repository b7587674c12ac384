//! A body as one piece of memory.

use alloc::vec::Vec;
use core::fmt;

use bytes::Bytes;

use super::body::{Body, BodyFailure};

/// What is reserved on the word of `Content-Length` alone; beyond it, only bytes that came take memory.
const RESERVED_AHEAD: usize = 64 * 1024;

impl Body {
    /// All bytes still to come, at most `limit`. A body that comes in one piece is not copied.
    ///
    /// Dropping the future before it is ready loses the bytes that it has gathered.
    ///
    /// ```
    /// use httpfsm::handler::{CollectError, Request};
    ///
    /// async fn handler(mut request: Request) -> Result<String, CollectError> {
    ///     let content = request.body().collect(1024 * 1024).await?;
    ///     Ok(format!("{} bytes", content.len()))
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// [`CollectError::TooLarge`] at the first byte above `limit`, or at once when the length is known to be above
    /// it; [`CollectError::Failed`] when the body ends before its end.
    pub async fn collect(&mut self, limit: usize) -> Result<Bytes, CollectError> {
        let known = self.length().map(|length| usize::try_from(length).unwrap_or(usize::MAX));
        if known.is_some_and(|length| length > limit) {
            return Err(CollectError::TooLarge { limit });
        }
        let Some(first) = self.next_data().await.transpose()? else { return Ok(Bytes::new()) };
        if first.len() > limit {
            return Err(CollectError::TooLarge { limit });
        }
        let mut whole = Vec::new();
        while let Some(data) = self.next_data().await.transpose()? {
            if whole.is_empty() {
                let expected = known.unwrap_or(0).min(RESERVED_AHEAD);
                whole.reserve(expected.max(first.len().saturating_add(data.len())));
                whole.extend_from_slice(&first);
            }
            if data.len() > limit - whole.len() {
                return Err(CollectError::TooLarge { limit });
            }
            whole.extend_from_slice(&data);
        }
        Ok(if whole.is_empty() { first } else { whole.into() })
    }

    /// Reads the body to its end and keeps nothing of it; how many bytes came.
    ///
    /// Many clients read no response before they have sent all of their request. A handler that responds earlier reaches
    /// them only if what is unread fits `discard_bytes`, or `linger_bytes` where the connection closes: above that the
    /// connection is reset while they send. Who wants to reach them discards the body first, unless the request
    /// [`expects_continue`](crate::handler::Request::expects_continue): then its client waits for the response. The bounds
    /// are those of every request body: `max_request_body_size`, `body_timeout` and `min_body_rate`.
    ///
    /// ```
    /// use httpfsm::handler::{BodyFailure, Request, Response};
    /// use httpfsm::status::Status;
    ///
    /// async fn forbids(mut request: Request) -> Result<Response, BodyFailure> {
    ///     if !request.expects_continue() {
    ///         request.body().discard().await?;
    ///     }
    ///     Ok(Response::text("You may not write here.").with_status(Status::FORBIDDEN))
    /// }
    /// # let _ = forbids;
    /// ```
    ///
    /// # Errors
    ///
    /// [`BodyFailure`] when the body ends before its end.
    pub async fn discard(&mut self) -> Result<u64, BodyFailure> {
        let mut bytes = 0;
        while let Some(data) = self.next_data().await.transpose()? {
            bytes += data.len() as u64;
        }
        Ok(bytes)
    }
}

/// Why a body could not be collected. As the error of a handler it becomes a response with its own status: 413, or what
/// the failure calls for.
///
/// ```
#[doc = include_str!("../examples/request.txt")]
/// use httpfsm::handler::{CollectError, IntoResponse};
///
/// async fn note(mut request: Request) -> Response {
///     match request.body().collect(4).await {
///         Ok(content) => Response::bytes(content),
///         // It would be a 413 without content by itself.
///         Err(CollectError::TooLarge { limit }) => {
///             Response::text(format!("A note has {limit} bytes at most.\n")).with_status(Status::CONTENT_TOO_LARGE)
///         }
///         Err(other) => other.into_response(),
///     }
/// }
///
/// let response = result_of(note(request("POST /notes HTTP/1.1\r\nContent-Length: 5", "hello")));
/// assert_eq!(response.status, Status::CONTENT_TOO_LARGE);
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum CollectError {
    /// The body is larger than the caller allowed.
    TooLarge {
        /// The bytes that were allowed.
        limit: usize,
    },
    /// The body ended before its end.
    Failed(BodyFailure),
}

impl From<BodyFailure> for CollectError {
    fn from(failure: BodyFailure) -> Self {
        Self::Failed(failure)
    }
}

impl fmt::Display for CollectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { limit } => write!(f, "The body is larger than the {limit} bytes allowed."),
            Self::Failed(failure) => write!(f, "{failure}"),
        }
    }
}

impl core::error::Error for CollectError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::TooLarge { .. } => None,
            Self::Failed(failure) => Some(failure),
        }
    }
}
