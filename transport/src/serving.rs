//! The server for which a source is polled, as what runs below the poll finds it.

use std::cell::Cell;
use std::sync::Arc;

use crate::shared_state::SharedState;

thread_local! {
    static SERVING: Cell<Option<Arc<SharedState>>> = const { Cell::new(None) };
}

/// Polls on behalf of a server. Its reference is moved there and back, which costs less than to count it.
#[inline]
pub(crate) fn serve<T>(server: &mut Option<Arc<SharedState>>, poll: impl FnOnce() -> T) -> T {
    let before = SERVING.replace(server.take());
    let polled = poll();
    *server = SERVING.replace(before);
    polled
}

/// The server on whose behalf this thread polls.
pub(crate) fn served() -> Option<Arc<SharedState>> {
    let server = SERVING.take();
    SERVING.set(server.clone());
    server
}
