//! What any worker may take, and when a worker is to be woken for it.
//!
//! Who puts something in, or takes something and leaves more, is told whether to wake a worker. So is one that does
//! something else first while there is work. Hence no worker sleeps while there is work, unless a wake-up is under way.
//!
//! Work with files belongs to requests that are under way, and a long body comes back for each of its pieces. So it does not
//! wait behind all functions that have not begun: both have a queue, and several pieces of it, which are short, are taken
//! for each function.

use std::collections::VecDeque;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::lock::{Mutex, MutexGuard, lock};
use crate::sleepers::Sleepers;

/// Tasks that are taken while a function may run, before it has its turn.
const TASKS: u32 = 8;

/// Work with files that is taken while a function waits, before that has its turn.
const FILES: u32 = 4;

/// Work with files among which a thread that helps looks for the server's own.
const NEXT: usize = 1024;

/// Functions that wait before those go that nobody waits for any more.
const MANY: usize = 1024;

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
    /// How much of `files` was taken since a function was.
    files_taken: u32,
    /// How many functions wait when unwanted ones go.
    most_waiting: usize,
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

/// What a function is.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// The application's.
    #[default]
    Function,
    /// Work with a file, for a request that is under way.
    File,
}

/// Whether a worker sleeps that is to be woken now.
pub(crate) type Wakes = bool;

/// A function that waits.
pub(crate) trait Queued {
    /// Whether there is anything left to do.
    fn is_wanted(&self) -> bool;

    /// Whether it is the server's own, so that nothing of the application's runs in it.
    fn is_servers(&self) -> bool;
}

