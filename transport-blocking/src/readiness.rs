//! What is known of a socket.

use crate::atomic::{AtomicU32, Ordering};

/// News of a socket: bytes may be read, or the end of input, or a connection accepted.
pub(crate) const READABLE: u32 = 1;
/// Bytes may be written.
pub(crate) const WRITABLE: u32 = 2;
/// The end of input is behind what is to be read, or the connection is lost: no further event will tell of it.
pub(crate) const ENDED: u32 = 4;

/// Others than the socket's own task wait for it.
const OTHERS_WAIT: u32 = 8;
/// The rest counts the events, so that one which comes during a system call is not taken for an earlier one.
const EVENT: u32 = 16;

/// See the module's documentation.
#[derive(Debug)]
pub struct Readiness(AtomicU32);

/// What an event has changed.
pub(crate) struct News {
    /// The socket's own task has something to do.
    pub(crate) is_news: bool,
    /// Others wait.
    pub(crate) others_wait: bool,
}

impl Readiness {
    /// Of a new socket: bytes may be written.
    pub(crate) fn new() -> Self {
        Self(AtomicU32::new(WRITABLE))
    }

    /// What is known; to be asked before the system call whose outcome [`settle`](Self::settle) is told.
    #[inline]
    pub(crate) fn state(&self) -> u32 {
        self.0.load(Ordering::Acquire)
    }

    /// A system call has done all that there was, so `direction` is not ready any more, unless an event says otherwise
    /// that came since `known`.
    ///
    /// After a short read there is nothing more to read until the next event (epoll(7), question 9), except for an end of
    /// input that was told of already.
    #[inline]
    pub(crate) fn settle(&self, known: u32, direction: u32, blocked: bool) {
        if blocked || known & ENDED == 0 {
            let (set, order) = (known & !direction, Ordering::AcqRel);
            let _ = self.0.compare_exchange(known, set, order, Ordering::Acquire);
        }
    }

    /// Others than the own task wait for `direction`. `true` if it has become ready.
    pub(crate) fn note_others(&self, direction: u32) -> bool {
        self.0.fetch_or(OTHERS_WAIT, Ordering::AcqRel) & direction != 0
    }

    /// Notes an event.
    #[inline]
    pub(crate) fn note(&self, news: u32) -> News {
        let note = |state: u32| Some((state | news).wrapping_add(EVENT));
        let before = self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, note);
        let before = before.unwrap_or_else(|same| same);
        News { is_news: news & !before != 0, others_wait: before & OTHERS_WAIT != 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_during_a_system_call_is_not_taken_for_an_earlier_one() {
        let readiness = Readiness::new();
        assert!(readiness.note(READABLE).is_news);
        assert!(!readiness.note(READABLE).is_news, "it is known already");
        let known = readiness.state();
        readiness.note(READABLE);
        readiness.settle(known, READABLE, true);
        assert!(readiness.state() & READABLE != 0, "what came since may be read");
        readiness.settle(readiness.state(), READABLE, true);
        assert_eq!(readiness.state() & READABLE, 0);
    }

    #[test]
    fn a_short_read_says_nothing_of_the_end_of_input_behind_it() {
        let readiness = Readiness::new();
        readiness.note(READABLE | ENDED);
        readiness.settle(readiness.state(), READABLE, false);
        assert!(readiness.state() & READABLE != 0);
        readiness.settle(readiness.state(), READABLE, true);
        assert_eq!(readiness.state() & READABLE, 0);
    }
}
