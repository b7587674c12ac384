//! Between a handler and the driver of its connection: the request body, and what the handler asks of the connection.
//!
//! The two may run on different threads. A handler that asks for nothing costs no lock: the driver looks at one
//! atomic word.

use std::mem;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Waker;

use bytes::Bytes;
use httpfsm::error::BodyError;
use httpfsm::fields::Fields;
use httpfsm::handler::{Frame, GatherUntil, Upgraded};
use httpfsm::status::Status;
use httpfsm::trailers::Trailers;
use smallvec::SmallVec;

use crate::ledger::{BodyCharge, Charge, Ledger};
use crate::lock::lock;
use crate::panics;
use crate::place::RequestPlace;
use crate::waiters::Waiters;

pub(crate) use gathering::PartialBody;
use gathering::PipeGathering;
pub(crate) use handler::PipeSource;
use unread::Unread;

mod gathering;
mod handler;
mod unread;

/// Bytes of a request body that may be asked for and not read yet, once as many have come.
pub(crate) const WINDOW: u64 = 128 << 10;

/// Bytes that are asked for of a body of which nothing has come. Room is kept for them, so they are few: as many peers as
/// there may be, which send nothing, are to leave room for others.
const FIRST: u64 = 8 << 10;

/// The same where the reader is a thread, for which each wait costs a switch between threads.
const THREAD_WINDOW: u64 = 512 << 10;

/// The driver is polling the application and looks at the calls afterwards: it need not be woken.
const ATTENDED: u8 = 1;
/// There are calls to take.
const CALLED: u8 = 2;
/// The state has changed since the pipe was new.
const TOUCHED: u8 = 4;
/// The driver's waker is there, and maybe nothing else.
const WATCHED: u8 = 8;

#[derive(Default)]
pub(crate) struct Pipe {
    /// The request's place among those that are with the application.
    pub(crate) place: RequestPlace,
    /// That of the server, for the sources of responses.
    ledger: Option<Arc<Ledger>>,
    flags: AtomicU8,
    state: Mutex<PipeState>,
}

#[derive(Default)]
struct PipeState {
    driver: Option<Waker>,
    orders: Orders,
    /// The part of the credit that the channel has not got yet.
    demand: u64,
    /// Bytes that may still come, `demand` included.
    credit: u64,
    unread: Unread,
    /// Of `unread`, and of `credit` without `demand`.
    charge: BodyCharge,
    end: Option<Result<Option<Fields>, BodyError>>,
    reader: Option<Waker>,
    /// The reader is a thread that blocks.
    is_thread: bool,
    gathering: PipeGathering,
    /// The reader has taken the end of the body.
    body_read: bool,
    body_dropped: bool,
    expect_refused: bool,
    peer_ended: bool,
    disconnected: bool,
    over: bool,
    /// The request had its response before the connection was lost.
    responded: bool,
    waiters: Waiters<PipeEvent>,
    upgraded: Option<Upgraded>,
    upgrade_taken: bool,
}

/// What a handler may wait for, beside the body.
#[derive(Clone, Copy, PartialEq, Eq)]
enum PipeEvent {
    PeerEnded,
    Disconnected,
    Upgraded,
}

/// What a handler asks of its channel.
pub(crate) enum Order {
    Continue,
    Informational(Status, Fields),
}

/// A handler asks for one 100 or 103 at a time, if for any.
type Orders = SmallVec<[Order; 1]>;

/// What is left to do for those who wait.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Woken {
    /// One of them runs in the driver's own task, which has to be polled again.
    pub(crate) own: bool,
    /// The reader is to be woken before the driver sleeps.
    pub(crate) later: bool,
}

/// What a handler has asked since it was last looked at.
#[derive(Default)]
pub(crate) struct Calls {
    pub(crate) orders: Orders,
    pub(crate) demand: u64,
    /// The body is to be gathered.
    pub(crate) gather: Option<GatherUntil>,
}

/// The driver's side.
impl Pipe {
    pub(crate) fn new(ledger: Option<Arc<Ledger>>) -> Self {
        Self { ledger, ..Self::default() }
    }

    /// A new one in the place of this.
    pub(crate) fn replace(pipe: &mut Arc<Self>) -> Arc<Self> {
        let new = Self::new(pipe.ledger.clone());
        mem::replace(pipe, Arc::new(new))
    }

    /// Called before the application is polled.
    #[inline]
    pub(crate) fn attend(&self) {
        self.flags.fetch_or(ATTENDED, Ordering::AcqRel);
    }

