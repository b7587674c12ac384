//! The transport over real sockets, end to end.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use bytes::Bytes;
use httpfsm::config::ServerConfig;
use httpfsm::handler::{Request, Response};
use httpfsm::status::Status;
use httpfsm_tokio::{Listener, Server, ServerHandle, SocketOptions, Tokio, serve};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixStream};

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";

async fn application(mut request: Request) -> Response {
    match request.path() {
        "/" => Response::text("Hello, world!"),
        "/echo" => Response::new(Status::OK).with_body(request.take_body()),
        "/collect" => match request.body().collect(1 << 20).await {
            Ok(bytes) => Response::bytes(bytes),
            Err(_) => Response::new(Status::BAD_REQUEST),
        },
        "/slow" => {
            tokio::time::sleep(Duration::from_millis(100)).await;
            Response::text("slow")
        }
        "/panic" => panic!("as asked"),
        _ => Response::new(Status::NOT_FOUND),
    }
}

async fn start() -> ServerHandle {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    serve(listener, ServerConfig::default(), application).unwrap()
}

async fn connect(server: &ServerHandle) -> TcpStream {
    TcpStream::connect(server.local_addr().unwrap()).await.unwrap()
}

/// Sends, ends our output, and reads to the end.
async fn exchange(mut stream: impl AsyncRead + AsyncWrite + Unpin, bytes: &[u8]) -> String {
    stream.write_all(bytes).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut response = Vec::new();
    stream.read_to_end(&mut response).await.unwrap();
    String::from_utf8_lossy(&response).into_owned()
}

#[tokio::test]
async fn a_get_gets_a_response() {
    let server = start().await;
    let response = exchange(connect(&server).await, GET).await;
    assert!(response.starts_with("HTTP/1.1 200 OK\r\n"), "{response}");
    assert!(response.ends_with("\r\n\r\nHello, world!"), "{response}");
}

#[tokio::test]
async fn pipelined_requests_get_responses_in_order() {
    let server = start().await;
    let mut bytes = b"GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec();
    bytes.extend_from_slice(&GET.repeat(100));
    let response = exchange(connect(&server).await, &bytes).await;
    assert_eq!(response.matches("HTTP/1.1 200 OK").count(), 101, "{response}");
    assert!(response.find("slow") < response.find("Hello"), "{response}");
}

#[tokio::test]
async fn keep_alive_serves_one_request_after_another() {
    let server = start().await;
    let mut stream = connect(&server).await;
    let mut length = 0;
    for _ in 0..3 {
        stream.write_all(GET).await.unwrap();
        let mut response = [0; 1024];
        let read = stream.read(&mut response).await.unwrap();
        assert!(length == 0 || length == read);
        length = read;
    }
    drop(stream);
    server.begin_drain(None).gone().await;
    let stats = server.stats();
    assert_eq!((stats.opened, stats.closed, stats.channels.requests), (1, 1, 3));
}

#[tokio::test]
async fn a_chunked_upload_is_echoed() {
    let server = start().await;
    let piece = "0123456789abcdef".repeat(4096);
    let mut bytes = b"POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    for _ in 0..32 {
        bytes.extend_from_slice(format!("{:x}\r\n{piece}\r\n", piece.len()).as_bytes());
    }
    bytes.extend_from_slice(b"0\r\n\r\n");
    let mut stream = connect(&server).await;
    let (mut input, mut output) = stream.split();
    let send = async {
        output.write_all(&bytes).await.unwrap();
        output.shutdown().await.unwrap();
    };
    let receive = async {
        let mut response = Vec::new();
        input.read_to_end(&mut response).await.unwrap();
        response
    };
    let ((), response) = tokio::join!(send, receive);
    assert!(response.starts_with(b"HTTP/1.1 200 OK\r\n"));
    assert!(response.len() > 32 * piece.len(), "{}", response.len());
    assert!(response.ends_with(b"\r\n0\r\n\r\n"));
}

#[tokio::test]
async fn a_large_body_is_collected() {
    let server = start().await;
    let body = Bytes::from(vec![b'x'; 1 << 20]);
    let head = format!(
        "POST /collect HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    let mut stream = connect(&server).await;
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&body).await.unwrap();
    let mut response = Vec::new();
    stream.read_to_end(&mut response).await.unwrap();
    assert!(response.ends_with(&body), "{}", response.len());
}

