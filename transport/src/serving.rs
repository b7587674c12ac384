//! The server for which a handler or a source is polled, as what runs below the poll finds it.

use std::cell::Cell;
use std::mem::ManuallyDrop;
use std::sync::Arc;

use crate::shared_state::SharedState;

type Server = Option<Arc<SharedState>>;

thread_local! {
    /// Empty outside of polls. It is never dropped with its thread, so looking at it costs no look whether it was.
    static SERVING: Cell<ManuallyDrop<Server>> = const { Cell::new(ManuallyDrop::new(None)) };
}

/// A poll on behalf of a server, to be [ended](Serving::end) on the same thread. It is no guard which a drop ends, and
/// takes no closure: the output of the poll would be moved once more. Whoever polls catches panics.
#[must_use = "what is polled next would find the server"]
pub(crate) struct Serving(Server);

impl Serving {
    /// The server's reference is moved there and back, which costs less than to count it.
    #[inline(always)]
    pub(crate) fn begin(server: &mut Server) -> Self {
        Self(replace(server.take()))
    }

    #[inline(always)]
    pub(crate) fn end(self, server: &mut Server) {
        *server = replace(self.0);
    }
}

/// The server on whose behalf this thread polls.
pub(crate) fn served() -> Server {
    let server = replace(None);
    drop(replace(server.clone()));
    server
}

#[inline(always)]
fn replace(server: Server) -> Server {
    ManuallyDrop::into_inner(SERVING.replace(ManuallyDrop::new(server)))
}