    /// Called after the application was polled: what it has asked for.
    #[inline]
    pub(crate) fn attended(&self) -> Option<Calls> {
        let flags = self.flags.fetch_and(!(ATTENDED | CALLED), Ordering::AcqRel);
        if flags & CALLED == 0 { None } else { Some(self.take_calls()) }
    }

    #[cold]
    fn take_calls(&self) -> Calls {
        let mut state = lock(&self.state);
        Calls {
            orders: mem::take(&mut state.orders),
            demand: mem::take(&mut state.demand),
            gather: state.take_asked(),
        }
    }

    /// Before the driver sleeps: from now on calls wake it. `true` if there are some already.
    pub(crate) fn watch(&self, driver: &Waker) -> bool {
        // A new pipe has no waker of the driver. No code of the waker runs under the lock.
        let is_new = self.flags.load(Ordering::Acquire) & (TOUCHED | WATCHED) == 0;
        let mut waker = is_new.then(|| driver.clone());
        loop {
            let mut state = lock(&self.state);
            if state.driver.as_ref().is_some_and(|known| known.will_wake(driver)) {
                break;
            }
            let Some(waker) = waker.take() else {
                drop(state);
                waker = Some(driver.clone());
                continue;
            };
            let before = state.driver.replace(waker);
            self.flags.fetch_or(WATCHED, Ordering::AcqRel);
            drop(state);
            panics::discard(before);
            break;
        }
        self.flags.load(Ordering::Acquire) & CALLED != 0
    }

    /// Body bytes for the reader. This, `end`, `fail`, `peer_ended` and `disconnected` wake nobody;
    /// [`wake`](Self::wake) does.
    pub(crate) fn deliver(&self, bytes: &[u8]) {
        self.set(|state| {
            state.credit = state.credit.saturating_sub(bytes.len() as u64);
            if !state.body_dropped {
                state.charge.arrive(bytes.len() as u64);
                state.unread.append(bytes);
            }
        });
    }

    /// The same of bytes that have memory of their own.
    pub(crate) fn deliver_piece(&self, piece: Bytes) {
        let mut piece = Some(piece);
        self.set(|state| {
            let length = piece.as_ref().map_or(0, Bytes::len) as u64;
            state.credit = state.credit.saturating_sub(length);
            if !state.body_dropped {
                state.charge.arrive(length);
                piece.take().into_iter().for_each(|piece| state.unread.push(piece));
            }
        });
    }

    /// How many of `demand` bytes need room.
    pub(crate) fn wants(&self, length: Option<u64>, demand: u64) -> u64 {
        let state = lock(&self.state);
        // What nobody reads will be discarded.
        if state.body_dropped { 0 } else { state.charge.wants(length, demand) }
    }

    /// There is room for so many bytes, of `wanted`; what the channel may be asked for.
    pub(crate) fn promise(&self, room: Charge, wanted: u64, demand: u64) -> u64 {
        // Where the body has been dropped meanwhile, this is dropped outside of the lock.
        let mut unused = Some(room);
        let mut state = lock(&self.state);
        let room = unused.as_ref().map_or(0, Charge::bytes);
        let granted = if room < wanted { room } else { demand };
        if !state.body_dropped {
            if let Some(room) = unused.take() {
                state.charge.promise(room);
            }
        }
        // For the rest the reader asks again.
        state.credit = state.credit.saturating_sub(demand - granted);
        drop(state);
        drop(unused);
        granted
    }

    /// There is no room for `demand` bytes: where the reader has something to go on with, it asks again. `false` if it has
    /// nothing and nothing is on its way, so that the demand waits for room. The reader may have read since it was looked at
    /// last.
    pub(crate) fn decline(&self, demand: u64) -> bool {
        self.set(|state| {
            let goes_on = state.body_dropped || !state.charge.is_empty();
            if goes_on {
                state.credit = state.credit.saturating_sub(demand);
            }
            goes_on
        })
    }

    /// Whether nobody will ask for the body, or for more of it.
    pub(crate) fn forgoes_body(&self) -> bool {
        self.is_touched() && lock(&self.state).forgoes_body()
    }

    /// The body is whole.
    pub(crate) fn end(&self, trailers: Trailers<'_>) {
        let trailers = own_trailers(trailers);
        drop(self.set(|state| {
            state.end = Some(Ok(trailers));
            state.charge.forgo()
        }));
    }

