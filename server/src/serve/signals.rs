//! The signals that end the program, those that switch its recordings and have its certificates read again, and those
//! that mean nothing.

use std::io;
use std::pin::pin;
use std::process;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, TryLockError};
use std::task::{Context, Waker};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use httpfsm_transport::{Listener, ServerHandle, SocketPath};
use rustix::process::Signal;
use signal_hook::consts::{
    SIGALRM, SIGHUP, SIGINT, SIGIO, SIGPROF, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGVTALRM, SIGXCPU, SIGXFSZ,
};
use signal_hook::iterator::Signals as Caught;
use signal_hook::low_level::signal_name;

use super::recording::Recordings;
use super::tls::Reload;
use crate::log::{CutConnections, flush, note};

/// The signals that would end the program in the middle of its responses. Not among them are SIGKILL, which cannot be
/// caught, signals of faults of the program, such as SIGSEGV, and the real-time signals, which nobody sends by mistake.
/// SIGXFSZ is ignored, as the write that exceeds the limit of a file's size fails as well.
const CAUGHT: [i32; 14] = [
    SIGTERM, SIGINT, SIGQUIT, SIGXCPU, SIGHUP, SIGUSR1, SIGUSR2, SIGXFSZ, SIGALRM, SIGVTALRM, SIGPROF, SIGIO,
    SIGPWR, SIGSTKFLT,
];

// Not among the constants of signal-hook.
const SIGPWR: i32 = Signal::POWER.as_raw();
const SIGSTKFLT: i32 = Signal::STKFLT.as_raw();

/// How long the second signal waits for the reader of the standard error stream.
const FLUSH_LIMIT: Duration = Duration::from_millis(100);

/// How long it waits for a Unix socket that is being made: longer than a start waits for a lock of the socket's folder.
const SOCKET_LIMIT: Duration = Duration::from_secs(3);

/// A second signal within this time counts as the first: `timeout` and shells send one to the program and to its group.
const BURST: Duration = Duration::from_millis(250);

/// How much longer than its deadline a drain may take before the program ends without it.
pub(super) const GRACE: Duration = Duration::from_secs(5);
/// The exit status after a stuck drain.
const STUCK: i32 = 3;
/// The time between two checks for a stuck drain and a second signal.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// The running server.
pub(super) struct Serving {
    pub(super) server: ServerHandle,
    /// How long a drain may take.
    pub(super) limit: Option<Duration>,
    pub(super) cut: CutConnections,
}

impl Serving {
    /// Whether the drain that began at this time takes too long.
    fn is_stuck(&self, began: Instant) -> bool {
        let gone = || pin!(self.server.gone()).poll(&mut Context::from_waker(Waker::noop())).is_ready();
        self.limit.is_some_and(|limit| began.elapsed() > limit) && !gone()
    }
}

/// A drain that a signal has begun.
struct RunningDrain {
    began: Instant,
    /// The flush of the recordings, as the disk may be what is stuck.
    last_recordings: Option<BackgroundWork>,
}

/// Work on a thread of its own; by default none.
#[derive(Default)]
struct BackgroundWork(Option<JoinHandle<()>>);

impl BackgroundWork {
    /// Starts the work; without a thread, does it at once, and a second signal is then heard after it.
    fn begin(work: impl Fn() + Clone + Send + 'static) -> Self {
        let thread = thread::Builder::new().name("httpfsm-flush".to_owned()).stack_size(128 << 10);
        let begun = thread.spawn(work.clone());
        if begun.is_err() {
            work();
        }
        Self(begun.ok())
    }

    fn is_over(&self) -> bool {
        self.0.as_ref().is_none_or(JoinHandle::is_finished)
    }
}

#[derive(Default)]
struct SignalState {
    /// The program serves, or is about to: the first signal drains it.
    listens: AtomicBool,
    /// The paths of the Unix sockets, which are removed when the program ends.
    paths: Mutex<Vec<SocketPath>>,
    /// The program ends at once, so no further socket is made.
    quits: AtomicBool,
    /// SIGUSR1 switches them on and off.
    recordings: OnceLock<Recordings>,
    /// SIGHUP has them read again.
    certificates: OnceLock<Reload>,
    serving: OnceLock<Serving>,
    /// The server must drain, even if it has not started yet.
    must_drain: AtomicBool,
}

impl SignalState {
    fn take(&self, signal: i32, drain: &mut Option<RunningDrain>) {
        let name = name(signal);
        match signal {
            // The system repeats SIGXCPU each second: that is no second signal.
            SIGXCPU if drain.is_some() => {}
            SIGTERM | SIGINT | SIGQUIT | SIGXCPU => match drain {
                None if self.listens.load(SeqCst) => {
                    *drain = Some(RunningDrain { began: Instant::now(), last_recordings: None });
                    // The line is queued before the drain begins, as the program could end before a later line is
                    // written.
                    note(format_args!("{name}: draining; a second signal quits at once"));
                    self.must_drain.store(true, SeqCst);
                    self.drain();
                }
                Some(RunningDrain { began, .. }) if began.elapsed() < BURST => {}
                _ => {
                    note(format_args!("{name}: quitting"));
                    self.exit(128 + signal);
                }
            },
            SIGUSR1 => match self.recordings.get() {
                Some(recordings) => {
                    let switched = recordings.switch();
                    note(format_args!("{name}: {switched}"));
                }
                None => note(format_args!("{name} is ignored.")),
            },
            SIGHUP => match self.certificates.get() {
                Some(certificates) => certificates.begin(name),
                None => note(format_args!("{name} is ignored.")),
            },
            SIGXFSZ => {}
            _ => note(format_args!("{name} is ignored.")),
        }
    }

