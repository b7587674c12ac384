//! Sends the end of the wire's own protocol, as the `close_notify` of TLS, after the last byte of the channel.
//!
//! It may take between one and two times [`LOOK`](super::LOOK), the time after which a connection is looked at whose
//! input waits.

use std::task::Context;

use httpfsm::handler::Handler;

use super::{Driver, WakeUp, WireEnd};
use crate::wire::Wire;

impl<H: Handler, W: Wire> Driver<H, W> {
    /// The end that the wire owed has left, or never will: the connection is over.
    #[cold]
    pub(super) fn closed_behind_end(&mut self, wake_up: &mut WakeUp<'_>, cx: &Context<'_>) {
        self.wire = None;
        if let Some(reason) = self.channel.close_reason() {
            self.closed(reason, wake_up);
            self.wake_application(wake_up, cx);
        }
    }

    /// Called at each look. A peer that takes nothing more misses the end, and the connection is reset.
    #[cold]
    pub(super) fn part_at_last(&mut self, wake_up: &mut WakeUp<'_>, cx: &Context<'_>) {
        if self.wire_end == (WireEnd::Parting { late: false }) {
            self.wire_end = WireEnd::Parting { late: true };
            return;
        }
        self.wire_end = WireEnd::Nothing;
        if let Some(wire) = &mut self.wire {
            wire.reset();
        }
        self.closed_behind_end(wake_up, cx);
    }
}
