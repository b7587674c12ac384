//! The side of a loop that other threads reach: they queue tasks here, for the loop to poll.

use std::mem;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use httpfsm_transport::catch_panic;

use crate::lock::lock;
use crate::readiness::Readiness;

/// The token of the waker that ends the loop's sleep.
pub(crate) const WAKER: mio::Token = mio::Token(usize::MAX);

/// A task of the loop.
pub(crate) type Future = Pin<Box<dyn std::future::Future<Output = ()> + Send>>;

/// The side of a loop that other threads reach.
pub(crate) struct LoopHandle {
    inbox: Mutex<Inbox>,
    /// The loop sleeps, or is about to.
    asleep: AtomicBool,
    /// None when the loop has ended. What holds a waker of one of its tasks holds no descriptor then.
    waker: Mutex<Option<mio::Waker>>,
    next: AtomicUsize,
}

/// What was queued since the loop looked. It is bounded: a task is in it once, or twice at its beginning, and there are
/// as many tasks as connections and listeners.
#[derive(Default)]
pub(crate) struct Inbox {
    pub(crate) sockets: Vec<Arc<Readiness>>,
    pub(crate) tasks: Vec<(usize, Future)>,
    pub(crate) queue: Vec<usize>,
}

impl LoopHandle {
    pub(crate) fn new(waker: mio::Waker) -> Arc<Self> {
        Arc::new(Self {
            inbox: Mutex::default(),
            asleep: AtomicBool::new(false),
            waker: Mutex::new(Some(waker)),
            next: AtomicUsize::new(0),
        })
    }

    /// Registers one more socket, whose events the loop notes from now on. Tokens are never used again, so no event
    /// reaches the wrong socket.
    pub(crate) fn register(self: &Arc<Self>) -> Arc<Readiness> {
        let readiness = Readiness::new(self.next.fetch_add(1, Ordering::Relaxed), Some(Arc::clone(self)));
        lock(&self.inbox).sockets.push(Arc::clone(&readiness));
        readiness
    }

    /// Has the loop poll `future` as the task of a registered socket, from now on.
    pub(crate) fn spawn(&self, readiness: &Arc<Readiness>, future: Future) {
        // Queued in any case: the socket may be queued already, in the part that the loop has taken, and would then get
        // its turn before the task is there.
        readiness.enqueue();
        let mut inbox = lock(&self.inbox);
        inbox.tasks.push((readiness.token(), future));
        inbox.queue.push(readiness.token());
        drop(inbox);
        self.end_sleep();
    }

    /// Has the loop poll the task once.
    #[inline]
    pub(crate) fn enqueue(&self, token: usize) {
        lock(&self.inbox).queue.push(token);
        self.end_sleep();
    }

    #[inline]
    fn end_sleep(&self) {
        // Either this sees that the loop sleeps, or the loop has seen what was put into the inbox. On the loop's own
        // thread, and while it is busy, no system call is made.
        if self.asleep.load(Ordering::SeqCst) && self.asleep.swap(false, Ordering::SeqCst) {
            if let Some(waker) = &*lock(&self.waker) {
                // It fails where the loop is awake already.
                let _ = waker.wake();
            }
        }
    }

    /// For the loop: moves what has come to `inbox`, which is empty.
    pub(crate) fn take(&self, inbox: &mut Inbox) {
        mem::swap(&mut *lock(&self.inbox), inbox);
    }

    /// For the loop: moves what has come to `inbox`, but for the queue.
    pub(crate) fn take_sockets(&self, inbox: &mut Inbox) {
        let mut here = lock(&self.inbox);
        inbox.sockets.append(&mut here.sockets);
        inbox.tasks.append(&mut here.tasks);
    }

    /// For the loop, before it sleeps: `false` if there is something to do.
    pub(crate) fn may_sleep(&self) -> bool {
        self.asleep.store(true, Ordering::SeqCst);
        let inbox = lock(&self.inbox);
        let empty = inbox.queue.is_empty();
        drop(inbox);
        if !empty {
            self.wakes();
        }
        empty
    }

    /// For the loop: it has woken.
    pub(crate) fn wakes(&self) {
        self.asleep.store(false, Ordering::SeqCst);
    }

    /// For the loop: it has ended.
    pub(crate) fn close(&self) {
        *lock(&self.waker) = None;
        let inbox = mem::take(&mut *lock(&self.inbox));
        // The tasks in there are the application's, too.
        let _ = catch_panic(|| drop(inbox));
    }
}
