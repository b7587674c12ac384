//! The parts of a channel beside its state, seen together. This module alone sees them: here is what a channel is asked and
//! lent, and what happens before and after a step; `parts/actions.rs` has what each action of the table does, with the
//! files beside it.
//!
//! Each part keeps its fields private to its file. [`Parts`] has no state of its own, and cannot see or set that of the
//! channel: what depends on the state is given it.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::Range;

use super::compiled_config::{CompiledConfig, Facts, Leave};
use super::input::Input;
use super::outbox::{Outbox, OutputKind};
use super::output::Output;
use super::output_buffer::OutputBuffer;
use super::persistence::Persistence;
use super::plan::{self, ResponseContext, ResponsePlan};
use super::receiver::Receiver;
use super::responder::Responder;
use super::sender::Sender;
use super::stats::ChannelStats;
use super::timers::{Endings, Timers};
use super::worker_buffers::WorkerBuffers;
use super::{Condition, Internal, State};
use crate::error::{CloseReason, RequestError, Rule};
use crate::request::RequestRef;
use crate::response::ResponseRef;
use crate::time::{Moment, Now};
use crate::trailers::Trailers;

mod actions;
mod closing;
mod request;
mod response;

/// The arguments of an action: the time, and the input of the current step.
pub(super) struct Args<'a> {
    pub(super) now: &'a Now<'a>,
    pub(super) at: Moment,
    /// With `staged` there is no input, and this is [`Input::Tick`]: the row is that for `HttpResponse`, whose only action
    /// that takes data, `AcceptResponse`, then takes the plan.
    pub(super) input: &'a Input<'a>,
    /// The plan of a response that is staged already ([`Channel::respond_with`](super::Channel::respond_with)).
    pub(super) staged: Option<ResponsePlan>,
}

impl<'a> Args<'a> {
    #[inline]
    pub(super) fn new(now: &'a Now<'a>, at: Moment, input: &'a Input<'a>) -> Self {
        Self { now, at, input, staged: None }
    }
}

fn is_within(n: usize, most: usize) -> bool {
    n > 0 && n <= most
}

/// What a response is planned from, beside the response itself.
#[inline]
fn response_context<'a>(
    receiver: &'a Receiver,
    persistence: &Persistence,
    timers: &Timers,
    compiled: &CompiledConfig,
) -> ResponseContext<'a> {
    ResponseContext {
        request: receiver.request(),
        body_left: receiver.body_left(compiled),
        must_close: persistence.must_close(),
        why_close: persistence.why_close(compiled.config.requests_per_connection, timers.is_old()),
    }
}

/// The parts of a channel beside its state, and the configuration.
#[derive(Debug)]
pub(super) struct Parts {
    compiled: Arc<CompiledConfig>,
    receiver: Receiver,
    sender: Sender,
    persistence: Persistence,
    timers: Timers,
    outbox: Outbox,
}

impl Parts {
    /// Those of a channel that has just opened.
    pub(super) fn new(compiled: Arc<CompiledConfig>, facts: Facts) -> Self {
        let timers = Timers::new(compiled.age(&facts));
        let mut parts = Self {
            receiver: Receiver::new(&compiled),
            compiled,
            sender: Sender::default(),
            persistence: Persistence::default(),
            timers,
            outbox: Outbox::default(),
        };
        parts.update_deadline(Moment::START, State::Fresh);
        if let Some(rule) = facts.refusal {
            parts.outbox.note_refusal(RequestError::new(rule, 0));
            parts.timers.refuse_at_once();
        }
        parts
    }

    /// The condition that an input does not meet, one of those that the table lists for it; the table has said that its
    /// event fits.
    #[inline]
    pub(super) fn unmet(&self, state: State, input: &Input<'_>) -> Option<Condition> {
        let (is_met, condition) = match input {
            Input::RxData(bytes) => {
                (is_within(bytes.len(), self.input_room(state)), Condition::FitsInputRoom)
            }
            Input::RxRead(n) => {
                let offered = self.receiver.buffer().offered().min(self.input_room(state));
                (is_within(*n, offered), Condition::FitsInputRoom)
            }
            Input::Sent(n) => (is_within(*n, self.sender.buffer().len()), Condition::WasUnsent),
            Input::Tick
            | Input::Finish(_)
            | Input::TransmitReady
            | Input::Disconnected
            | Input::Busy
            | Input::Evict
            | Input::CheckPipeline
            | Input::GoOut(_) => return None,
            Input::RxEnd => (!self.receiver.input_ended(), Condition::InputIsOpen),
            Input::Write(data) => (self.sender.fits(data, self.compiled.high_water), Condition::FitsRoom),
            _ if !self.is_delivered() => return Some(Condition::IsDelivered),
            Input::HttpResponse(response) => return self.unmet_response(response),
            Input::Informational(status, _) => {
                let is_interim = status.is_informational() && status.code() > 101;
                let unmet = if is_interim { Condition::HasRoom } else { Condition::IsInterim };
                (is_interim && self.room() > 0, unmet)
            }
            Input::Flush | Input::Continue | Input::BodyDemand(_) | Input::BodyForgone | Input::Abort(_) => {
                return None;
            }
        };
        (!is_met).then_some(condition)
    }

