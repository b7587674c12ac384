//! A server on tokio whose listener has a layer.

use std::io;
use std::net::Ipv4Addr;

use httpfsm::config::Bodies;
use httpfsm::handler::{BodyFailure, Request, Response};
use httpfsm::{Fields, ServerConfig, Status};
use httpfsm_tokio::{Listener, Server, SocketOptions};
use httpfsm_transport_kit::ToyLayer;
use tokio::runtime;

use crate::load::CONTENT;

/// What stands for this server where a transport is named.
pub const TRANSPORT: &str = "tokio-layered";
/// The first argument of a process that serves; the second is the number of threads.
pub(crate) const SERVE: &str = "serve-layered";

/// On how many threads this process is to [serve], if it is to.
#[must_use]
pub fn threads_asked() -> Option<usize> {
    let mut arguments = std::env::args().skip(1);
    arguments.next().filter(|word| word == SERVE).and_then(|_| arguments.next()?.parse().ok())
}

/// Serves `/plaintext`, `/upload` and `/bytes/N` through the layer of the transport kit, on so many threads and on a port
/// that the system chooses, which the first line says. It never returns but for an error: its process is killed.
///
/// The runtime and the configuration are those of the program `httpfsm`.
///
/// # Errors
/// The system has no socket, thread or descriptor for it.
#[expect(clippy::print_stdout, reason = "whoever started it reads the address")]
pub fn serve(threads: usize) -> io::Result<()> {
    let mut builder = match threads {
        1 => runtime::Builder::new_current_thread(),
        _ => runtime::Builder::new_multi_thread(),
    };
    let runtime = builder.worker_threads(threads).enable_io().build()?;
    runtime.block_on(async {
        let listener = Listener::tcp((Ipv4Addr::LOCALHOST, 0).into(), &SocketOptions::default())?;
        let mut config = ServerConfig::default();
        config.channel.bodies = Some(Bodies::Streamed);
        let server =
            Server::new(config).listener(listener.layer(|_| Ok(ToyLayer::server()))).serve(respond)?;
        for address in server.local_addrs() {
            println!("listening on http://{address}");
        }
        server.gone().await;
        Ok(())
    })
}

async fn respond(request: Request) -> Result<Response, BodyFailure> {
    if (request.method(), request.target()) != ("GET", "/plaintext") {
        return httpfsm_transport_kit::respond(request).await;
    }
    let mut response = Response::new(Status::OK);
    response.fields = Fields::new().with("Content-Type", "text/plain").unwrap_or_default();
    Ok(response.with_body(CONTENT))
}
