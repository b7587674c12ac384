//! The connection itself, for a service that speaks another protocol.

use std::fmt;
use std::sync::Arc;

use httpfsm::handler::{Control, UpgradeFuture};

/// Gives the connection to a service that responds with 101, or with 2xx to `CONNECT`. Requests that ask for an upgrade, and
/// those of that method, have it among their extensions.
///
/// Give the future to a task of its own: the response must leave first.
///
/// A handler of axum's looks into the extensions of the request, or takes `Option<Extension<Upgrade>>`. An
/// `Extension<Upgrade>` responds with 500 where no upgrade is asked for.
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

impl fmt::Debug for Upgrade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Upgrade(..)")
    }
}
