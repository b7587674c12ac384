//! A connection that is lost: who hears of it.

use std::io;

use httpfsm::channel::Input;
use httpfsm::handler::Handler;
use httpfsm::time::Now;

use super::Driver;
use crate::layer::LayerError;
use crate::stack::Stack;
use crate::wire::Wire;

impl<H: Handler, W: Wire> Driver<H, W> {
    #[cold]
    pub(super) fn tell_lost(&self, error: &io::Error) {
        self.service.tell(|subscriber| subscriber.connection_lost(&self.info, &error.to_string()));
    }

    /// Whether the channel is told that the connection is lost, since its layer has panicked when it was asked what it
    /// holds: the task would hear of that only when something else wakes it.
    #[inline(always)]
    pub(super) fn is_layer_lost(&mut self, now: &Now<'_>) -> bool {
        self.wire.as_ref().is_some_and(Stack::has_panicked) && self.lose_layer(now)
    }

    #[cold]
    fn lose_layer(&mut self, now: &Now<'_>) -> bool {
        let Some(text) = self.wire.as_ref().and_then(Stack::panic) else { return false };
        let error = LayerError::own(text).into();
        let is_told = self.channel.handle(now, Input::Disconnected).is_ok();
        if is_told {
            self.tell_lost(&error);
        }
        is_told
    }
}
