//! What the process holds and takes. Linux tells; elsewhere it is nothing.

use std::fmt;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::thread;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct HeldResources {
    pub(crate) threads: usize,
    pub(crate) descriptors: usize,
}

impl HeldResources {
    pub(crate) fn now() -> Self {
        let count = |folder| fs::read_dir(folder).map_or(0, Iterator::count);
        Self { threads: count("/proc/self/task"), descriptors: count("/proc/self/fd") }
    }

    /// Whether the system tells.
    pub(crate) fn is_told() -> bool {
        fs::exists("/proc/self/task").unwrap_or(false)
    }

    /// What the process holds after it has been left alone for a second; where it goes on to move, what it holds after
    /// half a minute.
    pub(crate) fn settled() -> Self {
        let began = Instant::now();
        let (mut last, mut since) = (Self::now(), began);
        while since.elapsed() < Duration::from_secs(1) && began.elapsed() < Duration::from_secs(30) {
            thread::sleep(Duration::from_millis(20));
            let now = Self::now();
            if now != last {
                (last, since) = (now, Instant::now());
            }
        }
        last
    }

    fn is_within(self, other: Self) -> bool {
        self.threads <= other.threads && self.descriptors <= other.descriptors
    }

    /// Waits until the process holds no more than this; what it holds otherwise.
    pub(crate) fn wait(self, patience: Duration) -> Result<(), Self> {
        let began = Instant::now();
        loop {
            let now = Self::now();
            if now.is_within(self) {
                return Ok(());
            }
            if began.elapsed() > patience {
                return Err(now);
            }
            thread::sleep(Duration::from_millis(10));
        }
    }
}

/// What the system tells of each thread but this one, opened while there are descriptors.
pub(crate) struct Others(Vec<File>);

/// For how long threads are looked at.
const WINDOW: Duration = Duration::from_millis(500);
/// How often in that time.
const LOOKS: u32 = 20;

/// The least that threads took of any window.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Restless {
    took: Duration,
    running: u32,
}

impl fmt::Display for Restless {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { took, running } = self;
        write!(f, "{took:?} or more of {WINDOW:?}; a thread runs at {running} of {LOOKS} looks")
    }
}

impl Others {
    pub(crate) fn now() -> io::Result<Self> {
        let this = fs::read_link("/proc/thread-self")?;
        let threads = fs::read_dir("/proc/self/task")?.flatten();
        let others = threads.filter(|thread| Some(thread.file_name().as_os_str()) != this.file_name());
        Ok(Self(others.filter_map(|thread| File::open(thread.path().join("stat")).ok()).collect()))
    }

    /// Waits until the threads rest for half a second: one such is enough, since whoever spins has none. A spin takes all
    /// of it. On a machine that has much else to do it may get next to nothing, but it always wants to run.
    pub(crate) fn rest(&self, patience: Duration) -> Result<(), Restless> {
        let began = Instant::now();
        let mut least: Option<Restless> = None;
        loop {
            let (before, mut running) = (processor_time(), 0);
            for _ in 0..LOOKS {
                thread::sleep(WINDOW / LOOKS);
                running += u32::from(self.is_one_running());
            }
            let took = processor_time().saturating_sub(before);
            if took <= WINDOW / 20 && running <= LOOKS / 2 {
                return Ok(());
            }
            let least = least.get_or_insert(Restless { took, running });
            least.took = least.took.min(took);
            least.running = least.running.min(running);
            if began.elapsed() > patience.max(3 * WINDOW) {
                return Err(*least);
            }
        }
    }

    fn is_one_running(&self) -> bool {
        self.0.iter().any(|stat| {
            let mut bytes = [0; 512];
            // A thread that has ended has no state.
            let length = stat.read_at(&mut bytes, 0).unwrap_or(0);
            // The name of the thread may contain blanks; behind it comes its state.
            let stat = String::from_utf8_lossy(&bytes[..length]);
            stat.rsplit_once(") ").is_some_and(|(_, fields)| fields.starts_with('R'))
        })
    }
}

/// What the process has taken of processors.
fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.try_into().unwrap_or(0), time.tv_nsec.try_into().unwrap_or(0))
}
