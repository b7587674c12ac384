//! JSON, in requests and responses, over `serde_json`.

use alloc::string::ToString;
use core::fmt;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::collect::CollectError;
use super::into_response::IntoResponse;
use super::media_type::MediaType;
use super::request::Request;
use super::response::Response;
use crate::status::Status;

/// A value that is sent as JSON: `200 OK` with `application/json`. A value that cannot be serialized is a 500, of which
/// the subscriber is told why.
///
/// ```
/// use httpfsm::handler::{IntoResponse, Json};
///
/// #[derive(serde::Serialize)]
/// struct User {
///     name: &'static str,
/// }
///
/// let response = Json(User { name: "Ada" }).into_response();
/// assert_eq!(response.fields.get("Content-Type"), Some(&b"application/json"[..]));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Json<T>(pub T);

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        match serde_json::to_vec(&self.0) {
            Ok(bytes) => Response::json(bytes),
            Err(error) => {
                let text = alloc::format!("The value cannot be sent as JSON: {error}.");
                Response::new(Status::INTERNAL_SERVER_ERROR).with_failure(text)
            }
        }
    }
}

impl Request {
    /// The body as a value of JSON, of at most `limit` bytes. It is read to its end.
    ///
    /// ```
    /// use httpfsm::handler::{IntoResponse, Json, JsonError, Request};
    ///
    /// #[derive(serde::Deserialize, serde::Serialize)]
    /// struct User {
    ///     name: String,
    /// }
    ///
    /// async fn create(mut request: Request) -> Result<Json<User>, JsonError> {
    ///     let user: User = request.json(64 * 1024).await?;
    ///     Ok(Json(user))
    /// }
    /// # let _ = create;
    /// ```
    ///
    /// # Errors
    ///
    /// [`JsonError`], which is a response of its own: 415 unless `Content-Type` is `application/json` or ends with `+json`
    /// (RFC 8259 section 11, RFC 6839 section 3.1), 413 above `limit`, 400 for what is no JSON, 422 for JSON that is no
    /// `T`, and what the failure of a body calls for.
    pub async fn json<T: DeserializeOwned>(&mut self, limit: usize) -> Result<T, JsonError> {
        let is_json = MediaType::of(self.head())
            .is_some_and(|media| media.is("application/json") || media.ends_with("+json"));
        if !is_json {
            return Err(JsonError::MediaType);
        }
        let content = self.body().collect(limit).await.map_err(JsonError::Body)?;
        serde_json::from_slice(&content).map_err(JsonError::Content)
    }
}

/// Why a body is no value of JSON.
///
/// ```
#[doc = include_str!("../examples/request.txt")]
/// use httpfsm::handler::{IntoResponse, JsonError};
///
/// let head = "POST /points HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 8";
/// // It is JSON, and not what is asked for.
/// let refused = result_of(request(head, "[1, 2.5]").json::<(u8, u8)>(1024)).unwrap_err();
/// assert!(matches!(refused, JsonError::Content(_)));
/// assert_eq!(refused.into_response().status, Status::UNPROCESSABLE_CONTENT);
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum JsonError {
    /// `Content-Type` is another, or is missing: 415.
    MediaType,
    /// The body is too large, or ended before its end: 413, or what the failure calls for.
    Body(CollectError),
    /// It is no JSON (400), or none of the type (422).
    Content(serde_json::Error),
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MediaType => {
                f.write_str("The content is to be JSON, with \"Content-Type: application/json\".")
            }
            Self::Body(error) => error.fmt(f),
            Self::Content(error) => write!(f, "The JSON is not what is expected here: {error}."),
        }
    }
}

impl core::error::Error for JsonError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::MediaType => None,
            Self::Body(error) => Some(error),
            Self::Content(error) => Some(error),
        }
    }
}

/// The status, and as text what is wrong.
impl IntoResponse for JsonError {
    fn into_response(self) -> Response {
        let text = self.to_string();
        let status = match self {
            Self::MediaType => Status::UNSUPPORTED_MEDIA_TYPE,
            Self::Content(error) if error.is_data() => Status::UNPROCESSABLE_CONTENT,
            Self::Content(_) => Status::BAD_REQUEST,
            Self::Body(error) => return error.into_response(),
        };
        Response::text(text).with_status(status)
    }
}
