//! Threads for upgraded connections whose code blocks: a bounded set beside the workers.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use httpfsm_transport::{catch_panic, run_blocking};

use crate::here;
use crate::lock::lock;
use crate::pool::Pool;
use crate::spawn::SpawnError;

/// How long a thread waits for more work before it ends.
const IDLE: Duration = Duration::from_secs(10);

type Work = Box<dyn FnOnce() + Send>;

pub(crate) struct Tunnels {
    most: usize,
    state: Mutex<TunnelThreads>,
    news: Condvar,
}

#[derive(Default)]
struct TunnelThreads {
    threads: usize,
    idle: usize,
    /// No more than there are idle threads.
    work: VecDeque<Work>,
    closed: bool,
}

impl Tunnels {
    pub(crate) fn new(most: usize) -> Self {
        Self { most, state: Mutex::default(), news: Condvar::new() }
    }

    /// Runs the work on a thread that does nothing else meanwhile.
    pub(crate) fn run(pool: &Arc<Pool>, work: Work) -> Result<(), SpawnError> {
        let this = &pool.tunnels;
        let mut state = lock(&this.state);
        if state.closed {
            return Err(SpawnError::Gone);
        }
        if state.idle > state.work.len() {
            state.work.push_back(work);
            drop(state);
            this.news.notify_one();
            return Ok(());
        }
        if state.threads >= this.most {
            return Err(SpawnError::Full);
        }
        state.threads += 1;
        drop(state);
        let own = Arc::clone(pool);
        let thread = thread::Builder::new().name("httpfsm-tunnel".to_owned());
        let started = thread.spawn(move || own.tunnels.work(&own, work));
        started.map(drop).map_err(|_| {
            lock(&this.state).threads -= 1;
            SpawnError::Full
        })
    }

    pub(crate) fn close(&self) {
        lock(&self.state).closed = true;
        self.news.notify_all();
    }

    fn work(&self, pool: &Arc<Pool>, first: Work) {
        here::join(pool);
        let mut next = Some(first);
        while let Some(work) = next {
            let _ = catch_panic(|| run_blocking(work));
            next = self.next();
        }
    }

    fn next(&self) -> Option<Work> {
        let mut state = lock(&self.state);
        state.idle += 1;
        let waits = |state: &mut TunnelThreads| state.work.is_empty() && !state.closed;
        let waited = self.news.wait_timeout_while(state, IDLE, waits);
        state = waited.unwrap_or_else(PoisonError::into_inner).0;
        state.idle -= 1;
        let work = state.work.pop_front();
        if work.is_none() {
            state.threads -= 1;
        }
        work
    }
}
