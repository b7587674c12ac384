//! A piece of the application as a task: workers poll it, and while it waits it holds no worker.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use httpfsm_transport::{catch_panic, resume_panic};

use crate::lock::lock;
use crate::workers::{QueueItem, RunTask, Workers};

/// What a task does.
pub(crate) trait TaskWork: Send + 'static {
    /// The output.
    type Output: Send + 'static;

    /// Called by a worker to go on. What it holds of the application and needs no longer, it drops in here.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Self::Output>;

    /// Whether nothing comes behind this output, so that the work is dropped when the output can be seen. What it then
    /// wakes finds the output.
    fn is_last(output: &Self::Output) -> bool {
        let _ = output;
        false
    }
}

/// No worker polls it, and it is not in the queue.
const IDLE: u8 = 0;
/// It is in the queue.
const QUEUED: u8 = 1;
/// A worker polls it.
const RUNNING: u8 = 2;
/// A worker polls it, and it was woken since.
const NOTIFIED: u8 = 3;
/// Its work was dropped.
const DROPPED: u8 = 4;
/// The task is cancelled: the next worker drops its work. A flag beside the other states.
const CANCELLED: u8 = 8;

/// See the module's documentation. As a waker it has itself polled.
pub(crate) struct WorkerTask<W: TaskWork> {
    state: AtomicU8,
    /// Locked by the worker that polls the task, and by no other thread meanwhile: who wakes or cancels the task sets
    /// only `state`. So the application's code may run under this lock.
    work: Mutex<Option<W>>,
    progress: Mutex<TaskProgress<W::Output>>,
    workers: Arc<Workers>,
}

enum TaskProgress<T> {
    /// Nobody has asked for an output.
    Unasked,
    /// Somebody has asked, and is to be woken.
    Asked(Option<Waker>),
    /// The output is there, or the text of a panic.
    Done(Result<T, String>),
}

impl<W: TaskWork> WorkerTask<W> {
    /// A task that waits to be asked for an output.
    pub(crate) fn new(work: W, workers: Arc<Workers>) -> Arc<Self> {
        Arc::new(Self {
            state: AtomicU8::new(IDLE),
            work: Mutex::new(Some(work)),
            progress: Mutex::new(TaskProgress::Unasked),
            workers,
        })
    }

    /// Its work, to be replaced by other work. Only when its last output was taken and nobody has a waker of the task.
    pub(crate) fn unused(this: &mut Arc<Self>) -> Option<&mut W> {
        let task = Arc::get_mut(this)?;
        let waits =
            *task.state.get_mut() == IDLE && matches!(task.progress.get_mut(), Ok(TaskProgress::Unasked));
        if waits { task.work.get_mut().ok()?.as_mut() } else { None }
    }

    /// Asks for an output, before anybody waits for it.
    pub(crate) fn begin(self: &Arc<Self>) {
        let before = std::mem::replace(&mut *lock(&self.progress), TaskProgress::Asked(None));
        drop(before);
        self.schedule();
    }

    /// The next output; asks for it if nobody has. A panic in the work becomes a panic in here.
    pub(crate) fn poll(self: &Arc<Self>, cx: &mut Context<'_>) -> Poll<W::Output> {
        // Whatever code a waker has runs outside of the lock.
        let waker = cx.waker().clone();
        let mut progress = lock(&self.progress);
        let before = match &mut *progress {
            TaskProgress::Unasked => {
                *progress = TaskProgress::Asked(Some(waker));
                drop(progress);
                self.schedule();
                return Poll::Pending;
            }
            TaskProgress::Asked(known) => {
                let before = known.replace(waker);
                drop(progress);
                drop(before);
                return Poll::Pending;
            }
            TaskProgress::Done(_) => std::mem::replace(&mut *progress, TaskProgress::Unasked),
        };
        drop(progress);
        match before {
            TaskProgress::Done(Ok(output)) => Poll::Ready(output),
            TaskProgress::Done(Err(panic)) => resume_panic(panic),
            TaskProgress::Unasked | TaskProgress::Asked(_) => Poll::Pending,
        }
    }

    pub(crate) fn workers(&self) -> &Arc<Workers> {
        &self.workers
    }

