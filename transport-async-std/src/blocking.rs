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
/// By default the function is called when the head of its request has come, and a read of the body waits for the peer. So as
/// many slow uploads as the pool has threads (500 unless `BLOCKING_MAX_THREADS` says otherwise) hold all of it, and with it
/// whatever else of the process uses the pool: files, and the resolution of names. Where peers are not to be trusted, set
/// [`ChannelConfig::bodies`](httpfsm::config::ChannelConfig::bodies) to [`Bodies::Whole`](httpfsm::config::Bodies::Whole): the
/// function is then called when the body is in, and reads it from memory or from a file. A request that expects
/// `100 Continue` is the exception, since its handler decides whether the body comes; to bound those as well, set
/// [`ServerConfig::maximum_simultaneous_requests`](httpfsm::config::ServerConfig::maximum_simultaneous_requests) below the
/// size of the pool.
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
