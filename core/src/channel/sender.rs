//! The output side: what is to be sent, and what of the response is still owed.
//!
//! `output_high_water` bounds it. A write may fill it up to the mark ([`Sender::room`]); one large content at a time
//! stands in it by reference and is not bounded ([`Sender::has_room`]); a response that comes whole may exceed the mark
//! once, by as much again. While there is no room, no further request is parsed (`Parts::choose_next` in
//! `parts/response.rs`).

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::input::Data;
use super::output_buffer::{Mark, OutputBuffer};
use super::plan::{Owed, ResponsePlan};
use crate::encode::{self, HeadPlan};
use crate::fields::Fields;
use crate::request::Version;
use crate::response::{BodyRef, ResponseRef};
use crate::status::Status;
use crate::time::Date;

/// The output, and the response that it is part of.
#[derive(Debug)]
pub(super) struct Sender {
    buffer: OutputBuffer,
    /// What of the response the application owes.
    owed: Owed,
    /// The output position whose leaving completes a flush; 0: there is none.
    flush_at: u64,
    /// There was no room for output; the application is told when there is.
    write_blocked: bool,
    /// The connection ends with a reset.
    reset: bool,
    /// Boxed: the pointer takes 8 of the 424 bytes of a channel, the fields would take 120.
    rare: Option<Box<RareState>>,
}

/// What few responses need.
#[derive(Debug, Default)]
struct RareState {
    /// Bytes above the Content-Length that were cut and not reported yet.
    excess: u64,
    /// A head that waits for the request body.
    held: Option<HeldHead>,
}

/// The head of a response whose content the application writes.
#[derive(Debug)]
pub(super) struct HeldHead {
    status: Status,
    fields: Fields,
    length: Option<u64>,
}

impl HeldHead {
    pub(super) fn response(&self) -> ResponseRef<'_> {
        let body = BodyRef::Stream { length: self.length };
        ResponseRef { status: self.status, fields: &self.fields, body }
    }
}

impl Default for Sender {
    fn default() -> Self {
        Self {
            buffer: OutputBuffer::default(),
            owed: Owed::Nothing,
            flush_at: 0,
            write_blocked: false,
            reset: false,
            rare: None,
        }
    }
}

/// What became true as bytes were sent.
pub(super) struct SentEffects {
    pub(super) flushed: bool,
    pub(super) unblocked: bool,
}

impl Sender {
    #[inline]
    pub(super) fn buffer(&self) -> &OutputBuffer {
        &self.buffer
    }

    #[inline]
    pub(super) fn lend(&mut self, store: &mut Vec<u8>) {
        self.buffer.lend(store);
    }

    #[inline]
    pub(super) fn take_back(&mut self, store: &mut Vec<u8>) {
        self.buffer.take_back(store);
    }

    /// Lets an empty store go.
    #[inline]
    pub(super) fn release(&mut self) {
        self.buffer.release_if_empty();
    }

    /// How many bytes a write may hand over.
    #[inline]
    pub(super) fn room(&self, high_water: usize) -> usize {
        high_water.saturating_sub(self.buffer.len())
    }

    /// Whether a content of any length would be taken.
    #[inline]
    pub(super) fn has_room(&self, high_water: usize) -> bool {
        self.room(high_water) > 0 && !self.buffer.has_large()
    }

    /// Whether there is room for the bytes of a write.
    pub(super) fn fits(&self, data: &Data<'_>, high_water: usize) -> bool {
        let room = self.room(high_water);
        match data {
            Data::Slice(slice) => slice.len() <= room,
            Data::Bytes(bytes) => bytes.len() <= room || self.has_room(high_water),
            Data::Elsewhere(content) => content.is_empty() || self.has_room(high_water),
        }
    }

    /// The response runs to the end of the connection, so that only a reset tells that it was cut.
    #[inline]
    pub(super) fn runs_until_close(&self) -> bool {
        self.owed == Owed::UntilClose
    }

    #[inline]
    pub(super) fn owes_content(&self) -> bool {
        self.owed != Owed::Nothing
    }

    /// Everything that the Content-Length declares was written.
    #[inline]
    pub(super) fn content_is_whole(&self) -> bool {
        self.owed == Owed::Length(0)
    }

