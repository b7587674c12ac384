//! Content that is not in memory, on its way to the wire.

use std::io;
use std::sync::Arc;
use std::task::{Context, Poll};

use httpfsm::channel::Input;
use httpfsm::handler::{Failure, Handler};
use httpfsm::time::Now;

use super::Driver;
use crate::panics;
use crate::sending::is_own;
use crate::sent_file::{SendFailure, SentRange};
use crate::serving::Serving;
use crate::wire::Wire;

impl<H: Handler, W: Wire> Driver<H, W> {
    /// Writes once: what stands before the content, or some of that.
    #[cold]
    pub(super) fn send_elsewhere(&mut self, now: &Now<'_>, cx: &mut Context<'_>) -> Poll<()> {
        let (Some(wire), Some(content)) = (&mut self.wire, self.channel.elsewhere()) else {
            return Poll::Pending;
        };
        let before = self.channel.unsent();
        if !before.is_empty() {
            let written = wire.poll_write_more(cx, before);
            return self.sent(written, now, cx);
        }
        // Where it is read instead, that is the application's code, for this server.
        let mut server = Some(Arc::clone(&self.service.shared));
        let serving = Serving::begin(&mut server);
        let sent = panics::catch(|| match content.source::<SentRange>() {
            Some(file) => file.poll_send(wire, content, cx),
            None => Poll::Ready(Err(SendFailure::Wire(io::ErrorKind::Unsupported.into()))),
        });
        serving.end(&mut server);
        match sent {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(Ok(bytes))) => self.sent(Poll::Ready(Ok(bytes)), now, cx),
            Ok(Poll::Ready(Err(SendFailure::Wire(error)))) => self.sent(Poll::Ready(Err(error)), now, cx),
            Ok(Poll::Ready(Err(SendFailure::Source(failure)))) => {
                let text = is_own(&failure).then(|| failure.to_string());
                self.cut(text.as_deref(), now)
            }
            Err(panic) => self.cut(Some(&panic), now),
        }
    }

    /// The content cannot be sent, and the response may be over for the channel: only the end of the connection says that
    /// it is not whole.
    fn cut(&mut self, text: Option<&str>, now: &Now<'_>) -> Poll<()> {
        if let Some(text) = text {
            self.failed(Failure::Response, text);
        }
        let _ = self.channel.handle(now, Input::Disconnected);
        Poll::Ready(())
    }
}
