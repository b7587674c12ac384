mod port;

use khttp::{Headers, RequestContext, ResponseHandle, Server, Status};

fn application(mut context: RequestContext<'_>, response: &mut ResponseHandle<'_>) -> std::io::Result<()> {
    match context.body().vec() {
        Ok(body) => {
            let text = format!("{} {} {}\n", context.method, context.uri, body.len());
            response.ok(Headers::empty(), text)
        }
        Err(error) => response.send(&Status::BAD_REQUEST, Headers::close(), error.to_string()),
    }
}

fn main() -> std::io::Result<()> {
    let mut server = Server::builder(("127.0.0.1", port::port()))?;
    server.fallback_route(application);
    server.build().serve()
}
