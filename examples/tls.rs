//! TLS on every transport: `cargo run -p httpfsm-examples --example tls -- tokio` (or `blocking`), then `curl
//! --insecure https://127.0.0.1:8443/`. The certificate is made at the start, and nobody has signed it. `curl
//! http://127.0.0.1:8080/` is told where the other is.

use std::error::Error;
use std::net::SocketAddr;

use httpfsm::config::ServerConfig;
use httpfsm::handler::{Request, Response};
use httpfsm_rustls::{ListenTls, Pem, Tls};
use httpfsm_transport::{Server, Transport, block_on};

/// A server that listens for connections with TLS, and for others.
fn listen<T: Transport>(server: Server<T>, tls: &Tls) -> Server<T> {
    let local = |port| SocketAddr::from(([127, 0, 0, 1], port));
    server.listen_tcp(local(8080)).listen_tls(local(8443), tls)
}

async fn hello(request: Request) -> Response {
    match request.security() {
        Some(security) => Response::text(format!("Hello over {}!\n", security.protocol)),
        None => Response::text("Hello, and see https://127.0.0.1:8443/.\n"),
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let made = rcgen::generate_simple_self_signed(["localhost".into(), "127.0.0.1".into()])?;
    let tls = Tls::from_pem(Pem::bytes(made.cert.pem()), Pem::bytes(made.signing_key.serialize_pem()))?;

    let config = ServerConfig::default();
    let runtime = tokio::runtime::Runtime::new()?;
    let _inside = runtime.enter();
    let server = match std::env::args().nth(1).as_deref() {
        Some("blocking") => listen(httpfsm_blocking::Server::new(config), &tls).serve(hello)?,
        _ => listen(httpfsm_tokio::Server::new(config), &tls).serve(hello)?,
    };
    // Until the process is ended.
    block_on(server.gone());
    Ok(())
}
