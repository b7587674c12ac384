mod port;

use httpfsm::{IntoResponse, Request, Response, ServerConfig};

async fn application(mut request: Request) -> Response {
    match request.body().collect(1 << 20).await {
        Ok(body) => format!("{} {} {}\n", request.method(), request.target(), body.len()).into_response(),
        Err(error) => error.into_response(),
    }
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port::port())).await?;
    httpfsm_tokio::serve(listener, ServerConfig::default(), application)?.gone().await;
    Ok(())
}