impl<T, F: Queued> WorkQueue<T, F> {
    pub(crate) fn new(most_functions: usize) -> Self {
        let state = State {
            tasks: VecDeque::new(),
            functions: VecDeque::new(),
            files: VecDeque::new(),
            files_taken: 0,
            most_waiting: MANY,
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
        let mut state = lock(&self.state);
        if state.is_closed {
            return Err(task);
        }
        state.tasks.push_back(task);
        self.publish(state);
        Ok(self.is_neglected())
    }

    /// # Errors
    ///
    /// It is closed.
    pub(crate) fn push_function(&self, kind: Kind, function: F) -> Result<Wakes, F> {
        let mut state = lock(&self.state);
        if state.is_closed {
            return Err(function);
        }
        let unwanted = state.add(kind, function);
        self.publish(state);
        discard(unwanted);
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
    pub(crate) fn begin_function(&self, kind: Kind, function: F, next: Option<T>) -> (Option<F>, Wakes) {
        let mut state = lock(&self.state);
        if state.waiting() > 0 || state.running >= self.most_functions {
            return (None, self.wait_for_turn(state, kind, function, next));
        }
        state.running += 1;
        if let Some(next) = next {
            state.tasks.push_back(next);
        }
        self.publish(state);
        (Some(function), self.is_neglected())
    }

    #[cold]
    fn wait_for_turn(
        &self,
        mut state: MutexGuard<'_, State<T, F>>,
        kind: Kind,
        function: F,
        next: Option<T>,
    ) -> Wakes {
        let unwanted = state.add(kind, function);
        // Without one to poll its worker has nothing else to do than to look here.
        let goes_on = next.is_some();
        state.tasks.extend(next);
        self.publish(state);
        discard(unwanted);
        goes_on && self.is_neglected()
    }

    /// The server's own work with a file, for a thread that runs a function, if there is some among what is taken next.
    pub(crate) fn take_file(&self) -> Option<F> {
        let mut state = lock(&self.state);
        let is_open = !state.is_closed;
        let at = state.files.iter().take(NEXT).position(|file| is_open && file.is_servers());
        let file = at.and_then(|at| state.files.remove(at));
        self.publish(state);
        file
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

/// The drop is the application's code, and a panic in one must not meet that of another.
fn discard<F>(unwanted: VecDeque<F>) {
    for function in unwanted {
        let _ = catch_unwind(AssertUnwindSafe(|| drop(function)));
    }
}

impl<T, F: Queued> State<T, F> {
    /// A function waits. Returns those that need not any more, if it is time to look: as many as wait, at most, were left
    /// behind by requests that are gone, however long no function ends.
    fn add(&mut self, kind: Kind, function: F) -> VecDeque<F> {
        let queue = match kind {
            Kind::Function => &mut self.functions,
            Kind::File => &mut self.files,
        };
        queue.push_back(function);
        let mut unwanted = VecDeque::new();
        if self.waiting() > self.most_waiting {
            for queue in [&mut self.functions, &mut self.files] {
                for function in mem::take(queue) {
                    let kept = if function.is_wanted() { &mut *queue } else { &mut unwanted };
                    kept.push_back(function);
                }
            }
            self.most_waiting = MANY.max(2 * self.waiting());
        }
        unwanted
    }

    /// Functions that have not begun.
    #[inline]
    fn waiting(&self) -> usize {
        self.functions.len() + self.files.len()
    }

    fn pop_function(&mut self) -> Option<F> {
        let takes_function = self.files_taken >= FILES || self.files.is_empty();
        let function = if takes_function { self.functions.pop_front() } else { None };
        self.files_taken = if function.is_some() { 0 } else { (self.files_taken + 1).min(FILES) };
        function.or_else(|| self.files.pop_front())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Queued for &'static str {
        fn is_wanted(&self) -> bool {
            !self.is_empty()
        }

        fn is_servers(&self) -> bool {
            self.starts_with("own")
        }
    }

    type TestQueue = WorkQueue<&'static str, &'static str>;

    fn queue(most_functions: usize, waiting: &[(Kind, &'static str)]) -> TestQueue {
        let queue = WorkQueue::new(most_functions);
        waiting.iter().for_each(|&(kind, name)| assert_eq!(queue.push_function(kind, name), Ok(false)));
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
    fn each_function_waits_for_so_much_work_with_files_and_each_kind_is_taken_in_order() {
        let files: Vec<_> =
            (0..2 * FILES as usize + 1).map(|file| &"abcdefghijklmnopqrstuvwxyz"[file..=file]).collect();
        let queue = queue(1, &["f1", "f2", "f3"].map(|name| (Kind::Function, name)));
        let push = |kind, name| assert_eq!(queue.push_function(kind, name), Ok(false));
        files.iter().for_each(|file| push(Kind::File, file));
        let [first, second, last] =
            [0, 1, 2].map(|part| files.chunks(FILES as usize).nth(part).unwrap_or_default());
        assert_eq!(taken(&queue), [first, &["f1"], second, &["f2"], last, &["f3"]].concat());
        // What was taken while no function waited counts for the next that does.
        files.iter().for_each(|file| push(Kind::File, file));
        assert_eq!(taken(&queue), files);
        push(Kind::File, "last");
        push(Kind::Function, "f4");
        assert_eq!(taken(&queue), ["f4", "last"]);
    }

    #[test]
    fn what_nobody_waits_for_goes_before_it_is_more_than_what_is_wanted() {
        let queue = queue(1, &[]);
        for wanted in [MANY / 2, 4 * MANY] {
            for pushed in 0..10 * MANY {
                for kind in [Kind::Function, Kind::File] {
                    let name = if pushed % 10 == 0 && pushed < 10 * wanted { "wanted" } else { "" };
                    assert!(queue.push_function(kind, name).is_ok());
                    if pushed % 64 != 0 {
                        continue;
                    }
                    let state = lock(&queue.state);
                    let all = state.functions.iter().chain(&state.files);
                    let wanted = all.filter(|name| name.is_wanted()).count();
                    assert!(state.waiting() <= MANY.max(2 * wanted), "{} for {wanted}", state.waiting());
                }
            }
        }
        let wanted = taken(&queue).into_iter().filter(|name| name.is_wanted()).count();
        assert_eq!(wanted, 2 * (MANY / 2 + MANY));
    }

    #[test]
    fn who_helps_takes_the_servers_own_work_with_files_and_nothing_else() {
        let (function, file) = (Kind::Function, Kind::File);
        let queue =
            queue(1, &[(function, "own"), (file, "a"), (file, "own 1"), (file, "b"), (file, "own 2")]);
        let helps = [(); 3].map(|()| queue.take_file());
        assert_eq!(helps, [Some("own 1"), Some("own 2"), None]);
        assert_eq!(taken(&queue), ["a", "b", "own"]);
        let queue = self::queue(1, &[(file, "own 1")]);
        assert!(queue.close());
        assert_eq!(queue.take_file(), None);
    }

    #[test]
    fn either_kind_is_taken_where_there_is_none_of_the_other() {
        for kind in [Kind::Function, Kind::File] {
            let queue = queue(1, &["1", "2", "3"].map(|name| (kind, name)));
            assert!(!queue.is_empty());
            assert_eq!(taken(&queue), ["1", "2", "3"]);
            assert!(queue.is_empty());
        }
    }

    #[test]
    fn both_kinds_together_run_no_more_than_may() {
        let queue =
            queue(2, &[(Kind::Function, "f1"), (Kind::Function, "f2"), (Kind::File, "a"), (Kind::File, "b")]);
        let take = || match queue.take().0 {
            Some(Taken::Function(function)) => Some(function),
            _ => None,
        };
        assert_eq!([take(), take(), take()], [Some("a"), Some("b"), None]);
        assert!(queue.is_empty(), "there is nothing that may be taken");
        queue.end_function(false);
        assert_eq!([take(), take()], [Some("f1"), None]);
    }

    #[test]
    fn a_workers_own_function_runs_at_once_only_where_neither_kind_waits() {
        for (waiting, own) in [
            (Kind::Function, Kind::Function),
            (Kind::Function, Kind::File),
            (Kind::File, Kind::Function),
            (Kind::File, Kind::File),
        ] {
            let queue = queue(2, &[]);
            assert_eq!(queue.begin_function(own, "own", None).0, Some("own"));
            queue.end_function(false);
            assert_eq!(queue.push_function(waiting, "waits"), Ok(false));
            assert_eq!(queue.begin_function(own, "own", None).0, None);
            let expected = if waiting == Kind::Function && own == Kind::File {
                ["own", "waits"]
            } else {
                ["waits", "own"]
            };
            assert_eq!(taken(&queue), expected, "{waiting:?} {own:?}");
        }
    }

    #[test]
    fn functions_that_wait_have_their_turn_while_there_are_always_tasks() {
        let queue = queue(1, &[(Kind::Function, "f1"), (Kind::File, "a")]);
        (0..30).for_each(|_| assert_eq!(queue.push("task"), Ok(false)));
        let taken = taken(&queue);
        let places = ["a", "f1"].map(|name| taken.iter().position(|&taken| taken == name));
        assert_eq!(places, [Some(TASKS as usize), Some(2 * TASKS as usize + 1)]);
    }

    #[test]
    fn what_was_never_taken_is_left_behind_the_close() {
        let queue = queue(1, &[(Kind::Function, "f1"), (Kind::File, "a")]);
        assert!(queue.close());
        assert_eq!(queue.push_function(Kind::File, "b"), Err("b"));
        assert_eq!(queue.take_all().1, [["f1"], ["a"]]);
    }
}
