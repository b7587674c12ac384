//! What tests see of a run from inside: how many bytes were looked at, or moved within a buffer.
//!
//! Contract 6 says that work is linear in the bytes, and `channel/cost.rs` counts it. What can be counted from outside is:
//! a byte that moves to memory that was asked for is in the count of the allocator. A search that begins anew with each
//! byte of a head, or a buffer that shifts what it holds with each read, shows in no output, statistics or allocation.
//! Instructions would show it, but counting them takes a tool and a quiet build, and this runs wherever the tests do. So
//! the places that look at bytes or move them in place say so here; outside of the unit tests that is nothing.

/// So many bytes were looked at, or moved.
#[cfg(not(test))]
#[inline(always)]
pub(crate) fn bytes(_: usize) {}

#[cfg(test)]
pub(crate) use counted::{bytes, bytes_of};

#[cfg(test)]
mod counted {
    use std::cell::Cell;

    std::thread_local! {
        /// Each thread has its own.
        static BYTES: Cell<u64> = const { Cell::new(0) };
    }

    /// So many bytes were looked at, or moved.
    pub(crate) fn bytes(n: usize) {
        BYTES.set(BYTES.get() + n as u64);
    }

    /// The bytes that `run` looks at or moves.
    pub(crate) fn bytes_of(run: impl FnOnce()) -> u64 {
        let before = BYTES.get();
        run();
        BYTES.get() - before
    }
}
