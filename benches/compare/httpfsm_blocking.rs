mod port;

use httpfsm::{IntoResponse, Request, Response, ServerConfig};

async fn application(mut request: Request) -> Response {
    match request.body().collect(1 << 20).await {
        Ok(body) => format!("{} {} {}\n", request.method(), request.target(), body.len()).into_response(),
        Err(error) => error.into_response(),
    }
}

fn main() -> std::io::Result<()> {
    let listener = std::net::TcpListener::bind(("127.0.0.1", port::port()))?;
    let server = httpfsm_blocking::serve(listener, ServerConfig::default(), application)?;
    httpfsm_blocking::block_on(server.gone());
    Ok(())
}
