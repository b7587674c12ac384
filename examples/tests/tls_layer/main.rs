//! TLS as a layer, on the listeners of each transport: clients of `rustls` and curl, and the kit.
#![allow(clippy::unwrap_used)]

use std::io::{self, IoSlice, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use httpfsm::config::ServerConfig;
use httpfsm::error::CloseReason;
use httpfsm::handler::{ConnectionInfo, Failure, Request, Subscriber};
use httpfsm_tokio::BlockingPool;
use httpfsm_transport::{
    Established, Layer, LayerError, Listener, ServerHandle, SocketOptions, Spawner, Transport, block_on,
};
use httpfsm_transport_kit::{Application, Plan, Report, Served, check};
use rustls::pki_types::{PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig as TlsConfig, StreamOwned};
use tokio::runtime::Runtime;

#[allow(dead_code)]
#[path = "../../tls_layer.rs"]
mod example;

use example::{TlsLayer, serve_tls};

/// Longer than anything takes.
const PATIENCE: Duration = Duration::from_secs(30);
const LOCAL: (Ipv4Addr, u16) = (Ipv4Addr::LOCALHOST, 0);
const BODY: usize = 300_000;

/// A server with a certificate for `localhost`, and a client that trusts it.
fn configs() -> (Arc<TlsConfig>, Arc<ClientConfig>) {
    let made = rcgen::generate_simple_self_signed(["localhost".into()]).unwrap();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let certificate = made.cert.der().clone();
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone()).unwrap();
    let server = TlsConfig::builder().with_no_client_auth().with_single_cert(vec![certificate], key);
    let client = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    (Arc::new(server.unwrap()), Arc::new(client))
}

fn localhost() -> ServerName<'static> {
    ServerName::try_from("localhost").unwrap()
}

