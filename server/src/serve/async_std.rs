//! `--transport async-std`.

use std::error::Error;
use std::pin::Pin;

use async_global_executor::GlobalExecutorConfig;
use httpfsm::handler::Handler;
use httpfsm_async_std::AsyncStd;
use httpfsm_transport::block_on;

use super::{Plan, start};

pub(super) fn spawn(future: Pin<Box<dyn Future<Output = ()> + Send>>) {
    async_std::task::spawn(future);
}

pub(super) fn run(handler: impl Handler, plan: Plan) -> Result<(), Box<dyn Error>> {
    if let Some(threads) = plan.threads {
        // async-std has no such setting but in its environment; this is the executor below it, and whoever asks
        // first decides.
        let config = GlobalExecutorConfig::default().with_min_threads(threads.get());
        async_global_executor::init_with_config(config.with_max_threads(threads.get()));
    }
    let server = start(AsyncStd, handler, plan)?;
    // Not with a `block_on` of the runtime, which would have this thread wait for the sockets of the others.
    block_on(server.gone());
    Ok(())
}
