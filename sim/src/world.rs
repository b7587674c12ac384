//! Virtual time, and what an application may ask of it.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use httpfsm_transport::Clock;

/// The world that a simulated handler lives in: its time, and its tasks. Clones are the same world.
///
/// Time stands still while anything can run, and jumps to the next deadline when nothing can.
///
/// What an application has a clock for, it takes from the world:
///
/// ```
/// use std::time::Duration;
///
/// use httpfsm::{Request, ServerConfig};
/// use httpfsm_sim::{Ask, Simulation, World};
///
/// let make = |world: &World| {
///     let world = world.clone();
///     move |_: Request| {
///         let world = world.clone();
///         async move {
///             let begun = world.now();
///             world.sleep(Duration::from_secs(3600)).await; // Nobody waits an hour for this.
///             format!("{} seconds", (world.now() - begun).as_secs())
///         }
///     }
/// };
/// let simulation = Simulation::new(ServerConfig::default(), make).faults([]).connections(4);
/// simulation
///     .traffic(|_| {
///         Ask::get("/").check(|response| match &*response.body {
///             b"3600 seconds" => Ok(()),
///             other => Err(other.escape_ascii().to_string()),
///         })
///     })
///     .run()?;
/// # Ok::<(), Box<httpfsm_sim::BrokenContract>>(())
/// ```
#[derive(Clone)]
pub struct World(Arc<WorldState>);

pub(crate) type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

struct WorldState {
    clock: Clock,
    timers: Mutex<WorldTimers>,
    spawned: Mutex<Vec<Task>>,
}

#[derive(Default)]
struct WorldTimers {
    wakers: BTreeMap<(u64, u64), Waker>,
    made: u64,
}

impl World {
    pub(crate) fn new() -> Self {
        let (timers, spawned) = (Mutex::default(), Mutex::default());
        Self(Arc::new(WorldState { clock: Clock::manual(), timers, spawned }))
    }

    /// The time since the world began.
    #[must_use]
    pub fn now(&self) -> Duration {
        Duration::from_millis(self.millis())
    }

    /// Resolves after so much virtual time, to the millisecond.
    pub fn sleep(&self, length: Duration) -> Sleep {
        let length = u64::try_from(length.as_millis()).unwrap_or(u64::MAX);
        Sleep { world: self.clone(), until: self.millis().saturating_add(length), key: None }
    }

    /// Runs a task beside the connections, such as one that talks through an upgraded connection. All of them are to
    /// end when the connections have ended.
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        guard(&self.0.spawned).push(Box::pin(task));
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.0.clock
    }

    pub(crate) fn millis(&self) -> u64 {
        self.0.clock.now()
    }

    pub(crate) fn take_spawned(&self) -> Vec<Task> {
        std::mem::take(&mut *guard(&self.0.spawned))
    }

    /// Has `waker` woken at `at`; returns the key to cancel it with.
    pub(crate) fn wake_at(&self, at: u64, waker: &Waker) -> (u64, u64) {
        // Before the lock: a part of a handler may have a waker of its own.
        let waker = waker.clone();
        let mut timers = guard(&self.0.timers);
        timers.made += 1;
        let key = (at, timers.made);
        timers.wakers.insert(key, waker);
        key
    }

    fn cancel(&self, key: (u64, u64)) {
        let waker = guard(&self.0.timers).wakers.remove(&key);
        drop(waker);
    }

    /// When the next timer is due.
    pub(crate) fn next_timer(&self) -> Option<u64> {
        guard(&self.0.timers).wakers.first_key_value().map(|((at, _), _)| *at)
    }

    /// Wakes whoever is due.
    pub(crate) fn fire(&self) {
        let now = self.millis();
        loop {
            let mut timers = guard(&self.0.timers);
            let Some(entry) = timers.wakers.first_entry().filter(|entry| entry.key().0 <= now) else {
                return;
            };
            let waker = entry.remove();
            drop(timers);
            waker.wake();
        }
    }
}

pub(crate) fn guard<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("World").field("now", &self.now()).finish_non_exhaustive()
    }
}

/// Resolves at a time of the [`World`].
///
/// A time-out, where a runtime would have its own:
///
/// ```
/// use std::future::{Future, poll_fn};
/// use std::pin::pin;
/// use std::task::Poll;
///
/// use httpfsm_sim::Sleep;
///
/// async fn within<T>(sleep: Sleep, work: impl Future<Output = T>) -> Option<T> {
///     let (mut sleep, mut work) = (pin!(sleep), pin!(work));
///     poll_fn(|cx| match work.as_mut().poll(cx) {
///         Poll::Ready(done) => Poll::Ready(Some(done)),
///         Poll::Pending => sleep.as_mut().poll(cx).map(|()| None),
///     })
///     .await
/// }
/// // In a handler: `within(world.sleep(Duration::from_secs(5)), query()).await`
/// # use httpfsm_sim::{Ask, Simulation, World};
/// # let make = |world: &World| {
/// #     let world = world.clone();
/// #     move |_: httpfsm::Request| {
/// #         let sleep = world.sleep(std::time::Duration::from_secs(5));
/// #         async move { if within(sleep, std::future::pending::<()>()).await.is_none() { "late" } else { "done" } }
/// #     }
/// # };
/// # let traffic = |_: &mut _| Ask::get("/").check(|it| if it.body == b"late" { Ok(()) } else { Err("done".into()) });
/// # let simulation = Simulation::new(httpfsm::ServerConfig::default(), make);
/// # simulation.traffic(traffic).faults([]).connections(4).run().unwrap();
/// ```
#[must_use = "futures do nothing unless polled"]
#[derive(Debug)]
pub struct Sleep {
    world: World,
    until: u64,
    key: Option<(u64, u64)>,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(key) = self.key.take() {
            self.world.cancel(key);
        }
        if self.world.millis() >= self.until {
            return Poll::Ready(());
        }
        self.key = Some(self.world.wake_at(self.until, cx.waker()));
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(key) = self.key.take() {
            self.world.cancel(key);
        }
    }
}
