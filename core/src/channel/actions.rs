//! What each action of the table does. This is the one file that sees all parts of a channel: it composes their calls,
//! and has no state of its own. An action cannot see or set the state; it returns at most one internal event.

use alloc::sync::Arc;

use super::body::{Broken, Decoded};
use super::compiled_config::{CompiledConfig, Facts};
use super::input::Input;
use super::input_part::{ChannelTrace, InputPart};
use super::outbox::{Outbox, OutputKind};
use super::persistence::Persistence;
use super::plan::{self, AfterHead, BodyLeft, Exchange, Plan};
use super::receiver::{HeadFound, Receiver};
use super::sender::Sender;
use super::timers::{Endings, Timeout, Timers};
use super::{Action, Condition, Internal, State};
use crate::error::{BodyError, CloseReason, RequestError, Rule};
use crate::request::Version;
use crate::response::{BodyRef, ResponseRef};
use crate::time::{Moment, Now};

/// What an action is given: when, and the input that began it all.
pub(super) struct Args<'a> {
    pub(super) now: &'a Now<'a>,
    pub(super) at: Moment,
    pub(super) input: &'a Input<'a>,
    /// The plan of a response that is staged already ([`Channel::respond_with`](super::Channel::respond_with)).
    pub(super) staged: Option<Plan>,
}

impl<'a> Args<'a> {
    #[inline]
    pub(super) fn new(now: &'a Now<'a>, at: Moment, input: &'a Input<'a>) -> Self {
        Self { now, at, input, staged: None }
    }
}

/// The table pairs the actions that take data with their inputs, and that is checked while compiling.
#[cold]
fn wrong_input<T>(nothing: T) -> T {
    debug_assert!(false, "an action was given an input that does not carry its data");
    nothing
}

fn is_within(n: usize, most: usize) -> bool {
    n > 0 && n <= most
}

/// What a response is planned from, beside the response itself.
#[inline]
pub(super) fn exchange<'a>(
    receiver: &'a Receiver,
    persistence: &Persistence,
    timers: &Timers,
    compiled: &CompiledConfig,
) -> Exchange<'a> {
    Exchange {
        request: receiver.request(),
        body_left: receiver.body_left(compiled),
        must_close: persistence.must_close(),
        why_close: persistence.why_close(compiled.config.requests_per_connection, timers.is_old()),
    }
}

/// The parts of a channel beside its state.
#[derive(Debug)]
pub(super) struct Parts {
    pub(super) compiled: Arc<CompiledConfig>,
    pub(super) receiver: Receiver,
    pub(super) sender: Sender,
    pub(super) persistence: Persistence,
    pub(super) timers: Timers,
    pub(super) outbox: Outbox,
}

impl Parts {
    pub(super) fn new(compiled: Arc<CompiledConfig>, facts: Facts) -> Self {
        let timers = Timers::new(compiled.age(&facts));
        Self {
            compiled,
            receiver: Receiver::default(),
            sender: Sender::default(),
            persistence: Persistence::default(),
            timers,
            outbox: Outbox::default(),
        }
    }

    /// The output that comes next.
    #[inline]
    pub(super) fn next_output(&self) -> Option<OutputKind> {
        self.outbox.first(self.sender.buffer().is_empty(), self.receiver.buffer().has_body())
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
            Input::RxEnd => (!self.receiver.has_ended(), Condition::InputIsOpen),
            Input::Write(data) => (self.sender.fits(data, self.compiled.high_water), Condition::FitsRoom),
            _ if !self.is_delivered() => return Some(Condition::IsDelivered),
            Input::HttpResponse(response) => return self.unmet_response(response),
            Input::Informational(status, _) => {
                let is_interim = status.is_informational() && status.code() > 101;
                let unmet = if is_interim { Condition::HasRoom } else { Condition::IsInterim };
                (is_interim && self.room() > 0, unmet)
            }
            Input::Flush | Input::Continue | Input::BodyDemand(_) | Input::Abort(_) => return None,
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

    /// Bytes that a write may hand over.
    #[inline]
    pub(super) fn room(&self) -> usize {
        self.sender.room(self.compiled.high_water)
    }

    #[inline]
    pub(super) fn has_room(&self) -> bool {
        self.sender.has_room(self.compiled.high_water)
    }

    #[inline]
    fn exchange(&self) -> Exchange<'_> {
        exchange(&self.receiver, &self.persistence, &self.timers, &self.compiled)
    }

