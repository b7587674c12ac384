//! The deadlines of all connections of a server, in one coarse structure instead of a timer each.
//!
//! A connection has one entry, which is also how a drain finds it. An entry is moved only when its connection needs
//! to wake earlier than it stands; a deadline that moves later is found out when the old one comes. So a busy
//! keep-alive connection touches this structure once in a deadline, not once in a request.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Waker};

use httpfsm::server::ChannelId;

use crate::lock::lock;
use crate::panics;

/// No deadline.
pub(crate) const NEVER: u64 = u64::MAX;

/// Connections that one search for the longest idle finds.
const FOUND: usize = 256;

/// Milliseconds before a search that found none is repeated.
const FRUITLESS: u64 = 10;

/// What is known of a connection outside of its task.
#[derive(Debug)]
pub(crate) struct Seat {
    pub(crate) id: ChannelId,
    idle_since: AtomicU64,
    evicted: AtomicBool,
}

impl Seat {
    pub(crate) fn new(id: ChannelId) -> Arc<Self> {
        Arc::new(Self { id, idle_since: AtomicU64::new(NEVER), evicted: AtomicBool::new(false) })
    }

    /// Notes since when the connection is idle; `NEVER`: it is not.
    #[inline]
    pub(crate) fn rest(&self, idle_since: u64) {
        self.idle_since.store(idle_since, Ordering::Relaxed);
    }

    fn idle_since(&self) -> u64 {
        self.idle_since.load(Ordering::Relaxed)
    }

    /// The connection is wanted back.
    pub(crate) fn evict(&self) {
        self.evicted.store(true, Ordering::Release);
    }

    /// Whether it is.
    #[inline]
    pub(crate) fn is_evicted(&self) -> bool {
        self.evicted.load(Ordering::Acquire)
    }
}

#[derive(Debug, Default)]
pub(crate) struct Alarms {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    entries: BTreeMap<(u64, u64), Entry>,
    /// When the sweeper looks next, and how to tell it to look earlier.
    planned: u64,
    sweeper: Option<Waker>,
    /// The longest idle, the longest last, as the last search found them.
    idle: Vec<(u64, Entry)>,
    /// When to search again.
    search_at: u64,
    /// How often an entry was made or moved.
    #[cfg(test)]
    armed: u64,
}

#[derive(Clone, Debug)]
struct Entry {
    waker: Waker,
    /// None for what is no connection.
    seat: Option<Arc<Seat>>,
}

impl Alarms {
    /// Moves the entry of `key` from `old` to `at`, or makes it.
    pub(crate) fn arm(&self, key: u64, old: u64, at: u64, waker: &Waker, seat: Option<&Arc<Seat>>) {
        let entry = Entry { waker: waker.clone(), seat: seat.cloned() };
        let mut inner = lock(&self.inner);
        let before = inner.remove(key, old);
        inner.entries.insert((at, key), entry);
        #[cfg(test)]
        {
            inner.armed += 1;
        }
        let mut sweeper = None;
        if at < inner.planned {
            inner.planned = at;
            sweeper = inner.sweeper.take();
        }
        drop(inner);
        // A waker may be the last that holds its task, and a task that is dropped comes back here.
        drop(before);
        if let Some(sweeper) = sweeper {
            sweeper.wake();
        }
    }

    /// Has the connection closed that has been idle for the longest; `false` if none is idle. The connections are
    /// searched once for many calls.
    pub(crate) fn evict(&self, now: u64) -> bool {
        let mut inner = lock(&self.inner);
        let (mut passed, mut searched) = (Vec::new(), false);
        loop {
            match inner.idle.pop() {
                Some((since, Entry { waker, seat: Some(seat) })) if seat.idle_since() == since => {
                    drop(inner);
                    seat.rest(NEVER);
                    seat.evict();
                    waker.wake();
                    return true;
                }
                // Not idle any more, or not for as long.
                Some(entry) => passed.push(entry),
                None if searched || now < inner.search_at => return false,
                None => {
                    inner.search(now);
                    searched = true;
                }
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
            let entry = entry.remove();
            due.push(entry.waker.clone());
            inner.entries.insert((NEVER, key), entry);
        }
        inner.planned = inner.entries.first_key_value().map_or(NEVER, |((at, _), _)| *at);
        if !inner.sweeper.as_ref().is_some_and(|sweeper| sweeper.will_wake(cx.waker())) {
            inner.sweeper = Some(cx.waker().clone());
        }
        let planned = inner.planned;
        drop(inner);
        due.into_iter().for_each(panics::wake);
        planned
    }

    /// Wakes every connection, and the sweeper.
    pub(crate) fn wake_all(&self) {
        let inner = lock(&self.inner);
        let connections = inner.entries.values().map(|entry| &entry.waker);
        let wakers: Vec<Waker> = connections.chain(&inner.sweeper).cloned().collect();
        drop(inner);
        wakers.into_iter().for_each(panics::wake);
    }

    /// Has the sweeper look again.
    pub(crate) fn wake_sweeper(&self) {
        let sweeper = lock(&self.inner).sweeper.take();
        if let Some(sweeper) = sweeper {
            sweeper.wake();
        }
    }

    /// Connections that have an entry.
    pub(crate) fn len(&self) -> usize {
        lock(&self.inner).entries.len()
    }
}

impl Inner {
    fn remove(&mut self, key: u64, old: u64) -> Option<Entry> {
        // A sweep may have moved it to the end.
        self.entries.remove(&(old, key)).or_else(|| self.entries.remove(&(NEVER, key)))
    }

