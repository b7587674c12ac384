//! Requests that threads pull, over sockets.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

use httpfsm::ServerConfig;
use httpfsm_blocking::{BodyReader, block_on, incoming, serve};

#[test]
fn threads_pull_requests_and_read_their_bodies() {
    let (handler, requests) = incoming();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = serve(listener, ServerConfig::default(), handler).unwrap();
    let address = server.local_addr().unwrap();
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                for request in &requests {
                    request.respond_with(|request| {
                        let body = BodyReader::new(request.take_body());
                        std::io::read_to_string(body).map(|text| text.to_uppercase())
                    });
                }
            });
        }
        for n in 0..20 {
            let mut stream = TcpStream::connect(address).unwrap();
            let content = format!("hello {n}");
            let length = content.len();
            let head = format!(
                "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n"
            );
            stream.write_all((head + &content).as_bytes()).unwrap();
            let mut response = String::new();
            stream.read_to_string(&mut response).unwrap();
            assert!(response.ends_with(&format!("\r\n\r\nHELLO {n}")), "{response}");
        }
        block_on(server.begin_drain(None).gone());
    });
}