    /// Brings the next deadline up to date, at the end of an event.
    #[inline]
    pub(super) fn update_deadline(&mut self, at: Moment, state: State) {
        let min_body_rate = self.compiled.config.min_body_rate;
        if matches!(state, State::WaitResponse | State::HeadHeld | State::Responding) {
            let body_awaited = self.receiver.body().is_awaited();
            let may_write = state != State::Responding || self.has_room();
            self.timers.watch(at, body_awaited, !body_awaited && may_write, min_body_rate);
        } else if self.timers.watches_application() {
            self.timers.watch(at, false, false, min_body_rate);
        }
        let output_pending = !self.sender.buffer().is_empty();
        let endings = Endings { has_ended: self.receiver.has_ended(), leave: self.persistence.leave() };
        self.timers.update_deadline(at, state, output_pending, endings, &self.compiled);
        self.receiver.pace(self.compiled.input_bound);
    }

    /// Does what `action` says. `trace` hears which bytes of the input it takes, and as what.
    #[inline]
    pub(super) fn act(
        &mut self,
        action: &Action,
        args: &mut Args<'_>,
        trace: &mut impl ChannelTrace,
    ) -> Option<Internal> {
        match *action {
            Action::CheckDeadlines => return self.timers.is_due(args.at).then(|| self.timers.due_event()),
            Action::AskToSend => self.ask_to_send(),
            Action::NoteEviction => self.persistence.evict(),
            Action::NoteLeave => match *args.input {
                Input::GoOut(leave) => self.persistence.go_out(leave),
                _ => wrong_input(()),
            },
            Action::NoteEnd => self.receiver.end(),
            Action::Receive => self.receive(args),
            Action::ParseHead => {
                if self.receiver.parse_head(&self.compiled) {
                    return Some(Internal::DequeueRequest);
                }
                return self.begin_head();
            }
            Action::SearchHead => {
                let found = self.receiver.search_head(&self.compiled);
                return self.head_found(found);
            }
            Action::DeliverRequest => self.deliver_request(trace),
            Action::RefuseRequest => self.refuse(args, self.outbox.refusal(), None),
            Action::RefuseHead(rule) => self.refuse_head(args, rule),
            Action::DecodeBody => return self.decode_body(trace),
            Action::EndInput => return self.end_input(args.at, trace),
            Action::GrantBody => return self.grant_body(args, trace),
            Action::BreakBody(error) => {
                let broken = self.receiver.break_body(error);
                self.note_broken(broken);
            }
            Action::RefuseBody => self.refuse_body(args),
            Action::FailBody => {
                let error = self.outbox.body_error();
                self.outbox.put_body_failed(error);
                self.persistence.end_with_response(CloseReason::BodyFailed(error));
            }
            Action::SendContinue => self.send_continue(),
            Action::SendInformational => self.send_informational(args),
            Action::AcceptResponse => return self.accept_response(args),
            Action::DemandBody => return self.demand_body(args, trace),
            Action::BeginBody => return self.begin_body(trace),
            Action::SendHead => self.send_head(args),
            Action::StageData => self.stage_data(args),
            Action::MarkFlush => self.mark_flush(args.at),
            Action::FinishResponse => return self.finish_response(args),
            Action::RespondBusy => {
                self.respond(args, RequestError::new(Rule::Busy, 0), None);
                self.outbox.put_busy();
                return Some(Internal::ResponseComplete);
            }
            Action::RespondInstead(rule) => self.respond_instead(args, rule, None),
            Action::RespondFailure => match *args.input {
                Input::Abort(text) => {
                    let text = text.filter(|_| self.compiled.config.expose_tracebacks);
                    self.respond_instead(args, Rule::HandlerFailed, text);
                }
                _ => wrong_input(()),
            },
            Action::CutResponse(reason) => {
                self.persistence.replace_reason(reason);
                // What has arrived of content that ends with the connection would look whole.
                self.sender.reset_when(self.sender.runs_until_close());
            }
            Action::MarkExcess => self.receiver.check_pipeline(&self.compiled),
            Action::EndExchange => return self.end_exchange(trace),
            Action::ChooseNext => return self.choose_next(),
            Action::TakeSent => self.take_sent(args),
            Action::CheckSent => return self.all_sent(),
            Action::DiscardBody => {
                return self.receiver.discard_body(trace).then_some(Internal::BodyDiscarded);
            }
            Action::ReleaseBuffers => self.release_buffers(),
            Action::SetReason(reason) => self.persistence.set_reason(reason),
            Action::BeginClose => self.begin_close(BodyError::Closed, trace),
            Action::CloseWrite => return self.close_write(),
            Action::DropInput => return self.receiver.linger(trace).then_some(Internal::LingerOver),
            Action::HandOver => {
                trace.part(InputPart::HandedOver, self.receiver.buffer().unparsed_len());
                self.outbox.put(OutputKind::Upgraded);
            }
            Action::Close(reason) => self.close(reason, trace),
            Action::Disconnect => self.disconnect(trace),
            Action::EndUpgraded => self.end_upgraded(trace),
        }
        None
    }

