//! The wakers of those who wait for the same thing, each under a key of its own. Who stops waiting removes its waker.

use std::task::Waker;

use slab::Slab;

/// See the module's documentation. `T` says what each waits for, where that differs.
pub(crate) struct Waiters<T>(Slab<(T, Option<Waker>)>);

impl<T> Default for Waiters<T> {
    fn default() -> Self {
        Self(Slab::new())
    }
}

impl<T> Waiters<T> {
    /// The place of the waker of `key`. A key that is `None` becomes a free one.
    pub(crate) fn place(&mut self, key: &mut Option<usize>, what: T) -> &mut Option<Waker> {
        let at = match *key {
            Some(key) if self.0.contains(key) => key,
            _ => *key.insert(self.0.insert((what, None))),
        };
        &mut self.0[at].1
    }

    /// Takes out the wakers of those for whom `is_to_be` is true. They keep their keys.
    pub(crate) fn take(&mut self, is_to_be: impl Fn(&T) -> bool) -> Vec<Waker> {
        let wakers = self
            .0
            .iter_mut()
            .filter_map(|(_, (what, waker))| if is_to_be(what) { waker.take() } else { None });
        wakers.collect()
    }

    /// Whether there is a key for which `is_one` is true, with or without a waker.
    pub(crate) fn any(&self, is_one: impl Fn(&T) -> bool) -> bool {
        self.0.iter().any(|(_, (what, _))| is_one(what))
    }

    /// Frees the key; its waker is to be dropped outside of any lock.
    pub(crate) fn remove(&mut self, key: &mut Option<usize>) -> Option<Waker> {
        self.0.try_remove(key.take()?)?.1
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}