    /// What is owed, without the amount: for tests that compare situations.
    #[cfg(test)]
    pub(super) fn owed_roughly(&self) -> alloc::string::String {
        match self.owed {
            Owed::Length(rest) => alloc::format!("Length({})", rest.min(2)),
            owed => alloc::format!("{owed:?}"),
        }
    }

    /// Stages a planned head and the content that comes with it. Does not record what the application still owes;
    /// [`begin`](Self::begin) does.
    #[inline]
    pub(super) fn stage_response(
        &mut self,
        plan: &ResponsePlan,
        response: &ResponseRef<'_>,
        date: &Date,
        identity: &str,
    ) {
        let out = self.buffer.stage();
        let start = out.len();
        let head = HeadPlan { connection: plan.connection, framing: plan.framing };
        encode::response_head(out, response.status, response.fields, head, date, identity);
        set_version(out, start, plan.version);
        let Some(limit) = plan.content else { return };
        match response.body {
            BodyRef::Slice(slice) => self.stage_slice(slice, limit),
            BodyRef::Bytes(bytes) => self.stage_content(&Data::Bytes(bytes.clone()), limit),
            BodyRef::Empty | BodyRef::Stream { .. } => {}
        }
    }

    /// Keeps the head of a response until the request body comes, or the response goes on without it.
    #[cold]
    pub(super) fn hold_head(&mut self, response: &ResponseRef<'_>) {
        let BodyRef::Stream { length } = response.body else { return };
        let ResponseRef { status, fields, .. } = *response;
        self.rare.get_or_insert_default().held = Some(HeldHead { status, fields: fields.clone(), length });
    }

    #[inline]
    pub(super) fn holds_head(&self) -> bool {
        self.rare.as_ref().is_some_and(|rare| rare.held.is_some())
    }

    pub(super) fn take_held(&mut self) -> Option<HeldHead> {
        let rare = self.rare.as_mut()?;
        let held = rare.held.take();
        if rare.excess == 0 {
            self.rare = None;
        }
        held
    }

    /// The response that the head belongs to is not sent.
    pub(super) fn drop_held(&mut self) {
        drop(self.take_held());
    }

    /// Bytes of capacity that the output holds.
    pub(super) fn private(&self) -> usize {
        let held = self.rare.as_ref().and_then(|rare| rare.held.as_ref());
        self.buffer.private() + held.map_or(0, |held| held.fields.heap_len())
    }

    /// Takes back the response that was staged behind the mark.
    #[cold]
    pub(super) fn roll_back(&mut self, mark: Mark) {
        self.buffer.roll_back(mark);
        self.take_excess();
    }

    /// The planned response is the one that runs.
    #[inline]
    pub(super) fn begin(&mut self, plan: &ResponsePlan) {
        self.owed = plan.owed;
    }

    /// The response is over, complete or not: nothing more is owed.
    #[inline]
    pub(super) fn end_response(&mut self) {
        self.owed = Owed::Nothing;
        self.write_blocked = false;
    }

    /// Encodes bytes of the content.
    pub(super) fn stage_data(&mut self, data: &Data<'_>) {
        let length = data.len();
        match self.owed {
            Owed::Nothing => {}
            Owed::UntilClose => self.stage_content(data, u64::MAX),
            Owed::Length(rest) => {
                self.stage_content(data, rest);
                self.owed = Owed::Length(rest.saturating_sub(length));
            }
            Owed::Chunked => {
                encode::chunk_start(self.buffer.stage(), length);
                self.stage_content(data, u64::MAX);
                encode::chunk_end(self.buffer.stage());
            }
        }
    }

    #[inline]
    fn stage_slice(&mut self, content: &[u8], limit: u64) {
        match usize::try_from(limit).ok().and_then(|limit| content.get(..limit)) {
            Some(cut) => {
                self.count_excess((content.len() - cut.len()) as u64);
                self.buffer.stage().extend_from_slice(cut);
            }
            None => self.buffer.stage().extend_from_slice(content),
        }
    }