    // The head of a request.

    /// Takes the bytes of an input in.
    #[inline]
    fn receive(&mut self, args: &Args<'_>) {
        let n = match *args.input {
            Input::RxRead(n) => {
                self.receiver.accept_read(n);
                n
            }
            Input::RxData(bytes) => {
                self.receiver.append(bytes);
                bytes.len()
            }
            _ => return wrong_input(()),
        };
        if self.receiver.body().is_wanted() {
            self.receiver.body_mut().note_begun();
            self.timers.body_came(n, args.at, self.compiled.config.min_body_rate);
        }
    }

    /// No whole head is buffered. Empty lines are held, perhaps for hours.
    #[cold]
    fn begin_head(&mut self) -> Option<Internal> {
        if self.receiver.head_begins(&self.compiled) {
            return Some(Internal::HeadBegins);
        }
        self.receiver.buffer_mut().shrink();
        None
    }

    #[cold]
    fn head_found(&mut self, found: HeadFound) -> Option<Internal> {
        match found {
            HeadFound::Partial => None,
            HeadFound::Complete => Some(Internal::DequeueRequest),
            HeadFound::Refused(error) => {
                self.outbox.note_refusal(error);
                Some(Internal::RequestRefused)
            }
        }
    }

    #[inline]
    fn deliver_request(&mut self, trace: &mut impl ChannelTrace) {
        self.receiver.deliver(trace);
        self.timers.begin_request();
        self.persistence.count_request();
        self.outbox.put(OutputKind::HttpRequest);
        if self.receiver.has_ended() {
            // The end of input came while an earlier request was with the application.
            self.outbox.put(OutputKind::PeerEnded);
        }
    }

    // The body of a request.

    fn decode_body(&mut self, trace: &mut impl ChannelTrace) -> Option<Internal> {
        let decoded = self.receiver.decode_body(&self.compiled, trace);
        self.decoded(decoded)
    }

    fn decoded(&mut self, decoded: Decoded) -> Option<Internal> {
        match decoded {
            Decoded::Partial => None,
            Decoded::Complete => {
                self.outbox.put(OutputKind::BodyEnd);
                None
            }
            Decoded::Broken(broken) => {
                self.note_broken(broken);
                Some(Internal::BodyBroken)
            }
        }
    }