    #[inline]
    fn unmet_response(&self, response: &ResponseRef<'_>) -> Option<Condition> {
        let is_complete = self.receiver.body().is_complete();
        plan::unmet(self.receiver.request(), is_complete, response, self.compiled.high_water)
    }

    /// Whether the application knows the request.
    #[inline]
    pub(super) fn is_delivered(&self) -> bool {
        !self.outbox.has(OutputKind::HttpRequest)
    }

    /// Bytes of input that may be handed over in `state`.
    #[inline]
    pub(super) fn input_room(&self, state: State) -> usize {
        self.receiver.room(state, self.compiled.input_bound)
    }

    /// Bytes of input that nothing has asked for.
    pub(super) fn read_ahead(&self, state: State) -> usize {
        self.receiver.read_ahead(state)
    }

    /// Bytes that a write may hand over.
    #[inline]
    pub(super) fn room(&self) -> usize {
        self.sender.room(self.compiled.high_water)
    }

    #[inline]
    pub(super) fn content_is_whole(&self) -> bool {
        self.sender.content_is_whole()
    }

    #[inline]
    pub(super) fn has_room(&self) -> bool {
        self.sender.has_room(self.compiled.high_water)
    }

    #[inline]
    fn response_context(&self) -> ResponseContext<'_> {
        response_context(&self.receiver, &self.persistence, &self.timers, &self.compiled)
    }

    /// Brings the next deadline up to date, at the end of an event.
    #[inline]
    pub(super) fn update_deadline(&mut self, at: Moment, state: State) {
        let min_body_rate = self.compiled.config.min_body_rate;
        if state.is_with_application() {
            let body_awaited = self.receiver.body().is_awaited();
            let may_write = state != State::Responding || self.has_room();
            self.timers.watch(at, body_awaited, !body_awaited && may_write, min_body_rate);
        } else if self.timers.watches_application() {
            self.timers.watch(at, false, false, min_body_rate);
        }
        let output_pending = !self.sender.buffer().is_empty();
        let endings = Endings { input_ended: self.receiver.input_ended(), leave: self.persistence.leave() };
        self.timers.update_deadline(at, state, output_pending, endings, &self.compiled);
        self.receiver.pace(self.compiled.input_bound);
    }

    // The time.

    /// Goes to `at`, unless it is past; returns the moment that counts.
    #[inline]
    pub(super) fn advance(&mut self, at: Moment) -> Moment {
        self.timers.advance(at)
    }

    #[inline]
    pub(super) fn is_due(&self, at: Moment) -> bool {
        self.timers.is_due(at)
    }

    #[inline]
    pub(super) fn due(&self) -> Option<Moment> {
        self.timers.due()
    }

    #[inline]
    pub(super) fn due_event(&self) -> Internal {
        self.timers.due_event()
    }

    /// The channel has come into another state.
    #[inline]
    pub(super) fn enter(&mut self, at: Moment) {
        self.timers.enter(at);
    }

    // The outputs.

    /// The output that comes next.
    #[inline]
    pub(super) fn next_output(&self) -> Option<OutputKind> {
        self.outbox.first(self.sender.buffer().is_empty(), self.receiver.buffer().has_body())
    }

    /// Takes the output that comes next.
    #[inline]
    pub(super) fn take_output(&mut self) -> Option<Output<'_>> {
        let kind = self.next_output()?;
        self.outbox.remove(kind);
        Some(match kind {
            OutputKind::HttpChannelOpened => Output::HttpChannelOpened,
            OutputKind::RefusedBusy => {
                self.outbox.busy_taken();
                Output::Refused(RequestError::new(Rule::Busy, 0))
            }
            OutputKind::Excess => Output::Excess(self.sender.take_excess()),
            OutputKind::Flushed => Output::Flushed,
            OutputKind::TransmitReady => Output::TransmitReady,
            OutputKind::HttpRequest => Output::HttpRequest,
            OutputKind::BodyData => Output::BodyData(self.receiver.take_body(self.compiled.input_bound)),
            OutputKind::BodyEnd => Output::BodyEnd(Trailers::new(self.receiver.take_trailers())),
            OutputKind::BodyFailed => Output::BodyFailed(self.outbox.body_error()),
            OutputKind::PeerEnded => Output::PeerEnded,
            OutputKind::Refused => Output::Refused(self.outbox.refusal()),
            OutputKind::FlushOutputData => Output::FlushOutputData,
            OutputKind::Upgraded => Output::Upgraded(self.receiver.take_unparsed()),
            OutputKind::CloseWrite => Output::CloseWrite,
            OutputKind::Drop => Output::Drop { reset: self.sender.resets() },
            OutputKind::HttpChannelClosed => Output::HttpChannelClosed(self.close_reason()),
        })
    }

    /// Takes body bytes, if they come next, with the worker's buffer that they fill.
    pub(super) fn take_body_store(&mut self, other: &mut Vec<u8>) -> Option<Range<usize>> {
        if self.next_output() != Some(OutputKind::BodyData) {
            return None;
        }
        self.receiver.take_body_store(other, self.compiled.input_bound)
    }

    // The request, lent and looked at.

    /// The head of the request that the application knows, while it is kept.
    #[inline]
    pub(super) fn request(&self) -> Option<RequestRef<'_>> {
        if self.is_delivered() { self.receiver.head() } else { None }
    }

    /// The caller has a copy of the head.
    #[inline]
    pub(super) fn forget_request(&mut self) {
        if self.is_delivered() {
            self.receiver.let_head_go();
            self.receiver.pace(self.compiled.input_bound);
        }
    }

    /// Shows the request to `f`, and stages the response that it gives; its plan goes to `plan`. Whether a response was
    /// staged: not if no request can be shown, or `f` gave none. The application reads the input (the head of the request)
    /// and writes to the output, which have different owners.
    ///
    /// # Errors
    ///
    /// The condition that the response does not meet.
    #[inline]
    pub(super) fn respond_with(
        &mut self,
        now: &Now<'_>,
        plan: &mut Option<ResponsePlan>,
        f: impl FnOnce(RequestRef<'_>, &mut Responder<'_>),
    ) -> Result<bool, Condition> {
        if !self.is_delivered() {
            return Err(Condition::IsDelivered);
        }
        let Some(request) = self.receiver.head() else { return Ok(false) };
        let context = response_context(&self.receiver, &self.persistence, &self.timers, &self.compiled);
        let holds = self.receiver.body().withholds_head();
        let mut responder = Responder::new(&mut self.sender, &self.compiled, *now, context, holds, plan);
        f(request, &mut responder);
        responder.take()
    }

    // The buffers.

    /// Where to read to in `state`.
    #[inline]
    pub(super) fn spare(&mut self, state: State) -> &mut [u8] {
        let room = self.input_room(state);
        self.receiver.spare(room)
    }

    #[inline]
    pub(super) fn output(&self) -> &OutputBuffer {
        self.sender.buffer()
    }

    #[inline]
    pub(super) fn lend(&mut self, buffers: &mut WorkerBuffers) {
        self.receiver.lend(&mut buffers.input, &mut buffers.places);
        self.sender.lend(&mut buffers.output);
    }

    #[inline]
    pub(super) fn take_back(&mut self, buffers: &mut WorkerBuffers) {
        self.receiver.take_back(&mut buffers.input, &mut buffers.places);
        self.sender.take_back(&mut buffers.output);
    }

    /// Bytes of buffer capacity that are held.
    pub(super) fn buffered(&self) -> usize {
        let (input, output) = self.buffered_apart();
        input + output
    }

    /// Those of input, and those of output.
    pub(super) fn buffered_apart(&self) -> (usize, usize) {
        (self.receiver.buffer().private(), self.sender.private())
    }

    // What is known of the connection.

    /// Whether the end of input counts as a lost connection while a request is with the application. A second one does not:
    /// it is not accepted.
    #[inline]
    pub(super) fn end_is_disconnect(&self) -> bool {
        self.compiled.config.fin_is_disconnect && !self.receiver.input_ended()
    }

    /// Why the channel closes, or has.
    pub(super) fn close_reason(&self) -> CloseReason {
        self.persistence.reason()
    }

    pub(super) fn stats(&self) -> ChannelStats {
        ChannelStats {
            requests: self.persistence.requests(),
            refused: self.persistence.refused(),
            received: self.receiver.received(),
            sent: self.sender.buffer().sent(),
        }
    }

    /// The times by which the channel goes out: those it was told, or those of one that is told at `at`.
    pub(super) fn leave(&self, at: Moment) -> Leave {
        let configured = || self.compiled.leave(at.max(self.timers.latest()));
        self.persistence.leave().copied().unwrap_or_else(configured)
    }

    pub(super) fn compiled(&self) -> &Arc<CompiledConfig> {
        &self.compiled
    }

    /// The parts one by one, for tests of the core.
    #[cfg(test)]
    pub(super) fn owners(&self) -> (&Receiver, &Sender, &Persistence, &Timers) {
        (&self.receiver, &self.sender, &self.persistence, &self.timers)
    }
}
