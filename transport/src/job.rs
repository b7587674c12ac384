//! Work that blocks, done elsewhere than on an async worker.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::{error, fmt, io, thread};

use crate::call::{Call, CallFunction, CallKind};
use crate::lock::lock;
use crate::may_block::BlockingScope;
use crate::{panics, waiting};

/// Where a transport runs work that blocks: the runtime's blocking pool, or threads of its own.
///
/// A thread for all work:
///
/// ```
/// use std::sync::mpsc::{Sender, channel};
/// use std::thread;
///
/// use httpfsm_transport::{Job, NoThread, Spawner, block_on};
///
/// struct OneThread(Sender<Box<dyn FnOnce() + Send>>);
///
/// impl Spawner for OneThread {
///     fn spawn_blocking(&self, work: Box<dyn FnOnce() + Send>) -> Result<(), NoThread> {
///         // What the thread is not there to take comes back, and is dropped.
///         self.0.send(work).map_err(|_| NoThread)
///     }
/// }
///
/// let (sender, works) = channel::<Box<dyn FnOnce() + Send>>();
/// thread::spawn(move || works.into_iter().for_each(|work| work()));
/// let spawner = OneThread(sender);
/// let job = Job::spawn(&spawner, || 6 * 7).expect("the thread is there");
/// assert_eq!(block_on(job), 42);
/// ```
pub trait Spawner: Send + Sync + 'static {
    /// Runs the work soon, on a thread that may block: none that polls connections, as work may wait for what such a
    /// thread receives ([`BodyReader`](crate::BodyReader)).
    ///
    /// # Errors
    ///
    /// [`NoThread`] if there is no thread that could run it and the system gives none. The work is not run then, and is
    /// dropped before this returns.
    fn spawn_blocking(&self, work: Box<dyn FnOnce() + Send>) -> Result<(), NoThread>;

    /// The same for a call of a [`sync`](crate::sync) function, and for the work of a [`Job`]. By default it is given to
    /// [`spawn_blocking`](Self::spawn_blocking), which costs an allocation.
    ///
    /// # Errors
    ///
    /// As [`spawn_blocking`](Self::spawn_blocking).
    fn spawn_call(&self, call: Call) -> Result<(), NoThread> {
        self.spawn_blocking(Box::new(move || call.run()))
    }

    /// Runs a piece of the [server's own](Call::is_servers) work that waits for a thread, on the thread that calls this,
    /// which runs other work of this spawner. `false`: there is none. A function that goes on into a file, since it may
    /// not wait for its reader, does that meanwhile, where all threads may be such functions and none comes to what
    /// readers wait for. The default is `false`.
    ///
    /// ```
    /// use std::collections::VecDeque;
    /// use std::sync::{Arc, Mutex};
    ///
    /// use httpfsm_transport::{Call, Job, NoThread, Spawner};
    ///
    /// /// A queue, and no thread.
    /// #[derive(Clone, Default)]
    /// struct Queue(Arc<Mutex<VecDeque<Call>>>);
    ///
    /// impl Spawner for Queue {
    ///     fn spawn_blocking(&self, _: Box<dyn FnOnce() + Send>) -> Result<(), NoThread> {
    ///         Err(NoThread)
    ///     }
    ///
    ///     fn spawn_call(&self, call: Call) -> Result<(), NoThread> {
    ///         assert!(call.is_wanted() && call.is_awaited());
    ///         let mut queue = self.0.lock().map_err(|_| NoThread)?;
    ///         if call.is_short() { queue.push_front(call) } else { queue.push_back(call) }
    ///         Ok(())
    ///     }
    ///
    ///     fn help(&self) -> bool {
    ///         let Ok(mut queue) = self.0.lock() else { return false };
    ///         let own = queue.iter().position(Call::is_servers).and_then(|at| queue.remove(at));
    ///         drop(queue);
    ///         own.map(Call::run).is_some()
    ///     }
    /// }
    ///
    /// let queue = Queue::default();
    /// let long = Job::spawn(&queue, || "a report")?;
    /// let short = Job::spawn_short(&queue, || "a piece of a file")?;
    /// assert!(!queue.help(), "those are the application's");
    /// # drop((long, short));
    /// # Ok::<(), NoThread>(())
    /// ```
    fn help(&self) -> bool {
        false
    }

    /// Whether the threads are so few that none of them is to wait for a peer: [`sync`](crate::sync) then has bodies
    /// gathered before it calls its function, and [`written_sync`](crate::written_sync()) writes ahead of slow readers
    /// into a file. The default is `false`.
    fn is_scarce(&self) -> bool {
        false
    }

    /// The thread that calls this runs work of this spawner, which waits for a peer from now on, until it is over. `true`:
    /// another thread has taken its place, or there is room for such a wait. `false`: it is not to wait. It is asked where
    /// the threads are [few](Self::is_scarce): by a function of [`written_sync`](crate::written_sync()) that is far ahead of
    /// its reader. The default is `false`.
    ///
    /// ```
    /// use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
    /// use std::thread;
    ///
    /// use httpfsm_transport::{NoThread, Spawner};
    ///
    /// /// A thread for each piece of work, of which so many may wait for their peers.
    /// struct Few {
    ///     may_wait: AtomicUsize,
    /// }
    ///
    /// impl Spawner for Few {
    ///     fn spawn_blocking(&self, work: Box<dyn FnOnce() + Send>) -> Result<(), NoThread> {
    ///         thread::Builder::new().spawn(work).map(drop).map_err(|_| NoThread)
    ///     }
    ///
    ///     fn is_scarce(&self) -> bool {
    ///         true
    ///     }
    ///
    ///     fn give_place_up(&self) -> bool {
    ///         self.may_wait.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1)).is_ok()
    ///     }
    /// }
    ///
    /// let few = Few { may_wait: AtomicUsize::new(1) };
    /// assert!(few.give_place_up() && !few.give_place_up());
    /// ```
    fn give_place_up(&self) -> bool {
        false
    }

    /// The thread that calls this has taken a request of the server whose spawner this is
    /// ([`Incoming`](crate::Incoming)), and acts for that server until it is [taken back](Self::take_thread_back). By
    /// default that means nothing.
    ///
    /// ```
    /// use std::cell::Cell;
    ///
    /// use httpfsm_transport::{NoThread, Spawner};
    ///
    /// thread_local! {
    ///     static ACTS_FOR_SERVER: Cell<bool> = const { Cell::new(false) };
    /// }
    ///
    /// struct NoThreads;
    ///
    /// impl Spawner for NoThreads {
    ///     fn spawn_blocking(&self, _: Box<dyn FnOnce() + Send>) -> Result<(), NoThread> {
    ///         Err(NoThread)
    ///     }
    ///
    ///     fn lend_thread(&self) {
    ///         ACTS_FOR_SERVER.set(true);
    ///     }
    ///
    ///     fn take_thread_back(&self) {
    ///         ACTS_FOR_SERVER.set(false);
    ///     }
    /// }
    /// ```
    fn lend_thread(&self) {}

    /// The thread that calls this was lent to the server before, and acts for it no more.
    fn take_thread_back(&self) {}
}

