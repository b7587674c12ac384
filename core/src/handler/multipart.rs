//! Uploads from forms (`multipart/form-data`, RFC 7578), over the crate `multer`.

mod bounded;

use alloc::string::ToString;
use core::fmt;

use multer::{Constraints, Multipart};

use self::bounded::BoundedParts;
use super::body::BodyFailure;
use super::into_response::IntoResponse;
use super::request::Request;
use super::response::Response;
use crate::status::Status;

impl Request {
    /// The parts of a form with uploads, as they come. The body is taken out of the request.
    ///
    /// `constraints` bound the parts that are read as a whole, and say which are expected; what is streamed takes no memory
    /// beyond a piece of the body. What stands before the first part, and the head of each part, may have 16 KiB; above it
    /// the form cannot be read, and is a 400.
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
    /// [`MultipartError`], which is a 415, unless there is one `Content-Type`, which is `multipart/form-data` with a
    /// boundary.
    pub fn multipart(&mut self, constraints: Constraints) -> Result<Multipart<'static>, MultipartError> {
        // Of two, another reader of the request might take the other one.
        let is_one = self.field_all("content-type").count() == 1;
        let media = self.field_str("content-type").filter(|_| is_one);
        let boundary = multer::parse_boundary(media.unwrap_or_default())?;
        let parts = BoundedParts::new(self.take_body(), &boundary);
        Ok(Multipart::with_constraints(parts, boundary, constraints))
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
        match &self.0 {
            multer::Error::StreamReadFailed(error) => write!(f, "The form cannot be read: {error}."),
            error => write!(f, "The form cannot be read: {error}."),
        }
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
