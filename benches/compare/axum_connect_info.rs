//! As `axum_router.rs`, but each request has its `ConnectInfo`, as behind `httpfsm_http::service`.

mod second_thread;

use std::net::SocketAddr;

use axum::Router;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

fn main() -> std::io::Result<()> {
    second_thread::begin();
    let app = Router::new().route("/plaintext", get(|| async { "Hello, World!" }));
    let service = app.into_make_service_with_connect_info::<SocketAddr>();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate())?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        println!("listening on http://{}", listener.local_addr()?);
        axum::serve(listener, service).with_graceful_shutdown(async move { _ = terminate.recv().await }).await
    })
}
