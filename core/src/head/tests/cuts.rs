//! The verdict on a head is the same however its bytes are cut, and no byte is searched twice.

use super::heads::{ACCEPTED, LENIENT, PARTIAL, REFUSED, STRICT};
use super::*;
use proptest::prelude::*;
use std::vec;

#[test]
fn the_verdict_never_depends_on_the_cuts() {
    let named = LENIENT.iter().chain(STRICT).map(|&(_, head, rule, offset)| (head, rule, offset));
    let mut count = 0;
    for (head, rule, offset) in named.chain(REFUSED.iter().copied()) {
        let expected = Parsed::Refused(RequestError::new(rule, offset));
        assert_eq!(verdict_of_every_cut(head, &LIMITS), expected, "{}", head.escape_ascii());
        count += 1;
    }
    for head in ACCEPTED {
        let found = verdict_of_every_cut(head, &LIMITS);
        assert!(matches!(found, Parsed::Complete(_)), "{found:?}: {}", head.escape_ascii());
        count += 1;
    }
    for head in PARTIAL {
        assert_eq!(verdict_of_every_cut(head, &LIMITS), Parsed::Partial, "{}", head.escape_ascii());
        count += 1;
    }
    assert!(count >= 80, "{count}");
}

#[test]
fn forbidden_bytes_are_refused_at_once() {
    for (what, head, rule, offset) in LENIENT.iter().chain(STRICT) {
        let behind = match rule {
            Rule::BareCr | Rule::EmptyLines => 2,
            Rule::BareLf | Rule::Nul | Rule::FirstByte | Rule::TlsOnPlainPort => 1,
            _ => continue,
        };
        let seen = *offset as usize + behind;
        let expected = Parsed::Refused(RequestError::new(*rule, *offset));
        assert_eq!(verdict(&head[..seen], [], &LIMITS), expected, "{what}");
        assert_eq!(verdict(&head[..seen - 1], [], &LIMITS), Parsed::Partial, "{what}");
    }
}

#[test]
fn the_scan_state_is_small_and_starts_anew_with_a_message() {
    assert!(size_of::<HeadScan>() <= 8);
    let head = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    let mut scan = HeadScan::default();
    assert_eq!(scan.advance(&head[..20], &LIMITS), Parsed::Partial);
    assert!(matches!(scan.advance(head, &LIMITS), Parsed::Complete(_)));
    assert_eq!(scan, HeadScan::default());
}

#[test]
fn no_byte_is_searched_twice_when_a_head_trickles() {
    let head = [b"GET / HTTP/1.1\r\nHost: a\r\nX: ".to_vec(), vec![b'x'; 1000]].concat();
    let mut scan = HeadScan::default();
    for end in 1..=head.len() {
        assert_eq!(scan.advance(&head[..end], &LIMITS), Parsed::Partial);
        let is_undecided = head[end - 1] == b'\r';
        assert_eq!(scan.scanned as usize, end - usize::from(is_undecided), "after {end} bytes");
    }
}

/// Bytes that change what a head means, and some that do not.
const SPECIAL_BYTES: &[u8] = b"\0\r\n\r\n\r\n \t:;,/?#*%aA1-_\"\x01\x0b\x7f\x80\xff@[]";

prop_compose! {
    fn mutated_head()(
        which in 0usize..ACCEPTED.len() + REFUSED.len(),
        edits in prop::collection::vec((any::<prop::sample::Index>(), 0u8..4, 0usize..SPECIAL_BYTES.len()), 0..4),
    ) -> Vec<u8> {
        let source = ACCEPTED.get(which).copied().unwrap_or_else(|| REFUSED[which - ACCEPTED.len()].0);
        let mut head = source.to_vec();
        for (place, kind, byte) in edits {
            let at = place.index(head.len() + 1);
            match kind {
                0 if at < head.len() => { head.remove(at); }
                1 if at < head.len() => head[at] = SPECIAL_BYTES[byte],
                2 => { head.splice(at..at, b"\r\n".iter().copied()); }
                _ => head.insert(at, SPECIAL_BYTES[byte]),
            }
        }
        head
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4096, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_have_one_verdict(head in mutated_head(), size in prop_oneof![Just(256u32 << 10), 1u32..80]) {
        let limits = HeadLimits { size, target: 12, fields: 3, ..LIMITS };
        let whole = verdict_of_every_cut(&head, &limits);
        match whole {
            Parsed::Complete(meta) => {
                // The guard and the parser agree on the end: the first empty line after the request line.
                let start = start(&head);
                let end = start + head[start..].windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
                prop_assert_eq!(meta.len as usize, end);
                prop_assert!(meta.len <= size);
                let text = &head[..end];
                prop_assert!(!text.contains(&0));
                let lines = text.windows(2).filter(|two| two == b"\r\n").count();
                prop_assert_eq!(text.iter().filter(|&&byte| byte == b'\r').count(), lines);
                prop_assert_eq!(text.iter().filter(|&&byte| byte == b'\n').count(), lines);
            }
            Parsed::Refused(error) => {
                prop_assert!(error.offset <= head.len() as u64);
                // The walk that looks for the reason never comes back without one.
                prop_assert_ne!(error, RequestError::new(Rule::RequestLine, 0));
            }
            Parsed::Partial => {
                prop_assert!(head.len() < size as usize);
                let lines = &head[start(&head)..];
                prop_assert!(!lines.windows(4).any(|four| four == b"\r\n\r\n"));
            }
        }
    }
}
