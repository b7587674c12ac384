//! loom's atomics. To loom `SeqCst` is no more than `AcqRel`, but it knows fences of that order. So each store of that order
//! is followed by one: what else a processor may do is to have a load overtake a store.

use loom::sync::atomic as of_loom;
use loom::sync::atomic::fence;

pub(crate) use loom::sync::atomic::{AtomicU8, AtomicU32, Ordering};

fn is_sequential(order: Ordering) -> bool {
    order == Ordering::SeqCst
}

fn fence_if(needed: bool) {
    if needed {
        fence(Ordering::SeqCst);
    }
}

#[derive(Debug)]
pub(crate) struct AtomicUsize(of_loom::AtomicUsize);

impl AtomicUsize {
    pub(crate) fn new(value: usize) -> Self {
        Self(of_loom::AtomicUsize::new(value))
    }

    pub(crate) fn load(&self, order: Ordering) -> usize {
        self.0.load(if is_sequential(order) { Ordering::Acquire } else { order })
    }

    pub(crate) fn store(&self, value: usize, order: Ordering) {
        self.0.store(value, if is_sequential(order) { Ordering::Release } else { order });
        fence_if(is_sequential(order));
    }

    pub(crate) fn fetch_add(&self, value: usize, order: Ordering) -> usize {
        let before = self.0.fetch_add(value, order);
        fence_if(is_sequential(order));
        before
    }

    pub(crate) fn fetch_update(
        &self,
        set: Ordering,
        fetch: Ordering,
        update: impl FnMut(usize) -> Option<usize>,
    ) -> Result<usize, usize> {
        let before = self.0.fetch_update(set, fetch, update);
        fence_if(is_sequential(set));
        before
    }

    pub(crate) fn compare_exchange(
        &self,
        current: usize,
        new: usize,
        set: Ordering,
        fetch: Ordering,
    ) -> Result<usize, usize> {
        let fetch = if is_sequential(fetch) { Ordering::Acquire } else { fetch };
        let before = self.0.compare_exchange(current, new, set, fetch);
        fence_if(is_sequential(set));
        before
    }

    pub(crate) fn fetch_sub(&self, value: usize, order: Ordering) -> usize {
        let before = self.0.fetch_sub(value, order);
        fence_if(is_sequential(order));
        before
    }
}

#[derive(Debug)]
pub(crate) struct AtomicBool(of_loom::AtomicBool);

impl AtomicBool {
    pub(crate) fn new(value: bool) -> Self {
        Self(of_loom::AtomicBool::new(value))
    }

    /// loom would put a store before a `swap` that has not seen it, though that `swap` had read what the store came behind.
    pub(crate) fn store(&self, value: bool, order: Ordering) {
        if is_sequential(order) {
            self.swap(value, order);
        } else {
            self.0.store(value, order);
        }
    }

    pub(crate) fn load(&self, order: Ordering) -> bool {
        self.0.load(if is_sequential(order) { Ordering::Acquire } else { order })
    }

    pub(crate) fn swap(&self, value: bool, order: Ordering) -> bool {
        let before = self.0.swap(value, order);
        fence_if(is_sequential(order));
        before
    }
}