fn socket(server: &ServerHandle) -> TcpStream {
    let socket = TcpStream::connect(server.local_addr().unwrap()).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

type Client = StreamOwned<ClientConnection, TcpStream>;

fn connect(server: &ServerHandle, config: &Arc<ClientConfig>) -> Client {
    StreamOwned::new(ClientConnection::new(Arc::clone(config), localhost()).unwrap(), socket(server))
}

/// Runs a test on each transport.
fn on_each(test: impl Fn(&dyn Fn(Hears) -> ServerHandle, &Arc<ClientConfig>)) {
    let runtime = Runtime::new().unwrap();
    let _inside = runtime.enter();
    let (tls, client) = configs();
    let local = SocketAddr::from(LOCAL);
    let blocking = |hears: Hears| {
        let server = httpfsm_blocking::Server::new(ServerConfig::default()).subscriber(hears);
        serve_tls(server, local, Arc::clone(&tls), respond).unwrap()
    };
    let tokio = |hears: Hears| {
        let server = httpfsm_tokio::Server::new(ServerConfig::default()).subscriber(hears);
        serve_tls(server, local, Arc::clone(&tls), respond).unwrap()
    };
    test(&blocking, &client);
    test(&tokio, &client);
}

async fn respond(request: Request) -> String {
    match request.target() {
        "/large" => format!("{}{}", request.scheme(), "x".repeat(BODY)),
        _ => request.scheme().to_owned(),
    }
}

/// What a subscriber hears.
#[derive(Clone, Default)]
struct Hears(Arc<Mutex<Vec<String>>>);

impl Hears {
    fn push(&self, text: String) {
        self.0.lock().unwrap().push(text);
    }

    /// Waits until there are so many.
    fn wait(&self, count: usize) -> Vec<String> {
        let began = Instant::now();
        loop {
            let heard = self.0.lock().unwrap().clone();
            if heard.len() >= count {
                return heard;
            }
            assert!(began.elapsed() < PATIENCE, "{heard:?}");
            thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Subscriber for Hears {
    fn failed(&self, _: Option<&ConnectionInfo>, failure: Failure, text: &str) {
        self.push(format!("{failure} failed: {text}"));
    }

    fn not_opened(&self, _: &ConnectionInfo, reason: CloseReason, _: Option<&str>) {
        self.push(format!("not opened: {reason:?}"));
    }

    fn connection_lost(&self, _: &ConnectionInfo, text: &str) {
        self.push(format!("lost: {text}"));
    }

    fn closed(&self, _: &ConnectionInfo, reason: CloseReason) {
        self.push(format!("closed: {reason:?}"));
    }
}

fn gone(server: &ServerHandle) {
    block_on(server.begin_drain(None).gone());
    assert_eq!(server.memory().total(), 0);
}

#[test]
fn a_slow_reader_gets_all_of_a_response_and_the_end_of_tls_also_behind_a_half_close() {
    on_each(|serve, config| {
        let server = serve(Hears::default());
        for (round, half_closes) in [false, true].into_iter().cycle().take(20).enumerate() {
            let mut client = connect(&server, config);
            client.write_all(b"GET /large HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
            if half_closes {
                client.conn.send_close_notify();
                client.flush().unwrap();
                client.sock.shutdown(Shutdown::Write).unwrap();
            }
            let (mut received, mut buffer) = (Vec::new(), [0; 3000]);
            loop {
                // An end without that of TLS is an error.
                match client.read(&mut buffer).unwrap_or_else(|error| panic!("round {round}: {error}")) {
                    0 => break,
                    read => received.extend_from_slice(&buffer[..read]),
                }
                if received.len() % 50_000 < 3000 {
                    thread::sleep(Duration::from_millis(3));
                }
            }
            let body = format!("\r\n\r\nhttps{}", "x".repeat(BODY));
            assert!(received.ends_with(body.as_bytes()), "round {round}: {} bytes", received.len());
        }
        gone(&server);
    });
}

#[test]
fn what_an_idle_connection_holds_is_in_the_ledger_and_given_back() {
    on_each(|serve, config| {
        let server = serve(Hears::default());
        let mut client = connect(&server, config);
        client.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        let mut received = Vec::new();
        while !received.ends_with(b"\r\n\r\nhttps") {
            let mut buffer = [0; 100];
            let read = client.read(&mut buffer).unwrap();
            received.extend_from_slice(&buffer[..read]);
        }
        let began = Instant::now();
        while server.memory().output != 10 << 10 {
            assert!(began.elapsed() < PATIENCE, "{:?}", server.memory());
            thread::sleep(Duration::from_millis(1));
        }
        drop(client);
        gone(&server);
    });
}

/// As many clients of TLS close: behind a whole response it is no loss.
#[test]
fn a_client_that_closes_without_close_notify_is_lost_only_within_a_message() {
    on_each(|serve, config| {
        let hears = Hears::default();
        let server = serve(hears.clone());
        let get = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
        let mut expected = Vec::new();
        for (sent, is_lost) in [(&get[..], false), (&get[..10], true)] {
            let mut client = connect(&server, config);
            client.write_all(sent).unwrap();
            client.flush().unwrap();
            let mut received = Vec::new();
            while !is_lost && !received.ends_with(b"\r\n\r\nhttps") {
                let mut buffer = [0; 100];
                let read = client.read(&mut buffer).unwrap();
                received.extend_from_slice(&buffer[..read]);
            }
            client.sock.shutdown(Shutdown::Write).unwrap();
            if is_lost {
                let lost = "lost: The connection ended before the end of the protocol below HTTP, so what came may be cut.";
                expected.extend([lost, "closed: Disconnected"]);
            } else {
                expected.push("closed: PeerEnded");
            }
            assert_eq!(hears.wait(expected.len()), expected, "{}", sent.escape_ascii());
        }
        gone(&server);
    });
}

#[test]
fn a_client_that_speaks_no_tls_gets_an_alert_and_harms_nobody() {
    on_each(|serve, config| {
        let hears = Hears::default();
        let server = serve(hears.clone());
        let mut plain = socket(&server);
        plain.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        let mut received = Vec::new();
        // An alert and an end, or a reset.
        let _ = plain.read_to_end(&mut received);
        assert!(!received.starts_with(b"HTTP"), "{}", received.escape_ascii());
        assert_eq!(hears.wait(1), ["not opened: HandshakeFailed"]);
        let mut client = connect(&server, config);
        client.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
        let mut response = String::new();
        client.read_to_string(&mut response).unwrap();
        assert!(response.ends_with("\r\n\r\nhttps"), "{response}");
        gone(&server);
    });
}

#[test]
fn curl_gets_a_response() {
    on_each(|serve, _| {
        let server = serve(Hears::default());
        let url = format!("https://{}/large", server.local_addr().unwrap());
        let curl =
            Command::new("curl").args(["--silent", "--insecure", "--max-time", "30", &url, &url]).output();
        match curl {
            Ok(output) => assert_eq!(output.stdout.len(), 2 * (BODY + "https".len()), "{output:?}"),
            Err(error) => eprintln!("curl is not run: {error}"),
        }
        gone(&server);
    });
}

#[test]
fn a_certificate_that_cannot_be_used_is_told_and_the_connection_closed() {
    let hears = Hears::default();
    let listener = Listener::tcp(LOCAL.into(), &SocketOptions::default()).unwrap();
    let listener = listener.layer(|_| Err::<TlsLayer, _>(LayerError::own("There is no certificate.")));
    let server = httpfsm_blocking::Server::new(ServerConfig::default()).subscriber(hears.clone());
    let server = server.listener(listener).serve(respond).unwrap();
    let mut received = Vec::new();
    let _ = socket(&server).read_to_end(&mut received);
    assert!(received.is_empty());
    let failed =
        "prologue failed: No layer was made: The protocol below HTTP cannot go on: There is no certificate.";
    assert_eq!(hears.wait(2), [failed, "not opened: HandshakeFailed"]);
    gone(&server);
}

/// The peer's side, for the kit.
struct TlsClient(ClientConnection);

impl TlsClient {
    fn say(&mut self, down: &mut Vec<u8>) {
        while self.0.wants_write() {
            self.0.write_tls(down).unwrap();
        }
    }
}

impl Layer for TlsClient {
    fn received(&mut self, below: &[u8], down: &mut Vec<u8>) -> Result<usize, LayerError> {
        let mut left = below;
        while !left.is_empty() {
            self.0.read_tls(&mut left).map_err(LayerError::own)?;
            let processed = self.0.process_new_packets();
            self.say(down);
            processed.map_err(LayerError::peer)?;
            if !self.0.wants_read() {
                break;
            }
        }
        self.say(down);
        Ok(below.len() - left.len())
    }

    fn below_ended(&mut self) {
        let _ = self.0.read_tls(&mut io::empty());
    }

    fn read(&mut self, plain: &mut [u8]) -> Result<Option<usize>, LayerError> {
        match self.0.reader().read(plain) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(_) if self.0.is_handshaking() => Ok(Some(0)),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(LayerError::Truncated),
            Err(error) => Err(LayerError::own(error)),
        }
    }

    fn write(&mut self, plain: &[IoSlice<'_>], down: &mut Vec<u8>) -> Result<usize, LayerError> {
        if self.0.is_handshaking() {
            return Ok(0);
        }
        let taken = self.0.writer().write_vectored(plain).map_err(LayerError::own)?;
        self.say(down);
        Ok(taken)
    }

    fn end(&mut self, down: &mut Vec<u8>) {
        self.0.send_close_notify();
        self.say(down);
    }

    fn established(&self) -> Option<Established> {
        (!self.0.is_handshaking()).then(Established::default)
    }
}

fn kept<T: Transport, S: Spawner + Clone + Sync>(make: impl Fn() -> T + Sync, spawner: S) -> Report {
    let (tls, client) = configs();
    let runtime = Runtime::new().unwrap();
    check(&|plan: Plan, application: Application| {
        let _inside = runtime.enter();
        let (tls, client) = (Arc::clone(&tls), Arc::clone(&client));
        let server = plan.on_listeners(make(), |listener| {
            let tls = Arc::clone(&tls);
            listener.layer(move |_| TlsLayer::new(Arc::clone(&tls)))
        })?;
        let server = server.serve(application.blocking(spawner.clone()))?;
        let client = move || TlsClient(ClientConnection::new(Arc::clone(&client), localhost()).unwrap());
        Ok(Served::through(server, client))
    })
}

#[test]
fn on_the_blocking_transport_it_keeps_what_is_owed() {
    kept(httpfsm_blocking::Blocking::default, httpfsm_blocking::Functions).assert();
}

#[test]
fn on_tokio_it_keeps_what_is_owed() {
    kept(httpfsm_tokio::Tokio::default, BlockingPool).assert();
}
