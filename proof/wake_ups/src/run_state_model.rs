//! A task that two threads wake while two workers poll it.

use loom::sync::Arc;
use loom::sync::atomic::{AtomicBool, Ordering};
use loom::thread;

use crate::Model;
use crate::lock::{Condvar, Mutex, lock};
use crate::run_state::RunState;

pub(crate) const MODELS: &[Model] = &[
    ("each wake-up of a task is followed by a poll, and no poll by another before its end", || run(false)),
    ("a task that is over is queued no more", || run(true)),
];

struct Task {
    state: RunState,
    /// What a wake-up tells of: written before it, and read in the poll.
    news: [AtomicBool; 2],
    is_polled: AtomicBool,
    /// Whether the first news end its future.
    ends_early: bool,
    queue: Mutex<Queue>,
    changed: Condvar,
}

#[derive(Default)]
struct Queue {
    entries: usize,
    is_over: bool,
}

fn run(ends_early: bool) {
    let news = [AtomicBool::new(false), AtomicBool::new(false)];
    let (state, is_polled, changed) = (RunState::new(), AtomicBool::new(false), Condvar::new());
    let task = Arc::new(Task { state, news, is_polled, ends_early, queue: Mutex::default(), changed });
    let spawn = |work: fn(&Task)| {
        let task = Arc::clone(&task);
        thread::spawn(move || work(&task))
    };
    let threads = [spawn(|task| task.wake(0)), spawn(|task| task.wake(1)), spawn(Task::work)];
    task.work();
    threads.into_iter().for_each(|thread| thread.join().expect("it does not panic"));
    assert_eq!(lock(&task.queue).entries, 0, "it is queued, and over");
}

impl Task {
    fn wake(&self, n: usize) {
        self.news[n].store(true, Ordering::Relaxed);
        if self.state.wake() {
            self.push();
        }
    }

    fn push(&self) {
        let mut queue = lock(&self.queue);
        assert!(!queue.is_over, "it is queued, and over");
        queue.entries += 1;
        assert_eq!(queue.entries, 1, "it is queued twice");
        drop(queue);
        self.changed.notify_one();
    }

    fn work(&self) {
        loop {
            let mut queue = lock(&self.queue);
            while queue.entries == 0 && !queue.is_over {
                queue = self.changed.wait(queue).expect("nobody panics");
            }
            if queue.is_over {
                return;
            }
            queue.entries -= 1;
            drop(queue);
            self.poll();
        }
    }

    fn poll(&self) {
        self.state.begin();
        assert!(!self.is_polled.swap(true, Ordering::Relaxed), "it is polled twice at once");
        let heard = self.news.iter().filter(|news| news.load(Ordering::Relaxed)).count();
        self.is_polled.store(false, Ordering::Relaxed);
        if heard >= if self.ends_early { 1 } else { 2 } {
            self.state.finish();
            lock(&self.queue).is_over = true;
            self.changed.notify_all();
        } else if self.state.end() {
            self.push();
        }
    }
}