    /// The body is cut and will never be whole.
    pub(crate) fn fail(&self, error: BodyError) {
        drop(self.set(|state| state.fail(error)));
    }

    /// The peer has sent FIN.
    pub(crate) fn peer_ended(&self) {
        self.set(|state| state.peer_ended = true);
    }

    /// The connection is gone.
    pub(crate) fn disconnected(&self) {
        drop(self.set(|state| {
            state.peer_ended = true;
            state.disconnected = true;
            state.fail(BodyError::Disconnected)
        }));
    }

    /// Wakes those who wait for what has come. Where `more_may_come` before the driver sleeps, a thread that reads the
    /// body is left for later: it is to be switched to once, and not for each read.
    pub(crate) fn wake(&self, driver: &Waker, more_may_come: bool) -> Woken {
        self.change(driver, more_may_come, |_| ())
    }

    /// The connection is the application's.
    pub(crate) fn hand_over(&self, upgraded: Upgraded, driver: &Waker) {
        self.change(driver, false, |state| state.upgraded = Some(upgraded));
    }

    /// Whether somebody waits for the end of the connection: a future that was polled for it lives.
    pub(crate) fn is_disconnect_awaited(&self) -> bool {
        self.is_touched() && lock(&self.state).waiters.any(|&event| event == PipeEvent::Disconnected)
    }

    /// The request has its response: whoever still holds a part of the request and waits learns that nothing comes. What has
    /// come of the body may still be read; `unread` is why the rest may not.
    #[inline]
    pub(crate) fn retire(pipe: &Arc<Self>, unread: BodyError) {
        if Arc::strong_count(pipe) > 1 {
            pipe.end_shared(unread);
        }
    }

    #[cold]
    fn end_shared(&self, unread: BodyError) {
        let mut unused = None;
        self.change(Waker::noop(), false, |state| {
            unused = state.fail(unread);
            state.over = true;
            state.responded |= !state.disconnected;
        });
    }

    /// Makes the pipe as new for the next request.
    #[inline]
    pub(crate) fn renew(pipe: &mut Arc<Self>) {
        if let Some(unshared) = Arc::get_mut(pipe) {
            let flags = mem::take(unshared.flags.get_mut());
            if flags & TOUCHED == 0 {
                if flags & WATCHED != 0 {
                    let state = unshared.state.get_mut().unwrap_or_else(std::sync::PoisonError::into_inner);
                    panics::discard(state.driver.take());
                }
                return unshared.place.renew();
            }
        }
        Self::renew_touched(pipe);
    }

    #[cold]
    fn renew_touched(pipe: &mut Arc<Self>) {
        let Some(unshared) = Arc::get_mut(pipe) else {
            return panics::discard(Self::replace(pipe));
        };
        unshared.place.renew();
        *unshared.flags.get_mut() = 0;
        let state = unshared.state.get_mut().unwrap_or_else(std::sync::PoisonError::into_inner);
        // What is dropped here may be the application's.
        let _ = panics::catch(|| *state = PipeState::default());
    }

    /// Whether the state has changed since the pipe was new.
    #[inline]
    pub(crate) fn is_touched(&self) -> bool {
        self.flags.load(Ordering::Acquire) & TOUCHED != 0
    }

    /// Whether it holds wakers, or anything else of those who wait no longer.
    #[inline]
    pub(crate) fn is_to_be_renewed(&self) -> bool {
        self.flags.load(Ordering::Acquire) & (TOUCHED | WATCHED) != 0
    }

    /// Changes the state and wakes nobody.
    fn set<T>(&self, change: impl FnOnce(&mut PipeState) -> T) -> T {
        let mut state = lock(&self.state);
        self.flags.fetch_or(TOUCHED, Ordering::AcqRel);
        change(&mut state)
    }

    /// Changes the state and wakes those who wait for the change.
    fn change(&self, driver: &Waker, more_may_come: bool, change: impl FnOnce(&mut PipeState)) -> Woken {
        let mut state = lock(&self.state);
        self.flags.fetch_or(TOUCHED, Ordering::AcqRel);
        change(&mut state);
        let is_thread_waiting = state.is_thread && state.reader.is_some();
        let has_some_to_read = !state.unread.is_empty() && state.end.is_none();
        let later = more_may_come && is_thread_waiting && has_some_to_read;
        let wakers = state.take_ready_wakers(later);
        drop(state);
        let mut own = false;
        for waker in wakers {
            if waker.will_wake(driver) {
                own = true;
            } else {
                panics::wake(waker);
            }
        }
        Woken { own, later }
    }
}