    /// A body that broke off: what the application is told of it, and what the peer may be.
    #[cold]
    fn note_broken(&mut self, Broken { error, arrived }: Broken) {
        self.outbox.note_body_error(error);
        self.outbox.note_refusal(match error {
            BodyError::Malformed(error) => error,
            BodyError::TimedOut => RequestError::new(Rule::BodyTimeout, arrived),
            BodyError::Truncated | BodyError::Disconnected | BodyError::NotContinued | BodyError::Closed => {
                RequestError::new(Rule::BodyTruncated, arrived)
            }
        });
    }

    fn end_input(&mut self, at: Moment, trace: &mut impl ChannelTrace) -> Option<Internal> {
        self.receiver.end();
        self.timers.enter(at);
        self.outbox.put(OutputKind::PeerEnded);
        if self.receiver.body().is_demanded() { self.decode_body(trace) } else { None }
    }

    // Inlined, it makes every request slower, and few have a body.
    #[inline(never)]
    fn grant_body(&mut self, args: &Args<'_>, trace: &mut impl ChannelTrace) -> Option<Internal> {
        if !self.add_credit(args) {
            return None;
        }
        let body = self.receiver.body();
        if body.expects() && body.is_wanted() && !self.receiver.has_ended() {
            // The final head has left; a peer that still waits for its 100 waits for ever.
            let broken = self.receiver.break_body(BodyError::NotContinued);
            self.note_broken(broken);
            return Some(Internal::BodyBroken);
        }
        self.decode_body(trace)
    }

    /// Adds the credit of a demand and sends the 100; whether there is a body to come for it.
    fn add_credit(&mut self, args: &Args<'_>) -> bool {
        let bytes = match *args.input {
            Input::BodyDemand(bytes) => bytes,
            _ => wrong_input(0),
        };
        if bytes == 0 {
            return false;
        }
        let first = self.receiver.body_mut().demand(bytes);
        // From here on the body passes where the head stands.
        self.receiver.let_head_go();
        if first && self.receiver.body().is_complete() {
            // There is none, and whoever asks for it learns that as with any other.
            self.outbox.put(OutputKind::BodyEnd);
            return false;
        }
        self.send_continue();
        true
    }

    /// Sends the 100 once, to a peer that waits for it: not when bytes of the body came already (RFC 9110
    /// section 10.1.1).
    fn send_continue(&mut self) {
        let came = self.receiver.buffer().unparsed_len() > 0;
        let may_send = !self.sender.owes_content() && !self.receiver.has_ended();
        let body = self.receiver.body_mut();
        if !came && body.expects() && may_send {
            self.sender.stage_continue();
            body.end_expectation(true);
        } else if came {
            body.end_expectation(false);
        }
    }

    // A head that waits for the body. The peer may take a head that comes before the body for the end of the exchange, or
    // take a 100 and a final head that come at once for a fault (HAProxy 2.6).

    #[cold]
    fn demand_body(&mut self, args: &Args<'_>, trace: &mut impl ChannelTrace) -> Option<Internal> {
        if self.add_credit(args) { self.begin_body(trace) } else { None }
    }

    #[cold]
    fn begin_body(&mut self, trace: &mut impl ChannelTrace) -> Option<Internal> {
        let body = self.receiver.body();
        if body.expects() && !self.receiver.has_ended() {
            // What comes without a 100 was not asked for, and may be no body (RFC 9110 section 10.1.1).
            return None;
        }
        if !body.is_awaited() {
            // The application has sent the 100 and not asked for a byte, so that nothing is decoded.
            return (self.receiver.buffer().unparsed_len() > 0).then_some(Internal::BodyBegins);
        }
        let decoded = self.receiver.begin_body(&self.compiled, trace);
        if let broken @ Some(_) = self.decoded(decoded) {
            return broken;
        }
        let has_begun = self.receiver.body().is_complete() || self.receiver.buffer().has_body();
        has_begun.then_some(Internal::BodyBegins)
    }

