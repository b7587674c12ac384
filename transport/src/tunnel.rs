//! The socket of an upgraded connection, in the application's hands.

use std::io;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use httpfsm::error::CloseReason;
use httpfsm::handler::{ConnectionInfo, IoFailure, UpgradedIo};
use httpfsm::server::ChannelStats;

use crate::alarms::NEVER;
use crate::desk::{Desk, Lease};
use crate::wire::Wire;

/// The wire, and its place among the server's channels: it counts as one until it is dropped, and the drain deadline
/// ends it.
pub(crate) struct Tunnel<W> {
    pub(crate) wire: W,
    pub(crate) desk: Arc<Desk>,
    pub(crate) lease: Lease,
    /// What the channel has counted; nobody counts what the application sends.
    pub(crate) stats: ChannelStats,
    pub(crate) info: Arc<ConnectionInfo>,
}

impl<W> Tunnel<W> {
    /// Has the task woken at the drain deadline, unless it has come.
    fn check(&mut self, cx: &Context<'_>) -> Result<(), IoFailure> {
        self.lease.arm(NEVER, 0, cx);
        if self.desk.is_cut() { Err(IoFailure::Closed) } else { Ok(()) }
    }
}

impl<W: Wire> UpgradedIo for Tunnel<W> {
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<Result<usize, IoFailure>> {
        self.check(cx)?;
        if buffer.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let octets = ready!(self.wire.poll_read(cx, buffer)).map_err(|error| failure(&error))?;
        Poll::Ready(Ok(octets))
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, octets: &[u8]) -> Poll<Result<usize, IoFailure>> {
        if self.desk.is_cut() {
            return Poll::Ready(Err(IoFailure::Closed));
        }
        let written = self.wire.poll_write(cx, octets);
        if written.is_pending() {
            self.check(cx)?;
        }
        written.map_err(|error| failure(&error))
    }

    fn poll_flush(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), IoFailure>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), IoFailure>> {
        self.wire.poll_close_write(cx).map_err(|error| failure(&error))
    }
}

impl<W> Drop for Tunnel<W> {
    fn drop(&mut self) {
        self.desk.report(|subscriber| subscriber.closed(&self.info, CloseReason::Upgraded));
        self.lease.end(self.stats);
    }
}

fn failure(error: &io::Error) -> IoFailure {
    match error.kind() {
        io::ErrorKind::ConnectionReset => IoFailure::Reset,
        io::ErrorKind::BrokenPipe | io::ErrorKind::NotConnected => IoFailure::Closed,
        _ => IoFailure::Other(error.to_string()),
    }
}
