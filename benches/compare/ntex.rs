mod port;

use ntex::util::Bytes;
use ntex::web::{self, App, HttpRequest, HttpServer};

async fn application(request: HttpRequest, body: Bytes) -> String {
    format!("{} {} {}\n", request.method(), request.uri(), body.len())
}

#[ntex::main]
async fn main() -> std::io::Result<()> {
    HttpServer::new(async || App::new().default_service(web::to(application)))
        .bind(("127.0.0.1", port::port()))?
        .run()
        .await
}
