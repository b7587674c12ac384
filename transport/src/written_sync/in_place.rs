//! Functions that run in the poll which begins them: nobody reads what they write before they have returned.

use std::cell::Cell;

thread_local! {
    static BEGINS: Cell<bool> = const { Cell::new(false) };
}

/// Begins a function, which may run within.
pub(super) fn begin<T>(begin: impl FnOnce() -> T) -> T {
    let before = Before(BEGINS.replace(true));
    let begun = begin();
    drop(before);
    begun
}

/// Whether what runs here does so within the poll that has begun it.
pub(super) fn is_so() -> bool {
    BEGINS.get()
}

struct Before(bool);

impl Drop for Before {
    fn drop(&mut self) {
        BEGINS.set(self.0);
    }
}
