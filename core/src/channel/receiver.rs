//! The input side: bytes that arrived, the head that is looked for in them, and the body that follows it.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::ops::Range;

use super::State;
use super::body::{BodyState, Broken, Decoded, RequestBody};
use super::compiled_config::{CompiledConfig, Timeout};
use super::input_buffer::{InputBuffer, READ};
use super::input_part::{ChannelTrace, InputPart};
use super::pipeline::Pipeline;
use super::plan::BodyLeft;

use crate::error::{BodyError, RequestError, Rule};
use crate::head::{self, FieldPlace, FieldPlaces, HeadScan, Parsed};
use crate::part::part;
use crate::request::{HeadMeta, RequestRef, Version};

/// What looking for a head came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum HeadFound {
    /// It is not complete.
    Partial,
    /// It is complete, and its request is the one that [`Receiver::deliver`] delivers.
    Complete,
    /// It broke a rule, or may not be served.
    Refused(RequestError),
}

/// The input, and the request that is read from it.
#[derive(Debug, Default)]
pub(super) struct Receiver {
    buffer: InputBuffer,
    scan: HeadScan,
    /// The request: the one that the application has, or the one that was refused.
    request: HeadMeta,
    body: RequestBody,
    extras: Option<Box<Extras>>,
    /// Bytes received, in all.
    received: u64,
}

/// What few channels need: those whose handler takes all fields; from the first request on that waits behind another, those
/// that have a limit of such requests; and those that linger.
#[derive(Debug, Default)]
struct Extras {
    /// Where the fields of the request stand.
    places: FieldPlaces,
    pipeline: Pipeline,
    /// Bytes that are still discarded while lingering.
    linger_left: u64,
}

impl Receiver {
    pub(super) fn new(compiled: &CompiledConfig) -> Self {
        let extras = || Box::new(Extras { places: FieldPlaces::new(true), ..Extras::default() });
        Self { extras: compiled.keeps_places.then(extras), ..Self::default() }
    }

    #[inline]
    pub(super) fn buffer(&self) -> &InputBuffer {
        &self.buffer
    }

    #[inline]
    pub(super) fn body(&self) -> &RequestBody {
        &self.body
    }

    #[inline]
    pub(super) fn request(&self) -> &HeadMeta {
        &self.request
    }

