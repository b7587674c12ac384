mod port;

use axum::Router;
use axum::body::Bytes;
use axum::http::{Method, Uri};

async fn application(method: Method, target: Uri, body: Bytes) -> String {
    format!("{method} {target} {}\n", body.len())
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port::port())).await?;
    axum::serve(listener, Router::new().fallback(application)).await
}
