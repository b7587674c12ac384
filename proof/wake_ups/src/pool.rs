//! `pool.rs` of the transport, with tasks and functions that are told what to do, and an epoll of which only is left whom it
//! wakes.

use std::collections::VecDeque;
use std::sync::Arc;

use loom::thread::{self, JoinHandle};

use crate::duty::Duty;
use crate::lock::{Condvar, Mutex, lock};
use crate::work_queue::{Kind, Queued, Taken, WorkQueue};

/// As `TURNS` and `OWN_TURNS` there, but so few that both come up.
const TURNS: u32 = 4;
const OWN_TURNS: u32 = 3;
/// What one worker is told at once. There it is 8, and the rest is for others, too.
const EVENTS: usize = 2;

/// A task, which is polled once.
#[derive(Clone, Copy, Default)]
pub(crate) struct Task {
    pub(crate) name: u32,
    /// Blocks in its poll until this one is over; 0: none. It wakes others before.
    pub(crate) blocks_for: u32,
    pub(crate) wakes: &'static [Task],
    pub(crate) calls: &'static [Function],
    /// What its worker polls next, unless others wait: itself, which was woken meanwhile.
    pub(crate) again: &'static [Task],
}

/// A function that blocks.
#[derive(Clone, Copy, Default)]
pub(crate) struct Function {
    pub(crate) name: u32,
    pub(crate) blocks_for: u32,
    /// Its worker goes on with this one.
    pub(crate) then: &'static [Task],
    /// Called by whom its end wakes.
    pub(crate) calls: &'static [Function],
    /// Before it blocks, another worker takes its place.
    pub(crate) gives_place_up: bool,
    /// It runs work with a file that waits, before it blocks.
    pub(crate) helps: bool,
    pub(crate) kind: Kind,
}

impl Queued for Function {
    fn is_wanted(&self) -> bool {
        true
    }

    fn is_servers(&self) -> bool {
        true
    }
}

pub(crate) struct Pool {
    most_functions: usize,
    queue: WorkQueue<Task, Function>,
    duty: Duty,
    epoll: Epoll,
    /// The workers that have taken the place of others.
    stand_ins: Mutex<Vec<JoinHandle<()>>>,
    progress: Mutex<Progress>,
    changed: Condvar,
    /// The names of all, as bits.
    all: u32,
}

#[derive(Default)]
struct Progress {
    over: u32,
    running: usize,
}

/// What a worker has beside the queue.
#[derive(Default)]
struct Worker {
    next: Option<Task>,
    function: Option<Function>,
}

impl Worker {
    /// `OwnWork::is_empty`.
    fn is_empty(&self) -> bool {
        self.next.is_none() && self.function.is_none()
    }
}

/// Runs so many workers, of which so many are on duty, and `outside` on threads that are none, until all that is named is
/// over. Then the pool is closed by whoever was the last.
pub(crate) fn run(workers: usize, on_duty: usize, names: u32, outside: &[fn(&Arc<Pool>)]) {
    let most_functions = workers - 1;
    let (queue, epoll) = (WorkQueue::new(most_functions), Epoll::default());
    let (progress, changed, duty) = (Mutex::default(), Condvar::new(), Duty::new(on_duty));
    let all = (1 << names) - 1;
    let stand_ins = Mutex::default();
    let pool = Arc::new(Pool { most_functions, queue, duty, epoll, stand_ins, progress, changed, all });
    let spawn = |work: fn(&Arc<Pool>)| {
        let pool = Arc::clone(&pool);
        thread::spawn(move || work(&pool))
    };
    let mut threads: Vec<_> = (0..workers)
        .map(|_| {
            pool.queue.join();
            spawn(Pool::work)
        })
        .collect();
    if let Some((first, others)) = outside.split_first() {
        threads.extend(others.iter().map(|&other| spawn(other)));
        first(&pool);
    }
    threads.into_iter().for_each(|thread| thread.join().expect("it does not panic"));
    while let Some(thread) = { lock(&pool.stand_ins).pop() } {
        thread.join().expect("it does not panic");
    }
    assert!(pool.queue.is_closed(), "they end before all is over");
    let (tasks, functions) = pool.queue.take_all();
    let functions = functions.into_iter().flatten().count();
    assert!(tasks.is_empty() && functions == 0, "something is left");
}

impl Pool {
    /// `Pool::share`.
    pub(crate) fn share(&self, task: Task) {
        let Ok(wakes) = self.queue.push(task) else { panic!("it is closed before all is over") };
        self.wake_if(wakes);
    }

    /// `Pool::share_function`.
    pub(crate) fn share_function(&self, function: Function) {
        let Ok(wakes) = self.queue.push_function(function.kind, function) else {
            panic!("it is closed before all is over")
        };
        self.wake_if(wakes);
    }

    /// An event of a socket, whose task it wakes.
    pub(crate) fn event(&self, task: Task) {
        self.epoll.add(Some(task));
    }

    fn wake_if(&self, wakes: bool) {
        if wakes {
            self.epoll.add(None);
        }
    }

    /// `Pool::push_next`.
    fn push_next(&self, worker: &mut Worker, task: Task) {
        if let Some(before) = worker.next.replace(task) {
            self.share(before);
        }
    }

    /// `Pool::work`.
    fn work(self: &Arc<Self>) {
        self.duty.resume();
        self.work_on(&mut Worker::default());
        if !self.queue.leave() {
            self.epoll.add(None);
        }
    }

