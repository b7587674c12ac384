//! Runs the application of `everything.rs` on a transport: see [`main`], where choosing one is one line.

mod everything;

use std::io::{self, Write};
use std::net::Ipv4Addr;
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use httpfsm::ServerConfig;
use httpfsm::config::Bodies;
use httpfsm_async_std::smol::Smol;
use httpfsm_async_std::{AsyncStd, BlockingPool as FuturesPool};
use httpfsm_blocking::{Blocking, Functions};
use httpfsm_tokio::{BlockingPool as TokioPool, Tokio};
use httpfsm_transport::{Server, ServerHandle, Spawner, Transport, block_on};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::everything::{EverythingOptions, SpawnFn, Task, application};

/// Serves one application, on the transport of your choice
#[derive(Parser)]
struct Arguments {
    /// What moves the bytes
    #[arg(long, value_enum, default_value_t = TransportName::Tokio)]
    transport: TransportName,
    /// Where to listen, on this machine alone; 0 lets the system choose
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// Send a 103 (Early Hints) before the page; some proxies, such as nginx 1.22, take it for the response
    #[arg(long)]
    early_hints: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum TransportName {
    Tokio,
    AsyncStd,
    Smol,
    Blocking,
}

/// On each transport: what moves the bytes, where blocking work is done, and how a future is run in the background.
fn main() -> io::Result<()> {
    let arguments = Arguments::parse();
    match arguments.transport {
        TransportName::Tokio => {
            Runtime::new()?.block_on(serve(Tokio::default(), TokioPool, on_tokio, &arguments))
        }
        TransportName::AsyncStd => {
            block_on(serve(AsyncStd::default(), FuturesPool, on_async_std, &arguments))
        }
        TransportName::Smol => block_on(serve(Smol::default(), FuturesPool, on_smol, &arguments)),
        TransportName::Blocking => block_on(serve(Blocking::default(), Functions, on_blocking, &arguments)),
    }
}

fn on_tokio(task: Task) {
    tokio::spawn(task);
}

fn on_async_std(task: Task) {
    async_std::task::spawn(task);
}

fn on_smol(task: Task) {
    smol::spawn(task).detach();
}

fn on_blocking(task: Task) {
    // It fails only where no handler calls it.
    let _ = httpfsm_blocking::spawn(task);
}

/// Serves until signals end it.
async fn serve(
    transport: impl Transport,
    spawner: impl Spawner,
    spawn: SpawnFn,
    arguments: &Arguments,
) -> io::Result<()> {
    let mut config = ServerConfig::default();
    // On every transport, so that an upload is hashed while it arrives.
    config.channel.bodies = Some(Bodies::Streamed);
    // Removed with all uploads when it is dropped.
    let folder = TempDir::with_prefix("httpfsm-everything-")?;
    let started = Arc::new(OnceLock::new());
    let options = EverythingOptions {
        server: Arc::clone(&started),
        spawner: Arc::new(spawner),
        spawn,
        folder: folder.path().to_owned(),
        early_hints: arguments.early_hints,
    };
    let server = Server::on(transport, config)
        .listen_tcp((Ipv4Addr::LOCALHOST, arguments.port).into())
        .serve(application(options))?;
    let _ = started.set(server.clone());
    obey_signals(server.clone())?;
    announce(&server)?;
    server.gone().await;
    Ok(())
}

/// At the first signal, completes the responses under way and accepts nothing more; at the second, drops what is left.
/// The program then ends by itself, so that its folder is removed.
fn obey_signals(server: ServerHandle) -> io::Result<()> {
    let mut signals = Signals::new([SIGTERM, SIGINT])?;
    thread::spawn(move || {
        for (signals, _) in signals.forever().enumerate() {
            server.begin_drain((signals > 0).then_some(Duration::ZERO));
        }
    });
    Ok(())
}

fn announce(server: &ServerHandle) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    for address in server.local_addrs() {
        writeln!(stdout, "listening on http://{address}")?;
    }
    stdout.flush()
}
