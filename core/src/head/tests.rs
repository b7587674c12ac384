//! Tests of the head parser, and what several of them use.

mod cuts;
mod fields;
mod heads;
mod limits;

use super::*;
use std::format;

pub(crate) const LIMITS: HeadLimits =
    HeadLimits { size: 256 << 10, fields: 128, target: 8 << 10, body: 1 << 30 };

/// What the bytes of one whole head say, under the default limits.
pub(crate) fn parsed(head: &[u8]) -> Result<HeadMeta, RequestError> {
    match HeadScan::default().advance(head, &LIMITS) {
        Parsed::Complete(meta) => Ok(meta),
        Parsed::Refused(error) => Err(error),
        Parsed::Partial => panic!("the head is not whole: {}", head.escape_ascii()),
    }
}

/// The first verdict when the bytes arrive up to each of the cuts, and then whole.
fn verdict(bytes: &[u8], cuts: impl IntoIterator<Item = usize>, limits: &HeadLimits) -> Parsed {
    let mut scan = HeadScan::default();
    for end in cuts.into_iter().chain([bytes.len()]) {
        let parsed = scan.advance(&bytes[..end], limits);
        if parsed != Parsed::Partial {
            return parsed;
        }
    }
    Parsed::Partial
}

/// The one verdict of every way to cut the bytes in two, and of single bytes.
fn verdict_of_every_cut(bytes: &[u8], limits: &HeadLimits) -> Parsed {
    let whole = verdict(bytes, [], limits);
    for cut in 0..bytes.len() {
        assert_eq!(verdict(bytes, [cut], limits), whole, "cut at {cut}: {}", bytes.escape_ascii());
    }
    assert_eq!(verdict(bytes, 0..bytes.len(), limits), whole, "bytewise: {}", bytes.escape_ascii());
    whole
}

fn rule_of(bytes: &[u8]) -> Option<(Rule, u64)> {
    match verdict(bytes, [], &LIMITS) {
        Parsed::Refused(error) => Some((error.rule, error.offset)),
        Parsed::Complete(_) => None,
        Parsed::Partial => panic!("no verdict: {}", bytes.escape_ascii()),
    }
}

/// A request with these field lines.
fn with(lines: &str) -> Vec<u8> {
    format!("POST / HTTP/1.1\r\nHost: a\r\n{lines}\r\n\r\n").into_bytes()
}

/// Where the lines of [`with`] begin.
const LINES: u64 = 26;

fn refused(rule: Rule, offset: usize) -> Parsed {
    Parsed::Refused(RequestError::new(rule, offset as u64))
}
