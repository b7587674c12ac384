//! Parts of slices whose ranges are in bounds by construction.
//!
//! Where a parser takes an empty part for the one that it meant, the bytes behind it are read as something else, and a
//! request is smuggled. So a range that is not in bounds is a fault of this crate, never of a peer or a caller. A debug
//! build, in which the tests and the fuzz targets run, stops at it; a release build goes on with an empty part.
//!
//! Where a range may lie outside, as behind the last word of a line, `get` says so.

use core::fmt::Debug;
use core::slice::SliceIndex;

/// The part of `whole` at `range`, which the caller knows to be in bounds.
#[inline(always)]
#[track_caller]
pub(crate) fn part<T, R>(whole: &[T], range: R) -> &[T]
where
    R: SliceIndex<[T], Output = [T]> + Clone + Debug,
{
    let found = whole.get(range.clone());
    debug_assert!(found.is_some(), "{range:?} is no part of {} elements", whole.len());
    found.unwrap_or_default()
}

/// As [`part`], to be written to.
#[inline(always)]
#[track_caller]
pub(crate) fn part_mut<T, R>(whole: &mut [T], range: R) -> &mut [T]
where
    R: SliceIndex<[T], Output = [T]> + Clone + Debug,
{
    let len = whole.len();
    let found = whole.get_mut(range.clone());
    debug_assert!(found.is_some(), "{range:?} is no part of {len} elements");
    found.unwrap_or_default()
}

/// As [`part`], of a text; `range` begins and ends between characters.
#[inline(always)]
#[track_caller]
pub(crate) fn text_part<R>(whole: &str, range: R) -> &str
where
    R: SliceIndex<str, Output = str> + Clone + Debug,
{
    let found = whole.get(range.clone());
    debug_assert!(found.is_some(), "{range:?} is no part of a text of {} bytes", whole.len());
    found.unwrap_or_default()
}

/// The text that `bytes` are, which the caller knows to be ASCII.
#[inline(always)]
#[track_caller]
pub(crate) fn ascii(bytes: &[u8]) -> &str {
    let text = core::str::from_utf8(bytes);
    debug_assert!(text.is_ok_and(str::is_ascii), "these bytes are not ASCII: {bytes:?}");
    text.unwrap_or_default()
}

/// A build without debug assertions goes on with an empty part.
#[cfg(test)]
mod tests {
    use std::panic::{UnwindSafe, catch_unwind};
    use std::string::String;

    use super::{ascii, part, part_mut, text_part};

    /// What a debug build stops with, or what a release build takes for the part.
    fn outcome<T>(take: impl FnOnce() -> T + UnwindSafe) -> Result<T, String> {
        catch_unwind(take).map_err(|panic| *panic.downcast::<String>().expect("a message"))
    }

    #[track_caller]
    fn stops_or_is_empty(is_empty: impl FnOnce() -> bool + UnwindSafe, message: &str) {
        let expected = if cfg!(debug_assertions) { Err(message.into()) } else { Ok(true) };
        assert_eq!(outcome(is_empty), expected);
    }

    #[test]
    fn a_range_in_bounds_is_its_part() {
        assert_eq!(part(b"abc", 1..2), b"b");
        assert_eq!(part(b"abc", 3..), b"");
        assert_eq!(part_mut(&mut [1, 2, 3], ..2), [1, 2]);
        assert_eq!(text_part("äb", 2..), "b");
        assert_eq!(ascii(b"GET"), "GET");
    }

    #[test]
    fn a_debug_build_stops_at_a_range_out_of_bounds() {
        stops_or_is_empty(|| part(b"abc", 2..5).is_empty(), "2..5 is no part of 3 elements");
        stops_or_is_empty(|| part(b"abc", 4..).is_empty(), "4.. is no part of 3 elements");
        stops_or_is_empty(|| part_mut(&mut [1, 2, 3], ..4).is_empty(), "..4 is no part of 3 elements");
        stops_or_is_empty(|| text_part("äb", 1..).is_empty(), "1.. is no part of a text of 3 bytes");
        stops_or_is_empty(|| ascii(b"\xe4").is_empty(), "these bytes are not ASCII: [228]");
        stops_or_is_empty(|| part(b"abc", BACKWARDS).is_empty(), "2..1 is no part of 3 elements");
    }

    const BACKWARDS: core::ops::Range<usize> = core::ops::Range { start: 2, end: 1 };
}
