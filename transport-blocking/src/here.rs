//! What a thread knows of the pool that it belongs to, and what a worker is to do next.

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use httpfsm_transport::catch_panic;

use crate::pool::{Pool, Work};
use crate::task::Task;

#[derive(Default)]
struct Here {
    pool: RefCell<Option<Arc<Pool>>>,
    /// The pool whose worker this is.
    worker_of: Cell<Option<*const Pool>>,
    next: Cell<Option<Arc<Task>>>,
    function: Cell<Option<Work>>,
    keeping: Cell<bool>,
}

thread_local! {
    static HERE: Here = Here::default();
}

/// The pool that this thread belongs to.
pub(crate) fn pool() -> Option<Arc<Pool>> {
    HERE.try_with(|here| here.pool.borrow().clone()).ok().flatten()
}

/// Makes this thread one of the pool, but none of its workers.
pub(crate) fn join(pool: &Arc<Pool>) {
    HERE.with(|here| here.pool.replace(Some(Arc::clone(pool))));
}

/// Makes this thread a worker.
pub(crate) fn begin(pool: &Arc<Pool>) {
    join(pool);
    HERE.with(|here| here.worker_of.set(Some(Arc::as_ptr(pool))));
}

/// It is none any more.
pub(crate) fn end() {
    let (next, function) = HERE.with(|here| {
        here.worker_of.set(None);
        (here.next.take(), here.function.take())
    });
    if let Some(next) = next {
        next.discard()
    }
    // The application's code, whose panic would end the process where the thread drops what it has.
    let _ = catch_panic(|| drop(function));
}

/// Whether what is woken now is this worker's next: it comes to it soon, whatever the code does that wakes.
#[inline]
pub(crate) fn is_keeping() -> bool {
    HERE.try_with(|here| here.keeping.get()).unwrap_or(false)
}

/// Runs what does not panic, and is followed by this worker's next.
pub(crate) fn keeping<T>(run: impl FnOnce() -> T) -> T {
    HERE.with(|here| here.keeping.set(true));
    let output = run();
    HERE.with(|here| here.keeping.set(false));
    output
}

/// Keeps the task for this thread, if it is a worker of its pool and has nothing else to do.
#[inline]
pub(crate) fn keep_next(task: Arc<Task>) -> Option<Arc<Task>> {
    let mut task = Some(task);
    let _ = HERE.try_with(|here| {
        let is_own = here.worker_of.get().is_some_and(|pool| {
            task.as_ref().is_some_and(|task| std::ptr::eq(pool, Arc::as_ptr(task.pool())))
        });
        if is_own {
            let before = here.next.replace(task.take());
            task = before;
        }
    });
    task
}

/// Keeps the function for this thread, if it is a worker of the pool and has no other to run.
pub(crate) fn keep_function(pool: &Arc<Pool>, function: Work) -> Option<Work> {
    let mut function = Some(function);
    let _ = HERE.try_with(|here| {
        if here.worker_of.get() == Some(Arc::as_ptr(pool)) {
            let before = here.function.replace(function.take());
            function = before;
        }
    });
    function
}

/// What this worker is to poll next.
#[inline]
pub(crate) fn next() -> Option<Arc<Task>> {
    HERE.with(|here| here.next.take())
}

#[inline]
pub(crate) fn has_next() -> bool {
    HERE.with(|here| {
        let next = here.next.take();
        let is_some = next.is_some();
        here.next.set(next);
        is_some
    })
}

/// What it is to run next.
#[inline]
pub(crate) fn function() -> Option<Work> {
    HERE.with(|here| here.function.take())
}