    /// Ends the program when the drain is stuck: a handler or a file may block its thread for ever. It never blocks, so
    /// that a second signal is still handled.
    fn end_a_stuck_drain(&self, drain: &mut RunningDrain) {
        let Some(serving) = self.serving.get() else { return };
        if drain.last_recordings.is_none() {
            if !serving.is_stuck(drain.began) {
                return;
            }
            note(format_args!(
                "something does not return {GRACE:?} after the drain deadline; it is left behind"
            ));
        }
        let flush = || match self.recordings.get().cloned() {
            Some(recordings) => BackgroundWork::begin(move || recordings.flush()),
            None => BackgroundWork::default(),
        };
        if drain.last_recordings.get_or_insert_with(flush).is_over() {
            serving.cut.report();
            self.exit(STUCK);
        }
    }

    /// Writes the log, removes the sockets and ends the program. It waits for a socket that is being created, but not
    /// longer than [`SOCKET_LIMIT`].
    fn exit(&self, status: i32) -> ! {
        self.quits.store(true, SeqCst);
        flush(FLUSH_LIMIT);
        let until = Instant::now() + SOCKET_LIMIT;
        // The lock is never released, so that no other socket is created.
        let paths = loop {
            match self.paths.try_lock() {
                Err(TryLockError::WouldBlock) if Instant::now() < until => thread::sleep(POLL_INTERVAL),
                Err(TryLockError::WouldBlock) => break None,
                Ok(paths) => break Some(paths),
                Err(TryLockError::Poisoned(paths)) => break Some(paths.into_inner()),
            }
        };
        paths.iter().flat_map(|paths| paths.iter()).for_each(SocketPath::remove);
        process::exit(status)
    }

    fn drain(&self) {
        if let (true, Some(Serving { server, .. })) = (self.must_drain.load(SeqCst), self.serving.get()) {
            server.begin_drain(None);
        }
    }
}

fn name(signal: i32) -> &'static str {
    match signal {
        SIGPWR => "SIGPWR",
        SIGSTKFLT => "SIGSTKFLT",
        _ => signal_name(signal).unwrap_or("a signal"),
    }
}

/// The signals of the program, caught.
pub(super) struct Signals(Arc<SignalState>);

impl Signals {
    /// Catches the signals from here on, on a thread of its own. Until the program serves, a signal that ends it does
    /// so at once.
    pub(super) fn catch() -> io::Result<Self> {
        let shared = Arc::<SignalState>::default();
        let (mut caught, state) = (Caught::new(CAUGHT)?, Arc::clone(&shared));
        let wait = move || {
            let mut drain: Option<RunningDrain> = None;
            loop {
                let signals = match &mut drain {
                    None => caught.wait(),
                    Some(drain) => {
                        state.end_a_stuck_drain(drain);
                        thread::sleep(POLL_INTERVAL);
                        caught.pending()
                    }
                };
                signals.for_each(|signal| state.take(signal, &mut drain));
            }
        };
        let thread = thread::Builder::new().name("httpfsm-signals".to_owned()).stack_size(128 << 10);
        thread.spawn(wait).map_err(|error| super::unstarted("thread that waits for signals", &error))?;
        Ok(Self(shared))
    }

    /// Lets SIGUSR1 switch these on and off.
    pub(super) fn switch(&self, recordings: Recordings) {
        // This is called once.
        let _ = self.0.recordings.set(recordings);
    }

    /// Lets SIGHUP have these read again.
    pub(super) fn reload(&self, certificates: Reload) {
        // This is called once.
        let _ = self.0.certificates.set(certificates);
    }

    /// Makes a listener whose Unix socket is removed when the program ends.
    ///
    /// # Errors
    ///
    /// Those of `make`.
    pub(super) fn make(&self, make: impl FnOnce() -> io::Result<Listener>) -> io::Result<Listener> {
        // The lock is held until the path is stored: the end of the program waits for it.
        let mut paths = self.0.paths.lock().unwrap_or_else(PoisonError::into_inner);
        if self.0.quits.load(SeqCst) {
            drop(paths);
            loop {
                thread::park();
            }
        }
        let listener = make()?;
        paths.extend(listener.path());
        Ok(listener)
    }

    /// From here on the first signal that ends the program drains it, and the second ends it at once.
    pub(super) fn listen(&self) {
        self.0.listens.store(true, SeqCst);
    }

    /// Sets the server that signals drain.
    pub(super) fn obey(&self, serving: Serving) {
        // This is called once.
        let _ = self.0.serving.set(serving);
        self.0.drain();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
    use std::sync::{Arc, Mutex, mpsc};
    use std::thread;
    use std::time::{Duration, Instant};

    use super::BackgroundWork;

    /// Longer than a machine may be busy.
    const PATIENCE: Duration = Duration::from_secs(30);

    #[test]
    fn background_work_is_not_waited_for_and_is_over_when_it_is_done() {
        let (release, stuck) = mpsc::channel::<()>();
        let (stuck, is_written) = (Mutex::new(stuck), AtomicBool::new(false));
        let disk = Arc::new((stuck, is_written));
        let state = Arc::clone(&disk);
        let work = BackgroundWork::begin(move || {
            let _ = state.0.lock().map(|stuck| stuck.recv_timeout(PATIENCE));
            state.1.store(true, SeqCst);
        });
        assert!(!disk.1.load(SeqCst) && !work.is_over());
        drop(release);
        let started = Instant::now();
        while !work.is_over() {
            assert!(started.elapsed() < PATIENCE, "it does not end");
            thread::sleep(Duration::from_millis(1));
        }
        assert!(disk.1.load(SeqCst));
    }
}
