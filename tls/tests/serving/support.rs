//! Certificates, servers with them, clients, and what a subscriber hears.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use httpfsm::config::ServerConfig;
use httpfsm::error::{CloseReason, RequestError};
use httpfsm::handler::{ConnectionInfo, Failure, Handler, Request, Subscriber};
use httpfsm_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use httpfsm_rustls::rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion,
};
use httpfsm_rustls::{ListenTls, Pem, Tls, TlsOptions};
use httpfsm_transport::{ServerHandle, block_on};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use tokio::runtime::Runtime;

/// Longer than anything takes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
pub(crate) const LOCAL: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// Who signs certificates.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: rcgen::Certificate,
}

/// A certificate and its key.
#[derive(Clone)]
pub(crate) struct Pair {
    pub(crate) certificate: String,
    pub(crate) key: String,
    der: CertificateDer<'static>,
    key_der: Vec<u8>,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::new([]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        Self { issuer: Issuer::new(params, key), certificate }
    }

    pub(crate) fn pem(&self) -> Pem {
        Pem::bytes(self.certificate.pem())
    }

    pub(crate) fn text(&self) -> String {
        self.certificate.pem()
    }

    /// A pair for these names.
    pub(crate) fn pair(&self, names: &[&str]) -> Pair {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let (params, key) = (CertificateParams::new(names).unwrap(), KeyPair::generate().unwrap());
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Pair {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
            der: certificate.der().clone(),
            key_der: key.serialize_der(),
        }
    }

    pub(crate) fn tls(&self, name: &str, options: &TlsOptions) -> Tls {
        self.pair(&[name]).tls(options)
    }

    pub(crate) fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.der().clone()).unwrap();
        roots
    }

    /// A client that trusts the authority.
    pub(crate) fn client(&self) -> ClientConfig {
        ClientConfig::builder().with_root_certificates(self.roots()).with_no_client_auth()
    }

    /// The same for these versions alone, with a certificate of its own or without.
    pub(crate) fn speaking(
        &self,
        versions: &[&'static SupportedProtocolVersion],
        pair: Option<&Pair>,
    ) -> ClientConfig {
        let builder =
            ClientConfig::builder_with_protocol_versions(versions).with_root_certificates(self.roots());
        match pair {
            None => builder.with_no_client_auth(),
            Some(pair) => {
                let key = PrivateKeyDer::try_from(pair.key_der.clone()).unwrap();
                builder.with_client_auth_cert(vec![pair.der.clone()], key).unwrap()
            }
        }
    }

    /// The same with a certificate of its own.
    pub(crate) fn client_with(&self, pair: &Pair) -> ClientConfig {
        let key = PrivateKeyDer::try_from(pair.key_der.clone()).unwrap();
        ClientConfig::builder()
            .with_root_certificates(self.roots())
            .with_client_auth_cert(vec![pair.der.clone()], key)
            .unwrap()
    }
}

impl Pair {
    pub(crate) fn tls(&self, options: &TlsOptions) -> Tls {
        Tls::from_pem_with(Pem::bytes(&*self.certificate), Pem::bytes(&*self.key), options).unwrap()
    }

    pub(crate) fn der(&self) -> &[u8] {
        &self.der
    }
}

/// Serves on each transport in turn, and tests.
pub(crate) fn on_each(tls: &Tls, test: impl Fn(&ServerHandle, &Hears, &str)) {
    on_each_with(&ServerConfig::default(), tls, respond, test);
}

