//! The deadlines of all connections of a server, in one coarse structure instead of a timer each.
//!
//! A connection has one entry, which is also how a drain finds it. An entry is moved only when its connection needs
//! to wake earlier than it stands; a deadline that moves later is found out when the old one comes. So a busy
//! keep-alive connection touches this structure once in a deadline, not once in a request.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Waker};

use crate::lock::lock;
use crate::panics;

pub(crate) use registration::Registration;

mod registration;

/// No deadline.
pub(crate) const NEVER: u64 = u64::MAX;

/// Connections that one search for the longest idle finds.
const FOUND: usize = 256;

/// Milliseconds before a search that found none is repeated.
pub(crate) const FRUITLESS: u64 = 10;

#[derive(Debug, Default)]
pub(crate) struct Alarms {
    table: Mutex<AlarmTable>,
}

/// The last reference to a registration is never dropped under the lock, since that drops a waker: the caller of a removal
/// has another reference, or the entry is passed on.
#[derive(Debug, Default)]
struct AlarmTable {
    entries: BTreeSet<Entry>,
    /// When the sweeper looks next, and how to tell it to look earlier.
    planned: u64,
    sweeper: Option<Waker>,
    /// The longest idle, the longest last, as the last search found them.
    idle: Vec<(u64, Arc<Registration>)>,
    /// When to search again.
    search_at: u64,
    /// How often an entry was made or moved.
    #[cfg(test)]
    armed: u64,
}

/// A registration, at its time. The order is that of the times, and of the keys where those are the same.
#[derive(Debug)]
struct Entry {
    at: u64,
    registration: Arc<Registration>,
}

impl Entry {
    fn place(&self) -> (u64, u64) {
        (self.at, self.registration.key)
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> Ordering {
        self.place().cmp(&other.place())
    }
}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.place() == other.place()
    }
}

impl Eq for Entry {}

impl Alarms {
    /// Moves the entry of a registration from `old` to `at`, or makes it.
    pub(crate) fn arm(&self, registration: &Arc<Registration>, old: u64, at: u64) {
        let mut table = lock(&self.table);
        table.remove(registration, old);
        table.entries.insert(Entry { at, registration: Arc::clone(registration) });
        #[cfg(test)]
        {
            table.armed += 1;
        }
        let mut sweeper = None;
        if at < table.planned {
            table.planned = at;
            sweeper = table.sweeper.take();
        }
        drop(table);
        if let Some(sweeper) = sweeper {
            panics::wake(sweeper);
        }
    }

    /// Has the connection closed that has been idle for the longest; `false` if none is idle. The connections are
    /// searched once for many calls.
    pub(crate) fn evict(&self, now: u64) -> bool {
        // Declared before the lock is taken, so dropped after it: one may be the last reference to its registration.
        let (mut passed, mut searched) = (Vec::new(), false);
        let mut table = lock(&self.table);
        let registration = loop {
            match table.idle.pop() {
                Some((since, registration)) if registration.idle_since() == since => {
                    break Some(registration);
                }
                // Not idle any more, or not for as long.
                Some((_, registration)) => passed.push(registration),
                None if searched || now < table.search_at => break None,
                None => {
                    table.search(now);
                    searched = true;
                }
            }
        };
        drop(table);
        panics::discard(passed);
        let Some(registration) = registration else { return false };
        registration.set_idle_since(NEVER);
        registration.evict();
        registration.wake();
        panics::discard(registration);
        true
    }

    /// Forgets the entry of a registration, which stood at `old`.
    pub(crate) fn disarm(&self, registration: &Arc<Registration>, old: u64) {
        lock(&self.table).remove(registration, old);
    }

    /// Who is due at `now` and is to be woken, and when the next is; the entries stay, so that a drain finds them.
    /// The task of `cx` is woken when something earlier is armed.
    pub(crate) fn due(&self, now: u64, cx: &Context<'_>) -> (Vec<Arc<Registration>>, u64) {
        let mut due = Vec::new();
        let mut table = self.lock_for(cx);
        while table.next() <= now.min(NEVER - 1) {
            let Some(Entry { registration, .. }) = table.entries.pop_first() else { break };
            due.push(Arc::clone(&registration));
            table.entries.insert(Entry { at: NEVER, registration });
        }
        table.planned = table.next();
        let planned = table.planned;
        drop(table);
        (due, planned)
    }

