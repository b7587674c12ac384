//! `--transport tokio`.

use std::error::Error;
use std::io;
use std::num::NonZeroUsize;
use std::pin::Pin;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use httpfsm::handler::Handler;
use httpfsm_tokio::Tokio;
use tokio::runtime::{self, Runtime};

use super::{ServeSetup, Started, start, unstarted};

/// How long a runtime may take to start, which usually takes milliseconds.
const BEGIN: Duration = Duration::from_secs(10);

pub(super) fn spawn(future: Pin<Box<dyn Future<Output = ()> + Send>>) {
    tokio::spawn(future);
}

pub(super) fn run(handler: impl Handler, setup: ServeSetup) -> Result<(), Box<dyn Error>> {
    let runtime = begin(setup.threads)?;
    let within = runtime.enter();
    let Started { server, announced } = start(Tokio::default(), handler, setup)?;
    drop(within);
    runtime.block_on(server.gone());
    // All connections are closed; the runtime does not wait for blocking work.
    runtime.shutdown_background();
    Ok(announced?)
}

/// How long a thread of the blocking pool waits for work.
const KEEP_ALIVE: Duration = Duration::from_secs(30);

/// Starts the runtime on another thread. When the system has too few threads, tokio panics, and the panic waits for
/// ever for the threads that have started.
fn begin(threads: Option<NonZeroUsize>) -> io::Result<Runtime> {
    let (built, runtimes) = mpsc::sync_channel(1);
    let build = move || {
        // After the time limit nobody receives this.
        let _ = built.send(runtime(threads));
    };
    let what = "threads of tokio";
    let begun = thread::Builder::new().name("httpfsm-begin".to_owned()).spawn(build);
    begun.map_err(|error| unstarted(what, &error))?;
    match runtimes.recv_timeout(BEGIN) {
        Ok(runtime) => runtime,
        Err(mpsc::RecvTimeoutError::Disconnected) => {
            Err(unstarted(what, &io::Error::other("tokio panicked")))
        }
        Err(mpsc::RecvTimeoutError::Timeout) => {
            Err(unstarted(what, &io::Error::other(format!("they have not begun within {BEGIN:?}"))))
        }
    }
}

fn runtime(threads: Option<NonZeroUsize>) -> io::Result<Runtime> {
    let mut builder = match threads {
        Some(NonZeroUsize::MIN) => runtime::Builder::new_current_thread(),
        _ => runtime::Builder::new_multi_thread(),
    };
    if let Some(threads) = threads {
        builder.worker_threads(threads.get());
    }
    // A download that takes 9 KiB/s or more reads its next piece within this time. It has a thread then, also while the
    // system gives none.
    builder.thread_keep_alive(KEEP_ALIVE);
    // No timer: the server keeps time by itself, and an armed timer of the runtime costs each wake-up.
    builder.enable_io().build()
}
