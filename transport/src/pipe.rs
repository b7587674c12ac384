//! Between a handler and the driver of its connection: the request body, and what the handler asks of the connection.
//!
//! The two may run on different threads. A handler that asks for nothing costs no lock: the driver looks at one
//! atomic word.

use std::mem;
use std::pin::Pin;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use bytes::{Bytes, BytesMut};
use httpfsm::error::BodyError;
use httpfsm::fields::Fields;
use httpfsm::handler::{Control, Frame, Source, UpgradeError, Upgraded};
use httpfsm::status::Status;
use httpfsm::trailers::Trailers;

use crate::lock::lock;

/// Orders that may stand for the driver to take. Above it, interim answers are not sent: nobody waits for one.
const ORDERS: usize = 64;

/// Octets of a request body that may be asked for and not read yet.
pub(crate) const WINDOW: u64 = 128 << 10;

/// Above it a piece takes its memory along: a body that stands still is to hold only what is unread.
const KEPT: usize = 4 << 10;

/// The driver is polling the application and looks at the calls afterwards: nobody need wake it.
const ATTENDED: u8 = 1;
/// There are calls to take.
const CALLED: u8 = 2;
/// The state is not as new.
const TOUCHED: u8 = 4;

#[derive(Default)]
pub(crate) struct Pipe {
    flags: AtomicU8,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    driver: Option<Waker>,
    orders: Vec<Order>,
    /// Credit to pass on to the channel.
    demand: u64,
    /// Credit given and not used up, that to pass on included.
    credit: u64,
    /// Octets that the handler has not taken. They are one piece, however small those were that came; the memory of a
    /// small one is used again once the handler has let go of what it took.
    octets: BytesMut,
    end: Option<Result<Option<Fields>, BodyError>>,
    reader: Option<Waker>,
    body_dropped: bool,
    expect_refused: bool,
    peer_ended: bool,
    disconnected: bool,
    over: bool,
    watch_peer: Vec<Waker>,
    watch_connection: Vec<Waker>,
    watch_upgrade: Vec<Waker>,
    upgraded: Option<Upgraded>,
    upgrade_taken: bool,
}

/// What a handler asks of its channel.
pub(crate) enum Order {
    Continue,
    Informational(Status, Fields),
}

/// What a handler has asked since it was last looked at.
#[derive(Default)]
pub(crate) struct Calls {
    pub(crate) orders: Vec<Order>,
    pub(crate) demand: u64,
}

/// The driver's side.
impl Pipe {
    /// Before the application is polled.
    #[inline]
    pub(crate) fn attend(&self) {
        self.flags.fetch_or(ATTENDED, Ordering::AcqRel);
    }

    /// After it was polled: what it asked for.
    #[inline]
    pub(crate) fn attended(&self) -> Option<Calls> {
        let flags = self.flags.fetch_and(!(ATTENDED | CALLED), Ordering::AcqRel);
        if flags & CALLED == 0 { None } else { Some(self.take_calls()) }
    }

    #[cold]
    fn take_calls(&self) -> Calls {
        let mut state = lock(&self.state);
        Calls { orders: mem::take(&mut state.orders), demand: mem::take(&mut state.demand) }
    }

    /// Before the driver sleeps: from now on calls wake it. `true` if there are some already.
    pub(crate) fn watch(&self, driver: &Waker) -> bool {
        let mut state = lock(&self.state);
        if !state.driver.as_ref().is_some_and(|known| known.will_wake(driver)) {
            state.driver = Some(driver.clone());
            self.flags.fetch_or(TOUCHED, Ordering::AcqRel);
        }
        drop(state);
        self.flags.load(Ordering::Acquire) & CALLED != 0
    }

    /// Body octets for the reader. Of this and the next three nobody hears before [`wake`](Self::wake).
    pub(crate) fn deliver(&self, octets: &[u8]) {
        self.set(|state| {
            state.credit = state.credit.saturating_sub(octets.len() as u64);
            if !state.body_dropped {
                state.octets.extend_from_slice(octets);
            }
        });
    }

    /// Octets that nobody has read.
    pub(crate) fn held(&self) -> usize {
        lock(&self.state).octets.len()
    }

    /// The body is whole.
    pub(crate) fn end(&self, trailers: Trailers<'_>) {
        let trailers = own_trailers(trailers);
        self.set(|state| state.end = Some(Ok(trailers)));
    }

    /// The body is not, and never will be.
    pub(crate) fn fail(&self, error: BodyError) {
        self.set(|state| state.fail(error));
    }

    /// The peer has sent FIN.
    pub(crate) fn peer_ended(&self) {
        self.set(|state| state.peer_ended = true);
    }

