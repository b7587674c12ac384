//! Wherever the bytes of a connection are cut twice, what comes out is the same as when they come at once.
//!
//! The first four bytes of an input say where (two numbers, the low byte first), the rest is an input of `session`.
//!
//! Seen to fail with `scanned` in `core/src/head.rs` one too far at the end of a read.

use crate::session;

/// Sends the bytes at once and in three pieces, and compares.
pub fn check(input: &[u8]) {
    let Some((&[a, b, c, d], input)) = input.split_first_chunk::<4>() else { return };
    let (decisions, bytes) = crate::decisions::split(input);
    let place = |low, high| usize::from(u16::from_le_bytes([low, high])) % (bytes.len() + 1);
    let (one, two) = (place(a, b), place(c, d));
    let cuts = [one.min(two), one.max(two), bytes.len()];
    let to_next_cut = |at| cuts.iter().find(|cut| **cut > at).map_or(usize::MAX, |cut| cut - at);
    session::same(decisions, bytes, to_next_cut);
}
