//! What a thread keeps between the connections that it serves: the loan of buffers, and its number.

use std::cell::{Cell, RefCell};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use httpfsm::channel::{Channel, Loan};

thread_local! {
    static LOAN: RefCell<Loan> = RefCell::new(Loan::new());
    static SHARD: Cell<usize> = const { Cell::new(usize::MAX) };
}

/// Lends the thread's buffers to the channel for one wake-up. Where they are lent already, or the thread is ending,
/// the channel makes its own. What an earlier channel kept (output that its peer does not read, or a panic) is made
/// anew first, or else every later one would do so for itself.
#[inline]
pub(crate) fn lend(channel: &mut Channel) {
    let lend = |loan: &RefCell<Loan>| {
        loan.try_borrow_mut().map(|mut loan| {
            loan.refill();
            channel.adopt(&mut loan);
        })
    };
    let _ = LOAN.try_with(lend);
}

/// Takes the buffers back.
#[inline]
pub(crate) fn take_back(channel: &mut Channel) {
    let _ = LOAN.try_with(|loan| loan.try_borrow_mut().map(|mut loan| channel.release(&mut loan)));
}

const SHARDS: usize = 8;
/// Things kept in a shard; what is given back above it is freed.
const KEPT: usize = 64;

/// Things that are dear to make, for reuse: a few shards, so that threads seldom meet, and nobody waits.
#[derive(Debug)]
pub(crate) struct Pool<T> {
    shards: [Mutex<Vec<T>>; SHARDS],
}

impl<T> Pool<T> {
    pub(crate) fn new() -> Self {
        Self { shards: std::array::from_fn(|_| Mutex::new(Vec::new())) }
    }

    pub(crate) fn take(&self) -> Option<T> {
        self.shards[shard()].try_lock().ok()?.pop()
    }

    pub(crate) fn give(&self, thing: T) {
        if let Ok(mut kept) = self.shards[shard()].try_lock() {
            if kept.len() < KEPT {
                kept.push(thing);
            }
        }
    }
}

/// The shard of this thread.
#[inline]
fn shard() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let shard = SHARD.try_with(|shard| {
        if shard.get() == usize::MAX {
            shard.set(NEXT.fetch_add(1, Ordering::Relaxed));
        }
        shard.get()
    });
    shard.unwrap_or(0) % SHARDS
}
