//! `--transport tokio`.

use std::error::Error;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::pin::Pin;
use std::{panic, process};

use httpfsm::handler::Handler;
use httpfsm_tokio::{Listener, Server, ServerHandle, SocketOptions, note_panic};
use tokio::runtime::{self, Runtime};
use tokio::signal::unix::{self, SignalKind};

use super::{Plan, addresses, announce, note};
use crate::log::Log;

pub(super) fn spawn(future: Pin<Box<dyn Future<Output = ()> + Send>>) {
    tokio::spawn(future);
}

pub(super) fn run(handler: impl Handler, plan: Plan) -> Result<(), Box<dyn Error>> {
    let runtime = runtime(plan.threads)?;
    let served = runtime.block_on(serve(handler, plan));
    // All connections are gone; blocking work that nobody waits for is not waited for.
    runtime.shutdown_background();
    served
}

fn runtime(threads: Option<NonZeroUsize>) -> io::Result<Runtime> {
    let mut builder = match threads {
        Some(NonZeroUsize::MIN) => runtime::Builder::new_current_thread(),
        _ => runtime::Builder::new_multi_thread(),
    };
    if let Some(threads) = threads {
        builder.worker_threads(threads.get());
    }
    builder.enable_all().build()
}

async fn serve(handler: impl Handler, plan: Plan) -> Result<(), Box<dyn Error>> {
    // Before the first line is printed: whoever reads it may send a signal at once.
    let mut signals = Signals::new()?;
    let handle = start(handler, plan).await?;
    for address in handle.local_addrs() {
        announce(address)?;
    }
    let first = signals.next().await;
    note(format_args!("{first}: draining; a second signal quits at once"));
    tokio::select! {
        () = handle.drain(None) => Ok(()),
        second = signals.next() => {
            note(format_args!("{second}: quitting"));
            process::exit(128 + second.number())
        }
    }
}

async fn start(handler: impl Handler, plan: Plan) -> Result<ServerHandle, Box<dyn Error>> {
    if plan.config.channel.expose_tracebacks {
        let print = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            note_panic(info);
            print(info);
        }));
    }
    let mut listeners = Vec::new();
    let options = SocketOptions::default();
    if plan.tcp {
        listeners.extend(listen(&addresses(&plan.config)?, &options)?);
    }
    for path in &plan.unix {
        let listener = Listener::unix(path, &options);
        listeners.push(listener.map_err(|error| format!("cannot listen on {}: {error}", path.display()))?);
    }
    let server = listeners.into_iter().fold(Server::new(plan.config).options(options), Server::listener);
    let server = if plan.log { server.subscriber(Log) } else { server };
    let handle = server.serve(handler).await?;
    let counted = handle.clone();
    plan.stats.connect(move || counted.stats());
    Ok(handle)
}

/// Listens on each address of a host. One of several may be missing, as `::1` of `localhost` where there is no IPv6.
fn listen(addresses: &[SocketAddr], options: &SocketOptions) -> Result<Vec<Listener>, Box<dyn Error>> {
    let mut listeners = Vec::new();
    let mut failures = Vec::new();
    for &address in addresses {
        match Listener::tcp(address, options) {
            Ok(listener) => listeners.push(listener),
            Err(error) => failures.push(format!("cannot listen on {address}: {error}")),
        }
    }
    if listeners.is_empty() {
        return Err(failures.join("; ").into());
    }
    failures.iter().for_each(|failure| note(format_args!("{failure}")));
    Ok(listeners)
}

/// The signals that end the program.
struct Signals {
    terminate: unix::Signal,
    interrupt: unix::Signal,
}

#[derive(Clone, Copy)]
enum Signal {
    Terminate,
    Interrupt,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: unix::signal(SignalKind::terminate())?,
            interrupt: unix::signal(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.terminate.recv() => Signal::Terminate,
            _ = self.interrupt.recv() => Signal::Interrupt,
        }
    }
}

impl Signal {
    fn number(self) -> i32 {
        match self {
            Self::Terminate => SignalKind::terminate().as_raw_value(),
            Self::Interrupt => SignalKind::interrupt().as_raw_value(),
        }
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Terminate => "SIGTERM",
            Self::Interrupt => "SIGINT",
        })
    }
}
