//! Work that blocks, done elsewhere than on an async worker.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use crate::lock::lock;
use crate::{panics, waiting};

/// Where a transport runs work that blocks: the runtime's blocking pool, or threads of its own.
pub trait Spawner: Send + Sync + 'static {
    /// Runs the work soon, on a thread that may block: none that polls connections, as work may wait for what such a
    /// thread receives ([`BodyReader`](crate::BodyReader)).
    fn spawn_blocking(&self, work: Box<dyn FnOnce() + Send>);
}

/// Runs the work at once, where it is asked for: for tests, for work that is short, and for transports that call handlers
/// on threads which may block, as the blocking one does. Elsewhere that is the thread that polls the connection, which
/// stands still meanwhile; work that reads the request's body there gets an error instead of octets that have not come
/// ([`BodyReader`](crate::BodyReader)).
#[derive(Clone, Copy, Debug, Default)]
pub struct Inline;

impl Spawner for Inline {
    fn spawn_blocking(&self, work: Box<dyn FnOnce() + Send>) {
        work();
    }
}

/// An application that is the same on every transport holds its transport's spawner as an `Arc<dyn Spawner>`.
impl<S: Spawner + ?Sized> Spawner for Arc<S> {
    fn spawn_blocking(&self, work: Box<dyn FnOnce() + Send>) {
        (**self).spawn_blocking(work);
    }
}

/// The result of work that was given to a [`Spawner`]. A panic in the work is one in whoever awaits it.
pub struct Job<T>(Arc<Mutex<Progress<T>>>);

enum Progress<T> {
    Running(Option<Waker>),
    /// With the text of its panic, which is known only where it happened.
    Done(Result<T, String>),
    Taken,
}

impl<T: Send + 'static> Job<T> {
    /// Gives the work to the spawner.
    pub fn spawn(spawner: &dyn Spawner, work: impl FnOnce() -> T + Send + 'static) -> Self {
        let progress = Arc::new(Mutex::new(Progress::Running(None)));
        let report = Report(Arc::clone(&progress));
        spawner.spawn_blocking(Box::new(move || {
            report.finish(panics::catch(work));
        }));
        Self(progress)
    }
}

impl<T> Future for Job<T> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let done = waiting::poll(&self.0, cx, |progress| match progress {
            Progress::Running(waker) => Err(waker),
            done => Ok(std::mem::replace(done, Progress::Taken)),
        });
        match done {
            Poll::Ready(Progress::Done(Ok(result))) => Poll::Ready(result),
            Poll::Ready(Progress::Done(Err(panic))) => panics::resume(panic),
            Poll::Ready(Progress::Running(_) | Progress::Taken) | Poll::Pending => Poll::Pending,
        }
    }
}

impl<T> fmt::Debug for Job<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Job(..)")
    }
}

/// Reports the end of the work, also of work that was dropped unrun (a runtime that shuts down does that).
struct Report<T>(Arc<Mutex<Progress<T>>>);

impl<T> Report<T> {
    fn finish(&self, result: Result<T, String>) {
        let mut progress = lock(&self.0);
        if let Progress::Running(waker) = &mut *progress {
            let waker = waker.take();
            *progress = Progress::Done(result);
            drop(progress);
            if let Some(waker) = waker {
                panics::wake(waker);
            }
        }
    }
}

impl<T> Drop for Report<T> {
    fn drop(&mut self) {
        if matches!(*lock(&self.0), Progress::Running(_)) {
            self.finish(Err("The work was dropped before it ran.".to_owned()));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::atomic::Ordering;

    use super::*;
    use crate::waiting::tests::Foreign;

    struct Nowhere;

    impl Spawner for Nowhere {
        fn spawn_blocking(&self, _work: Box<dyn FnOnce() + Send>) {}
    }

    #[test]
    fn a_job_yields_its_result() {
        let mut cx = Context::from_waker(Waker::noop());
        let mut job = Job::spawn(&Inline, || 7);
        assert_eq!(Pin::new(&mut job).poll(&mut cx), Poll::Ready(7));
    }

    #[test]
    fn a_shared_spawner_is_one() {
        let shared: Arc<dyn Spawner> = Arc::new(Inline);
        let mut job = Job::spawn(&shared, || 7);
        assert_eq!(Pin::new(&mut job).poll(&mut Context::from_waker(Waker::noop())), Poll::Ready(7));
    }

    #[test]
    fn no_waker_is_woken_or_dropped_under_the_lock() {
        struct Later(Mutex<Vec<Box<dyn FnOnce() + Send>>>);
        impl Spawner for Later {
            fn spawn_blocking(&self, work: Box<dyn FnOnce() + Send>) {
                lock(&self.0).push(work);
            }
        }
        let later = Later(Mutex::default());
        let mut job = Job::spawn(&later, || 7);
        let foreign = |job: &Job<i32>| {
            let its = Arc::downgrade(&job.0);
            Foreign::waker(move || its.upgrade().is_none_or(|job| job.try_lock().is_ok()))
        };
        let (first, of_first) = foreign(&job);
        let (second, of_second) = foreign(&job);
        for waker in [first, second] {
            assert!(Pin::new(&mut job).poll(&mut Context::from_waker(&waker)).is_pending());
        }
        assert_eq!(of_first.load(Ordering::SeqCst), 1, "another has replaced it");
        lock(&later.0).drain(..).for_each(|work| work());
        assert_eq!(of_second.load(Ordering::SeqCst), 2, "woken, and dropped");
        assert_eq!(Pin::new(&mut job).poll(&mut Context::from_waker(Waker::noop())), Poll::Ready(7));
    }

    #[test]
    fn work_that_is_never_run_is_a_panic_and_no_hang() {
        let mut job: Job<u8> = Job::spawn(&Nowhere, || 7);
        let polled = catch_unwind(AssertUnwindSafe(|| {
            let _ = Pin::new(&mut job).poll(&mut Context::from_waker(Waker::noop()));
        }));
        assert!(polled.is_err());
    }
}
