//! The socket of an upgraded connection, in the application's hands.

use std::io;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker, ready};

use httpfsm::error::CloseReason;
use httpfsm::handler::{ConnectionInfo, IoFailure, UpgradedIo};
use httpfsm::server::ChannelStats;

use crate::alarms::NEVER;
use crate::channel_slot::ChannelSlot;
use crate::ledger::WireCharge;
use crate::lock::lock;
use crate::shared_state::SharedState;
use crate::wire::Wire;
use crate::{panics, waiting};

/// The application's end of a wire, which counts among the server's channels until it is dropped or the drain deadline
/// comes. The deadline needs nobody to poll it: an application may hold it for ever.
pub(crate) struct Tunnel<W: Wire>(Arc<TunnelState<W>>);

impl<W: Wire> Tunnel<W> {
    /// Takes over the wire and its slot. The channel's statistics stay as they are: what the application sends is not
    /// counted.
    pub(crate) fn new(
        wire: W,
        shared: Arc<SharedState>,
        mut slot: ChannelSlot,
        stats: ChannelStats,
        info: Arc<ConnectionInfo>,
    ) -> Self {
        let state = Arc::new(TunnelState { shared, stats, info, held: Mutex::default() });
        let waker = Waker::from(Arc::clone(&state));
        slot.arm(NEVER, 0, &Context::from_waker(&waker));
        let mut charge = WireCharge::new(&state.shared.ledger);
        charge.set(wire.held());
        lock(&state.held).open = Some((wire, slot, charge));
        // The connections may have been cut just now, before this one had its wire.
        waker.wake();
        Self(state)
    }

