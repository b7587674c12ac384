//! The actions on a request: its head, and its body.

use super::actions::wrong_input;
use super::{Args, Parts};
use crate::channel::Internal;
use crate::channel::body::{Broken, Decoded};
use crate::channel::input::Input;
use crate::channel::input_part::ChannelTrace;
use crate::channel::outbox::OutputKind;
use crate::channel::receiver::HeadFound;
use crate::error::{BodyError, RequestError, Rule};
use crate::time::Moment;

impl Parts {
    // The head of a request.

    /// Takes the bytes of an input in.
    #[inline]
    pub(super) fn receive(&mut self, args: &Args<'_>) {
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
        if self.receiver.note_body_begun() {
            self.timers.body_came(n, args.at, self.compiled.config.min_body_rate);
        }
    }

    /// `ParseHead` has found no complete head. If only empty lines are buffered, the store shrinks to them: an idle
    /// connection may hold them for hours.
    #[cold]
    pub(super) fn begin_head(&mut self) -> Option<Internal> {
        if self.receiver.head_begins(&self.compiled) {
            return Some(Internal::HeadBegins);
        }
        self.receiver.shrink();
        None
    }

    #[cold]
    pub(super) fn head_found(&mut self, found: HeadFound) -> Option<Internal> {
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
    pub(super) fn deliver_request(&mut self, trace: &mut impl ChannelTrace) {
        self.receiver.deliver(trace);
        self.timers.begin_request();
        self.persistence.count_request();
        self.outbox.put(OutputKind::HttpRequest);
        if self.receiver.input_ended() {
            // The end of input came while an earlier request was with the application.
            self.outbox.put(OutputKind::PeerEnded);
        }
    }

    // The body of a request.

    pub(super) fn decode_body(&mut self, trace: &mut impl ChannelTrace) -> Option<Internal> {
        let decoded = self.receiver.decode_body(&self.compiled, trace);
        self.decoded(decoded)
    }

    pub(super) fn decoded(&mut self, decoded: Decoded) -> Option<Internal> {
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

    /// A body that broke off: notes the error for the application, and the one that a response to the peer would name.
    #[cold]
    pub(super) fn note_broken(&mut self, Broken { error, arrived }: Broken) {
        self.outbox.note_body_error(error);
        self.outbox.note_refusal(match error {
            BodyError::Malformed(error) => error,
            BodyError::TimedOut => RequestError::new(Rule::BodyTimeout, arrived),
            BodyError::Truncated
            | BodyError::Disconnected
            | BodyError::NotContinued
            | BodyError::ResponseComplete
            | BodyError::Closed => RequestError::new(Rule::BodyTruncated, arrived),
        });
    }

    pub(super) fn end_input(&mut self, at: Moment, trace: &mut impl ChannelTrace) -> Option<Internal> {
        self.receiver.end();
        self.timers.enter(at);
        self.outbox.put(OutputKind::PeerEnded);
        if self.receiver.body().is_demanded() { self.decode_body(trace) } else { None }
    }

    // Inlined, it makes every request slower, and few have a body.
    #[inline(never)]
    pub(super) fn grant_body(&mut self, args: &Args<'_>, trace: &mut impl ChannelTrace) -> Option<Internal> {
        if !self.add_credit(args) {
            return None;
        }
        let body = self.receiver.body();
        if body.expects() && body.is_wanted() && !self.receiver.input_ended() {
            // The final head has left; a peer that still waits for its 100 waits for ever.
            let broken = self.receiver.break_body(BodyError::NotContinued);
            self.note_broken(broken);
            return Some(Internal::BodyBroken);
        }
        self.decode_body(trace)
    }

    /// Adds the credit of a demand and sends the 100. Returns whether there is a body to come for it.
    pub(super) fn add_credit(&mut self, args: &Args<'_>) -> bool {
        let bytes = match *args.input {
            Input::BodyDemand(bytes) => bytes,
            _ => wrong_input(0),
        };
        if bytes == 0 {
            return false;
        }
        let first = self.receiver.demand_body(bytes);
        // The decoded body takes the place of the head in the buffer.
        self.receiver.let_head_go();
        if first && self.receiver.body().is_complete() {
            // There is no body; the demand is met with its end.
            self.outbox.put(OutputKind::BodyEnd);
            return false;
        }
        self.send_continue();
        true
    }

    /// Sends the 100 once, to a peer that waits for it: not when bytes of the body came already (RFC 9110
    /// section 10.1.1).
    pub(super) fn send_continue(&mut self) {
        let came = self.receiver.buffer().unparsed_len() > 0;
        let body = self.receiver.body();
        if body.is_forgone() {
            return;
        }
        let may_send = !self.sender.owes_content() && !self.receiver.input_ended();
        if !came && body.expects() && may_send {
            self.sender.stage_continue();
            self.sender.note_blocked(self.compiled.high_water);
            self.receiver.end_expectation(true);
        } else if came {
            self.receiver.end_expectation(false);
        }
    }
}
