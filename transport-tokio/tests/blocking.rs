//! Functions that block, on tokio's blocking pool.
#![allow(clippy::unwrap_used)]

use std::io::{Read, Write};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

use httpfsm::config::{Bodies, ServerConfig};
use httpfsm::handler::{Request, Response};
use httpfsm::status::Status;
use httpfsm_tokio::{serve, sync, written_sync};
use httpfsm_transport::BodyReader;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Reads its body with code that waits for it.
fn reverse(mut request: Request) -> Response {
    let mut body = Vec::new();
    match BodyReader::new(request.take_body()).read_to_end(&mut body) {
        Ok(_) => {
            body.reverse();
            Response::bytes(body)
        }
        Err(error) => Response::text(error.to_string()).with_status(Status::BAD_REQUEST),
    }
}

/// On one thread: were the function to run there, the bytes that it waits for would never be read.
#[tokio::test]
async fn a_function_waits_for_its_body_beside_the_loop() {
    let worker = thread::current().id();
    let on_loop = move |request: Request| {
        assert_ne!(thread::current().id(), worker);
        reverse(request)
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = serve(listener, ServerConfig::default(), sync(on_loop)).unwrap();
    let mut client = TcpStream::connect(server.local_addr().unwrap()).await.unwrap();
    client.write_all(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nabc").await.unwrap();
    tokio::task::yield_now().await;
    client.write_all(b"def").await.unwrap();
    let (mut response, mut buffer) = (Vec::new(), [0; 1000]);
    while !response.ends_with(b"fedcba") {
        let bytes = client.read(&mut buffer).await.unwrap();
        assert_ne!(bytes, 0, "{}", String::from_utf8_lossy(&response));
        response.extend_from_slice(&buffer[..bytes]);
    }
}

/// As many functions as the pool has threads, each of which reads a body that is in a file.
#[test]
fn functions_on_all_threads_of_the_pool_read_their_bodies() {
    let runtime = tokio::runtime::Builder::new_multi_thread().max_blocking_threads(2).enable_all().build();
    let runtime = runtime.unwrap();
    let all = Arc::new(Barrier::new(2));
    let handler = move |request: Request| {
        all.wait();
        reverse(request)
    };
    let mut config = ServerConfig::default();
    config.channel.bodies = Some(Bodies::Whole);
    config.channel.inbuf_overflow = 1000;
    let server = runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        serve(listener, config, sync(handler)).unwrap()
    });
    let address = server.local_addr().unwrap();
    let clients = [b'a', b'b', b'c', b'd'].map(|byte| {
        thread::spawn(move || {
            let mut client = std::net::TcpStream::connect(address).unwrap();
            client.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
            let head = b"POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 100000\r\n\r\n";
            client.write_all(&[&head[..], &[byte; 100_000]].concat()).unwrap();
            let mut response = Vec::new();
            client.read_to_end(&mut response).expect("the pool waits for itself");
            assert!(response.ends_with(&[byte; 100_000]));
        })
    });
    let served = clients.map(thread::JoinHandle::join);
    // Not to wait for functions that wait for ever.
    runtime.shutdown_background();
    served.into_iter().for_each(Result::unwrap);
}

/// It waits for its reader, and so do others that the pool has threads for.
#[tokio::test]
async fn a_function_writes_a_body_as_its_reader_takes_it() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let piece = [b'x'; 10_000];
    let handler = move |_: Request| async move {
        let body = written_sync(move |body| (0..1000).try_for_each(|_| body.write_all(&piece)));
        Response::new(Status::OK).with_body(body).with_field("Content-Length", "10000000")
    };
    let server = serve(listener, ServerConfig::default(), handler).unwrap();
    let mut clients = Vec::new();
    for _ in 0..3 {
        let mut client = TcpStream::connect(server.local_addr().unwrap()).await.unwrap();
        client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await.unwrap();
        clients.push(client);
    }
    for mut client in clients {
        let mut response = Vec::new();
        client.read_to_end(&mut response).await.unwrap();
        let head = response.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
        assert_eq!(response.len() - head - 4, 10_000_000);
    }
    assert_eq!(server.memory().spooled, 0);
}
