//! Threads with an executor each.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use async_executor::Executor;
use httpfsm_transport::ServerHandle;

use crate::spawn::Spawn;

/// Gives the tasks of a server to its threads in turn, where they stay.
///
/// Several threads on one executor wake one another: whoever finds a socket ready wakes another thread for its task,
/// which is three times the system calls of a request.
pub(crate) struct Workers {
    executors: Vec<Arc<Executor<'static>>>,
    next: AtomicUsize,
}

impl Workers {
    /// Starts so many threads, which end when the server is gone.
    pub(crate) fn start(workers: usize, server: &ServerHandle) -> io::Result<Self> {
        let executors: Vec<_> = (0..workers).map(|_| Arc::new(Executor::new())).collect();
        for executor in &executors {
            let (executor, server) = (Arc::clone(executor), server.clone());
            // A task that panics is over; its thread goes on with the others.
            let run = move || {
                let run = || async_io::block_on(executor.run(server.gone()));
                while catch_unwind(AssertUnwindSafe(run)).is_err() {}
            };
            thread::Builder::new().name("httpfsm-worker".to_owned()).spawn(run)?;
        }
        Ok(Self { executors, next: AtomicUsize::new(0) })
    }
}

impl Spawn for Workers {
    fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) {
        let next = self.next.fetch_add(1, Ordering::Relaxed) % self.executors.len().max(1);
        if let Some(executor) = self.executors.get(next) {
            Executor::spawn(executor, future).detach();
        }
    }
}
