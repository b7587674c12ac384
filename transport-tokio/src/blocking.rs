//! Blocking work, on tokio's blocking pool.

use std::error::Error;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use httpfsm::handler::{Body, IntoResponse, Request};
use httpfsm_transport::{NoThread, Spawner, SyncBodyWriter, SyncHandler, catch_panic};
use tokio::runtime::{Handle, Id};

/// Runs blocking work on tokio's blocking pool: that of the runtime that it is asked for in.
///
/// Outside of a runtime there is none, and to ask for it panics, as in [`tokio::task::spawn_blocking`]. Where the system
/// gives no more threads, work waits for those there are; where there is none at all, it is refused with [`NoThread`], and
/// so is all work of the runtime for a second after that.
///
/// A handler that awaits what blocks:
///
/// ```
/// use std::{fs, io};
///
/// use httpfsm::Request;
/// use httpfsm_tokio::test::{TestRequest, call};
/// use httpfsm_tokio::{BlockingPool, Job};
///
/// async fn manifest(_: Request) -> io::Result<String> {
///     Job::spawn(&BlockingPool, || fs::read_to_string("Cargo.toml"))?.await
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let response = call(manifest, TestRequest::get("/")).await;
/// assert!(response.text().contains("[package]"));
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct BlockingPool;

impl Spawner for BlockingPool {
    fn spawn_blocking(&self, work: Box<dyn FnOnce() + Send>) -> Result<(), NoThread> {
        spawn(&Handle::current(), work)
    }
}

/// The blocking pool of a server's own runtime: a body that is kept in a file may be read from any thread.
pub(crate) struct RuntimeSpawner(pub(crate) Handle);

impl Spawner for RuntimeSpawner {
    fn spawn_blocking(&self, work: Box<dyn FnOnce() + Send>) -> Result<(), NoThread> {
        spawn(&self.0, work)
    }
}

/// How long work is refused after tokio has refused some.
const LACK: Duration = Duration::from_secs(1);

/// Whether [`REFUSED`] has any: nearly never, so that no work waits for a lock.
static IS_REFUSED: AtomicBool = AtomicBool::new(false);

/// The runtimes that have refused work, and when.
static REFUSED: Mutex<Vec<(Id, Instant)>> = Mutex::new(Vec::new());

type Work = Box<dyn FnOnce() + Send>;

/// tokio panics where its pool has no thread and the system gives none, which its panic hook is told, and keeps the work in
/// its queue. So it is not asked again for a while, and what it keeps is empty.
fn spawn(runtime: &Handle, work: Work) -> Result<(), NoThread> {
    ask(runtime.id(), work, |run| drop(runtime.spawn_blocking(run)))
}

fn ask(runtime: Id, work: Work, spawn: impl FnOnce(Work)) -> Result<(), NoThread> {
    if lacks(runtime) {
        let _ = catch_panic(|| drop(work));
        return Err(NoThread);
    }
    let queued = Arc::new(Mutex::new(Some(work)));
    let kept = Arc::clone(&queued);
    let run = Box::new(move || {
        let work = lock(&queued).take();
        if let Some(work) = work {
            work();
        }
    });
    if catch_panic(|| spawn(run)).is_ok() {
        return Ok(());
    }
    let Some(refused) = lock(&kept).take() else {
        // While the panic was told, a thread that was begun for other work has taken it.
        return Ok(());
    };
    lock(&REFUSED).push((runtime, Instant::now()));
    IS_REFUSED.store(true, Ordering::Release);
    // Its drop is the application's code.
    let _ = catch_panic(|| drop(refused));
    Err(NoThread)
}

/// Whether the runtime has refused work a moment ago.
fn lacks(runtime: Id) -> bool {
    if !IS_REFUSED.load(Ordering::Acquire) {
        return false;
    }
    let mut refused = lock(&REFUSED);
    refused.retain(|(_, at)| at.elapsed() < LACK);
    IS_REFUSED.store(!refused.is_empty(), Ordering::Release);
    refused.iter().any(|(id, _)| *id == runtime)
}

