//! Handlers and drivers that are polled, woken or dropped as they should not be.

use std::cell::Cell;
use std::future::Future;
use std::panic::{self, AssertUnwindSafe};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker, ready};
use std::{mem, thread};

use httpfsm::handler::{Handler, Request};

use crate::fault::Fault::{self, *};

thread_local! {
    /// A handler panicked in the poll that runs.
    static PANICKED: Cell<bool> = const { Cell::new(false) };
}

pub(super) struct FaultyHandler<H> {
    pub(super) inner: H,
    pub(super) fault: Fault,
}

impl<H: Handler> Handler for FaultyHandler<H> {
    type Future = FaultyFuture<H::Future>;

    fn call(&self, request: Request) -> Self::Future {
        FaultyFuture { inner: Some(Box::pin(self.inner.call(request))), fault: self.fault }
    }
}

pub(super) struct FaultyFuture<F> {
    inner: Option<Pin<Box<F>>>,
    fault: Fault,
}

impl<F: Future> Future for FaultyFuture<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let Some(inner) = self.inner.as_mut() else { return Poll::Pending };
        let polled = panic::catch_unwind(AssertUnwindSafe(|| inner.as_mut().poll(cx)));
        if polled.is_err() && self.fault == HidesPanics {
            mem::forget(self.inner.take());
            return Poll::Pending;
        }
        let output = ready!(polled.unwrap_or_else(|payload| {
            PANICKED.set(true);
            panic::resume_unwind(payload)
        }));
        self.inner = None;
        Poll::Ready(output)
    }
}

impl<F> Drop for FaultyFuture<F> {
    fn drop(&mut self) {
        if self.fault == LeaksLostHandlers {
            mem::forget(self.inner.take());
        }
    }
}

/// A connection that is not polled any more when its handler has panicked.
pub(super) struct Forgetful<F>(pub(super) Option<F>);

impl<F: Future + Unpin> Future for Forgetful<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let Some(driver) = &mut self.0 else { return Poll::Pending };
        PANICKED.set(false);
        let polled = Pin::new(driver).poll(cx);
        if PANICKED.replace(false) {
            mem::forget(self.0.take());
            return Poll::Pending;
        }
        polled
    }
}

thread_local! {
    /// An accept loop is polled.
    static ACCEPTS: Cell<bool> = const { Cell::new(false) };
}

/// An accept loop that tells its thread when it is polled.
pub(super) struct Accepts<F>(pub(super) Pin<Box<F>>);

impl<F: Future> Future for Accepts<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        ACCEPTS.set(true);
        let polled = self.0.as_mut().poll(cx);
        ACCEPTS.set(false);
        polled
    }
}

/// A connection that is not woken by whoever says so.
pub(super) struct Deaf<F>(pub(super) F, pub(super) fn() -> bool);

/// The server's timer.
pub(super) fn is_timer() -> bool {
    thread::current().name() == Some("httpfsm-wake")
}

/// The accept loop.
pub(super) fn is_accept_loop() -> bool {
    ACCEPTS.get()
}

impl<F: Future + Unpin> Future for Deaf<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let waker = Waker::from(Arc::new(NotFor(self.1, cx.waker().clone())));
        Pin::new(&mut self.0).poll(&mut Context::from_waker(&waker))
    }
}

struct NotFor(fn() -> bool, Waker);

impl Wake for NotFor {
    fn wake(self: Arc<Self>) {
        if !(self.0)() {
            self.1.wake_by_ref();
        }
    }
}
