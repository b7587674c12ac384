//! The server for which a handler or a source is polled, as what runs below the poll finds it.

use std::cell::Cell;
use std::mem::ManuallyDrop;
use std::sync::Arc;

use crate::job::Spawner;
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

/// The spawner of the server for which this thread polls a handler or the source of a response, for blocking work of a
/// handler that is the same on every transport. `None` elsewhere: in a task or a thread of the application's own, and
/// before the future of a handler is polled.
///
/// ```
/// use httpfsm::handler::Request;
/// use httpfsm_transport::{Inline, Job, block_on, server_spawner, test};
///
/// async fn size(request: Request) -> std::io::Result<String> {
///     let work = || std::fs::metadata("/etc/passwd");
///     let job = match server_spawner() {
///         Some(server) => Job::spawn(&*server, work)?,
///         None => Job::spawn(&Inline, work)?,
///     };
///     Ok(format!("{} bytes\n", job.await?.len()))
/// }
///
/// let response = block_on(test::call(size, test::TestRequest::get("/")));
/// assert!(response.text().ends_with(" bytes\n"));
/// ```
#[must_use]
pub fn server_spawner() -> Option<Arc<dyn Spawner>> {
    served().map(|server| Arc::clone(&server.spawner))
}

#[inline(always)]
fn replace(server: Server) -> Server {
    ManuallyDrop::into_inner(SERVING.replace(ManuallyDrop::new(server)))
}
