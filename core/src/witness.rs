//! What tests see of a run from inside: how many bytes were looked at or moved. It is there in the unit tests only; each
//! thread has its own.

use std::cell::Cell;

std::thread_local! {
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
