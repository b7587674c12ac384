//! The workers: threads that wait for sockets together, poll tasks, and run functions that block.
//!
//! A worker that hears of a socket polls its task, in which async handlers run. A function that blocks goes from there
//! into the worker's own slot, and runs right after the poll: so another worker can poll the task meanwhile, when a
//! deadline comes or the connection is lost, and the one that ran the function goes on with the task, without another
//! thread that is woken for it. There is one worker more than functions that may run at once, so functions alone never
//! keep sockets waiting.

use std::num::NonZero;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;
use std::{io, mem, thread};

use httpfsm_transport::{Call, NoThread, catch_panic, run_blocking};
use slab::Slab;
use smallvec::SmallVec;

use crate::atomic::{AtomicUsize, Ordering::SeqCst};
use crate::duty::Duty;
use crate::here::{self, OwnWork};
use crate::lock::lock;
use crate::others::OtherTasks;
use crate::poller::{EVENTS, Events, Poller, WAKE_UP};
use crate::task::Task;
use crate::tunnels::Tunnels;
use crate::work_queue::{Kind, Queued, Taken, Wakes, WorkQueue};

/// Work that blocks.
pub(crate) enum Work {
    /// Of a function that is a handler, or of a job.
    Call(Call),
    /// Any other.
    Function(Box<dyn FnOnce() + Send>),
}

impl Work {
    pub(crate) fn run(self) {
        match self {
            Self::Call(call) => call.run(),
            // Outside a scope its worker would keep for later what the work wakes and then waits for.
            Self::Function(function) => run_blocking(function),
        }
    }

    #[inline]
    pub(crate) fn kind(&self) -> Kind {
        match self {
            Self::Call(call) if call.is_short() => Kind::File,
            _ => Kind::Function,
        }
    }
}

impl Queued for Work {
    fn is_wanted(&self) -> bool {
        match self {
            Self::Call(call) => call.is_wanted(),
            Self::Function(_) => true,
        }
    }

    fn is_servers(&self) -> bool {
        matches!(self, Self::Call(call) if call.is_servers())
    }
}

/// Polls of a worker before it looks what has happened to sockets.
const TURNS: u32 = 64;

/// Polls of what it keeps for itself before it takes what others wait for: a connection with requests of functions, one
/// behind the other, always has more to do.
const OWN_TURNS: u32 = 8;

/// Bits of a token that say where its task is. As many above them say which of those it is that were there.
const HALF: u32 = usize::BITS / 2;

/// Whether a worker ends, as it has a stand-in.
type Ends = bool;

/// See the module's documentation.
pub(crate) struct Pool {
    /// How many functions may run at once.
    most_functions: usize,
    /// A task is in it once, and a request has at most a function and a piece of a file. On top come files that are to be
    /// closed, whose bytes count until they are, and empty calls of functions whose requests are gone, until there are more
    /// of them than of others. What handlers spawn is for the application to bound.
    queue: WorkQueue<Arc<Task>, Work>,
    duty: Duty,
    /// How many workers may have stand-ins at once, and how many have.
    most_stand_ins: usize,
    stand_ins: AtomicUsize,
    /// `None` when the workers have ended: what holds a waker of a task holds no descriptor then.
    poller: Mutex<Option<Arc<Poller>>>,
    sockets: RwLock<Sockets>,
    pub(crate) tunnels: Tunnels,
    pub(crate) others: OtherTasks,
}

/// The tasks of sockets, which events name by their tokens. No token is used again before so many others as half of an
/// address can number, 2^32 as a rule, so no event reaches the wrong socket.
#[derive(Default)]
struct Sockets {
    tasks: Slab<Arc<Task>>,
    made: u32,
}