    /// The lock, with the sweeper known.
    fn lock_for(&self, cx: &Context<'_>) -> MutexGuard<'_, AlarmTable> {
        let table = lock(&self.table);
        if table.sweeper.as_ref().is_some_and(|sweeper| sweeper.will_wake(cx.waker())) {
            return table;
        }
        drop(table);
        let sweeper = cx.waker().clone();
        let before = lock(&self.table).sweeper.replace(sweeper);
        panics::discard(before);
        lock(&self.table)
    }

    /// Every connection, to be woken.
    pub(crate) fn all(&self) -> Vec<Arc<Registration>> {
        lock(&self.table).entries.iter().map(|entry| Arc::clone(&entry.registration)).collect()
    }

    /// Has the sweeper look again.
    pub(crate) fn wake_sweeper(&self) {
        let sweeper = lock(&self.table).sweeper.take();
        if let Some(sweeper) = sweeper {
            panics::wake(sweeper);
        }
    }

    /// Connections that have an entry.
    pub(crate) fn len(&self) -> usize {
        lock(&self.table).entries.len()
    }
}

impl AlarmTable {
    fn remove(&mut self, registration: &Arc<Registration>, old: u64) {
        // A sweep may have moved it to the end.
        for at in [old, NEVER] {
            if self.entries.remove(&Entry { at, registration: Arc::clone(registration) }) {
                return;
            }
        }
    }

    /// When the next one is due.
    fn next(&self) -> u64 {
        self.entries.first().map_or(NEVER, |entry| entry.at)
    }

