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
mod collect;
mod control;
mod extensions;
mod into_response;
mod memory;
mod request;
mod response;
mod subscriber;
mod upgrade;

pub use body::{Body, BodyFailure, Frame, Source, SourceFn};
pub use collect::CollectError;
pub use control::{ConnectionInfo, Control, Disconnected, KeptPlace, PeerEnded, Waiter};
pub use extensions::Extensions;
pub use into_response::IntoResponse;
pub use memory::{MemoryHandle, MemoryLedger, MemoryUse, NoRoom, ReserveFuture, ReservedMemory};
pub use request::{NotInformational, Request, RequestParts};
pub use response::Response;
pub use subscriber::{Failure, Subscriber};
pub use upgrade::{IoFailure, UpgradeError, UpgradeFuture, Upgraded, UpgradedIo};

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
pub trait Handler: Send + Sync + 'static {
    /// What [`call`](Self::call) returns; it may hold the request as long as it runs.
    type Future: Future<Output: IntoResponse> + Send;

    /// Begins to respond to a request. A long computation here holds up the transport's worker.
    fn call(&self, request: Request) -> Self::Future;
}

impl<F, Fut> Handler for F
where
    F: Fn(Request) -> Fut + Send + Sync + 'static,
    Fut: Future<Output: IntoResponse> + Send,
{
    type Future = Fut;

    fn call(&self, request: Request) -> Fut {
        self(request)
    }
}
