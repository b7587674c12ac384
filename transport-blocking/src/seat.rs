//! A socket's place at the loop: what is known of its readiness, and who is to be told of it.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Wake, Waker};

use mio::event::Event;

use crate::home::Home;
use crate::lock::lock;

/// Octets may be read, or the end of input, or a connection accepted.
pub(crate) const READABLE: u32 = 1;
/// Octets may be written.
pub(crate) const WRITABLE: u32 = 2;
/// The end of input is behind what is to be read, or the connection is lost: no further event will tell of it.
const ENDED: u32 = 4;
/// Somebody else than the loop's own task waits for the socket.
const GUESTS: u32 = 8;
/// The socket is closed.
const CLOSED: u32 = 16;
/// The rest counts the events, so that one which comes during a system call is not taken for an earlier one.
const EVENT: u32 = 32;

/// What a socket, its task in the loop and the loop share. As a waker it wakes that task.
pub(crate) struct Seat {
    token: usize,
    state: AtomicU32,
    /// The task stands in the loop's queue.
    queued: AtomicBool,
    guests: Mutex<Guests>,
    /// None for a socket that is in no server's loop.
    home: Option<Arc<Home>>,
}

/// Who waits for the socket of an upgraded connection.
#[derive(Default)]
struct Guests {
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl Seat {
    pub(crate) fn new(token: usize, home: Option<Arc<Home>>) -> Arc<Self> {
        let (state, guests) = (AtomicU32::new(WRITABLE), Mutex::default());
        Arc::new(Self { token, state, queued: AtomicBool::new(false), guests, home })
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
        let mut guests = lock(&self.guests);
        let guest = if direction == READABLE { &mut guests.reader } else { &mut guests.writer };
        if !guest.as_ref().is_some_and(|known| known.will_wake(cx.waker())) {
            *guest = Some(cx.waker().clone());
        }
        drop(guests);
        self.state.fetch_or(GUESTS, Ordering::AcqRel) & direction != 0
    }

    /// Notes an event, and wakes guests. `true` if the socket's own task is to be polled.
    pub(crate) fn note(&self, event: &Event) -> bool {
        let ended = event.is_read_closed() || event.is_write_closed() || event.is_error();
        let mut news = 0;
        for (is_so, flags) in [
            (event.is_readable() || ended, READABLE),
            (event.is_writable() || ended, WRITABLE),
            (ended, ENDED),
        ] {
            news |= if is_so { flags } else { 0 };
        }
        let note = |state: u32| Some((state | news).wrapping_add(EVENT));
        let before =
            self.state.fetch_update(Ordering::AcqRel, Ordering::Acquire, note).unwrap_or_else(|same| same);
        if before & GUESTS != 0 {
            self.wake_guests(news);
        }
        news & !before != 0
    }

    #[cold]
    fn wake_guests(&self, news: u32) {
        let mut guests = lock(&self.guests);
        let reader = if news & READABLE == 0 { None } else { guests.reader.take() };
        let writer = if news & WRITABLE == 0 { None } else { guests.writer.take() };
        drop(guests);
        reader.into_iter().chain(writer).for_each(Waker::wake);
    }

    /// The socket is closed, and the loop may forget it.
    pub(crate) fn close(self: &Arc<Self>) {
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

impl Wake for Seat {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    #[inline]
    fn wake_by_ref(self: &Arc<Self>) {
        if let Some(home) = &self.home {
            if self.enqueue() {
                home.enqueue(self.token);
            }
        }
    }
}

impl fmt::Debug for Seat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Seat")
            .field("token", &self.token)
            .field("state", &self.state())
            .finish_non_exhaustive()
    }
}
