//! A server on the listener of a runtime.
#![cfg(all(feature = "async-std", feature = "smol"))]
#![allow(clippy::unwrap_used)]

use std::io::{Read, Write};
use std::net::TcpStream;

use httpfsm::config::ServerConfig;
use httpfsm::handler::Request;
use httpfsm_async_std::ServerHandle;

fn gets_hello(server: &ServerHandle) {
    let mut stream = TcpStream::connect(server.local_addr().unwrap()).unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).unwrap();
    assert!(response.ends_with("\r\n\r\nHello, world!"), "{response}");
}

#[test]
fn a_socket_of_either_runtime_is_served_on() {
    let hello = |_: Request| async { "Hello, world!" };
    let listener = async_std::task::block_on(async_std::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    let server = httpfsm_async_std::serve(listener, ServerConfig::default(), hello).unwrap();
    gets_hello(&server);
    let listener = smol::block_on(smol::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    let server = httpfsm_async_std::smol::serve(listener, ServerConfig::default(), hello).unwrap();
    gets_hello(&server);
}
