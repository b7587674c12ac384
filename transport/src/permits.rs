//! Permits to wait: so many functions of a server may hold a thread of few while they wait for their peers.

use std::sync::Arc;

use crate::atomic::{AtomicUsize, Ordering};

/// How many permits there are, and how many are taken.
pub(crate) struct Permits {
    most: AtomicUsize,
    taken: AtomicUsize,
}

/// One of them, until this is dropped.
#[must_use = "the permit goes back when this is dropped"]
pub(crate) struct Permit(Arc<Permits>);

impl Permits {
    /// `most` of them.
    pub(crate) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most: AtomicUsize::new(most), taken: AtomicUsize::new(0) })
    }

    /// From now on there are `most`. Those that are taken stay so.
    pub(crate) fn set(&self, most: usize) {
        self.most.store(most, Ordering::SeqCst);
    }

    /// One, if not all are taken.
    pub(crate) fn try_take(self: &Arc<Self>) -> Option<Permit> {
        let most = self.most.load(Ordering::SeqCst);
        let mut taken = self.taken.load(Ordering::SeqCst);
        while taken < most {
            match self.taken.compare_exchange(taken, taken + 1, Ordering::SeqCst, Ordering::SeqCst) {
                Ok(_) => return Some(Permit(Arc::clone(self))),
                Err(now) => taken = now,
            }
        }
        None
    }

    /// How many are taken.
    pub(crate) fn taken(&self) -> usize {
        self.taken.load(Ordering::SeqCst)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.taken.fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn there_are_so_many_and_each_goes_back_once() {
        let permits = Permits::new(2);
        let [first, second] = [(); 2].map(|()| permits.try_take());
        assert!(first.is_some() && second.is_some() && permits.try_take().is_none());
        drop(first);
        assert_eq!(permits.taken(), 1);
        let third = permits.try_take();
        assert!(third.is_some() && permits.try_take().is_none());
        permits.set(1);
        drop(third);
        assert!(permits.try_take().is_none(), "one is taken, and there is one");
        drop(second);
        assert_eq!(permits.taken(), 0);
        assert!(permits.try_take().is_some());
    }

    #[test]
    fn threads_that_take_them_at_once_never_have_more_than_there_are() {
        const MOST: usize = 3;
        let (permits, held) = (Permits::new(MOST), AtomicUsize::new(0));
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..2000 {
                        let Some(permit) = permits.try_take() else { continue };
                        assert!(held.fetch_add(1, Ordering::SeqCst) < MOST);
                        held.fetch_sub(1, Ordering::SeqCst);
                        drop(permit);
                    }
                });
            }
        });
        assert_eq!(permits.taken(), 0);
    }
}
