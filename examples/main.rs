//! Runs the application of `everything.rs` on a transport: see [`main`], where choosing one is one line.

mod everything;

use std::io::{self, Write};
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::thread;

use clap::{Parser, ValueEnum};
use httpfsm::ServerConfig;
use httpfsm::config::Bodies;
use httpfsm_async_std::smol::Smol;
use httpfsm_async_std::{AsyncStd, BlockingPool as FuturesPool};
use httpfsm_blocking::Blocking;
use httpfsm_tokio::{BlockingPool as TokioPool, Tokio};
use httpfsm_transport::{Inline, Server, ServerHandle, Spawner, Transport as Moves, block_on};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::everything::{Spawn, Task, application};

/// Serves one application, on the transport of your choice
#[derive(Parser)]
struct Arguments {
    /// What moves the octets
    #[arg(long, value_enum, default_value_t = Transport::Tokio)]
    transport: Transport,
    /// Where to listen, on this machine alone; 0 lets the system choose
    #[arg(long, default_value_t = 8080)]
    port: u16,
}

#[derive(Clone, Copy, ValueEnum)]
enum Transport {
    Tokio,
    AsyncStd,
    Smol,
    Blocking,
}

/// On each transport: what moves the octets, where blocking work is done, and how a future is run in the background.
fn main() -> io::Result<()> {
    let Arguments { transport, port } = Arguments::parse();
    match transport {
        Transport::Tokio => Runtime::new()?.block_on(serve(Tokio::default(), TokioPool, on_tokio, port)),
        Transport::AsyncStd => block_on(serve(AsyncStd::default(), FuturesPool, on_async_std, port)),
        Transport::Smol => block_on(serve(Smol::default(), FuturesPool, on_smol, port)),
        // Its workers may block, so blocking work is done where it is asked for.
        Transport::Blocking => block_on(serve(Blocking::default(), Inline, on_blocking, port)),
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

/// Serves until a signal ends it.
async fn serve(transport: impl Moves, spawner: impl Spawner, spawn: Spawn, port: u16) -> io::Result<()> {
    let mut config = ServerConfig::default();
    // On every transport, so that an upload is hashed while it arrives.
    config.channel.bodies = Some(Bodies::Streamed);
    // Removed with all uploads when it is dropped.
    let folder = TempDir::with_prefix("httpfsm-everything-")?;
    let server = Server::on(transport, config)
        .listen_tcp((Ipv4Addr::LOCALHOST, port).into())
        .serve(application(Arc::new(spawner), spawn, folder.path().to_owned()))?;
    drain_at_a_signal(server.clone())?;
    announce(&server)?;
    server.gone().await;
    Ok(())
}

/// Answers what is under way, and takes no more.
fn drain_at_a_signal(server: ServerHandle) -> io::Result<()> {
    let mut signals = Signals::new([SIGTERM, SIGINT])?;
    thread::spawn(move || {
        if signals.forever().next().is_some() {
            drop(server.drain(None));
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
