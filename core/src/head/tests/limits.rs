//! The limits of a head, each at one less, at its value and at one more.

use super::*;
use crate::request::BodyLength;
use std::format;
use std::vec;

/// Judges by each limit, around the length of what is limited.
fn around(bytes: &[u8], exact: usize, limits: impl Fn(usize) -> HeadLimits) -> [Parsed; 3] {
    [exact - 1, exact, exact + 1].map(|limit| verdict_of_every_cut(bytes, &limits(limit)))
}

#[test]
fn the_size_of_a_head_is_limited_to_the_byte() {
    for head in [
        &b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"[..],
        b"\r\nGET / HTTP/1.1\r\nHost: a\r\nX: yyyyyyyyyyy\r\n\r\n",
        b"GET / HTTP/1.0\r\n\r\n",
    ] {
        let limits = |size| HeadLimits { size: size as u32, ..LIMITS };
        let [below, at, above] = around(head, head.len(), limits);
        assert_eq!(below, refused(Rule::HeadTooLarge, head.len() - 1));
        assert!(matches!(at, Parsed::Complete(_)), "{at:?}");
        assert_eq!(at, above);
        // What follows the head does not count.
        let more = [head, b"GET / HTTP/1.1\r\n"].concat();
        assert_eq!(verdict_of_every_cut(&more, &limits(head.len())), at);
    }
    // A forbidden byte decides only within the limit.
    let head = b"GET / HTTP/1.1\r\nHost: a\r\nX: \0\r\n\r\n";
    let limits = |size| HeadLimits { size, ..LIMITS };
    assert_eq!(verdict_of_every_cut(head, &limits(28)), refused(Rule::HeadTooLarge, 28));
    assert_eq!(verdict_of_every_cut(head, &limits(29)), refused(Rule::Nul, 28));
    let head = b"GET / HTTP/1.1\rX";
    assert_eq!(verdict_of_every_cut(head, &limits(15)), refused(Rule::HeadTooLarge, 15));
    assert_eq!(verdict_of_every_cut(head, &limits(16)), refused(Rule::BareCr, 14));
}

#[test]
fn the_number_of_fields_is_limited_to_the_line() {
    for count in [1usize, 3, 100, 127, 128, 129, 200] {
        let mut head = b"GET / HTTP/1.1\r\nHost: a\r\n".to_vec();
        (1..count).for_each(|_| head.extend_from_slice(b"a:\r\n"));
        let last = head.len() - if count == 1 { 9 } else { 4 };
        head.extend_from_slice(b"\r\n");
        let limits = |fields| HeadLimits { fields, ..LIMITS };
        let [below, at, above] =
            [count - 1, count, count + 1].map(|fields| verdict(&head, 0..head.len(), &limits(fields)));
        assert_eq!(below, refused(Rule::TooManyFields, last), "{count}");
        assert!(matches!(at, Parsed::Complete(_)), "{count}: {at:?}");
        assert_eq!(at, above);
        assert_eq!(at, verdict(&head, [], &limits(count)));
        assert_eq!(at, verdict(&head, [], &limits(usize::MAX)));
    }
}

/// Also where the line, or the head, goes on without an end.
#[test]
fn a_limit_is_passed_by_one_byte() {
    let limits = HeadLimits { fields: 2, target: 6, ..LIMITS };
    let method = "A".repeat(256);
    for (below, byte, rule, offset) in [
        (&*method, "A", Rule::MethodTooLong, 256),
        (&*format!("\r\n\r\n{method}"), "A", Rule::MethodTooLong, 260),
        (&*method.replacen('A', ":", 256).replacen(':', "A", 9), "A", Rule::Method, 9),
        ("GET /34567", "8", Rule::TargetTooLong, 10),
        ("\r\nGET /34567", "\x01", Rule::TargetTooLong, 12),
        ("G:T /34567", "8", Rule::Method, 1),
        ("GET / HTTP/1.1\r\nHost: a\r\nA: b\r\n", "C", Rule::TooManyFields, 31),
        ("GET / HTTP/1.1\r\nHost: a\r\nA: b\r\n", " ", Rule::TooManyFields, 31),
    ] {
        assert_eq!(verdict_of_every_cut(below.as_bytes(), &limits), Parsed::Partial, "{below:?}");
        for rest in ["", "\0", "\r", "\n", "\r\n", " HTTP/1.0\r\n\r\n", ": b\r\n\r\n", "\r\nHost : a\r\n\r\n"]
        {
            let head = [below, byte, rest].concat();
            assert_eq!(verdict_of_every_cut(head.as_bytes(), &limits), refused(rule, offset), "{head:?}");
        }
        // A byte that no head may contain comes first.
        for (byte, rule) in [("\0", Rule::Nul), ("\n", Rule::BareLf), ("\rx", Rule::BareCr)] {
            let head = [below, byte].concat();
            let at = below.len();
            assert_eq!(verdict_of_every_cut(head.as_bytes(), &limits), refused(rule, at), "{head:?}");
        }
    }
}