impl Pool {
    pub(crate) fn new(functions: usize, tunnels: usize, most_stand_ins: usize) -> io::Result<Arc<Self>> {
        let most_functions = functions.max(1);
        Ok(Arc::new(Self {
            most_functions,
            queue: WorkQueue::new(most_functions),
            // Where one is on duty alone, each function that it begins wakes another one.
            duty: Duty::new(thread::available_parallelism().map_or(2, NonZero::get).max(2)),
            most_stand_ins,
            stand_ins: AtomicUsize::new(0),
            poller: Mutex::new(Some(Arc::new(Poller::new()?))),
            sockets: RwLock::default(),
            tunnels: Tunnels::new(tunnels),
            others: OtherTasks::default(),
        }))
    }

    /// Starts the workers, which end when the pool is closed.
    pub(crate) fn start(self: &Arc<Self>) -> io::Result<()> {
        (0..=self.most_functions).try_for_each(|_| self.start_worker())
    }

    fn start_worker(self: &Arc<Self>) -> io::Result<()> {
        let (pool, poller) = (Arc::clone(self), self.poller()?);
        self.queue.join();
        let worker = thread::Builder::new().name("httpfsm-worker".to_owned());
        let started = worker.spawn(move || pool.work(&poller)).inspect_err(|_| {
            self.queue.leave();
        });
        started.map(drop)
    }

    /// Starts a stand-in for a worker that runs a function: another worker, which takes its place. The one ends with its
    /// function. `false`: there are as many as may be, or there is no thread.
    pub(crate) fn start_stand_in(self: &Arc<Self>) -> bool {
        let takes = |there| if there < self.most_stand_ins { Some(there + 1) } else { None };
        if self.stand_ins.fetch_update(SeqCst, SeqCst, takes).is_err() {
            return false;
        }
        let is_started = self.start_worker().is_ok();
        if is_started {
            // It is none of those that may run at once any more.
            let wakes = self.queue.end_function(true);
            self.wake_if(wakes);
        } else {
            self.stand_ins.fetch_sub(1, SeqCst);
        }
        is_started
    }

