//! Which bytes a `Range` asks for (RFC 9110 section 14).

use std::num::NonZeroUsize;
use std::ops::Range;

use http_range_header::{RangeUnsatisfiableError, parse_range_header_with_max_ranges};
use smallvec::SmallVec;

/// At most this many parts are sent. A request for more gets the whole content, which costs less than the heads of so
/// many parts.
const MOST: NonZeroUsize = NonZeroUsize::MIN.saturating_add(15);

/// Nearly always one range, which needs no allocation.
type Ranges = SmallVec<[Range<u64>; 1]>;

/// Which part of a content to send (RFC 9110 section 14).
///
/// ```
/// use httpfsm::handler::Request;
/// use httpfsm_files::{Selection, Validators};
///
/// fn first_byte(request: &Request, content: &str) -> Option<u64> {
///     let length = content.len() as u64;
///     match Validators::of_text(content).select(request.head(), length) {
///         Selection::Whole => Some(0),
///         Selection::One(range) => Some(range.start),
///         Selection::Several(ranges) => ranges.iter().map(|range| range.start).min(),
///         Selection::Unsatisfiable => None,
///     }
/// }
/// # let _ = first_byte;
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Selection {
    /// All of it: 200.
    Whole,
    /// One range, which is not empty: 206, with `Content-Range`.
    One(Range<u64>),
    /// Several ranges, at most 16, in the order in which they were asked for: 206, as `multipart/byteranges`.
    Several(Vec<Range<u64>>),
    /// 416, with `Content-Range: bytes */LENGTH`.
    Unsatisfiable,
}

/// Parses the value of a `Range`. It is ignored, which RFC 9110 section 14.2 allows, if it is malformed, has another
/// unit, asks for too many ranges or for more bytes than the content has, or if the content is empty.
pub(crate) fn select(range: &[u8], length: u64) -> Selection {
    let Ok(text) = std::str::from_utf8(range) else { return Selection::Whole };
    if length == 0 {
        return Selection::Whole;
    }
    let parsed = parse_range_header_with_max_ranges(text, MOST);
    let ranges = match parsed.and_then(|ranges| ranges.validate(length)) {
        Ok(ranges) => ranges,
        Err(RangeUnsatisfiableError::Unsatisfiable) => return Selection::Unsatisfiable,
        Err(_) => return Selection::Whole,
    };
    // The end is below the length, so `+ 1` does not overflow.
    let ranges: Ranges = ranges.iter().map(|range| *range.start()..*range.end() + 1).collect();
    let asked: u64 = ranges.iter().map(|range| range.end - range.start).fold(0, u64::saturating_add);
    match &ranges[..] {
        [] => Selection::Whole,
        [range] => Selection::One(range.clone()),
        _ if asked > length => Selection::Whole,
        _ => Selection::Several(ranges.into_vec()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Selection, select};

    proptest! {
        #[test]
        fn what_is_selected_is_there(range in "bytes=([0-9]{1,2}-[0-9]{0,2},|-[0-9],|[-, 0-9x]{0,9}){0,9}", length in 0..50_u64) {
            let ranges = match select(range.as_bytes(), length) {
                Selection::Whole | Selection::Unsatisfiable => return Ok(()),
                Selection::One(range) => vec![range],
                Selection::Several(ranges) => ranges.to_vec(),
            };
            prop_assert!(ranges.iter().all(|range| range.start < range.end && range.end <= length), "{:?}", ranges);
            prop_assert!(ranges.iter().map(|range| range.end - range.start).sum::<u64>() <= length, "{:?}", ranges);
        }
    }

    #[test]
    fn a_range_selects_bytes() {
        for (range, expected) in [
            ("bytes=0-0", 0..1),
            ("bytes=0-9", 0..10),
            ("bytes=2-4", 2..5),
            ("bytes=9-9", 9..10),
            ("bytes=3-", 3..10),
            ("bytes=0-", 0..10),
            ("bytes=-3", 7..10),
            ("bytes=-10", 0..10),
            ("bytes=-11", 0..10),
            ("bytes=5-99", 5..10),
            ("bytes=5-99999999999999999999999", 5..10),
            ("BYTES=1-2", 1..3),
            ("bytes= 1-2 ,", 1..3),
            ("bytes=1-2,10-", 1..3),
        ] {
            assert_eq!(select(range.as_bytes(), 10), Selection::One(expected), "{range}");
        }
    }

    #[test]
    fn several_ranges_come_as_they_were_asked_for() {
        for (range, expected) in [
            ("bytes=0-0,-1", vec![0..1, 9..10]),
            ("bytes=5-6, 0-1", vec![5..7, 0..2]),
            ("bytes=0-4,4-8", vec![0..5, 4..9]),
            ("bytes=0-1,20-30,3-4", vec![0..2, 3..5]),
        ] {
            assert_eq!(select(range.as_bytes(), 10), Selection::Several(expected), "{range}");
        }
    }

    #[test]
    fn a_range_behind_the_end_cannot_be_satisfied() {
        for range in
            ["bytes=10-", "bytes=10-20", "bytes=-0", "bytes=10-,11-12", "bytes=99999999999999999999-"]
        {
            assert_eq!(select(range.as_bytes(), 10), Selection::Unsatisfiable, "{range}");
        }
    }

    #[test]
    fn what_is_malformed_or_greedy_is_ignored() {
        let tiny =
            |n: u32| format!("bytes={}", (0..n).map(|i| format!("{}-{},", i * 4, i * 4)).collect::<String>());
        assert_eq!(select(tiny(17).as_bytes(), 1000), Selection::Whole);
        assert!(
            matches!(select(tiny(16).as_bytes(), 1000), Selection::Several(ranges) if ranges.len() == 16)
        );
        let overlapping = format!("bytes={}", "0-,".repeat(1000));
        for range in [
            "",
            "bytes",
            "bytes=",
            "bytes=,",
            "bytes=-",
            "bytes=a-b",
            "bytes=1",
            "bytes=5-2",
            "bytes=+1-2",
            "bytes=1-+2",
            "bytes=1-2-3",
            "bytes=0x1-2",
            "bytes 1-2",
            "items=1-2",
            "bytes=1-2;3-4",
            "bytes=1-2,x",
            "bytes=1 -2",
            "bytes=--1",
            "bytes=0-,0-",
            "bytes=0-8,0-8",
            "bytes=0-1,1-2,2-3",
            &overlapping,
        ] {
            assert_eq!(select(range.as_bytes(), 10), Selection::Whole, "{range}");
        }
        assert_eq!(select(b"bytes=\xff-", 10), Selection::Whole);
        assert_eq!(select(b"bytes=0-", 0), Selection::Whole);
    }
}
