//! A thread that sleeps until it is woken.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

/// Puts the thread that made it to sleep, and has a waker for it. The wake-up is noted here as well as in the thread's
/// own token, which other code that parks on this thread would consume.
pub(crate) struct Parking(Arc<ParkedThread>);

struct ParkedThread {
    thread: Thread,
    woken: AtomicBool,
}

impl Parking {
    /// For this thread.
    pub(crate) fn new() -> Self {
        Self(Arc::new(ParkedThread { thread: thread::current(), woken: AtomicBool::new(false) }))
    }

    pub(crate) fn waker(&self) -> Waker {
        Waker::from(Arc::clone(&self.0))
    }

    /// Sleeps until the waker was called, since the last time that this returned.
    pub(crate) fn park(&self) {
        while !self.0.woken.swap(false, Ordering::AcqRel) {
            thread::park();
        }
    }

    /// The same, for so long at most.
    pub(crate) fn park_timeout(&self, length: Duration) {
        let began = Instant::now();
        while !self.0.woken.swap(false, Ordering::AcqRel) {
            let Some(left) = length.checked_sub(began.elapsed()).filter(|left| !left.is_zero()) else {
                return;
            };
            thread::park_timeout(left);
        }
    }
}

thread_local! {
    static BEFORE: Cell<Option<fn()>> = const { Cell::new(None) };
}

/// Has [`block_on`](crate::block_on) call a function on this thread, each time before it waits: for a transport whose
/// threads keep for themselves what they have to do next. What `block_on` waits for may be among it, and nobody else comes
/// to it.
///
/// ```
/// use std::cell::RefCell;
///
/// use httpfsm_transport::{Job, NoThread, Spawner, before_waiting, block_on};
///
/// type Work = Box<dyn FnOnce() + Send>;
///
/// thread_local! {
///     static NEXT: RefCell<Option<Work>> = const { RefCell::new(None) };
/// }
///
/// /// Keeps work for the thread that begins it.
/// struct Later;
///
/// impl Spawner for Later {
///     fn spawn_blocking(&self, work: Work) -> Result<(), NoThread> {
///         NEXT.set(Some(work));
///         Ok(())
///     }
/// }
///
/// before_waiting(|| NEXT.take().into_iter().for_each(|work| work()));
/// let job = Job::spawn(&Later, || 6 * 7).expect("it is kept");
/// assert_eq!(block_on(job), 42);
/// ```
pub fn before_waiting(function: fn()) {
    BEFORE.set(Some(function));
}

/// This thread is about to wait.
pub(crate) fn is_to_wait() {
    if let Some(before) = BEFORE.get() {
        before();
    }
}

impl Wake for ParkedThread {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.woken.store(true, Ordering::Release);
        self.thread.unpark();
    }
}