    /// Cancels the task. A worker drops its work, because that is the application's code and may take long.
    pub(crate) fn cancel(self: &Arc<Self>) {
        self.state.fetch_or(CANCELLED, Ordering::AcqRel);
        self.schedule();
    }

    /// Has a worker poll the task, now or after the poll that runs.
    fn schedule(self: &Arc<Self>) {
        let next = |state: u8| {
            let next = match state & !CANCELLED {
                IDLE => QUEUED,
                RUNNING => NOTIFIED,
                // Written all the same, so that the poll sees what was done before the wake-up.
                other => other,
            };
            Some(next | state & CANCELLED)
        };
        let before = self.state.fetch_update(Ordering::AcqRel, Ordering::Acquire, next);
        if before.unwrap_or_else(|same| same) & !CANCELLED == IDLE {
            self.workers.submit(QueueItem::Task(Arc::<Self>::clone(self)));
        }
    }

    fn is_asked(&self) -> bool {
        matches!(*lock(&self.progress), TaskProgress::Asked(_))
    }

    fn poll_work(self: &Arc<Self>) -> Option<Result<W::Output, String>> {
        let waker = Waker::from(Arc::clone(self));
        let mut work = lock(&self.work);
        let running = work.as_mut()?;
        match catch_panic(|| running.poll(&mut Context::from_waker(&waker))) {
            Ok(Poll::Pending) => None,
            Ok(Poll::Ready(output)) => Some(Ok(output)),
            Err(panic) => Some(Err(panic)),
        }
    }

    /// Drops the work, which is the application's code.
    fn drop_work(&self) {
        let work = lock(&self.work).take();
        let _ = catch_panic(|| drop(work));
    }

    /// After a poll: goes back to wait, or into the queue again.
    fn finish_poll(self: Arc<Self>) {
        let next = |state: u8| {
            Some(match state {
                RUNNING => IDLE,
                NOTIFIED => QUEUED,
                _ => DROPPED | CANCELLED,
            })
        };
        let before = self.state.fetch_update(Ordering::AcqRel, Ordering::Acquire, next);
        match before.unwrap_or_else(|same| same) {
            RUNNING => {}
            NOTIFIED => {
                let workers = Arc::clone(&self.workers);
                workers.submit(QueueItem::Task(self));
            }
            _ => {
                self.drop_work();
                // Whoever cancelled may not have seen the output, which holds the application's sources.
                let unseen = std::mem::replace(&mut *lock(&self.progress), TaskProgress::Unasked);
                let _ = catch_panic(|| drop(unseen));
            }
        }
    }
}

impl<W: TaskWork> RunTask for WorkerTask<W> {
    fn run(self: Arc<Self>) {
        let start = |state: u8| Some(RUNNING | state & CANCELLED);
        let before = self.state.fetch_update(Ordering::AcqRel, Ordering::Acquire, start);
        let cancelled = before.unwrap_or_else(|same| same) & CANCELLED != 0;
        // A waker from an earlier poll may wake the task although nobody has asked for an output.
        if cancelled || !self.is_asked() {
            return self.finish_poll();
        }
        let Some(result) = self.poll_work() else { return self.finish_poll() };
        let is_last = result.as_ref().map_or(true, W::is_last);
        let before = std::mem::replace(&mut *lock(&self.progress), TaskProgress::Done(result));
        if is_last {
            // Its drop may wake the connection, as the end of a body that was not read does: it finds the output.
            self.drop_work();
        }
        // Whoever is woken may ask for the next output, and must not find the task running.
        self.finish_poll();
        if let TaskProgress::Asked(Some(waker)) = before {
            waker.wake();
        }
    }
}

