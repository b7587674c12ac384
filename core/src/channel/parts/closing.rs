//! The actions that end the connection.

use super::Parts;
use crate::channel::compiled_config::Timeout;
use crate::channel::input_part::ChannelTrace;
use crate::channel::outbox::OutputKind;
use crate::channel::{Internal, State};
use crate::error::{BodyError, CloseReason};

impl Parts {
    /// Accepts no more input; the output may leave. Whoever reads the body is told now, not when the last bytes have
    /// left.
    pub(super) fn begin_close(&mut self, error: BodyError, trace: &mut impl ChannelTrace) {
        self.fail_body(error);
        self.sender.drop_held();
        self.sender.end_response();
        self.retract_request();
        self.receiver.close(trace);
    }

    /// What is still to come of the body will not come.
    pub(super) fn fail_body(&mut self, error: BodyError) {
        if self.receiver.fail_body() {
            self.outbox.put_body_failed(error);
        }
    }

    /// The request is over. If the application does not know it yet, it never will.
    pub(super) fn retract_request(&mut self) {
        if self.outbox.retract_request() {
            self.receiver.drop_body();
        }
    }

    /// RFC 9112 section 9.6: read on for a while after the FIN, so that no reset overtakes the response.
    pub(super) fn close_write(&mut self) -> Option<Internal> {
        let lingers = self.compiled.timeout(Timeout::Linger) > 0;
        if self.receiver.input_ended() || self.sender.resets() || !lingers {
            return Some(Internal::LingerOver);
        }
        self.receiver.begin_linger(self.compiled.config.linger_bytes);
        self.outbox.put(OutputKind::CloseWrite);
        None
    }

    /// Closes now. Bytes that have not left never will.
    pub(super) fn close(&mut self, reason: CloseReason, trace: &mut impl ChannelTrace) {
        self.persistence.set_reason(reason);
        // A peer that has part of a response must not take the close for its end.
        self.sender.reset_when(!self.sender.buffer().is_empty() || self.sender.runs_until_close());
        self.end(BodyError::Closed, trace);
        self.outbox.put(OutputKind::Drop);
    }

    /// Closes after our FIN: all output has left, and the reason is known.
    pub(super) fn end_linger(&mut self, trace: &mut impl ChannelTrace) {
        self.end(BodyError::Closed, trace);
        self.outbox.put(OutputKind::Drop);
    }

    /// The connection is gone already.
    pub(super) fn disconnect(&mut self, trace: &mut impl ChannelTrace) {
        self.persistence.set_reason(CloseReason::Disconnected);
        self.sender.reset_when(true);
        self.end(BodyError::Disconnected, trace);
        self.outbox.put(OutputKind::Drop);
    }

    /// The other protocol has ended. If the application was not told yet that it has begun, the bytes for it stay.
    #[cold]
    pub(super) fn end_upgraded(&mut self, trace: &mut impl ChannelTrace) {
        self.persistence.set_reason(CloseReason::Upgraded);
        if self.outbox.has(OutputKind::Upgraded) {
            self.outbox.end_connection();
        } else {
            self.end(BodyError::Closed, trace);
        }
    }

    /// Closes after a panic within a step, which may have left the parts inconsistent.
    #[cold]
    pub(in super::super) fn abandon(&mut self) {
        self.outbox.remove(OutputKind::Upgraded);
        self.persistence.replace_reason(CloseReason::Aborted);
        self.sender.reset_when(true);
        // The trace may be what panicked.
        self.end(BodyError::Closed, &mut ());
        self.outbox.put(OutputKind::Drop);
        self.update_deadline(self.timers.latest(), State::Closed);
    }

    pub(super) fn end(&mut self, error: BodyError, trace: &mut impl ChannelTrace) {
        self.begin_close(error, trace);
        self.outbox.end_connection();
        self.sender.end();
        self.release_buffers();
    }
}
