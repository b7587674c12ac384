//! `--transport tokio`.

use std::error::Error;
use std::io;
use std::num::NonZeroUsize;
use std::pin::Pin;

use httpfsm::handler::Handler;
use httpfsm_tokio::Tokio;
use tokio::runtime::{self, Runtime};

use super::{Plan, start};

pub(super) fn spawn(future: Pin<Box<dyn Future<Output = ()> + Send>>) {
    tokio::spawn(future);
}

pub(super) fn run(handler: impl Handler, plan: Plan) -> Result<(), Box<dyn Error>> {
    let runtime = runtime(plan.threads)?;
    let within = runtime.enter();
    let server = start(Tokio::default(), handler, plan)?;
    drop(within);
    runtime.block_on(server.gone());
    // All connections are gone; blocking work that nobody waits for is not waited for.
    runtime.shutdown_background();
    Ok(())
}

fn runtime(threads: Option<NonZeroUsize>) -> io::Result<Runtime> {
    let mut builder = match threads {
        Some(NonZeroUsize::MIN) => runtime::Builder::new_current_thread(),
        _ => runtime::Builder::new_multi_thread(),
    };
    if let Some(threads) = threads {
        builder.worker_threads(threads.get());
    }
    // No timer: the server keeps time by itself, and an armed timer of the runtime costs each wake-up.
    builder.enable_io().build()
}
