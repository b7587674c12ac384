//! TLS on the listeners of a server.

use std::net::SocketAddr;

use httpfsm_transport::{Listener, ListenerInfo, Server, Transport};

use crate::tls::Tls;

/// A server that listens for connections over TLS, beside those without.
///
/// ```
/// use httpfsm::{Request, ServerConfig};
/// use httpfsm_blocking::{Server, block_on};
/// use httpfsm_rustls::{ListenTls, Pem, Tls};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let key = rcgen::KeyPair::generate()?;
/// # let certificate = rcgen::CertificateParams::new(vec!["localhost".to_owned()])?.self_signed(&key)?;
/// # let (certificate, key) = (Pem::bytes(certificate.pem()), Pem::bytes(key.serialize_pem()));
/// let tls = Tls::from_pem(certificate, key)?;
/// let server = Server::new(ServerConfig::default())
///     .listen_tcp("127.0.0.1:0".parse()?)
///     .listen_tls("127.0.0.1:0".parse()?, &tls)
///     .serve(|request: Request| async move { format!("Hello over {}!\n", request.scheme()) })?;
/// assert_eq!(server.local_addrs().len(), 2);
/// block_on(server.begin_drain(None).gone());
/// # Ok(())
/// # }
/// ```
pub trait ListenTls: Sized {
    /// Adds a TCP address whose connections speak TLS; with port 0 the system chooses one. It is as
    /// [`Server::listen_tcp`] but for that, and its requests report the scheme `https`.
    #[must_use]
    fn listen_tls(self, address: SocketAddr, tls: &Tls) -> Self;
}

impl<T: Transport> ListenTls for Server<T> {
    fn listen_tls(self, address: SocketAddr, tls: &Tls) -> Self {
        let tls = tls.clone();
        self.listen_tcp_with(address, move |listener| listener.tls(&tls))
    }
}

/// A listener whose connections speak TLS; also one of a [server in memory](httpfsm_transport::memory::MemoryServer).
///
/// What speaks plain HTTP to a listener of TLS:
///
/// ```
/// use httpfsm::{Request, ServerConfig};
/// use httpfsm_rustls::{Pem, Tls, TlsListener};
/// use httpfsm_transport::ListenerInfo;
/// use httpfsm_transport::memory::MemoryServer;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let key = rcgen::KeyPair::generate()?;
/// # let certificate = rcgen::CertificateParams::new(vec!["localhost".to_owned()])?.self_signed(&key)?;
/// # let (certificate, key) = (Pem::bytes(certificate.pem()), Pem::bytes(key.serialize_pem()));
/// let tls = Tls::from_pem(certificate, key)?;
/// let mut server = MemoryServer::new(ServerConfig::default(), |_: Request| async { "Hello, world!" });
/// // `Listener::tcp(address, &options)?` has the same call.
/// server.set_listener(ListenerInfo::default().tls(&tls));
/// let client = server.connect().expect("there is room");
/// client.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
/// server.run();
/// assert!(client.take_text().starts_with("HTTP/1.1 400 "));
/// # Ok(())
/// # }
/// ```
pub trait TlsListener {
    /// Its connections speak TLS, behind the [preface](Listener::preface), if there is one. A client has
    /// `handshake_timeout` for the handshake. What speaks plain HTTP gets a 400 in plain HTTP that says so. A connection of
    /// another protocol than `http/1.1` by ALPN goes to [`hand_over`](Listener::hand_over).
    #[must_use]
    fn tls(self, tls: &Tls) -> Self;
}

impl TlsListener for Listener {
    fn tls(self, tls: &Tls) -> Self {
        let tls = tls.clone();
        self.layer(move |_| tls.layer())
    }
}

impl TlsListener for ListenerInfo {
    fn tls(self, tls: &Tls) -> Self {
        let tls = tls.clone();
        self.layer(move |_| tls.layer())
    }
}
