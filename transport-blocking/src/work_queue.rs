//! What any worker may take, and when a worker is to be woken for it.
//!
//! Who puts something in, or takes something and leaves more, is told whether to wake a worker. So is one that does
//! something else first while there is work. Hence no worker sleeps while there is work, unless a wake-up is under way.
//!
//! Work with files belongs to requests that are under way, and a long body comes back for each of its pieces. So it does not
//! wait behind all functions that have not begun: both have a queue, and are taken in turn.

use std::collections::VecDeque;
use std::mem;

use crate::lock::{Mutex, MutexGuard, lock};
use crate::sleepers::Sleepers;

/// Tasks that are taken while a function may run, before it has its turn.
const TASKS: u32 = 8;

/// See the module's documentation. `T` are tasks, and `F` functions that block, work with files among them. None is dropped
/// under the lock.
pub(crate) struct WorkQueue<T, F> {
    /// How many functions may run at once.
    most_functions: usize,
    state: Mutex<State<T, F>>,
    sleepers: Sleepers,
}

struct State<T, F> {
    tasks: VecDeque<T>,
    functions: VecDeque<F>,
    files: VecDeque<F>,
    /// A function was taken last, and none of `files`.
    is_turn_of_files: bool,
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

/// Whether a function is work with a file.
pub(crate) type IsFile = bool;

/// Whether a worker sleeps that is to be woken now.
pub(crate) type Wakes = bool;

impl<T, F> WorkQueue<T, F> {
    pub(crate) fn new(most_functions: usize) -> Self {
        let state = State {
            tasks: VecDeque::new(),
            functions: VecDeque::new(),
            files: VecDeque::new(),
            is_turn_of_files: false,
            passed: 0,
            running: 0,
            workers: 0,
            is_closed: false,
        };
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
    pub(crate) fn push_function(&self, is_file: IsFile, function: F) -> Result<Wakes, F> {
        self.push_to(|state| state.queue(is_file), function)
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
        let may_run = state.running < self.most_functions && state.waiting() > 0;
        // There may always be tasks.
        let is_its_turn = may_run && state.passed >= TASKS;
        let task = if is_its_turn { None } else { state.tasks.pop_front() };
        let taken = if let Some(task) = task {
            state.passed += u32::from(may_run);
            Some(Taken::Task(task))
        } else if may_run {
            (state.running, state.passed) = (state.running + 1, 0);
            state.pop_function().map(Taken::Function)
        } else {
            None
        };
        self.publish(state);
        let wakes = taken.is_some() && self.is_neglected();
        (taken, wakes)
    }

    /// A worker is about to run `function`, and has `next` to poll, which does not wait for its end. `Some`: the function
    /// counts as running. `None`: others wait for their turn, and it waits behind those of its kind.
    pub(crate) fn begin_function(&self, is_file: IsFile, function: F, next: Option<T>) -> (Option<F>, Wakes) {
        let mut state = lock(&self.state);
        let runs = state.waiting() == 0 && state.running < self.most_functions;
        let mut function = Some(function);
        if runs {
            state.running += 1;
        } else {
            state.queue(is_file).extend(function.take());
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
        let takes = state.tasks.len() + state.waiting().min(free);
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

    pub(crate) fn is_closed(&self) -> bool {
        lock(&self.state).is_closed
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
    pub(crate) fn take_all(&self) -> (VecDeque<T>, [VecDeque<F>; 2]) {
        let mut state = lock(&self.state);
        (mem::take(&mut state.tasks), [mem::take(&mut state.functions), mem::take(&mut state.files)])
    }
}

impl<T, F> State<T, F> {
    fn queue(&mut self, is_file: IsFile) -> &mut VecDeque<F> {
        if is_file { &mut self.files } else { &mut self.functions }
    }

    /// Functions that have not begun.
    #[inline]
    fn waiting(&self) -> usize {
        self.functions.len() + self.files.len()
    }

    fn pop_function(&mut self) -> Option<F> {
        let takes_file = self.is_turn_of_files || self.functions.is_empty();
        let file = if takes_file { self.files.pop_front() } else { None };
        self.is_turn_of_files = file.is_none();
        file.or_else(|| self.functions.pop_front())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FUNCTION: IsFile = false;
    const FILE: IsFile = true;

    type TestQueue = WorkQueue<&'static str, &'static str>;

    fn queue(most_functions: usize, waiting: &[(IsFile, &'static str)]) -> TestQueue {
        let queue = WorkQueue::new(most_functions);
        waiting.iter().for_each(|&(is_file, name)| assert_eq!(queue.push_function(is_file, name), Ok(false)));
        queue
    }

    /// What is taken, by workers that run one after the other.
    fn taken(queue: &TestQueue) -> Vec<&'static str> {
        let take = || match queue.take().0 {
            Some(Taken::Function(function)) => {
                queue.end_function(false);
                Some(function)
            }
            Some(Taken::Task(task)) => Some(task),
            Some(Taken::Closed) | None => None,
        };
        std::iter::from_fn(take).collect()
    }

    #[test]
    fn functions_and_work_with_files_are_taken_in_turn_and_each_in_order() {
        let waiting = ["f1", "f2", "f3", "f4"].map(|name| (FUNCTION, name));
        let queue = queue(1, &[waiting.as_slice(), &[(FILE, "a"), (FILE, "b")]].concat());
        assert_eq!(taken(&queue), ["f1", "a", "f2", "b", "f3", "f4"]);
        for (is_file, name) in [(FILE, "a"), (FILE, "b"), (FILE, "c"), (FUNCTION, "f1")] {
            assert_eq!(queue.push_function(is_file, name), Ok(false));
        }
        assert_eq!(taken(&queue), ["a", "f1", "b", "c"]);
        // What comes after a function was taken waits for no other.
        assert!(["f1", "f2"].iter().all(|name| queue.push_function(FUNCTION, name).is_ok()));
        assert!(matches!(queue.take().0, Some(Taken::Function("f1"))));
        queue.end_function(false);
        assert_eq!(queue.push_function(FILE, "a"), Ok(false));
        assert_eq!(taken(&queue), ["a", "f2"]);
    }

    #[test]
    fn either_kind_is_taken_where_there_is_none_of_the_other() {
        for is_file in [FUNCTION, FILE] {
            let queue = queue(1, &["1", "2", "3"].map(|name| (is_file, name)));
            assert!(!queue.is_empty());
            assert_eq!(taken(&queue), ["1", "2", "3"]);
            assert!(queue.is_empty());
        }
    }

    #[test]
    fn both_kinds_together_run_no_more_than_may() {
        let queue = queue(2, &[(FUNCTION, "f1"), (FUNCTION, "f2"), (FILE, "a"), (FILE, "b")]);
        let take = || match queue.take().0 {
            Some(Taken::Function(function)) => Some(function),
            _ => None,
        };
        assert_eq!([take(), take(), take()], [Some("f1"), Some("a"), None]);
        assert!(queue.is_empty(), "there is nothing that may be taken");
        queue.end_function(false);
        assert_eq!([take(), take()], [Some("f2"), None]);
    }

    #[test]
    fn a_workers_own_function_runs_at_once_only_where_neither_kind_waits() {
        for (waiting, own) in [(FUNCTION, FUNCTION), (FUNCTION, FILE), (FILE, FUNCTION), (FILE, FILE)] {
            let queue = queue(2, &[]);
            assert_eq!(queue.begin_function(own, "own", None).0, Some("own"));
            queue.end_function(false);
            assert_eq!(queue.push_function(waiting, "waits"), Ok(false));
            assert_eq!(queue.begin_function(own, "own", None).0, None);
            let expected =
                if waiting == FILE && own == FUNCTION { ["own", "waits"] } else { ["waits", "own"] };
            assert_eq!(taken(&queue), expected, "{waiting} {own}");
        }
    }

    #[test]
    fn functions_that_wait_have_their_turn_while_there_are_always_tasks() {
        let queue = queue(1, &[(FUNCTION, "f1"), (FILE, "a")]);
        (0..30).for_each(|_| assert_eq!(queue.push("task"), Ok(false)));
        let taken = taken(&queue);
        let places = ["f1", "a"].map(|name| taken.iter().position(|&taken| taken == name));
        assert_eq!(places, [Some(TASKS as usize), Some(2 * TASKS as usize + 1)]);
    }

    #[test]
    fn what_was_never_taken_is_left_behind_the_close() {
        let queue = queue(1, &[(FUNCTION, "f1"), (FILE, "a")]);
        assert!(queue.close());
        assert_eq!(queue.push_function(FILE, "b"), Err("b"));
        assert_eq!(queue.take_all().1, [["f1"], ["a"]]);
    }
}
