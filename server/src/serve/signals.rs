//! The signals that end the program, and the one that switches its recordings.

use std::io;
use std::process;
use std::thread;

use httpfsm_transport::ServerHandle;
use signal_hook::consts::{SIGINT, SIGTERM, SIGUSR1};
use signal_hook::iterator::Signals;
use signal_hook::low_level::signal_name;

use super::recording::Recordings;
use crate::log::note;

/// Drains the server at the first signal, and ends the program at the second. SIGUSR1 switches recordings on and off,
/// where there are any; elsewhere it does what it does to every program.
pub(super) fn obey(server: ServerHandle, recordings: Option<Recordings>) -> io::Result<()> {
    let mut signals = Signals::new([SIGTERM, SIGINT])?;
    if recordings.is_some() {
        signals.add_signal(SIGUSR1)?;
    }
    let wait = move || {
        let mut draining = false;
        for signal in signals.forever() {
            let name = signal_name(signal).unwrap_or("a signal");
            if let (SIGUSR1, Some(recordings)) = (signal, &recordings) {
                note(format_args!("{name}: {}", recordings.switch()));
                continue;
            }
            if draining {
                note(format_args!("{name}: quitting"));
                process::exit(128 + signal);
            }
            draining = true;
            note(format_args!("{name}: draining; a second signal quits at once"));
            drop(server.drain(None));
        }
    };
    thread::Builder::new().name("httpfsm-signals".to_owned()).stack_size(128 << 10).spawn(wait)?;
    Ok(())
}
