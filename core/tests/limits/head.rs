//! The size of a request head, of its target and its method, and the number of its fields.

use httpfsm::{ChannelConfig, Rule};

use crate::rig::{Rig, Seen};
use crate::support::{inclusive, refused_by};

/// A head of `size` bytes.
fn head_of(size: usize) -> String {
    let frame = "GET / HTTP/1.1\r\nHost: a\r\nX: \r\n\r\n";
    frame.replace("X: ", &format!("X: {}", "x".repeat(size - frame.len())))
}

#[test]
fn the_size_of_a_head_is_limited() {
    inclusive(
        100,
        |n| head_of(n as usize),
        Rule::HeadTooLarge,
        |config, limit| config.max_request_header_size = limit as u32,
    );
}

#[test]
fn an_empty_line_before_a_request_counts_into_its_head() {
    inclusive(
        100,
        |n| format!("\r\n{}", head_of(n as usize - 2)),
        Rule::HeadTooLarge,
        |config, limit| config.max_request_header_size = limit as u32,
    );
}

#[test]
fn empty_lines_without_a_request_count_as_well() {
    for pieces in [&["\r\n\r\n\r\n"][..], &["\r\n\r", "\n", "\r"]] {
        let mut rig = Rig::with(|config| config.max_request_header_size = 5);
        pieces.iter().for_each(|piece| {
            rig.rx(piece);
        });
        assert_eq!(rig.seen(), [Seen::Refused(Rule::HeadTooLarge)]);
    }
}

#[test]
fn a_head_of_the_default_size_passes_and_one_byte_more_does_not() {
    assert_eq!(refused_by(&head_of(262_144), |_| {}), None);
    assert_eq!(refused_by(&head_of(262_145), |_| {}), Some(Rule::HeadTooLarge));
}

#[test]
fn a_head_without_an_end_is_refused_at_its_limit() {
    let mut rig = Rig::with(|config| config.max_request_header_size = 1000);
    rig.rx(&head_of(5000)[..999]);
    assert_eq!(rig.seen(), []);
    rig.rx("x");
    assert_eq!(rig.seen(), [Seen::Refused(Rule::HeadTooLarge)]);
}

/// The rest of it may never come.
#[test]
fn what_is_too_long_is_refused_where_it_passes_its_limit() {
    for (below, rule) in [
        ("A".repeat(256), Rule::MethodTooLong),
        (format!("HEAD /{}", "a".repeat(99)), Rule::TargetTooLong),
        (format!("G:T /{}", "a".repeat(99)), Rule::Method),
        ("GET / HTTP/1.0\r\nA: b\r\nA: b\r\n".into(), Rule::TooManyFields),
    ] {
        let mut heads = Vec::new();
        for (pieces, rest) in [(1, ""), (below.len(), ""), (below.len(), " HTTP/1.0\r\nHost: a\r\n\r\n")] {
            let mut rig = Rig::with(|config| {
                config.max_request_target_size = 100;
                config.max_request_fields = 2;
            });
            below.as_bytes().chunks(pieces).for_each(|piece| {
                rig.rx(piece);
            });
            assert_eq!(rig.seen(), [], "{below:?}");
            rig.rx(format!("A{rest}"));
            assert_eq!(rig.seen()[0], Seen::Refused(rule), "{below:?}");
            heads.push(rig.wire());
        }
        // What else has come by chance does not show.
        assert!(heads.iter().all(|head| *head == heads[0]), "{heads:?}");
        assert_eq!(heads[0].ends_with("\r\n\r\n"), below.starts_with("HEAD "), "{heads:?}");
    }
}

#[test]
fn the_field_lines_of_a_head_are_counted() {
    inclusive(
        5,
        |n| format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: y\r\n".repeat(n as usize - 1)),
        Rule::TooManyFields,
        |config, limit| config.max_request_fields = limit as u32,
    );
    // More than there is room for on the stack of the parser.
    inclusive(
        200,
        |n| format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: y\r\n".repeat(n as usize - 1)),
        Rule::TooManyFields,
        |config, limit| config.max_request_fields = limit as u32,
    );
}

#[test]
fn the_request_target_is_limited() {
    inclusive(
        20,
        |n| format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "t".repeat(n as usize - 1)),
        Rule::TargetTooLong,
        |config, limit| config.max_request_target_size = limit as u32,
    );
}

#[test]
fn a_target_that_fills_the_head_is_too_long_and_not_the_head_too_large() {
    let bytes = format!("GET /{}", "t".repeat(300));
    let limits = |config: &mut ChannelConfig| {
        config.max_request_target_size = 100;
        config.max_request_header_size = 200;
    };
    assert_eq!(refused_by(&bytes, limits), Some(Rule::TargetTooLong));
}

#[test]
fn a_method_longer_than_any_is_not_implemented() {
    for (length, expected) in [(255, None), (256, None), (257, Some(Rule::MethodTooLong))] {
        let bytes = format!("{} / HTTP/1.1\r\nHost: a\r\n\r\n", "M".repeat(length));
        assert_eq!(refused_by(&bytes, |_| {}), expected, "{length}");
    }
}
