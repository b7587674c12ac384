//! What a thread keeps between the connections that it serves: the buffers that it lends, and its number.

use std::cell::Cell;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use httpfsm::channel::{Channel, WorkerBuffers};

thread_local! {
    /// The buffers; `None` while a driver is polled on this thread.
    static BUFFERS: Cell<Option<Box<WorkerBuffers>>> = Cell::new(Some(Box::default()));
    static SHARD: Cell<usize> = const { Cell::new(usize::MAX) };
}

/// The thread's buffers while a channel has them. They come back with this also where a panic ends the poll, or the thread
/// would seem to drive a connection for ever.
pub(crate) struct Lent {
    buffers: Option<Box<WorkerBuffers>>,
    /// They were made for a driver that another one polls, or for a thread that is ending.
    are_others: bool,
}

/// Lends the thread's buffers to the channel for one wake-up. Where they are lent already, or the thread is ending,
/// others are made. What an earlier channel kept (output that its peer does not read, or a panic) is made anew first, or
/// else every later one would do so for itself.
#[inline(always)]
pub(crate) fn lend(channel: &mut Channel) -> Lent {
    let (mut buffers, are_others) = match BUFFERS.try_with(Cell::take) {
        Ok(Some(buffers)) => (buffers, false),
        Ok(None) | Err(_) => (make(), true),
    };
    buffers.refill();
    channel.lend(&mut buffers);
    Lent { buffers: Some(buffers), are_others }
}

/// Takes the buffers back.
#[inline(always)]
pub(crate) fn take_back(channel: &mut Channel, mut lent: Lent) {
    if let Some(buffers) = &mut lent.buffers {
        channel.take_back(buffers);
    }
    lent.give_back();
    // It holds nothing more, and to find that out takes a call.
    std::mem::forget(lent);
}

impl Drop for Lent {
    fn drop(&mut self) {
        self.give_back();
    }
}

impl Lent {
    #[inline(always)]
    fn give_back(&mut self) {
        if self.are_others {
            // The thread still drives the other one.
            return discard(self.buffers.take());
        }
        match BUFFERS.try_with(|place| place.replace(self.buffers.take())) {
            Ok(None) => {}
            // The thread is ending.
            other => discard(other.ok()),
        }
    }
}

#[cold]
fn make() -> Box<WorkerBuffers> {
    Box::default()
}

#[cold]
fn discard<T>(thing: T) {
    drop(thing);
}

/// Whether a driver is being polled on this thread. Asked where a thread is about to wait, so it costs the polls
/// nothing.
pub(crate) fn drives() -> bool {
    let is_lent = |place: &Cell<Option<Box<WorkerBuffers>>>| {
        let buffers = place.take();
        let is_lent = buffers.is_none();
        place.set(buffers);
        is_lent
    };
    BUFFERS.try_with(is_lent).unwrap_or(false)
}

const SHARDS: usize = 8;
/// Things kept in a shard; what is given back above it is freed.
const KEPT: usize = 64;

/// Things that are dear to make, for reuse: a few shards, so that threads seldom meet, and nobody waits.
#[derive(Debug)]
pub(crate) struct ReusePool<T> {
    shards: [Mutex<Vec<T>>; SHARDS],
}

impl<T> ReusePool<T> {
    pub(crate) fn new() -> Self {
        Self { shards: std::array::from_fn(|_| Mutex::new(Vec::new())) }
    }

    #[inline(always)]
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

#[cfg(test)]
mod tests {
    use std::panic::resume_unwind;
    use std::sync::Arc;

    use httpfsm::ChannelConfig;
    use httpfsm::channel::{CompiledConfig, Facts};

    use super::*;
    use crate::panics;

    #[test]
    fn a_thread_whose_driver_has_panicked_drives_no_more_and_has_its_buffers() {
        let config = Arc::new(CompiledConfig::new(&ChannelConfig::default()));
        let mut channel = Channel::new(Arc::clone(&config), Facts::default());
        let own = |lent: &Lent| lent.buffers.as_deref().map(std::ptr::from_ref);
        let lent = lend(&mut channel);
        let buffers = own(&lent);
        take_back(&mut channel, lent);
        let panicked = panics::catch(|| {
            let _lent = lend(&mut channel);
            assert!(drives());
            resume_unwind(Box::new("as it must"));
        });
        assert_eq!((panicked, drives()), (Err("The handler panicked: as it must".to_owned()), false));
        let lent = lend(&mut Channel::new(config, Facts::default()));
        assert_eq!(own(&lent), buffers);
    }

    #[test]
    fn a_driver_that_polls_another_drives_on_after_that() {
        let config = Arc::new(CompiledConfig::new(&ChannelConfig::default()));
        let mut channels = [(); 2].map(|()| Channel::new(Arc::clone(&config), Facts::default()));
        let [outer, inner] = &mut channels;
        let lent = lend(outer);
        let other = lend(inner);
        take_back(inner, other);
        assert!(drives());
        take_back(outer, lent);
        assert!(!drives());
    }
}