    fn send_head(&mut self, args: &Args<'_>) {
        let Some(head) = self.sender.take_held() else { return wrong_input(()) };
        let response = head.response();
        let plan = self.exchange().plan(&response);
        self.sender.stage_response(&plan, &response, args.now.date, &self.compiled.identity);
        self.begin_response(&plan);
        self.timers.heard_application(args.at);
        self.sender.note_blocked(self.compiled.high_water);
    }

    // The response of the application.

    fn send_informational(&mut self, args: &Args<'_>) {
        let Input::Informational(status, fields) = *args.input else { return wrong_input(()) };
        if self.receiver.request().version == Version::Http11 {
            self.sender.stage_informational(status, fields);
            self.sender.note_blocked(self.compiled.high_water);
        }
    }

    #[inline]
    fn accept_response(&mut self, args: &mut Args<'_>) -> Option<Internal> {
        let plan = match (args.staged.take(), args.input) {
            (Some(plan), _) => plan,
            (None, Input::HttpResponse(response)) => {
                let plan = self.exchange().plan(response);
                if plan.then == AfterHead::Stream && self.receiver.body().withholds_head() {
                    self.sender.hold(response);
                } else {
                    self.sender.stage_response(&plan, response, args.now.date, &self.compiled.identity);
                }
                plan
            }
            (None, _) => return wrong_input(None),
        };
        if plan.then == AfterHead::Stream && self.sender.holds_head() {
            self.receiver.let_head_go();
            self.timers.heard_application(args.at);
            return Some(Internal::HeadWaits);
        }
        self.begin_response(&plan);
        self.receiver.let_head_go();
        match plan.then {
            AfterHead::Complete => Some(Internal::ResponseComplete),
            AfterHead::Switch => Some(Internal::SwitchProtocols),
            AfterHead::Stream => {
                self.timers.heard_application(args.at);
                self.sender.note_blocked(self.compiled.high_water);
                None
            }
        }
    }

    /// The response that was staged by this plan is the one that runs.
    #[inline]
    fn begin_response(&mut self, plan: &Plan) {
        self.sender.begin(plan);
        if let Some(reason) = plan.close {
            self.persistence.end_with_response(reason);
        }
        self.report_excess();
    }

    #[inline]
    fn report_excess(&mut self) {
        if self.sender.has_excess() {
            self.outbox.put(OutputKind::Excess);
        }
    }

    fn stage_data(&mut self, args: &Args<'_>) {
        let Input::Write(data) = args.input else { return wrong_input(()) };
        self.timers.heard_application(args.at);
        if !data.as_slice().is_empty() {
            self.sender.stage_data(data);
            self.report_excess();
            self.sender.note_blocked(self.compiled.high_water);
        }
    }

    fn finish_response(&mut self, args: &Args<'_>) -> Option<Internal> {
        let Input::Finish(trailers) = *args.input else { return wrong_input(None) };
        Some(if self.sender.finish(trailers) { Internal::ResponseComplete } else { Internal::ResponseShort })
    }

    fn mark_flush(&mut self, at: Moment) {
        // Inside a response it is a sign of life; it is no response.
        if self.sender.owes_content() {
            self.timers.heard_application(at);
        }
        let pending = self.sender.mark_flush();
        self.outbox.put(if pending { OutputKind::FlushOutputData } else { OutputKind::Flushed });
    }

    // The responses of the machine itself.

    /// Responds, and notes that the connection ends with it.
    fn refuse(&mut self, args: &Args<'_>, error: RequestError, text: Option<&str>) {
        self.persistence.end_with_response(CloseReason::Refused(error));
        self.outbox.put_refusal(error);
        self.respond(args, error, text);
    }

