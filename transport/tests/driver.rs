//! The driver on the in-memory transport.
#![allow(clippy::unwrap_used)]

use httpfsm::config::ServerConfig;
use httpfsm::handler::{Request, Response};
use httpfsm::status::Status;
use httpfsm_transport::memory::MemoryServer;

async fn application(mut request: Request) -> Response {
    match request.path() {
        "/echo" => Response::new(Status::OK).with_body(request.take_body()),
        "/collect" => match request.body().collect(1 << 20).await {
            Ok(octets) => Response::octets(octets),
            Err(_) => Response::new(Status::BAD_REQUEST),
        },
        _ => Response::text("Hello, world!"),
    }
}

#[test]
fn a_body_is_collected() {
    let mut server = MemoryServer::new(ServerConfig::default(), application);
    let client = server.connect().unwrap();
    client.send("POST /collect HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n");
    server.run();
    client.send("01");
    println!("{}", server.run());
    client.send("234");
    println!("{}", server.run());
    println!("{}", client.take_text());
    client.send("POST /collect HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n");
    for i in 0..10 {
        client.send(vec![b'x'; 100000]);
        println!("{i} {} {server:?}", server.run());
    }
    for i in 0..30 {
        println!("{i} {} {} {:?}", client.take_text().len(), server.run(), server);
    }
    println!("{server:?} {}", server.connections());
}
