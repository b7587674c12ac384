//! `--transport blocking`.

use std::error::Error;
use std::pin::Pin;

use httpfsm::handler::Handler;
use httpfsm_blocking::{Blocking, block_on};

use super::{ServeSetup, Started, start};

pub(super) fn spawn(future: Pin<Box<dyn Future<Output = ()> + Send>>) {
    // Applications call this only from handlers of the server.
    let _ = httpfsm_blocking::spawn(future);
}

pub(super) fn run(handler: impl Handler, setup: ServeSetup) -> Result<(), Box<dyn Error>> {
    let transport = Blocking::default();
    let transport = setup.threads.map_or(transport, |threads| transport.workers(threads.get()));
    let Started { server, announced } = start(transport, handler, setup)?;
    // The server does not wait for functions that still run after the last connection.
    block_on(server.gone());
    Ok(announced?)
}
