//! Threads for work that blocks: as many as there is work, up to a bound.
//!
//! The crate `blocking`, whose threads async-std and smol use, has no end where the system gives no more threads
//! (1.7.0): it tries again for ever, with the lock of its pool held, on the thread that polls connections.

use std::collections::VecDeque;
use std::io;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use httpfsm_transport::{NoThread, catch_panic};

pub(crate) type Work = Box<dyn FnOnce() + Send>;

/// Begins a thread that does this, which it does not do itself: the pool is locked meanwhile. Where it cannot, drops it.
pub(crate) type BeginThread = fn(Work) -> io::Result<()>;

/// A pool that begins its threads with a function of yours.
pub(crate) struct ThreadPool<B = BeginThread> {
    begin: B,
    most: usize,
    /// How long a thread waits for work before it ends.
    patience: Duration,
    state: Mutex<PoolState>,
    queued: Condvar,
}

struct PoolState {
    /// The work that no thread has taken, the oldest first. Its bound is that of the connections: each has little work
    /// at a time.
    queue: VecDeque<Work>,
    /// Those that have been begun and have not ended.
    threads: usize,
    /// Those that wait for work, also when they have been woken for some and have not taken it.
    idle: usize,
}

/// The pool of the process.
pub(crate) static POOL: ThreadPool = ThreadPool::new(begin, 512, Duration::from_secs(10));

fn begin(run: Work) -> io::Result<()> {
    thread::Builder::new().name("httpfsm-blocking".to_owned()).spawn(run).map(drop)
}

impl<B> ThreadPool<B> {
    const fn new(begin: B, most: usize, patience: Duration) -> Self {
        let state = PoolState { queue: VecDeque::new(), threads: 0, idle: 0 };
        Self { begin, most, patience, state: Mutex::new(state), queued: Condvar::new() }
    }

    /// No work is run or dropped under the lock, so a poisoned lock guards nothing inconsistent.
    fn lock(&self) -> MutexGuard<'_, PoolState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<B: Fn(Work) -> io::Result<()> + Sync> ThreadPool<B> {
    /// Has a thread do the work, in its turn.
    ///
    /// # Errors
    ///
    /// There is no thread, and none can be begun: the work is dropped before this returns.
    pub(crate) fn push(&'static self, work: Work) -> Result<(), NoThread> {
        let mut state = self.lock();
        state.queue.push_back(work);
        if state.idle > 0 {
            self.queued.notify_one();
        }
        if state.queue.len() <= state.idle || state.threads >= self.most {
            return Ok(());
        }
        // Under the lock, which is held for one system call: no other work is queued while it is not known whether there is
        // a thread for it.
        if (self.begin)(Box::new(|| self.run())).is_ok() {
            state.threads += 1;
            return Ok(());
        }
        if state.threads > 0 {
            // The threads that there are take it.
            return Ok(());
        }
        let refused = state.queue.pop_back();
        drop(state);
        // Its drop is the application's code.
        let _ = catch_panic(|| drop(refused));
        Err(NoThread)
    }

    /// What a thread does.
    fn run(&self) {
        while let Some(work) = self.next() {
            let _ = catch_panic(work);
        }
    }

    /// Waits for work; `None` if none came, and the thread is to end. The last thread never ends: a response that reads a
    /// file piece by piece goes on also while the system gives no thread.
    fn next(&self) -> Option<Work> {
        let mut state = self.lock();
        while state.queue.is_empty() {
            state.idle += 1;
            let waited = self.queued.wait_timeout_while(state, self.patience, |state| state.queue.is_empty());
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
            state.idle -= 1;
            if state.threads > 1 {
                break;
            }
        }
        let work = state.queue.pop_front();
        if work.is_none() {
            // Under the lock that saw the queue empty: work that comes now finds this thread gone.
            state.threads -= 1;
        }
        work
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;

    /// Beyond any wait of a test that succeeds.
    const LONG: Duration = Duration::from_secs(60);

    fn pool<B: Fn(Work) -> io::Result<()>>(
        begin: B,
        most: usize,
        patience: Duration,
    ) -> &'static ThreadPool<B> {
        Box::leak(Box::new(ThreadPool::new(begin, most, patience)))
    }

