//! A server on a loopback address, a peer that reads to the end, and a subscriber that keeps what it hears.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use httpfsm::config::ServerConfig;
use httpfsm::error::{CloseReason, RequestError};
use httpfsm::handler::{ConnectionInfo, Request, Subscriber};
use httpfsm_tokio::ServerHandle;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};

pub(crate) const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
pub(crate) const GET_CLOSE: &str = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

/// Longer than anything here takes: only a hang reaches it.
pub(crate) const HANG: Duration = Duration::from_secs(20);

pub(crate) async fn hello(_: Request) -> &'static str {
    "hello"
}

pub(crate) fn config_with(change: impl FnOnce(&mut ServerConfig)) -> ServerConfig {
    let mut config = ServerConfig::default();
    change(&mut config);
    config
}

pub(crate) async fn loopback() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.unwrap()
}

pub(crate) async fn connect(server: &ServerHandle) -> TcpStream {
    TcpStream::connect(server.local_addr().unwrap()).await.unwrap()
}

/// Sends, and reads until the server ends.
pub(crate) async fn exchange(mut stream: impl AsyncRead + AsyncWrite + Unpin, bytes: &str) -> String {
    stream.write_all(bytes.as_bytes()).await.unwrap();
    to_end(stream).await
}

pub(crate) async fn to_end(mut stream: impl AsyncRead + Unpin) -> String {
    let mut response = Vec::new();
    timeout(HANG, stream.read_to_end(&mut response)).await.expect("the server ends").unwrap();
    String::from_utf8_lossy(&response).into_owned()
}

/// What a subscriber heard.
#[derive(Clone, Default)]
pub(crate) struct Heard(pub(crate) Arc<Mutex<Vec<String>>>);

impl Heard {
    fn note(&self, connection: &ConnectionInfo, what: String) {
        self.0.lock().unwrap().push(format!("{}: {what}", connection.channel));
    }

    pub(crate) async fn wait_for(&self, n: usize) -> Vec<String> {
        let enough = async {
            while self.0.lock().unwrap().len() < n {
                sleep(Duration::from_millis(1)).await;
            }
        };
        timeout(HANG, enough).await.expect("the subscriber hears");
        self.0.lock().unwrap().clone()
    }
}

impl Subscriber for Heard {
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