#[tokio::test]
async fn a_panic_gets_a_500_and_the_others_go_on() {
    let server = start().await;
    let response = exchange(connect(&server).await, b"GET /panic HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(response.starts_with("HTTP/1.1 500 "), "{response}");
    assert!(!response.contains("as asked"), "{response}");
    let response = exchange(connect(&server).await, GET).await;
    assert!(response.starts_with("HTTP/1.1 200 "), "{response}");
}

#[tokio::test]
async fn unix_sockets_and_ipv6_are_served() {
    let directory = std::env::temp_dir().join(format!("httpfsm-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let path = directory.join("smoke.sock");
    let mut server = Server::new(ServerConfig::default()).listen_unix(&path);
    let has_ipv6 = std::net::TcpListener::bind("[::1]:0").is_ok();
    if has_ipv6 {
        server = server.listen_tcp("[::1]:0".parse().unwrap());
    } else {
        httpfsm_testing::not_run("IPv6");
    }
    let server = server.serve(application).unwrap();
    let over_unix = exchange(UnixStream::connect(&path).await.unwrap(), GET).await;
    assert!(over_unix.ends_with("Hello, world!"), "{over_unix}");
    if has_ipv6 {
        let over_ipv6 = exchange(connect(&server).await, GET).await;
        assert!(over_ipv6.ends_with("Hello, world!"), "{over_ipv6}");
    }
    server.begin_drain(None).gone().await;
    assert!(!path.exists());
    std::fs::remove_dir(directory).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drain_finishes_what_runs_and_refuses_what_comes() {
    let server = start().await;
    let mut stream = connect(&server).await;
    stream.write_all(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    tokio::time::sleep(Duration::from_millis(20)).await;
    let drained = server.begin_drain(Some(Duration::from_secs(5))).gone();
    let mut response = String::new();
    stream.read_to_string(&mut response).await.unwrap();
    assert!(response.contains("\r\nConnection: close\r\n") && response.ends_with("slow"), "{response}");
    drop(stream);
    drained.await;
    assert_eq!(server.stats().n_channels, 0);
    assert!(TcpStream::connect(server.local_addr().unwrap()).await.is_err());
}

#[tokio::test]
async fn at_the_limit_of_connections_the_longest_idle_gives_its_place() {
    let config = ServerConfig { max_connections: 2, ..ServerConfig::default() };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = serve(listener, config, application).unwrap();
    let get = async |stream: &mut TcpStream| {
        stream.write_all(GET).await.unwrap();
        let mut response = [0; 1024];
        stream.read(&mut response).await.unwrap()
    };
    let mut streams = Vec::new();
    for _ in 0..10 {
        let mut stream = connect(&server).await;
        assert!(get(&mut stream).await > 0, "served, not refused");
        streams.push(stream);
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    for stream in &mut streams[..8] {
        assert_eq!(stream.read(&mut [0; 1]).await.unwrap(), 0);
    }
    let stats = server.stats();
    assert_eq!((stats.n_channels, stats.most_channels, stats.refused()), (2, 2, 0));
}

#[tokio::test]
async fn only_a_socket_that_nobody_listens_on_is_replaced_and_only_our_own_removed() {
    let directory = std::env::temp_dir().join(format!("httpfsm-own-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let path = directory.join("file");
    let listen = || Listener::unix(&path, &SocketOptions::default());
    std::fs::write(&path, "precious").unwrap();
    assert!(listen().is_err());
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
    std::fs::remove_file(&path).unwrap();
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let ours = listen().unwrap();
    assert!(listen().is_err(), "somebody listens");
    // Another has taken the path since.
    std::fs::remove_file(&path).unwrap();
    std::fs::write(&path, "another's").unwrap();
    drop(ours);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "another's");
    std::fs::remove_file(&path).unwrap();
    std::fs::remove_dir(&directory).unwrap();
}

#[tokio::test]
async fn workers_share_the_port_the_counts_and_the_drain() {
    let server = Server::on(Tokio::default().workers(2), ServerConfig::default())
        .listen_tcp("127.0.0.1:0".parse().unwrap())
        // Behind the address, and for it all the same.
        .options(SocketOptions { reuse_port: true, ..SocketOptions::default() })
        .serve(|_: Request| async { format!("\n{:?}", std::thread::current().id()) })
        .unwrap();
    let (mut streams, mut threads) = (Vec::new(), std::collections::BTreeSet::new());
    for _ in 0..60 {
        let mut stream = connect(&server).await;
        stream.write_all(GET).await.unwrap();
        let mut response = [0; 1024];
        let bytes = stream.read(&mut response).await.unwrap();
        threads.extend(String::from_utf8_lossy(&response[..bytes]).lines().last().map(str::to_owned));
        streams.push(stream);
    }
    assert_eq!(threads.len(), 3, "the system spreads connections over the sockets: {threads:?}");
    assert_eq!(server.stats().n_channels, 60);
    server.begin_drain(None).gone().await;
    assert_eq!((server.stats().n_channels, server.stats().closed), (0, 60));
    assert!(TcpStream::connect(server.local_addr().unwrap()).await.is_err());
}
