//! Serves the application of `app.rs` on a transport: `axum-example [tokio | smol | blocking] [ADDRESS]`.
#![forbid(unsafe_code)]

mod app;
mod chat;

use std::env;
use std::net::TcpListener;

use httpfsm::{Bodies, ServerConfig};
use httpfsm_http::service;
use tokio_util::sync::CancellationToken;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_env_filter(env::var("RUST_LOG").unwrap_or("warn".into()))
        .init();
    let mut words = env::args().skip(1);
    let transport = words.next().unwrap_or("tokio".into());
    let listener = TcpListener::bind(words.next().unwrap_or("127.0.0.1:8080".into()))?;
    let mut config = ServerConfig::hardened();
    // Handlers wait without a thread, so bodies come as they are sent, on threads as well.
    config.channel.bodies = Some(Bodies::Streamed);

    // The timeouts, the files and the chat of the application call tokio. On the other transports they call it beside.
    let runtime = tokio::runtime::Runtime::new()?;
    let _inside = runtime.enter();
    let ending = CancellationToken::new();
    let handler = service(app::router(&ending).with_state(())).in_tokio(runtime.handle().clone());
    let server = match &*transport {
        "tokio" => httpfsm_tokio::serve(listener, config, handler)?,
        "smol" => httpfsm_async_std::smol::serve(listener, config, handler)?,
        "blocking" => httpfsm_blocking::serve(listener, config, handler)?,
        _ => return Err("the transport is tokio, smol or blocking".into()),
    };
    println!("listening on {}", server.local_addrs()[0]);
    runtime.block_on(async {
        let _ = tokio::signal::ctrl_c().await;
        ending.cancel();
        server.begin_drain(None).gone().await;
    });
    Ok(())
}
