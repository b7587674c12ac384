//! Handlers and drivers that are polled, woken or dropped as they should not be.

use std::cell::Cell;
use std::future::Future;
use std::panic::{self, AssertUnwindSafe};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker, ready};
use std::{mem, thread};

use httpfsm::handler::{Handler, Request};

use crate::fault::Fault::{self, LeaksLostHandlers};

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

/// A connection that is not woken by the server's timer.
pub(super) struct Deaf<F>(pub(super) F);

impl<F: Future + Unpin> Future for Deaf<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let waker = Waker::from(Arc::new(NotForTime(cx.waker().clone())));
        Pin::new(&mut self.0).poll(&mut Context::from_waker(&waker))
    }
}

struct NotForTime(Waker);

impl Wake for NotForTime {
    fn wake(self: Arc<Self>) {
        if thread::current().name() != Some("httpfsm-wake") {
            self.0.wake_by_ref();
        }
    }
}
