//! Where the tasks of a server run.

use std::pin::Pin;

/// A task in a box.
pub type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// An executor: runs futures in the background. [`Futures`](crate::Futures) makes it a transport.
///
/// A function that takes a [`Task`] is one, at an allocation for each connection:
///
/// ```
/// use httpfsm_async_std::{Spawn, Task};
///
/// let executor = |task: Task| {
///     // Where the system has no thread, the task is dropped, and with it the connection.
///     let _ = std::thread::Builder::new().spawn(|| async_io::block_on(task));
/// };
/// executor.spawn(async {});
/// ```
pub trait Spawn: Send + Sync + 'static {
    /// Runs `future` to its end, or drops it where the executor ends before.
    fn spawn(&self, future: impl Future<Output = ()> + Send + 'static);
}

impl<F: Fn(Task) + Send + Sync + 'static> Spawn for F {
    fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) {
        self(Box::pin(future));
    }
}