/// There is no thread for work that blocks, and the system gives none under its limits. It may give one later.
///
/// A handler that finds no thread responds with 503:
///
/// ```
/// use httpfsm::{Request, Status};
/// use httpfsm_transport::test::{TestRequest, call};
/// use httpfsm_transport::{NoThread, Spawner, block_on, sync};
///
/// /// Stands for a system that is at its limit.
/// struct Exhausted;
///
/// impl Spawner for Exhausted {
///     fn spawn_blocking(&self, _: Box<dyn FnOnce() + Send>) -> Result<(), NoThread> {
///         Err(NoThread)
///     }
/// }
///
/// let response = block_on(call(sync(Exhausted, |_: Request| "never"), TestRequest::get("/")));
/// assert_eq!(response.status(), Status::SERVICE_UNAVAILABLE);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NoThread;

impl fmt::Display for NoThread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("There is no thread for work that blocks, and the system gives none.")
    }
}

impl error::Error for NoThread {}

/// Of the kind [`WouldBlock`](io::ErrorKind::WouldBlock), as of a thread that the system refuses.
impl From<NoThread> for io::Error {
    fn from(error: NoThread) -> Self {
        Self::new(io::ErrorKind::WouldBlock, error)
    }
}

/// Runs the work at once, where it is asked for: for tests, and for work that is short. As a rule that is the thread that
/// polls the connection, which stands still meanwhile; work that reads the request's body there gets an error instead of
/// bytes that have not come ([`BodyReader`](crate::BodyReader)). So it is not for `sync` functions that read bodies; take
/// [`Threads`] there, the pool of a runtime, or `httpfsm_blocking::Functions`.
///
/// ```
/// use httpfsm::Request;
/// use httpfsm_transport::test::{TestRequest, call};
/// use httpfsm_transport::{Inline, block_on, sync};
///
/// let handler = sync(Inline, |request: Request| request.path().to_uppercase());
/// assert_eq!(block_on(call(handler, TestRequest::get("/a"))).text(), "/A");
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Inline;