/// No foreign code runs under the locks, so a poisoned one is as good as any.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Makes a blocking function a handler, which runs on tokio's blocking pool. Its request's body is read with
/// [`BodyReader`](httpfsm_transport::BodyReader), and what is async is waited for by
/// [`block_on`](httpfsm_transport::block_on):
///
/// ```
/// use httpfsm::handler::{CollectError, Request};
/// use httpfsm_tokio::{block_on, sync};
///
/// let handler = sync(|mut request: Request| {
///     let content = block_on(request.body().collect(1024))?;
///     Ok::<_, CollectError>(format!("{} bytes", content.len()))
/// });
/// # drop(handler);
/// ```
///
/// By default the function is called when the head of its request has come, and a read of the body waits for the peer.
/// So as many slow uploads as the pool has threads (512 unless the runtime says otherwise) hold all of it, and with it
/// whatever else of the process uses the pool. Where peers are not to be trusted, set
/// [`ChannelConfig::bodies`](httpfsm::config::ChannelConfig::bodies) to
/// [`Bodies::Whole`](httpfsm::config::Bodies::Whole): the function is then called when the body is in, and reads it
/// from memory or from a file. A request that expects `100 Continue` is the exception, since its handler decides
/// whether the body comes; to bound those as well, have an async handler await
/// [`Body::gathered`](httpfsm::handler::Body::gathered) before it calls the function, or set
/// [`ServerConfig::maximum_simultaneous_requests`](httpfsm::config::ServerConfig::maximum_simultaneous_requests) below
/// the size of the pool.
///
/// ```
/// use std::io::{self, Read};
///
/// use httpfsm::Request;
/// use httpfsm_tokio::test::{TestRequest, call};
/// use httpfsm_tokio::{BodyReader, sync};
///
/// fn shout(mut request: Request) -> io::Result<String> {
///     let mut text = String::new();
///     BodyReader::new(request.take_body()).read_to_string(&mut text)?;
///     Ok(text.to_uppercase())
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// assert_eq!(call(sync(shout), TestRequest::post("/", "hello")).await.text(), "HELLO");
/// # }
/// ```
pub fn sync<F, R>(function: F) -> SyncHandler<BlockingPool, F>
where
    F: Fn(Request) -> R + Send + Sync + 'static,
    R: IntoResponse,
{
    httpfsm_transport::sync(BlockingPool, function)
}

/// A body that is what the function `write` writes, on tokio's blocking pool: see
/// [`httpfsm_transport::written_sync`](httpfsm_transport::written_sync()). A function that is ahead of its reader waits
/// there.
///
/// ```
/// use std::io::{self, Write};
///
/// use httpfsm::{Request, Response, Status};
/// use httpfsm_tokio::test::{TestRequest, call};
/// use httpfsm_tokio::written_sync;
///
/// async fn count(_: Request) -> Response {
///     let numbers = written_sync(|body| -> io::Result<()> { (1..=3).try_for_each(|number| writeln!(body, "{number}")) });
///     Response::new(Status::OK).with_body(numbers)
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// assert_eq!(call(count, TestRequest::get("/")).await.text(), "1\n2\n3\n");
/// # }
/// ```
pub fn written_sync<F, E>(write: F) -> Body
where
    F: FnOnce(&mut SyncBodyWriter) -> Result<(), E> + Send + 'static,
    E: Into<Box<dyn Error + Send + Sync>>,
{
    httpfsm_transport::written_sync(BlockingPool, write)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use tokio::runtime::{Builder, Runtime};

    use super::*;

    fn runtime() -> Runtime {
        Builder::new_current_thread().build().expect("a runtime")
    }

    #[test]
    fn work_is_refused_where_tokio_panics_unless_a_thread_has_taken_it() {
        let (short, other) = (runtime(), runtime());
        let (short, other) = (short.handle().id(), other.handle().id());
        let done = Arc::new(AtomicUsize::new(0));
        let work = || {
            let done = Arc::clone(&done);
            Box::new(move || {
                done.fetch_add(1, Ordering::SeqCst);
            }) as Work
        };
        let taken = ask(short, work(), |run| {
            run();
            std::panic::resume_unwind(Box::new("no thread"));
        });
        assert_eq!((taken, done.load(Ordering::SeqCst)), (Ok(()), 1));
        let mut queue = Vec::new();
        let refused = ask(short, work(), |run| {
            queue.push(run);
            std::panic::resume_unwind(Box::new("no thread"));
        });
        assert_eq!((refused, Arc::strong_count(&done)), (Err(NoThread), 1), "what it holds is dropped");
        queue.into_iter().for_each(|run| run());
        assert_eq!(ask(short, work(), |_| panic!("it is asked again at once")), Err(NoThread));
        assert_eq!(done.load(Ordering::SeqCst), 1, "what was refused is not done");
        assert_eq!(ask(other, work(), |run| run()), Ok(()));
        assert_eq!(done.load(Ordering::SeqCst), 2, "another runtime has threads of its own");
    }
}
