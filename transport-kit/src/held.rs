//! What the process holds. Linux tells; elsewhere it is nothing.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Held {
    pub(crate) threads: usize,
    pub(crate) descriptors: usize,
}

impl Held {
    pub(crate) fn now() -> Self {
        let count = |folder| fs::read_dir(folder).map_or(0, Iterator::count);
        Self { threads: count("/proc/self/task"), descriptors: count("/proc/self/fd") }
    }

    /// Whether the system tells.
    pub(crate) fn is_told() -> bool {
        fs::exists("/proc/self/task").unwrap_or(false)
    }

    /// What the process holds after it has been left alone for a second; where it goes on to move, what it holds after
    /// half a minute.
    pub(crate) fn settled() -> Self {
        let began = Instant::now();
        let (mut last, mut since) = (Self::now(), began);
        while since.elapsed() < Duration::from_secs(1) && began.elapsed() < Duration::from_secs(30) {
            thread::sleep(Duration::from_millis(20));
            let now = Self::now();
            if now != last {
                (last, since) = (now, Instant::now());
            }
        }
        last
    }

    pub(crate) fn is_within(self, other: Self) -> bool {
        self.threads <= other.threads && self.descriptors <= other.descriptors
    }
}