    fn stage_content(&mut self, data: &Data<'_>, limit: u64) {
        match data {
            Data::Slice(slice) => self.stage_slice(slice, limit),
            Data::Bytes(bytes) => match usize::try_from(limit) {
                Ok(limit) if limit < bytes.len() => {
                    self.count_excess((bytes.len() - limit) as u64);
                    self.buffer.push(&bytes.slice(..limit));
                }
                _ => self.buffer.push(bytes),
            },
            Data::Elsewhere(content) => {
                self.count_excess(content.len().saturating_sub(limit));
                self.buffer.push_elsewhere(content.clone().truncated(limit));
            }
        }
    }

    /// Ends the content; false: it is short of its length, and cannot be ended.
    pub(super) fn finish(&mut self, trailers: Option<&Fields>) -> bool {
        match self.owed {
            Owed::Length(rest) if rest > 0 => return false,
            Owed::Chunked => encode::last_chunk(self.buffer.stage(), trailers),
            Owed::Nothing | Owed::Length(_) | Owed::UntilClose => {}
        }
        true
    }

    pub(super) fn stage_continue(&mut self) {
        self.buffer.end_write();
        self.buffer.stage().extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
        self.buffer.end_write();
    }

    pub(super) fn stage_informational(&mut self, status: Status, fields: &Fields) {
        self.buffer.end_write();
        encode::informational_head(self.buffer.stage(), status, fields);
        self.buffer.end_write();
    }

    /// Bytes that were cut off since the last call.
    #[cold]
    pub(super) fn take_excess(&mut self) -> u64 {
        let Some(rare) = &mut self.rare else { return 0 };
        let excess = core::mem::take(&mut rare.excess);
        if rare.held.is_none() {
            self.rare = None;
        }
        excess
    }

    #[cold]
    fn count_excess(&mut self, bytes: u64) {
        if bytes > 0 {
            self.rare.get_or_insert_default().excess += bytes;
        }
    }

    #[inline]
    pub(super) fn has_excess(&self) -> bool {
        self.rare.as_ref().is_some_and(|rare| rare.excess > 0)
    }

    /// Whoever finds no room is told when there is.
    #[inline]
    pub(super) fn note_blocked(&mut self, high_water: usize) {
        self.write_blocked |= !self.has_room(high_water);
    }

    /// Marks what is staged for a flush; false: it has left already.
    pub(super) fn mark_flush(&mut self) -> bool {
        let pending = !self.buffer.is_empty();
        if pending {
            self.flush_at = self.buffer.position();
        }
        pending
    }

    /// `n` bytes have left.
    #[inline]
    pub(super) fn take_sent(&mut self, n: usize, high_water: usize) -> SentEffects {
        self.buffer.advance(n);
        let flushed = self.flush_at != 0 && self.buffer.sent() >= self.flush_at;
        if flushed {
            self.flush_at = 0;
        }
        let unblocked = self.write_blocked && self.has_room(high_water);
        self.write_blocked &= !unblocked;
        SentEffects { flushed, unblocked }
    }

    #[inline]
    pub(super) fn resets(&self) -> bool {
        self.reset
    }

    /// If `is_cut`, the connection ends with a reset. Once set, it stays set.
    pub(super) fn reset_when(&mut self, is_cut: bool) {
        self.reset |= is_cut;
    }

    /// The connection is over: what has not left never will.
    pub(super) fn end(&mut self) {
        self.flush_at = 0;
        self.buffer.clear();
    }
}

/// Changes the version in the status line to HTTP/1.0 for a request of HTTP/1.0; the encoder writes HTTP/1.1.
#[inline]
fn set_version(out: &mut [u8], start: usize, version: Version) {
    if version == Version::Http10 {
        if let Some(minor) = out.get_mut(start + 7) {
            *minor = b'0';
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_kept_of_a_head_that_was_sent_or_dropped() {
        let fields = Fields::new();
        let body = BodyRef::Stream { length: None };
        let response = ResponseRef { status: Status::OK, fields: &fields, body };
        let mut sender = Sender::default();
        sender.hold_head(&response);
        assert!(sender.holds_head());
        sender.drop_held();
        assert!(!sender.holds_head() && sender.rare.is_none());
        sender.hold_head(&response);
        assert!(sender.take_held().is_some() && sender.rare.is_none());
    }
}
