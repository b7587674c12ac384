//! The signals that end the program.

use std::io;
use std::process;
use std::thread;

use httpfsm_transport::ServerHandle;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level::signal_name;

use super::note;

/// Drains the server at the first signal, and ends the program at the second.
pub(super) fn end(server: ServerHandle) -> io::Result<()> {
    let mut signals = Signals::new([SIGTERM, SIGINT])?;
    let wait = move || {
        let mut draining = false;
        for signal in signals.forever() {
            let name = signal_name(signal).unwrap_or("a signal");
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
