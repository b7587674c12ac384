//! The actions on a response: of the application, of the machine itself, and what follows it.

use super::actions::wrong_input;
use super::{Args, Parts};
use crate::channel::Internal;
use crate::channel::error_page;
use crate::channel::input::Input;
use crate::channel::input_part::ChannelTrace;
use crate::channel::outbox::OutputKind;
use crate::channel::plan::{AfterHead, BodyLeft, ResponsePlan};
use crate::error::{BodyError, CloseReason, RequestError, Rule};
use crate::request::Version;
use crate::response::{BodyRef, ResponseRef};
use crate::time::Moment;

impl Parts {
    // A head that waits for the body. The peer may take a head that comes before the body for the end of the exchange, or
    // take a 100 and a final head that come at once for a fault (HAProxy 2.6).

    #[cold]
    pub(super) fn demand_body(&mut self, args: &Args<'_>, trace: &mut impl ChannelTrace) -> Option<Internal> {
        if self.add_credit(args) { self.begin_body(trace) } else { None }
    }

    #[cold]
    pub(super) fn begin_body(&mut self, trace: &mut impl ChannelTrace) -> Option<Internal> {
        let body = self.receiver.body();
        if body.expects() && !self.receiver.input_ended() {
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

    pub(super) fn send_head(&mut self, args: &Args<'_>) {
        let Some(head) = self.sender.take_held() else {
            debug_assert!(false, "SendHead without a head that is held");
            return;
        };
        let response = head.response();
        let plan = self.response_context().plan(&response);
        self.sender.stage_response(&plan, &response, args.now.date, &self.compiled.identity);
        self.begin_response(&plan);
        self.timers.heard_application(args.at);
        self.sender.note_blocked(self.compiled.high_water);
    }

    // The response of the application.

    pub(super) fn send_informational(&mut self, args: &Args<'_>) {
        let Input::Informational(status, fields) = *args.input else { return wrong_input(()) };
        if self.receiver.request().version == Version::Http11 {
            self.sender.stage_informational(status, fields);
            self.sender.note_blocked(self.compiled.high_water);
        }
    }

    #[inline]
    pub(super) fn accept_response(&mut self, args: &mut Args<'_>) -> Option<Internal> {
        let plan = match (args.staged.take(), args.input) {
            (Some(plan), _) => plan,
            (None, Input::HttpResponse(response)) => {
                let plan = self.response_context().plan(response);
                if plan.then == AfterHead::Stream && self.receiver.body().withholds_head() {
                    self.sender.hold_head(response);
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
            self.sender.note_blocked(self.compiled.high_water);
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
    pub(super) fn begin_response(&mut self, plan: &ResponsePlan) {
        self.sender.begin(plan);
        if let Some(reason) = plan.close {
            self.persistence.end_with_response(reason);
        }
        self.report_excess();
    }

    #[inline]
    pub(super) fn report_excess(&mut self) {
        if self.sender.has_excess() {
            self.outbox.put(OutputKind::Excess);
        }
    }

    pub(super) fn stage_data(&mut self, args: &Args<'_>) {
        let Input::Write(data) = args.input else { return wrong_input(()) };
        self.timers.heard_application(args.at);
        if !data.is_empty() {
            self.sender.stage_data(data);
            self.report_excess();
            self.sender.note_blocked(self.compiled.high_water);
        }
    }

    pub(super) fn finish_response(&mut self, args: &Args<'_>) -> Option<Internal> {
        let Input::Finish(trailers) = *args.input else { return wrong_input(None) };
        Some(if self.sender.finish(trailers) { Internal::ResponseComplete } else { Internal::ResponseShort })
    }

    pub(super) fn mark_flush(&mut self, at: Moment) {
        // A flush starts `stream_idle_timeout` again. It does not stop `responseless_timeout`.
        if self.sender.owes_content() {
            self.timers.heard_application(at);
        }
        let pending = self.sender.mark_flush();
        self.outbox.put(if pending { OutputKind::FlushOutputData } else { OutputKind::Flushed });
    }

    // The responses of the machine itself.

    /// Responds, and notes that the connection ends with it.
    pub(super) fn refuse(&mut self, args: &Args<'_>, error: RequestError, text: Option<&str>) {
        self.persistence.end_with_response(CloseReason::Refused(error));
        self.outbox.put_refusal(error);
        self.respond(args, error, text);
    }

    /// Refuses a head that is not complete.
    pub(super) fn refuse_head(&mut self, args: &Args<'_>, rule: Rule) {
        // A server without room refuses the request for no byte of it.
        let offset = if rule == Rule::Busy { 0 } else { self.receiver.buffer().unparsed_len() as u64 };
        let error = RequestError::new(rule, offset);
        self.receiver.refuse_head(error, &self.compiled);
        self.refuse(args, error, None);
    }

    pub(super) fn refuse_body(&mut self, args: &Args<'_>) {
        self.outbox.put_body_failed(self.outbox.body_error());
        self.refuse(args, self.outbox.refusal(), None);
    }

    pub(super) fn respond_instead(&mut self, args: &Args<'_>, rule: Rule, text: Option<&str>) {
        self.fail_body(BodyError::Closed);
        self.refuse(args, RequestError::new(rule, 0), text);
    }

    #[cold]
    pub(super) fn respond(&mut self, args: &Args<'_>, error: RequestError, text: Option<&str>) {
        self.persistence.count_refusal();
        self.sender.drop_held();
        self.retract_request();
        self.receiver.let_head_go();
        let (fields, content) = error_page::page(&error, text, &self.compiled.config);
        let response =
            ResponseRef { status: error.status(), fields: &fields, body: BodyRef::Bytes(&content) };
        let plan = self.response_context().plan(&response);
        self.sender.stage_response(&plan, &response, args.now.date, &self.compiled.identity);
        self.begin_response(&plan);
    }

    // After a response.

    /// The response is complete. The rest of the request body comes first.
    #[inline]
    pub(super) fn end_exchange(&mut self, trace: &mut impl ChannelTrace) -> Option<Internal> {
        self.sender.end_response();
        self.receiver.end_exchange();
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
    pub(super) fn end_body(&mut self, trace: &mut impl ChannelTrace) -> Option<Internal> {
        if !self.persistence.must_close() && self.receiver.body_left(&self.compiled) != BodyLeft::Short {
            self.persistence.end_with_response(CloseReason::BodyUnread);
        }
        if self.persistence.is_draining() {
            self.persistence.end_with_response(CloseReason::Drained);
        }
        self.receiver.forgo_body();
        if self.persistence.must_close() {
            return Some(Internal::MustClose);
        }
        if self.receiver.discard_body(trace) {
            return self.choose_next();
        }
        if self.receiver.input_ended() {
            self.persistence.end_with_response(CloseReason::BodyUnread);
            return Some(Internal::MustClose);
        }
        Some(Internal::BodyRest)
    }

    /// The response is complete, and nothing is left of its request. The next one is parsed while there is room for its
    /// response; empty lines alone are none.
    #[inline]
    pub(super) fn choose_next(&mut self) -> Option<Internal> {
        if self.receiver.has_request(&self.compiled) {
            return self.has_room().then_some(Internal::NextRequest);
        }
        let ended = self.receiver.input_ended().then_some(CloseReason::PeerEnded);
        if let Some(reason) = ended.or(self.persistence.why_close_when_idle()) {
            self.persistence.end_with_response(reason);
            return Some(Internal::MustClose);
        }
        self.all_sent()
    }

    // Output.

    pub(super) fn ask_to_send(&mut self) {
        if !self.sender.buffer().is_empty() {
            self.outbox.put(OutputKind::FlushOutputData);
        }
    }

    #[inline]
    pub(super) fn take_sent(&mut self, args: &Args<'_>) {
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
    pub(super) fn all_sent(&self) -> Option<Internal> {
        self.sender.buffer().is_empty().then_some(Internal::OutputSent)
    }

    /// Nothing is held: buffers of the channel's own go. Lent ones are taken back at the end of the wake-up.
    #[inline]
    pub(super) fn release_buffers(&mut self) {
        if !self.receiver.buffer().in_wake_up() {
            self.receiver.release();
            self.sender.release();
        }
    }
}
