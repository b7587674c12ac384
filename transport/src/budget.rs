//! The requests that are with the application, and their limit.

use std::sync::atomic::{AtomicU32, Ordering};

use httpfsm::config::ServerConfig;

/// The count that moves with each request.
pub(crate) struct Budget {
    in_flight: AtomicU32,
    max_in_flight: u32,
}

impl Budget {
    pub(crate) fn new(config: &ServerConfig) -> Self {
        Self { in_flight: AtomicU32::new(0), max_in_flight: config.maximum_simultaneous_requests }
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

    /// Requests that are with the application.
    pub(crate) fn in_flight(&self) -> u32 {
        self.in_flight.load(Ordering::SeqCst)
    }
}
