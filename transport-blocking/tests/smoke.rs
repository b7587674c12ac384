//! The transport over real sockets, end to end.
#![allow(clippy::unwrap_used)]

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Duration;

use httpfsm::config::{Bodies, ServerConfig};
use httpfsm::handler::{Body, Frame, Request, Response};
use httpfsm::status::Status;
use httpfsm_blocking::{Blocking, BodyReader, Server, ServerHandle, block_on, serve, sync};

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";

fn application(mut request: Request) -> Response {
    match request.path() {
        "/" => Response::text("Hello, world!"),
        "/echo" => Response::new(Status::OK).with_body(request.take_body()),
        "/collect" => {
            let mut bytes = Vec::new();
            match BodyReader::new(request.take_body()).read_to_end(&mut bytes) {
                Ok(_) => Response::bytes(bytes),
                Err(_) => Response::new(Status::BAD_REQUEST),
            }
        }
        "/slow" => {
            thread::sleep(Duration::from_millis(100));
            Response::text("slow")
        }
        "/panic" => panic!("as asked"),
        "/panic/later" => {
            let mut frames = 0;
            Response::new(Status::OK).with_body(Body::from_fn(move |_| {
                frames += 1;
                assert!(frames < 3, "as asked");
                std::task::Poll::Ready(Frame::Data("piece".into()))
            }))
        }
        _ => Response::new(Status::NOT_FOUND),
    }
}

fn start(bodies: Option<Bodies>) -> ServerHandle {
    let mut config = ServerConfig::default();
    config.channel.bodies = bodies;
    serve(std::net::TcpListener::bind("127.0.0.1:0").unwrap(), config, sync(application)).unwrap()
}

fn connect(server: &ServerHandle) -> TcpStream {
    TcpStream::connect(server.local_addr().unwrap()).unwrap()
}

/// Sends, ends our output, and reads to the end.
fn exchange(mut stream: TcpStream, bytes: &[u8]) -> String {
    let mut output = stream.try_clone().unwrap();
    thread::scope(|scope| {
        scope.spawn(move || {
            output.write_all(bytes).unwrap();
            output.shutdown(Shutdown::Write).unwrap();
        });
        let mut response = Vec::new();
        stream.read_to_end(&mut response).unwrap();
        String::from_utf8_lossy(&response).into_owned()
    })
}

#[test]
fn a_get_gets_a_response() {
    let server = start(None);
    let response = exchange(connect(&server), GET);
    assert!(response.starts_with("HTTP/1.1 200 OK\r\n"), "{response}");
    assert!(response.ends_with("\r\n\r\nHello, world!"), "{response}");
}

#[test]
fn pipelined_requests_get_responses_in_order() {
    let server = start(None);
    let mut bytes = b"GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec();
    bytes.extend_from_slice(&GET.repeat(100));
    let response = exchange(connect(&server), &bytes);
    assert_eq!(response.matches("HTTP/1.1 200 OK").count(), 101, "{response}");
    assert!(response.find("slow") < response.find("Hello"), "{response}");
}

#[test]
fn keep_alive_serves_one_request_after_another() {
    let server = start(None);
    let mut stream = connect(&server);
    let mut length = 0;
    for _ in 0..3 {
        stream.write_all(GET).unwrap();
        let mut response = [0; 1024];
        let read = stream.read(&mut response).unwrap();
        assert!(length == 0 || length == read);
        length = read;
    }
    drop(stream);
    block_on(server.begin_drain(None).gone());
    let stats = server.stats();
    assert_eq!((stats.opened, stats.closed, stats.channels.requests), (1, 1, 3));
}

#[test]
fn a_chunked_upload_is_echoed_whole_or_streamed() {
    let piece = "0123456789abcdef".repeat(4096);
    let mut bytes = b"POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    for _ in 0..32 {
        bytes.extend_from_slice(format!("{:x}\r\n{piece}\r\n", piece.len()).as_bytes());
    }
    bytes.extend_from_slice(b"0\r\n\r\n");
    for bodies in [None, Some(Bodies::Streamed)] {
        let server = start(bodies);
        let response = exchange(connect(&server), &bytes);
        assert!(response.starts_with("HTTP/1.1 200 OK\r\n"), "{bodies:?}: {}", response.len());
        assert!(
            response.matches("0123456789abcdef").count() >= 32 * 4096 - 64,
            "{bodies:?}: {}",
            response.len()
        );
    }
}