impl Spawner for Inline {
    fn spawn_blocking(&self, work: Box<dyn FnOnce() + Send>) -> Result<(), NoThread> {
        work();
        Ok(())
    }
}

/// Runs each piece of work on a new thread: for programs without a runtime, and for tests. A `sync` function, and each step
/// of a body that is in a file, begins one, so there are as many as work at once. Where there is a runtime, its pool is
/// quicker.
///
/// ```
/// use std::io;
/// use std::sync::Arc;
///
/// use httpfsm::config::ServerConfig;
/// use httpfsm::handler::Request;
/// use httpfsm_transport::{BodyReader, Connections, Threads, sync};
///
/// # fn main() -> io::Result<()> {
/// // It waits for its body, which whoever polls the connection receives meanwhile, on another thread.
/// let count = sync(Threads, |mut request: Request| -> io::Result<String> {
///     let bytes = io::copy(&mut BodyReader::new(request.take_body()), &mut io::sink())?;
///     Ok(format!("{bytes} bytes\n"))
/// });
/// let server = Connections::new(ServerConfig::default(), Arc::new(Threads), count)?;
/// # drop(server);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Threads;

impl Spawner for Threads {
    fn spawn_blocking(&self, work: Box<dyn FnOnce() + Send>) -> Result<(), NoThread> {
        let thread = thread::Builder::new().name("httpfsm-blocking".to_owned());
        thread.spawn(work).map(drop).map_err(|_| NoThread)
    }
}

/// An application that is the same on every transport holds its transport's spawner as an `Arc<dyn Spawner>`.
impl<S: Spawner + ?Sized> Spawner for Arc<S> {
    fn spawn_blocking(&self, work: Box<dyn FnOnce() + Send>) -> Result<(), NoThread> {
        (**self).spawn_blocking(work)
    }

    fn spawn_call(&self, call: Call) -> Result<(), NoThread> {
        (**self).spawn_call(call)
    }

    fn help(&self) -> bool {
        (**self).help()
    }

    fn is_scarce(&self) -> bool {
        (**self).is_scarce()
    }

    fn give_place_up(&self) -> bool {
        (**self).give_place_up()
    }

    fn lend_thread(&self) {
        (**self).lend_thread();
    }

    fn take_thread_back(&self) {
        (**self).take_thread_back();
    }
}

/// The result of work that was given to a [`Spawner`]. A panic in the work becomes a panic in whoever awaits it.
///
/// Dropping it drops the work as well, unless that has begun, so that the queue of the spawner holds no work whose
/// result nobody wants. Work that has begun runs to its end. Give work that must be done in any case to the spawner
/// itself.
///
/// ```
/// use std::io;
///
/// use httpfsm_transport::{Job, Threads, block_on};
///
/// # fn main() -> io::Result<()> {
/// let job = Job::spawn(&Threads, || std::fs::read_to_string("Cargo.toml"))?;
/// let manifest: io::Result<String> = block_on(job);
/// assert!(manifest?.contains("[package]"));
/// # Ok(())
/// # }
/// ```
pub struct Job<T>(Arc<JobState<T, dyn PendingWork<T>>>);

/// What the job and its spawner share.
struct JobState<T, W: ?Sized> {
    progress: Mutex<JobProgress<T>>,
    /// The work, until it begins.
    work: W,
}

enum JobProgress<T> {
    Running(Option<Waker>),
    /// With the text of its panic, which is known only where it happened.
    Done(Result<T, String>),
    Taken,
}

/// Work that has not begun, whatever its type.
trait PendingWork<T>: Send + Sync {
    /// Runs the work; `None` if it has begun already.
    fn run(&self) -> Option<Result<T, String>>;

    /// Drops the work; `false` if it has begun already.
    fn discard(&self) -> bool;

    /// Whether it has neither begun nor been dropped.
    fn is_there(&self) -> bool;
}

impl<T, F: FnOnce() -> T + Send> PendingWork<T> for Mutex<Option<F>> {
    fn run(&self) -> Option<Result<T, String>> {
        let work = lock(self).take()?;
        Some(panics::catch(work))
    }

