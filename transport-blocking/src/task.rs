//! Tasks: futures that workers poll. That of a socket, a connection's driver or an accept loop, is woken by the
//! socket's events as well.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use httpfsm_transport::catch_panic;

use crate::lock::lock;
use crate::poller::{READABLE, WRITABLE};
use crate::pool::Pool;
use crate::readiness::Readiness;
use crate::run_state::RunState;

pub(crate) type Future = Pin<Box<dyn std::future::Future<Output = ()> + Send>>;

/// See the module's documentation. As a waker it has itself polled.
pub(crate) struct Task {
    /// That of its socket.
    token: u64,
    pub(crate) readiness: Readiness,
    state: RunState,
    /// Locked by the worker that polls the task, and by nobody else meanwhile. `None` before the task begins, and when its
    /// future is over, while the socket may be in other hands.
    future: Mutex<Option<Future>>,
    pool: Arc<Pool>,
}

impl Task {
    pub(crate) fn new(token: u64, pool: Arc<Pool>) -> Self {
        Self { token, readiness: Readiness::new(), state: RunState::new(), future: Mutex::default(), pool }
    }

    /// Without a socket.
    pub(crate) fn spawn(pool: &Arc<Pool>, future: Future) {
        Arc::new(Self::new(0, Arc::clone(pool))).begin(future);
    }

    pub(crate) fn token(&self) -> u64 {
        self.token
    }

    pub(crate) fn pool(&self) -> &Arc<Pool> {
        &self.pool
    }

    /// Has `future` polled from now on.
    pub(crate) fn begin(self: &Arc<Self>, future: Future) {
        *lock(&self.future) = Some(future);
        self.wake_by_ref();
    }

    /// The same, on a worker that has nothing else to do.
    pub(crate) fn begin_next(self: &Arc<Self>, future: Future) {
        *lock(&self.future) = Some(future);
        if self.state.wake() {
            Pool::push_next(Arc::clone(self));
        }
    }

    /// Has the task of `cx` woken when `direction` becomes ready. `true` if it has become so.
    pub(crate) fn watch(self: &Arc<Self>, direction: u32, cx: &Context<'_>) -> bool {
        // This task is woken at each event that brings something.
        if std::ptr::eq(cx.waker().data(), Arc::as_ptr(self).cast()) {
            return false;
        }
        self.watch_from_elsewhere(direction, cx)
    }

    #[cold]
    fn watch_from_elsewhere(&self, direction: u32, cx: &Context<'_>) -> bool {
        let before = self.pool.others.add(self.token, direction, cx.waker().clone());
        // A waker may be the last that holds its task, which may come back here.
        let _ = catch_panic(|| drop(before));
        self.readiness.note_others(direction)
    }

    /// An event of the socket. Gives the task back if it is to be polled for it.
    #[inline]
    pub(crate) fn note(self: Arc<Self>, news: u32) -> Option<Arc<Self>> {
        let change = self.readiness.note(news);
        if change.others_wait {
            self.wake_others(news);
        }
        (change.is_news && self.state.wake()).then_some(self)
    }

    #[cold]
    fn wake_others(&self, news: u32) {
        let woken = self.pool.others.take(self.token, news);
        // Some are of the application's making: what fails in there is not to end a worker.
        woken.into_iter().flatten().for_each(|waker| drop(catch_panic(|| waker.wake())));
    }

    /// The socket is closed, and no event will tell of it.
    pub(crate) fn close(&self) {
        self.pool.forget(self.token);
        let others = self.pool.others.take(self.token, READABLE | WRITABLE);
        // Each by itself: a panic in one must not meet that of another.
        others.into_iter().for_each(|waker| drop(catch_panic(|| drop(waker))));
    }

    /// Polls the future, on a worker that has taken the task out of its queue.
    #[inline]
    pub(crate) fn poll(self: Arc<Self>) {
        self.state.begin();
        let mut future = lock(&self.future);
        // There is none yet where an event comes before the future.
        if let Some(running) = &mut *future {
            let waker = Waker::from(Arc::clone(&self));
            // The driver catches what the application does. A mistake in the driver costs its connection, not the worker.
            let polled = catch_panic(|| running.as_mut().poll(&mut Context::from_waker(&waker)));
            if !matches!(polled, Ok(Poll::Pending)) {
                let over = future.take();
                drop(future);
                self.state.finish();
                return drop(catch_panic(|| drop(over)));
            }
        }
        drop(future);
        if self.state.end() {
            Pool::push_again(self);
        }
    }

    /// Drops the future, which nobody polls any more.
    pub(crate) fn discard(&self) {
        let future = lock(&self.future).take();
        self.state.finish();
        let _ = catch_panic(|| drop(future));
    }
}

impl Wake for Task {
    #[inline]
    fn wake(self: Arc<Self>) {
        if self.state.wake() {
            Pool::push(self);
        }
    }

    #[inline]
    fn wake_by_ref(self: &Arc<Self>) {
        if self.state.wake() {
            Pool::push(Arc::clone(self));
        }
    }
}

impl fmt::Debug for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Task")
            .field("token", &self.token)
            .field("readiness", &self.readiness.state())
            .finish_non_exhaustive()
    }
}