    pub(crate) fn poller(&self) -> io::Result<Arc<Poller>> {
        lock(&self.poller).clone().ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    /// A task for a socket.
    ///
    /// # Errors
    ///
    /// There are as many as an address of few bits can number.
    pub(crate) fn task(self: &Arc<Self>) -> io::Result<Arc<Task>> {
        let mut sockets = self.sockets.write().unwrap_or_else(PoisonError::into_inner);
        sockets.made = sockets.made.wrapping_add(1);
        let made = sockets.made;
        let place = sockets.tasks.vacant_entry();
        let token = token(HALF, made, place.key()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Arc::clone(place.insert(Arc::new(Task::new(token, Arc::clone(self))))))
    }

    /// The socket of a task is closed.
    pub(crate) fn forget(&self, token: u64) {
        let mut sockets = self.sockets.write().unwrap_or_else(PoisonError::into_inner);
        let known = sockets.get(token).is_some();
        let task = if known { sockets.tasks.try_remove(key(token)) } else { None };
        drop(sockets);
        drop(task);
    }

    /// Has a worker poll the task: any, since the code that wakes it may block. Where a function has just ended, its
    /// own worker.
    #[inline]
    pub(crate) fn push(task: Arc<Task>) {
        if let Some(task) = here::keep_woken(task) {
            Self::share_task(task);
        }
    }

    /// Has a worker poll the task: this one, if it is one, and before all others.
    #[inline]
    pub(crate) fn push_next(task: Arc<Task>) {
        if let Some(task) = here::keep_next(task) {
            Self::share_task(task);
        }
    }

    /// Has a worker poll the task once more: this one, if others do not wait for their turn.
    pub(crate) fn push_again(task: Arc<Task>) {
        if task.pool().queue.is_empty() {
            return Self::push_next(task);
        }
        Self::share_task(task);
    }

    /// Has any worker poll the task, and not this one only.
    pub(crate) fn share_task(task: Arc<Task>) {
        Arc::clone(task.pool()).share(task);
    }

    /// Has any worker poll the task.
    fn share(&self, task: Arc<Task>) {
        match self.queue.push(task) {
            Ok(wakes) => self.wake_if(wakes),
            Err(task) => task.discard(),
        }
    }

    /// Has any worker run the function.
    ///
    /// # Errors
    ///
    /// The pool is closed, and the function is dropped.
    #[cold]
    pub(crate) fn share_function(&self, function: Work) -> Result<(), NoThread> {
        let pushed = self.queue.push_function(function.kind(), function);
        let pushed = pushed.map(|wakes| self.wake_if(wakes));
        // The drop is the application's code, which may come back here.
        pushed.map_err(|function| {
            let _ = catch_panic(|| drop(function));
            NoThread
        })
    }

    /// Runs work of the server with a file that waits, on this thread, which runs a function. `false`: there is none.
    pub(crate) fn run_file(&self) -> bool {
        let file = self.queue.take_file();
        file.map(|work| catch_panic(|| work.run())).is_some()
    }

    /// Whether its workers end, or have ended.
    pub(crate) fn is_closed(&self) -> bool {
        self.queue.is_closed()
    }

    #[inline]
    fn wake_if(&self, wakes: Wakes) {
        if wakes {
            self.wake_worker();
        }
    }

    fn wake_worker(&self) {
        let poller = lock(&self.poller).clone();
        if let Some(poller) = poller {
            poller.wake();
        }
    }

    /// Ends the workers. Tasks that are not over are dropped with the last of them.
    pub(crate) fn close(&self) {
        let is_last = self.queue.close();
        self.tunnels.close();
        self.duty.close();
        if is_last {
            return self.end();
        }
        self.wake_worker();
    }

    fn work(self: &Arc<Self>, poller: &Poller) {
        here::work(self, |own| {
            self.duty.resume();
            let mut events = Events::new();
            // A mistake of ours in there costs what it was made in.
            while catch_panic(|| self.work_on(poller, own, &mut events)).is_err() {}
        });
        if self.queue.leave() {
            return self.end();
        }
        // Each wakes the next.
        poller.wake();
    }

    fn work_on(&self, poller: &Poller, own: &OwnWork, events: &mut Events) {
        let mut turns = 0;
        loop {
            turns += 1;
            if turns % OWN_TURNS == 0 && !self.queue.is_empty() {
                self.share_own(own);
            }
            let mut ends = false;
            if let Some(function) = own.function.take() {
                ends = self.run_own(own, function);
            } else if let Some(task) = own.next.take() {
                task.poll();
            } else if !self.queue.is_empty() {
                let (taken, wakes) = self.queue.take();
                self.wake_if(wakes);
                match taken {
                    Some(Taken::Task(task)) => task.poll(),
                    Some(Taken::Function(function)) => ends = self.run(own, function),
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
                self.wait(poller, own, events);
            }
        }
    }

    /// Waits for events, but not while there is something to do.
    fn wait(&self, poller: &Poller, own: &OwnWork, events: &mut Events) {
        let sleepers = self.queue.sleepers();
        // What is queued may be known to this worker alone. Where nobody else waits, those on duty may all be blocked.
        let is_spare = || self.queue.is_empty() && own.is_empty() && sleepers.look().0 > 0;
        if self.duty.is_crowded() && is_spare() {
            self.duty.leave(sleepers);
        }
        let sleeps = sleepers.lie_down() && own.is_empty();
        let waited = poller.wait(events, sleeps);
        if sleepers.get_up() {
            self.duty.note_all_busy();
        }
        if waited.is_err() {
            // It cannot happen; if it does, no worker spins.
            return thread::sleep(Duration::from_millis(10));
        }
        // A waker in there may be the application's, which may close a socket.
        let sockets = self.sockets.read().unwrap_or_else(PoisonError::into_inner);
        let mut told = SmallVec::<[(Arc<Task>, u32); EVENTS]>::new();
        let mut is_woken = false;
        for (token, news) in events.iter() {
            match sockets.get(token) {
                Some(task) => told.push((Arc::clone(task), news)),
                None => is_woken |= token == WAKE_UP,
            }
        }
        drop(sockets);
        if is_woken {
            sleepers.note_wake_up();
        }
        for (task, news) in told {
            let woken = own.keeping_woken(|| task.note(news));
            woken.and_then(|task| own.next.replace(Some(task))).into_iter().for_each(|task| self.share(task));
        }
        // This worker has something else to do before what is queued, for which it may have been woken.
        if own.has_next() {
            self.wake_if(self.queue.is_neglected());
        }
    }

    /// Runs a function that a task of this worker has called, unless others wait for their turn.
    fn run_own(&self, own: &OwnWork, function: Work) -> Ends {
        let (function, wakes) = self.queue.begin_function(function.kind(), function, own.next.take());
        self.wake_if(wakes);
        function.is_some_and(|function| self.run(own, function))
    }

    /// Runs a function that counts as running.
    fn run(&self, own: &OwnWork, function: Work) -> Ends {
        self.duty.pause();
        // Functions catch their own panics; this is for the drop of what they hold.
        let _ = own.keeping_woken(|| catch_panic(|| function.run()));
        if own.has_stand_in() {
            self.share_own(own);
            self.stand_ins.fetch_sub(1, SeqCst);
            return true;
        }
        self.duty.resume();
        let wakes = self.queue.end_function(!own.is_empty());
        self.wake_if(wakes);
        false
    }

    /// What this worker has kept for itself is for any.
    #[cold]
    fn share_own(&self, own: &OwnWork) {
        let _ = own.function.take().map(|function| self.share_function(function));
        own.next.take().into_iter().for_each(|task| self.share(task));
    }

    /// Nobody works any more.
    fn end(&self) {
        let (tasks, functions) = self.queue.take_all();
        let sockets = mem::take(&mut *self.sockets.write().unwrap_or_else(PoisonError::into_inner));
        tasks.into_iter().for_each(|task| task.discard());
        sockets.tasks.iter().for_each(|(_, task)| task.discard());
        functions.into_iter().flatten().for_each(|function| drop(catch_panic(|| drop(function))));
        self.others.take_all().for_each(|waker| drop(catch_panic(|| drop(waker))));
        let poller = lock(&self.poller).take();
        drop(poller);
    }
}

impl Sockets {
    #[inline]
    fn get(&self, token: u64) -> Option<&Arc<Task>> {
        self.tasks.get(key(token)).filter(|task| task.token() == token)
    }
}

/// Where the task of a token is.
#[inline]
fn key(token: u64) -> usize {
    // The lower half, which was made of a key.
    (token & low(HALF)) as usize
}

/// The token of a task, the `made`th one. `None` where the key has more bits, or all of them: that is what wake-ups have.
fn token(half: u32, made: u32, key: usize) -> Option<u64> {
    let key = Some(key as u64).filter(|&key| key < low(half))?;
    Some((u64::from(made) & low(half)) << half | key)
}

/// So many bits, the lowest ones.
const fn low(bits: u32) -> u64 {
    (1 << bits) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_have_as_many_bits_as_an_address_and_tell_apart_what_was_made_for_one_place() {
        const LAST: usize = 0xfffe;
        assert_eq!(token(16, 0x1_2345, LAST), Some(0x2345_fffe));
        assert_eq!(token(16, u32::MAX, LAST), Some(0xffff_fffe));
        assert_eq!(token(16, 1, LAST + 1), None, "the last one has the token of wake-ups");
        assert_eq!(token(32, 0x1_2345, LAST + 1), Some(0x0001_2345_0000_ffff));
        let known = token(HALF, 3, 7).map(|token| (key(token), token == WAKE_UP));
        assert_eq!(known, Some((7, false)));
    }
}
