//! Maps of fields, whose memory is used twice: that of a response for the next request of the thread.

use std::cell::Cell;

use http::HeaderMap;

/// Names that a kept map has room for at most, and fields that it held. A map has room of its own for fields that repeat a
/// name, and its capacity does not count it.
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
    if headers.capacity().max(headers.len()) <= MOST {
        headers.clear();
        // A thread that ends keeps none.
        let _ = SPARE.try_with(|spare| spare.set(Some(headers)));
    }
}

#[cfg(test)]
mod tests {
    use http::header::{HeaderName, HeaderValue, SET_COOKIE};

    use super::*;

    #[test]
    fn room_is_kept_without_fields_and_no_more_of_it_than_most_responses_need() {
        let of = |fields: usize, name: fn(usize) -> HeaderName| {
            let mut headers = HeaderMap::new();
            for field in 0..fields {
                headers.append(name(field), HeaderValue::from_static("value"));
            }
            headers
        };
        let different = |field| HeaderName::try_from(format!("x-{field}")).expect("a name");
        let kept = |headers| {
            give(headers);
            let kept = take();
            assert!(kept.is_empty(), "{kept:?}");
            kept.capacity() > 0
        };
        assert!(kept(of(10, different)));
        assert!(!kept(of(MOST + 1, different)));
        assert!(kept(of(10, |_| SET_COOKIE)));
        assert!(!kept(of(MOST + 1, |_| SET_COOKIE)));
        assert_eq!(take().capacity(), 0);
    }
}
