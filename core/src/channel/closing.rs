//! What comes after an answer: the next request, rest, or the end.

use super::Event;
use super::ahead::Ahead;
use super::context::{Answering, Args, Context, Receiving};
use super::pending::Pending;
use crate::error::{BodyError, CloseReason};
use crate::input::Input;
use crate::time::Moment;

impl Context {
    /// The answer is complete: what now? The rest of the request body comes first.
    #[inline]
    pub(super) fn conclude(&mut self) -> Option<Event> {
        self.answering = Answering::Nothing;
        self.crowded = false;
        self.credit = 0;
        self.expects &= self.receiving != Receiving::Complete;
        self.inbuf.drop_body();
        self.pending.remove(Pending::OF_REQUEST);
        if self.receiving != Receiving::Complete {
            return self.conclude_body();
        }
        if self.must_close {
            return Some(Event::MustClose);
        }
        self.what_next()
    }

    /// The application has answered without the rest of the body; it hears no more of it.
    #[cold]
    fn conclude_body(&mut self) -> Option<Event> {
        if !self.must_close && !self.rest_is_short() {
            self.end_with_answer(CloseReason::BodyUnread);
        }
        if self.draining {
            self.end_with_answer(CloseReason::Drained);
        }
        self.receiving = match self.receiving {
            Receiving::Known(rest) => Receiving::Unwanted(rest),
            _ => Receiving::Failed,
        };
        if self.must_close {
            return Some(Event::MustClose);
        }
        match self.discard_body() {
            Some(_) => self.what_next(),
            None if self.ended => {
                self.end_with_answer(CloseReason::BodyUnread);
                Some(Event::MustClose)
            }
            None => Some(Event::BodyRest),
        }
    }

    /// Nothing is owed to the request that was. The next one is parsed while there is room for its answer.
    #[inline]
    pub(super) fn what_next(&mut self) -> Option<Event> {
        if self.inbuf.unparsed_len() > 0 {
            return self.has_room().then_some(Event::NextRequest);
        }
        if self.ended || self.draining || self.evicted {
            self.end_with_answer(if self.ended {
                CloseReason::PeerEnded
            } else if self.draining {
                CloseReason::Drained
            } else {
                CloseReason::Evicted
            });
            return Some(Event::MustClose);
        }
        self.outbuf.is_empty().then_some(Event::OutputDrained)
    }

    pub(super) fn rest(&mut self) -> Option<Event> {
        if !self.adopted {
            self.inbuf.forget();
            self.outbuf.forget();
        }
        None
    }

    #[inline]
    pub(super) fn take_sent(&mut self, args: &Args<'_>) -> Option<Event> {
        let Input::Sent(n) = args.input else { return None };
        self.outbuf.advance(n);
        self.write_rate.progress(n, args.at.as_millis(), self.settings.config.min_write_rate);
        if self.flush_at.is_some_and(|position| self.outbuf.sent() >= position) {
            self.flush_at = None;
            self.pending.insert(Pending::FLUSHED);
        }
        if self.crowded && self.has_room() {
            self.crowded = false;
            self.pending.insert(Pending::TRANSMIT_READY);
        }
        self.outbuf.is_empty().then_some(Event::OutputDrained)
    }

    pub(super) fn mark_flush(&mut self, at: Moment) -> Option<Event> {
        // Inside an answer it is a sign of life; it is no response.
        if self.answering != Answering::Nothing {
            self.application_since = at;
        }
        if self.outbuf.is_empty() {
            self.pending.insert(Pending::FLUSHED);
        } else {
            self.flush_at = Some(self.outbuf.position());
            self.pending.insert(Pending::FLUSH);
        }
        None
    }

    pub(super) fn ask_to_send(&mut self) -> Option<Event> {
        if !self.outbuf.is_empty() {
            self.pending.insert(Pending::FLUSH);
        }
        None
    }

    pub(super) fn note_eviction(&mut self) -> Option<Event> {
        self.evicted = true;
        None
    }