    /// Refuses a head that is not complete.
    fn refuse_head(&mut self, args: &Args<'_>, rule: Rule) {
        // A server that has no room blames no byte.
        let offset = if rule == Rule::Busy { 0 } else { self.receiver.buffer().unparsed_len() as u64 };
        let error = RequestError::new(rule, offset);
        self.receiver.refuse_head(error, &self.compiled);
        self.refuse(args, error, None);
    }

    fn refuse_body(&mut self, args: &Args<'_>) {
        self.outbox.put_body_failed(self.outbox.body_error());
        self.refuse(args, self.outbox.refusal(), None);
    }

    fn respond_instead(&mut self, args: &Args<'_>, rule: Rule, text: Option<&str>) {
        self.fail_body(BodyError::Closed);
        self.refuse(args, RequestError::new(rule, 0), text);
    }

    #[cold]
    fn respond(&mut self, args: &Args<'_>, error: RequestError, text: Option<&str>) {
        self.persistence.count_refusal();
        self.sender.drop_held();
        self.retract_request();
        self.receiver.let_head_go();
        let (fields, content) = super::error_page::page(&error, text, &self.compiled.config);
        let response =
            ResponseRef { status: error.status(), fields: &fields, body: BodyRef::Bytes(&content) };
        let plan = self.exchange().plan(&response);
        self.sender.stage_response(&plan, &response, args.now.date, &self.compiled.identity);
        self.begin_response(&plan);
    }

    // After a response.

    /// The response is complete. The rest of the request body comes first.
    #[inline]
    fn end_exchange(&mut self, trace: &mut impl ChannelTrace) -> Option<Internal> {
        self.sender.end_response();
        self.receiver.body_mut().end_exchange();
        self.receiver.buffer_mut().drop_body();
        self.outbox.end_request();
        if !self.receiver.body().is_complete() {
            return self.end_body(trace);
        }
        if self.persistence.must_close() {
            return Some(Internal::MustClose);
        }
        self.choose_next()
    }

    /// The application has responded without the rest of the body; it hears no more of it.
    #[cold]
    fn end_body(&mut self, trace: &mut impl ChannelTrace) -> Option<Internal> {
        if !self.persistence.must_close() && self.receiver.body_left(&self.compiled) != BodyLeft::Short {
            self.persistence.end_with_response(CloseReason::BodyUnread);
        }
        if self.persistence.is_draining() {
            self.persistence.end_with_response(CloseReason::Drained);
        }
        self.receiver.body_mut().forgo();
        if self.persistence.must_close() {
            return Some(Internal::MustClose);
        }
        if self.receiver.discard_body(trace) {
            return self.choose_next();
        }
        if self.receiver.has_ended() {
            self.persistence.end_with_response(CloseReason::BodyUnread);
            return Some(Internal::MustClose);
        }
        Some(Internal::BodyRest)
    }

    /// Nothing is owed to the request that was. The next one is parsed while there is room for its response; empty lines
    /// alone are none.
    #[inline]
    fn choose_next(&mut self) -> Option<Internal> {
        if self.receiver.holds_request(&self.compiled) {
            return self.has_room().then_some(Internal::NextRequest);
        }
        let ended = self.receiver.has_ended().then_some(CloseReason::PeerEnded);
        if let Some(reason) = ended.or(self.persistence.why_close_when_idle()) {
            self.persistence.end_with_response(reason);
            return Some(Internal::MustClose);
        }
        self.all_sent()
    }

    // Output.

    fn ask_to_send(&mut self) {
        if !self.sender.buffer().is_empty() {
            self.outbox.put(OutputKind::FlushOutputData);
        }
    }

    #[inline]
    fn take_sent(&mut self, args: &Args<'_>) {
        let n = match *args.input {
            Input::Sent(n) => n,
            _ => wrong_input(0),
        };
        let left = self.sender.take_sent(n, self.compiled.high_water);
        self.timers.output_left(n, args.at, self.compiled.config.min_write_rate);
        if self.sender.buffer().is_empty() {
            self.timers.output_gone();
        }
        if left.flushed {
            self.outbox.put(OutputKind::Flushed);
        }
        if left.unblocked {
            self.outbox.put(OutputKind::TransmitReady);
        }
    }

