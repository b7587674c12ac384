//! Blocking work, on tokio's blocking pool.

use httpfsm::handler::{IntoResponse, Request};
use httpfsm_transport::{Spawner, Sync};
use tokio::runtime::Handle;

/// Runs blocking work on tokio's blocking pool: that of the runtime that it is asked for in.
///
/// Outside of a runtime there is none, and to ask for it panics, as in [`tokio::task::spawn_blocking`]; and so it does where
/// the pool has no thread and the system gives it none. A handler that panics is answered with 500.
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
///
/// By default the function is called when the head of its request has come, and a read of the body waits for the peer. So as
/// many slow uploads as the pool has threads (512 unless the runtime says otherwise) hold all of it, and with it whatever
/// else of the process uses the pool. Where peers are not to be trusted, set
/// [`ChannelConfig::bodies`](httpfsm::config::ChannelConfig::bodies) to [`Bodies::Whole`](httpfsm::config::Bodies::Whole): the
/// function is then called when the body is in, and reads it from memory or from a file. A request that expects
/// `100 Continue` is the exception, since its handler decides whether the body comes; to bound those as well, set
/// [`ServerConfig::maximum_simultaneous_requests`](httpfsm::config::ServerConfig::maximum_simultaneous_requests) below the
/// size of the pool.
pub fn sync<F, Answer>(function: F) -> Sync<BlockingPool, F>
where
    F: Fn(Request) -> Answer + Send + std::marker::Sync + 'static,
    Answer: IntoResponse,
{
    httpfsm_transport::sync(BlockingPool, function)
}
