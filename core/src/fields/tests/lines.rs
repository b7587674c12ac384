//! Lines are kept as they were given, until they are replaced or removed.

use std::vec;
use std::vec::Vec;

use super::lines;
use crate::fields::Fields;

#[test]
fn fields_keep_their_order_case_and_repetition() {
    let mut fields = Fields::new();
    fields.push("Set-Cookie", "a=1").unwrap();
    fields.push("x-TRACE", "7").unwrap();
    fields.push("Set-Cookie", "b=2").unwrap();
    assert_eq!(lines(&fields), "Set-Cookie: a=1\r\nx-TRACE: 7\r\nSet-Cookie: b=2\r\n");
    let seen: Vec<_> = fields.iter().map(|field| (field.name, field.value)).collect();
    assert_eq!(seen, vec![("Set-Cookie", &b"a=1"[..]), ("x-TRACE", b"7"), ("Set-Cookie", b"b=2")]);
    assert_eq!(fields.get("SET-COOKIE"), Some(&b"a=1"[..]));
    assert_eq!(fields.get("Set-Cooki"), None);
}

#[test]
fn blanks_around_a_value_are_trimmed_and_bytes_above_ascii_stay() {
    let fields = Fields::new().with("X", b" \t a\tb \xe9 \t").unwrap();
    assert_eq!(fields.wire(), b"X: a\tb \xe9\r\n");
    assert_eq!(lines(&Fields::new().with("X", "").unwrap()), "X: \r\n");
    assert_eq!(lines(&Fields::new().with("X", "  ").unwrap()), "X: \r\n");
    let empty = Fields::new().with("X", "").unwrap();
    assert_eq!(empty.get("x"), Some(&b""[..]));
}

#[test]
fn set_replaces_and_remove_forgets() {
    let mut fields = Fields::new().with("A", "1").unwrap().with("B", "2").unwrap().with("a", "3").unwrap();
    fields.set("a", "4").unwrap();
    assert_eq!(lines(&fields), "B: 2\r\na: 4\r\n");
    assert!(fields.set("B", "\n").is_err());
    assert_eq!(fields.get("B"), Some(&b"2"[..]));
    for (name, value) in
        [("Date", "x"), ("Server", "x"), ("Connection", "close"), ("Content-Length", "1"), ("Upgrade", "x")]
    {
        let mut fields = Fields::new().with(name, value).unwrap();
        assert!(fields.remove(name), "{name}");
        assert_eq!(fields, Fields::new(), "{name}");
        assert!(!fields.remove(name), "{name}");
    }
    fields.clear();
    assert!(fields.is_empty());
}

#[test]
fn extend_takes_lines_and_marks() {
    let mut fields = Fields::new().with("A", "1").unwrap().with("Content-Length", "1").unwrap();
    let more = Fields::new().with("Server", "x").unwrap().with("Content-Length", "2").unwrap();
    fields.extend(&more);
    assert_eq!(lines(&fields), "A: 1\r\nServer: x\r\n");
    assert!(fields.has_server());
    assert_eq!(fields.content_length(), Some(2));
}

#[test]
fn extend_keeps_the_length_that_only_one_of_both_declares() {
    let plain = Fields::new().with("A", "1").unwrap();
    let declared = Fields::new().with("Content-Length", "7").unwrap();
    for (mut fields, more) in [(declared.clone(), &plain), (plain.clone(), &declared)] {
        fields.extend(more);
        assert_eq!(fields.content_length(), Some(7));
    }
}

#[test]
fn fields_are_equal_if_their_lines_and_marks_are() {
    let fields = Fields::new().with("A", "1").unwrap();
    assert_eq!(fields, Fields::new().with("A", "1").unwrap());
    assert_ne!(fields, Fields::new().with("A", "2").unwrap());
    assert_ne!(fields, Fields::new().with("A", "1").unwrap().with("Connection", "close").unwrap());
}

#[test]
fn fields_are_small() {
    assert!(size_of::<Fields>() <= 88, "{}", size_of::<Fields>());
}