impl PipeState {
    /// Gives credit for what was read; in halves of the window, so that a body of small pieces is not asked for
    /// piece by piece.
    fn top_up(&mut self) -> bool {
        let window = self.window();
        let free = window.saturating_sub(self.unread.len() as u64 + self.credit);
        if free < window / 2 {
            return false;
        }
        self.credit += free;
        self.demand += free;
        true
    }

    fn window(&self) -> u64 {
        let most = if self.is_thread { THREAD_WINDOW } else { WINDOW };
        window(self.charge.arrived(), most)
    }

    fn forgoes_body(&self) -> bool {
        self.body_dropped || self.expect_refused
    }

    fn take_end(&mut self) -> Option<Frame> {
        self.body_read |= self.end.is_some();
        Some(match self.end.take() {
            Some(Ok(Some(trailers))) => Frame::Trailers(trailers),
            Some(Ok(None)) => Frame::End,
            Some(Err(error)) => Frame::Error(error.into()),
            None if self.expect_refused => Frame::Error(BodyError::Closed.into()),
            None => return None,
        })
    }

    /// What was promised will not come: its charge, to be dropped outside of the lock.
    #[must_use]
    fn fail(&mut self, error: BodyError) -> Option<Charge> {
        if self.end.is_none() {
            self.end = Some(Err(error));
        }
        self.charge.forgo()
    }

    /// Whether what is waited for has come, or never will.
    fn has_come(&self, event: PipeEvent) -> bool {
        let itself = match event {
            PipeEvent::PeerEnded => self.peer_ended,
            PipeEvent::Disconnected => self.disconnected,
            PipeEvent::Upgraded => self.upgraded.is_some() || self.disconnected,
        };
        itself || self.over
    }

    fn take_ready_wakers(&mut self, reader_waits: bool) -> impl Iterator<Item = Waker> + use<> {
        let nothing_came = self.unread.is_empty() && self.end.is_none();
        let reader = if nothing_came || reader_waits { None } else { self.reader.take() };
        let mut waiters = mem::take(&mut self.waiters);
        let woken = waiters.take(|&event| self.has_come(event));
        self.waiters = waiters;
        reader.into_iter().chain(woken)
    }
}

/// Bytes of a body that may be asked for and not read yet, where so many have arrived: twice as many whenever all that were
/// asked for have come, up to `most`.
pub(crate) fn window(arrived: u64, most: u64) -> u64 {
    arrived.saturating_add(FIRST).min(most)
}

