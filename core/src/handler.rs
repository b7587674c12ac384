//! What an application is written with: [`Request`] in, [`Response`] out, and the traits around them.
//!
//! There are types and traits here and nothing that runs them: no lock, no I/O, no executor. A transport makes a
//! [`Request`] from what the machine yields, polls the [`Handler`]'s future and hands its [`Response`] back, so the
//! same application runs on every transport.
//!
//! ```
//! use httpfsm::handler::{CollectError, Handler, Request, Response};
//! use httpfsm::status::Status;
//!
//! async fn application(mut request: Request) -> Result<Response, CollectError> {
//!     Ok(match (request.method(), request.path()) {
//!         ("GET", "/") => Response::text("Hello, world!"),
//!         ("POST", "/echo") => {
//!             let content = request.body().collect(64 * 1024).await?;
//!             Response::new(Status::OK).with_body(content)
//!         }
//!         _ => Response::new(Status::NOT_FOUND),
//!     })
//! }
//!
//! fn is_handler(_: impl Handler) {}
//! is_handler(application);
//! ```

use core::future::Future;

mod body;
mod channel_name;
mod collect;
mod connection_info;
mod control;
#[cfg(feature = "cookies")]
mod cookies;
mod extensions;
#[cfg(feature = "form")]
mod form;
mod gather;
mod into_response;
#[cfg(feature = "std")]
mod io_error;
#[cfg(feature = "json")]
mod json;
#[cfg(any(feature = "form", feature = "json", feature = "multipart"))]
mod media_type;
mod memory;
#[cfg(feature = "multipart")]
mod multipart;
mod request;
mod response;
mod security;
mod state;
mod subscriber;
mod upgrade;
#[cfg(feature = "query")]
mod urlencoded;

pub use body::{Body, BodyFailure, Frame, Source, SourceFn};
pub use channel_name::ChannelName;
pub use collect::CollectError;
pub use connection_info::{ConnectionInfo, OwnEnd};
pub use control::{Control, Disconnected, KeptPlace, PeerEnded, Waiter};
pub use extensions::Extensions;
#[cfg(feature = "form")]
pub use form::FormError;
pub use gather::GatherUntil;
pub use into_response::IntoResponse;
#[cfg(feature = "json")]
pub use json::{Json, JsonError};
pub use memory::{MemoryHandle, MemoryLedger, MemoryUse, NoRoom, ReserveFuture, ReservedMemory};
#[cfg(feature = "multipart")]
pub use multipart::{Multipart, MultipartError, Part};
pub use request::{NotInformational, Request, RequestParts};
pub use response::Response;
pub use security::{Hosts, Security};
pub use state::with_state;
pub use subscriber::{Failure, Subscriber};
pub use upgrade::{IoFailure, UpgradeError, UpgradeFuture, Upgraded, UpgradedIo};
#[cfg(feature = "query")]
pub use urlencoded::PairsError;

/// An application: a function from a request to a future of a response.
///
/// Every `Fn(Request) -> impl Future<Output: IntoResponse> + Send` is one. A handler that is dropped or panics
/// before it responds makes the machine respond with 500; after the head of its response the connection is cut instead,
/// so that nobody takes half a response for a whole one.
///
/// ```
/// use std::future::{Ready, ready};
///
/// use httpfsm::handler::{Handler, Request, Response};
///
/// struct Greeter {
///     greeting: &'static str,
/// }
///
/// impl Handler for Greeter {
///     type Future = Ready<Response>;
///
///     fn call(&self, _request: Request) -> Self::Future {
///         ready(Response::text(self.greeting))
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no handler",
    label = "this is no function from a `Request` to a future of a response",
    note = "a handler is an `async fn(Request) -> R` where `R` is an `IntoResponse`, or `sync(function)` of the transport for a \
            function that blocks",
    note = "a function that takes a state first becomes one with `with_state(state, function)`",
    note = "a tower service, as axum's `Router`, becomes one with `httpfsm_http::service(..)`"
)]
pub trait Handler: Send + Sync + 'static {
    /// What [`call`](Self::call) returns; it may hold the request as long as it runs.
    type Future: Future<Output: IntoResponse> + Send;

    /// Begins to respond to a request. A long computation here holds up the transport's worker.
    ///
    /// ```
    /// use std::future::{Ready, ready};
    /// use std::sync::Arc;
    ///
    /// use httpfsm::handler::{Body, ConnectionInfo, Handler, Request};
    /// use httpfsm::request::RequestHead;
    /// use httpfsm::Peer;
    ///
    /// fn peer(request: Request) -> Ready<String> {
    ///     ready(request.peername().to_string())
    /// }
    ///
    /// // As a transport calls it, or a test.
    /// let connection = ConnectionInfo::new(Peer::Unix(None), Peer::Unix(None), "http", "server.clisrv_1".into());
    /// let head = Arc::new(RequestHead::default());
    /// let request = Request::new(head, Body::Empty, Arc::new(connection), Arc::new(()));
    /// assert_eq!(peer.call(request).into_inner(), "unix");
    /// ```
    fn call(&self, request: Request) -> Self::Future;

    /// Whether it makes requests of the crate `http` of its requests (`RequestHead::into_http`, `fill_http`), for which it
    /// takes all of their fields. Where these stand is then kept when a head is parsed, and they need not be looked for
    /// again. It is asked once. A handler around another one passes the question on. Default: `false`.
    ///
    /// ```
    /// use httpfsm::handler::{Handler, Request};
    ///
    /// /// A handler around another one.
    /// struct Logged<H>(H);
    ///
    /// impl<H: Handler> Handler for Logged<H> {
    ///     type Future = H::Future;
    ///
    ///     fn call(&self, request: Request) -> H::Future {
    ///         // Write a line of a log, and then:
    ///         self.0.call(request)
    ///     }
    ///
    ///     fn takes_all_fields(&self) -> bool {
    ///         self.0.takes_all_fields()
    ///     }
    /// }
    ///
    /// let hello = |_request: Request| async { "Hello, world!" };
    /// assert!(!Logged(hello).takes_all_fields());
    /// ```
    fn takes_all_fields(&self) -> bool {
        false
    }
}

/// What a function returns that is a [`Handler`]: any future. The trait is here to say what to do where something else is
/// returned.
///
/// ```
/// use httpfsm::handler::{Handler, HandlerFuture, Request};
///
/// // Nobody implements it: every future is one, and a function that returns one is a handler.
/// fn greet(request: Request) -> impl HandlerFuture<Output = String> + Send {
///     async move { format!("Hello, {}!", request.query().unwrap_or("world")) }
/// }
///
/// fn is_handler(_: impl Handler) {}
/// is_handler(greet);
/// ```
#[diagnostic::on_unimplemented(
    message = "a handler returns a future of a response, and `{Self}` is none",
    label = "this function is no handler",
    note = "an async function is a handler already; `sync(function)` of the transport is for functions that block"
)]
pub trait HandlerFuture: Future {}

#[diagnostic::do_not_recommend]
impl<F: Future> HandlerFuture for F {}

impl<F, Fut> Handler for F
where
    F: Fn(Request) -> Fut + Send + Sync + 'static,
    Fut: HandlerFuture<Output: IntoResponse> + Send,
{
    type Future = Fut;

    fn call(&self, request: Request) -> Fut {
        self(request)
    }
}
