//! The connection itself, for a service that speaks another protocol.

use std::fmt;
use std::sync::Arc;

use httpfsm::handler::{Control, UpgradeFuture};

/// Gives the connection to a service that responds with 101, or with 2xx to `CONNECT`. Requests that ask for an upgrade, and
/// those of that method, have it among their extensions.
///
/// Give the future to a task of its own: the response must leave first.
///
/// With the feature `axum` it is an extractor of axum's handlers, whose response is `NoUpgrade` where no upgrade is asked
/// for; `Option<Upgrade>` is `None` there.
///
/// ```
/// use http::header::{CONNECTION, UPGRADE};
/// use http::{Request, Response, StatusCode};
/// use httpfsm::handler::{IoFailure, UpgradeFuture};
/// use httpfsm_http::{Body, Upgrade};
///
/// fn handler(request: &Request<Body>, spawn: impl FnOnce(UpgradeFuture)) -> Response<Body> {
///     let Some(upgrade) = request.extensions().get::<Upgrade>() else {
///         return Response::new("Ask for an upgrade.".into());
///     };
///     spawn(upgrade.connection());
///     let mut response = Response::new(Body::empty());
///     *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
///     response.headers_mut().insert(CONNECTION, "upgrade".parse().expect("a value"));
///     response.headers_mut().insert(UPGRADE, "echo".parse().expect("a value"));
///     response
/// }
/// # let _ = handler(&Request::default(), drop);
/// ```
#[derive(Clone)]
pub struct Upgrade(Arc<dyn Control>);

impl Upgrade {
    pub(crate) fn new(control: Arc<dyn Control>) -> Self {
        Self(control)
    }

    /// Resolves to the connection, an [`Upgraded`](httpfsm::handler::Upgraded), when the 101, or the 2xx to `CONNECT`, has
    /// left. It borrows nothing.
    ///
    /// # Errors
    ///
    /// The future's is [`UpgradeError`](httpfsm::handler::UpgradeError): the response was no upgrade, the connection was
    /// lost, or another future of the same request has it.
    pub fn connection(&self) -> UpgradeFuture {
        UpgradeFuture::new(&self.0)
    }
}

/// The response of the extractor [`Upgrade`] to a request that asks for no upgrade: `400 Bad Request`. A handler that knows
/// to which protocol it would have switched takes an `Option<Upgrade>`, and responds with 426 and that protocol's name.
///
/// Only with the feature `axum`.
///
/// ```
/// use axum::Router;
/// use axum::routing::get;
/// use httpfsm::Status;
/// use httpfsm_http::{Upgrade, service};
/// use httpfsm_transport::block_on;
/// use httpfsm_transport::test::{TestRequest, call};
///
/// let app = Router::new().route("/", get(|_: Upgrade| async { "An upgrade is asked for." }));
/// let response = block_on(call(service(app), TestRequest::get("/")));
/// assert_eq!(response.status(), Status::BAD_REQUEST);
/// assert_eq!(response.text(), "The request asks for no upgrade.");
/// ```
#[cfg(feature = "axum")]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NoUpgrade;

#[cfg(feature = "axum")]
impl fmt::Display for NoUpgrade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("The request asks for no upgrade.")
    }
}

#[cfg(feature = "axum")]
impl std::error::Error for NoUpgrade {}

#[cfg(feature = "axum")]
impl axum::response::IntoResponse for NoUpgrade {
    fn into_response(self) -> axum::response::Response {
        (http::StatusCode::BAD_REQUEST, self.to_string()).into_response()
    }
}

#[cfg(feature = "axum")]
impl<S: Send + Sync> axum::extract::FromRequestParts<S> for Upgrade {
    type Rejection = NoUpgrade;

    async fn from_request_parts(parts: &mut http::request::Parts, _: &S) -> Result<Self, NoUpgrade> {
        parts.extensions.get::<Self>().cloned().ok_or(NoUpgrade)
    }
}

#[cfg(feature = "axum")]
impl<S: Send + Sync> axum::extract::OptionalFromRequestParts<S> for Upgrade {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(
        parts: &mut http::request::Parts,
        _: &S,
    ) -> Result<Option<Self>, Self::Rejection> {
        Ok(parts.extensions.get::<Self>().cloned())
    }
}

impl fmt::Debug for Upgrade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Upgrade(..)")
    }
}