#[test]
fn the_target_is_limited_to_the_byte() {
    let head = b"GET /345678 HTTP/1.1\r\nHost: a\r\n\r\n";
    let limits = |target| HeadLimits { target, ..LIMITS };
    let [below, at, above] = around(head, 7, limits);
    assert_eq!(below, refused(Rule::TargetTooLong, 4 + 6));
    assert!(matches!(at, Parsed::Complete(_)), "{at:?}");
    assert_eq!(at, above);
    // The same where something else is wrong behind it.
    let bad = b"GET /345678 HTTP/1.1\r\nHost : a\r\n\r\n";
    let [below, at, above] = around(bad, 7, limits);
    assert_eq!(below, refused(Rule::TargetTooLong, 4 + 6));
    assert_eq!(at, refused(Rule::FieldName, 26));
    assert_eq!(at, above);
}

#[test]
fn a_method_may_have_256_bytes() {
    for (len, rule) in [(255, None), (256, None), (257, Some(Rule::MethodTooLong))] {
        for rest in [" / HTTP/1.1\r\nHost: a\r\n\r\n", " /#\r\nHost : a\r\n\r\n"] {
            let head = [vec![b'A'; len], rest.into()].concat();
            let found = verdict_of_every_cut(&head, &LIMITS);
            match (rule, rest.contains('#')) {
                (Some(rule), _) => assert_eq!(found, refused(rule, 256)),
                (None, false) => assert!(matches!(found, Parsed::Complete(_)), "{found:?}"),
                (None, true) => assert_eq!(found, refused(Rule::Target, len + 2)),
            }
        }
    }
}

#[test]
fn a_head_without_end_is_refused_for_what_is_too_long() {
    let limits = HeadLimits { size: 600, target: 300, ..LIMITS };
    let fill = |start: &str, len: usize| [start.as_bytes(), &vec![b'a'; len]].concat();
    for (head, rule, offset) in [
        (fill("GET /", 900), Rule::TargetTooLong, 4 + 300),
        (fill("\r\nGET /", 900), Rule::TargetTooLong, 2 + 4 + 300),
        (fill("", 900), Rule::MethodTooLong, 256),
        (fill("\r\n", 900), Rule::MethodTooLong, 2 + 256),
        (fill("GET / HTTP/1.", 900), Rule::HeadTooLarge, 600),
        (fill("GET / HTTP/1.1\r\nX: ", 900), Rule::HeadTooLarge, 600),
        (fill("GET / HTTP/1.1\r\n", 900), Rule::HeadTooLarge, 600),
    ] {
        assert_eq!(verdict_of_every_cut(&head, &limits), refused(rule, offset), "{}", head.escape_ascii());
    }
    // A request line that is whole is judged where it ends.
    let head = fill(&format!("GET /{} HTTP/1.1\r\nX: ", "a".repeat(320)), 900);
    assert_eq!(verdict_of_every_cut(&head, &limits), refused(Rule::TargetTooLong, 304));
    // The target has its limit to the byte here too, and a CR at the end of the window is none of it.
    let tight = |target| HeadLimits { size: 100, target, ..LIMITS };
    let head = fill("GET /", 94);
    assert_eq!(
        verdict_of_every_cut(&[&head[..], b"\r\n"].concat(), &tight(95)),
        refused(Rule::HeadTooLarge, 100)
    );
    assert_eq!(
        verdict_of_every_cut(&[&head[..], b"\r\n"].concat(), &tight(94)),
        refused(Rule::TargetTooLong, 98)
    );
    // So is one that ends with the window.
    let head = fill("GET /", 84);
    assert_eq!(
        verdict_of_every_cut(&[&head[..], b" HTTP/1.1\r\nX"].concat(), &tight(10)),
        refused(Rule::TargetTooLong, 14)
    );
    // A window shorter than a method may be.
    let small = HeadLimits { size: 200, ..LIMITS };
    assert_eq!(verdict_of_every_cut(&fill("", 256), &small), refused(Rule::HeadTooLarge, 200));
}

#[test]
fn the_announced_body_is_limited_to_the_byte() {
    let head = with("Content-Length: 1000");
    let limits = |body| HeadLimits { body, ..LIMITS };
    let [below, at, above] = [999, 1000, 1001].map(|body| verdict_of_every_cut(&head, &limits(body)));
    assert_eq!(below, refused(Rule::BodyTooLarge, LINES as usize + 16));
    assert!(matches!(at, Parsed::Complete(HeadMeta { body: BodyLength::Known(1000), .. })), "{at:?}");
    assert_eq!(at, above);
}