impl<W: TaskWork> Wake for WorkerTask<W> {
    fn wake(self: Arc<Self>) {
        self.schedule();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.schedule();
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::sync::atomic::AtomicUsize;
    use std::sync::mpsc;
    use std::thread;
    use std::time::Duration;

    use httpfsm_transport::block_on;

    use super::*;

    /// Longer than anything here takes: only a lost wake-up reaches it.
    const HANG: Duration = Duration::from_secs(20);

    const WAKES: usize = 200;

    /// What many threads wake; it is over when each has.
    #[derive(Default)]
    struct Gate {
        wakes: AtomicUsize,
        wakers: Mutex<Vec<Waker>>,
        polled_at_once: AtomicUsize,
    }

    struct Gated {
        gate: Arc<Gate>,
        threads: usize,
        dropped: Arc<AtomicUsize>,
    }

    impl Drop for Gated {
        fn drop(&mut self) {
            self.dropped.fetch_add(1, Ordering::SeqCst);
        }
    }

    impl TaskWork for Gated {
        type Output = usize;

        fn poll(&mut self, cx: &mut Context<'_>) -> Poll<usize> {
            assert_eq!(self.gate.polled_at_once.fetch_add(1, Ordering::SeqCst), 0, "by one worker at a time");
            lock(&self.gate.wakers).push(cx.waker().clone());
            let wakes = self.gate.wakes.load(Ordering::SeqCst);
            // Time for a wake-up that finds it running.
            thread::yield_now();
            self.gate.polled_at_once.fetch_sub(1, Ordering::SeqCst);
            if wakes == self.threads * WAKES { Poll::Ready(wakes) } else { Poll::Pending }
        }
    }

    fn wake_tasks(gates: &[Arc<Gate>]) {
        for _ in 0..WAKES {
            for gate in gates {
                gate.wakes.fetch_add(1, Ordering::SeqCst);
                let wakers = std::mem::take(&mut *lock(&gate.wakers));
                wakers.into_iter().for_each(Waker::wake);
            }
        }
    }

    fn pool() -> Arc<Workers> {
        let workers = Workers::new(0);
        workers.start(3).unwrap_or_else(|error| panic!("{error}"));
        workers
    }

    /// Wakes as many tasks, of which the first `cancelled` are cancelled meanwhile; the results of the others, and how
    /// many were dropped.
    fn race(tasks: usize, cancelled: usize) -> (Vec<usize>, usize) {
        let (workers, dropped) = (pool(), Arc::new(AtomicUsize::new(0)));
        let gates: Vec<_> = (0..tasks).map(|_| Arc::new(Gate::default())).collect();
        let tasks: Vec<_> = gates
            .iter()
            .map(|gate| {
                let work = Gated { gate: Arc::clone(gate), threads: 4, dropped: Arc::clone(&dropped) };
                WorkerTask::new(work, Arc::clone(&workers))
            })
            .collect();
        tasks.iter().for_each(WorkerTask::begin);
        let (report, reports) = mpsc::channel();
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| wake_tasks(&gates));
            }
            for (n, task) in tasks.into_iter().enumerate() {
                if n < cancelled {
                    task.cancel();
                } else {
                    let report = report.clone();
                    thread::spawn(move || report.send(block_on(poll_fn(|cx| task.poll(cx)))));
                }
            }
        });
        drop(report);
        let mut results = Vec::new();
        loop {
            match reports.recv_timeout(HANG) {
                Ok(result) => results.push(result),
                Err(mpsc::RecvTimeoutError::Disconnected) => break,
                Err(mpsc::RecvTimeoutError::Timeout) => panic!("a wake-up was lost"),
            }
        }
        workers.close();
        drop(gates);
        (results, dropped.load(Ordering::SeqCst))
    }

    #[test]
    fn no_wake_up_is_lost_among_many_threads() {
        let (results, _) = race(16, 0);
        assert_eq!(results, [4 * WAKES; 16]);
    }

    #[test]
    fn what_is_cancelled_is_dropped_while_the_others_go_on() {
        let (results, dropped) = race(16, 8);
        assert_eq!(results, [4 * WAKES; 8]);
        assert!(dropped >= 8, "{dropped}");
    }

    #[test]
    fn what_nobody_has_fetched_is_dropped_by_a_worker_at_the_cancellation() {
        struct Yields(Option<Arc<()>>);
        impl TaskWork for Yields {
            type Output = Arc<()>;

            fn poll(&mut self, _cx: &mut Context<'_>) -> Poll<Arc<()>> {
                self.0.take().map_or(Poll::Pending, Poll::Ready)
            }
        }
        let (workers, output) = (pool(), Arc::new(()));
        let task = WorkerTask::new(Yields(Some(Arc::clone(&output))), Arc::clone(&workers));
        let eventually = |is_so: &dyn Fn() -> bool| {
            let began = std::time::Instant::now();
            while !is_so() {
                assert!(began.elapsed() < HANG);
                thread::yield_now();
            }
        };
        task.begin();
        eventually(&|| matches!(*lock(&task.progress), TaskProgress::Done(_)));
        assert_eq!(Arc::strong_count(&output), 2);
        task.cancel();
        // While the task is held here, as it is by the loop.
        eventually(&|| Arc::strong_count(&output) == 1);
        workers.close();
    }

    /// Counts its polls, and keeps the waker.
    struct Counts(usize, Arc<Mutex<Option<Waker>>>);

    impl TaskWork for Counts {
        type Output = usize;

        fn poll(&mut self, cx: &mut Context<'_>) -> Poll<usize> {
            *lock(&self.1) = Some(cx.waker().clone());
            self.0 += 1;
            Poll::Ready(self.0)
        }
    }

    #[test]
    fn a_late_wake_up_pulls_nothing_that_nobody_has_asked_for() {
        let (workers, waker) = (Workers::new(0), Arc::new(Mutex::new(None)));
        workers.start(1).unwrap_or_else(|error| panic!("{error}"));
        let task = WorkerTask::new(Counts(0, Arc::clone(&waker)), Arc::clone(&workers));
        for polls in 1..100 {
            assert_eq!(block_on(poll_fn(|cx| task.poll(cx))), polls);
            if let Some(waker) = lock(&waker).take() {
                waker.wake();
            }
            // The only worker comes to this when it has run the task.
            let (done, is_done) = mpsc::channel();
            let tell = move || {
                let _ = done.send(());
            };
            workers.submit(QueueItem::Work(Box::new(tell)));
            assert!(is_done.recv_timeout(HANG).is_ok());
            assert_eq!(lock(&task.work).as_ref().map(|work| work.0), Some(polls));
        }
        workers.close();
    }

    #[test]
    fn a_task_that_somebody_may_still_wake_is_not_used_again() {
        let (workers, waker) = (Workers::new(0), Arc::new(Mutex::new(None)));
        workers.start(1).unwrap_or_else(|error| panic!("{error}"));
        let mut task = WorkerTask::new(Counts(0, Arc::clone(&waker)), Arc::clone(&workers));
        assert_eq!(block_on(poll_fn(|cx| task.poll(cx))), 1);
        assert!(WorkerTask::unused(&mut task).is_none(), "its waker is kept");
        *lock(&waker) = None;
        assert_eq!(WorkerTask::unused(&mut task).map(|work| work.0), Some(1));
        task.begin();
        assert!(WorkerTask::unused(&mut task).is_none(), "it was asked");
        workers.close();
    }

    #[test]
    fn a_task_that_wakes_itself_is_polled_again() {
        struct WakesItself(usize);
        impl TaskWork for WakesItself {
            type Output = ();

            fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
                cx.waker().wake_by_ref();
                self.0 -= 1;
                if self.0 == 0 { Poll::Ready(()) } else { Poll::Pending }
            }
        }
        let workers = pool();
        let task = WorkerTask::new(WakesItself(1000), Arc::clone(&workers));
        let (report, is_done) = mpsc::channel();
        thread::spawn(move || {
            block_on(poll_fn(|cx| task.poll(cx)));
            report.send(())
        });
        assert_eq!(is_done.recv_timeout(HANG), Ok(()));
        workers.close();
    }

    #[test]
    fn a_panic_is_told_to_who_asked() {
        struct PanicsInPoll;
        impl TaskWork for PanicsInPoll {
            type Output = ();

            fn poll(&mut self, _cx: &mut Context<'_>) -> Poll<()> {
                std::panic::resume_unwind(Box::new("out of cheese"))
            }
        }
        let workers = pool();
        let task = WorkerTask::new(PanicsInPoll, Arc::clone(&workers));
        let caught = catch_panic(|| block_on(poll_fn(|cx| task.poll(cx))));
        assert_eq!(caught, Err("The handler panicked: out of cheese".to_owned()));
        workers.close();
    }
}
