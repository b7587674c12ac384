//! What a channel occupies in its server: a count, and an entry among the alarms.

use std::mem;
use std::num::NonZero;
use std::sync::Arc;
use std::task::{Context, Waker};

use httpfsm::server::{ChannelId, ChannelStats};

use crate::alarms::{NEVER, Registration};
use crate::shared_state::SharedState;

/// A channel's slot in the shared state of its server. Dropping it reports the end of the channel, whoever drops it and
/// why.
///
/// Each connection has one as long as it lives, so it is small.
pub(crate) struct ChannelSlot {
    /// `None` when the end of the channel was reported.
    shared: Option<Arc<SharedState>>,
    entry: AlarmEntry,
}

impl ChannelSlot {
    pub(crate) fn new(shared: Arc<SharedState>, id: ChannelId) -> Self {
        let entry = AlarmEntry { registration: Registration::new(id.get()), at: NEVER, task: UNKNOWN };
        Self { shared: Some(shared), entry }
    }

    /// The number of the channel.
    pub(crate) fn id(&self) -> Option<ChannelId> {
        NonZero::new(self.entry.registration.key).map(ChannelId::from)
    }

    /// Whether the deadline may have passed.
    #[inline]
    pub(crate) fn is_due(&self, now: u64) -> bool {
        now >= self.entry.at
    }

    /// Has the task of `cx` woken at `at` or earlier. Only what is earlier than before touches the alarms.
    #[inline]
    pub(crate) fn arm(&mut self, at: u64, now: u64, cx: &Context<'_>) {
        if !self.entry.is_armed(at, now, cx.waker()) {
            self.rearm(at, now, cx.waker());
        }
    }

    #[cold]
    fn rearm(&mut self, at: u64, now: u64, waker: &Waker) {
        if let Some(shared) = &self.shared {
            self.entry.arm(shared, at, now, waker);
        }
    }

    /// Notes that the connection is idle at this time, or that it is not. One that was idle before is so since then: what
    /// wakes it, as half a record of a layer does, makes it no younger.
    #[inline]
    pub(crate) fn note_idle(&self, at: Option<u64>) {
        let registration = &self.entry.registration;
        match at {
            None => registration.set_idle_since(NEVER),
            Some(at) if registration.idle_since() == NEVER => registration.set_idle_since(at),
            Some(_) => {}
        }
    }

    /// Whether the connection is to close when it is idle.
    #[inline]
    pub(crate) fn is_evicted(&self) -> bool {
        self.entry.registration.is_evicted()
    }

    /// Whether the channel is open, so that this slot has to report its end.
    #[inline]
    pub(crate) fn is_open(&self) -> bool {
        self.shared.is_some()
    }

    /// Moves the slot to another owner, which reports the end of the channel; this one does nothing any more.
    pub(crate) fn hand_over(&mut self) -> Self {
        // It may have been idle before this wake-up, and nobody would close it for another.
        self.note_idle(None);
        Self { shared: self.shared.take(), entry: self.entry.hand_over() }
    }

    /// The end of the channel, with what it has counted. Only the first call counts.
    pub(crate) fn end(&mut self, stats: ChannelStats) {
        if let Some(shared) = self.shared.take() {
            self.note_idle(None);
            self.entry.remove(&shared);
            self.report(&shared, stats);
        }
    }

    /// The end of the channel, whose handler runs on until `until`. `None` if the end was reported before.
    pub(crate) fn outlive(&mut self, stats: ChannelStats, until: u64) -> Option<Orphan> {
        let shared = self.shared.take()?;
        self.note_idle(None);
        // Before the channel is reported: the server is not gone in between.
        shared.begin_orphan();
        let orphan = Orphan { entry: self.entry.hand_over(), shared, until };
        self.report(&orphan.shared, stats);
        Some(orphan)
    }

    fn report(&self, shared: &SharedState, stats: ChannelStats) {
        if let Some(id) = self.id() {
            shared.closed(id, stats);
        }
    }
}

impl Drop for ChannelSlot {
    fn drop(&mut self) {
        self.end(ChannelStats::default());
    }
}

/// The slot of a handler that runs on after its connection was lost. A drain waits for it, and its time is bounded.
pub(crate) struct Orphan {
    shared: Arc<SharedState>,
    entry: AlarmEntry,
    /// When the handler is dropped.
    until: u64,
}

impl Orphan {
    /// Whether its time is over.
    pub(crate) fn is_due(&self, now: u64) -> bool {
        now >= self.until
    }

    /// Has the task of `cx` woken when it is, and at the drain deadline.
    pub(crate) fn arm(&mut self, now: u64, cx: &Context<'_>) {
        if !self.entry.is_armed(self.until, now, cx.waker()) {
            self.entry.arm(&self.shared, self.until, now, cx.waker());
        }
    }
}

impl Drop for Orphan {
    fn drop(&mut self) {
        self.entry.remove(&self.shared);
        self.shared.end_orphan();
    }
}

/// An entry among the alarms, by which a drain finds its task, too.
struct AlarmEntry {
    registration: Arc<Registration>,
    at: u64,
    /// The address of the task that the alarm wakes. The registration keeps its waker, so no other task gets that
    /// address.
    task: usize,
}

impl AlarmEntry {
    /// Whether that task is woken at `at` or earlier.
    #[inline]
    fn is_armed(&self, at: u64, now: u64, waker: &Waker) -> bool {
        self.task == address(waker) && at >= self.at && now < self.at
    }

    fn arm(&mut self, shared: &SharedState, at: u64, now: u64, waker: &Waker) {
        let before = mem::replace(&mut self.task, address(waker));
        if before != self.task {
            self.registration.set_waker(waker);
        }
        // A deadline that has passed and left no trace must not spin.
        let at = at.max(now.saturating_add(1));
        shared.alarms.arm(&self.registration, self.at, at);
        self.at = at;
        // Whoever has just sent the connections out of service has not found one without an alarm.
        if before == UNKNOWN && shared.is_draining() {
            waker.wake_by_ref();
        }
    }

    /// Moves it to another owner; this one has no alarm any more.
    fn hand_over(&mut self) -> Self {
        let at = mem::replace(&mut self.at, NEVER);
        Self { registration: Arc::clone(&self.registration), at, task: self.task }
    }

    fn remove(&mut self, shared: &SharedState) {
        shared.alarms.disarm(&self.registration, self.at);
        self.registration.forget_waker();
        self.at = NEVER;
    }
}

/// The address of no task.
const UNKNOWN: usize = usize::MAX;

/// Tells apart the wakers of two tasks that are both alive. Wakers without data (`Waker::noop`) are all equal, and wake
/// nobody.
#[inline]
fn address(waker: &Waker) -> usize {
    waker.data().addr()
}
