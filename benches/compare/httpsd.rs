mod port;

use httpsd::{Request, Response, Server};

fn main() -> httpsd::Result<()> {
    Server::bind(("127.0.0.1", port::port()))?
        .handler(|request: &Request| {
            Response::text(format!("{} {} {}\n", request.method(), request.target(), request.body().len()))
        })
        .run()
}