    /// The head that the application looks at, while it may.
    #[inline]
    pub(super) fn head(&self) -> Option<RequestRef<'_>> {
        let places = self.extras.as_ref().map_or(&[][..], |extras| extras.places.get());
        self.buffer.head().map(|bytes| RequestRef::new(bytes, &self.request, places))
    }

    pub(super) fn received(&self) -> u64 {
        self.received
    }

    #[inline]
    pub(super) fn input_ended(&self) -> bool {
        self.buffer.input_ended()
    }

    pub(super) fn end(&mut self) {
        self.buffer.end();
    }

    /// Bytes that may be handed over in `state`.
    #[inline]
    pub(super) fn room(&self, state: State, bound: usize) -> usize {
        if self.input_ended() {
            return 0;
        }
        match state {
            State::Fresh | State::Head | State::Idle | State::Discard | State::Lingering => READ,
            // A trailer section is judged as a whole and may grow to its own limit, as a head may.
            State::WaitResponse | State::HeadHeld | State::Responding
                if self.body.state() == BodyState::TrailerSection && !self.buffer.has_body() =>
            {
                READ
            }
            State::WaitResponse | State::HeadHeld | State::Responding | State::Flushing | State::Handover => {
                self.buffer.bounded_room(bound)
            }
            State::Closing | State::Upgraded | State::Closed => 0,
        }
    }

    /// Bytes that nothing has asked for: those where [`room`](Self::room) has a bound.
    pub(super) fn read_ahead(&self, state: State) -> usize {
        let is_bounded = match state {
            State::WaitResponse | State::HeadHeld | State::Responding => {
                self.body.state() != BodyState::TrailerSection || self.buffer.has_body()
            }
            State::Flushing | State::Handover => true,
            _ => false,
        };
        if is_bounded { self.buffer.held() } else { 0 }
    }

    /// Stops reading at the input bound, and goes on when half of it is free.
    #[inline]
    pub(super) fn pace(&mut self, bound: usize) {
        self.buffer.pace(bound);
    }

    /// The first `n` bytes of what was offered have come.
    #[inline]
    pub(super) fn accept_read(&mut self, n: usize) {
        self.buffer.accept_read(n);
        self.received += n as u64;
    }

    /// These bytes have come.
    #[inline]
    pub(super) fn append(&mut self, bytes: &[u8]) {
        self.buffer.append(bytes);
        self.received += bytes.len() as u64;
    }

    /// Whether a head is buffered that came whole; its request is the one that [`deliver`](Self::deliver) delivers. Whole
    /// heads in one read are the rule.
    #[inline]
    pub(super) fn parse_head(&mut self, compiled: &CompiledConfig) -> bool {
        let places = self.extras.as_mut().map(|extras| &mut extras.places);
        self.scan.at_once(self.buffer.unparsed(), &compiled.head, &mut self.request, places)
            && self.head_complete() == HeadFound::Complete
    }

    /// Whether more than empty lines is buffered, which is a request or is refused.
    #[inline]
    pub(super) fn has_request(&self, compiled: &CompiledConfig) -> bool {
        self.buffer.unparsed_len() > 0 && (!self.buffer.begins_with(b'\r') || self.head_begins(compiled))
    }

    /// Whether what is buffered is more than the empty lines that are skipped.
    #[cold]
    pub(super) fn head_begins(&self, compiled: &CompiledConfig) -> bool {
        !head::is_before(self.buffer.unparsed(), &compiled.head)
    }

    /// Searches on in a head that did not come whole, or breaks a rule.
    #[cold]
    pub(super) fn search_head(&mut self, compiled: &CompiledConfig) -> HeadFound {
        if let Some(extras) = &mut self.extras {
            extras.places.clear();
        }
        match self.scan.go_on(self.buffer.unparsed(), &compiled.head) {
            // The input ended while another request was responded to: this head will never be whole.
            Parsed::Partial if self.input_ended() => {
                let error = RequestError::new(Rule::HeadTruncated, self.buffer.unparsed_len() as u64);
                self.refuse_head(error, compiled)
            }
            Parsed::Partial => HeadFound::Partial,
            Parsed::Complete(request) => {
                self.request = request;
                self.head_complete()
            }
            Parsed::Refused(error) => self.refuse_head(error, compiled),
        }
    }

    #[inline]
    fn head_complete(&self) -> HeadFound {
        if self.extras.as_ref().is_some_and(|extras| extras.pipeline.refuses_next()) {
            return HeadFound::Refused(RequestError::new(Rule::SimultaneousRequests, 0));
        }
        HeadFound::Complete
    }

    /// Refuses a head that was not complete or broke a rule.
    pub(super) fn refuse_head(&mut self, error: RequestError, compiled: &CompiledConfig) -> HeadFound {
        self.request = self.facts_of_refused_head(&error, compiled);
        HeadFound::Refused(error)
    }

    /// What can be said of a head that was refused, for the response: its version, and whether it is a HEAD. Only a
    /// request line that ends before the fault tells: whether more has come depends on how the input was cut.
    #[cold]
    fn facts_of_refused_head(&self, error: &RequestError, compiled: &CompiledConfig) -> HeadMeta {
        let bytes = self.buffer.unparsed();
        // Only the bytes count that the verdict came from: how many more have come depends on how the input was cut.
        let decisive = match error.rule.is_of_one_byte() {
            true => usize::try_from(error.offset).unwrap_or(usize::MAX),
            false => compiled.head.size as usize,
        };
        let bytes = bytes.get(..decisive).unwrap_or(bytes);
        let bytes = part(bytes, head::start(bytes)..);
        // Until a line has ended, version and method are not known.
        let line = memchr::memchr(b'\n', bytes).map_or(&[][..], |end| part(bytes, ..end));
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        HeadMeta {
            version: if line.ends_with(b" HTTP/1.0") { Version::Http10 } else { Version::Http11 },
            head: bytes.starts_with(b"HEAD "),
            ..HeadMeta::default()
        }
    }

    /// Moves past the head of the request, which the application may look at from now on, to its body.
    #[inline]
    pub(super) fn deliver(&mut self, trace: &mut impl ChannelTrace) {
        trace.part(InputPart::Head, self.request.len as usize);
        debug_assert!(self.scan == HeadScan::default(), "the search for a head begins anew with each");
        if let Some(extras) = &mut self.extras {
            extras.pipeline.shift(&self.request);
        }
        self.buffer.pin_head(self.request.len as usize);
        self.body.begin(self.request.body, self.request.expect);
    }

    /// The application looks at the head no more.
    #[inline]
    pub(super) fn let_head_go(&mut self) {
        self.buffer.unpin_head();
    }

    /// Decodes as much of the body as there is credit for.
    #[inline]
    pub(super) fn decode_body(
        &mut self,
        compiled: &CompiledConfig,
        trace: &mut impl ChannelTrace,
    ) -> Decoded {
        self.body.decode(&mut self.buffer, self.request.body, compiled, trace)
    }

    /// Decodes the body up to the first byte of its content; to the end of what has come, if no more comes.
    pub(super) fn begin_body(&mut self, compiled: &CompiledConfig, trace: &mut impl ChannelTrace) -> Decoded {
        let rest = if self.input_ended() { 0 } else { self.body.take_credit() };
        let decoded = self.decode_body(compiled, trace);
        self.body.return_credit(rest);
        decoded
    }

    /// The body ends here, and is not whole.
    pub(super) fn break_body(&mut self, error: BodyError) -> Broken {
        self.body.break_off(error, &self.buffer, self.request.body)
    }

    /// Discards the buffered bytes of a body that nobody wants. Returns whether the body is complete.
    pub(super) fn discard_body(&mut self, trace: &mut impl ChannelTrace) -> bool {
        self.body.discard(&mut self.buffer, trace)
    }

    /// Bytes have come. Whether they are of a body that was asked for.
    #[inline]
    pub(super) fn note_body_begun(&mut self) -> bool {
        let is_wanted = self.body.is_wanted();
        if is_wanted {
            self.body.note_begun();
        }
        is_wanted
    }

    /// Adds credit for the body. Returns whether it is the first for this one.
    pub(super) fn demand_body(&mut self, bytes: u64) -> bool {
        self.body.demand(bytes)
    }

    /// The peer waits for no 100 any more. `sent`: it was sent; else bytes of the body came without it.
    pub(super) fn end_expectation(&mut self, sent: bool) {
        self.body.end_expectation(sent);
    }

    /// The response is complete: the application hears no more of the body.
    #[inline]
    pub(super) fn end_exchange(&mut self) {
        self.body.end_exchange();
        self.buffer.drop_body();
    }

    /// The application reads no more of the body.
    pub(super) fn forgo_body(&mut self) {
        self.body.forgo();
    }

    /// Notes that the rest of the body will not come. Returns whether there was a rest.
    pub(super) fn fail_body(&mut self) -> bool {
        self.body.fail()
    }

    /// Lets go of decoded bytes of the body that nobody takes any more.
    pub(super) fn drop_body(&mut self) {
        self.buffer.drop_body();
    }

    /// The trailer section of a body that is complete.
    pub(super) fn take_trailers(&mut self) -> &[u8] {
        self.buffer.take_trailers()
    }

    /// Everything unparsed, for the protocol that takes over.
    pub(super) fn take_unparsed(&mut self) -> &[u8] {
        self.buffer.take_all()
    }

    // The memory.

    /// Where to read to: at most `room` bytes.
    #[inline]
    pub(super) fn spare(&mut self, room: usize) -> &mut [u8] {
        self.buffer.spare(room)
    }

    #[inline]
    pub(super) fn lend(&mut self, store: &mut Vec<u8>, places: &mut Vec<FieldPlace>) {
        self.buffer.lend(store);
        if let Some(extras) = &mut self.extras {
            extras.places.lend(places);
        }
    }

    #[inline]
    pub(super) fn take_back(&mut self, store: &mut Vec<u8>, places: &mut Vec<FieldPlace>) {
        self.buffer.take_back(store);
        if let Some(extras) = &mut self.extras {
            if self.buffer.head().is_none() {
                extras.places.take_back(places);
            }
        }
    }

    /// Lets a store of the channel's own go but for what is held.
    pub(super) fn shrink(&mut self) {
        self.buffer.shrink();
    }

    /// Lets a store of the channel's own go, but for empty lines that are held.
    #[inline]
    pub(super) fn release(&mut self) {
        if self.buffer.unparsed_len() > 0 {
            self.buffer.shrink();
        }
        self.buffer.release_if_empty();
    }

    /// The decoded body bytes. What they leave free is room for input at once: no event need follow.
    pub(super) fn take_body(&mut self, bound: usize) -> &[u8] {
        let range = self.buffer.take_body();
        self.pace(bound);
        self.buffer.bytes(range)
    }

    /// The same with the worker's store, for which `other` is left, where the bytes fill it.
    pub(super) fn take_body_store(&mut self, other: &mut Vec<u8>, bound: usize) -> Option<Range<usize>> {
        let range = self.buffer.take_body_store(other)?;
        self.pace(bound);
        Some(range)
    }

    /// What is still to come of the body, seen by whoever decides whether the connection goes on.
    #[inline]
    pub(super) fn body_left(&self, compiled: &CompiledConfig) -> BodyLeft {
        match self.body.state() {
            BodyState::Complete => BodyLeft::None,
            _ if self.body.expects() => BodyLeft::AwaitingContinue,
            BodyState::Known(rest) | BodyState::Unwanted(rest)
                if compiled.timeout(Timeout::Discard) > 0 && rest <= compiled.config.discard_bytes =>
            {
                BodyLeft::Short
            }
            BodyState::Known(_) | BodyState::Chunks | BodyState::TrailerSection => BodyLeft::Long,
            BodyState::Unwanted(_) | BodyState::Failed => BodyLeft::Forgone,
        }
    }

    /// Looks for requests beyond the pipeline limit.
    pub(super) fn check_pipeline(&mut self, compiled: &CompiledConfig) {
        let limit = compiled.config.maximum_simultaneous_requests;
        let waiting = self.buffer.unparsed();
        if limit != 0 && self.body.is_complete() && !waiting.is_empty() {
            self.extras.get_or_insert_default().pipeline.check(waiting, limit, &compiled.head);
        }
    }

    /// No input is accepted any more, and what is buffered is of no use.
    pub(super) fn close(&mut self, trace: &mut impl ChannelTrace) {
        self.extras = None;
        trace.part(InputPart::Unread, self.body.close() + self.buffer.clear());
        self.buffer.unpin_head();
    }

    /// From now on this many bytes are discarded.
    pub(super) fn begin_linger(&mut self, bytes: u64) {
        self.extras.get_or_insert_default().linger_left = bytes;
    }

    /// Discards input. Returns whether that was the last of it.
    pub(super) fn linger(&mut self, trace: &mut impl ChannelTrace) -> bool {
        let n = self.buffer.clear();
        trace.part(InputPart::Unread, n);
        let Some(extras) = &mut self.extras else { return true };
        extras.linger_left = extras.linger_left.saturating_sub(n as u64);
        extras.linger_left == 0
    }
}
