//! The rival of `count http`: the same `Router`, on one thread, under axum's own `serve`. It says its address and ends at
//! SIGTERM, so that `count` can start it in place of a server: `count tokio --server target/release/on-axum-router`.

mod second_thread;

use axum::Router;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

fn main() -> std::io::Result<()> {
    second_thread::begin();
    let app = Router::new().route("/plaintext", get(|| async { "Hello, World!" }));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate())?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        println!("listening on http://{}", listener.local_addr()?);
        axum::serve(listener, app).with_graceful_shutdown(async move { _ = terminate.recv().await }).await
    })
}
