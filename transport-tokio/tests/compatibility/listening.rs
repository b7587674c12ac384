//! Where a server listens, and whom it admits.

use httpfsm::config::ServerConfig;
use httpfsm::handler::Request;
use httpfsm::peer::Peer;
use httpfsm_tokio::{Server, serve};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::time::timeout;

use crate::support::{GET_CLOSE, HANG, Heard, config_with, connect, exchange, hello, loopback};

#[tokio::test]
async fn a_handler_is_all_that_a_server_needs() {
    let server = serve(loopback().await, ServerConfig::default(), hello).unwrap();
    assert!(exchange(connect(&server).await, GET_CLOSE).await.ends_with("hello"));
}

#[tokio::test]
async fn host_and_port_say_where_to_listen() {
    let server = Server::new(config_with(|config| config.host = "127.0.0.1".into())).serve(hello).unwrap();
    let address = server.local_addr().unwrap();
    assert!(address.ip().is_loopback() && address.is_ipv4());
    assert!(exchange(connect(&server).await, GET_CLOSE).await.ends_with("hello"));
}

#[tokio::test]
async fn port_0_is_a_port_that_the_system_chooses_and_the_handle_tells() {
    let a = serve(loopback().await, ServerConfig::default(), hello).unwrap();
    let b =
        Server::new(ServerConfig::default()).listen_tcp("127.0.0.1:0".parse().unwrap()).serve(hello).unwrap();
    let ports = [&a, &b].map(|server| server.local_addr().unwrap().port());
    assert!(ports[0] != 0 && ports[1] != 0 && ports[0] != ports[1]);
    for server in [a, b] {
        assert!(exchange(connect(&server).await, GET_CLOSE).await.ends_with("hello"));
    }
}

#[tokio::test]
async fn ipv6_is_served() {
    if std::net::TcpListener::bind("[::1]:0").is_err() {
        return httpfsm_testing::not_run("IPv6");
    }
    let server = Server::new(ServerConfig::default())
        .listen_tcp("[::1]:0".parse().unwrap())
        .serve(|request: Request| async move { request.peername().to_string() })
        .unwrap();
    let stream = connect(&server).await;
    let own = stream.local_addr().unwrap().to_string();
    assert!(exchange(stream, GET_CLOSE).await.ends_with(&own));
}

#[tokio::test]
async fn unix_sockets_are_served_and_removed() {
    let directory = std::env::temp_dir().join(format!("httpfsm-compatibility-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let path = directory.join("socket");
    let server = Server::new(ServerConfig::default())
        .listen_unix(&path)
        .serve(|request: Request| async move { format!("{}", request.sockname()) })
        .unwrap();
    assert!(matches!(server.local_addrs(), [Peer::Unix(Some(_))]));
    let response = exchange(UnixStream::connect(&path).await.unwrap(), GET_CLOSE).await;
    assert!(response.ends_with(&format!("unix:{}", path.display())), "{response}");
    server.begin_drain(None).gone().await;
    assert!(!path.exists());
    std::fs::remove_dir(directory).unwrap();
}

#[tokio::test]
async fn origins_are_enforced_at_accept() {
    for (origin, served) in [("127.0.0.0/8", true), ("192.0.2.0/24", false), ("unix", false)] {
        let heard = Heard::default();
        let server = Server::new(config_with(|config| config.origins = vec![origin.parse().unwrap()]))
            .listen_fd(&loopback().await)
            .unwrap()
            .subscriber(heard.clone())
            .serve(hello)
            .unwrap();
        let mut stream = connect(&server).await;
        let _ = stream.write_all(GET_CLOSE.as_bytes()).await;
        let mut response = Vec::new();
        let _ = timeout(HANG, stream.read_to_end(&mut response)).await.expect("the server ends");
        assert_eq!(response.ends_with(b"hello"), served, "{origin}");
        assert_eq!(server.stats().refused_origin, u64::from(!served), "{origin}");
        assert_eq!(heard.0.lock().unwrap().is_empty(), !served, "{origin}");
    }
}
