//! A service that is not `Sync`, made one.

use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};

use tower_service::Service;

/// Makes a service `Sync` that is `Clone` and `Send`, as tower's `BoxCloneService` is, so that
/// [`service`](crate::service()) takes it. Each request is served by a clone of its own in any case; with this, it is made
/// under a lock, for which threads that serve requests at the same time wait for each other. A clone should be cheap.
///
/// ```
/// use std::cell::Cell;
/// use std::convert::Infallible;
/// use std::future::{Ready, ready};
/// use std::task::{Context, Poll};
///
/// use httpfsm_http::{Body, Locked, service};
/// use tower_service::Service;
///
/// /// A `Cell` is not `Sync`.
/// #[derive(Clone)]
/// struct Counts(Cell<u64>);
///
/// impl Service<http::Request<Body>> for Counts {
///     type Response = http::Response<Body>;
///     type Error = Infallible;
///     type Future = Ready<Result<Self::Response, Infallible>>;
///
///     fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
///         Poll::Ready(Ok(()))
///     }
///
///     fn call(&mut self, _: http::Request<Body>) -> Self::Future {
///         self.0.set(self.0.get() + 1);
///         ready(Ok(http::Response::new(self.0.get().to_string().into())))
///     }
/// }
///
/// let handler = service(Locked::new(Counts(Cell::new(0))));
/// # let _ = handler;
/// ```
#[derive(Debug)]
pub struct Locked<S>(Mutex<S>);

impl<S> Locked<S> {
    /// Wraps the service.
    #[must_use]
    pub const fn new(service: S) -> Self {
        Self(Mutex::new(service))
    }

    fn get(&mut self) -> &mut S {
        self.0.get_mut().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S: Clone> Clone for Locked<S> {
    fn clone(&self) -> Self {
        Self::new(self.0.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }
}

impl<S: Service<R>, R> Service<R> for Locked<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.get().poll_ready(cx)
    }

    fn call(&mut self, request: R) -> S::Future {
        self.get().call(request)
    }
}
