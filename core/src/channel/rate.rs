//! A deadline with a minimum rate: allowed time = timeout + octets / rate, counted only while a condition holds.
//!
//! So progress extends the time, but by no more than the rate grants: one octet per interval does end.

use super::settings::NEVER;

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Rate {
    since: u64,
    spent: u64,
    octets: u64,
    on: bool,
}

impl Rate {
    /// Says whether the condition holds from `at` on.
    #[inline]
    pub(crate) fn hold(&mut self, on: bool, at: u64) {
        if on == self.on {
            return;
        }
        if on {
            self.since = at;
        } else {
            self.spent += at.saturating_sub(self.since);
        }
        self.on = on;
    }

    #[inline]
    pub(crate) fn is_on(&self) -> bool {
        self.on
    }

    /// Starts over at `at`, with the condition holding.
    #[inline]
    pub(crate) fn begin(&mut self, at: u64) {
        *self = Self { since: at, spent: 0, octets: 0, on: true };
    }

    /// Starts over, for the next body or the next batch of output.
    #[inline]
    pub(crate) fn reset(&mut self) {
        *self = Self::default();
    }

    /// Counts octets. Without a minimum rate, each octet starts the timeout again.
    #[inline]
    pub(crate) fn progress(&mut self, octets: usize, at: u64, min_rate: u32) {
        if min_rate == 0 {
            self.since = at;
            self.spent = 0;
        } else {
            self.octets += octets as u64;
        }
    }

    /// When the allowed time is over; [`NEVER`] while the condition does not hold.
    #[inline]
    pub(crate) fn deadline(&self, timeout: u64, min_rate: u32) -> u64 {
        if !self.on || timeout == NEVER {
            return NEVER;
        }
        let earned =
            if self.octets == 0 { 0 } else { self.octets.saturating_mul(1000) / u64::from(min_rate.max(1)) };
        let allowed = timeout.saturating_add(earned).saturating_sub(self.spent);
        self.since.saturating_add(allowed).min(NEVER - 1)
    }
}
