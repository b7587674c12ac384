//! Stores wakers under a lock, and runs none of their code while it is held.
//!
//! A waker may be the application's. Its code runs when it is cloned, woken or dropped, and may come back to the same
//! lock, take long, or panic; so all of that happens outside of the lock.

use std::sync::Mutex;
use std::task::{Context, Poll, Waker};

use crate::lock::lock;
use crate::panics;

/// Calls `look` on what `mutex` guards: it returns a value, or the place for the waker of whoever waits for one. `look`
/// may be called twice. A place keeps the last waker that was put there.
pub(crate) fn poll<T, R>(
    mutex: &Mutex<T>,
    cx: &Context<'_>,
    look: impl FnMut(&mut T) -> Result<R, &mut Option<Waker>>,
) -> Poll<R> {
    poll_with(None, mutex, cx, look)
}

/// The same with a clone of the waker of `cx`: one look is enough for whoever has just begun what it waits for, as a rule.
#[inline]
pub(crate) fn poll_with<T, R>(
    // It is dropped after the lock is given back, as what is declared first.
    mut clone: Option<Waker>,
    mutex: &Mutex<T>,
    cx: &Context<'_>,
    mut look: impl FnMut(&mut T) -> Result<R, &mut Option<Waker>>,
) -> Poll<R> {
    loop {
        let mut guarded = lock(mutex);
        let place = match look(&mut guarded) {
            Ok(ready) => return Poll::Ready(ready),
            Err(place) => place,
        };
        if place.as_ref().is_some_and(|known| known.will_wake(cx.waker())) {
            return Poll::Pending;
        }
        if let Some(waker) = clone.take() {
            let before = place.replace(waker);
            drop(guarded);
            panics::discard(before);
            return Poll::Pending;
        }
        drop(guarded);
        clone = Some(cx.waker().clone());
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use super::*;

    /// What an application's waker may do: it looks whether a lock is free when it is woken and when the last of its
    /// clones is dropped, and panics in both.
    pub(crate) struct Foreign {
        is_free: Box<dyn Fn() -> bool + Send + Sync>,
        ran: Arc<AtomicUsize>,
    }

    impl Foreign {
        /// A waker, and how often code of it ran.
        pub(crate) fn waker(is_free: impl Fn() -> bool + Send + Sync + 'static) -> (Waker, Arc<AtomicUsize>) {
            let ran = Arc::new(AtomicUsize::new(0));
            let foreign = Self { is_free: Box::new(is_free), ran: Arc::clone(&ran) };
            (Waker::from(Arc::new(foreign)), ran)
        }

        fn run(&self, what: &str) {
            self.ran.fetch_add(1, Ordering::SeqCst);
            // A panic would be caught by whom this is to blame.
            if !(self.is_free)() {
                eprintln!("A waker is {what} under the lock.");
                std::process::abort();
            }
            if !std::thread::panicking() {
                std::panic::resume_unwind(Box::new("as it must"));
            }
        }
    }

    impl Wake for Foreign {
        fn wake(self: Arc<Self>) {
            self.wake_by_ref();
        }

        fn wake_by_ref(self: &Arc<Self>) {
            self.run("woken");
        }
    }

    impl Drop for Foreign {
        fn drop(&mut self) {
            self.run("dropped");
        }
    }

    #[test]
    fn a_waker_that_another_replaces_is_dropped_outside_of_the_lock() {
        let mutex: Arc<Mutex<Option<Waker>>> = Arc::default();
        let its = Arc::clone(&mutex);
        let (waker, ran) = Foreign::waker(move || its.try_lock().is_ok());
        let wait = |waker: &Waker| {
            let polled: Poll<()> = poll(&mutex, &Context::from_waker(waker), |place| Err(place));
            assert!(polled.is_pending());
        };
        wait(&waker);
        drop(waker);
        assert_eq!(ran.load(Ordering::SeqCst), 0);
        wait(Waker::noop());
        assert_eq!(ran.load(Ordering::SeqCst), 1);
    }
}
