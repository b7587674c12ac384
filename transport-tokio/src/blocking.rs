//! Blocking work, on tokio's blocking pool.

use httpfsm::handler::{IntoResponse, Request};
use httpfsm_transport::{Spawner, Sync};
use tokio::runtime::Handle;

/// Runs blocking work on tokio's blocking pool: that of the runtime that it is asked for in.
///
/// Outside of a runtime there is none, and to ask for it panics, as in [`tokio::task::spawn_blocking`]; a handler that
/// does is answered with 500.
#[derive(Clone, Copy, Debug, Default)]
pub struct BlockingPool;

impl Spawner for BlockingPool {
    fn spawn_blocking(&self, work: Box<dyn FnOnce() + Send>) {
        drop(tokio::task::spawn_blocking(work));
    }
}

/// The blocking pool of a server's own runtime: a body that is kept in a file may be read from any thread.
pub(crate) struct Pool(pub(crate) Handle);

impl Spawner for Pool {
    fn spawn_blocking(&self, work: Box<dyn FnOnce() + Send>) {
        drop(self.0.spawn_blocking(work));
    }
}

/// Makes a blocking function a handler, which runs on tokio's blocking pool. Its request's body is read with
/// [`BodyReader`](httpfsm_transport::BodyReader).
pub fn sync<F, Answer>(function: F) -> Sync<BlockingPool, F>
where
    F: Fn(Request) -> Answer + Send + std::marker::Sync + 'static,
    Answer: IntoResponse,
{
    httpfsm_transport::sync(BlockingPool, function)
}
