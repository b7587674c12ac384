//! Those who wait for room, in order.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use httpfsm::handler::{MemoryLedger, NoRoom, Waiter};

use super::{Charge, LEAST, Ledger, Row};
use crate::alarms::{NEVER, Registration};
use crate::lock::lock;
use crate::panics;

/// The alarms of those who wait have keys from here on: channels are counted from 1 upwards, listeners from the end down.
const KEYS: u64 = 1 << 62;

/// Those who wait, and those who have got room and do not know yet.
#[derive(Default)]
pub(super) struct Queue {
    entries: BTreeMap<usize, Entry>,
    granted: BTreeMap<usize, (u64, Entry)>,
    pub(super) next: usize,
}

struct Entry {
    /// Bytes that are asked for.
    most: u64,
    /// When it is told that there is no room, on the server's clock.
    at: u64,
    /// Wakes it.
    registration: Arc<Registration>,
}

impl Ledger {
    /// Whether somebody waits for room.
    pub(crate) fn is_waited_for(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > 0
    }

    /// Gives what is free to those who wait, in order, and wakes them.
    #[cold]
    pub(super) fn serve(&self) {
        let mut woken = Vec::new();
        let mut queue = lock(&self.queue);
        while let Some(first) = queue.entries.first_entry() {
            let Some(bytes) = self.take_granted(first.get().most) else { break };
            let (ticket, entry) = first.remove_entry();
            woken.push(Arc::clone(&entry.registration));
            queue.granted.insert(ticket, (bytes, entry));
        }
        self.waiting.store(queue.entries.len(), Ordering::SeqCst);
        drop(queue);
        for registration in woken {
            registration.wake();
            panics::discard(registration);
        }
    }

    /// Room that counts as promised until it is taken up.
    fn take_granted(&self, most: u64) -> Option<u64> {
        let bytes = self.take_share(most)?;
        self.rows[Row::Promised as usize].fetch_add(bytes, Ordering::SeqCst);
        Some(bytes)
    }

    /// Room for `most` bytes or fewer, in order. It counts as promised.
    fn poll_room(
        &self,
        ticket: &mut Option<usize>,
        most: u64,
        cx: &Context<'_>,
    ) -> Poll<Result<u64, NoRoom>> {
        let ticket = match *ticket {
            Some(known) => {
                let queue = lock(&self.queue);
                let entry = queue.entries.get(&known);
                let registration = entry.map(|entry| Arc::clone(&entry.registration));
                drop(queue);
                if let Some(registration) = registration {
                    registration.set_waker(cx.waker());
                    panics::discard(registration);
                }
                ticket
            }
            None => {
                if self.waiting.load(Ordering::SeqCst) == 0 {
                    if let Some(bytes) = self.take_granted(most) {
                        return Poll::Ready(Ok(bytes));
                    }
                }
                self.line_up(ticket, most, cx);
                ticket
            }
        };
        let Some(known) = *ticket else { return Poll::Pending };
        // By this clock it may have been late before its alarm has come.
        let now = self.clock.now();
        let mut queue = lock(&self.queue);
        let (granted, entry) = if let Some((bytes, entry)) = queue.granted.remove(&known) {
            (Ok(bytes), entry)
        } else {
            match queue.entries.get(&known) {
                Some(entry) if now < entry.at => return Poll::Pending,
                Some(_) => {}
                // It is polled after its end.
                None => return Poll::Pending,
            }
            let Some(entry) = queue.entries.remove(&known) else { return Poll::Pending };
            self.waiting.store(queue.entries.len(), Ordering::SeqCst);
            (Err(NoRoom), entry)
        };
        drop(queue);
        *ticket = None;
        self.leave(&entry);
        if granted.is_err() {
            // Who comes behind may have asked for less.
            self.serve();
        }
        Poll::Ready(granted)
    }

    fn line_up(&self, ticket: &mut Option<usize>, most: u64, cx: &Context<'_>) {
        let at = self.clock.now().saturating_add(self.timeout);
        let known = lock(&self.queue).next_ticket();
        let registration = Registration::new(KEYS.saturating_add(known as u64));
        registration.set_waker(cx.waker());
        let mut queue = lock(&self.queue);
        queue.entries.insert(known, Entry { most, at, registration: Arc::clone(&registration) });
        self.waiting.store(queue.entries.len(), Ordering::SeqCst);
        drop(queue);
        *ticket = Some(known);
        if at != NEVER {
            self.alarms.arm(&registration, at, at);
        }
        // Room may have come between the look and the entry.
        self.serve();
    }

