//! The end of service: what a connection is told when its server goes out.

use std::task::{Context, Poll};

use httpfsm::channel::{Input, State};
use httpfsm::error::CloseReason;
use httpfsm::handler::Handler;
use httpfsm::time::Now;

use super::Driver;
use crate::wire::Wire;

impl<H: Handler, W: Wire> Driver<H, W> {
    /// The server goes out of service: the channel gets `GoOut` once; at the drain deadline the connection is dropped.
    #[cold]
    pub(super) fn go_out(&mut self, now: &Now<'_>, cx: &mut Context<'_>) -> Poll<()> {
        if self.service.shared.is_cut() {
            if self.slot.is_open() {
                self.close_what_is_over(now);
                // The channel may have closed before, and only the end that its wire owes is cut.
                let reason = self.channel.close_reason().unwrap_or(CloseReason::DrainTimeout);
                self.service.tell(|subscriber| subscriber.closed(&self.info, reason));
            }
            let is_cut = !self.channel.is_closed();
            if let Some(wire) = &mut self.wire {
                // An end that does not leave at once is cut.
                if is_cut || wire.owes_end() && !has_ended(wire, cx) {
                    wire.reset();
                }
            }
            return Poll::Ready(());
        }
        self.tell_to_go(now);
        Poll::Pending
    }

    /// Where no request is under way, the drain deadline cuts nothing: the channel closes for the reason that it has.
    fn close_what_is_over(&mut self, now: &Now<'_>) {
        match self.channel.state() {
            State::Fresh | State::Idle => {
                let mut leave = self.channel.leave(now.at);
                (leave.fresh_until, leave.idle_until) = (now.at, now.at);
                let _ = self.channel.handle(now, Input::GoOut(leave));
                let _ = self.channel.handle(now, Input::Tick);
            }
            State::Lingering => {
                let _ = self.channel.handle(now, Input::Evict);
            }
            _ => {}
        }
    }

    #[cold]
    pub(super) fn tell_to_go(&mut self, now: &Now<'_>) {
        let mut leave = self.channel.leave(now.at);
        let by = self.service.shared.leave_by(self.opened);
        if !std::mem::replace(&mut self.told_to_go, true) || by < leave.cut_at {
            leave.cut_at = leave.cut_at.min(by);
            let _ = self.channel.handle(now, Input::GoOut(leave));
        }
    }
}

/// Whether the end that the wire owes leaves at once.
fn has_ended(wire: &mut impl Wire, cx: &mut Context<'_>) -> bool {
    let flushed = wire.poll_flush(cx);
    matches!(flushed, Poll::Ready(Ok(()))) && matches!(wire.poll_close_write(cx), Poll::Ready(Ok(())))
}
