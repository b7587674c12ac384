//! A server on tokio whose listener has a layer: that of the transport kit, or TLS.

use std::io;
use std::net::Ipv4Addr;

use httpfsm::config::Bodies;
use httpfsm::handler::{BodyFailure, Request, Response};
use httpfsm::{Fields, ServerConfig, Status};
use httpfsm_rustls::{Pem, Tls, TlsListener};
use httpfsm_tokio::{Listener, Server, SocketOptions};
use httpfsm_transport_kit::ToyLayer;
use tokio::runtime;

use crate::load::CONTENT;

/// What is below HTTP.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Below {
    /// The socket.
    Nothing,
    /// The layer of the transport kit, which masks each byte.
    Toy,
    /// TLS, with a certificate that is made for the process.
    Tls,
}

impl Below {
    /// That of the server that is named so where a transport is named.
    #[must_use]
    pub fn of(transport: &str) -> Self {
        match transport {
            "tokio-layered" => Self::Toy,
            "tokio-tls" => Self::Tls,
            _ => Self::Nothing,
        }
    }

    /// The first argument of a process that serves; the second is the number of threads.
    #[must_use]
    pub const fn serve(self) -> Option<&'static str> {
        match self {
            Self::Nothing => None,
            Self::Toy => Some("serve-layered"),
            Self::Tls => Some("serve-tls"),
        }
    }
}

/// Over what, and on how many threads, this process is to [serve], if it is to.
#[must_use]
pub fn asked() -> Option<(Below, usize)> {
    let mut arguments = std::env::args().skip(1);
    let word = arguments.next()?;
    let below = [Below::Toy, Below::Tls].into_iter().find(|below| below.serve() == Some(&word))?;
    Some((below, arguments.next()?.parse().ok()?))
}

/// Serves `/plaintext`, `/upload` and `/bytes/N` through this layer, on so many threads and on a port that the system
/// chooses, which the first line says. It ends at SIGTERM, when its connections have ended.
///
/// The runtime and the configuration are those of the program `httpfsm`.
///
/// # Errors
/// The system has no socket, thread or descriptor for it.
#[expect(clippy::print_stdout, reason = "whoever started it reads the address")]
pub fn serve((below, threads): (Below, usize)) -> io::Result<()> {
    let mut builder = match threads {
        1 => runtime::Builder::new_current_thread(),
        _ => runtime::Builder::new_multi_thread(),
    };
    let runtime = builder.worker_threads(threads).enable_io().build()?;
    runtime.block_on(async {
        let listener = Listener::tcp((Ipv4Addr::LOCALHOST, 0).into(), &SocketOptions::default())?;
        let listener = match below {
            Below::Nothing => listener,
            Below::Toy => listener.layer(|_| Ok(ToyLayer::server())),
            Below::Tls => listener.tls(&certificate()?),
        };
        let mut config = ServerConfig::default();
        config.channel.bodies = Some(Bodies::Streamed);
        let server = Server::new(config).listener(listener).serve(respond)?;
        for address in server.local_addrs() {
            println!("listening on http://{address}");
        }
        let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
        server.with_graceful_shutdown(async { _ = terminate.recv().await }).await;
        Ok(())
    })
}

fn certificate() -> io::Result<Tls> {
    let made = rcgen::generate_simple_self_signed(["localhost".into()]).map_err(io::Error::other)?;
    let (certificate, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    Ok(Tls::from_pem(Pem::bytes(certificate), Pem::bytes(key))?)
}

async fn respond(request: Request) -> Result<Response, BodyFailure> {
    if (request.method(), request.target()) != ("GET", "/plaintext") {
        return httpfsm_transport_kit::respond(request).await;
    }
    let mut response = Response::new(Status::OK);
    response.fields = Fields::new().with("Content-Type", "text/plain").unwrap_or_default();
    Ok(response.with_body(CONTENT))
}