    /// The connection is gone.
    pub(crate) fn disconnected(&self) {
        self.set(|state| {
            state.fail(BodyError::Disconnected);
            state.peer_ended = true;
            state.disconnected = true;
        });
    }

    /// Wakes whom it concerns. `true` if that is somebody who runs in the driver's own task and is to be polled again.
    pub(crate) fn wake(&self, driver: &Waker) -> bool {
        self.change(driver, |_| ())
    }

    /// The connection is the application's.
    pub(crate) fn hand_over(&self, upgraded: Upgraded, driver: &Waker) {
        self.change(driver, |state| state.upgraded = Some(upgraded));
    }

    /// Whether somebody waits for the end of the connection.
    pub(crate) fn is_disconnect_awaited(&self) -> bool {
        self.flags.load(Ordering::Acquire) & TOUCHED != 0 && !lock(&self.state).watch_connection.is_empty()
    }

    /// The request is answered: whoever still holds a part of it and waits learns that nothing comes.
    #[inline]
    pub(crate) fn retire(pipe: &Arc<Self>) {
        if Arc::strong_count(pipe) > 1 {
            pipe.change(Waker::noop(), |state| {
                state.fail(BodyError::Closed);
                state.over = true;
            });
        }
    }

    /// Makes the pipe as new for the next request. The memory that it copies into is kept.
    pub(crate) fn renew(pipe: &mut Arc<Self>) {
        let Some(unshared) = Arc::get_mut(pipe) else {
            *pipe = Arc::default();
            return;
        };
        if mem::take(unshared.flags.get_mut()) & TOUCHED != 0 {
            let state = unshared.state.get_mut().unwrap_or_else(std::sync::PoisonError::into_inner);
            let mut octets = mem::take(&mut state.octets);
            octets.clear();
            *state = State { octets, ..State::default() };
        }
    }

    /// Changes the state, of which nobody hears yet.
    fn set(&self, change: impl FnOnce(&mut State)) {
        let mut state = lock(&self.state);
        self.flags.fetch_or(TOUCHED, Ordering::AcqRel);
        change(&mut state);
    }

    /// Changes the state and wakes whom it concerns.
    fn change(&self, driver: &Waker, change: impl FnOnce(&mut State)) -> bool {
        let mut state = lock(&self.state);
        self.flags.fetch_or(TOUCHED, Ordering::AcqRel);
        change(&mut state);
        let wakers = state.take_ready_wakers();
        drop(state);
        let mut own = false;
        for waker in wakers {
            if waker.will_wake(driver) {
                own = true;
            } else {
                waker.wake();
            }
        }
        own
    }
}

/// The handler's side.
impl Pipe {
    /// Tells the driver that there is something to take.
    fn call(&self, state: &mut State) -> Option<Waker> {
        let before = self.flags.fetch_or(CALLED | TOUCHED, Ordering::AcqRel);
        if before & (ATTENDED | CALLED) == 0 { state.driver.take() } else { None }
    }

    fn order(&self, order: Order) {
        let mut state = lock(&self.state);
        if state.over || state.disconnected || state.orders.len() >= ORDERS {
            return;
        }
        state.orders.push(order);
        let driver = self.call(&mut state);
        drop(state);
        if let Some(driver) = driver {
            driver.wake();
        }
    }

    fn poll_body(&self, cx: &mut Context<'_>) -> Poll<Frame> {
        let mut state = lock(&self.state);
        let octets = state.take_octets();
        let mut driver = None;
        if state.end.is_none() && !state.expect_refused && state.top_up() {
            driver = self.call(&mut state);
        }
        let frame = if octets.is_empty() { state.poll_end(cx) } else { Poll::Ready(Frame::Data(octets)) };
        if frame.is_pending() {
            self.flags.fetch_or(TOUCHED, Ordering::AcqRel);
        }
        drop(state);
        if let Some(driver) = driver {
            driver.wake();
        }
        frame
    }

    fn drop_body(&self) {
        let mut state = lock(&self.state);
        self.flags.fetch_or(TOUCHED, Ordering::AcqRel);
        state.body_dropped = true;
        let reader = state.reader.take();
        state.octets = BytesMut::new();
        drop(state);
        drop(reader);
    }

    fn poll_fact(
        &self,
        cx: &mut Context<'_>,
        is_so: impl FnOnce(&State) -> bool,
        watchers: impl FnOnce(&mut State) -> &mut Vec<Waker>,
    ) -> Poll<()> {
        let mut state = lock(&self.state);
        if is_so(&state) || state.over {
            return Poll::Ready(());
        }
        // Who only asks cannot be told later, and is not to be waited for.
        if !cx.waker().will_wake(Waker::noop()) {
            self.flags.fetch_or(TOUCHED, Ordering::AcqRel);
            add_waker(watchers(&mut state), cx.waker());
        }
        Poll::Pending
    }
}

