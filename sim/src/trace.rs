//! What can be observed of a round, as a hash and, when a failure is told, as lines.

use std::fmt::{self, Write};
use std::hash::Hasher;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fnv::FnvHasher;
use httpfsm::error::{BodyError, CloseReason, RequestError};
use httpfsm::handler::{ConnectionInfo, Subscriber};
use httpfsm::request::RequestRef;

/// The lines of a failure that are kept: the last ones.
const LINES: usize = 400;

/// A trace; its clones are the same one.
///
/// The hash is FNV-1a over octets in a fixed order, so it is the same on every platform.
#[derive(Clone)]
pub(crate) struct Trace(Arc<Mutex<Pages>>);

struct Pages {
    hash: FnvHasher,
    now: u64,
    log: Option<Vec<String>>,
}

impl Trace {
    pub(crate) fn new(keeps_lines: bool) -> Self {
        let log = keeps_lines.then(Vec::new);
        Self(Arc::new(Mutex::new(Pages { hash: FnvHasher::default(), now: 0, log })))
    }

    /// Time has come to `now`.
    pub(crate) fn time(&self, now: u64) {
        let mut pages = self.pages();
        pages.now = now;
        pages.hash.write(&now.to_le_bytes());
    }

    pub(crate) fn note(&self, line: fmt::Arguments<'_>) {
        let mut pages = self.pages();
        let Pages { hash, now, log } = &mut *pages;
        let _ = Hashed(hash).write_fmt(line);
        hash.write(b"\n");
        if let Some(log) = log {
            if log.len() >= 2 * LINES {
                log.drain(..LINES);
            }
            log.push(format!("{now:>9} ms  {line}"));
        }
    }

    /// Octets that arrived, with what is told of them.
    pub(crate) fn octets(&self, who: usize, does: &str, octets: &[u8]) {
        let mut pages = self.pages();
        pages.hash.write(&[who.to_le_bytes()[0]]);
        pages.hash.write(octets);
        let told = pages.log.is_some();
        drop(pages);
        if told {
            let (shown, more) = (&octets[..octets.len().min(160)], octets.len().saturating_sub(160));
            self.note(format_args!("client {who} {does} \"{}\" and {more} more", shown.escape_ascii()));
        }
    }

    pub(crate) fn hash(&self) -> u64 {
        self.pages().hash.finish()
    }

    pub(crate) fn take_lines(&self) -> Vec<String> {
        let mut lines = self.pages().log.take().unwrap_or_default();
        lines.drain(..lines.len().saturating_sub(LINES));
        lines
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Hashed<'a>(&'a mut FnvHasher);

impl Write for Hashed<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.write(text.as_bytes());
        Ok(())
    }
}

impl Subscriber for Trace {
    fn opened(&self, connection: &ConnectionInfo) {
        self.note(format_args!("{} opened", connection.channel));
    }

    fn request(&self, connection: &ConnectionInfo, request: RequestRef<'_>) {
        self.note(format_args!("{} {} {}", connection.channel, request.method(), request.target()));
    }

    fn body_end(&self, connection: &ConnectionInfo) {
        self.note(format_args!("{} body end", connection.channel));
    }

    fn body_failed(&self, connection: &ConnectionInfo, error: &BodyError) {
        self.note(format_args!("{} body failed: {error}", connection.channel));
    }

    fn refused(&self, connection: &ConnectionInfo, error: &RequestError) {
        self.note(format_args!("{} refused: {error}", connection.channel));
    }

    fn peer_ended(&self, connection: &ConnectionInfo) {
        self.note(format_args!("{} peer ended", connection.channel));
    }

    fn upgraded(&self, connection: &ConnectionInfo) {
        self.note(format_args!("{} upgraded", connection.channel));
    }

    fn closed(&self, connection: &ConnectionInfo, reason: CloseReason) {
        self.note(format_args!("{} closed: {reason}", connection.channel));
    }
}