#[test]
fn a_large_body_is_read_by_blocking_code() {
    for bodies in [None, Some(Bodies::Streamed)] {
        let server = start(bodies);
        let body = vec![b'x'; 2 << 20];
        let mut bytes =
            format!("POST /collect HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", body.len())
                .into_bytes();
        bytes.extend_from_slice(&body);
        let response = exchange(connect(&server), &bytes);
        assert!(response.as_bytes().ends_with(&body), "{bodies:?}: {}", response.len());
    }
}

#[test]
fn a_panic_gets_a_500_or_cuts_the_response_and_the_others_go_on() {
    let server = Server::on(Blocking::default().workers(1), ServerConfig::default())
        .listen_tcp("127.0.0.1:0".parse().unwrap())
        .serve(sync(application))
        .unwrap();
    for _ in 0..3 {
        let response = exchange(connect(&server), b"GET /panic HTTP/1.1\r\nHost: a\r\n\r\n");
        assert!(response.starts_with("HTTP/1.1 500 "), "{response}");
        assert!(!response.contains("as asked"), "{response}");
        let mut stream = connect(&server);
        stream.write_all(b"GET /panic/later HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        let mut response = Vec::new();
        // A reset is a cut, too.
        let _ = stream.read_to_end(&mut response);
        assert!(!response.ends_with(b"0\r\n\r\n"), "{}", String::from_utf8_lossy(&response));
        let response = exchange(connect(&server), GET);
        assert!(response.starts_with("HTTP/1.1 200 "), "{response}");
    }
}

#[test]
fn unix_sockets_and_ipv6_are_served() {
    let directory = std::env::temp_dir().join(format!("httpfsm-blocking-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let path = directory.join("smoke.sock");
    let server = Server::new(ServerConfig::default()).listen_unix(&path);
    let server = server.listen_tcp("127.0.0.1:0".parse().unwrap());
    // Where there is no IPv6, the others are served.
    let server = match httpfsm_blocking::Listener::tcp("[::1]:0".parse().unwrap(), &Default::default()) {
        Ok(listener) => server.listener(listener),
        Err(_) => server,
    };
    let server = server.serve(sync(application)).unwrap();
    let mut stream = UnixStream::connect(&path).unwrap();
    stream.write_all(GET).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).unwrap();
    assert!(response.ends_with("Hello, world!"), "{response}");
    for address in server.local_addrs() {
        if let httpfsm::peer::Peer::Ip(address) = address {
            let response = exchange(TcpStream::connect(address).unwrap(), GET);
            assert!(response.ends_with("Hello, world!"), "{address}: {response}");
        }
    }
    block_on(server.begin_drain(None).gone());
    assert!(!path.exists());
    std::fs::remove_dir(directory).unwrap();
}

#[test]
fn a_drain_finishes_what_runs_and_refuses_what_comes() {
    let server = start(None);
    let mut stream = connect(&server);
    stream.write_all(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    thread::sleep(Duration::from_millis(20));
    let drained = server.begin_drain(Some(Duration::from_secs(5))).gone();
    let mut response = String::new();
    stream.read_to_string(&mut response).unwrap();
    assert!(response.contains("\r\nConnection: close\r\n") && response.ends_with("slow"), "{response}");
    drop(stream);
    block_on(drained);
    assert_eq!(server.stats().n_channels, 0);
    assert!(TcpStream::connect(server.local_addr().unwrap()).is_err());
}

#[test]
fn at_the_limit_of_connections_the_longest_idle_gives_its_place() {
    let config = ServerConfig { max_connections: 2, ..ServerConfig::default() };
    let server =
        serve(std::net::TcpListener::bind("127.0.0.1:0").unwrap(), config, sync(application)).unwrap();
    let mut streams = Vec::new();
    for _ in 0..10 {
        let mut stream = connect(&server);
        stream.write_all(GET).unwrap();
        assert!(stream.read(&mut [0; 1024]).unwrap() > 0, "served, not refused");
        streams.push(stream);
        thread::sleep(Duration::from_millis(2));
    }
    for stream in &mut streams[..8] {
        assert_eq!(stream.read(&mut [0; 1]).unwrap(), 0);
    }
    let stats = server.stats();
    assert_eq!((stats.n_channels, stats.most_channels, stats.refused()), (2, 2, 0));
}
