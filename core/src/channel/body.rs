//! The body of a request: how much of it has come, and what of it the application asked for.

use alloc::boxed::Box;

use super::compiled_config::CompiledConfig;
use super::input_buffer::InputBuffer;
use super::input_part::{ChannelTrace, InputPart};
use crate::chunked::{ChunkDecoder, ChunkStatus};
use crate::error::BodyError;
use crate::request::BodyLength;
use crate::trailers::{TrailerScan, TrailerStatus};

/// How much of the body is still to come. It depends on bytes alone, so it is not a `State` of the table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum BodyState {
    /// Nothing is to come.
    Complete,
    /// This many bytes are to come.
    Known(u64),
    /// Chunks are to come.
    Chunks,
    /// The trailer section is to come.
    TrailerSection,
    /// This many bytes are to come, and the application reads none of them.
    Unwanted(u64),
    /// It broke off, or its end is not known and the application reads no more of it.
    Failed,
}

/// What decoding came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Decoded {
    /// More is to come, or was not asked for.
    Partial,
    /// The body is whole.
    Complete,
    /// The body broke off, and why.
    Broken(Broken),
}

/// How a body broke off.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Broken {
    pub(super) error: BodyError,
    /// Bytes of the body that had arrived, as they were sent.
    pub(super) arrived: u64,
}

/// Where a body in chunks is read.
#[derive(Debug)]
struct Chunked {
    decoder: ChunkDecoder,
    trailers: TrailerScan,
}

impl Chunked {
    fn new() -> Self {
        Self { decoder: ChunkDecoder::new(), trailers: TrailerScan::default() }
    }
}

/// The body of the request that is with the application.
#[derive(Debug)]
pub(super) struct RequestBody {
    state: BodyState,
    /// Bytes that the application has asked for and not been given.
    credit: u64,
    /// The application has asked for the body.
    demanded: bool,
    /// The peer waits for a 100.
    expects: bool,
    /// The 100 was sent, and nothing of the body has come since.
    continued: bool,
    /// Kept from the first body in chunks on, and not before: most connections never see one.
    chunked: Option<Box<Chunked>>,
}

impl Default for RequestBody {
    fn default() -> Self {
        Self {
            state: BodyState::Complete,
            credit: 0,
            demanded: false,
            expects: false,
            continued: false,
            chunked: None,
        }
    }
}

impl RequestBody {
    /// A request of this body was delivered.
    #[inline]
    pub(super) fn begin(&mut self, length: BodyLength, expects: bool) {
        self.state = match length {
            BodyLength::None | BodyLength::Known(0) => BodyState::Complete,
            BodyLength::Known(length) => BodyState::Known(length),
            BodyLength::Chunked => {
                self.begin_chunks();
                BodyState::Chunks
            }
        };
        self.credit = 0;
        self.demanded = false;
        self.expects = expects;
        self.continued = false;
    }

    fn begin_chunks(&mut self) {
        match &mut self.chunked {
            Some(chunked) => **chunked = Chunked::new(),
            none => *none = Some(Box::new(Chunked::new())),
        }
    }

    #[inline]
    pub(super) fn state(&self) -> BodyState {
        self.state
    }

    #[inline]
    pub(super) fn is_complete(&self) -> bool {
        self.state == BodyState::Complete
    }

    /// Whether the application still waits for a part of the body.
    #[inline]
    pub(super) fn is_wanted(&self) -> bool {
        matches!(self.state, BodyState::Known(_) | BodyState::Chunks | BodyState::TrailerSection)
    }

    /// Whether bytes were asked for that are still to come.
    #[inline]
    pub(super) fn is_awaited(&self) -> bool {
        self.credit > 0 && self.is_wanted()
    }

    /// Whether something is to come that the application does not read, or never will come.
    #[inline]
    pub(super) fn is_forgone(&self) -> bool {
        matches!(self.state, BodyState::Unwanted(_) | BodyState::Failed)
    }

    pub(super) fn is_demanded(&self) -> bool {
        self.demanded
    }

    #[inline]
    pub(super) fn expects(&self) -> bool {
        self.expects
    }

    /// The peer waits for no 100 any more. `sent`: it was sent; else bytes of the body came without it.
    pub(super) fn end_expectation(&mut self, sent: bool) {
        self.expects = false;
        self.continued = sent;
    }

    /// Whether the 100 was sent and nothing of the body has come since.
    #[cfg(test)]
    pub(super) fn is_continued(&self) -> bool {
        self.continued
    }

    /// Whether the head of a response whose content is still to be written has to wait: the peer waits for its 100, or has
    /// sent nothing since.
    pub(super) fn withholds_head(&self) -> bool {
        self.is_wanted() && (self.expects || self.continued)
    }

    /// Bytes of the body have come behind the 100.
    pub(super) fn note_begun(&mut self) {
        self.continued = false;
    }

    /// Adds credit. Returns whether it is the first for this body.
    pub(super) fn demand(&mut self, bytes: u64) -> bool {
        self.credit = self.credit.saturating_add(bytes);
        !core::mem::replace(&mut self.demanded, true)
    }

    /// Leaves credit for one byte, if there is any; returns the rest of it.
    pub(super) fn take_credit(&mut self) -> u64 {
        let rest = self.credit.saturating_sub(1);
        self.credit -= rest;
        rest
    }

    /// Gives back what [`take_credit`](Self::take_credit) has taken.
    pub(super) fn return_credit(&mut self, rest: u64) {
        self.credit += rest;
    }