    fn search(&mut self, now: u64) {
        let idle = self.entries.iter().filter_map(|Entry { registration, .. }| {
            let since = registration.idle_since();
            (since != NEVER).then_some((since, registration))
        });
        let mut idle: Vec<(u64, &Arc<Registration>)> = idle.collect();
        if idle.len() > FOUND {
            idle.select_nth_unstable_by_key(FOUND, |&(since, _)| since);
            idle.truncate(FOUND);
        }
        idle.sort_unstable_by_key(|&(since, _)| std::cmp::Reverse(since));
        self.idle = idle.into_iter().map(|(since, registration)| (since, Arc::clone(registration))).collect();
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
    use crate::waiting::tests::Foreign;
    use crate::wire::Wire;
    use crate::{Clock, Inline, Service};

    /// How often a task was woken.
    #[derive(Default)]
    pub(super) struct WakeCount(pub(super) AtomicUsize);

    impl Wake for WakeCount {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn registration(key: u64, waker: &Waker) -> Arc<Registration> {
        let registration = Registration::new(key);
        registration.set_waker(waker);
        registration
    }

    /// Wakes whoever is due; when the next is.
    fn sweep(alarms: &Alarms, now: u64) -> u64 {
        let (due, next) = alarms.due(now, &Context::from_waker(Waker::noop()));
        due.iter().for_each(|registration| registration.wake());
        next
    }

    #[test]
    fn a_due_entry_wakes_once_and_stays() {
        let (alarms, count) = (Alarms::default(), Arc::new(WakeCount::default()));
        let waker = Waker::from(Arc::clone(&count));
        let registrations = [registration(1, &waker), registration(2, &waker)];
        alarms.arm(&registrations[0], NEVER, 50);
        alarms.arm(&registrations[1], NEVER, 80);
        assert_eq!(sweep(&alarms, 49), 50);
        assert_eq!(count.0.load(Ordering::SeqCst), 0);
        assert_eq!(sweep(&alarms, 50), 80);
        assert_eq!(sweep(&alarms, 51), 80);
        assert_eq!(count.0.load(Ordering::SeqCst), 1);
        alarms.all().iter().for_each(|registration| registration.wake());
        assert_eq!(count.0.load(Ordering::SeqCst), 3);
        alarms.disarm(&registrations[0], 50);
        alarms.disarm(&registrations[1], 80);
        assert_eq!(sweep(&alarms, 1000), NEVER);
        assert_eq!(alarms.len(), 0);
    }

    /// A waker is foreign code: what wakes it, and what drops the last of it, holds no lock of ours, and goes on where
    /// it panics.
    #[test]
    fn no_waker_is_woken_or_dropped_under_the_lock() {
        let alarms = Arc::new(Alarms::default());
        let foreign = || {
            let its = Arc::clone(&alarms);
            Foreign::waker(move || its.table.try_lock().is_ok())
        };
        let ran = |ran: &Arc<AtomicUsize>| ran.load(Ordering::SeqCst);

        // The search for idle connections has the last reference to a registration.
        let (waker, counted) = foreign();
        let idle = registration(1, &waker);
        drop(waker);
        idle.set_idle_since(5);
        alarms.arm(&idle, NEVER, 50);
        let (waker, others) = foreign();
        let longer = registration(2, &waker);
        drop(waker);
        longer.set_idle_since(1);
        alarms.arm(&longer, NEVER, 50);
        assert!(alarms.evict(10) && longer.is_evicted());
        assert_eq!(ran(&others), 1, "woken");
        idle.set_idle_since(NEVER);
        alarms.disarm(&idle, 50);
        alarms.disarm(&longer, 50);
        panics::discard(longer);
        drop(idle);
        assert_eq!((ran(&counted), ran(&others)), (0, 2), "the search holds one of them");
        assert!(!alarms.evict(10));
        assert_eq!(ran(&counted), 1);

        // A sweeper is replaced, and is woken for the last time.
        let (waker, counted) = foreign();
        alarms.due(0, &Context::from_waker(&waker));
        drop(waker);
        assert_eq!(ran(&counted), 0);
        assert_eq!(sweep(&alarms, 0), NEVER);
        assert_eq!(ran(&counted), 1, "dropped");
        let (waker, counted) = foreign();
        alarms.due(0, &Context::from_waker(&waker));
        drop(waker);
        let (waker, of_entry) = foreign();
        let entry = registration(1, &waker);
        drop(waker);
        alarms.arm(&entry, NEVER, 50);
        assert_eq!(ran(&counted), 2, "woken and dropped");

        // An entry is moved, is due, and goes.
        alarms.arm(&entry, 50, 60);
        assert_eq!(sweep(&alarms, 70), NEVER);
        assert_eq!(ran(&of_entry), 1, "woken");
        alarms.disarm(&entry, 60);
        panics::discard(entry);
        assert_eq!(ran(&of_entry), 2, "dropped");
    }

    #[test]
    fn an_earlier_alarm_wakes_the_sweeper() {
        let (alarms, count) = (Alarms::default(), Arc::new(WakeCount::default()));
        let sweeper = Waker::from(Arc::clone(&count));
        assert_eq!(alarms.due(0, &Context::from_waker(&sweeper)).1, NEVER);
        let registration = registration(1, Waker::noop());
        alarms.arm(&registration, NEVER, 50);
        alarms.arm(&registration, 50, 70);
        assert_eq!(count.0.load(Ordering::SeqCst), 1);
    }

    /// Fails if an entry that is moved leaves its old one behind, and if a sweep takes more than is due.
    #[test]
    fn a_hundred_thousand_alarms_that_are_moved_are_as_many_entries_and_none_when_they_are_disarmed() {
        const ALARMS: u64 = 100_000;
        let (alarms, count) = (Alarms::default(), Arc::new(WakeCount::default()));
        let waker = Waker::from(Arc::clone(&count));
        let registrations: Vec<_> = (0..=ALARMS).map(|key| registration(key, &waker)).collect();
        let at = |key: u64, round: u64| 1_000_000 - 1000 * round + key % 1000;
        for round in 0..4 {
            for key in 1..=ALARMS {
                let old = if round == 0 { NEVER } else { at(key, round - 1) };
                alarms.arm(&registrations[key as usize], old, at(key, round));
            }
            assert_eq!(alarms.len() as u64, ALARMS, "in round {round}");
        }
        assert!(registrations[1..].iter().all(|registration| Arc::strong_count(registration) == 2));
        // A thousandth is due at each moment.
        for ms in 0..10 {
            assert_eq!(sweep(&alarms, 997_000 + ms), 997_001 + ms);
            assert_eq!(count.0.load(Ordering::SeqCst) as u64, ALARMS / 1000 * (ms + 1));
        }
        for key in 1..=ALARMS {
            alarms.disarm(&registrations[key as usize], at(key, 3));
        }
        assert!(
            alarms.len() == 0
                && registrations.iter().all(|registration| Arc::strong_count(registration) == 1)
        );
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
        let mut response = [0; 1000];
        for n in 0..100_000 {
            // In two pieces, so that there is a head to wait for, too.
            for piece in [&b"GET / HTTP/1.1\r\n"[..], b"Host: a\r\n\r\n"] {
                assert!(near.poll_write(&mut cx, piece).is_ready());
                assert!(Pin::new(&mut driver).poll(&mut cx).is_pending());
            }
            assert!(near.poll_read(&mut cx, &mut response).is_ready(), "request {n} gets no response");
            clock.advance(Duration::from_millis(1));
            service.shared.sweep(&cx);
        }
        // The deadlines of a first byte and of a head are 30 s.
        let armed = lock(&service.shared.alarms.table).armed;
        assert!(armed <= 2 + 100 / 30, "armed {armed} times");
        assert_eq!(service.shared.alarms.len(), 1);
    }
}
