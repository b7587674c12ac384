//! A spawner with few threads, and how a test waits for what they do.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use httpfsm_transport::{Held, NoThread, Spawner};

/// Longer than anything here takes: only a hang reaches it.
pub(crate) const HANG: Duration = Duration::from_secs(60);

type Work = Box<dyn FnOnce() + Send>;

/// Threads that end with the last that holds this.
#[derive(Clone)]
pub(crate) struct Few {
    give: mpsc::Sender<Work>,
    /// How many may still give their places up.
    places: Arc<AtomicUsize>,
}

impl Few {
    pub(crate) fn start(threads: usize) -> Self {
        Self::with_places(threads, 0)
    }

    /// So many threads may give their places up, once.
    pub(crate) fn with_places(threads: usize, places: usize) -> Self {
        let (give, work) = mpsc::channel::<Work>();
        let work = Arc::new(Mutex::new(work));
        for _ in 0..threads + places {
            let work = Arc::clone(&work);
            thread::spawn(move || {
                loop {
                    let next = work.lock().unwrap().recv();
                    let Ok(next) = next else { return };
                    next();
                }
            });
        }
        Self { give, places: Arc::new(AtomicUsize::new(places)) }
    }
}

impl Spawner for Few {
    fn spawn_blocking(&self, work: Work) -> Result<(), NoThread> {
        self.give.send(work).map_err(|_| NoThread)
    }

    fn is_scarce(&self) -> bool {
        true
    }

    fn give_place_up(&self) -> bool {
        let takes = |places: usize| places.checked_sub(1);
        self.places.fetch_update(Ordering::SeqCst, Ordering::SeqCst, takes).is_ok()
    }
}

/// Calls `look` until it says what is to be so. What it finds instead is told if it never is.
pub(crate) fn until(what: &str, mut look: impl FnMut() -> Result<(), Held>) {
    let began = Instant::now();
    while let Err(held) = look() {
        assert!(began.elapsed() < HANG, "{what}: {held:?}");
        thread::sleep(Duration::from_micros(200));
    }
}