/// The same with a configuration and a handler of its own.
pub(crate) fn on_each_with<H: Handler + Clone>(
    config: &ServerConfig,
    tls: &Tls,
    handler: H,
    test: impl Fn(&ServerHandle, &Hears, &str),
) {
    let runtime = Runtime::new().unwrap();
    let _inside = runtime.enter();
    let config = || config.clone();
    let run = |name: &str, serve: &dyn Fn(Hears) -> ServerHandle| {
        let hears = Hears::default();
        let server = serve(hears.clone());
        test(&server, &hears, name);
        gone(&server);
    };
    run("blocking", &|hears| {
        let server = httpfsm_blocking::Server::new(config()).subscriber(hears);
        server.listen_tls(LOCAL, tls).serve(handler.clone()).unwrap()
    });
    run("tokio", &|hears| {
        let server = httpfsm_tokio::Server::new(config()).subscriber(hears);
        server.listen_tls(LOCAL, tls).serve(handler.clone()).unwrap()
    });
    run("async-std", &|hears| {
        let server = httpfsm_async_std::Server::new(config()).subscriber(hears);
        server.listen_tls(LOCAL, tls).serve(handler.clone()).unwrap()
    });
    run("smol", &|hears| {
        let server = httpfsm_async_std::smol::Server::new(config()).subscriber(hears);
        server.listen_tls(LOCAL, tls).serve(handler.clone()).unwrap()
    });
}

/// Serves on threads.
pub(crate) fn on_one(tls: &Tls) -> ServerHandle {
    httpfsm_blocking::Server::new(ServerConfig::default()).listen_tls(LOCAL, tls).serve(respond).unwrap()
}

pub(crate) const BODY: usize = 300_000;

/// Responds with what protects the connection, in one line, or with what the path says.
pub(crate) async fn respond(mut request: Request) -> String {
    match request.path() {
        "/large" => "x".repeat(BODY),
        "/count" => format!("{} bytes", request.body().collect(1 << 20).await.unwrap().len()),
        _ => agreed(&request),
    }
}

fn agreed(request: &Request) -> String {
    let security = request.security().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    format!(
        "{} {} alpn={} sni={} chain={} resumed={}",
        request.scheme(),
        security.protocol,
        security.alpn.as_deref().map_or("-".to_owned(), text),
        security.sni.as_deref().unwrap_or("-"),
        security.peer_chain.len(),
        security.resumed
    )
}

pub(crate) fn gone(server: &ServerHandle) {
    block_on(server.begin_drain(None).gone());
    assert_eq!(server.memory().total(), 0);
}

pub(crate) fn socket(server: &ServerHandle) -> TcpStream {
    let socket = TcpStream::connect(server.local_addr().unwrap()).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

pub(crate) type Client = StreamOwned<ClientConnection, TcpStream>;

/// A client that asks for this name.
pub(crate) fn connect(server: &ServerHandle, config: &Arc<ClientConfig>, name: &str) -> Client {
    let name = ServerName::try_from(name.to_owned()).unwrap();
    StreamOwned::new(ClientConnection::new(Arc::clone(config), name).unwrap(), socket(server))
}

/// Sends a request to this host, and reads the response to its end.
pub(crate) fn get(client: &mut Client, host: &str) -> std::io::Result<String> {
    write!(client, "GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")?;
    let mut response = String::new();
    // An end without that of TLS is an error.
    client.read_to_string(&mut response)?;
    Ok(response)
}

/// Reads one whole response, which is not the last.
pub(crate) fn read_response(client: &mut Client) -> String {
    let mut received = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&received);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
            if body.len() >= length.unwrap_or("0").parse().unwrap() {
                return text.into_owned();
            }
        }
        let mut buffer = [0; 1000];
        let read = client.read(&mut buffer).unwrap();
        assert!(read > 0, "{received:?}");
        received.extend_from_slice(&buffer[..read]);
    }
}

/// What a subscriber hears.
#[derive(Clone, Default)]
pub(crate) struct Hears(Arc<Mutex<Vec<String>>>);

impl Hears {
    fn push(&self, text: String) {
        self.0.lock().unwrap().push(text);
    }

    /// Waits until there are so many.
    pub(crate) fn wait(&self, count: usize) -> Vec<String> {
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

    fn not_opened(&self, _: &ConnectionInfo, reason: CloseReason, text: Option<&str>) {
        self.push(format!("not opened: {reason:?}: {}", text.unwrap_or("-")));
    }

    fn refused(&self, _: &ConnectionInfo, error: &RequestError) {
        self.push(format!("refused: {error}"));
    }

    fn connection_lost(&self, _: &ConnectionInfo, text: &str) {
        self.push(format!("lost: {text}"));
    }

    fn closed(&self, _: &ConnectionInfo, reason: CloseReason) {
        self.push(format!("closed: {reason:?}"));
    }
}
