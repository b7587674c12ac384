//! Whether the connection goes on after a response, and why it ends.
//!
//! Keep-alive is decided in three places. What the request asks for is a fact of its head (`HeadMeta::keep_alive`, from
//! `framing.rs`). When a response is planned, `ResponseContext::close_reason` in `plan.rs` decides, so that its head can say
//! `close`; it asks [`Persistence::why_close`] for the server's own reasons. When the response is complete,
//! `Parts::choose_next` in `parts/response.rs` looks once more: the peer may have ended its input, or the server may go out,
//! since then.

use alloc::boxed::Box;

use super::compiled_config::Leave;
use crate::error::CloseReason;

/// Keep or close, and why.
#[derive(Debug, Default)]
pub(super) struct Persistence {
    /// Nothing is served after this response; `reason` says why.
    must_close: bool,
    /// Boxed: the pointer takes 8 of the bytes of a channel, the reason would take 24.
    reason: Option<Box<CloseReason>>,
    /// The times by which the server drains; `None`: it does not.
    leave: Option<Box<Leave>>,
    evicted: bool,
    /// Requests that were put in the outbox.
    requests: u64,
    /// Requests that the machine responded to by itself; saturates.
    refused: u32,
}

impl Persistence {
    /// The connection ends with the response that runs.
    pub(super) fn end_with_response(&mut self, reason: CloseReason) {
        self.must_close = true;
        self.set_reason(reason);
    }

    /// Keeps the first reason, except that a failure replaces a planned close: that the peer asked for the close does not
    /// explain why its response was cut.
    pub(super) fn set_reason(&mut self, reason: CloseReason) {
        if self.reason.as_ref().is_none_or(|known| known.is_planned() && !reason.is_planned()) {
            self.replace_reason(reason);
        }
    }

    /// The response that runs is cut. This reason replaces one that was set for the end of the connection behind the
    /// response: the response does not come to its end.
    #[cold]
    pub(super) fn replace_reason(&mut self, reason: CloseReason) {
        self.reason = Some(Box::new(reason));
    }

    pub(super) fn reason(&self) -> CloseReason {
        self.reason.as_deref().copied().unwrap_or(CloseReason::Disconnected)
    }

    #[inline]
    pub(super) fn must_close(&self) -> bool {
        self.must_close
    }

    pub(super) fn evict(&mut self) {
        self.evicted = true;
    }

    /// The server drains; the times of the latest call count.
    pub(super) fn go_out(&mut self, leave: Leave) {
        self.leave = Some(Box::new(leave));
    }

    #[inline]
    pub(super) fn is_draining(&self) -> bool {
        self.leave.is_some()
    }

    /// The times by which the server drains; `None`: it does not.
    #[inline]
    pub(super) fn leave(&self) -> Option<&Leave> {
        self.leave.as_deref()
    }

    #[inline]
    pub(super) fn count_request(&mut self) {
        self.requests += 1;
    }

    pub(super) fn count_refusal(&mut self) {
        self.refused = self.refused.saturating_add(1);
    }

    pub(super) fn requests(&self) -> u64 {
        self.requests
    }

    pub(super) fn refused(&self) -> u64 {
        self.refused.into()
    }

    /// Why the server ends the connection when it is idle; `None`: it does not.
    #[inline]
    pub(super) fn why_close_when_idle(&self) -> Option<CloseReason> {
        if self.is_draining() {
            Some(CloseReason::Drained)
        } else if self.evicted {
            Some(CloseReason::Evicted)
        } else {
            None
        }
    }

    /// Why the server ends the connection with the response to this request; `None`: it does not. At most `limit`
    /// requests are served (0: any number); `is_old`: the connection has reached its age.
    #[inline]
    pub(super) fn why_close(&self, limit: u64, is_old: bool) -> Option<CloseReason> {
        if limit != 0 && self.requests >= limit {
            self.why_close_when_idle().or(Some(CloseReason::RequestsServed))
        } else if is_old {
            self.why_close_when_idle().or(Some(CloseReason::AgeReached))
        } else {
            self.why_close_when_idle()
        }
    }
}
