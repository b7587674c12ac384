//! Bytes that the wire has taken and still holds.

use std::io;
use std::task::{Context, Poll};

use httpfsm::channel::Input;
use httpfsm::handler::Handler;
use httpfsm::time::Now;

use super::Driver;
use crate::wire::Wire;

impl<H: Handler, W: Wire> Driver<H, W> {
    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.wire.as_mut().map_or(Poll::Ready(Ok(())), |wire| wire.poll_flush(cx))
    }

    /// What came of a flush: when the wire holds nothing, the channel is told of the last byte that was written.
    #[cold]
    pub(super) fn flushed(&mut self, flushed: Poll<io::Result<()>>, now: &Now<'_>) -> Poll<()> {
        let Poll::Ready(flushed) = flushed else { return Poll::Pending };
        let unflushed = std::mem::take(&mut self.unflushed);
        if let Err(error) = flushed {
            self.tell_lost(&error);
            let _ = self.channel.handle(now, Input::Disconnected);
        } else if unflushed {
            let _ = self.channel.handle(now, Input::Sent(1));
        }
        Poll::Ready(())
    }

    /// What came of the flush after a write of `bytes`, when it failed or the wire still holds some of them. The channel is
    /// told of all but the last byte, and of that one by [`flushed`](Self::flushed).
    #[cold]
    pub(super) fn wait_for_flush(
        &mut self,
        bytes: usize,
        flushed: Poll<io::Result<()>>,
        now: &Now<'_>,
    ) -> Poll<()> {
        self.unflushed = true;
        if bytes > 1 {
            let _ = self.channel.handle(now, Input::Sent(bytes - 1));
        }
        self.flushed(flushed, now)
    }
}
