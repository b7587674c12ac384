//! Who is on duty: the workers that wait for sockets and poll, no more than there are processors, but for two on one of
//! them. More would have the system switch between threads where one could go on.
//!
//! The others run functions, or are off duty. Somebody is called back when the last one on duty begins a function. One
//! of those off duty watches: where all that are on duty have been busy for a while, as with async handlers that block,
//! it helps.

use std::sync::PoisonError;
use std::time::Duration;

use crate::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use crate::lock::{Condvar, Mutex, MutexGuard, lock};
use crate::sleepers::Sleepers;

/// How long all that are on duty may be busy before there is one more.
const PATIENCE: Duration = Duration::from_millis(10);

/// See the module's documentation.
pub(crate) struct Duty {
    most: usize,
    on: AtomicUsize,
    off: Mutex<OffDuty>,
    relief: Condvar,
    /// For the one who watches.
    alarm: Condvar,
    /// The one who watches sleeps without a deadline, since somebody waits for sockets.
    watch_sleeps: AtomicBool,
}

#[derive(Default)]
struct OffDuty {
    workers: usize,
    /// How many of them are to come back; they count as on duty already.
    called: usize,
    is_watched: bool,
    is_closed: bool,
}

impl Duty {
    /// For so many workers at most; at least one.
    pub(crate) fn new(most: usize) -> Self {
        Self {
            most: most.max(1),
            on: AtomicUsize::new(0),
            off: Mutex::default(),
            relief: Condvar::new(),
            alarm: Condvar::new(),
            watch_sleeps: AtomicBool::new(false),
        }
    }

    /// This worker waits for sockets and polls, from now on.
    #[inline]
    pub(crate) fn resume(&self) {
        self.on.fetch_add(1, SeqCst);
    }

    /// This worker does something else. Somebody takes its place if it was the last.
    #[inline]
    pub(crate) fn pause(&self) {
        if self.on.fetch_sub(1, SeqCst) == 1 {
            self.call();
        }
    }

    #[cold]
    fn call(&self) {
        let mut off = lock(&self.off);
        let free = off.workers - off.called;
        if free > 0 && self.on.load(SeqCst) == 0 {
            self.on.fetch_add(1, SeqCst);
            off.called += 1;
            let is_watch = free == usize::from(off.is_watched);
            drop(off);
            if is_watch { &self.alarm } else { &self.relief }.notify_one();
        }
    }

    /// Whether more are on duty than there are to be.
    #[inline]
    pub(crate) fn is_crowded(&self) -> bool {
        self.on.load(SeqCst) > self.most
    }

    /// Has this worker, which has nothing to do, wait until it is needed, if more are on duty than there are to be.
    #[cold]
    pub(crate) fn leave(&self, sleepers: &Sleepers) {
        let mut off = lock(&self.off);
        let goes = |on: usize| if on > self.most { Some(on - 1) } else { None };
        if off.is_closed || self.on.fetch_update(SeqCst, SeqCst, goes).is_err() {
            return;
        }
        off.workers += 1;
        while !off.is_closed {
            if off.called > 0 {
                off.called -= 1;
                off.workers -= 1;
                return;
            }
            if off.is_watched {
                off = self.relief.wait(off).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            off.is_watched = true;
            let helps;
            (off, helps) = self.watch(off, sleepers);
            off.is_watched = false;
            // Another one watches from now on.
            self.relief.notify_one();
            if helps {
                break;
            }
        }
        off.workers -= 1;
        self.on.fetch_add(1, SeqCst);
    }

    /// Watches until it is called. `true`: it is to help.
    fn watch<'a>(
        &self,
        mut off: MutexGuard<'a, OffDuty>,
        sleepers: &Sleepers,
    ) -> (MutexGuard<'a, OffDuty>, bool) {
        let mut rounds = None;
        while !off.is_closed && off.called == 0 {
            let (waiting, now) = sleepers.look();
            if waiting > 0 && rounds == Some(now) {
                self.watch_sleeps.store(true, SeqCst);
                // Either this sees that nobody waits any more, or who was the last to wait sees that this sleeps.
                if sleepers.look().0 > 0 {
                    off = self.alarm.wait(off).unwrap_or_else(PoisonError::into_inner);
                }
                self.watch_sleeps.store(false, SeqCst);
                rounds = None;
                continue;
            }
            if waiting == 0 && rounds == Some(now) {
                return (off, true);
            }
            rounds = Some(now);
            let waited = self.alarm.wait_timeout(off, PATIENCE);
            off = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        (off, false)
    }

    /// Nobody waits for sockets any more.
    #[inline]
    pub(crate) fn note_all_busy(&self) {
        if self.watch_sleeps.load(SeqCst) {
            self.rouse_watch();
        }
    }

    #[cold]
    fn rouse_watch(&self) {
        if self.watch_sleeps.swap(false, SeqCst) {
            // Behind the lock it has begun to wait.
            drop(lock(&self.off));
            self.alarm.notify_one();
        }
    }

    /// All workers are to end.
    pub(crate) fn close(&self) {
        lock(&self.off).is_closed = true;
        self.relief.notify_all();
        self.alarm.notify_all();
    }
}
