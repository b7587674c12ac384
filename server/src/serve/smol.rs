//! `--transport smol`.

use std::error::Error;
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::thread;

use httpfsm::handler::Handler;
use httpfsm_async_std::Futures;
use httpfsm_transport::ServerHandle;
use smol::Executor;

use super::{Plan, start};

/// smol's own executor takes the number of its threads from the environment alone.
static EXECUTOR: Executor<'static> = Executor::new();

pub(super) fn spawn(future: Pin<Box<dyn Future<Output = ()> + Send>>) {
    EXECUTOR.spawn(future).detach();
}

pub(super) fn run(handler: impl Handler, plan: Plan) -> Result<(), Box<dyn Error>> {
    let threads = plan.threads.map_or_else(thread::available_parallelism, Ok).map_or(1, NonZeroUsize::get);
    let server = start(Futures(&EXECUTOR), handler, plan)?;
    for _ in 1..threads {
        let server = server.clone();
        thread::Builder::new().name("httpfsm-worker".to_owned()).spawn(move || work(&server))?;
    }
    work(&server);
    Ok(())
}

/// Runs tasks until the server is gone. One that panics is over; its thread goes on with the others.
fn work(server: &ServerHandle) {
    let work = || smol::block_on(EXECUTOR.run(server.gone()));
    while catch_unwind(AssertUnwindSafe(work)).is_err() {}
}
