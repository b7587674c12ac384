//! The deadlines of all connections of a server, in one coarse structure instead of a timer each.
//!
//! A connection has one entry, which is also how a drain finds it. An entry is moved only when its connection needs
//! to wake earlier than it stands; a deadline that moves later is found out when the old one comes. So a busy
//! keep-alive connection touches this structure once in a deadline, not once in a request.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::task::{Context, Waker};

use crate::lock::lock;

/// No deadline.
pub(crate) const NEVER: u64 = u64::MAX;

#[derive(Debug, Default)]
pub(crate) struct Alarms {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    entries: BTreeMap<(u64, u64), Waker>,
    /// When the sweeper looks next, and how to tell it to look earlier.
    planned: u64,
    sweeper: Option<Waker>,
}

impl Alarms {
    /// Moves the entry of `key` from `old` to `at`, or makes it.
    pub(crate) fn arm(&self, key: u64, old: u64, at: u64, waker: &Waker) {
        let mut inner = lock(&self.inner);
        inner.remove(key, old);
        inner.entries.insert((at, key), waker.clone());
        if at < inner.planned {
            inner.planned = at;
            let sweeper = inner.sweeper.take();
            drop(inner);
            if let Some(sweeper) = sweeper {
                sweeper.wake();
            }
        }
    }

    /// Forgets the entry of `key`, which stood at `old`.
    pub(crate) fn disarm(&self, key: u64, old: u64) {
        let waker = lock(&self.inner).remove(key, old);
        drop(waker);
    }

    /// Wakes whoever is due at `now`, and says when the next is; the entries stay, so that a drain finds them.
    /// The task of `cx` is woken when something earlier is armed.
    pub(crate) fn sweep(&self, now: u64, cx: &mut Context<'_>) -> u64 {
        let mut due = Vec::new();
        let mut inner = lock(&self.inner);
        while let Some(entry) = inner.entries.first_entry() {
            let (at, key) = *entry.key();
            if at > now || at == NEVER {
                break;
            }
            let waker = entry.remove();
            due.push(waker.clone());
            inner.entries.insert((NEVER, key), waker);
        }
        inner.planned = inner.entries.first_key_value().map_or(NEVER, |((at, _), _)| *at);
        if !inner.sweeper.as_ref().is_some_and(|sweeper| sweeper.will_wake(cx.waker())) {
            inner.sweeper = Some(cx.waker().clone());
        }
        let planned = inner.planned;
        drop(inner);
        due.into_iter().for_each(Waker::wake);
        planned
    }

    /// Wakes every connection, and the sweeper.
    pub(crate) fn wake_all(&self) {
        let inner = lock(&self.inner);
        let wakers: Vec<Waker> = inner.entries.values().chain(&inner.sweeper).cloned().collect();
        drop(inner);
        wakers.into_iter().for_each(Waker::wake);
    }
}

impl Inner {
    fn remove(&mut self, key: u64, old: u64) -> Option<Waker> {
        // A sweep may have moved it to the end.
        self.entries.remove(&(old, key)).or_else(|| self.entries.remove(&(NEVER, key)))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use super::*;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn a_due_entry_wakes_once_and_stays() {
        let (alarms, count) = (Alarms::default(), Arc::new(Count::default()));
        let waker = Waker::from(Arc::clone(&count));
        let mut cx = Context::from_waker(Waker::noop());
        alarms.arm(1, NEVER, 50, &waker);
        alarms.arm(2, NEVER, 80, &waker);
        assert_eq!(alarms.sweep(49, &mut cx), 50);
        assert_eq!(count.0.load(Ordering::SeqCst), 0);
        assert_eq!(alarms.sweep(50, &mut cx), 80);
        assert_eq!(alarms.sweep(51, &mut cx), 80);
        assert_eq!(count.0.load(Ordering::SeqCst), 1);
        alarms.wake_all();
        assert_eq!(count.0.load(Ordering::SeqCst), 3);
        alarms.disarm(1, 50);
        alarms.disarm(2, 80);
        assert_eq!(alarms.sweep(1000, &mut cx), NEVER);
    }

    #[test]
    fn an_earlier_alarm_wakes_the_sweeper() {
        let (alarms, count) = (Alarms::default(), Arc::new(Count::default()));
        let sweeper = Waker::from(Arc::clone(&count));
        assert_eq!(alarms.sweep(0, &mut Context::from_waker(&sweeper)), NEVER);
        alarms.arm(1, NEVER, 50, Waker::noop());
        alarms.arm(1, 50, 70, Waker::noop());
        assert_eq!(count.0.load(Ordering::SeqCst), 1);
    }
}
