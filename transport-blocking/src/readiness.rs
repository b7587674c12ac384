//! A socket's registration with the loop: what is known of its readiness, and whom to wake when it changes.

use std::fmt;
use std::mem;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Wake, Waker};

use httpfsm_transport::catch_panic;
use mio::event::Event;

use crate::lock::lock;
use crate::loop_handle::LoopHandle;

/// Bytes may be read, or the end of input, or a connection accepted.
pub(crate) const READABLE: u32 = 1;
/// Bytes may be written.
pub(crate) const WRITABLE: u32 = 2;
/// The end of input is behind what is to be read, or the connection is lost: no further event will tell of it.
const ENDED: u32 = 4;
/// Tasks outside of the loop wait for the socket.
const OTHERS_WAIT: u32 = 8;
/// The socket is closed.
const CLOSED: u32 = 16;
/// The rest counts the events, so that one which comes during a system call is not taken for an earlier one.
const EVENT: u32 = 32;

/// A socket's registration with the loop, shared by the socket, its task and the loop. As a waker it wakes that task.
pub(crate) struct Readiness {
    token: usize,
    state: AtomicU32,
    /// The task stands in the loop's queue.
    queued: AtomicBool,
    others: Mutex<OtherTasks>,
    /// None for a socket that is in no server's loop.
    handle: Option<Arc<LoopHandle>>,
}

/// Who waits for the socket of an upgraded connection.
#[derive(Default)]
struct OtherTasks {
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl Readiness {
    pub(crate) fn new(token: usize, handle: Option<Arc<LoopHandle>>) -> Arc<Self> {
        let (state, others) = (AtomicU32::new(WRITABLE), Mutex::default());
        Arc::new(Self { token, state, queued: AtomicBool::new(false), others, handle })
    }

    pub(crate) fn token(&self) -> usize {
        self.token
    }

    /// What is known; to be asked before the system call whose outcome [`settle`](Self::settle) is told.
    #[inline]
    pub(crate) fn state(&self) -> u32 {
        self.state.load(Ordering::Acquire)
    }

    /// A system call has done all that there was, so `direction` is not ready any more, unless an event says otherwise
    /// that came since `known`.
    ///
    /// After a short read there is nothing more to read until the next event (epoll(7), question 9), except for an end of
    /// input that was told of already.
    #[inline]
    pub(crate) fn settle(&self, known: u32, direction: u32, blocked: bool) {
        if blocked || known & ENDED == 0 {
            let (set, order) = (known & !direction, Ordering::AcqRel);
            let _ = self.state.compare_exchange(known, set, order, Ordering::Acquire);
        }
    }

    /// Has the task of `cx` woken when `direction` becomes ready. `true` if it has become so.
    pub(crate) fn watch(self: &Arc<Self>, direction: u32, cx: &Context<'_>) -> bool {
        // The loop wakes the socket's own task at each event that brings something.
        if std::ptr::eq(cx.waker().data(), Arc::as_ptr(self).cast()) {
            return false;
        }
        let waker = cx.waker().clone();
        let mut others = lock(&self.others);
        let waker_of = if direction == READABLE { &mut others.reader } else { &mut others.writer };
        let before = waker_of.replace(waker);
        drop(others);
        // A waker may be the last that holds its task, which may come back here.
        let _ = catch_panic(|| drop(before));
        self.state.fetch_or(OTHERS_WAIT, Ordering::AcqRel) & direction != 0
    }

    /// Notes an event, and wakes the tasks outside of the loop. `true` if the socket's own task is to be polled.
    pub(crate) fn note(&self, event: &Event) -> bool {
        let ended = event.is_read_closed() || event.is_write_closed() || event.is_error();
        let flag = |is_so: bool, flag: u32| if is_so { flag } else { 0 };
        let readable = flag(event.is_readable() || ended, READABLE);
        self.tell(readable | flag(event.is_writable() || ended, WRITABLE) | flag(ended, ENDED))
    }

    fn tell(&self, news: u32) -> bool {
        let note = |state: u32| Some((state | news).wrapping_add(EVENT));
        let before = self.state.fetch_update(Ordering::AcqRel, Ordering::Acquire, note);
        let before = before.unwrap_or_else(|same| same);
        if before & OTHERS_WAIT != 0 {
            self.wake_others(news);
        }
        news & !before != 0
    }

    #[cold]
    fn wake_others(&self, news: u32) {
        let mut others = lock(&self.others);
        let reader = if news & READABLE == 0 { None } else { others.reader.take() };
        let writer = if news & WRITABLE == 0 { None } else { others.writer.take() };
        drop(others);
        // Some are of the application's making: what fails in there is not to end the loop.
        reader.into_iter().chain(writer).for_each(|waker| drop(catch_panic(|| waker.wake())));
    }

    /// The socket is closed, and the loop may forget it. The wakers of tasks outside of the loop are dropped here, by
    /// whoever closes the socket, and not by the loop: they may be the last references to the application's tasks.
    pub(crate) fn close(self: &Arc<Self>) {
        let others = mem::take(&mut *lock(&self.others));
        let _ = catch_panic(|| drop(others));
        self.state.fetch_or(CLOSED, Ordering::AcqRel);
        self.wake_by_ref();
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.state() & CLOSED != 0
    }

    /// Whether the task is to be put into the queue: it is not there yet.
    pub(crate) fn enqueue(&self) -> bool {
        !self.queued.swap(true, Ordering::AcqRel)
    }

    /// The task has been taken out of the queue: who wakes it from now on wakes it anew.
    pub(crate) fn dequeue(&self) {
        self.queued.swap(false, Ordering::AcqRel);
    }
}

impl Wake for Readiness {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    #[inline]
    fn wake_by_ref(self: &Arc<Self>) {
        if let Some(handle) = &self.handle {
            if self.enqueue() {
                handle.enqueue(self.token);
            }
        }
    }
}

impl fmt::Debug for Readiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Readiness")
            .field("token", &self.token)
            .field("state", &self.state())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    #[derive(Default)]
    struct WakeCount(AtomicUsize);

