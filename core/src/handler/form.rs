//! Forms as browsers send them (`application/x-www-form-urlencoded`).

use alloc::string::ToString;
use core::fmt;

use serde::de::DeserializeOwned;

use super::collect::CollectError;
use super::into_response::IntoResponse;
use super::media_type::MediaType;
use super::request::Request;
use super::response::Response;
use super::urlencoded::PairsError;
use crate::status::Status;

impl Request {
    /// The form that is the body, of at most `limit` bytes. It is read to its end.
    ///
    /// ```
    /// use httpfsm::handler::{FormError, Request};
    ///
    /// #[derive(serde::Deserialize)]
    /// struct Login {
    ///     name: String,
    ///     password: String,
    /// }
    ///
    /// async fn login(mut request: Request) -> Result<String, FormError> {
    ///     let login: Login = request.form(16 * 1024).await?;
    ///     Ok(format!("Hello, {}!", login.name))
    /// }
    /// # let _ = login;
    /// ```
    ///
    /// # Errors
    ///
    /// [`FormError`], which is a response of its own: 415 unless `Content-Type` is `application/x-www-form-urlencoded`, 413
    /// above `limit`, 400 where the pairs are no `T`, and what the failure of a body calls for.
    pub async fn form<T: DeserializeOwned>(&mut self, limit: usize) -> Result<T, FormError> {
        let is_form =
            MediaType::of(self.head()).is_some_and(|media| media.is("application/x-www-form-urlencoded"));
        if !is_form {
            return Err(FormError::MediaType);
        }
        let content = self.body().collect(limit).await.map_err(FormError::Body)?;
        serde_urlencoded::from_bytes(&content)
            .map_err(|error| FormError::Content(PairsError { of: "form", error }))
    }
}

/// Why a body is no form.
///
/// ```
#[doc = include_str!("../examples/request.txt")]
/// use std::collections::BTreeMap;
///
/// use httpfsm::handler::FormError;
///
/// // A form is not taken for one without its media type.
/// let mut login = request("POST /login HTTP/1.1\r\nContent-Length: 8", "name=Ada");
/// let refused = result_of(login.form::<BTreeMap<String, String>>(1024)).unwrap_err();
/// assert!(matches!(refused, FormError::MediaType));
/// let head = "POST / HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 8";
/// let refused = result_of(request(head, "name=Ada").form::<BTreeMap<String, u32>>(1024)).unwrap_err();
/// assert!(refused.to_string().starts_with("The form is not what is expected here: "));
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum FormError {
    /// `Content-Type` is another, or is missing: 415.
    MediaType,
    /// The body is too large, or ended before its end: 413, or what the failure calls for.
    Body(CollectError),
    /// The pairs are no value of the type: 400.
    Content(PairsError),
}

impl fmt::Display for FormError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MediaType => f.write_str(
                "The content is to be a form, with \"Content-Type: application/x-www-form-urlencoded\".",
            ),
            Self::Body(error) => error.fmt(f),
            Self::Content(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for FormError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::MediaType => None,
            Self::Body(error) => Some(error),
            Self::Content(error) => Some(error),
        }
    }
}

/// The status, and as text what is wrong.
impl IntoResponse for FormError {
    fn into_response(self) -> Response {
        match self {
            Self::MediaType => Response::text(self.to_string()).with_status(Status::UNSUPPORTED_MEDIA_TYPE),
            Self::Body(error) => error.into_response(),
            Self::Content(error) => error.into_response(),
        }
    }
}
