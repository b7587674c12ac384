//! A deadline with a minimum rate: time passes while a condition holds, and each byte takes back the time that the
//! rate grants for it.
//!
//! So progress extends the time, but one byte per interval does end. No byte is saved up: a peer that was fast for
//! an hour and then stalls has the timeout and no more.

use super::compiled_config::NEVER;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Rate {
    /// Since when the condition holds; `NEVER`: it does not.
    since: u64,
    /// What was used up before `since`, in thousandths of a byte at the minimum rate: milliseconds times rate.
    used: u64,
}

impl Default for Rate {
    fn default() -> Self {
        Self { since: NEVER, used: 0 }
    }
}

impl Rate {
    /// Says whether the condition holds from `at` on.
    #[inline]
    pub(crate) fn set_on(&mut self, on: bool, at: u64, min_rate: u32) {
        if on == self.is_on() {
            return;
        }
        if on {
            self.since = at;
        } else {
            self.use_up(at, min_rate);
            self.since = NEVER;
        }
    }

    #[inline]
    pub(crate) fn is_on(&self) -> bool {
        self.since != NEVER
    }

    /// Starts over at `at`, with the condition holding.
    #[inline]
    pub(crate) fn begin(&mut self, at: u64) {
        *self = Self { since: at, used: 0 };
    }

    /// Starts over, for the next body or the next batch of output.
    #[inline]
    pub(crate) fn reset(&mut self) {
        *self = Self::default();
    }

    /// Counts bytes. Without a minimum rate, each byte starts the timeout again.
    #[inline]
    pub(crate) fn progress(&mut self, bytes: usize, at: u64, min_rate: u32) {
        if self.is_on() {
            self.use_up(at, min_rate);
        }
        let earned = if min_rate == 0 { NEVER } else { (bytes as u64).saturating_mul(1000) };
        self.used = self.used.saturating_sub(earned);
    }

    /// When the time is over, while the condition holds.
    #[inline]
    pub(crate) fn deadline(&self, timeout: u64, min_rate: u32) -> u64 {
        if timeout == NEVER {
            return NEVER;
        }
        let used = if self.used == 0 { 0 } else { self.used.div_ceil(unit(min_rate)) };
        self.since.saturating_add(timeout.saturating_sub(used)).min(NEVER - 1)
    }

    #[inline]
    fn use_up(&mut self, at: u64, min_rate: u32) {
        self.used = self.used.saturating_add(at.saturating_sub(self.since).saturating_mul(unit(min_rate)));
        self.since = at;
    }
}

fn unit(min_rate: u32) -> u64 {
    u64::from(min_rate.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_timeout_ends_with_time() {
        let mut rate = Rate::default();
        rate.begin(5);
        assert_eq!(rate.deadline(NEVER - 1, 1), NEVER - 1);
        assert_eq!(rate.deadline(NEVER, 1), NEVER);
    }
}