    fn search(&mut self, now: u64) {
        let idle = self.entries.values().filter_map(|entry| {
            let since = entry.seat.as_ref()?.idle_since();
            (since != NEVER).then_some((since, entry))
        });
        let mut idle: Vec<(u64, &Entry)> = idle.collect();
        if idle.len() > FOUND {
            idle.select_nth_unstable_by_key(FOUND, |&(since, _)| since);
            idle.truncate(FOUND);
        }
        idle.sort_unstable_by_key(|&(since, _)| std::cmp::Reverse(since));
        self.idle = idle.into_iter().map(|(since, entry)| (since, entry.clone())).collect();
        self.search_at = if self.idle.is_empty() { now + FRUITLESS } else { now };
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::Pin;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;
    use std::time::Duration;

    use httpfsm::config::ServerConfig;
    use httpfsm::handler::Request;
    use httpfsm::peer::Peer;

    use super::*;
    use crate::memory::pair;
    use crate::wire::Wire;
    use crate::{Clock, Inline, Service};

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
        alarms.arm(1, NEVER, 50, &waker, None);
        alarms.arm(2, NEVER, 80, &waker, None);
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
        assert_eq!(alarms.len(), 0);
    }

    #[test]
    fn an_earlier_alarm_wakes_the_sweeper() {
        let (alarms, count) = (Alarms::default(), Arc::new(Count::default()));
        let sweeper = Waker::from(Arc::clone(&count));
        assert_eq!(alarms.sweep(0, &mut Context::from_waker(&sweeper)), NEVER);
        alarms.arm(1, NEVER, 50, Waker::noop(), None);
        alarms.arm(1, 50, 70, Waker::noop(), None);
        assert_eq!(count.0.load(Ordering::SeqCst), 1);
    }

    /// Fails if an entry that is moved leaves its old one behind, and if a sweep takes more than is due.
    #[test]
    fn a_hundred_thousand_alarms_that_are_moved_are_as_many_entries_and_none_when_they_are_disarmed() {
        const ALARMS: u64 = 100_000;
        let (alarms, count) = (Alarms::default(), Arc::new(Count::default()));
        let (waker, mut cx) = (Waker::from(Arc::clone(&count)), Context::from_waker(Waker::noop()));
        let at = |key: u64, round: u64| 1_000_000 - 1000 * round + key % 1000;
        for round in 0..4 {
            for key in 1..=ALARMS {
                let old = if round == 0 { NEVER } else { at(key, round - 1) };
                alarms.arm(key, old, at(key, round), &waker, None);
            }
            assert_eq!(alarms.len() as u64, ALARMS, "in round {round}");
        }
        assert_eq!(Arc::strong_count(&count) as u64, ALARMS + 2, "a waker for each entry");
        // A thousandth is due at each moment.
        for ms in 0..10 {
            assert_eq!(alarms.sweep(997_000 + ms, &mut cx), 997_001 + ms);
            assert_eq!(count.0.load(Ordering::SeqCst) as u64, ALARMS / 1000 * (ms + 1));
        }
        for key in 1..=ALARMS {
            alarms.disarm(key, at(key, 3));
        }
        assert_eq!((alarms.len(), Arc::strong_count(&count)), (0, 2));
    }

    /// A hundred thousand requests in as many milliseconds: a connection that armed at each would do so a hundred
    /// thousand times.
    #[test]
    fn a_busy_connection_moves_its_alarm_once_in_a_deadline_and_not_once_in_a_request() {
        let clock = Clock::manual();
        let handler = |_: Request| async { "fine" };
        let service = Service::new(ServerConfig::default(), clock.clone(), Arc::new(Inline), None, handler);
        let (mut near, far) = pair(10_000);
        let Ok(mut driver) = service.connect(far, Peer::Unix(None), Peer::Unix(None)) else {
            panic!("refused");
        };
        let mut cx = Context::from_waker(Waker::noop());
        let mut answer = [0; 1000];
        for n in 0..100_000 {
            // In two pieces, so that there is a head to wait for, too.
            for piece in [&b"GET / HTTP/1.1\r\n"[..], b"Host: a\r\n\r\n"] {
                assert!(near.poll_write(&mut cx, piece).is_ready());
                assert!(Pin::new(&mut driver).poll(&mut cx).is_pending());
            }
            assert!(near.poll_read(&mut cx, &mut answer).is_ready(), "request {n} is not answered");
            clock.advance(Duration::from_millis(1));
            service.desk.sweep(&mut cx);
        }
        // The deadlines of a first octet and of a head are 30 s.
        let armed = lock(&service.desk.alarms.inner).armed;
        assert!(armed <= 2 + 100 / 30, "armed {armed} times");
        assert_eq!(service.desk.alarms.len(), 1);
    }
}