    pub(super) fn note_drain(&mut self, at: Moment) -> Option<Event> {
        if !self.draining {
            self.draining = true;
            self.drain_since = at;
        }
        None
    }

    /// Accepts no more input; closes as soon as the output has left.
    pub(super) fn begin_close(&mut self) -> Option<Event> {
        // Whoever reads the body is told now, not when the last octets have left.
        self.fail_receiving(BodyError::Closed);
        self.answering = Answering::Nothing;
        self.crowded = false;
        self.ahead = Ahead::default();
        self.forget_untold();
        self.inbuf.clear();
        self.inbuf.unpin_head();
        self.outbuf.is_empty().then_some(Event::OutputDrained)
    }

    /// The request is over. If the application was not told of it yet, it never is.
    pub(super) fn forget_untold(&mut self) {
        if self.pending.has(Pending::REQUEST) {
            self.pending.remove(Pending::OF_REQUEST);
            self.pending.remove(Pending::BODY_FAILED);
            self.inbuf.drop_body();
        }
    }

    /// The end of a running answer will never come. Content that ends with the connection needs a reset, or what
    /// has arrived would look whole.
    pub(super) fn cut_answer(&mut self, reason: CloseReason) -> Option<Event> {
        // Whatever the answer was to be followed by does not count: it has not ended.
        self.reason = Some(reason);
        self.reset = self.answering == Answering::UntilClose;
        self.begin_close()
    }

    /// RFC 9112 section 9.6: after our FIN, read on for a while, so that no reset overtakes the answer.
    pub(super) fn close_write(&mut self) -> Option<Event> {
        let linger = self.settings.linger;
        if self.ended || self.reset || linger == 0 {
            return Some(Event::LingerOver);
        }
        self.linger_left = self.settings.config.linger_octets;
        self.pending.insert(Pending::CLOSE_WRITE);
        None
    }

    pub(super) fn count_linger(&mut self, args: &Args<'_>) -> Option<Event> {
        self.receive(args);
        let n = self.inbuf.clear() as u64;
        self.linger_left = self.linger_left.saturating_sub(n);
        (self.linger_left == 0).then_some(Event::LingerOver)
    }

    pub(super) fn hand_over(&mut self) -> Option<Event> {
        self.pending.insert(Pending::UPGRADED);
        None
    }

    /// What is still to come of the body will not come.
    pub(super) fn fail_receiving(&mut self, error: BodyError) {
        if matches!(self.receiving, Receiving::Complete | Receiving::Unwanted(_) | Receiving::Failed) {
            return;
        }
        self.receiving = Receiving::Failed;
        self.body_error = error;
        self.pending.insert(Pending::BODY_FAILED);
    }

    /// Closes now. Octets that did not leave never will.
    pub(super) fn close(&mut self, reason: CloseReason) -> Option<Event> {
        self.because(reason);
        // A peer that has part of an answer must not take the close for its end.
        self.reset |= !self.outbuf.is_empty() || self.answering == Answering::UntilClose;
        self.end(BodyError::Closed);
        self.pending.insert(Pending::DROP);
        None
    }

    /// The connection is gone already.
    pub(super) fn disconnect(&mut self) -> Option<Event> {
        self.because(CloseReason::Disconnected);
        self.reset = true;
        self.end(BodyError::Disconnected);
        self.pending.insert(Pending::DROP);
        None
    }

    pub(super) fn end_upgraded(&mut self) -> Option<Event> {
        self.because(CloseReason::Upgraded);
        self.end(BodyError::Closed);
        None
    }

    fn end(&mut self, error: BodyError) {
        self.fail_receiving(error);
        self.begin_close();
        self.flush_at = None;
        self.pending.remove(Pending::CLOSE_WRITE);
        self.pending.remove(Pending::FLUSH);
        self.pending.insert(Pending::CLOSED);
        self.outbuf.clear();
        self.rest();
    }
}