    impl Wake for WakeCount {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn an_event_during_a_system_call_is_not_taken_for_an_earlier_one() {
        let readiness = Readiness::new(0, None);
        assert!(readiness.tell(READABLE));
        assert!(!readiness.tell(READABLE), "it is known already");
        let known = readiness.state();
        readiness.tell(READABLE);
        readiness.settle(known, READABLE, true);
        assert!(readiness.state() & READABLE != 0, "what came since may be read");
        readiness.settle(readiness.state(), READABLE, true);
        assert_eq!(readiness.state() & READABLE, 0);
    }

    #[test]
    fn a_short_read_says_nothing_of_the_end_of_input_behind_it() {
        let readiness = Readiness::new(0, None);
        readiness.tell(READABLE | ENDED);
        readiness.settle(readiness.state(), READABLE, false);
        assert!(readiness.state() & READABLE != 0);
        readiness.settle(readiness.state(), READABLE, true);
        assert_eq!(readiness.state() & READABLE, 0);
    }

    #[test]
    fn another_task_hears_of_an_event_that_comes_before_or_after_it_asks() {
        let (readiness, count) = (Readiness::new(0, None), Arc::new(WakeCount::default()));
        let waker = Waker::from(Arc::clone(&count));
        let cx = Context::from_waker(&waker);
        readiness.tell(READABLE);
        assert!(readiness.watch(READABLE, &cx), "it has come");
        readiness.settle(readiness.state(), READABLE, true);
        assert!(!readiness.watch(READABLE, &cx));
        readiness.tell(WRITABLE);
        assert_eq!(count.0.load(Ordering::SeqCst), 0, "nobody waits to write");
        readiness.tell(READABLE);
        assert_eq!(count.0.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn the_own_task_needs_no_waker() {
        let readiness = Readiness::new(0, None);
        let waker = Waker::from(Arc::clone(&readiness));
        assert!(!readiness.watch(READABLE, &Context::from_waker(&waker)));
        assert_eq!(readiness.state() & OTHERS_WAIT, 0);
    }
}
