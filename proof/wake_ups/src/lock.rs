//! loom's mutex and condition variable, whose waits for a length of time may end at any moment.

use std::ops::{Deref, DerefMut};
use std::sync::LockResult;
use std::time::Duration;

use loom::sync as of_loom;
use loom::thread;

#[derive(Default)]
pub(crate) struct Mutex<T>(of_loom::Mutex<T>);

pub(crate) struct MutexGuard<'a, T> {
    guard: of_loom::MutexGuard<'a, T>,
    mutex: &'a Mutex<T>,
}

#[derive(Default)]
pub(crate) struct Condvar(of_loom::Condvar);

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    let guard = mutex.0.lock().expect("a model that panics is over");
    MutexGuard { guard, mutex }
}

impl<T> Mutex<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(of_loom::Mutex::new(value))
    }
}

impl<T> Deref for MutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.guard
    }
}

impl<T> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.guard
    }
}

/// The same results as of the standard library's.
impl Condvar {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn wait<'a, T>(&self, guard: MutexGuard<'a, T>) -> LockResult<MutexGuard<'a, T>> {
        let MutexGuard { guard, mutex } = guard;
        let guard = self.0.wait(guard).expect("a model that panics is over");
        Ok(MutexGuard { guard, mutex })
    }

    /// It does not even wait: others have their turn meanwhile.
    pub(crate) fn wait_timeout<'a, T>(
        &self,
        guard: MutexGuard<'a, T>,
        _length: Duration,
    ) -> LockResult<(MutexGuard<'a, T>, ())> {
        let MutexGuard { guard, mutex } = guard;
        drop(guard);
        thread::yield_now();
        Ok((lock(mutex), ()))
    }

    pub(crate) fn notify_one(&self) {
        self.0.notify_one();
    }

    pub(crate) fn notify_all(&self) {
        self.0.notify_all();
    }
}
