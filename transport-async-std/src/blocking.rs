//! Blocking work, on the threads of the `blocking` crate, which async-std and smol use as well.

use httpfsm::handler::{IntoResponse, Request};
use httpfsm_transport::{Spawner, Sync};

/// Runs blocking work on the pool of the `blocking` crate: one for the process, of at most 500 threads unless
/// `BLOCKING_MAX_THREADS` says otherwise. Those that were started stay (`blocking` 1.7).
#[derive(Clone, Copy, Debug, Default)]
pub struct BlockingPool;

impl Spawner for BlockingPool {
    fn spawn_blocking(&self, work: Box<dyn FnOnce() + Send>) {
        ::blocking::unblock(work).detach();
    }
}

/// Makes a blocking function a handler, which runs on the pool of the `blocking` crate. Its request's body is read
/// with [`BodyReader`](httpfsm_transport::BodyReader).
///
/// ```
/// use std::io::Read;
///
/// use httpfsm::handler::Request;
/// use httpfsm_async_std::{BodyReader, sync};
///
/// let handler = sync(|mut request: Request| {
///     let mut text = String::new();
///     match BodyReader::new(request.take_body()).read_to_string(&mut text) {
///         Ok(_) => text.to_uppercase(),
///         Err(failure) => failure.to_string(),
///     }
/// });
/// # drop(handler);
/// ```
pub fn sync<F, Answer>(function: F) -> Sync<BlockingPool, F>
where
    F: Fn(Request) -> Answer + Send + std::marker::Sync + 'static,
    Answer: IntoResponse,
{
    httpfsm_transport::sync(BlockingPool, function)
}
