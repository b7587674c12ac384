//! Blocking work, on threads of its own.

use std::error::Error;

use httpfsm::handler::{Body, IntoResponse, Request};
use httpfsm_transport::{NoThread, Spawner, SyncBodyWriter, SyncHandler};

use crate::pool::POOL;

/// Runs blocking work on a pool of threads: one for the process, of at most 512. A thread is begun when work comes and
/// none waits for it, and ends after 10 seconds without work, unless it is the last one.
///
/// Where the system gives no more threads, work waits for those there are. Where there is none at all, it is refused with
/// [`NoThread`].
///
/// A handler that awaits what blocks:
///
/// ```
/// use std::{fs, io};
///
/// use httpfsm::Request;
/// use httpfsm_async_std::test::{TestRequest, call};
/// use httpfsm_async_std::{BlockingPool, Job};
///
/// async fn manifest(_: Request) -> io::Result<String> {
///     Job::spawn(&BlockingPool, || fs::read_to_string("Cargo.toml"))?.await
/// }
///
/// # async_io::block_on(async {
/// let response = call(manifest, TestRequest::get("/")).await;
/// assert!(response.text().contains("[package]"));
/// # });
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct BlockingPool;

impl Spawner for BlockingPool {
    fn spawn_blocking(&self, work: Box<dyn FnOnce() + Send>) -> Result<(), NoThread> {
        POOL.push(work)
    }
}

/// Makes a blocking function a handler, which runs on the [`BlockingPool`]. Its request's body is read with
/// [`BodyReader`](httpfsm_transport::BodyReader), and what is async is waited for by
/// [`block_on`](httpfsm_transport::block_on):
///
/// ```
/// use httpfsm::handler::{CollectError, Request};
/// use httpfsm_async_std::{block_on, sync};
///
/// let handler = sync(|mut request: Request| {
///     let content = block_on(request.body().collect(1024))?;
///     Ok::<_, CollectError>(format!("{} bytes", content.len()))
/// });
/// # drop(handler);
/// ```
///
/// By default the function is called when the head of its request has come, and a read of the body waits for the peer. So as
/// many slow uploads as the pool has threads (512, or fewer where the system gives no more) hold all of it, and with it
/// whatever else uses the pool: bodies in files, and the other handlers of the process. Where peers are not to be trusted,
/// set [`ChannelConfig::bodies`](httpfsm::config::ChannelConfig::bodies) to
/// [`Bodies::Whole`](httpfsm::config::Bodies::Whole): the function is then called when the body is in, and reads it from
/// memory or from a file. A request that expects `100 Continue` is the exception, since its handler decides whether the body
/// comes; to bound those as well, have an async handler
/// await [`Body::gathered`](httpfsm::handler::Body::gathered) before it calls the function, or set
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
pub fn sync<F, R>(function: F) -> SyncHandler<BlockingPool, F>
where
    F: Fn(Request) -> R + Send + Sync + 'static,
    R: IntoResponse,
{
    httpfsm_transport::sync(BlockingPool, function)
}

/// A body that is what the function `write` writes, on the [`BlockingPool`]: see
/// [`httpfsm_transport::written_sync`](httpfsm_transport::written_sync()). A function that is ahead of its reader waits
/// there.
///
/// ```
/// use std::io::{self, Write};
///
/// use httpfsm::{Request, Response, Status};
/// use httpfsm_async_std::test::{TestRequest, call};
/// use httpfsm_async_std::written_sync;
///
/// async fn count(_: Request) -> Response {
///     let numbers = written_sync(|body| -> io::Result<()> { (1..=3).try_for_each(|number| writeln!(body, "{number}")) });
///     Response::new(Status::OK).with_body(numbers)
/// }
///
/// # async_io::block_on(async {
/// assert_eq!(call(count, TestRequest::get("/")).await.text(), "1\n2\n3\n");
/// # });
/// ```
pub fn written_sync<F, E>(write: F) -> Body
where
    F: FnOnce(&mut SyncBodyWriter) -> Result<(), E> + Send + 'static,
    E: Into<Box<dyn Error + Send + Sync>>,
{
    httpfsm_transport::written_sync(BlockingPool, write)
}
