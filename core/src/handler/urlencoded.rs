//! Pairs in the query and in forms, over `form_urlencoded` and `serde_urlencoded`.

use alloc::string::ToString;
use core::fmt;

use serde::de::DeserializeOwned;

use super::into_response::IntoResponse;
use super::request::Request;
use super::response::Response;
use crate::status::Status;

impl Request {
    /// The pairs of the query, decoded, in order: `+` and `%20` are a space.
    ///
    /// ```
    /// use httpfsm::handler::Request;
    ///
    /// async fn search(request: Request) -> String {
    ///     let words = request.query_pairs().filter(|(name, _)| name == "q");
    ///     words.map(|(_, word)| word).collect::<Vec<_>>().join(" and ")
    /// }
    /// # let _ = search;
    /// ```
    pub fn query_pairs(&self) -> form_urlencoded::Parse<'_> {
        form_urlencoded::parse(self.query().unwrap_or_default().as_bytes())
    }

    /// The query as a value; without a query, as of an empty one.
    ///
    /// ```
    /// use httpfsm::handler::{PairsError, Request};
    ///
    /// #[derive(serde::Deserialize)]
    /// struct Page {
    ///     number: u32,
    /// }
    ///
    /// async fn list(request: Request) -> Result<String, PairsError> {
    ///     let page: Page = request.query_as()?;
    ///     Ok(format!("This is page {}.", page.number))
    /// }
    /// # let _ = list;
    /// ```
    ///
    /// # Errors
    ///
    /// [`PairsError`], which is a 400, where the pairs are no `T`.
    pub fn query_as<T: DeserializeOwned>(&self) -> Result<T, PairsError> {
        serde_urlencoded::from_str(self.query().unwrap_or_default())
            .map_err(|error| PairsError { of: "query", error })
    }
}

/// The pairs of a query or of a form are no value of the type: 400.
///
/// ```
#[doc = include_str!("../examples/request.txt")]
/// use std::collections::BTreeMap;
///
/// use httpfsm::handler::IntoResponse;
///
/// let request = request("GET /list?page=two HTTP/1.1", ());
/// let refused = request.query_as::<BTreeMap<String, u32>>().unwrap_err();
/// assert!(refused.to_string().starts_with("The query is not what is expected here: "));
/// assert_eq!(refused.into_response().status, Status::BAD_REQUEST);
/// ```
#[derive(Debug)]
pub struct PairsError {
    /// What has the pairs.
    pub(super) of: &'static str,
    pub(super) error: serde_urlencoded::de::Error,
}

impl fmt::Display for PairsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "The {} is not what is expected here: {}.", self.of, self.error)
    }
}

impl core::error::Error for PairsError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        Some(&self.error)
    }
}

/// `400 Bad Request`, and as text what is wrong.
impl IntoResponse for PairsError {
    fn into_response(self) -> Response {
        Response::text(self.to_string()).with_status(Status::BAD_REQUEST)
    }
}
