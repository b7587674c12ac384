//! The counts that move with each request, and their limits.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use httpfsm::config::ServerConfig;

/// The counts that move with each request.
pub(crate) struct Budget {
    in_flight: AtomicU32,
    max_in_flight: u32,
    buffered: AtomicU64,
    max_buffered: u64,
}

impl Budget {
    pub(crate) fn new(config: &ServerConfig) -> Self {
        Self {
            in_flight: AtomicU32::new(0),
            max_in_flight: config.maximum_simultaneous_requests,
            buffered: AtomicU64::new(0),
            max_buffered: config.max_buffered_bytes,
        }
    }

    /// Whether requests with the application are counted at all.
    #[inline]
    pub(crate) fn is_limited(&self) -> bool {
        self.max_in_flight != 0
    }

    /// One more request is with the application; `false` if there are as many as may be.
    pub(crate) fn begin_request(&self) -> bool {
        self.in_flight
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |n| (n < self.max_in_flight).then_some(n + 1))
            .is_ok()
    }

    pub(crate) fn end_request(&self) {
        self.in_flight.fetch_sub(1, Ordering::AcqRel);
    }

    /// A channel holds `after` bytes where it held `before`. `false` if it grew and all together hold too many.
    pub(crate) fn charge(&self, before: u32, after: u32) -> bool {
        if before == after {
            return true;
        }
        let change = u64::from(after).wrapping_sub(u64::from(before));
        let held = self.buffered.fetch_add(change, Ordering::AcqRel).wrapping_add(change);
        after < before || self.max_buffered == 0 || held <= self.max_buffered
    }

    /// Requests that are with the application, and bytes that channels hold.
    pub(crate) fn counts(&self) -> (u32, u64) {
        (self.in_flight.load(Ordering::SeqCst), self.buffered.load(Ordering::SeqCst))
    }
}
