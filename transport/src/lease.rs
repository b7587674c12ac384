//! The places of connections at the desk.

use std::mem;
use std::sync::Arc;
use std::task::{Context, Waker};

use httpfsm::server::{ChannelId, ChannelStats};

use crate::alarms::{NEVER, Seat};
use crate::desk::Desk;

/// A channel's place at the desk; dropping it is the end of the channel, whoever drops it and why.
///
/// Each connection has one as long as it lives, so it is small.
pub(crate) struct Lease {
    /// `None` when the end of the channel was reported.
    desk: Option<Arc<Desk>>,
    seat: Arc<Seat>,
    alarm_at: u64,
    /// The address of the task that the alarm wakes. The seat keeps its waker, so no other task gets that address.
    task: usize,
}

impl Lease {
    pub(crate) fn new(desk: Arc<Desk>, id: ChannelId) -> Self {
        Self { desk: Some(desk), seat: Seat::new(Some(id)), alarm_at: NEVER, task: UNKNOWN }
    }

    /// Whether the alarm may have rung.
    #[inline]
    pub(crate) fn is_due(&self, now: u64) -> bool {
        now >= self.alarm_at
    }

    /// Has the task of `cx` woken at `at` or earlier. Only what is earlier than before touches the alarms.
    #[inline]
    pub(crate) fn arm(&mut self, at: u64, now: u64, cx: &Context<'_>) {
        let known = self.task == address(cx.waker());
        if !known || at < self.alarm_at || now >= self.alarm_at {
            self.rearm(at, now, cx.waker());
        }
    }

    #[cold]
    fn rearm(&mut self, at: u64, now: u64, waker: &Waker) {
        let (Some(desk), Some(id)) = (&self.desk, self.seat.id) else { return };
        let before = mem::replace(&mut self.task, address(waker));
        if before != self.task {
            self.seat.set_waker(waker);
        }
        // A deadline that has passed and left no trace must not spin.
        let at = at.max(now.saturating_add(1));
        desk.alarms.arm(id.get(), self.alarm_at, at, &self.seat);
        self.alarm_at = at;
        // Whoever has just sent the connections out of service has not found one without an alarm.
        if before == UNKNOWN && desk.is_going() {
            waker.wake_by_ref();
        }
    }

    /// Notes since when the connection is idle, or that it is not (`NEVER`).
    #[inline]
    pub(crate) fn rest(&self, idle_since: u64) {
        self.seat.rest(idle_since);
    }

    /// Whether the connection is to close when it is idle.
    #[inline]
    pub(crate) fn is_evicted(&self) -> bool {
        self.seat.is_evicted()
    }

    pub(crate) fn evict(&self) {
        self.seat.evict();
    }

    /// Whether the end of the channel is still to come, and to be reported by this lease.
    #[inline]
    pub(crate) fn is_open(&self) -> bool {
        self.desk.is_some()
    }

    /// The place in other hands, which report the end; this lease is over.
    pub(crate) fn hand_over(&mut self) -> Self {
        // It may have been idle before this wake-up, and nobody would close it for another.
        self.seat.rest(NEVER);
        let alarm_at = mem::replace(&mut self.alarm_at, NEVER);
        Self { desk: self.desk.take(), seat: Arc::clone(&self.seat), alarm_at, task: self.task }
    }

    /// The end of the channel, with what it has counted. Only the first call counts.
    pub(crate) fn end(&mut self, stats: ChannelStats) {
        if let (Some(desk), Some(id)) = (self.desk.take(), self.seat.id) {
            self.seat.rest(NEVER);
            desk.alarms.disarm(id.get(), self.alarm_at);
            self.seat.forget_waker();
            desk.closed(id, stats);
            self.alarm_at = NEVER;
        }
    }
}

/// The address of no task.
const UNKNOWN: usize = usize::MAX;

/// What differs between the wakers of two tasks that both live. A task that has no data of its own (`Waker::noop`)
/// is like any other of its kind, and nobody is woken by it.
#[inline]
fn address(waker: &Waker) -> usize {
    waker.data().addr()
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.end(ChannelStats::default());
    }
}
