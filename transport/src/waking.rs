//! The threads that wake tasks whose deadlines have come, beside the one that keeps the time.
//!
//! A waker may be the application's, and at the drain deadline a waker closes an upgraded connection and tells the
//! subscriber. A wake-up that takes long, or for ever, must not hold up another deadline. So the thread that keeps the
//! time wakes nobody: it passes on those that are due to other threads, and starts one more where these do not get to
//! them.

use std::collections::VecDeque;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use crate::alarms::Registration;
use crate::lock::lock;
use crate::panics;

/// Threads of a server, at most: as many wakers may block at once.
const MOST: usize = 4;

/// How long a thread waits for more to do before it ends.
const IDLE: Duration = Duration::from_secs(10);

/// See the module's documentation.
#[derive(Default)]
pub(crate) struct Waking {
    state: Mutex<WakingState>,
    news: Condvar,
}

#[derive(Default)]
struct WakingState {
    /// Each registration once at most ([`Registration::is_due`]), so no more than the server has connections and tasks.
    due: VecDeque<Arc<Registration>>,
    threads: usize,
    idle: usize,
    over: bool,
}

impl Waking {
    /// Has other threads wake those that are due.
    pub(crate) fn wake(self: &Arc<Self>, due: Vec<Arc<Registration>>) {
        let (more, known): (Vec<_>, Vec<_>) =
            due.into_iter().partition(|registration| !registration.is_due.swap(true, SeqCst));
        lock(&self.state).due.extend(more);
        // One may have been woken meanwhile, and be the last reference to its registration.
        known.into_iter().for_each(panics::discard);
        self.see_to_it();
    }

    /// Whether some have not been woken yet.
    pub(crate) fn is_behind(&self) -> bool {
        !lock(&self.state).due.is_empty()
    }

    /// Has a thread wake those that are due: an idle one, or a new one.
    pub(crate) fn see_to_it(self: &Arc<Self>) {
        let mut state = lock(&self.state);
        if state.due.is_empty() {
            return;
        }
        if state.idle > 0 {
            drop(state);
            return self.news.notify_one();
        }
        if state.threads >= MOST {
            return;
        }
        state.threads += 1;
        drop(state);
        let this = Arc::clone(self);
        let thread = thread::Builder::new().name("httpfsm-wake".to_owned());
        if thread.spawn(move || this.work()).is_err() {
            let mut state = lock(&self.state);
            state.threads -= 1;
            // The system has no thread: this one wakes them, rather than none.
            let here = if state.threads == 0 { std::mem::take(&mut state.due) } else { VecDeque::new() };
            drop(state);
            here.into_iter().for_each(wake);
        }
    }

    /// The threads end.
    pub(crate) fn close(&self) {
        lock(&self.state).over = true;
        self.news.notify_all();
    }

    fn work(&self) {
        while let Some(registration) = self.next() {
            wake(registration);
        }
    }

    fn next(&self) -> Option<Arc<Registration>> {
        let mut state = lock(&self.state);
        if state.due.is_empty() && !state.over {
            state.idle += 1;
            let waits = |state: &mut WakingState| state.due.is_empty() && !state.over;
            let waited = self.news.wait_timeout_while(state, IDLE, waits);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
            state.idle -= 1;
        }
        let registration = state.due.pop_front();
        if registration.is_none() {
            state.threads -= 1;
        }
        registration
    }
}

fn wake(registration: Arc<Registration>) {
    // Before the wake-up: a deadline that comes from now on needs a wake-up of its own.
    registration.is_due.store(false, SeqCst);
    registration.wake();
    // The last reference to a registration drops a waker.
    panics::discard(registration);
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};
    use std::task::{Wake, Waker};

    use super::*;

    /// Tells that it was woken, and does not return before it is let go.
    struct Blocks(Mutex<Sender<()>>, Mutex<Receiver<()>>);

    impl Wake for Blocks {
        fn wake(self: Arc<Self>) {
            let _ = lock(&self.0).send(());
            let _ = lock(&self.1).recv();
        }
    }

    #[test]
    fn who_is_due_again_and_again_while_all_threads_are_held_up_waits_once() {
        let registration = |waker: &Waker| {
            let registration = Registration::new(1);
            registration.set_waker(waker);
            registration
        };
        let (woken, is_woken) = channel();
        let waking = Arc::new(Waking::default());
        let let_go: Vec<_> = (0..MOST)
            .map(|_| {
                let (let_go, wait) = channel::<()>();
                let blocks = Arc::new(Blocks(Mutex::new(woken.clone()), Mutex::new(wait)));
                waking.wake(vec![registration(&Waker::from(blocks))]);
                assert!(is_woken.recv_timeout(IDLE).is_ok());
                let_go
            })
            .collect();
        let (let_busy_go, wait) = channel();
        let busy = registration(&Waker::from(Arc::new(Blocks(Mutex::new(woken), Mutex::new(wait)))));
        drop(let_busy_go);
        for _ in 0..1000 {
            waking.wake(vec![Arc::clone(&busy)]);
        }
        assert_eq!(lock(&waking.state).due.len(), 1);
        drop(let_go);
        assert!(is_woken.recv_timeout(IDLE).is_ok());
        // Due once more.
        waking.wake(vec![busy]);
        assert!(is_woken.recv_timeout(IDLE).is_ok());
        waking.close();
    }
}