impl Control for Pipe {
    fn send_continue(&self) {
        self.order(Order::Continue);
    }

    fn refuse_expect(&self) {
        let mut state = lock(&self.state);
        self.flags.fetch_or(TOUCHED, Ordering::AcqRel);
        state.expect_refused = true;
    }

    fn informational(&self, status: Status, fields: Fields) {
        self.order(Order::Informational(status, fields));
    }

    fn poll_peer_ended(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.poll_fact(cx, |state| state.peer_ended, |state| &mut state.watch_peer)
    }

    fn poll_disconnected(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.poll_fact(cx, |state| state.disconnected, |state| &mut state.watch_connection)
    }

    fn poll_upgrade(&self, cx: &mut Context<'_>) -> Poll<Result<Upgraded, UpgradeError>> {
        let mut state = lock(&self.state);
        self.flags.fetch_or(TOUCHED, Ordering::AcqRel);
        if let Some(upgraded) = state.upgraded.take() {
            state.upgrade_taken = true;
            return Poll::Ready(Ok(upgraded));
        }
        Poll::Ready(Err(if state.upgrade_taken {
            UpgradeError::Taken
        } else if state.disconnected {
            UpgradeError::Disconnected
        } else if state.over {
            UpgradeError::Refused
        } else {
            add_waker(&mut state.watch_upgrade, cx.waker());
            return Poll::Pending;
        }))
    }
}

impl State {
    fn take_octets(&mut self) -> Bytes {
        let is_kept = self.octets.len() <= KEPT;
        if is_kept { self.octets.split().freeze() } else { mem::take(&mut self.octets).freeze() }
    }

    /// Gives credit for what was read; in halves of the window, so that a body of small pieces is not asked for
    /// piece by piece.
    fn top_up(&mut self) -> bool {
        let free = WINDOW.saturating_sub(self.octets.len() as u64 + self.credit);
        if free < WINDOW / 2 {
            return false;
        }
        self.credit += free;
        self.demand += free;
        true
    }

    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<Frame> {
        Poll::Ready(match self.end.take() {
            Some(Ok(Some(trailers))) => Frame::Trailers(trailers),
            Some(Ok(None)) => Frame::End,
            Some(Err(error)) => Frame::Error(error.into()),
            None if self.expect_refused => Frame::Error(BodyError::Closed.into()),
            None => {
                self.reader = Some(cx.waker().clone());
                return Poll::Pending;
            }
        })
    }

    fn fail(&mut self, error: BodyError) {
        if self.end.is_none() {
            self.end = Some(Err(error));
        }
    }

    fn take_ready_wakers(&mut self) -> impl Iterator<Item = Waker> + use<> {
        let reader = if self.octets.is_empty() && self.end.is_none() { None } else { self.reader.take() };
        let peer = take_if(self.peer_ended || self.over, &mut self.watch_peer);
        let connection = take_if(self.disconnected || self.over, &mut self.watch_connection);
        let settled = self.upgraded.is_some() || self.disconnected || self.over;
        let upgrade = take_if(settled, &mut self.watch_upgrade);
        reader.into_iter().chain(peer).chain(connection).chain(upgrade)
    }
}

fn take_if(condition: bool, wakers: &mut Vec<Waker>) -> Vec<Waker> {
    if condition { mem::take(wakers) } else { Vec::new() }
}

fn add_waker(wakers: &mut Vec<Waker>, waker: &Waker) {
    if !wakers.iter().any(|known| known.will_wake(waker)) {
        wakers.push(waker.clone());
    }
}

/// Trailer fields that outlive the buffer they came in; one that cannot be written again is left out.
pub(crate) fn own_trailers(trailers: Trailers<'_>) -> Option<Fields> {
    let mut fields = Fields::new();
    for field in trailers.iter() {
        let _ = fields.push(field.name, field.value);
    }
    (!fields.is_empty()).then_some(fields)
}

/// The request body, as the handler reads it.
pub(crate) struct PipeSource {
    pipe: Arc<Pipe>,
    length: Option<u64>,
}

impl PipeSource {
    pub(crate) fn new(pipe: Arc<Pipe>, length: Option<u64>) -> Self {
        Self { pipe, length }
    }
}

impl Source for PipeSource {
    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Frame> {
        self.pipe.poll_body(cx)
    }

    fn length(&self) -> Option<u64> {
        self.length
    }
}

impl Drop for PipeSource {
    fn drop(&mut self) {
        self.pipe.drop_body();
    }
}
