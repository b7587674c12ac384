//! What a thread knows of the pool that it belongs to, and what a worker is to do next.

use std::cell::{Cell, OnceCell, RefCell};
use std::sync::Arc;

use httpfsm_transport::{before_waiting, catch_panic, is_within_blocking};

use crate::pool::{Pool, Work};
use crate::task::Task;
use crate::test::TestPool;

struct Here {
    pool: OnceCell<Arc<Pool>>,
    /// This is one of its workers.
    is_worker: Cell<bool>,
    /// For whom it acts at the moment, where it is nobody's own.
    acts_for: RefCell<Option<ActsFor>>,
    own: OwnWork,
}

/// What a worker does before it takes what any worker may take.
pub(crate) struct OwnWork {
    /// To poll.
    pub(crate) next: Cell<Option<Arc<Task>>>,
    /// To run.
    pub(crate) function: Cell<Option<Work>>,
    keeps_woken: Cell<bool>,
    /// A stand-in has taken this worker's place, so this thread is that of the function which it runs.
    has_stand_in: Cell<bool>,
}

/// For whom a thread acts.
enum ActsFor {
    /// A server, a request of which it has taken.
    Server(Arc<Pool>),
    /// A test.
    Test(Arc<TestPool>),
}

impl ActsFor {
    fn pool(&self) -> Option<Arc<Pool>> {
        match self {
            Self::Server(pool) => Some(Arc::clone(pool)),
            Self::Test(pool) => pool.get(),
        }
    }
}

thread_local! {
    static HERE: Here = const {
        Here {
            pool: OnceCell::new(),
            is_worker: Cell::new(false),
            acts_for: RefCell::new(None),
            own: OwnWork::new(),
        }
    };
}

/// The pool that this thread belongs to, or acts for.
pub(crate) fn pool() -> Option<Arc<Pool>> {
    let pool = |here: &Here| here.pool.get().cloned().or_else(|| here.acts_for.borrow().as_ref()?.pool());
    HERE.try_with(pool).ok().flatten()
}

/// Has this thread act for the pool, or for nobody, until it acts for another one.
pub(crate) fn act_for(pool: Option<&Arc<Pool>>) {
    drop(replace_acts_for(pool.map(|pool| ActsFor::Server(Arc::clone(pool)))));
}

/// Has this thread act for the test while `run` runs.
pub(crate) fn within_test<T>(pool: &Arc<TestPool>, run: impl FnOnce() -> T) -> T {
    struct End(Option<ActsFor>);
    impl Drop for End {
        fn drop(&mut self) {
            drop(replace_acts_for(self.0.take()));
        }
    }
    let _end = End(replace_acts_for(Some(ActsFor::Test(Arc::clone(pool)))));
    run()
}

fn replace_acts_for(with: Option<ActsFor>) -> Option<ActsFor> {
    HERE.try_with(|here| here.acts_for.replace(with)).ok().flatten()
}

/// Makes this thread one of the pool, but none of its workers. A thread belongs to one pool as long as it lives.
pub(crate) fn join(pool: &Arc<Pool>) {
    HERE.with(|here| drop(here.pool.set(Arc::clone(pool))));
}

/// Makes this thread a worker while it runs `work`.
pub(crate) fn work(pool: &Arc<Pool>, work: impl FnOnce(&OwnWork)) {
    join(pool);
    before_waiting(run_kept);
    HERE.with(|here| {
        here.is_worker.set(true);
        work(&here.own);
        here.is_worker.set(false);
        here.own.discard();
    });
}

/// What is polled on this worker is about to wait, for what it has begun perhaps: a function that is kept for later runs
/// now, and the task is for others.
fn run_kept() {
    let kept = |here: &Here| (here.own.function.take(), here.own.next.take());
    let (function, next) = HERE.try_with(kept).unwrap_or_default();
    next.into_iter().for_each(Pool::share_task);
    let _ = function.map(|function| catch_panic(|| function.run()));
}

/// Whether a function runs on this thread, which is a worker.
#[inline]
pub(crate) fn is_within_function() -> bool {
    is_within_blocking() && HERE.try_with(|here| here.is_worker.get()).unwrap_or_default()
}

