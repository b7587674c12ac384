//! The peer of a connection as an extractor of axum's handlers.
//!
//! axum's own `axum::extract::connect_info` comes with its feature `tokio`, which brings hyper. This module has the same
//! names, so a handler changes its import alone, and the server need not be told what is extracted:
//! `into_make_service_with_connect_info` has no counterpart.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use axum::extract::{Extension, FromRequestParts, OptionalFromRequestParts};
use http::Extensions;
use http::request::Parts;
use httpfsm::Peer;
use httpfsm::handler::{ConnectionInfo, Security};
use tower_layer::Layer;

/// What the application has to know of a connection: for most its peer's address.
///
/// It is what a layer has put among the request's extensions as a `ConnectInfo<T>`, else what `T` makes of the connection
/// ([`Connected`]), else that of a [`MockConnectInfo`]. Where none of them has one, the response is axum's to an
/// `Extension` that is missing, a 500. `Option<ConnectInfo<T>>` is `None` there.
///
/// | `T` | what it is |
/// |---|---|
/// | [`SocketAddr`] | the peer's address; none over a Unix socket |
/// | [`Peer`] | the peer, also over a Unix socket |
/// | [`Security`] | what TLS has agreed on, and the client's certificates; none without TLS |
/// | `Arc<ConnectionInfo>` | all that is known of the connection |
/// | a type of yours | what it makes of the connection, as a [`Connected`] |
///
/// Behind a proxy, the peer is the proxy, unless what the listener has before HTTP names another one.
///
/// ```
/// use std::net::SocketAddr;
///
/// use axum::Router;
/// use axum::routing::get;
/// use httpfsm_http::ConnectInfo;
///
/// async fn whoami(ConnectInfo(peer): ConnectInfo<SocketAddr>) -> String {
///     format!("You are {peer}.")
/// }
///
/// let app: Router = Router::new().route("/", get(whoami));
/// # let _ = app;
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ConnectInfo<T>(pub T);

impl<T: Connected> ConnectInfo<T> {
    /// What the extensions of a request have of it, for layers, which have no extractors: one that makes a span for each
    /// request, say. With axum's own it is `extensions.get::<ConnectInfo<T>>().cloned()`.
    ///
    /// ```
    /// use std::net::SocketAddr;
    ///
    /// use httpfsm_http::{Body, ConnectInfo};
    ///
    /// fn label(request: &http::Request<Body>) -> String {
    ///     match ConnectInfo::<SocketAddr>::from_extensions(request.extensions()) {
    ///         Some(ConnectInfo(peer)) => format!("{} from {peer}", request.uri()),
    ///         None => request.uri().to_string(),
    ///     }
    /// }
    /// # let _ = label(&http::Request::default());
    /// ```
    #[must_use]
    pub fn from_extensions(extensions: &Extensions) -> Option<Self> {
        let own = || extensions.get::<Arc<ConnectionInfo>>().and_then(T::connect_info).map(Self);
        let mock = || extensions.get::<MockConnectInfo<T>>().map(|mock| Self(mock.0.clone()));
        extensions.get::<Self>().cloned().or_else(own).or_else(mock)
    }
}

impl<S: Send + Sync, T: Connected> FromRequestParts<S> for ConnectInfo<T> {
    type Rejection = <Extension<Self> as FromRequestParts<S>>::Rejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        match Self::from_extensions(&parts.extensions) {
            Some(info) => Ok(info),
            // There is none, and only axum makes its rejection.
            None => {
                let none = <Extension<Self> as FromRequestParts<S>>::from_request_parts(parts, state);
                none.await.map(|Extension(info)| info)
            }
        }
    }
}

impl<S: Send + Sync, T: Connected> OptionalFromRequestParts<S> for ConnectInfo<T> {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Infallible> {
        Ok(Self::from_extensions(&parts.extensions))
    }
}

impl<T> Deref for ConnectInfo<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> DerefMut for ConnectInfo<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

