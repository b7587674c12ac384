//! The memory of one response's header map is used again for that of a later request, on the same thread.

use std::cell::Cell;

use http::HeaderMap;

/// More names than this are not kept room for.
const LARGE: usize = 96;

thread_local! {
    static SPARE: Cell<Option<HeaderMap>> = const { Cell::new(None) };
}

/// A map to fill, with what memory there is.
pub(crate) fn take() -> HeaderMap {
    SPARE.try_with(Cell::take).ok().flatten().unwrap_or_default()
}

/// Keeps the memory of a map, and none of its values.
pub(crate) fn give(mut headers: HeaderMap) {
    if (1..=LARGE).contains(&headers.capacity()) {
        headers.clear();
        // A thread that ends keeps nothing.
        let _ = SPARE.try_with(|spare| spare.set(Some(headers)));
    }
}