    #[inline]
    fn all_sent(&self) -> Option<Internal> {
        self.sender.buffer().is_empty().then_some(Internal::OutputSent)
    }

    /// Nothing is held: buffers of the channel's own go. Lent ones are taken back at the end of the wake-up.
    #[inline]
    fn release_buffers(&mut self) {
        if !self.receiver.buffer().is_lent() {
            if self.receiver.buffer().unparsed_len() > 0 {
                self.receiver.buffer_mut().shrink();
            }
            self.receiver.buffer_mut().forget();
            self.sender.buffer_mut().forget();
        }
    }

    // The end of the connection.

    /// Accepts no more input; the output may leave. Whoever reads the body is told now, not when the last bytes have
    /// left.
    fn begin_close(&mut self, error: BodyError, trace: &mut impl ChannelTrace) {
        self.fail_body(error);
        self.sender.drop_held();
        self.sender.end_response();
        self.retract_request();
        self.receiver.close(trace);
    }

    /// What is still to come of the body will not come.
    fn fail_body(&mut self, error: BodyError) {
        if self.receiver.body_mut().fail() {
            self.outbox.put_body_failed(error);
        }
    }

    /// The request is over. If the application does not know it yet, it never will.
    fn retract_request(&mut self) {
        if self.outbox.retract_request() {
            self.receiver.buffer_mut().drop_body();
        }
    }

    /// RFC 9112 section 9.6: after our FIN, read on for a while, so that no reset overtakes the response.
    fn close_write(&mut self) -> Option<Internal> {
        let lingers = self.compiled.timeout(Timeout::Linger) > 0;
        if self.receiver.has_ended() || self.sender.resets() || !lingers {
            return Some(Internal::LingerOver);
        }
        self.receiver.begin_linger(self.compiled.config.linger_bytes);
        self.outbox.put(OutputKind::CloseWrite);
        None
    }

    /// Closes now. Bytes that have not left never will.
    fn close(&mut self, reason: CloseReason, trace: &mut impl ChannelTrace) {
        self.persistence.set_reason(reason);
        // A peer that has part of a response must not take the close for its end.
        self.sender.reset_when(!self.sender.buffer().is_empty() || self.sender.runs_until_close());
        self.end(BodyError::Closed, trace);
        self.outbox.put(OutputKind::Drop);
    }

    /// The connection is gone already.
    fn disconnect(&mut self, trace: &mut impl ChannelTrace) {
        self.persistence.set_reason(CloseReason::Disconnected);
        self.sender.reset_when(true);
        self.end(BodyError::Disconnected, trace);
        self.outbox.put(OutputKind::Drop);
    }

    /// The other protocol has ended. If the application was not told yet that it has begun, the bytes for it stay.
    #[cold]
    fn end_upgraded(&mut self, trace: &mut impl ChannelTrace) {
        self.persistence.set_reason(CloseReason::Upgraded);
        if self.outbox.has(OutputKind::Upgraded) {
            self.outbox.end_connection();
        } else {
            self.end(BodyError::Closed, trace);
        }
    }

    /// A step was left half done by a panic, and nobody knows what is still right.
    #[cold]
    pub(super) fn abandon(&mut self) {
        self.outbox.remove(OutputKind::Upgraded);
        self.persistence.replace_reason(CloseReason::Aborted);
        self.sender.reset_when(true);
        // The trace may be what panicked.
        self.end(BodyError::Closed, &mut ());
        self.outbox.put(OutputKind::Drop);
        self.update_deadline(self.timers.latest(), State::Closed);
    }

    fn end(&mut self, error: BodyError, trace: &mut impl ChannelTrace) {
        self.begin_close(error, trace);
        self.outbox.end_connection();
        self.sender.end();
        self.release_buffers();
    }
}
