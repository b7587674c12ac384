//! The rows of `docs/compatibility.md` that only a server on sockets can show, and that no transport owes by itself.
#![allow(clippy::unwrap_used)]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use httpfsm::config::ServerConfig;
use httpfsm::error::{CloseReason, RequestError};
use httpfsm::handler::{ConnectionInfo, Request, Subscriber};
use httpfsm_tokio::{Server, ServerHandle, serve};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const GET_CLOSE: &str = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

/// Longer than anything here takes: only a hang reaches it.
const HANG: Duration = Duration::from_secs(20);

async fn hello(_: Request) -> &'static str {
    "hello"
}

fn config_with(change: impl FnOnce(&mut ServerConfig)) -> ServerConfig {
    let mut config = ServerConfig::default();
    change(&mut config);
    config
}

async fn loopback() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.unwrap()
}

async fn connect(server: &ServerHandle) -> TcpStream {
    TcpStream::connect(server.local_addr().unwrap()).await.unwrap()
}

/// Sends, and reads until the server ends.
async fn exchange(mut stream: impl AsyncRead + AsyncWrite + Unpin, bytes: &str) -> String {
    stream.write_all(bytes.as_bytes()).await.unwrap();
    to_end(stream).await
}

async fn to_end(mut stream: impl AsyncRead + Unpin) -> String {
    let mut response = Vec::new();
    timeout(HANG, stream.read_to_end(&mut response)).await.expect("the server ends").unwrap();
    String::from_utf8_lossy(&response).into_owned()
}

/// What a subscriber heard.
#[derive(Clone, Default)]
struct SubscriberLog(Arc<Mutex<Vec<String>>>);

impl SubscriberLog {
    fn note(&self, connection: &ConnectionInfo, what: String) {
        self.0.lock().unwrap().push(format!("{}: {what}", connection.channel));
    }

    async fn wait_for(&self, n: usize) -> Vec<String> {
        let enough = async {
            while self.0.lock().unwrap().len() < n {
                sleep(Duration::from_millis(1)).await;
            }
        };
        timeout(HANG, enough).await.expect("the subscriber hears");
        self.0.lock().unwrap().clone()
    }
}

impl Subscriber for SubscriberLog {
    fn opened(&self, connection: &ConnectionInfo) {
        self.note(connection, "opened".into());
    }

    fn refused(&self, connection: &ConnectionInfo, error: &RequestError) {
        self.note(connection, format!("refused {:?}", error.rule));
    }

    fn closed(&self, connection: &ConnectionInfo, reason: CloseReason) {
        self.note(connection, format!("closed {reason:?}"));
    }
}

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
async fn peername_sockname_and_url_scheme_are_what_requests_report() {
    let server = serve(
        loopback().await,
        config_with(|config| config.channel.url_scheme = "https".into()),
        |request: Request| async move {
            format!("{} {} {}", request.peername(), request.sockname(), request.scheme())
        },
    )
    .unwrap();
    let stream = connect(&server).await;
    let expected = format!("{} {} https", stream.local_addr().unwrap(), stream.peer_addr().unwrap());
    assert!(exchange(stream, GET_CLOSE).await.ends_with(&expected));
}

#[tokio::test]
async fn n_channels_counts_the_open_channels() {
    let server = serve(loopback().await, ServerConfig::default(), hello).unwrap();
    let mut streams = Vec::new();
    for n in 1..=3 {
        let mut stream = connect(&server).await;
        stream.write_all(GET.as_bytes()).await.unwrap();
        assert_ne!(stream.read(&mut [0; 1024]).await.unwrap(), 0);
        streams.push(stream);
        assert_eq!(server.stats().n_channels, n);
    }
    drop(streams);
    server.begin_drain(None).gone().await;
    let stats = server.stats();
    assert_eq!((stats.n_channels, stats.most_channels, stats.closed), (0, 3, 3));
}

#[tokio::test]
async fn the_subscriber_hears_of_every_channel_by_a_name_of_its_own_and_why_it_ended() {
    let heard = SubscriberLog::default();
    let server = Server::new(ServerConfig::default())
        .listen_fd(&loopback().await)
        .unwrap()
        .subscriber(heard.clone())
        .serve(hello)
        .unwrap();
    exchange(connect(&server).await, GET_CLOSE).await;
    heard.wait_for(2).await;
    exchange(connect(&server).await, "GET / HTTP/1.1\r\n\r\n").await;
    heard.wait_for(5).await;
    drop(connect(&server).await);
    let told = heard.wait_for(7).await;
    assert_eq!(told[..2], ["server.clisrv_1: opened", "server.clisrv_1: closed RequestedByPeer"]);
    assert_eq!(told[2..4], ["server.clisrv_2: opened", "server.clisrv_2: refused HostMissing"]);
    assert!(told[4].starts_with("server.clisrv_2: closed Refused"), "{told:?}");
    assert_eq!(told[5..], ["server.clisrv_3: opened", "server.clisrv_3: closed PeerEnded"]);
}