    /// Stops waiting; room that was granted meanwhile is given back.
    fn forget_room(&self, ticket: &mut Option<usize>) {
        let Some(known) = ticket.take() else { return };
        let mut queue = lock(&self.queue);
        let (bytes, entry) = match queue.granted.remove(&known) {
            Some((bytes, entry)) => (bytes, Some(entry)),
            None => (0, queue.entries.remove(&known)),
        };
        self.waiting.store(queue.entries.len(), Ordering::SeqCst);
        drop(queue);
        if let Some(entry) = entry {
            self.leave(&entry);
        }
        self.rows[Row::Promised as usize].fetch_sub(bytes, Ordering::SeqCst);
        // Also where it had none: who comes behind may have asked for less.
        self.release(bytes);
    }

    fn leave(&self, entry: &Entry) {
        if entry.at != NEVER {
            self.alarms.disarm(&entry.registration, entry.at);
        }
        entry.registration.forget_waker();
    }

    #[cfg(test)]
    pub(super) fn lines_up(&self) -> (usize, usize) {
        let queue = lock(&self.queue);
        (queue.entries.len(), queue.granted.len())
    }
}

impl Queue {
    fn next_ticket(&mut self) -> usize {
        let next = self.next;
        self.next += 1;
        next
    }
}

/// For the sources of responses.
impl MemoryLedger for Ledger {
    fn poll_reserve(
        &self,
        waiter: &mut Waiter,
        bytes: usize,
        cx: &mut Context<'_>,
    ) -> Poll<Result<usize, NoRoom>> {
        self.poll_room(&mut waiter.0, bytes as u64, cx).map(|reserved| {
            let reserved = reserved.inspect_err(|_| self.tell_no_room())?;
            self.shift(Row::Promised, Row::Pieces, reserved);
            // No more than was asked for.
            Ok(usize::try_from(reserved).unwrap_or(bytes))
        })
    }

    fn room(&self) -> u64 {
        if self.is_waited_for() {
            return 0;
        }
        let room = self.free(self.taken.load(Ordering::Relaxed));
        if self.max_taken == u64::MAX { u64::MAX } else { room }
    }

    fn try_reserve(&self, bytes: usize) -> bool {
        self.take_all(Row::Pieces, bytes as u64)
    }

    fn reserve_now(&self, bytes: usize) -> usize {
        let most = bytes as u64;
        let is_free = self.waiting.load(Ordering::SeqCst) == 0;
        let share = if is_free { self.take_share(most) } else { None };
        let reserved = share.unwrap_or_else(|| {
            let least = most.min(LEAST);
            self.taken.fetch_add(least, Ordering::SeqCst);
            least
        });
        self.rows[Row::Pieces as usize].fetch_add(reserved, Ordering::SeqCst);
        // No more than was asked for.
        usize::try_from(reserved).unwrap_or(bytes)
    }

    fn give_back(&self, bytes: usize) {
        self.give_back(Row::Pieces, bytes as u64);
    }

    fn forget(&self, waiter: &mut Waiter) {
        self.forget_room(&mut waiter.0);
    }
}

/// A request body that waits for room.
pub(crate) struct Room {
    ledger: Arc<Ledger>,
    ticket: Option<usize>,
    most: u64,
}

impl Room {
    /// To be polled.
    pub(crate) fn new(ledger: &Arc<Ledger>, most: u64) -> Self {
        Self { ledger: Arc::clone(ledger), ticket: None, most }
    }

    /// The room, as a promise.
    pub(crate) fn poll(&mut self, cx: &Context<'_>) -> Poll<Result<Charge, NoRoom>> {
        let room = self.ledger.poll_room(&mut self.ticket, self.most, cx);
        room.map_ok(|bytes| Charge { ledger: Arc::clone(&self.ledger), row: Row::Promised, bytes })
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.ledger.forget_room(&mut self.ticket);
    }
}
