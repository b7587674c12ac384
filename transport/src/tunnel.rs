//! The socket of an upgraded connection, in the application's hands.

use std::io;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker, ready};

use httpfsm::error::CloseReason;
use httpfsm::handler::{ConnectionInfo, IoFailure, UpgradedIo};
use httpfsm::server::ChannelStats;

use crate::alarms::NEVER;
use crate::desk::{Desk, Lease};
use crate::lock::lock;
use crate::panics;
use crate::wire::Wire;

/// The application's end of a wire, which counts among the server's channels until it is dropped or the drain deadline
/// comes. The deadline needs nobody to poll it: an application may hold it for ever.
pub(crate) struct Tunnel<W: Wire>(Arc<Shared<W>>);

impl<W: Wire> Tunnel<W> {
    /// Takes over the wire and its place. What the channel has counted stays as it is: nobody counts what the
    /// application sends.
    pub(crate) fn new(
        wire: W,
        desk: Arc<Desk>,
        mut lease: Lease,
        stats: ChannelStats,
        info: Arc<ConnectionInfo>,
    ) -> Self {
        let shared = Arc::new(Shared { desk, stats, info, held: Mutex::default() });
        let waker = Waker::from(Arc::clone(&shared));
        lease.arm(NEVER, 0, &Context::from_waker(&waker));
        lock(&shared.held).open = Some((wire, lease));
        // Whoever has just cut the connections has found this one without its wire.
        waker.wake();
        Self(shared)
    }

    /// Polls the wire; the task that waits for it also hears of the drain deadline.
    fn poll<T>(
        &self,
        cx: &mut Context<'_>,
        waiter: impl FnOnce(&mut Held<W>) -> &mut Option<Waker>,
        poll: impl FnOnce(&mut W, &mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> Poll<Result<T, IoFailure>> {
        let mut held = lock(&self.0.held);
        let Some((wire, _)) = &mut held.open else { return Poll::Ready(Err(IoFailure::Closed)) };
        let polled = poll(wire, cx);
        if polled.is_pending() {
            match waiter(&mut held) {
                Some(waker) => waker.clone_from(cx.waker()),
                none => *none = Some(cx.waker().clone()),
            }
        }
        Poll::Ready(ready!(polled).map_err(|error| failure(&error)))
    }
}

impl<W: Wire> UpgradedIo for Tunnel<W> {
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<Result<usize, IoFailure>> {
        if buffer.is_empty() {
            return Poll::Ready(Ok(0));
        }
        self.poll(cx, |held| &mut held.reader, |wire, cx| wire.poll_read(cx, buffer))
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, octets: &[u8]) -> Poll<Result<usize, IoFailure>> {
        self.poll(cx, |held| &mut held.writer, |wire, cx| wire.poll_write(cx, octets))
    }

    fn poll_flush(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), IoFailure>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), IoFailure>> {
        self.poll(cx, |held| &mut held.writer, |wire, cx| wire.poll_close_write(cx))
    }
}

impl<W: Wire> Drop for Tunnel<W> {
    fn drop(&mut self) {
        self.0.close(CloseReason::Upgraded);
    }
}

/// What the application and the drain deadline both reach. It is the waker that stands among the alarms.
struct Shared<W> {
    desk: Arc<Desk>,
    stats: ChannelStats,
    info: Arc<ConnectionInfo>,
    held: Mutex<Held<W>>,
}

struct Held<W> {
    /// The wire and its place; `None` when the connection is over.
    open: Option<(W, Lease)>,
    /// The tasks that wait.
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl<W> Default for Held<W> {
    fn default() -> Self {
        Self { open: None, reader: None, writer: None }
    }
}

impl<W: Wire> Shared<W> {
    /// Ends the connection, unless it is over, and lets those who wait know.
    fn close(&self, reason: CloseReason) {
        let Held { open, reader, writer } = std::mem::take(&mut *lock(&self.held));
        let Some((mut wire, mut lease)) = open else { return };
        if reason == CloseReason::DrainTimeout {
            wire.reset();
        }
        drop(wire);
        self.desk.report(|subscriber| subscriber.closed(&self.info, reason));
        lease.end(self.stats);
        reader.into_iter().chain(writer).for_each(panics::wake);
    }
}

impl<W: Wire> Wake for Shared<W> {
    /// The server goes out of service, or the drain deadline has come.
    fn wake(self: Arc<Self>) {
        if self.desk.is_cut() {
            self.close(CloseReason::DrainTimeout);
        }
    }
}

fn failure(error: &io::Error) -> IoFailure {
    match error.kind() {
        io::ErrorKind::ConnectionReset => IoFailure::Reset,
        io::ErrorKind::BrokenPipe | io::ErrorKind::NotConnected => IoFailure::Closed,
        _ => IoFailure::Other(error.to_string()),
    }
}
