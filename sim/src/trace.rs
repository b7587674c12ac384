//! What can be observed of a round, as a hash and, when a failure is told, as lines.

use std::fmt::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::dice::mix;

/// How many of the last lines of a failure are kept.
const LINES: usize = 400;

/// Bytes that a line shows: the head of most responses.
const SHOWN: usize = 240;

/// A line, where bytes have the number of their client.
const NOTE: u64 = u64::MAX;

/// A trace; its clones are the same one.
///
/// The hash is over bytes in a fixed order, so it is the same on every platform.
#[derive(Clone)]
pub(crate) struct SimTrace(Arc<Mutex<TraceState>>);

struct TraceState {
    hash: Hash,
    now: u64,
    /// The line that is being noted: its memory is used again.
    line: String,
    log: Option<Vec<String>>,
}

impl SimTrace {
    pub(crate) fn new(keeps_lines: bool) -> Self {
        let log = keeps_lines.then(Vec::new);
        Self(Arc::new(Mutex::new(TraceState { hash: Hash::default(), now: 0, line: String::new(), log })))
    }

    /// Time has come to `now`.
    pub(crate) fn time(&self, now: u64) {
        let mut state = self.state();
        state.now = now;
        state.hash.word(now);
    }

    pub(crate) fn note(&self, line: fmt::Arguments<'_>) {
        let mut state = self.state();
        let TraceState { hash, now, line: text, log } = &mut *state;
        text.clear();
        let _ = text.write_fmt(line);
        hash.bytes(NOTE, text.as_bytes());
        if let Some(log) = log {
            if log.len() >= 2 * LINES {
                log.drain(..LINES);
            }
            log.push(format!("{now:>9} ms  {text}"));
        }
    }

    /// Bytes that a client sends or receives.
    pub(crate) fn bytes(&self, who: usize, does: &str, bytes: &[u8]) {
        let mut state = self.state();
        state.hash.bytes((who as u64) << 8 | u64::from(does.as_bytes()[0]), bytes);
        let told = state.log.is_some();
        drop(state);
        if told {
            let (shown, more) = (&bytes[..bytes.len().min(SHOWN)], bytes.len().saturating_sub(SHOWN));
            let shown = shown.escape_ascii();
            match more {
                0 => self.note(format_args!("client {who} {does} \"{shown}\"")),
                _ => self.note(format_args!("client {who} {does} \"{shown}\" and {more} more")),
            }
        }
    }

    pub(crate) fn hash(&self) -> u64 {
        mix(self.state().hash.0)
    }

    pub(crate) fn take_lines(&self) -> Vec<String> {
        let mut lines = self.state().log.take().unwrap_or_default();
        lines.drain(..lines.len().saturating_sub(LINES));
        lines
    }

    fn state(&self) -> MutexGuard<'_, TraceState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Eight bytes at a time, since half of what a round does is seen here: each word is mixed in by a multiplication that
/// can be undone, so that two traces that differ in one word never meet.
#[derive(Default)]
struct Hash(u64);

impl Hash {
    fn word(&mut self, word: u64) {
        let product = (self.0 ^ word).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        self.0 = product ^ (product >> 32);
    }

    /// `what` they are, how many, and the bytes.
    fn bytes(&mut self, what: u64, bytes: &[u8]) {
        self.word(what);
        self.word(bytes.len() as u64);
        let mut words = bytes.chunks_exact(8);
        for word in &mut words {
            self.word(word.iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte)));
        }
        let rest = words.remainder();
        if !rest.is_empty() {
            self.word(rest.iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte)));
        }
    }
}
