mod port;

use http_net::Response;
use http_net::blocking::Server;

fn main() -> std::io::Result<()> {
    let server = Server::bind(("127.0.0.1", port::port()))?;
    server.serve(|request, body| {
        Response::text(200, &format!("{} {} {}\n", request.method_str(), request.target(), body.len()))
    })
}