    /// Decodes as much of the body as there is credit for.
    #[inline]
    pub(super) fn decode(
        &mut self,
        input: &mut InputBuffer,
        length: BodyLength,
        compiled: &CompiledConfig,
        trace: &mut impl ChannelTrace,
    ) -> Decoded {
        loop {
            match self.state {
                BodyState::Complete | BodyState::Unwanted(_) | BodyState::Failed => return Decoded::Partial,
                BodyState::Known(rest) => {
                    let n = (input.unparsed_len() as u64).min(rest).min(self.credit);
                    input.body_ready(0..n as usize, n as usize);
                    trace.part(InputPart::Body, n as usize);
                    self.credit -= n;
                    if n == rest {
                        self.state = BodyState::Complete;
                        return Decoded::Complete;
                    }
                    self.state = BodyState::Known(rest - n);
                    return self.pause(input, length);
                }
                BodyState::Chunks => {
                    let Some(chunked) = self.chunked.as_deref_mut() else { return Decoded::Partial };
                    let decoded =
                        chunked.decoder.decode(input.unparsed_mut(), self.credit, &compiled.chunks, trace);
                    self.credit -= decoded.data.len() as u64;
                    input.body_ready(decoded.data, decoded.consumed);
                    match decoded.status {
                        ChunkStatus::More | ChunkStatus::Credit => return self.pause(input, length),
                        ChunkStatus::Last => self.state = BodyState::TrailerSection,
                        ChunkStatus::Failed(error) => {
                            return Decoded::Broken(self.break_off(
                                BodyError::Malformed(error),
                                input,
                                length,
                            ));
                        }
                    }
                }
                BodyState::TrailerSection => {
                    let Some(chunked) = self.chunked.as_deref_mut() else { return Decoded::Partial };
                    let status = chunked.trailers.advance(
                        input.unparsed(),
                        compiled.trailer_size,
                        compiled.trailer_fields,
                        chunked.decoder.offset(),
                    );
                    match status {
                        TrailerStatus::Partial => return self.pause(input, length),
                        TrailerStatus::Complete { len } => {
                            input.trailers_ready(len);
                            trace.part(InputPart::Trailers, len);
                            self.state = BodyState::Complete;
                            return Decoded::Complete;
                        }
                        TrailerStatus::Refused(error) => {
                            return Decoded::Broken(self.break_off(
                                BodyError::Malformed(error),
                                input,
                                length,
                            ));
                        }
                    }
                }
            }
        }
    }

    /// More is to come; if nothing can come any more, the body is truncated.
    fn pause(&mut self, input: &InputBuffer, length: BodyLength) -> Decoded {
        if input.input_ended() && self.credit > 0 {
            return Decoded::Broken(self.break_off(BodyError::Truncated, input, length));
        }
        Decoded::Partial
    }

    /// The body ends here, and is not whole.
    #[cold]
    pub(super) fn break_off(&mut self, error: BodyError, input: &InputBuffer, length: BodyLength) -> Broken {
        let buffered = input.unparsed_len() as u64;
        let arrived = match (self.state, length, &self.chunked) {
            (BodyState::Known(rest), BodyLength::Known(length), _) => length - rest + buffered.min(rest),
            (BodyState::Chunks | BodyState::TrailerSection, _, Some(chunked)) => {
                chunked.decoder.offset() + buffered
            }
            _ => 0,
        };
        self.state = BodyState::Failed;
        Broken { error, arrived }
    }

    /// No more of it is decoded. Returns how many bytes of a chunk line were used up that no trace has heard of.
    pub(super) fn close(&mut self) -> usize {
        self.chunked.take().map_or(0, |chunked| chunked.decoder.unreported())
    }

    /// Notes that the rest of the body will not come. Returns whether there was a rest.
    pub(super) fn fail(&mut self) -> bool {
        let wanted = self.is_wanted();
        if wanted {
            self.state = BodyState::Failed;
        }
        wanted
    }

    /// The response is complete: the application hears no more of the body.
    #[inline]
    pub(super) fn end_exchange(&mut self) {
        self.credit = 0;
        self.expects &= !self.is_complete();
    }

    /// The application reads no more of the body.
    pub(super) fn forgo(&mut self) {
        self.state = match self.state {
            BodyState::Known(rest) => BodyState::Unwanted(rest),
            BodyState::Chunks | BodyState::TrailerSection => BodyState::Failed,
            known @ (BodyState::Complete | BodyState::Unwanted(_) | BodyState::Failed) => known,
        };
    }

    /// Discards the buffered bytes of the rest. Returns whether the body is complete.
    pub(super) fn discard(&mut self, input: &mut InputBuffer, trace: &mut impl ChannelTrace) -> bool {
        let BodyState::Unwanted(rest) = self.state else { return true };
        let n = (input.unparsed_len() as u64).min(rest);
        input.consume(n as usize);
        trace.part(InputPart::Skipped, n as usize);
        self.state = if n < rest { BodyState::Unwanted(rest - n) } else { BodyState::Complete };
        n == rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_arrived_of_a_body_that_breaks_off_counts_whether_it_was_read_or_not() {
        let length = BodyLength::Known(10);
        for (buffered, arrived) in [(&b""[..], 0), (b"abc", 3), (b"abcdefghijGET /", 10)] {
            let mut input = InputBuffer::default();
            input.append(buffered);
            let mut body = RequestBody::default();
            body.begin(length, false);
            let broken = body.break_off(BodyError::TimedOut, &input, length);
            assert_eq!(broken, Broken { error: BodyError::TimedOut, arrived });
        }
    }
}