    /// Polls the wire; the task that waits for it also hears of the drain deadline.
    fn poll<T>(
        &self,
        cx: &mut Context<'_>,
        waiter: impl Fn(&mut HeldIo<W>) -> &mut Option<Waker>,
        poll: impl FnOnce(&mut W, &mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> Poll<Result<T, IoFailure>> {
        let Some(mut polled) = self.0.take_out() else { return Poll::Ready(Err(IoFailure::Closed)) };
        let outcome = match &mut polled.open {
            Some((wire, _, charge)) => {
                let outcome = poll(wire, cx);
                charge.set(wire.held());
                outcome
            }
            None => Poll::Pending,
        };
        drop(polled);
        if let Poll::Ready(outcome) = outcome {
            return Poll::Ready(outcome.map_err(|error| failure(&error)));
        }
        waiting::poll(&self.0.held, cx, |held| match held.open {
            Some(_) => Err(waiter(held)),
            None => Ok(Err(IoFailure::Closed)),
        })
    }
}

impl<W: Wire> UpgradedIo for Tunnel<W> {
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<Result<usize, IoFailure>> {
        if buffer.is_empty() {
            return Poll::Ready(Ok(0));
        }
        self.poll(cx, |held| &mut held.reader, |wire, cx| wire.poll_read(cx, buffer))
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize, IoFailure>> {
        self.poll(
            cx,
            |held| &mut held.writer,
            |wire, cx| {
                let written = wire.poll_write(cx, bytes);
                if written.is_ready() {
                    // As far as it goes at once, since an application need not flush a socket. A failure shows again.
                    let _ = wire.poll_flush(cx);
                }
                written
            },
        )
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), IoFailure>> {
        self.poll(cx, |held| &mut held.writer, Wire::poll_flush)
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), IoFailure>> {
        self.poll(
            cx,
            |held| &mut held.writer,
            |wire, cx| {
                ready!(wire.poll_flush(cx))?;
                wire.poll_close_write(cx)
            },
        )
    }
}

impl<W: Wire> Drop for Tunnel<W> {
    fn drop(&mut self) {
        self.0.close(CloseReason::Upgraded);
    }
}

/// What the application and the drain deadline share. It is also the waker that the alarms wake.
struct TunnelState<W> {
    shared: Arc<SharedState>,
    stats: ChannelStats,
    info: Arc<ConnectionInfo>,
    held: Mutex<HeldIo<W>>,
}

/// The wire, its slot, and what it keeps.
type OpenWire<W> = (W, ChannelSlot, WireCharge);

struct HeldIo<W> {
    /// The wire and its slot; `None` when the connection is over, and while the wire is polled: that runs code of the
    /// task's waker, which is not to run under the lock.
    open: Option<OpenWire<W>>,
    /// The wire is being polled.
    polled: bool,
    /// The connection is to end when it has been.
    ends: Option<CloseReason>,
    /// The tasks that wait.
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl<W> Default for HeldIo<W> {
    fn default() -> Self {
        Self { open: None, polled: false, ends: None, reader: None, writer: None }
    }
}

impl<W> HeldIo<W> {
    fn take_waiters(&mut self) -> [Option<Waker>; 2] {
        [self.reader.take(), self.writer.take()]
    }
}

impl<W: Wire> TunnelState<W> {
    /// The wire, to be polled; `None` when the connection is over.
    fn take_out(&self) -> Option<PolledWire<'_, W>> {
        let mut held = lock(&self.held);
        let open = held.open.take()?;
        held.polled = true;
        drop(held);
        Some(PolledWire { state: self, open: Some(open) })
    }

    /// Ends the connection, unless it is over, and lets those who wait know.
    fn close(&self, reason: CloseReason) {
        let mut held = lock(&self.held);
        let Some(open) = held.open.take() else {
            if held.polled {
                held.ends = Some(reason);
            }
            return;
        };
        let waiters = held.take_waiters();
        drop(held);
        self.end(open, reason, waiters);
    }

    fn end(&self, open: OpenWire<W>, reason: CloseReason, waiters: [Option<Waker>; 2]) {
        let (mut wire, mut slot, charge) = open;
        if reason == CloseReason::DrainTimeout {
            wire.reset();
        } else if wire.owes_end() {
            // Whoever drops the connection waits for nothing: the end leaves as far as it does at once.
            let _ = panics::catch(|| {
                let cx = &mut Context::from_waker(Waker::noop());
                wire.poll_flush(cx).is_ready() && wire.poll_close_write(cx).is_ready()
            });
        }
        panics::discard(wire);
        drop(charge);
        self.shared.report(|subscriber| subscriber.closed(&self.info, reason));
        slot.end(self.stats);
        waiters.into_iter().flatten().for_each(panics::wake);
    }
}

/// A wire that is being polled. It goes back when that is over, also where it panicked.
struct PolledWire<'a, W: Wire> {
    state: &'a TunnelState<W>,
    open: Option<OpenWire<W>>,
}

impl<W: Wire> Drop for PolledWire<'_, W> {
    fn drop(&mut self) {
        let mut held = lock(&self.state.held);
        held.polled = false;
        let Some(reason) = held.ends.take() else {
            std::mem::swap(&mut held.open, &mut self.open);
            return;
        };
        let waiters = held.take_waiters();
        drop(held);
        if let Some(open) = self.open.take() {
            self.state.end(open, reason, waiters);
        }
    }
}

impl<W: Wire> Wake for TunnelState<W> {
    /// The server goes out of service, or the drain deadline has come.
    fn wake(self: Arc<Self>) {
        if self.shared.is_cut() {
            self.close(CloseReason::DrainTimeout);
        }
    }
}

fn failure(error: &io::Error) -> IoFailure {
    match error.kind() {
        io::ErrorKind::ConnectionReset => IoFailure::Reset,
        io::ErrorKind::BrokenPipe | io::ErrorKind::NotConnected => IoFailure::Closed,
        io::ErrorKind::UnexpectedEof => IoFailure::Truncated,
        _ => IoFailure::Other(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use httpfsm::config::ServerConfig;
    use httpfsm::handler::Request;
    use httpfsm::peer::Peer;

    use super::*;
    use crate::memory::{MemoryWire, pair};
    use crate::waiting::tests::Foreign;
    use crate::{Accepted, Clock, Inline, Service};

    /// The peer's end, and the application's.
    fn tunnel() -> (MemoryWire, Tunnel<MemoryWire>, Arc<SharedState>) {
        let handler = |_: Request| async { "fine" };
        let service = Service::new(ServerConfig::default(), Clock::manual(), Arc::new(Inline), None, handler);
        let shared = Arc::clone(&service.shared);
        let (id, channel) = shared
            .admit(Accepted::new((), Peer::Unix(None), Peer::Unix(None)).arrival())
            .unwrap_or_else(|why| panic!("{why}"));
        let slot = ChannelSlot::new(Arc::clone(&shared), id);
        let (peername, sockname) = (Peer::Unix(None), Peer::Unix(None));
        let info = Arc::new(ConnectionInfo::new(peername, sockname, "http", channel.into()));
        let (near, far) = pair(100);
        (near, Tunnel::new(far, Arc::clone(&shared), slot, ChannelStats::default(), info), shared)
    }

    fn foreign(tunnel: &Tunnel<MemoryWire>) -> (Waker, Arc<std::sync::atomic::AtomicUsize>) {
        let its = Arc::downgrade(&tunnel.0);
        Foreign::waker(move || its.upgrade().is_none_or(|tunnel| tunnel.held.try_lock().is_ok()))
    }

    #[test]
    fn no_waker_is_woken_or_dropped_under_the_lock() {
        let (near, mut tunnel, shared) = tunnel();
        let (first, of_first) = foreign(&tunnel);
        let (second, of_second) = foreign(&tunnel);
        for waker in [first, second] {
            assert!(tunnel.poll_read(&mut Context::from_waker(&waker), &mut [0; 9]).is_pending());
        }
        assert_eq!(of_first.load(Ordering::SeqCst), 1, "another has replaced it");
        shared.go_out(Some(std::time::Duration::ZERO));
        shared.sweep(&Context::from_waker(Waker::noop()));
        // Woken by the wire, which ends, and by the tunnel; one of the two drops the last reference.
        assert_eq!(of_second.load(Ordering::SeqCst), 3);
        let read = tunnel.poll_read(&mut Context::from_waker(Waker::noop()), &mut [0; 9]);
        assert!(matches!(read, Poll::Ready(Err(IoFailure::Closed))));
        assert_eq!(shared.held(), crate::Held::default());
        drop(near);
    }

    /// A wire in the middle of whose poll the drain deadline comes, or which panics.
    struct Amid(Arc<SharedState>, bool);

    impl Wire for Amid {
        fn poll_read(&mut self, _cx: &mut Context<'_>, _buffer: &mut [u8]) -> Poll<io::Result<usize>> {
            if self.1 {
                std::panic::resume_unwind(Box::new("as it must"));
            }
            self.0.go_out(Some(std::time::Duration::ZERO));
            self.0.sweep(&Context::from_waker(Waker::noop()));
            Poll::Pending
        }

        fn poll_write(&mut self, _cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
            Poll::Ready(Ok(bytes.len()))
        }

        fn poll_write_vectored(
            &mut self,
            _cx: &mut Context<'_>,
            _slices: &[io::IoSlice<'_>],
        ) -> Poll<io::Result<usize>> {
            Poll::Pending
        }

        fn poll_close_write(&mut self, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn reset(&mut self) {}
    }

    fn amid(panics: bool) -> (Tunnel<Amid>, Arc<SharedState>) {
        let (_, other, shared) = tunnel();
        drop(other);
        let (id, channel) = shared
            .admit(Accepted::new((), Peer::Unix(None), Peer::Unix(None)).arrival())
            .unwrap_or_else(|why| panic!("{why}"));
        let (peername, sockname) = (Peer::Unix(None), Peer::Unix(None));
        let info = Arc::new(ConnectionInfo::new(peername, sockname, "http", channel.into()));
        let slot = ChannelSlot::new(Arc::clone(&shared), id);
        let wire = Amid(Arc::clone(&shared), panics);
        (Tunnel::new(wire, Arc::clone(&shared), slot, ChannelStats::default(), info), shared)
    }

    #[test]
    fn a_drain_deadline_amid_a_poll_ends_the_connection_after_it() {
        let (mut tunnel, shared) = amid(false);
        let mut cx = Context::from_waker(Waker::noop());
        let read = tunnel.poll_read(&mut cx, &mut [0; 9]);
        assert!(matches!(read, Poll::Ready(Err(IoFailure::Closed))));
        assert_eq!(shared.held(), crate::Held::default());
    }

    #[test]
    fn a_poll_that_panics_leaves_the_connection_open() {
        let (mut tunnel, shared) = amid(true);
        let mut cx = Context::from_waker(Waker::noop());
        assert!(panics::catch(|| tunnel.poll_read(&mut cx, &mut [0; 9]).is_ready()).is_err());
        assert!(tunnel.poll_write(&mut cx, b"bytes").is_ready());
        drop(tunnel);
        assert_eq!(shared.held(), crate::Held::default());
    }
}
