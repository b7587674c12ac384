//! A service as a handler.

use std::fmt;

use http_body::Body as HttpBody;
use httpfsm::handler::{Handler, Request};
use tower_service::Service;

use crate::BoxError;
use crate::body::Body;
use crate::extensions;
use crate::future::ServiceFuture;

/// Makes a service a handler, for the `serve` of any transport.
///
/// Each request is served by a clone of the service, when that says that it is ready. A service that is not `Sync` is
/// wrapped in [`Locked`](crate::Locked).
///
/// Of axum's `Router`, `router.with_state(())` is the faster service: its handlers are made routes once, and not at each
/// request.
///
/// - The request's extensions hold an `Arc` of the [`ConnectionInfo`](httpfsm::handler::ConnectionInfo): the addresses, the
///   scheme, and what the listener and the wire put among its own extensions. A request that asks for an upgrade, and a
///   `CONNECT`, have an [`Upgrade`](crate::Upgrade), too.
/// - A response whose body has an exact size is sent with `Content-Length`, another one chunked. Trailers are sent where it
///   is chunked. A body is polled only while there is room for its bytes, and is dropped unread where the response has no
///   content (to `HEAD`, 204, 304).
/// - `Transfer-Encoding`, `Keep-Alive`, and the options of `Connection` other than `close` and `upgrade` are left out of the
///   response, since the machine writes them. A `Content-Length` that is no number, or comes twice, makes it a 500.
/// - An error of the service, also where it says whether it is ready, is a 500, and the subscriber is told of it
///   ([`Failure::Handler`](httpfsm::handler::Failure::Handler)); so it is with a panic. Where a source of the error is a
///   failure of the request's body, the response is that failure's: 400, 408, 413, 431 (trailers above a limit), 503 (there
///   was no room, or the connection has closed), or 500 where the body was first asked for behind the head of the response
///   or read behind its end. Nobody is told then.
/// - An error of a body cuts the response, and the subscriber is told ([`Failure::Response`]) unless it was the peer's.
/// - A target that `http::Uri` does not take is responded to with 400 (`<` or `>`, a backquote in the path, `"` in the
///   query; a host with an escape, as in `http://a%41b/`) or 414 (above 65,534 bytes), fields that `http::HeaderMap` does
///   not take with 431; the service does not see these.
///
/// [`Failure::Response`]: httpfsm::handler::Failure::Response
///
/// ```
/// use axum::Router;
/// use axum::routing::get;
/// use httpfsm::ServerConfig;
/// use httpfsm_http::service;
/// use httpfsm_transport::memory::MemoryServer;
///
/// let app = Router::new().route("/", get(|| async { "Hello, world!" }));
/// let mut server = MemoryServer::new(ServerConfig::default(), service(app));
/// let client = server.connect().unwrap();
/// client.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
/// server.run();
/// assert!(client.take_text().ends_with("\r\n\r\nHello, world!"));
/// ```
#[must_use]
pub fn service<S, B>(service: S) -> ServiceHandler<S>
where
    S: Service<http::Request<Body>, Response = http::Response<B>, Error: Into<BoxError>, Future: Send>,
    S: Clone + Send + 'static,
    S: Sync, // A service that is not: `service(Locked::new(..))`.
    B: HttpBody<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    ServiceHandler { service, extensions: extensions::with_room() }
}

/// The handler that [`service`] makes.
#[derive(Clone)]
pub struct ServiceHandler<S> {
    service: S,
    /// What those of each request are a copy of.
    extensions: http::Extensions,
}

impl<S, B> Handler for ServiceHandler<S>
where
    S: Service<http::Request<Body>, Response = http::Response<B>, Error: Into<BoxError>, Future: Send>,
    S: Clone + Send + Sync + 'static,
    B: HttpBody<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    type Future = ServiceFuture<S>;

    fn call(&self, request: Request) -> ServiceFuture<S> {
        ServiceFuture::new(self.service.clone(), request, self.extensions.clone())
    }

    fn takes_all_fields(&self) -> bool {
        true
    }
}

impl<S> fmt::Debug for ServiceHandler<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ServiceHandler(..)")
    }
}
