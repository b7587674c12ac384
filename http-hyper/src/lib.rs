//! hyper's upgrade for services behind httpfsm: axum's own `WebSocketUpgrade` works, and whatever else takes an
//! [`OnUpgrade`] out of the extensions of a request.
//!
//! Should you use this? Yes, if your handlers take axum's `WebSocketUpgrade` and are to stay as they are. axum's feature
//! `ws` brings hyper, and so does this crate. A WebSocket library over what [`Upgrade`] gives needs neither, and copies
//! nothing.
//!
//! [`HyperUpgrade`] wraps a service, and [`HyperUpgradeLayer`] is the layer that does it.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod future;
mod pipe;

use std::fmt;
use std::task::{Context, Poll};

pub use future::HyperUpgradeFuture;
use http::header::UPGRADE;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use httpfsm_http::Upgrade;
#[cfg(doc)]
use hyper::upgrade::OnUpgrade;
use tower_layer::Layer;
use tower_service::Service;

/// Gives each request that asks for an upgrade, and each `CONNECT`, an [`OnUpgrade`] among its extensions, in place of
/// the [`Upgrade`] of httpfsm-http. Other requests are passed on untouched. So are those that offer HTTP/2 alone
/// (`Upgrade: h2c`), as clients do with any request, which no service takes.
///
/// hyper makes an `OnUpgrade` in its own connections only. So a connection of hyper is served over a pipe in memory, one for
/// each of these requests. When the response of the service is 101, or 2xx to `CONNECT`, and has left, the bytes of the
/// client's connection are copied into the pipe and out of it, with 64 KiB in memory each way. With another response
/// the `OnUpgrade` resolves to an error, and the connection of hyper is gone.
///
/// The protocol that a client offers is not looked at, since an `OnUpgrade` serves any. So around a whole application any
/// client that sends `Upgrade: x` has a task spawned and hyper's buffers taken until its response is there, whatever its
/// route. Put the layer on the route of the WebSocket alone ([`HyperUpgradeLayer`]), and other routes do neither. Those
/// buffers and the pipe, up to 128 KiB for each WebSocket, are outside of `max_buffered_bytes`:
/// `maximum_simultaneous_channels` bounds how many there are.
///
/// It calls [`tokio::spawn`], as axum's `WebSocketUpgrade` does: on other transports than tokio's, the service runs
/// `in_tokio` (`ServiceHandler::in_tokio` of httpfsm-http, with its feature `tokio`).
///
/// ```
/// use axum::Router;
/// use axum::extract::WebSocketUpgrade;
/// use axum::routing::any;
/// use httpfsm_http::service;
/// use httpfsm_http_hyper::HyperUpgrade;
///
/// let app: Router = Router::new().route(
///     "/echo",
///     any(|upgrade: WebSocketUpgrade| async {
///         upgrade.on_upgrade(|mut socket| async move {
///             while let Some(Ok(message)) = socket.recv().await {
///                 if socket.send(message).await.is_err() {
///                     break;
///                 }
///             }
///         })
///     }),
/// );
/// let handler = service(HyperUpgrade::new(app));
/// # let _ = handler;
/// ```
#[derive(Clone)]
pub struct HyperUpgrade<S> {
    service: S,
}

impl<S> HyperUpgrade<S> {
    /// Wraps a service.
    ///
    /// ```
    /// use axum::Router;
    /// use axum::extract::Request;
    /// use axum::routing::get;
    /// use httpfsm_http::service;
    /// use httpfsm_http_hyper::HyperUpgrade;
    /// use httpfsm_tokio::test::{TestRequest, call};
    /// use hyper::upgrade::OnUpgrade;
    ///
    /// async fn may_upgrade(request: Request) -> String {
    ///     request.extensions().get::<OnUpgrade>().is_some().to_string()
    /// }
    ///
    /// # #[tokio::main]
    /// # async fn main() {
    /// let handler = || service(HyperUpgrade::new(Router::new().route("/", get(may_upgrade))));
    /// let asking = TestRequest::get("/").field("Connection", "upgrade").field("Upgrade", "echo");
    /// assert_eq!(call(handler(), asking).await.text(), "true");
    /// assert_eq!(call(handler(), TestRequest::get("/")).await.text(), "false");
    /// # }
    /// ```
    #[must_use]
    pub const fn new(service: S) -> Self {
        Self { service }
    }
}

