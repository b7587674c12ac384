mod port;

use actix_web::http::{Method, Uri};
use actix_web::{App, HttpServer, web};

async fn application(method: Method, target: Uri, body: web::Bytes) -> String {
    format!("{method} {target} {}\n", body.len())
}

#[actix_web::main]
async fn main() -> std::io::Result<()> {
    HttpServer::new(|| App::new().default_service(web::to(application)))
        .bind(("127.0.0.1", port::port()))?
        .run()
        .await
}