    fn discard(&self) -> bool {
        let work = lock(self).take();
        let is_there = work.is_some();
        // Its drop is the application's code.
        panics::discard(work);
        is_there
    }

    fn is_there(&self) -> bool {
        lock(self).is_some()
    }
}

impl<T: Send + 'static> Job<T> {
    /// Gives the work to the spawner.
    ///
    /// # Errors
    ///
    /// [`NoThread`] where the spawner says so. The work is dropped then, also where the spawner keeps what it was given.
    pub fn spawn(spawner: &dyn Spawner, work: impl FnOnce() -> T + Send + 'static) -> Result<Self, NoThread> {
        Self::begin(spawner, work, CallKind::Long)
    }

    /// The same for work that is short and waits for no peer, as the read of a piece of a file is. Where threads are few it
    /// does not wait behind all functions.
    ///
    /// # Errors
    ///
    /// As [`spawn`](Self::spawn).
    ///
    /// ```
    /// use std::io;
    ///
    /// use httpfsm_transport::{Job, Threads, block_on};
    ///
    /// # fn main() -> io::Result<()> {
    /// let length = Job::spawn_short(&Threads, || std::fs::metadata("Cargo.toml").map(|file| file.len()))?;
    /// assert!(block_on(length)? > 0);
    /// # Ok(())
    /// # }
    /// ```
    pub fn spawn_short(
        spawner: &dyn Spawner,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<Self, NoThread> {
        Self::begin(spawner, work, CallKind::Short)
    }

    /// The same for the server's own work with the file of a body.
    pub(crate) fn spawn_own(
        spawner: &dyn Spawner,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<Self, NoThread> {
        Self::begin(spawner, work, CallKind::Servers)
    }

    fn begin(
        spawner: &dyn Spawner,
        work: impl FnOnce() -> T + Send + 'static,
        kind: CallKind,
    ) -> Result<Self, NoThread> {
        let progress = Mutex::new(JobProgress::Running(None));
        let shared = Arc::new(JobState { progress, work: Mutex::new(Some(work)) });
        let call = Call::new(Arc::<JobState<_, _>>::clone(&shared), kind);
        // Made before the spawner is called, so that it drops the work if that fails or panics.
        let job = Self(shared);
        spawner.spawn_call(call)?;
        Ok(job)
    }

    /// A job whose result is there already: for a function that returns a job, where no thread is needed or none can be
    /// had.
    ///
    /// ```
    /// use std::collections::HashMap;
    /// use std::io;
    /// use std::sync::Arc;
    ///
    /// use httpfsm_transport::{Job, NoThread, Spawner, block_on};
    ///
    /// type Pages = HashMap<&'static str, Arc<[u8]>>;
    ///
    /// fn page(pages: &Pages, spawner: &dyn Spawner, path: &'static str) -> Result<Job<io::Result<Arc<[u8]>>>, NoThread> {
    ///     match pages.get(path) {
    ///         Some(page) => Ok(Job::done(Ok(Arc::clone(page)))),
    ///         None => Job::spawn(spawner, move || std::fs::read(path).map(Arc::from)),
    ///     }
    /// }
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let pages = Pages::from([("index.html", Arc::from(*b"Hello!"))]);
    /// assert_eq!(&*block_on(page(&pages, &httpfsm_transport::Inline, "index.html")?)?, b"Hello!");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn done(result: T) -> Self {
        let progress = Mutex::new(JobProgress::Done(Ok(result)));
        Self(Arc::new(JobState { progress, work: Mutex::new(None::<fn() -> T>) }))
    }

    /// Runs the work on this thread, if it has not begun. For a thread that waits for the result and may block: all of
    /// the spawner's threads may be waiting for such work.
    pub(crate) fn run_here(&self) {
        self.0.run();
    }
}

impl<T> Future for Job<T> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let done = waiting::poll(&self.0.progress, cx, |progress| match progress {
            JobProgress::Running(waker) => Err(waker),
            done => Ok(std::mem::replace(done, JobProgress::Taken)),
        });
        match done {
            Poll::Ready(JobProgress::Done(Ok(result))) => Poll::Ready(result),
            Poll::Ready(JobProgress::Done(Err(panic))) => panics::resume(panic),
            Poll::Ready(JobProgress::Running(_) | JobProgress::Taken) | Poll::Pending => Poll::Pending,
        }
    }
}

impl<T> Drop for Job<T> {
    fn drop(&mut self) {
        self.0.work.discard();
    }
}

