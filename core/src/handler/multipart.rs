//! Uploads from forms (`multipart/form-data`, RFC 7578), over the crate `multer`.

use alloc::string::ToString;
use core::fmt;
use core::pin::Pin;
use core::task::{Context, Poll};

use bytes::Bytes;
use futures_core::Stream;
use multer::{Constraints, Multipart};

use super::body::{Body, BodyFailure};
use super::into_response::IntoResponse;
use super::request::Request;
use super::response::Response;
use crate::status::Status;

impl Request {
    /// The parts of a form with uploads, as they come. The body is taken out of the request.
    ///
    /// `constraints` bound the parts that are read as a whole, and say which are expected; what is streamed takes no memory
    /// beyond the window of a body.
    ///
    /// ```
    /// use httpfsm::handler::{MultipartError, Request};
    /// use multer::{Constraints, SizeLimit};
    ///
    /// async fn upload(mut request: Request) -> Result<String, MultipartError> {
    ///     let limits = SizeLimit::new().whole_stream(100 << 20).per_field(10 << 20);
    ///     let mut form = request.multipart(Constraints::new().size_limit(limits))?;
    ///     let mut bytes = 0;
    ///     while let Some(mut part) = form.next_field().await? {
    ///         while let Some(chunk) = part.chunk().await? {
    ///             bytes += chunk.len();
    ///         }
    ///     }
    ///     Ok(format!("{bytes} bytes"))
    /// }
    /// # let _ = upload;
    /// ```
    ///
    /// # Errors
    ///
    /// [`MultipartError`], which is a 415, unless `Content-Type` is `multipart/form-data` with a boundary.
    pub fn multipart(&mut self, constraints: Constraints) -> Result<Multipart<'static>, MultipartError> {
        let boundary = multer::parse_boundary(self.field_str("content-type").unwrap_or_default())?;
        Ok(Multipart::with_constraints(BodyStream(self.take_body()), boundary, constraints))
    }
}

/// The data of a body, as a stream.
struct BodyStream(Body);

impl Stream for BodyStream {
    type Item = Result<Bytes, BodyFailure>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().0.poll_data(cx)
    }
}

/// Why a body is no form with uploads.
#[derive(Debug)]
pub struct MultipartError(multer::Error);

impl MultipartError {
    /// What `multer` says of it.
    #[must_use]
    pub fn get_ref(&self) -> &multer::Error {
        &self.0
    }

    /// The failure of the body, where that is what it is.
    fn into_failure(self) -> Result<BodyFailure, multer::Error> {
        match self.0 {
            multer::Error::StreamReadFailed(error) => {
                error.downcast().map(|failure| *failure).map_err(multer::Error::StreamReadFailed)
            }
            error => Err(error),
        }
    }
}

impl From<multer::Error> for MultipartError {
    fn from(error: multer::Error) -> Self {
        Self(error)
    }
}

impl fmt::Display for MultipartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "The form cannot be read: {}.", self.0)
    }
}

impl core::error::Error for MultipartError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        Some(&self.0)
    }
}

/// 415 for another content, 413 above a limit of the constraints, what the failure of a body calls for, else 400; and as
/// text what is wrong.
impl IntoResponse for MultipartError {
    fn into_response(self) -> Response {
        use multer::Error as E;
        let text = self.to_string();
        let error = match self.into_failure() {
            Ok(failure) => return failure.into_response(),
            Err(error) => error,
        };
        let status = match error {
            E::NoMultipart | E::DecodeContentType(_) | E::NoBoundary => Status::UNSUPPORTED_MEDIA_TYPE,
            E::FieldSizeExceeded { .. } | E::StreamSizeExceeded { .. } => Status::CONTENT_TOO_LARGE,
            _ => Status::BAD_REQUEST,
        };
        Response::text(text).with_status(status)
    }
}
