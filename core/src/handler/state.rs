//! A handler's state.

use super::request::Request;

/// A handler with a state of its own: `function` is called with a clone of `state` and the request. For a state that all
/// requests share, that is an [`Arc`](alloc::sync::Arc).
///
/// What comes out is a function of a request, so it is a [`Handler`](super::Handler) where `function` gives a future, and
/// goes into `sync` of a transport where `function` blocks.
///
/// ```
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicU64, Ordering};
///
/// use httpfsm::handler::{Handler, Request, with_state};
///
/// async fn count(visits: Arc<AtomicU64>, _request: Request) -> String {
///     format!("You are visitor {}.", visits.fetch_add(1, Ordering::Relaxed) + 1)
/// }
///
/// fn is_handler(_: impl Handler) {}
/// is_handler(with_state(Arc::new(AtomicU64::new(0)), count));
/// ```
pub fn with_state<S, F, R>(state: S, function: F) -> impl Fn(Request) -> R + Send + Sync + 'static
where
    S: Clone + Send + Sync + 'static,
    F: Fn(S, Request) -> R + Send + Sync + 'static,
{
    move |request| function(state.clone(), request)
}
