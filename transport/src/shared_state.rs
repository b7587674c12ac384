//! The shared state of a server: what its connections have in common, apart from the handler. That is the server
//! machine, the alarms, the counts that move with each request, and the way out of service.

mod admission;

use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use httpfsm::channel::{Facts, Leave};
use httpfsm::config::ServerConfig;
use httpfsm::handler::{ConnectionInfo, Failure, Subscriber};
use httpfsm::prologue::Prologue;
use httpfsm::server::{ChannelId, ChannelStats, NotAdmitted, Server, ServerInput, ServerOutput, ServerStats};
use httpfsm::time::Moment;

pub(crate) use admission::Arrival;

use crate::alarms::{Alarms, NEVER, Registration};
use crate::body_buffers::BodyBuffers;
use crate::budget::Budget;
use crate::clock::Clock;
use crate::job::Spawner;
use crate::ledger::Ledger;
use crate::lock::lock;
use crate::panics;
use crate::permits::Permits;
use crate::service::Held;
use crate::tape::Recorder;
use crate::waiters::Waiters;
use crate::waiting;
use crate::written_sync::SlowReaders;

/// The shared state of a server; see the module's documentation.
pub(crate) struct SharedState {
    pub(crate) clock: Clock,
    pub(crate) alarms: Arc<Alarms>,
    pub(crate) spawner: Arc<dyn Spawner>,
    pub(crate) subscriber: Option<Arc<dyn Subscriber>>,
    /// Whether the subscriber hears of what comes with every request.
    pub(crate) reports_requests: bool,
    pub(crate) recorder: Option<Arc<dyn Recorder>>,
    pub(crate) budget: Budget,
    pub(crate) ledger: Arc<Ledger>,
    /// For functions that wait for their peers.
    pub(crate) permits: Arc<Permits>,
    pub(crate) slow_readers: Arc<SlowReaders>,
    pub(crate) body_buffers: Arc<BodyBuffers>,
    config: Arc<ServerConfig>,
    opened: u64,
    machine: Mutex<Server>,
    draining: AtomicBool,
    cut: AtomicBool,
    /// When what is left is dropped.
    cut_at: AtomicU64,
    /// When the channels are to cut by themselves, if that is earlier than what the configuration says.
    leave_by: AtomicU64,
    /// The last channel has closed, and none will open.
    empty: AtomicBool,
    listeners: AtomicUsize,
    /// Handlers that run on after their connections were lost.
    orphans: AtomicUsize,
    /// Listeners there ever were.
    listened: AtomicU64,
    /// Who waits for the server to go out, or to be gone.
    waiters: Mutex<Waiters<()>>,
    /// Somebody waits for a channel to close.
    close_awaited: AtomicBool,
    /// Until when it is taken for granted that no place becomes free.
    full_until: AtomicU64,
    /// Places that become free for those who had an idle channel closed, and who take them.
    reserved: AtomicU32,
}

fn millis(length: Duration) -> u64 {
    u64::try_from(length.as_millis()).unwrap_or(NEVER)
}

/// Holds a place that becomes free for whoever had an idle channel closed: no other listener takes it meanwhile.
pub(crate) struct Reservation<'a>(&'a SharedState);

impl Drop for Reservation<'_> {
    fn drop(&mut self) {
        self.0.reserved.fetch_sub(1, Ordering::SeqCst);
    }
}

impl SharedState {
    pub(crate) fn new(
        config: Arc<ServerConfig>,
        clock: Clock,
        spawner: Arc<dyn Spawner>,
        subscriber: Option<Arc<dyn Subscriber>>,
        recorder: Option<Arc<dyn Recorder>>,
    ) -> Self {
        let ask =
            |subscriber: &Arc<dyn Subscriber>| panics::catch(|| subscriber.hears_requests()).unwrap_or(true);
        let reports_requests = subscriber.as_ref().is_some_and(ask);
        if let (Some(recorder), Some(subscriber)) = (&recorder, &subscriber) {
            let _ = panics::catch(|| recorder.report_to(Arc::clone(subscriber)));
        }
        let alarms = Arc::<Alarms>::default();
        let ledger = Ledger::new(&config, Arc::clone(&alarms), clock.clone(), subscriber.clone());
        Self {
            opened: clock.now(),
            clock,
            alarms,
            spawner,
            subscriber,
            reports_requests,
            recorder,
            budget: Budget::new(&config),
            ledger,
            permits: Permits::new(0),
            slow_readers: Arc::default(),
            body_buffers: Arc::default(),
            machine: Mutex::new(Server::new(Arc::clone(&config))),
            config,
            draining: AtomicBool::new(false),
            cut: AtomicBool::new(false),
            cut_at: AtomicU64::new(NEVER),
            leave_by: AtomicU64::new(NEVER),
            empty: AtomicBool::new(false),
            listeners: AtomicUsize::new(0),
            orphans: AtomicUsize::new(0),
            listened: AtomicU64::new(0),
            waiters: Mutex::default(),
            close_awaited: AtomicBool::new(false),
            full_until: AtomicU64::new(0),
            reserved: AtomicU32::new(0),
        }
    }

