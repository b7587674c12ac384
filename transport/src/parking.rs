//! A thread that sleeps until it is woken.

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

impl Wake for ParkedThread {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.woken.store(true, Ordering::Release);
        self.thread.unpark();
    }
}
