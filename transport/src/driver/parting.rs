//! The end that a wire owes, which leaves behind the last byte of the channel.
//!
//! It may take between one and two times [`LOOK`](super::LOOK), the time after which a connection is looked at whose
//! input waits.

use httpfsm::channel::Output;
use httpfsm::error::CloseReason;
use httpfsm::handler::Handler;

use super::{Driver, Ending};
use crate::wire::Wire;

impl<H: Handler, W: Wire> Driver<H, W> {
    /// Why the channel has closed, where its wire still sends the end that it owes.
    #[cold]
    pub(super) fn reason_behind_end(&mut self) -> Option<CloseReason> {
        if !self.ending.is_parting() {
            return None;
        }
        while let Some(output) = self.channel.next_output() {
            if let Output::HttpChannelClosed(reason) = output {
                return Some(reason);
            }
        }
        None
    }

    /// Called at each look. A peer that takes nothing more misses the end, and the connection is reset.
    #[cold]
    pub(super) fn part_at_last(&mut self) {
        if self.ending == (Ending::Parting { late: false }) {
            self.ending = Ending::Parting { late: true };
            return;
        }
        self.ending = Ending::Nothing;
        if let Some(mut wire) = self.wire.take() {
            wire.reset();
        }
    }
}
