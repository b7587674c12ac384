//! What any worker may take, and when a worker is to be woken for it.
//!
//! Who puts something in, or takes something and leaves more, is told whether to wake a worker. So is one that does
//! something else first while there is work. Hence no worker sleeps while there is work, unless a wake-up is under way.

use std::collections::VecDeque;
use std::mem;

use crate::lock::{Mutex, MutexGuard, lock};
use crate::sleepers::Sleepers;

/// Tasks that are taken while a function may run, before it has its turn.
const TASKS: u32 = 8;

/// See the module's documentation. `T` are tasks, and `F` functions that block. None is dropped under the lock.
pub(crate) struct WorkQueue<T, F> {
    /// How many functions may run at once.
    most_functions: usize,
    state: Mutex<State<T, F>>,
    sleepers: Sleepers,
}

struct State<T, F> {
    tasks: VecDeque<T>,
    functions: VecDeque<F>,
    /// Tasks taken since a function might have been.
    passed: u32,
    /// Functions that run.
    running: usize,
    workers: usize,
    is_closed: bool,
}

/// What a worker has taken.
pub(crate) enum Taken<T, F> {
    Task(T),
    /// It counts as running already.
    Function(F),
    /// There is nothing any more: the worker is to end.
    Closed,
}

/// Whether a worker sleeps that is to be woken now.
pub(crate) type Wakes = bool;

impl<T, F> WorkQueue<T, F> {
    pub(crate) fn new(most_functions: usize) -> Self {
        let (tasks, functions) = (VecDeque::new(), VecDeque::new());
        let state = State { tasks, functions, passed: 0, running: 0, workers: 0, is_closed: false };
        Self { most_functions, state: Mutex::new(state), sleepers: Sleepers::new() }
    }

    /// Whether there is nothing to take; `false` also when it is closed, which whoever looks is told.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.sleepers.is_queue_empty()
    }

    /// # Errors
    ///
    /// It is closed.
    pub(crate) fn push(&self, task: T) -> Result<Wakes, T> {
        self.push_to(|state| &mut state.tasks, task)
    }

    /// # Errors
    ///
    /// It is closed.
    pub(crate) fn push_function(&self, function: F) -> Result<Wakes, F> {
        self.push_to(|state| &mut state.functions, function)
    }

    fn push_to<W>(
        &self,
        queue: impl FnOnce(&mut State<T, F>) -> &mut VecDeque<W>,
        work: W,
    ) -> Result<Wakes, W> {
        let mut state = lock(&self.state);
        if state.is_closed {
            return Err(work);
        }
        queue(&mut state).push_back(work);
        self.publish(state);
        Ok(self.is_neglected())
    }

    /// For a worker that has nothing else to do. There may be more, for others.
    pub(crate) fn take(&self) -> (Option<Taken<T, F>>, Wakes) {
        let mut state = lock(&self.state);
        if state.is_closed {
            return (Some(Taken::Closed), false);
        }
        let may_run = state.running < self.most_functions && !state.functions.is_empty();
        // There may always be tasks.
        let is_its_turn = may_run && state.passed >= TASKS;
        let task = if is_its_turn { None } else { state.tasks.pop_front() };
        let taken = if let Some(task) = task {
            state.passed += u32::from(may_run);
            Some(Taken::Task(task))
        } else if may_run {
            (state.running, state.passed) = (state.running + 1, 0);
            state.functions.pop_front().map(Taken::Function)
        } else {
            None
        };
        self.publish(state);
        let wakes = taken.is_some() && self.is_neglected();
        (taken, wakes)
    }

    /// A worker is about to run `function`, and has `next` to poll, which does not wait for its end. `Some`: the function
    /// counts as running. `None`: others wait for their turn, and it waits behind them.
    pub(crate) fn begin_function(&self, function: F, next: Option<T>) -> (Option<F>, Wakes) {
        let mut state = lock(&self.state);
        let runs = state.functions.is_empty() && state.running < self.most_functions;
        let mut function = Some(function);
        if runs {
            state.running += 1;
        } else {
            state.functions.extend(function.take());
        }
        // Without either it has nothing else to do than to look here.
        let goes_on = runs || next.is_some();
        if let Some(next) = next {
            state.tasks.push_back(next);
        }
        self.publish(state);
        (function, goes_on && self.is_neglected())
    }

    /// A function is over. `goes_on`: its worker has something else to do before it looks here again.
    pub(crate) fn end_function(&self, goes_on: bool) -> Wakes {
        let mut state = lock(&self.state);
        state.running -= 1;
        self.publish(state);
        goes_on && self.is_neglected()
    }

    /// Says how much there is.
    #[inline]
    fn publish(&self, state: MutexGuard<'_, State<T, F>>) {
        let free = self.most_functions.saturating_sub(state.running);
        let takes = state.tasks.len() + state.functions.len().min(free);
        self.sleepers.set_queued(if state.is_closed { usize::MAX } else { takes });
    }

    /// Whether there is something to take, and a worker sleeps that is to be woken for it now: for a worker that does
    /// something else first.
    #[inline]
    pub(crate) fn is_neglected(&self) -> Wakes {
        !self.is_empty() && self.sleepers.is_to_wake()
    }

    /// Who waits.
    #[inline]
    pub(crate) fn sleepers(&self) -> &Sleepers {
        &self.sleepers
    }

    /// A worker begins.
    pub(crate) fn join(&self) {
        lock(&self.state).workers += 1;
    }

    /// A worker ends. `true`: it was the last one.
    pub(crate) fn leave(&self) -> bool {
        let mut state = lock(&self.state);
        state.workers -= 1;
        state.workers == 0
    }

    /// Whoever looks from now on is told to end. `true`: there is no worker.
    pub(crate) fn close(&self) -> bool {
        let mut state = lock(&self.state);
        state.is_closed = true;
        let is_last = state.workers == 0;
        self.publish(state);
        is_last
    }

    /// What was never taken.
    pub(crate) fn take_all(&self) -> (VecDeque<T>, VecDeque<F>) {
        let mut state = lock(&self.state);
        (mem::take(&mut state.tasks), mem::take(&mut state.functions))
    }
}