/// Trailer fields that outlive the buffer they came in; one that cannot be written again is left out.
pub(crate) fn own_trailers(trailers: Trailers<'_>) -> Option<Fields> {
    let mut fields = Fields::new();
    for field in trailers.iter() {
        let _ = fields.push(field.name, field.value);
    }
    (!fields.is_empty()).then_some(fields)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;
    use std::task::{Context, Poll};

    use httpfsm::config::ServerConfig;
    use httpfsm::handler::{Control, Waiter};

    use super::*;
    use crate::body_buffers::BodyBuffers;
    use crate::clock::Clock;
    use crate::ledger::Row;
    use crate::may_block::BlockingScope;
    use crate::waiting::tests::Foreign;

    fn foreign(pipe: &Arc<Pipe>) -> (Waker, Arc<AtomicUsize>) {
        let its = Arc::downgrade(pipe);
        Foreign::waker(move || its.upgrade().is_none_or(|pipe| pipe.state.try_lock().is_ok()))
    }

    /// Waits with one waker, then with another, and is woken: both are dropped, one is woken.
    fn waits(
        wait: impl Fn(&Arc<Pipe>, &mut Context<'_>),
        wake: impl Fn(&Arc<Pipe>),
        replaces: bool,
        wakes: usize,
    ) {
        let pipe = Arc::<Pipe>::default();
        let (first, of_first) = foreign(&pipe);
        wait(&pipe, &mut Context::from_waker(&first));
        drop(first);
        assert_eq!(of_first.load(Ordering::SeqCst), 0);
        let (second, of_second) = foreign(&pipe);
        wait(&pipe, &mut Context::from_waker(&second));
        drop(second);
        let dropped = usize::from(replaces);
        assert_eq!((of_first.load(Ordering::SeqCst), of_second.load(Ordering::SeqCst)), (dropped, 0));
        wake(&pipe);
        let (of_first, of_second) = (of_first.load(Ordering::SeqCst), of_second.load(Ordering::SeqCst));
        // Woken, and dropped in that.
        assert_eq!(of_first, if replaces { 1 } else { 2 });
        assert_eq!(of_second, wakes);
    }

    #[test]
    fn no_waker_is_woken_or_dropped_under_the_lock() {
        let driver = Waker::noop();
        let over = |pipe: &Arc<Pipe>| {
            pipe.disconnected();
            pipe.wake(driver, false);
        };
        waits(|pipe, cx| assert!(pipe.poll_body(cx).is_pending()), over, true, 2);
        let new = Waiter::default;
        waits(|pipe, cx| assert!(pipe.poll_peer_ended(&mut new(), cx).is_pending()), over, false, 2);
        waits(|pipe, cx| assert!(pipe.poll_disconnected(&mut new(), cx).is_pending()), over, false, 2);
        waits(|pipe, cx| assert!(pipe.poll_upgrade(&mut new(), cx).is_pending()), over, false, 2);
        // The same future polled by another task.
        let (event, waiter) = (PipeEvent::Disconnected, Mutex::new(new()));
        let waits_once = |pipe: &Arc<Pipe>, cx: &mut Context<'_>| {
            assert!(pipe.poll_event(event, &mut lock(&waiter), cx).is_pending());
        };
        waits(waits_once, over, true, 2);
        waits(|pipe, cx| assert!(!pipe.watch(cx.waker())), |pipe| pipe.send_continue(), true, 2);
        // A reader that has gone, and a pipe that is used again.
        waits(|pipe, cx| assert!(pipe.poll_body(cx).is_pending()), |pipe| pipe.drop_body(), true, 1);
        let mut pipe = Arc::<Pipe>::default();
        let (waker, ran) = Foreign::waker(|| true);
        assert!(pipe.poll_body(&mut Context::from_waker(&waker)).is_pending());
        drop(waker);
        Pipe::renew(&mut pipe);
        assert_eq!(ran.load(Ordering::SeqCst), 1);
        assert!(lock(&pipe.state).reader.is_none());
    }

    #[test]
    fn who_waits_no_longer_takes_its_waker_along_and_no_others() {
        let pipe = Arc::<Pipe>::default();
        let mut stays = Waiter::default();
        let (waker, of_that_stays) = foreign(&pipe);
        assert!(pipe.poll_peer_ended(&mut stays, &mut Context::from_waker(&waker)).is_pending());
        drop(waker);
        for _ in 0..3 {
            assert!(!pipe.is_disconnect_awaited());
            let mut goes = Waiter::default();
            let (waker, ran) = foreign(&pipe);
            assert!(pipe.poll_disconnected(&mut goes, &mut Context::from_waker(&waker)).is_pending());
            drop(waker);
            assert!(pipe.is_disconnect_awaited() && ran.load(Ordering::SeqCst) == 0);
            pipe.remove_waiter(&mut goes);
            assert_eq!(ran.load(Ordering::SeqCst), 1);
        }
        assert_eq!(lock(&pipe.state).waiters.len(), 1);
        pipe.peer_ended();
        pipe.wake(Waker::noop(), false);
        assert_eq!(of_that_stays.load(Ordering::SeqCst), 2, "woken, and dropped");
    }

    /// Counts its wake-ups.
    #[derive(Default)]
    struct Counter(AtomicUsize);

    impl std::task::Wake for Counter {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn a_thread_that_reads_is_woken_when_no_more_comes_and_a_task_at_once() {
        let pipe = Arc::new(Pipe::default());
        let counter = Arc::<Counter>::default();
        let woken = || counter.0.load(Ordering::SeqCst);
        let waker = Waker::from(Arc::clone(&counter));
        let deliver = |bytes: usize| {
            pipe.deliver(&vec![b'x'; bytes]);
            pipe.wake(Waker::noop(), true).later
        };
        let drain = || {
            let mut drained = 0;
            while let Poll::Ready(Frame::Data(bytes)) = pipe.poll_body(&mut Context::from_waker(&waker)) {
                drained += bytes.len();
            }
            drained
        };
        assert_eq!(drain(), 0);
        assert!(!deliver(10), "a task");
        assert_eq!((woken(), drain()), (1, 10));

        let blocking = BlockingScope::begin();
        assert_eq!(drain(), 0);
        assert!(deliver(3000) && deliver(70_000) && woken() == 1);
        assert!(!pipe.wake(Waker::noop(), false).later);
        assert_eq!((woken(), drain()), (2, 73_000));
        // Others who wait do not wait for that, and neither does the end.
        let (other, mut waiter) = (Arc::<Counter>::default(), Waiter::default());
        let its = Waker::from(Arc::clone(&other));
        assert!(pipe.poll_peer_ended(&mut waiter, &mut Context::from_waker(&its)).is_pending());
        pipe.peer_ended();
        assert!(!pipe.wake(Waker::noop(), true).later && other.0.load(Ordering::SeqCst) == 1);
        assert!(deliver(10) && woken() == 2);
        drop(pipe.set(|state| state.fail(BodyError::Closed)));
        assert!(!pipe.wake(Waker::noop(), true).later && woken() == 3);
        drop(blocking);
    }

    #[test]
    fn a_piece_that_comes_when_nobody_reads_any_more_gives_its_buffer_back() {
        let (pipe, buffers) = (Arc::<Pipe>::default(), Arc::<BodyBuffers>::default());
        let deliver = || pipe.deliver_piece(buffers.bytes(vec![b'x'; 100], 10..90));
        deliver();
        assert!(buffers.take().is_empty(), "it waits for its reader");
        pipe.drop_body();
        assert_eq!(buffers.take().len(), 100);
        deliver();
        assert_eq!(buffers.take().len(), 100);
        let state = lock(&pipe.state);
        assert_eq!((state.unread.len(), state.charge.arrived()), (0, 80), "it was not counted");
    }

    #[test]
    fn a_thread_that_reads_is_asked_anew_when_half_of_its_window_is_free() {
        let pipe = Arc::new(Pipe::default());
        let blocking = BlockingScope::begin();
        let read = || pipe.poll_body(&mut Context::from_waker(Waker::noop()));
        let asked = || pipe.attended().map_or(0, |calls| calls.demand);
        assert!(read().is_pending());
        assert_eq!(asked(), FIRST);
        pipe.set(|state| state.charge.arrive(THREAD_WINDOW));
        pipe.deliver(&[b'x'; FIRST as usize]);
        assert!(read().is_ready());
        assert_eq!(asked(), THREAD_WINDOW);
        for _ in 0..8 {
            pipe.deliver(&[b'x'; 64 << 10]);
        }
        let demands: Vec<_> = (0..8).map(|_| (read().is_ready(), asked()).1).collect();
        assert_eq!(demands, [0, 0, 0, THREAD_WINDOW / 2, 0, 0, 0, THREAD_WINDOW / 2]);
        drop(blocking);
    }

    #[test]
    fn a_reader_that_has_read_all_meanwhile_is_not_forgotten_where_there_is_no_room() {
        let config = ServerConfig { max_buffered_bytes: 64 << 10, ..ServerConfig::default() };
        let ledger = Ledger::new(&config, Arc::default(), Clock::manual(), None);
        let pipe = Arc::new(Pipe::new(Some(Arc::clone(&ledger))));
        let poll = || pipe.poll_body(&mut Context::from_waker(Waker::noop()));
        let demand = || pipe.attended().map_or(0, |calls| calls.demand);
        let take = |bytes| ledger.take(Row::Promised, bytes);
        assert!(poll().is_pending());
        let first = demand();
        let Some(room) = take(1000) else { panic!("there is room") };
        assert_eq!(pipe.promise(room, first, first), 1000);
        pipe.deliver(&[b'x'; 500]);
        assert!(matches!(poll(), Poll::Ready(Frame::Data(bytes)) if bytes.len() == 500));
        let (second, mut others) = (demand(), Vec::new());
        while let Some(room) = take(64 << 10) {
            others.push(room);
        }
        // The driver: the rest comes, and there is room for no more.
        pipe.deliver(&[b'x'; 500]);
        let wanted = pipe.wants(None, second);
        assert!(wanted > 0 && take(wanted).is_none());
        // The reader, on another thread, in between: it has asked already, and waits.
        assert!(matches!(poll(), Poll::Ready(Frame::Data(bytes)) if bytes.len() == 500));
        assert!(poll().is_pending());
        let asked_again = demand();
        assert!(!pipe.decline(second) || asked_again > 0, "nobody knows that the reader waits");
        // Who has something to read asks again.
        drop(others);
        let Some(room) = take(1000) else { panic!("there is room") };
        pipe.promise(room, second, second);
        pipe.deliver(b"x");
        assert!(pipe.decline(0));
        pipe.drop_body();
        assert_eq!((pipe.wants(None, 1), pipe.decline(1)), (0, true));
    }
}
