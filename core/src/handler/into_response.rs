//! What a handler may return.

use alloc::borrow::Cow;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::convert::Infallible;

use bytes::Bytes;

use super::body::BodyFailure;
use super::collect::CollectError;
use super::memory::NoRoom;
use super::response::Response;
use crate::error::BodyError;
use crate::fields::InvalidField;
use crate::status::Status;

/// A value that is a response.
///
/// ```
/// use httpfsm::handler::{IntoResponse, Response};
/// use httpfsm::status::Status;
///
/// enum Failure {
///     NoSuchUser,
///     Database,
/// }
///
/// impl IntoResponse for Failure {
///     fn into_response(self) -> Response {
///         match self {
///             Self::NoSuchUser => (Status::NOT_FOUND, "There is no such user.").into_response(),
///             Self::Database => Status::INTERNAL_SERVER_ERROR.into_response(),
///         }
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no response",
    label = "this is to become a response",
    note = "implement `IntoResponse` for it, or make a response of it: `Json(value)` with the feature `json`, or \
            `Response::text(..)`, which gets its fields by `.with_field(..)`",
    note = "where it is the error of a `Result`, say which response it is: `.map_err(|error| ..)`"
)]
pub trait IntoResponse {
    /// Makes the response.
    ///
    /// ```
    /// use httpfsm::handler::IntoResponse;
    /// use httpfsm::Status;
    ///
    /// let response = (Status::CREATED, "Your note has the number 7.").into_response();
    /// assert_eq!(response.status, Status::CREATED);
    /// let response = Err::<&str, _>(Status::NOT_FOUND).into_response();
    /// assert_eq!(response.status, Status::NOT_FOUND);
    /// ```
    fn into_response(self) -> Response;
}

impl IntoResponse for Response {
    #[inline]
    fn into_response(self) -> Response {
        self
    }
}

/// The status without content.
impl IntoResponse for Status {
    fn into_response(self) -> Response {
        Response::new(self)
    }
}

/// `204 No Content`.
impl IntoResponse for () {
    fn into_response(self) -> Response {
        Response::new(Status::NO_CONTENT)
    }
}

/// `200 OK` with `text/plain`.
impl IntoResponse for &'static str {
    fn into_response(self) -> Response {
        Response::text(self)
    }
}

/// `200 OK` with `text/plain`.
impl IntoResponse for String {
    fn into_response(self) -> Response {
        Response::text(self)
    }
}

/// `200 OK` with `text/plain`.
impl IntoResponse for Cow<'static, str> {
    fn into_response(self) -> Response {
        Response::text(self)
    }
}

/// `200 OK` with `application/octet-stream`.
impl IntoResponse for Bytes {
    fn into_response(self) -> Response {
        Response::bytes(self)
    }
}

/// `200 OK` with `application/octet-stream`.
impl IntoResponse for Vec<u8> {
    fn into_response(self) -> Response {
        Response::bytes(self)
    }
}

/// `200 OK` with `application/octet-stream`.
impl IntoResponse for &'static [u8] {
    fn into_response(self) -> Response {
        Response::bytes(self)
    }
}

/// A response with another status.
impl<T: IntoResponse> IntoResponse for (Status, T) {
    fn into_response(self) -> Response {
        self.1.into_response().with_status(self.0)
    }
}

/// Whichever it is.
impl<T: IntoResponse, E: IntoResponse> IntoResponse for Result<T, E> {
    fn into_response(self) -> Response {
        match self {
            Ok(response) => response.into_response(),
            Err(error) => error.into_response(),
        }
    }
}

impl IntoResponse for Infallible {
    fn into_response(self) -> Response {
        match self {}
    }
}

/// `413 Content Too Large`, or the response to the failure.
impl IntoResponse for CollectError {
    fn into_response(self) -> Response {
        match self {
            Self::TooLarge { .. } => Response::new(Status::CONTENT_TOO_LARGE),
            Self::Failed(failure) => failure.into_response(),
        }
    }
}

/// The status of the peer's mistake; 503 if there was no room in the server's memory, 500 if the application's own source
/// failed otherwise: the subscriber is told what it is, and the peer is not.
impl IntoResponse for BodyFailure {
    fn into_response(self) -> Response {
        Response::new(match self {
            Self::Request(BodyError::Malformed(error)) => error.status(),
            Self::Request(BodyError::TimedOut) => Status::REQUEST_TIMEOUT,
            Self::Request(BodyError::Truncated | BodyError::Disconnected) => Status::BAD_REQUEST,
            Self::Request(BodyError::Closed) => Status::SERVICE_UNAVAILABLE,
            Self::Request(BodyError::NotContinued | BodyError::ResponseComplete) => {
                Status::INTERNAL_SERVER_ERROR
            }
            Self::Source(error) if error.is::<NoRoom>() => return NoRoom.into_response(),
            Self::Source(_) => {
                return Response::new(Status::INTERNAL_SERVER_ERROR).with_failure(self.to_string());
            }
        })
    }
}

/// `503 Service Unavailable`.
impl IntoResponse for NoRoom {
    fn into_response(self) -> Response {
        Response::new(Status::SERVICE_UNAVAILABLE)
    }
}

/// Where the body of a request failed, or was too large, and this is its error, what that calls for; 503 for a
/// [`NoRoom`]. Else `500 Internal Server Error`: the subscriber is told what it is, and the peer is not.
#[cfg(feature = "std")]
impl IntoResponse for std::io::Error {
    fn into_response(self) -> Response {
        match self.downcast().map(CollectError::Failed).or_else(Self::downcast::<CollectError>) {
            Ok(failure) => failure.into_response(),
            Err(error) if error.get_ref().is_some_and(|source| source.is::<NoRoom>()) => {
                NoRoom.into_response()
            }
            Err(error) => Response::new(Status::INTERNAL_SERVER_ERROR).with_failure(error.to_string()),
        }
    }
}

/// `500 Internal Server Error`, with the [`fault`](Response::fault) that [`with_field`](Response::with_field) leaves there:
/// the subscriber is told.
impl IntoResponse for InvalidField {
    fn into_response(self) -> Response {
        Response::default().with_fault(self)
    }
}
