//! The pool of threads that runs the application.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;

use httpfsm_transport::{NoThread, Spawner, catch_panic};

use crate::lock::lock;
use crate::tunnels::Tunnels;

thread_local! {
    static CURRENT: RefCell<Option<Arc<Workers>>> = const { RefCell::new(None) };
}

/// What a worker runs next.
pub(crate) enum QueueItem {
    /// A poll of a task.
    Task(Arc<dyn RunTask>),
    /// Work that blocks.
    Work(Box<dyn FnOnce() + Send>),
}

/// A task, as a worker sees it.
pub(crate) trait RunTask: Send + Sync {
    fn run(self: Arc<Self>);
}

/// The workers of a server, and its tunnels.
pub(crate) struct Workers {
    queue: Mutex<JobQueue>,
    /// Signalled when there is a job, or when there will be none any more.
    news: Condvar,
    pub(crate) tunnels: Tunnels,
}

/// It is bounded: a task is in it once, and a connection has at most a handler, a source and a file. The futures that
/// handlers spawn are for the application to bound.
#[derive(Default)]
struct JobQueue {
    jobs: VecDeque<QueueItem>,
    idle: usize,
    /// How many of the idle threads are being woken. So a burst of jobs needs no system call for each job.
    woken: usize,
    closed: bool,
}

impl Workers {
    pub(crate) fn new(tunnels: usize) -> Arc<Self> {
        Arc::new(Self { queue: Mutex::default(), news: Condvar::new(), tunnels: Tunnels::new(tunnels) })
    }

    /// Starts the threads, which end when the pool is closed.
    pub(crate) fn start(self: &Arc<Self>, threads: usize) -> io::Result<()> {
        for _ in 0..threads.max(1) {
            let workers = Arc::clone(self);
            thread::Builder::new().name("httpfsm-worker".to_owned()).spawn(move || workers.work())?;
        }
        Ok(())
    }

    /// The pool that this thread belongs to.
    pub(crate) fn here() -> Option<Arc<Self>> {
        CURRENT.try_with(|current| current.borrow().clone()).ok().flatten()
    }

    /// Makes this thread one of the pool.
    pub(crate) fn make_current(self: &Arc<Self>) {
        CURRENT.set(Some(Arc::clone(self)));
    }

    /// Queues a job. When the pool is closed, the job is dropped.
    pub(crate) fn submit(&self, job: QueueItem) {
        let mut queue = lock(&self.queue);
        if queue.closed {
            // The drop is the application's code, which may come back here.
            drop(queue);
            let _ = catch_panic(|| drop(job));
            return;
        }
        queue.jobs.push_back(job);
        let wakes = queue.idle > queue.woken;
        queue.woken += usize::from(wakes);
        drop(queue);
        if wakes {
            self.news.notify_one();
        }
    }

    /// The threads end when the queue is empty.
    pub(crate) fn close(&self) {
        lock(&self.queue).closed = true;
        self.news.notify_all();
        self.tunnels.close();
    }

    fn work(self: Arc<Self>) {
        self.make_current();
        while let Some(job) = self.next() {
            // Tasks catch their own panics; this is for the drop of what they hold.
            let _ = catch_panic(|| match job {
                QueueItem::Task(task) => task.run(),
                QueueItem::Work(work) => work(),
            });
        }
    }

    fn next(&self) -> Option<QueueItem> {
        let mut queue = lock(&self.queue);
        loop {
            if let Some(job) = queue.jobs.pop_front() {
                return Some(job);
            }
            if queue.closed {
                return None;
            }
            queue.idle += 1;
            queue = self.news.wait(queue).unwrap_or_else(PoisonError::into_inner);
            queue.idle -= 1;
            // A spurious wake-up counts as one of those that were announced. The thread for which that one was meant then
            // looks for a job uncounted, which changes nothing.
            queue.woken = queue.woken.saturating_sub(1);
        }
    }
}

/// Work that blocks, on a worker. A worker does its own at once: if it waited for another, all could wait for work
/// that is queued behind them.
pub(crate) struct Files(pub(crate) Arc<Workers>);

impl Spawner for Files {
    fn spawn_blocking(&self, work: Box<dyn FnOnce() + Send>) -> Result<(), NoThread> {
        let may_block = CURRENT.try_with(|current| current.borrow().is_some()).unwrap_or(false);
        if may_block {
            work()
        } else {
            self.0.submit(QueueItem::Work(work))
        }
        Ok(())
    }
}