    /// Begins so many threads, and no more.
    fn only(threads: usize) -> impl Fn(Work) -> io::Result<()> + Sync {
        let begun = AtomicUsize::new(0);
        move |run| match begun.fetch_add(1, Ordering::SeqCst) {
            before if before < threads => begin(run),
            _ => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    /// Work that has begun and holds its thread until what is returned is dropped.
    fn held<B: Fn(Work) -> io::Result<()> + Sync>(pool: &'static ThreadPool<B>) -> Sender<()> {
        let (begun, begins) = channel();
        let (release, released) = channel();
        let pushed = pool.push(Box::new(move || {
            let _ = begun.send(());
            let _ = released.recv();
        }));
        assert_eq!(pushed, Ok(()));
        begins.recv_timeout(LONG).unwrap();
        release
    }

    /// So much work, each of which tells its number.
    fn numbered<B: Fn(Work) -> io::Result<()> + Sync>(
        pool: &'static ThreadPool<B>,
        count: usize,
    ) -> Receiver<usize> {
        let (tell, told) = channel();
        for number in 0..count {
            let tell = tell.clone();
            let pushed = pool.push(Box::new(move || {
                let _ = tell.send(number);
            }));
            assert_eq!(pushed, Ok(()));
        }
        told
    }

    fn told(told: &Receiver<usize>, count: usize) -> Vec<usize> {
        (0..count).map(|_| told.recv_timeout(LONG).unwrap()).collect()
    }

    #[test]
    fn one_thread_does_the_work_in_its_order() {
        let pool = pool(begin, 1, LONG);
        let release = held(pool);
        let numbers = numbered(pool, 100);
        drop(release);
        assert_eq!(told(&numbers, 100), (0..100).collect::<Vec<_>>());
        assert_eq!(pool.lock().threads, 1);
    }

    #[test]
    fn work_that_waits_has_a_thread_begun_up_to_the_bound() {
        let pool = pool(begin, 2, LONG);
        let held = [held(pool), held(pool)];
        let numbers = numbered(pool, 3);
        assert_eq!(pool.lock().threads, 2);
        assert!(numbers.try_recv().is_err(), "both threads are held");
        drop(held);
        let mut numbers = told(&numbers, 3);
        numbers.sort_unstable();
        assert_eq!(numbers, [0, 1, 2]);
    }

    #[test]
    fn a_thread_that_waits_is_taken_before_another_is_begun() {
        let pool = pool(only(1), 2, LONG);
        for _ in 0..10 {
            assert_eq!(told(&numbered(pool, 1), 1), [0]);
            while pool.lock().idle == 0 {
                thread::yield_now();
            }
        }
        assert_eq!(pool.lock().threads, 1);
    }

    #[test]
    fn threads_without_work_end_but_for_one_and_others_are_begun_for_more() {
        let pool = pool(begin, 4, Duration::from_millis(1));
        for _ in 0..2 {
            let held = [held(pool), held(pool)];
            told(&numbered(pool, 4), 4);
            drop(held);
            while pool.lock().threads > 1 {
                thread::yield_now();
            }
        }
    }

    #[test]
    fn the_last_thread_is_there_for_work_that_comes_late() {
        let pool = pool(only(1), 4, Duration::from_millis(1));
        for _ in 0..5 {
            assert_eq!(told(&numbered(pool, 1), 1), [0]);
            // Several times as long as a thread waits for work.
            thread::sleep(Duration::from_millis(5));
        }
        assert_eq!(pool.lock().threads, 1);
    }

    #[test]
    fn work_whose_thread_cannot_be_begun_is_done_by_the_others() {
        let pool = pool(only(1), 512, LONG);
        let release = held(pool);
        let numbers = numbered(pool, 20);
        assert_eq!(pool.lock().threads, 1);
        drop(release);
        assert_eq!(told(&numbers, 20), (0..20).collect::<Vec<_>>());
    }

    #[test]
    fn work_is_refused_and_dropped_at_once_where_there_is_no_thread() {
        let pool = pool(only(0), 512, LONG);
        for _ in 0..2 {
            let held = Arc::new(());
            let work = Arc::clone(&held);
            assert_eq!(pool.push(Box::new(move || drop(work))), Err(NoThread));
            assert_eq!(Arc::strong_count(&held), 1);
        }
        let state = pool.lock();
        assert_eq!((state.threads, state.idle, state.queue.len()), (0, 0, 0));
    }

    #[test]
    fn work_that_is_dropped_may_push_more_and_panic() {
        struct PushesAndPanicsOnDrop<B: Fn(Work) -> io::Result<()> + Sync + 'static>(&'static ThreadPool<B>);
        impl<B: Fn(Work) -> io::Result<()> + Sync> Drop for PushesAndPanicsOnDrop<B> {
            fn drop(&mut self) {
                assert_eq!(self.0.push(Box::new(|| ())), Err(NoThread));
                std::panic::resume_unwind(Box::new("out of cheese"));
            }
        }
        let pool = pool(only(0), 512, LONG);
        let bomb = PushesAndPanicsOnDrop(pool);
        let pushed = pool.push(Box::new(move || {
            let _bomb = &bomb;
        }));
        assert_eq!(pushed, Err(NoThread));
        assert_eq!(pool.lock().queue.len(), 0);
    }

    #[test]
    fn a_panic_of_work_ends_no_thread() {
        let pool = pool(only(1), 1, LONG);
        assert_eq!(pool.push(Box::new(|| std::panic::resume_unwind(Box::new("out of cheese")))), Ok(()));
        assert_eq!(told(&numbered(pool, 1), 1), [0]);
    }
}
