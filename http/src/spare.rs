//! Maps of fields, whose memory is used twice: that of a response for the next request of the thread.

use std::cell::Cell;

use http::HeaderMap;

/// Fields that a kept map has room for at most.
const MOST: usize = 64;

thread_local! {
    static SPARE: Cell<Option<HeaderMap>> = const { Cell::new(None) };
}

/// An empty map, with room if there is one.
pub(crate) fn take() -> HeaderMap {
    SPARE.try_with(Cell::take).ok().flatten().unwrap_or_default()
}

/// Keeps the memory of a map.
pub(crate) fn give(mut headers: HeaderMap) {
    if headers.capacity() <= MOST {
        headers.clear();
        // A thread that ends keeps none.
        let _ = SPARE.try_with(|spare| spare.set(Some(headers)));
    }
}
