//! A registration among the alarms: what is known of a connection outside of its task, and how to wake that task.

use std::mem;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Waker;

use super::NEVER;
use crate::lock::lock;
use crate::panics;

/// A registration among the alarms: what is known of a connection outside of its task, and how to wake that task.
/// Whatever else waits for a time of the server has one, too.
#[derive(Debug)]
pub(crate) struct Registration {
    /// Tells it apart from all others of its server: the number of the channel, and larger for what is no connection.
    pub(crate) key: u64,
    idle_since: AtomicU64,
    evicted: AtomicBool,
    /// Its deadline has come, and it waits to be woken.
    pub(crate) is_due: AtomicBool,
    slot: Mutex<WakerSlot>,
}

/// The waker of a task. It is never cloned, woken or dropped under the lock: its code may be the application's.
#[derive(Debug, Default)]
struct WakerSlot {
    waker: Option<Waker>,
    /// The waker was taken out, by a thread that is waking the task.
    waking: bool,
    /// Somebody else has wanted to meanwhile, who may know of something that the task has looked for too early.
    again: bool,
    /// Nobody is to be woken any more.
    closed: bool,
}

impl Registration {
    pub(crate) fn new(key: u64) -> Arc<Self> {
        Arc::new(Self {
            key,
            idle_since: AtomicU64::new(NEVER),
            evicted: AtomicBool::new(false),
            is_due: AtomicBool::new(false),
            slot: Mutex::default(),
        })
    }

    /// Notes since when the connection is idle; `NEVER`: it is not.
    #[inline]
    pub(crate) fn set_idle_since(&self, idle_since: u64) {
        self.idle_since.store(idle_since, Ordering::Relaxed);
    }

    /// Since when the connection is idle, as it noted; `NEVER`: it is not.
    #[inline]
    pub(crate) fn idle_since(&self) -> u64 {
        self.idle_since.load(Ordering::Relaxed)
    }

    /// The connection is wanted back.
    pub(crate) fn evict(&self) {
        self.evicted.store(true, Ordering::Release);
    }

    /// Whether the connection is wanted back.
    #[inline]
    pub(crate) fn is_evicted(&self) -> bool {
        self.evicted.load(Ordering::Acquire)
    }

    /// Whom to wake from now on.
    pub(crate) fn set_waker(&self, waker: &Waker) {
        let waker = waker.clone();
        let mut slot = lock(&self.slot);
        slot.closed = false;
        let before = slot.waker.replace(waker);
        drop(slot);
        panics::discard(before);
    }

    /// Nobody is to be woken any more.
    pub(crate) fn forget_waker(&self) {
        let mut slot = lock(&self.slot);
        slot.closed = true;
        let waker = slot.waker.take();
        drop(slot);
        panics::discard(waker);
    }

    /// Wakes the task.
    pub(crate) fn wake(&self) {
        loop {
            let mut slot = lock(&self.slot);
            if slot.waking {
                slot.again = true;
                return;
            }
            let Some(waker) = slot.waker.take() else { return };
            (slot.waking, slot.again) = (true, false);
            drop(slot);
            let _ = panics::catch(|| waker.wake_by_ref());
            let mut slot = lock(&self.slot);
            slot.waking = false;
            // Another task may have come, which was not woken.
            let again = mem::take(&mut slot.again) || slot.waker.is_some();
            let left =
                if slot.closed || slot.waker.is_some() { Some(waker) } else { slot.waker.replace(waker) };
            drop(slot);
            panics::discard(left);
            if !again {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;
    use std::task::Wake;

    use super::*;
    use crate::alarms::tests::WakeCount;

    /// Wakes the task once more from within its first wake-up, as another thread would meanwhile.
    #[test]
    fn who_is_woken_while_it_is_being_woken_is_woken_again() {
        struct Nested(Arc<Registration>, AtomicUsize);
        impl Wake for Nested {
            fn wake(self: Arc<Self>) {
                self.wake_by_ref();
            }

            fn wake_by_ref(self: &Arc<Self>) {
                if self.1.fetch_add(1, Ordering::SeqCst) == 0 {
                    self.0.wake();
                }
            }
        }
        let registration = Registration::new(1);
        let nested = Arc::new(Nested(Arc::clone(&registration), AtomicUsize::new(0)));
        registration.set_waker(&Waker::from(Arc::clone(&nested)));
        registration.wake();
        assert_eq!(nested.1.load(Ordering::SeqCst), 2);
        registration.wake();
        assert_eq!(nested.1.load(Ordering::SeqCst), 3, "the waker is kept");
        registration.forget_waker();
        registration.wake();
        assert_eq!((nested.1.load(Ordering::SeqCst), Arc::strong_count(&nested)), (3, 1));
    }

    #[test]
    fn a_waker_that_is_replaced_or_forgotten_while_it_wakes_is_not_kept() {
        struct Replaces(Arc<Registration>, Option<Waker>);
        impl Wake for Replaces {
            fn wake(self: Arc<Self>) {
                self.wake_by_ref();
            }

            fn wake_by_ref(self: &Arc<Self>) {
                match &self.1 {
                    Some(waker) => self.0.set_waker(waker),
                    None => self.0.forget_waker(),
                }
            }
        }
        let (registration, count) = (Registration::new(1), Arc::new(WakeCount::default()));
        let replaces = Arc::new(Replaces(Arc::clone(&registration), Some(Waker::from(Arc::clone(&count)))));
        registration.set_waker(&Waker::from(Arc::clone(&replaces)));
        registration.wake();
        assert_eq!(
            count.0.load(Ordering::SeqCst),
            1,
            "the new one does not know what the old one was woken for"
        );
        assert_eq!(Arc::strong_count(&replaces), 1);
        let forgets = Arc::new(Replaces(Arc::clone(&registration), None));
        registration.set_waker(&Waker::from(Arc::clone(&forgets)));
        registration.wake();
        assert_eq!(Arc::strong_count(&forgets), 1);
    }
}
