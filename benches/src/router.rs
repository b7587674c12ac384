//! An axum `Router` with one route, on tokio.

use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::str;

use axum::Router;
use axum::routing::get;
use httpfsm::ServerConfig;
use httpfsm_http::service;
use tokio::signal::unix::{SignalKind, signal};

use crate::load::CONTENT;

const TEXT: &str = match str::from_utf8(CONTENT) {
    Ok(text) => text,
    Err(_) => panic!("the content is text"),
};

/// Serves it on a port that the system chooses, which the first line says, until SIGTERM.
///
/// # Errors
/// The system has no socket, thread or descriptor for it.
#[expect(clippy::print_stdout, reason = "whoever started it reads the address")]
pub fn serve() -> io::Result<()> {
    // As axum's own `serve` does, so that no handler is made a route at each request.
    let app = Router::new().route("/plaintext", get(|| async { TEXT })).with_state(());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate())?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let server = httpfsm_tokio::serve(listener, ServerConfig::default(), service(app))?;
        for address in server.local_addrs() {
            println!("listening on http://{address}");
        }
        server.with_graceful_shutdown(async { _ = terminate.recv().await }).await;
        Ok(())
    })
}
