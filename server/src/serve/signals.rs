//! The signals that end the program, the one that switches its recordings, and those that mean nothing.

use std::io;
use std::process;
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

use httpfsm_transport::ServerHandle;
use signal_hook::consts::{
    SIGALRM, SIGHUP, SIGINT, SIGIO, SIGPROF, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGVTALRM, SIGXFSZ,
};
use signal_hook::iterator::Signals as Caught;
use signal_hook::low_level::signal_name;

use super::recording::Recordings;
use crate::log::{flush, note};

/// Those that would end the program with no response finished, if nobody caught them; the real-time signals, which nobody
/// sends by mistake, are left to the system. What exceeds the limit of a file's size (SIGXFSZ) is an error of the write as
/// well.
const CAUGHT: [i32; 11] =
    [SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1, SIGUSR2, SIGXFSZ, SIGALRM, SIGVTALRM, SIGPROF, SIGIO];

/// How long the second signal waits for whoever reads the standard error stream.
const LAST_WORDS: Duration = Duration::from_millis(100);

/// What the signals are about, once it serves.
struct Serving {
    server: ServerHandle,
    recordings: Option<Recordings>,
}

/// The signals of the program, caught.
pub(super) struct Signals(Arc<OnceLock<Serving>>);

impl Signals {
    /// Catches them from here on, on a thread of its own. Those that end the program end it at once until it serves.
    pub(super) fn catch() -> io::Result<Self> {
        let serving = Arc::<OnceLock<Serving>>::default();
        let (mut caught, known) = (Caught::new(CAUGHT)?, Arc::clone(&serving));
        let wait = move || {
            let mut draining = false;
            for signal in caught.forever() {
                let name = signal_name(signal).unwrap_or("a signal");
                match (signal, known.get()) {
                    (SIGTERM | SIGINT | SIGQUIT, Some(Serving { server, .. })) if !draining => {
                        draining = true;
                        // The line is put into the queue of the log, which waits for nobody; behind the drain the program
                        // could have ended without it.
                        note(format_args!("{name}: draining; a second signal quits at once"));
                        drop(server.drain(None));
                    }
                    (SIGTERM | SIGINT | SIGQUIT, _) => {
                        note(format_args!("{name}: quitting"));
                        flush(LAST_WORDS);
                        process::exit(128 + signal);
                    }
                    (SIGUSR1, Some(Serving { recordings: Some(recordings), .. })) => {
                        let switched = recordings.switch();
                        note(format_args!("{name}: {switched}"));
                    }
                    (SIGXFSZ, _) => {}
                    _ => note(format_args!("{name} is ignored.")),
                }
            }
        };
        thread::Builder::new().name("httpfsm-signals".to_owned()).stack_size(128 << 10).spawn(wait)?;
        Ok(Self(serving))
    }

    /// From here on the first signal that ends the program drains the server, and the second ends the program. SIGUSR1
    /// switches recordings on and off, where there are any.
    pub(super) fn obey(&self, server: ServerHandle, recordings: Option<Recordings>) {
        // It is said once.
        let _ = self.0.set(Serving { server, recordings });
    }
}
