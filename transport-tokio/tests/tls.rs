//! Connections over TLS, by `tokio-rustls`: the example, and what the kit says of such a wire.
#![allow(clippy::unwrap_used)]

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use httpfsm::config::ServerConfig;
use httpfsm::error::CloseReason;
use httpfsm::handler::{ConnectionInfo, Request, Subscriber};
use httpfsm::peer::Peer;
use httpfsm_tokio::{BlockingPool, Connections, Io};
use httpfsm_transport_kit::{Application, Ends, Kit, Plan, Served};
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Handle};
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig as TlsConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector, client};

#[allow(dead_code)]
#[path = "../examples/tls.rs"]
mod example;

/// A server with a certificate for `localhost`, and a client that trusts it.
fn configs() -> (TlsConfig, Arc<ClientConfig>) {
    let made = rcgen::generate_simple_self_signed(["localhost".into()]).unwrap();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let certificate = made.cert.der().clone();
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone()).unwrap();
    let server = TlsConfig::builder().with_no_client_auth().with_single_cert(vec![certificate], key);
    let client = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    (server.unwrap(), Arc::new(client))
}

fn localhost() -> ServerName<'static> {
    ServerName::try_from("localhost").unwrap()
}

const BODY: usize = 300_000;

/// All that comes to the end, in small pieces. An end without that of TLS is an error.
async fn read_slowly(stream: &mut client::TlsStream<TcpStream>) -> io::Result<Vec<u8>> {
    let (mut received, mut buffer) = (Vec::new(), [0; 3000]);
    loop {
        match stream.read(&mut buffer).await? {
            0 => return Ok(received),
            read => received.extend_from_slice(&buffer[..read]),
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn the_example_loses_nothing_of_a_response_nor_the_end_of_tls() {
    let (tls, client) = configs();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let handler = |request: Request| async move { format!("{}{}", request.scheme(), "x".repeat(BODY)) };
    let server = example::serve_tls(listener, tls, ServerConfig::default(), handler).unwrap();
    for (round, half_closes) in [false, true].into_iter().cycle().take(40).enumerate() {
        let socket = TcpStream::connect(address).await.unwrap();
        let mut stream = TlsConnector::from(Arc::clone(&client)).connect(localhost(), socket).await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await.unwrap();
        if half_closes {
            stream.shutdown().await.unwrap();
        }
        let response =
            read_slowly(&mut stream).await.unwrap_or_else(|error| panic!("round {round}: {error}"));
        let body = format!("\r\n\r\nhttps{}", "x".repeat(BODY));
        assert!(response.ends_with(body.as_bytes()), "round {round}: {} bytes", response.len());
    }
    server.begin_drain(None).gone().await;
    assert!(TcpStream::connect(address).await.is_err(), "nobody listens any more");
}

#[tokio::test]
async fn a_client_whose_handshake_fails_harms_nobody_else() {
    let (tls, client) = configs();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server =
        example::serve_tls(listener, tls, ServerConfig::default(), |_: Request| async { "hello" }).unwrap();
    let mut plain = TcpStream::connect(address).await.unwrap();
    plain.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let mut received = Vec::new();
    // An alert of TLS and an end, or a reset.
    let _ = plain.read_to_end(&mut received).await;
    assert!(!received.starts_with(b"HTTP"), "{received:?}");
    let socket = TcpStream::connect(address).await.unwrap();
    let mut stream = TlsConnector::from(client).connect(localhost(), socket).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await.unwrap();
    let response = String::from_utf8(read_slowly(&mut stream).await.unwrap()).unwrap();
    assert!(response.ends_with("\r\n\r\nhello"), "{response}");
    server.begin_drain(None).gone().await;
}

#[test]
fn a_wire_over_tls_keeps_what_is_owed() {
    let runtime = Builder::new_multi_thread().enable_all().build().unwrap();
    let (tls, client) = configs();
    let (acceptor, connector) = (TlsAcceptor::from(Arc::new(tls)), TlsConnector::from(client));
    let report = Kit::default().check(&|plan: Plan, application: Application| {
        let _inside = runtime.enter();
        let server = plan.connections(BlockingPool, application)?;
        let (handle, runtime) = (server.handle(), Handle::current());
        let (acceptor, connector) = (acceptor.clone(), connector.clone());
        let served = Served::over(handle, move |ends: Ends| {
            let (near, far) = duplex(ends.capacity);
            let handshake =
                async { tokio::join!(acceptor.accept(near), connector.connect(localhost(), far)) };
            let (near, far) = runtime.block_on(handshake);
            if let Ok(connection) = server.serve_connection(Io::new(near?), ends.peername, ends.sockname) {
                drop(runtime.spawn(connection));
            }
            far.map(Io::new)
        });
        Ok(served.without_resets())
    });
    report.assert();
    let mut names: Vec<_> = report.not_run().into_iter().map(|(name, _)| name).collect();
    names.sort_unstable();
    assert_eq!(names, ["disconnects", "listeners", "lost unread", "unix sockets"], "{report}");
}

/// How connections end.
#[derive(Clone, Default)]
struct Reasons(Arc<Mutex<Vec<String>>>);

impl Reasons {
    /// Waits until there are so many.
    async fn wait(&self, count: usize) -> Vec<String> {
        for _ in 0..3000 {
            let ends = self.0.lock().unwrap().clone();
            if ends.len() >= count {
                return ends;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{:?}", self.0)
    }
}

impl Subscriber for Reasons {
    fn connection_lost(&self, _: &ConnectionInfo, _: &str) {
        self.0.lock().unwrap().push("lost".into());
    }

    fn closed(&self, _: &ConnectionInfo, reason: CloseReason) {
        self.0.lock().unwrap().push(format!("{reason:?}"));
    }
}

/// As many clients of TLS close their connections. It is a loss only where something may be cut.
#[tokio::test]
async fn an_end_without_close_notify_is_a_loss_within_a_message_and_an_end_between_two() {
    let (tls, client) = configs();
    let (acceptor, connector) = (TlsAcceptor::from(Arc::new(tls)), TlsConnector::from(client));
    let ends = Reasons::default();
    let handler = |_: Request| async { "hello" };
    let server =
        Connections::with_subscriber(ServerConfig::default(), Arc::new(BlockingPool), ends.clone(), handler);
    let server = server.unwrap();
    let get = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let mut expected = Vec::new();
    for (sends, responses, end) in [
        ("", 0, &["PeerEnded"][..]),
        (get, 1, &["PeerEnded"]),
        (&format!("{get}{get}"), 2, &["PeerEnded"]),
        ("GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", 1, &["RequestedByPeer"]),
        (&get[..20], 0, &["lost", "Disconnected"]),
        (&format!("{get}{}", &get[..20]), 1, &["lost", "Disconnected"]),
    ] {
        let (near, far) = duplex(100_000);
        let (near, far) = tokio::join!(acceptor.accept(near), connector.connect(localhost(), far));
        let connection = server.serve_connection(Io::new(near.unwrap()), Peer::Unix(None), Peer::Unix(None));
        tokio::spawn(connection.unwrap());
        let mut far = far.unwrap();
        far.write_all(sends.as_bytes()).await.unwrap();
        far.flush().await.unwrap();
        let (mut came, mut buffer) = (Vec::new(), [0; 1000]);
        while came.windows(5).filter(|bytes| *bytes == b"hello").count() < responses {
            let read = far.read(&mut buffer).await.unwrap();
            came.extend_from_slice(&buffer[..read]);
        }
        // The pipe ends, and TLS has not.
        drop(far);
        expected.extend(end.iter().map(ToString::to_string));
        assert_eq!(ends.wait(expected.len()).await, expected, "{sends:?}");
    }
    server.handle().begin_drain(None).gone().await;
}
