//! Who waits for sockets, and is woken when something is queued.
//!
//! No wake-up is lost: who is about to sleep counts itself, and then looks at the queue; who queues stores, and then
//! looks at the count. One wake-up is under way at a time: until it has arrived, nobody makes another system call for
//! it. Whoever it reaches notes that first, and then looks at the queue.

use crate::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Above the count of those who wait.
const ROUND: usize = 1 << 16;

/// See the module's documentation.
pub(crate) struct Sleepers {
    /// How many wait, and above that how often one has got up.
    waiting: AtomicUsize,
    /// How much is in the queue that a worker may take.
    queued: AtomicUsize,
    is_being_woken: AtomicBool,
}

impl Sleepers {
    pub(crate) fn new() -> Self {
        let (waiting, queued) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Self { waiting, queued, is_being_woken: AtomicBool::new(false) }
    }

    /// Says how much is in the queue, under its lock.
    #[inline]
    pub(crate) fn set_queued(&self, queued: usize) {
        self.queued.store(queued, Ordering::SeqCst);
    }

    #[inline]
    pub(crate) fn is_queue_empty(&self) -> bool {
        self.queued.load(Ordering::SeqCst) == 0
    }

    /// Something is queued. `true`: a worker sleeps that is to be woken now.
    #[inline]
    pub(crate) fn is_to_wake(&self) -> bool {
        self.look().0 > 0 && !self.is_being_woken.swap(true, Ordering::SeqCst)
    }

    /// This worker is about to wait. `true`: it may sleep.
    #[inline]
    pub(crate) fn lie_down(&self) -> bool {
        self.waiting.fetch_add(1, Ordering::SeqCst);
        self.is_queue_empty()
    }

    /// It waits no longer. `true`: nobody does.
    #[inline]
    pub(crate) fn get_up(&self) -> bool {
        self.waiting.fetch_add(ROUND - 1, Ordering::SeqCst) % ROUND == 1
    }

    /// How many wait, and how often one has got up.
    #[inline]
    pub(crate) fn look(&self) -> (usize, usize) {
        let both = self.waiting.load(Ordering::SeqCst);
        (both % ROUND, both / ROUND)
    }

    /// A wake-up has reached this worker.
    pub(crate) fn note_wake_up(&self) {
        self.is_being_woken.store(false, Ordering::SeqCst);
    }
}
