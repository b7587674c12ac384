//! `--transport async-std`.

use std::error::Error;
use std::num::NonZeroUsize;
use std::pin::Pin;

use httpfsm::handler::Handler;
use httpfsm_async_std::AsyncStd;
use httpfsm_transport::block_on;

use super::{ServeSetup, Started, start};

pub(super) fn spawn(future: Pin<Box<dyn Future<Output = ()> + Send>>) {
    async_std::task::spawn(future);
}

pub(super) fn run(handler: impl Handler, setup: ServeSetup) -> Result<(), Box<dyn Error>> {
    let workers = setup.threads.map_or(0, NonZeroUsize::get);
    super::begin("threads of async-std", || {
        super::begin_async_io();
        if setup.threads.is_none() {
            drop(async_std::task::spawn(async {}));
        }
    })?;
    let Started { server, announced } = start(AsyncStd::default().workers(workers), handler, setup)?;
    // The runtime's `block_on` would make this thread wait for the sockets of the others.
    block_on(server.gone());
    Ok(announced?)
}