    /// `Pool::work_on`.
    fn work_on(self: &Arc<Self>, worker: &mut Worker) {
        let mut turns = 0;
        loop {
            turns += 1;
            if turns % OWN_TURNS == 0 && !self.queue.is_empty() {
                self.share_own(worker);
            }
            let mut ends = false;
            if let Some(function) = worker.function.take() {
                ends = self.run_own(worker, function);
            } else if let Some(task) = worker.next.take() {
                self.poll(worker, task);
            } else if !self.queue.is_empty() {
                let (taken, wakes) = self.queue.take();
                self.wake_if(wakes);
                match taken {
                    Some(Taken::Task(task)) => self.poll(worker, task),
                    Some(Taken::Function(function)) => ends = self.run(worker, function),
                    Some(Taken::Closed) => ends = true,
                    None => {}
                }
            } else {
                turns = TURNS;
            }
            if ends {
                return;
            }
            if turns >= TURNS {
                turns = 0;
                self.wait(worker);
            }
        }
    }

    /// `Pool::wait`.
    fn wait(&self, worker: &mut Worker) {
        let sleepers = self.queue.sleepers();
        let is_spare = || self.queue.is_empty() && worker.is_empty() && sleepers.look().0 > 0;
        if self.duty.is_crowded() && is_spare() {
            self.duty.leave(sleepers);
        }
        let sleeps = sleepers.lie_down() && worker.is_empty();
        let events = self.epoll.wait(sleeps);
        if sleepers.get_up() {
            self.duty.note_all_busy();
        }
        if events.iter().any(Option::is_none) {
            sleepers.note_wake_up();
        }
        events.into_iter().flatten().for_each(|task| self.push_next(worker, task));
        if worker.next.is_some() {
            self.wake_if(self.queue.is_neglected());
        }
    }

    /// `Pool::run_own`.
    fn run_own(self: &Arc<Self>, worker: &mut Worker, function: Function) -> bool {
        let (function, wakes) = self.queue.begin_function(function.kind, function, worker.next.take());
        self.wake_if(wakes);
        function.is_some_and(|function| self.run(worker, function))
    }

    /// `Pool::start_stand_in`.
    fn start_stand_in(self: &Arc<Self>) {
        self.queue.join();
        let pool = Arc::clone(self);
        lock(&self.stand_ins).push(thread::spawn(move || pool.work()));
        let wakes = self.queue.end_function(true);
        self.wake_if(wakes);
    }

    /// `Pool::run`.
    fn run(self: &Arc<Self>, worker: &mut Worker, function: Function) -> bool {
        self.duty.pause();
        let mut progress = lock(&self.progress);
        progress.running += 1;
        assert!(progress.running <= self.most_functions, "too many functions run");
        drop(progress);
        if function.gives_place_up {
            lock(&self.progress).running -= 1;
            self.start_stand_in();
        }
        if function.helps {
            // `Pool::run_file`.
            let file = self.queue.take_file();
            file.into_iter().for_each(|file| self.is_over(file.name));
        }
        self.block_for(function.blocks_for);
        lock(&self.progress).running -= usize::from(!function.gives_place_up);
        function.then.iter().for_each(|&task| self.push_next(worker, task));
        worker.function = function.calls.first().copied();
        if function.gives_place_up {
            self.share_own(worker);
            self.is_over(function.name);
            return true;
        }
        self.is_over(function.name);
        self.duty.resume();
        let wakes = self.queue.end_function(!worker.is_empty());
        self.wake_if(wakes);
        false
    }

    /// `Pool::share_own`.
    fn share_own(&self, worker: &mut Worker) {
        worker.function.take().into_iter().for_each(|function| self.share_function(function));
        worker.next.take().into_iter().for_each(|task| self.share(task));
    }

    fn poll(&self, worker: &mut Worker, task: Task) {
        task.wakes.iter().for_each(|&woken| self.share(woken));
        worker.function = task.calls.first().copied();
        self.block_for(task.blocks_for);
        self.is_over(task.name);
        // `Pool::push_again`.
        for &again in task.again {
            if self.queue.is_empty() { self.push_next(worker, again) } else { self.share(again) }
        }
    }

    fn block_for(&self, name: u32) {
        let mut progress = lock(&self.progress);
        while name != 0 && progress.over & 1 << (name - 1) == 0 {
            progress = self.changed.wait(progress).expect("nobody panics");
        }
    }

    fn is_over(&self, name: u32) {
        let mut progress = lock(&self.progress);
        let bit = 1 << (name - 1);
        assert_eq!(progress.over & bit, 0, "{name} comes twice");
        progress.over |= bit;
        let is_last = progress.over == self.all;
        drop(progress);
        self.changed.notify_all();
        if is_last {
            // `Pool::close`.
            assert!(!self.queue.close(), "this is a worker");
            self.duty.close();
            self.epoll.add(None);
        }
    }
}

/// An epoll with edge-triggered events: each is told to one who waits. `None` is a wake-up, and is told once, however often
/// it came meanwhile.
#[derive(Default)]
struct Epoll {
    ready: Mutex<VecDeque<Option<Task>>>,
    news: Condvar,
}

impl Epoll {
    fn add(&self, event: Option<Task>) {
        let mut ready = lock(&self.ready);
        if event.is_some() || !ready.iter().any(Option::is_none) {
            ready.push_back(event);
        }
        drop(ready);
        self.news.notify_one();
    }

    fn wait(&self, sleeps: bool) -> Vec<Option<Task>> {
        let mut ready = lock(&self.ready);
        while sleeps && ready.is_empty() {
            ready = self.news.wait(ready).expect("nobody panics");
        }
        let most = ready.len().min(EVENTS);
        let told = ready.drain(..most).collect();
        let is_more = !ready.is_empty();
        drop(ready);
        if is_more {
            self.news.notify_one();
        }
        told
    }
}
