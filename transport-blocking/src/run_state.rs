//! Whether a task waits, is queued, or is polled. Nobody polls it twice at once, and no wake-up is lost.

use crate::atomic::{AtomicU8, Ordering};

/// It was woken since its last poll began. Whoever wakes it while it waits puts it into a queue.
const WOKEN: u8 = 1;
/// A worker polls it, and puts it into a queue afterwards if it was woken meanwhile.
const RUNS: u8 = 2;
/// Its future is over.
const OVER: u8 = 4;

/// See the module's documentation.
pub(crate) struct RunState(AtomicU8);

impl RunState {
    /// Of a task that waits.
    pub(crate) fn new() -> Self {
        Self(AtomicU8::new(0))
    }

    /// Wakes the task. `true`: it is to be put into a queue.
    #[inline]
    pub(crate) fn wake(&self) -> bool {
        self.0.fetch_or(WOKEN, Ordering::AcqRel) == 0
    }

    /// The task was taken out of its queue, and is about to be polled: who wakes it from now on wakes it anew.
    #[inline]
    pub(crate) fn begin(&self) {
        self.0.swap(RUNS, Ordering::AcqRel);
    }

    /// It was polled, and waits. `true`: it was woken meanwhile, and is to be put into a queue.
    #[inline]
    pub(crate) fn end(&self) -> bool {
        self.0.fetch_and(!RUNS, Ordering::AcqRel) & WOKEN != 0
    }

    /// It was polled, and its future is over: nobody puts it into a queue any more.
    pub(crate) fn finish(&self) {
        self.0.swap(OVER, Ordering::AcqRel);
    }
}
