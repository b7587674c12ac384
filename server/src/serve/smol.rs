//! `--transport smol`.

use std::error::Error;
use std::num::NonZeroUsize;
use std::pin::Pin;
use std::thread;

use httpfsm::handler::Handler;
use httpfsm_async_std::smol::Smol;
use httpfsm_transport::block_on;

use super::{ServeSetup, Started, start};

pub(super) fn spawn(future: Pin<Box<dyn Future<Output = ()> + Send>>) {
    smol::spawn(future).detach();
}

pub(super) fn run(handler: impl Handler, setup: ServeSetup) -> Result<(), Box<dyn Error>> {
    let threads = setup.threads.map_or_else(thread::available_parallelism, Ok).map_or(1, NonZeroUsize::get);
    super::begin("thread of async-io", super::begin_async_io)?;
    let Started { server, announced } = start(Smol::default().workers(threads), handler, setup)?;
    // The runtime's `block_on` would make this thread wait for the sockets of the others.
    block_on(server.gone());
    Ok(announced?)
}
