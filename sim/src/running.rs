//! A task of a round, and whether it is to be polled.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use httpfsm::handler::Handler;
use httpfsm_transport::Driver;

use crate::layer::ServerEnd;
use crate::watch::WatchedHandler;
use crate::world::Task;

/// A task and whether it is to be polled.
pub(crate) struct RunningTask<H: Handler> {
    pub(crate) what: TaskKind<H>,
    woken: Arc<WakeFlag>,
    waker: Waker,
}

/// What is polled.
pub(crate) enum TaskKind<H: Handler> {
    Driver(usize, Box<Driver<WatchedHandler<H>, ServerEnd>>),
    Application(Task),
    /// The accept loop.
    AcceptLoop(Task),
    Over,
}

impl<H: Handler> RunningTask<H> {
    pub(crate) fn new(what: TaskKind<H>) -> Self {
        let woken = Arc::new(WakeFlag(AtomicBool::new(true)));
        Self { what, waker: Waker::from(Arc::clone(&woken)), woken }
    }

    /// Whether it is to be polled.
    pub(crate) fn is_runnable(&self) -> bool {
        self.woken.0.load(Ordering::Relaxed) && !self.is_over()
    }

    pub(crate) fn is_over(&self) -> bool {
        matches!(self.what, TaskKind::Over)
    }

    pub(crate) fn poll(&mut self) {
        self.woken.0.store(false, Ordering::Relaxed);
        let mut cx = Context::from_waker(&self.waker);
        let polled = match &mut self.what {
            TaskKind::Driver(_, driver) => Pin::new(&mut **driver).poll(&mut cx),
            TaskKind::Application(task) | TaskKind::AcceptLoop(task) => task.as_mut().poll(&mut cx),
            TaskKind::Over => Poll::Pending,
        };
        if polled.is_ready() {
            self.what = TaskKind::Over;
        }
    }
}

/// Whether a task has been woken since it was polled.
struct WakeFlag(AtomicBool);

impl Wake for WakeFlag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}
