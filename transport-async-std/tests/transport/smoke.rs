use std::io::Write;
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Duration;

use async_io::Timer;
use httpfsm::config::ServerConfig;
use httpfsm::handler::{Body, Request, Response};
use httpfsm::peer::Peer;
use httpfsm::status::Status;
use httpfsm_async_std::{Listener, SocketOptions};

use crate::{GET, connect, exchange, on_each_runtime, read_to_end, read_until, tcp};

/// More than a socket and the channel hold together.
const LARGE: usize = 32 << 20;

async fn application(mut request: Request) -> Response {
    match request.path() {
        "/" => Response::text("Hello, world!"),
        "/echo" => Response::new(Status::OK).with_body(request.take_body()),
        "/large" => Response::new(Status::OK).with_body(Body::from(vec![b'x'; LARGE])),
        "/count" => {
            let mut bytes = 0;
            while let Some(Ok(data)) = request.body().next_data().await {
                bytes += data.len();
            }
            Response::text(bytes.to_string())
        }
        "/slow" => {
            Timer::after(Duration::from_millis(100)).await;
            Response::text("slow")
        }
        _ => Response::new(Status::NOT_FOUND),
    }
}

on_each_runtime! {
    fn keep_alive_serves_one_request_after_another(runtime: Runtime) {
        let server = runtime.start(application);
        let mut stream = connect(&server);
        for _ in 0..50 {
            stream.write_all(GET).unwrap();
            let response = read_until(&stream, "Hello, world!");
            assert!(response.starts_with("HTTP/1.1 200 OK\r\n"), "{response}");
        }
        drop(stream);
        async_io::block_on(server.begin_drain(None).gone());
        let stats = server.stats();
        assert_eq!((stats.opened, stats.closed, stats.channels.requests), (1, 1, 50));
    }

    fn a_request_in_single_bytes_gets_a_response(runtime: Runtime) {
        let server = runtime.start(application);
        let mut stream = connect(&server);
        stream.set_nodelay(true).unwrap();
        for byte in GET {
            stream.write_all(&[*byte]).unwrap();
        }
        let response = read_until(&stream, "Hello, world!");
        assert!(response.starts_with("HTTP/1.1 200 OK\r\n"), "{response}");
    }

    fn pipelined_requests_get_responses_in_order(runtime: Runtime) {
        let server = runtime.start(application);
        let mut bytes = b"GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec();
        bytes.extend_from_slice(&GET.repeat(1000));
        let response = exchange(connect(&server), &bytes);
        assert_eq!(response.matches("HTTP/1.1 200 OK").count(), 1001, "{response}");
        assert!(response.find("slow") < response.find("Hello"), "{response}");
    }

    fn the_response_goes_out_after_the_peer_has_ended_its_output(runtime: Runtime) {
        let server = runtime.start(application);
        let response = exchange(connect(&server), b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n");
        assert!(response.starts_with("HTTP/1.1 200 ") && response.ends_with("slow"), "{response}");
    }

    fn a_chunked_upload_is_echoed(runtime: Runtime) {
        let server = runtime.start(application);
        let piece = "0123456789abcdef".repeat(4096);
        let stream = connect(&server);
        let (mut output, sent) = (stream.try_clone().unwrap(), piece.clone());
        let send = thread::spawn(move || {
            output.write_all(b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n").unwrap();
            for _ in 0..32 {
                write!(output, "{:x}\r\n{sent}\r\n", sent.len()).unwrap();
            }
            output.write_all(b"0\r\n\r\n").unwrap();
            output.shutdown(Shutdown::Write).unwrap();
        });
        let response = read_to_end(stream);
        send.join().unwrap();
        assert!(response.starts_with("HTTP/1.1 200 OK\r\n"), "{}", response.len());
        assert!(response.len() > 32 * piece.len() && response.ends_with("\r\n0\r\n\r\n"), "{}", response.len());
    }

    fn a_large_body_is_uploaded(runtime: Runtime) {
        let server = runtime.start(application);
        let mut stream = connect(&server);
        write!(stream, "POST /count HTTP/1.1\r\nHost: a\r\nContent-Length: {LARGE}\r\nConnection: close\r\n\r\n")
            .unwrap();
        stream.write_all(&vec![b'x'; LARGE]).unwrap();
        let response = read_to_end(stream);
        assert!(response.ends_with(&format!("\r\n\r\n{LARGE}")), "{response}");
    }

    fn a_large_body_reaches_a_peer_that_reads_late(runtime: Runtime) {
        let server = runtime.start(application);
        let mut stream = connect(&server);
        stream.write_all(b"GET /large HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").unwrap();
        thread::sleep(Duration::from_millis(50));
        let response = read_to_end(stream);
        let (_, body) = response.split_once("\r\n\r\n").unwrap();
        assert_eq!(body.len(), LARGE);
    }

    fn several_listeners_of_all_kinds_are_served(runtime: Runtime) {
        let directory = std::env::temp_dir().join(format!("httpfsm-{runtime:?}-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let path = directory.join("smoke.sock");
        let unix = Listener::unix(&path, &SocketOptions::default()).unwrap();
        let mut listeners = vec![unix, tcp("127.0.0.1:0"), tcp("0.0.0.0:0")];
        match Listener::tcp("[::1]:0".parse().unwrap(), &SocketOptions::default()) {
            Ok(listener) => listeners.push(listener),
            Err(_) => httpfsm_testing::not_run("IPv6"),
        }
        let told = |request: Request| async move { format!("{} {}", request.peername(), request.sockname()) };
        let server = runtime.listen(listeners, ServerConfig::default(), told);
        for address in server.local_addrs().to_vec() {
            let request = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
            let (response, expected) = match address {
                Peer::Unix(_) => {
                    let mut stream = UnixStream::connect(&path).unwrap();
                    stream.write_all(request).unwrap();
                    (read_to_end(stream), format!("{} {address}", Peer::Unix(None)))
                }
                Peer::Ip(mut address) => {
                    assert_ne!(address.port(), 0);
                    if address.ip().is_unspecified() {
                        address.set_ip([127, 0, 0, 1].into());
                    }
                    let stream = std::net::TcpStream::connect(address).unwrap();
                    let ours = stream.local_addr().unwrap();
                    (exchange(stream, request), format!("{} {}", Peer::Ip(ours), Peer::Ip(address)))
                }
            };
            assert!(response.ends_with(&expected), "{expected}: {response}");
        }
        async_io::block_on(server.begin_drain(None).gone());
        assert!(!path.exists());
        std::fs::remove_dir(directory).unwrap();
    }
}

#[test]
fn a_socket_of_either_runtime_is_served_on() {
    let hello = |_: Request| async { "Hello, world!" };
    let listener = async_std::task::block_on(async_std::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    let server = httpfsm_async_std::serve(listener, ServerConfig::default(), hello).unwrap();
    assert!(exchange(connect(&server), GET).ends_with("Hello, world!"));
    let listener = smol::block_on(smol::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    let server = httpfsm_async_std::smol::serve(listener, ServerConfig::default(), hello).unwrap();
    assert!(exchange(connect(&server), GET).ends_with("Hello, world!"));
}