/// Keeps the task for this thread, if it is a worker of its pool, in place of what it has kept before.
#[inline]
pub(crate) fn keep_next(task: Arc<Task>) -> Option<Arc<Task>> {
    keep_if(task, |_| true)
}

/// The same for a task that is woken by what is followed by this worker's next: it comes to the task soon.
#[inline]
pub(crate) fn keep_woken(task: Arc<Task>) -> Option<Arc<Task>> {
    keep_if(task, |own| own.keeps_woken.get() && !is_within_blocking())
}

#[inline]
fn keep_if(task: Arc<Task>, keeps: impl FnOnce(&OwnWork) -> bool) -> Option<Arc<Task>> {
    let mut task = Some(task);
    let _ = HERE.try_with(|here| {
        if task.as_ref().is_some_and(|task| here.is_worker_of(task.pool())) && keeps(&here.own) {
            task = here.own.next.replace(task.take());
        }
    });
    task
}

/// Has the pool of this thread run the function: right after what is polled, if this is a worker. `Some` where the thread
/// belongs to none. A pool that is closed may drop it.
#[inline]
pub(crate) fn submit(function: Work) -> Option<Work> {
    let mut function = Some(function);
    let _ = HERE.try_with(|here| {
        let Some(pool) = here.pool.get() else { return };
        if here.is_worker.get() {
            function = here.own.function.replace(function.take());
        }
        function.take().into_iter().for_each(|function| {
            let _ = pool.share_function(function);
        });
    });
    function
}

/// Whether this worker has kept a function.
pub(crate) fn keeps_function() -> bool {
    HERE.try_with(|here| is_some(&here.own.function)).unwrap_or_default()
}

/// Has a stand-in take the place of this worker, which runs a function, if there may be one more.
pub(crate) fn give_place_up() -> bool {
    let give_up = |here: &Here| {
        let has_stand_in = &here.own.has_stand_in;
        let runs_function = here.own.keeps_woken.get() && is_within_function();
        if runs_function && !has_stand_in.get() {
            has_stand_in.set(here.pool.get().is_some_and(Pool::start_stand_in));
        }
        runs_function && has_stand_in.get()
    };
    HERE.try_with(give_up).unwrap_or_default()
}

impl Here {
    #[inline]
    fn is_worker_of(&self, pool: &Arc<Pool>) -> bool {
        self.is_worker.get() && self.pool.get().is_some_and(|own| Arc::ptr_eq(own, pool))
    }
}

impl OwnWork {
    const fn new() -> Self {
        Self {
            next: Cell::new(None),
            function: Cell::new(None),
            keeps_woken: Cell::new(false),
            has_stand_in: Cell::new(false),
        }
    }

    #[inline]
    pub(crate) fn has_next(&self) -> bool {
        is_some(&self.next)
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        !self.has_next() && !is_some(&self.function)
    }

    /// Runs what is followed by this worker's next. What it wakes is that, unless it may block. A panic ends no more than
    /// this: what was kept before it stays, and the worker comes to it.
    #[inline]
    pub(crate) fn keeping_woken<T>(&self, run: impl FnOnce() -> T) -> T {
        struct End<'a>(&'a Cell<bool>);
        impl Drop for End<'_> {
            fn drop(&mut self) {
                self.0.set(false);
            }
        }
        self.keeps_woken.set(true);
        let _end = End(&self.keeps_woken);
        run()
    }

    /// Whether a stand-in has taken this worker's place.
    #[inline]
    pub(crate) fn has_stand_in(&self) -> bool {
        self.has_stand_in.get()
    }

    /// It works no more.
    fn discard(&self) {
        if let Some(next) = self.next.take() {
            next.discard();
        }
        let function = self.function.take();
        // The application's code, whose panic would end the process where the thread drops what it has.
        let _ = catch_panic(|| drop(function));
    }
}

#[inline]
fn is_some<T>(cell: &Cell<Option<T>>) -> bool {
    let content = cell.take();
    let is_some = content.is_some();
    cell.set(content);
    is_some
}
