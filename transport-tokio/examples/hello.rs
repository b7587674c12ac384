//! A server that says hello: `cargo run --release -p httpfsm-tokio --example hello -- 127.0.0.1:8080`.

use httpfsm::config::ServerConfig;
use httpfsm::handler::{Request, Response};
use httpfsm_tokio::Server;

async fn hello(_: Request) -> Response {
    Response::text("Hello, world!")
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".to_owned());
    let address = address.parse().map_err(std::io::Error::other)?;
    let server = Server::new(ServerConfig::default()).listen_tcp(address).serve(hello)?;
    server.gone().await;
    Ok(())
}
