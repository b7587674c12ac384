//! The handler's side of a pipe: it reads the request body, asks for something, or waits for something to happen.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Waker, ready};

use httpfsm::fields::Fields;
use httpfsm::handler::{
    Body, BodyFailure, Control, Frame, GatherUntil, MemoryHandle, Source, UpgradeError, Upgraded, Waiter,
};
use httpfsm::status::Status;

use super::{ATTENDED, CALLED, Order, Pipe, PipeEvent, PipeState, TOUCHED};
use crate::ledger::Ledger;
use crate::lock::lock;
use crate::may_block::may_block;
use crate::{panics, sync, waiting};

/// Orders that may stand for the driver to take. Above it, interim responses are not sent: nobody waits for one.
const ORDERS: usize = 64;

/// The request body, as the handler reads it.
pub(crate) struct PipeSource {
    pipe: Arc<Pipe>,
    /// Bytes still to come, if it is known how many.
    left: Option<u64>,
    /// It is being gathered, although nobody may wait for that any more.
    asked: Option<GatherUntil>,
    /// All of it, where it was read and not replaced.
    gathered: Option<Body>,
}

impl PipeSource {
    pub(crate) fn new(pipe: Arc<Pipe>, length: Option<u64>) -> Self {
        Self { pipe, left: length, asked: None, gathered: None }
    }
}

impl Source for PipeSource {
    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Frame> {
        if let Some(until) = self.asked {
            self.gathered = ready!(self.as_mut().poll_gathered(until, cx));
        }
        if let Some(body) = &mut self.gathered {
            return body.poll_frame(cx);
        }
        let frame = ready!(self.pipe.poll_body(cx));
        if let (Frame::Data(data), Some(left)) = (&frame, &mut self.left) {
            *left = left.saturating_sub(data.len() as u64);
        }
        Poll::Ready(frame)
    }

    fn length(&self) -> Option<u64> {
        self.gathered.as_ref().map_or(self.left, Body::length)
    }

    fn poll_gathered(
        mut self: Pin<&mut Self>,
        until: GatherUntil,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Body>> {
        if let Some(body) = self.gathered.take() {
            return Poll::Ready(Some(body));
        }
        self.asked = Some(until);
        let gathered = ready!(self.pipe.poll_gathered(until, cx));
        self.asked = None;
        Poll::Ready(gathered)
    }
}

impl Drop for PipeSource {
    fn drop(&mut self) {
        self.pipe.drop_body();
    }
}

impl Pipe {
    /// Tells the driver that there is something to take.
    pub(super) fn call(&self, state: &mut PipeState) -> Option<Waker> {
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
            panics::wake(driver);
        }
    }

    pub(super) fn poll_body(&self, cx: &mut Context<'_>) -> Poll<Frame> {
        let (mut driver, mut read) = (None, None);
        let is_thread = may_block();
        let frame = waiting::poll(&self.state, cx, |state| {
            let bytes = state.unread.take();
            state.is_thread = is_thread;
            read = state.charge.release(bytes.len() as u64);
            if state.end.is_none() && !state.expect_refused && !state.is_gathered() && state.top_up() {
                driver = self.call(state).or(driver.take());
            }
            if !bytes.is_empty() {
                return Ok(Frame::Data(bytes));
            }
            match state.take_end() {
                Some(end) => Ok(end),
                None if sync::is_stuck() => {
                    let error = io::Error::new(io::ErrorKind::Deadlock, sync::DEADLOCK);
                    Ok(Frame::Error(BodyFailure::source(error)))
                }
                None => {
                    self.flags.fetch_or(TOUCHED, Ordering::AcqRel);
                    Err(&mut state.reader)
                }
            }
        });
        // Before the driver looks for room.
        drop(read);
        if let Some(driver) = driver {
            panics::wake(driver);
        }
        frame
    }

    pub(super) fn drop_body(&self) {
        let mut state = lock(&self.state);
        self.flags.fetch_or(TOUCHED, Ordering::AcqRel);
        state.body_dropped = true;
        let reader = state.reader.take();
        let unread = std::mem::take(&mut state.unread);
        let gathered = state.take_gathered();
        let charges = (state.charge.release(u64::MAX), state.charge.forgo());
        // The head of the response may have waited for the body.
        let is_unread = !state.body_read && state.end.is_none() && !state.over;
        let driver = if is_unread { self.call(&mut state) } else { None };
        drop(state);
        drop((unread, charges));
        panics::discard((reader, gathered));
        if let Some(driver) = driver {
            panics::wake(driver);
        }
    }

    pub(super) fn poll_event(&self, event: PipeEvent, waiter: &mut Waiter, cx: &mut Context<'_>) -> Poll<()> {
        // Who only asks cannot be told later, and is not to be waited for.
        if cx.waker().will_wake(Waker::noop()) {
            return if lock(&self.state).has_come(event) { Poll::Ready(()) } else { Poll::Pending };
        }
        let polled = waiting::poll(&self.state, cx, |state| {
            if state.has_come(event) {
                return Ok(());
            }
            self.flags.fetch_or(TOUCHED, Ordering::AcqRel);
            Err(state.waiters.place(&mut waiter.0, event))
        });
        not_stuck(polled)
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
        let driver = if state.over { None } else { self.call(&mut state) };
        drop(state);
        if let Some(driver) = driver {
            panics::wake(driver);
        }
    }

    fn informational(&self, status: Status, fields: Fields) {
        self.order(Order::Informational(status, fields));
    }

    fn keep_place(&self) {
        self.place.keep();
    }

    fn release_place(&self) {
        self.place.release();
    }

    fn memory(&self) -> MemoryHandle {
        let ledger = self.ledger.as_ref();
        ledger.map_or_else(MemoryHandle::default, |ledger| MemoryHandle::new(Arc::<Ledger>::clone(ledger)))
    }

    fn poll_peer_ended(&self, waiter: &mut Waiter, cx: &mut Context<'_>) -> Poll<()> {
        self.poll_event(PipeEvent::PeerEnded, waiter, cx)
    }

    fn poll_disconnected(&self, waiter: &mut Waiter, cx: &mut Context<'_>) -> Poll<()> {
        self.poll_event(PipeEvent::Disconnected, waiter, cx)
    }

    fn remove_waiter(&self, waiter: &mut Waiter) {
        let waker = lock(&self.state).waiters.remove(&mut waiter.0);
        panics::discard(waker);
    }

    fn poll_upgrade(
        &self,
        waiter: &mut Waiter,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Upgraded, UpgradeError>> {
        let polled = waiting::poll(&self.state, cx, |state| {
            self.flags.fetch_or(TOUCHED, Ordering::AcqRel);
            if let Some(upgraded) = state.upgraded.take() {
                state.upgrade_taken = true;
                return Ok(Ok(upgraded));
            }
            Ok(Err(if state.upgrade_taken {
                UpgradeError::Taken
            } else if state.responded {
                UpgradeError::Refused
            } else if state.disconnected {
                UpgradeError::Disconnected
            } else {
                return Err(state.waiters.place(&mut waiter.0, PipeEvent::Upgraded));
            }))
        });
        not_stuck(polled)
    }
}

/// A panic becomes a 500; a thread that waits for itself would wait for ever.
fn not_stuck<T>(polled: Poll<T>) -> Poll<T> {
    assert!(polled.is_ready() || !sync::is_stuck(), "{}", sync::DEADLOCK);
    polled
}