impl<S, B, R> Service<Request<B>> for HyperUpgrade<S>
where
    S: Service<Request<B>, Response = Response<R>, Future: Send> + Clone + Send + 'static,
    B: Send + 'static,
    R: 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = HyperUpgradeFuture<S::Future, Result<S::Response, S::Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.service.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        if request.method() != Method::CONNECT && offers_http2_alone(request.headers()) {
            return HyperUpgradeFuture::plain(self.service.call(request));
        }
        let Some(upgrade) = request.extensions_mut().remove::<Upgrade>() else {
            return HyperUpgradeFuture::plain(self.service.call(request));
        };
        // The service has said that it is ready, and its clone has not.
        let clone = self.service.clone();
        let service = std::mem::replace(&mut self.service, clone);
        HyperUpgradeFuture::upgrade(serve(service, request, upgrade))
    }
}

/// Names of protocols are compared in any case, and stand on any number of lines (RFC 9110 sections 5.3 and 7.8).
fn offers_http2_alone(headers: &HeaderMap) -> bool {
    let lines = headers.get_all(UPGRADE).iter();
    let names = lines.flat_map(|line| line.as_bytes().split(|&byte| byte == b',')).map(<[u8]>::trim_ascii);
    let mut names = names.filter(|name| !name.is_empty()).peekable();
    names.peek().is_some() && names.all(|name| name.eq_ignore_ascii_case(b"h2c"))
}

async fn serve<S, B, R>(
    mut service: S,
    mut request: Request<B>,
    upgrade: Upgrade,
) -> Result<Response<R>, S::Error>
where
    S: Service<Request<B>, Response = Response<R>>,
{
    let connect = request.method() == Method::CONNECT;
    let (on_upgrade, pipe) = pipe::open().await.unzip();
    on_upgrade.map(|on_upgrade| request.extensions_mut().insert(on_upgrade));
    let response = service.call(request).await?;
    let switches = response.status() == StatusCode::SWITCHING_PROTOCOLS;
    if let Some(pipe) = pipe.filter(|_| switches || connect && response.status().is_success()) {
        // What fails is seen by the service, whose end of the pipe closes.
        tokio::spawn(pipe.join(upgrade.connection()));
    }
    Ok(response)
}

impl<S: fmt::Debug> fmt::Debug for HyperUpgrade<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("HyperUpgrade").field(&self.service).finish()
    }
}

/// Wraps services in [`HyperUpgrade`]: a whole application, or one route, which keeps requests to others from it.
///
/// ```
/// use axum::Router;
/// use axum::extract::WebSocketUpgrade;
/// use axum::routing::{any, get};
/// use httpfsm_http_hyper::HyperUpgradeLayer;
///
/// let silent = any(|upgrade: WebSocketUpgrade| async { upgrade.on_upgrade(|_| async {}) });
/// let app: Router = Router::new()
///     .route("/", get(|| async { "A WebSocket is at /silent." }))
///     .route("/silent", silent.layer(HyperUpgradeLayer));
/// # let _ = app;
/// ```
#[derive(Clone, Copy, Default, Debug)]
pub struct HyperUpgradeLayer;

impl<S> Layer<S> for HyperUpgradeLayer {
    type Service = HyperUpgrade<S>;

    fn layer(&self, service: S) -> HyperUpgrade<S> {
        HyperUpgrade::new(service)
    }
}

/// The example of the readme compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