impl<T> fmt::Debug for Job<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Job(..)")
    }
}

impl<T, W: PendingWork<T> + ?Sized> JobState<T, W> {
    fn run(&self) {
        if let Some(result) = self.work.run() {
            self.finish(result);
        }
    }

    fn finish(&self, result: Result<T, String>) {
        let mut progress = lock(&self.progress);
        if let JobProgress::Running(waker) = &mut *progress {
            let waker = waker.take();
            *progress = JobProgress::Done(result);
            drop(progress);
            if let Some(waker) = waker {
                panics::wake(waker);
            }
        }
    }
}

impl<T: Send, W: PendingWork<T>> CallFunction for JobState<T, W> {
    fn call(self: Arc<Self>) {
        let blocking = BlockingScope::begin();
        let result = self.work.run();
        drop(blocking);
        // Whoever waits may go on at once, on this thread, too.
        if let Some(result) = result {
            self.finish(result);
        }
        // A result that nobody takes is dropped here.
        let _blocking = BlockingScope::begin();
        panics::discard(self);
    }

    fn is_wanted(&self) -> bool {
        self.work.is_there()
    }

    /// A runtime that shuts down drops work unrun. Where the work has begun, here or where it was waited for, whoever
    /// does it reports.
    fn abandon(&self) {
        if self.work.discard() {
            self.finish(Err("The work was dropped before it ran.".to_owned()));
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::waiting::tests::Foreign;

    /// Where the spawner has a thread.
    pub(crate) fn spawn<T: Send + 'static>(
        spawner: &dyn Spawner,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Job<T> {
        Job::spawn(spawner, work).unwrap_or_else(|none| panic!("{none}"))
    }

    struct Nowhere;

    impl Spawner for Nowhere {
        fn spawn_blocking(&self, _work: Box<dyn FnOnce() + Send>) -> Result<(), NoThread> {
            Ok(())
        }
    }

    /// Runs the work when it is told to.
    #[derive(Default)]
    pub(crate) struct ManualSpawner(Mutex<Vec<Box<dyn FnOnce() + Send>>>);

    impl ManualSpawner {
        pub(crate) fn run(&self) {
            let work = std::mem::take(&mut *lock(&self.0));
            work.into_iter().for_each(|work| work());
        }
    }

    impl Spawner for ManualSpawner {
        fn spawn_blocking(&self, work: Box<dyn FnOnce() + Send>) -> Result<(), NoThread> {
            lock(&self.0).push(work);
            Ok(())
        }
    }

    /// Keeps what it is given.
    #[derive(Default)]
    struct Keeps(Arc<Mutex<Vec<Call>>>);

    impl Spawner for Keeps {
        fn spawn_blocking(&self, _: Box<dyn FnOnce() + Send>) -> Result<(), NoThread> {
            Err(NoThread)
        }

        fn spawn_call(&self, call: Call) -> Result<(), NoThread> {
            lock(&self.0).push(call);
            Ok(())
        }
    }

    #[test]
    fn a_call_is_wanted_until_whoever_waited_for_it_is_gone() {
        let kept = Keeps::default();
        let calls = Arc::clone(&kept.0);
        let are_wanted = || lock(&calls).iter().map(Call::is_wanted).collect::<Vec<_>>();
        let [short, long] = [Job::spawn_short(&kept, || ()), Job::spawn(&kept, || ())];
        let handler = crate::sync(kept, |_: httpfsm::handler::Request| "called");
        let mut response = Box::pin(crate::test::call(handler, crate::test::TestRequest::get("/")));
        assert!(response.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        assert_eq!(are_wanted(), [true, true, true]);
        assert_eq!(lock(&calls).iter().map(Call::is_short).collect::<Vec<_>>(), [true, false, false]);
        drop((short, long));
        assert_eq!(are_wanted(), [false, false, true]);
        drop(response);
        assert_eq!(are_wanted(), [false, false, false]);
    }

    #[test]
    fn work_that_nobody_waits_for_any_more_is_dropped_at_once_and_not_run() {
        let (spawner, held, ran) = (ManualSpawner::default(), Arc::new(()), Arc::new(AtomicUsize::new(0)));
        let job = spawn(&spawner, {
            let (held, ran) = (Arc::clone(&held), Arc::clone(&ran));
            move || {
                ran.fetch_add(1, Ordering::SeqCst);
                held
            }
        });
        drop(job);
        assert_eq!(Arc::strong_count(&held), 1, "the queue holds nothing of it");
        spawner.run();
        assert_eq!(ran.load(Ordering::SeqCst), 0);
    }

    /// Keeps the work, as tokio's pool does without a thread; then fails, or panics.
    struct Without(ManualSpawner, Option<NoThread>);

    impl Spawner for Without {
        fn spawn_blocking(&self, work: Box<dyn FnOnce() + Send>) -> Result<(), NoThread> {
            self.0.spawn_blocking(work)?;
            self.1.map_or_else(|| panic!("broken"), Err)
        }
    }

    #[test]
    fn work_is_dropped_where_the_spawner_fails_or_panics() {
        for fails in [Some(NoThread), None] {
            let (without, held) = (Without(ManualSpawner::default(), fails), Arc::new(()));
            let its = Arc::clone(&held);
            let spawned = catch_unwind(AssertUnwindSafe(|| Job::spawn(&without, move || drop(its))));
            assert_eq!(spawned.ok().map(|job| job.err()), fails.map(Some));
            assert_eq!(Arc::strong_count(&held), 1, "the queue holds nothing of it");
            without.0.run();
        }
    }

    #[test]
    fn a_job_that_is_done_yields_its_result_and_has_no_work() {
        let mut job = Job::done(7);
        job.run_here();
        assert_eq!(Pin::new(&mut job).poll(&mut Context::from_waker(Waker::noop())), Poll::Ready(7));
    }

    #[test]
    fn work_that_runs_when_its_job_is_dropped_runs_to_its_end_and_its_result_is_dropped() {
        let spawner = ManualSpawner::default();
        let (held, place) = (Arc::new(()), Arc::new(Mutex::new(None::<Job<Arc<()>>>)));
        let job = spawn(&spawner, {
            let (held, place) = (Arc::clone(&held), Arc::clone(&place));
            move || {
                let job = lock(&place).take();
                drop(job);
                held
            }
        });
        *lock(&place) = Some(job);
        spawner.run();
        assert_eq!(Arc::strong_count(&held), 1);
    }

    #[test]
    fn a_job_yields_its_result() {
        let mut cx = Context::from_waker(Waker::noop());
        let mut job = spawn(&Inline, || 7);
        assert_eq!(Pin::new(&mut job).poll(&mut cx), Poll::Ready(7));
    }

    #[test]
    fn a_shared_spawner_is_one() {
        let shared: Arc<dyn Spawner> = Arc::new(Inline);
        let mut job = spawn(&shared, || 7);
        assert_eq!(Pin::new(&mut job).poll(&mut Context::from_waker(Waker::noop())), Poll::Ready(7));
    }

    #[test]
    fn no_waker_is_woken_or_dropped_under_the_lock() {
        let spawner = ManualSpawner::default();
        let mut job = spawn(&spawner, || 7);
        let foreign = |job: &Job<i32>| {
            let its = Arc::downgrade(&job.0);
            Foreign::waker(move || its.upgrade().is_none_or(|job| job.progress.try_lock().is_ok()))
        };
        let (first, of_first) = foreign(&job);
        let (second, of_second) = foreign(&job);
        for waker in [first, second] {
            assert!(Pin::new(&mut job).poll(&mut Context::from_waker(&waker)).is_pending());
        }
        assert_eq!(of_first.load(Ordering::SeqCst), 1, "another has replaced it");
        spawner.run();
        assert_eq!(of_second.load(Ordering::SeqCst), 2, "woken, and dropped");
        assert_eq!(Pin::new(&mut job).poll(&mut Context::from_waker(Waker::noop())), Poll::Ready(7));
    }

    /// The spawner comes to what is being done where it was waited for.
    #[test]
    fn work_that_has_begun_elsewhere_is_not_reported_as_dropped() {
        let spawner = Arc::new(ManualSpawner::default());
        let own = Arc::clone(&spawner);
        let mut job = spawn(&*spawner, move || {
            own.run();
            7
        });
        job.run_here();
        let polled = Pin::new(&mut job).poll(&mut Context::from_waker(Waker::noop()));
        assert_eq!(polled, Poll::Ready(7));
    }

    #[test]
    fn work_that_is_never_run_is_a_panic_and_no_hang() {
        let mut job: Job<u8> = spawn(&Nowhere, || 7);
        let polled = catch_unwind(AssertUnwindSafe(|| {
            let _ = Pin::new(&mut job).poll(&mut Context::from_waker(Waker::noop()));
        }));
        assert!(polled.is_err());
    }
}
