//! Where work of the application runs that is not part of a handler's future.

use std::future::Future;
use std::pin::Pin;
use std::thread;

use httpfsm_transport::{Threads, block_on};

/// A piece of work that outlives its request.
pub(crate) type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Where the application's tasks run.
pub(crate) trait Tasks: Send + Sync {
    fn spawn(&self, task: Task);
}

/// A thread for each task.
impl Tasks for Threads {
    fn spawn(&self, task: Task) {
        drop(thread::spawn(|| block_on(task)));
    }
}
