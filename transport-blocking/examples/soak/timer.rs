//! What async handlers wait for: something that is told from another thread, or task.

use std::collections::BinaryHeap;
use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

/// Something that is told once.
#[derive(Default)]
pub(crate) struct Signal {
    is_told: AtomicBool,
    waker: Mutex<Option<Waker>>,
}

impl Signal {
    pub(crate) fn tell(&self) {
        self.is_told.store(true, Ordering::SeqCst);
        let waker = self.waker.lock().unwrap_or_else(PoisonError::into_inner).take();
        waker.into_iter().for_each(Waker::wake);
    }

    pub(crate) fn poll_told(&self, cx: &Context<'_>) -> Poll<()> {
        *self.waker.lock().unwrap_or_else(PoisonError::into_inner) = Some(cx.waker().clone());
        if self.is_told.load(Ordering::SeqCst) { Poll::Ready(()) } else { Poll::Pending }
    }

    pub(crate) async fn told(&self) {
        poll_fn(|cx| self.poll_told(cx)).await;
    }
}

/// A thread that tells.
#[derive(Default)]
pub(crate) struct Timer {
    entries: Mutex<BinaryHeap<Entry>>,
    changed: Condvar,
}

struct Entry(Instant, Arc<Signal>);

impl Timer {
    pub(crate) fn start() -> Arc<Self> {
        let this = Arc::<Self>::default();
        let own = Arc::clone(&this);
        thread::spawn(move || own.work());
        this
    }

    /// Is told after `length`.
    pub(crate) fn after(&self, length: Duration) -> Arc<Signal> {
        let signal = Arc::<Signal>::default();
        let entry = Entry(Instant::now() + length, Arc::clone(&signal));
        self.entries.lock().unwrap_or_else(PoisonError::into_inner).push(entry);
        self.changed.notify_one();
        signal
    }

    fn work(&self) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let now = Instant::now();
            let left = entries.peek().map(|Entry(at, _)| at.saturating_duration_since(now));
            match left {
                Some(Duration::ZERO) => {
                    let entry = entries.pop();
                    drop(entries);
                    entry.into_iter().for_each(|Entry(_, signal)| signal.tell());
                    entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
                }
                left => {
                    let left = left.unwrap_or(Duration::from_secs(1));
                    entries =
                        self.changed.wait_timeout(entries, left).unwrap_or_else(PoisonError::into_inner).0;
                }
            }
        }
    }
}

/// The earliest is the greatest.
impl Ord for Entry {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        other.0.cmp(&self.0)
    }
}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl Eq for Entry {}
