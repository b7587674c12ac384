//! Small values: what makes one, and what makes none.

use httpfsm::origins::{Origin, OriginError};
use httpfsm::{Date, Fields, Moment, Status};

#[test]
fn a_status_has_three_digits() {
    for (code, known) in [(99, false), (100, true), (999, true), (1000, false), (0, false)] {
        assert_eq!(Status::new(code).is_some(), known, "{code}");
    }
    assert_eq!(Status::default(), Status::OK);
    for (code, success) in [(199, false), (200, true), (299, true), (300, false)] {
        assert_eq!(Status::new(code).map(Status::is_success), Some(success), "{code}");
    }
}

/// Or it could end its field line.
#[test]
fn a_date_is_visible_at_each_octet() {
    let fine = *b"Sun, 06 Nov 1994 08:49:37 GMT";
    assert_eq!(Date::new(fine).map(|date| *date.as_bytes()), Some(fine));
    for at in 0..fine.len() {
        for octet in 0..=255 {
            let mut octets = fine;
            octets[at] = octet;
            let visible = octet == b' ' || octet.is_ascii_graphic();
            assert_eq!(Date::new(octets).is_some(), visible, "octet {octet:#04x} at {at}");
        }
    }
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

/// The machine's own fields are known by their names and not by the lengths of these.
#[test]
fn names_as_long_as_those_of_the_machine_are_the_application_s() {
    for name in ["Host", "Origin", "Connectiox", "Content-Lengtx", "Transfer-Encodinx"] {
        let fields = Fields::new().with(name, "chunked").unwrap();
        assert_eq!(fields.get(name), Some(&b"chunked"[..]), "{name}");
    }
}

#[test]
fn nothing_but_a_port_follows_the_brackets_of_an_origin() {
    for text in ["[::1]x", "[::1]80", "[::1] "] {
        assert!(matches!(text.parse::<Origin>(), Err(OriginError::Host(_))), "{text}");
    }
}