    /// What a connection obeys before its channel opens.
    pub(crate) fn prologue(&self) -> Prologue {
        Prologue::new(&self.config)
    }

    /// Whether the server is too full for a connection from this peer, and would serve it otherwise.
    pub(crate) fn is_full(&self, arrival: Arrival<'_>) -> bool {
        self.is_full_for(&lock(&self.machine), arrival, false)
    }

    fn is_full_for(&self, machine: &Server, arrival: Arrival<'_>, reserved: bool) -> bool {
        match arrival.would_turn_away(machine) {
            None if !reserved => {
                let others = self.reserved.load(Ordering::SeqCst).into();
                let limit = u64::from(self.config.max_connections);
                limit != 0 && others > 0 && limit.saturating_sub(machine.stats().n_channels) <= others
            }
            verdict => verdict == Some(NotAdmitted::Full),
        }
    }

    /// Whether the server is still full. From now on, a channel that closes wakes those who wait for the server.
    pub(crate) fn is_still_full(&self, arrival: Arrival<'_>, reserved: bool) -> bool {
        self.close_awaited.store(true, Ordering::SeqCst);
        self.is_full_for(&lock(&self.machine), arrival, reserved)
    }

    /// Has the channel closed that has been idle for the longest, and reserves its place; `None` if none is idle.
    pub(crate) fn reserve(&self) -> Option<Reservation<'_>> {
        // Before the place can be free.
        self.reserved.fetch_add(1, Ordering::SeqCst);
        let reservation = Reservation(self);
        self.evict().then_some(reservation)
    }

    /// Until `then`, connections are turned away at once where no channel is idle, because one has just waited in vain. 0
    /// when a connection was served.
    pub(crate) fn stays_full_until(&self, then: u64) {
        self.full_until.store(then, Ordering::Relaxed);
    }

    /// Whether connections are turned away at once where no channel is idle.
    pub(crate) fn stays_full(&self, now: u64) -> bool {
        now < self.full_until.load(Ordering::Relaxed)
    }

    /// Has the channel closed that has been idle for the longest; `false` if none is idle.
    pub(crate) fn evict(&self) -> bool {
        self.alarms.evict(self.clock.now())
    }

    /// Tells the subscriber, if there is one.
    #[inline]
    pub(crate) fn report(&self, what: impl FnOnce(&dyn Subscriber)) {
        if let Some(subscriber) = &self.subscriber {
            // What fails in there is no failure of the connection.
            let _ = panics::catch(|| what(&**subscriber));
        }
    }

    /// Tells the subscriber of a failure. What the text holds may be the application's or a peer's, and it becomes a line of
    /// a log: it ends no line, and controls no terminal.
    #[cold]
    pub(crate) fn report_failure(&self, connection: Option<&ConnectionInfo>, failure: Failure, text: &str) {
        let text = text.replace(char::is_control, " ");
        self.report(|subscriber| subscriber.failed(connection, failure, &text));
    }

    /// What a channel is told about its connection.
    pub(crate) fn facts(&self, id: ChannelId) -> Facts {
        let Some(age) = self.config.channel.connection_age else { return Facts::default() };
        // Up to a tenth of the age; the hasher's keys are the randomness.
        let span = u64::try_from(age.as_millis() / 10).unwrap_or(u64::MAX).max(1);
        let jitter = RandomState::new().hash_one(id.get()) % span;
        Facts::default().with_age_jitter(Duration::from_millis(jitter))
    }

    pub(crate) fn closed(&self, channel: ChannelId, stats: ChannelStats) {
        self.tell(ServerInput::HttpChannelClosed { channel, stats });
    }

    /// Goes out: no new channel, the open ones finish. At `deadline`, if that is earlier than the configuration's, channels
    /// cut by themselves, and what has not left a moment later is dropped; at a deadline of zero all is dropped at once.
    pub(crate) fn go_out(&self, deadline: Option<Duration>) {
        if let Some(deadline) = deadline {
            let mut at = self.clock.now().saturating_add(millis(deadline));
            if !deadline.is_zero() {
                self.leave_by.fetch_min(at, Ordering::AcqRel);
                // The last responses, which channels make at the deadline, have to leave.
                at = at.saturating_add(millis(Leave::LEAST_GRACE));
            }
            self.cut_at.fetch_min(at, Ordering::AcqRel);
        }
        self.tell(ServerInput::GoOut);
        if self.listeners.load(Ordering::SeqCst) == 0 {
            self.tell(ServerInput::ListenersClosed);
        }
        if deadline.is_some() {
            // It may have been told before, with another deadline.
            self.wake_all();
            self.alarms.wake_sweeper();
        }
    }

    /// When a channel that opened at `opened` is to cut by itself, on its own clock.
    pub(crate) fn leave_by(&self, opened: u64) -> Moment {
        match self.leave_by.load(Ordering::Acquire) {
            NEVER => Moment::NEVER,
            at => Moment::from_millis(at.saturating_sub(opened)),
        }
    }

    /// Whether the drain has begun; it stays so when the server is gone.
    #[inline]
    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }

    /// Whether the drain deadline has come, and connections are to be dropped.
    #[inline]
    pub(crate) fn is_cut(&self) -> bool {
        self.cut.load(Ordering::Acquire)
    }

    /// Whether it has gone out, the last channel has closed, no handler of one runs on, and nobody listens any more.
    pub(crate) fn is_gone(&self) -> bool {
        let is_none = |count: &AtomicUsize| count.load(Ordering::SeqCst) == 0;
        self.empty.load(Ordering::Acquire) && is_none(&self.orphans) && is_none(&self.listeners)
    }

    /// A handler runs on whose channel is about to be reported closed.
    pub(crate) fn begin_orphan(&self) {
        self.orphans.fetch_add(1, Ordering::SeqCst);
    }

    pub(crate) fn end_orphan(&self) {
        self.orphans.fetch_sub(1, Ordering::SeqCst);
        // Either this sees that the server goes out, or whoever sends it out sees that there is none.
        if self.draining.load(Ordering::SeqCst) {
            self.wake_waiters();
        }
    }

    /// Counts a listener; returns a key among the alarms that no channel has, as those are counted from 1 upwards.
    pub(crate) fn listen(&self) -> u64 {
        self.listeners.fetch_add(1, Ordering::AcqRel);
        u64::MAX - self.listened.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn end_listening(&self) {
        // Either this sees that the server goes out, or whoever sends it out sees that nobody listens.
        if self.listeners.fetch_sub(1, Ordering::SeqCst) == 1 && self.draining.load(Ordering::SeqCst) {
            self.tell(ServerInput::ListenersClosed);
        }
        self.wake_waiters();
    }

    pub(crate) fn stats(&self) -> ServerStats {
        lock(&self.machine).stats()
    }

    /// Wakes those whose deadlines have come. Returns the time of the next deadline, on the server's clock.
    pub(crate) fn sweep(&self, cx: &Context<'_>) -> u64 {
        let (due, next) = self.due(cx);
        for registration in due {
            registration.wake();
            panics::discard(registration);
        }
        next
    }

    /// Those whose deadlines have come, to be woken, and the time of the next deadline, on the server's clock. No code
    /// of the application runs in here.
    pub(crate) fn due(&self, cx: &Context<'_>) -> (Vec<Arc<Registration>>, u64) {
        let now = self.clock.now();
        let cut_at = if self.is_cut() { NEVER } else { self.cut_at.load(Ordering::Acquire) };
        let (due, next) = self.alarms.due(now, cx);
        if cut_at > now {
            return (due, next.min(cut_at));
        }
        self.cut.store(true, Ordering::Release);
        // Those that are due are among them.
        (self.alarms.all(), next)
    }

    /// Wakes every connection, and whoever keeps the time.
    fn wake_all(&self) {
        for registration in self.alarms.all() {
            registration.wake();
            panics::discard(registration);
        }
        self.alarms.wake_sweeper();
    }

    fn tell(&self, input: ServerInput) {
        let (mut draining, mut gone) = (false, false);
        let mut machine = lock(&self.machine);
        // A channel is reported once, by its `ChannelSlot`, so the machine knows it.
        let _ = machine.handle(self.moment(), input);
        while let Some(output) = machine.next_output() {
            match output {
                ServerOutput::GoOut => draining = true,
                ServerOutput::Gone => (draining, gone) = (true, true),
                // `sweep` keeps this deadline, since a drain may bring a shorter one.
                ServerOutput::DropChannels => {}
                ServerOutput::HttpChannel { .. }
                | ServerOutput::PeerAdmitted { .. }
                | ServerOutput::NotAdmitted { .. } => {}
            }
        }
        if let Some(deadline) = machine.deadline() {
            let at = self.opened.saturating_add(deadline.as_millis());
            self.cut_at.fetch_min(at, Ordering::AcqRel);
        }
        drop(machine);
        if gone {
            self.empty.store(true, Ordering::Release);
        }
        if draining {
            self.draining.store(true, Ordering::SeqCst);
            self.wake_all();
        }
        if draining || self.close_awaited.swap(false, Ordering::SeqCst) {
            self.wake_waiters();
        }
    }

    pub(crate) fn held(&self) -> Held {
        Held {
            channels: self.stats().n_channels,
            requests: self.budget.in_flight().into(),
            memory: self.ledger.memory(),
            alarms: self.alarms.len() as u64,
            listeners: self.listeners.load(Ordering::SeqCst) as u64,
            permits: self.permits.taken() as u64,
        }
    }

    fn wake_waiters(&self) {
        let waiters = lock(&self.waiters).take(|()| true);
        waiters.into_iter().for_each(panics::wake);
    }

    /// Ready when `is_so`. The task of `cx` is woken under `key` when that may be, until the key is
    /// [removed](Self::remove_waiter).
    pub(crate) fn poll(
        &self,
        key: &mut Option<usize>,
        is_so: impl Fn(&Self) -> bool,
        cx: &Context<'_>,
    ) -> Poll<()> {
        if is_so(self) {
            return Poll::Ready(());
        }
        let _: Poll<()> = waiting::poll(&self.waiters, cx, |waiters| Err(waiters.place(key, ())));
        // It may have become so between the look and the entry.
        if is_so(self) { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Nobody waits under this key any more.
    pub(crate) fn remove_waiter(&self, key: &mut Option<usize>) {
        let waker = lock(&self.waiters).remove(key);
        panics::discard(waker);
    }

    fn moment(&self) -> Moment {
        Moment::from_millis(self.clock.now().saturating_sub(self.opened))
    }
}

impl Drop for SharedState {
    fn drop(&mut self) {
        // Whoever keeps its time has nothing left to keep.
        self.wake_all();
    }
}

impl fmt::Debug for SharedState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedState").field("stats", &self.stats()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::task::Waker;

    use super::*;
    use crate::until::Until;
    use crate::waiting::tests::Foreign;

    #[test]
    fn no_waker_of_who_waits_for_the_server_is_woken_or_dropped_under_the_lock() {
        let config = Arc::new(ServerConfig::default());
        let shared = Arc::new(SharedState::new(config, Clock::manual(), Arc::new(crate::Inline), None, None));
        let its = Arc::downgrade(&shared);
        let (waker, ran) =
            Foreign::waker(move || its.upgrade().is_none_or(|shared| shared.waiters.try_lock().is_ok()));
        let mut gone = Until::new(&*shared, SharedState::is_gone);
        for _ in 0..2 {
            assert!(Pin::new(&mut gone).poll(&mut Context::from_waker(&waker)).is_pending());
        }
        drop(waker);
        assert_eq!(lock(&shared.waiters).len(), 1);
        shared.go_out(None);
        assert_eq!(ran.load(Ordering::SeqCst), 2, "woken, and dropped");
    }

    #[test]
    fn whoever_waits_for_the_server_no_longer_takes_its_waker_along() {
        let config = Arc::new(ServerConfig::default());
        let shared = SharedState::new(config, Clock::manual(), Arc::new(crate::Inline), None, None);
        let mut stays = Until::new(&shared, SharedState::is_draining);
        assert!(Pin::new(&mut stays).poll(&mut Context::from_waker(Waker::noop())).is_pending());
        for woken in [false, true] {
            let (waker, ran) = Foreign::waker(|| true);
            let mut gone = Until::new(&shared, SharedState::is_gone);
            assert!(Pin::new(&mut gone).poll(&mut Context::from_waker(&waker)).is_pending());
            drop(waker);
            if woken {
                shared.wake_waiters();
            }
            drop(gone);
            assert_eq!(ran.load(Ordering::SeqCst), if woken { 2 } else { 1 });
            assert_eq!(lock(&shared.waiters).len(), 1, "the other stays");
        }
        drop(stays);
        assert_eq!(lock(&shared.waiters).len(), 0);
    }
}
