//! Small values: what makes one, and what makes none.

use httpfsm::time::{Date, Moment};
use httpfsm::{Fields, Status};

#[test]
fn a_status_has_three_digits() {
    for (code, known) in [(99, false), (100, true), (999, true), (1000, false), (0, false)] {
        assert_eq!(Status::new(code).is_some(), known, "{code}");
    }
    assert_eq!(Status::default(), Status::OK);
}

/// Or it could end its field line.
#[test]
fn a_date_is_visible_at_each_byte() {
    let fine = *b"Sun, 06 Nov 1994 08:49:37 GMT";
    assert_eq!(Date::new(fine).map(|date| *date.as_bytes()), Some(fine));
    for at in 0..fine.len() {
        for byte in 0..=255 {
            let mut bytes = fine;
            bytes[at] = byte;
            let visible = byte == b' ' || byte.is_ascii_graphic();
            assert_eq!(Date::new(bytes).is_some(), visible, "byte {byte:#04x} at {at}");
        }
    }
}

/// The year has four digits in the format, so its dates end.
#[cfg(feature = "std")]
#[test]
fn a_date_is_that_of_a_second_and_at_the_latest_the_last_one() {
    const LAST: u64 = 253_402_300_799;
    for (seconds, date) in [
        (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
        (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"),
        (4_107_542_399, "Sun, 28 Feb 2100 23:59:59 GMT"),
        (4_107_542_400, "Mon, 01 Mar 2100 00:00:00 GMT"),
        (LAST - 1, "Fri, 31 Dec 9999 23:59:58 GMT"),
        (LAST, "Fri, 31 Dec 9999 23:59:59 GMT"),
        (LAST + 1, "Fri, 31 Dec 9999 23:59:59 GMT"),
        (u64::MAX, "Fri, 31 Dec 9999 23:59:59 GMT"),
    ] {
        assert_eq!(Date::from_unix(seconds).as_bytes(), date.as_bytes(), "{seconds}");
    }
    assert_eq!(Date::from_unix(0), Date::EPOCH);
}

#[test]
fn time_between_moments_is_never_negative() {
    let (early, late) = (Moment::from_millis(3), Moment::from_millis(10));
    assert_eq!((late.millis_since(early), early.millis_since(late)), (7, 0));
}

#[test]
fn removing_another_field_leaves_the_length() {
    let mut fields =
        Fields::new().with("Content-Length", "3").and_then(|fields| fields.with("X-A", "b")).unwrap();
    assert!(!fields.is_empty());
    assert!(fields.remove("x-a") && !fields.remove("date"));
    assert_eq!(fields.content_length(), Some(3));
    assert!(!fields.is_empty(), "a length is a field, too");
    assert!(fields.remove("content-length"));
    assert_eq!((fields.content_length(), fields.is_empty()), (None, true));
}