/// What a [`ConnectInfo`] holds: it is made of the connection.
///
/// It is made for each request that asks for it. What is costly to make is made once, by the listener or the wire, and put
/// among the connection's own [extensions](httpfsm::handler::OwnEnd::extensions), where it is found here.
///
/// ```
/// use std::net::IpAddr;
/// use std::sync::Arc;
///
/// use httpfsm::handler::ConnectionInfo;
/// use httpfsm_http::ConnectInfo;
/// use httpfsm_http::connect_info::Connected;
///
/// #[derive(Clone)]
/// struct Client {
///     address: Option<IpAddr>,
///     encrypted: bool,
/// }
///
/// impl Connected for Client {
///     fn connect_info(connection: &Arc<ConnectionInfo>) -> Option<Self> {
///         Some(Self { address: connection.peername.ip(), encrypted: connection.scheme == "https" })
///     }
/// }
///
/// async fn handler(ConnectInfo(client): ConnectInfo<Client>) -> String {
///     format!("{:?}, encrypted: {}", client.address, client.encrypted)
/// }
/// # let _ = handler;
/// ```
pub trait Connected: Clone + Send + Sync + 'static {
    /// Makes it; `None` where the connection has none.
    ///
    /// ```
    /// use std::net::SocketAddr;
    /// use std::sync::Arc;
    ///
    /// use httpfsm::Peer;
    /// use httpfsm::handler::ConnectionInfo;
    /// use httpfsm_http::connect_info::Connected;
    ///
    /// let local = Peer::Unix(Some("/run/web.sock".into()));
    /// let connection = Arc::new(ConnectionInfo::new(Peer::Unix(None), local, "http", "1".into()));
    /// assert_eq!(SocketAddr::connect_info(&connection), None, "the peer of a Unix socket has no such address");
    /// assert_eq!(Peer::connect_info(&connection), Some(Peer::Unix(None)));
    /// ```
    fn connect_info(connection: &Arc<ConnectionInfo>) -> Option<Self>;
}

/// The peer's address as the socket has it; none over a Unix socket.
impl Connected for SocketAddr {
    fn connect_info(connection: &Arc<ConnectionInfo>) -> Option<Self> {
        match connection.peername {
            Peer::Ip(address) => Some(address),
            Peer::Unix(_) => None,
        }
    }
}

impl Connected for Peer {
    fn connect_info(connection: &Arc<ConnectionInfo>) -> Option<Self> {
        Some(connection.peername.clone())
    }
}

/// A copy. Who needs one part of it takes the `Arc<ConnectionInfo>`, among whose extensions it is.
impl Connected for Security {
    fn connect_info(connection: &Arc<ConnectionInfo>) -> Option<Self> {
        connection.extensions.get().cloned()
    }
}

impl Connected for Arc<ConnectionInfo> {
    fn connect_info(connection: &Arc<ConnectionInfo>) -> Option<Self> {
        Some(Arc::clone(connection))
    }
}

/// A layer that stands in for a connection, in tests that call a `Router` without a server. Where the connection has what
/// is asked for, that goes before.
///
/// ```
/// use std::net::SocketAddr;
///
/// use axum::Router;
/// use axum::body::Body;
/// use axum::routing::get;
/// use http::Request;
/// use httpfsm_http::connect_info::{ConnectInfo, MockConnectInfo};
/// use tower::ServiceExt;
///
/// async fn whoami(ConnectInfo(peer): ConnectInfo<SocketAddr>) -> String {
///     peer.to_string()
/// }
///
/// # futures_lite::future::block_on(async {
/// let app = Router::new().route("/", get(whoami));
/// let app = app.layer(MockConnectInfo(SocketAddr::from(([192, 0, 2, 1], 5000))));
/// let response = app.oneshot(Request::new(Body::empty())).await.unwrap();
/// let content = axum::body::to_bytes(response.into_body(), 1000).await.unwrap();
/// assert_eq!(content, "192.0.2.1:5000");
/// # });
/// ```
#[derive(Clone, Copy, Debug)]
pub struct MockConnectInfo<T>(pub T);

impl<S, T: Clone + Send + Sync + 'static> Layer<S> for MockConnectInfo<T> {
    type Service = <Extension<Self> as Layer<S>>::Service;

    fn layer(&self, inner: S) -> Self::Service {
        Extension(self.clone()).layer(inner)
    }
}
