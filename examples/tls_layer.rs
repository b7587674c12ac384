//! TLS as a layer, by `rustls`: one for every transport, and for the simulator.
//!
//! `cargo run -p httpfsm-examples --example tls_layer -- tokio` (or `blocking`), then `curl --insecure
//! https://127.0.0.1:8443/`. The certificate is made at the start, and nobody has signed it.
//!
//! [`TlsLayer`] is the whole layer. The listener puts one on each of its connections, so handshakes have a deadline, count
//! as connections and end with a drain. What `tokio-rustls` makes of a socket is an I/O, and of tokio alone:
//! `transport-tokio/examples/tls.rs`.

use std::error::Error;
use std::io::{self, IoSlice, Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;

use httpfsm::config::ServerConfig;
use httpfsm::handler::{Handler, Request, Response};
use httpfsm_transport::{
    Established, Layer, LayerError, Listener, Server, ServerHandle, SocketOptions, Transport, block_on,
};
use rustls::ServerConnection;

/// What an idle connection of `rustls` 0.23 holds, beside plain bytes that wait to be read. It tells nobody, so this was
/// measured.
const TLS_BYTES: usize = 10 << 10;

/// The server's side of TLS on one connection.
pub(crate) struct TlsLayer {
    tls: ServerConnection,
    /// Plain bytes that wait to be read.
    unread: usize,
}

impl TlsLayer {
    /// # Errors
    ///
    /// The configuration cannot be used: a failure of the server, of which its subscriber hears.
    pub(crate) fn new(config: Arc<rustls::ServerConfig>) -> Result<Self, LayerError> {
        let tls = ServerConnection::new(config).map_err(LayerError::own)?;
        Ok(Self { tls, unread: 0 })
    }

    /// Passes on what `rustls` has to say to the peer.
    fn say(&mut self, down: &mut Vec<u8>) {
        while self.tls.wants_write() {
            // To write to a vector does not fail.
            let _ = self.tls.write_tls(down);
        }
    }
}

impl Layer for TlsLayer {
    fn received(&mut self, below: &[u8], down: &mut Vec<u8>) -> Result<usize, LayerError> {
        let mut left = below;
        while !left.is_empty() {
            // At most 4 KiB at once.
            self.tls.read_tls(&mut left).map_err(LayerError::own)?;
            let processed = self.tls.process_new_packets();
            // An alert, too, where the peer is at fault.
            self.say(down);
            self.unread = processed.map_err(LayerError::peer)?.plaintext_bytes_to_read();
            if !self.tls.wants_read() {
                // There are plain bytes, or the end: the rest comes again when they have been read.
                break;
            }
        }
        Ok(below.len() - left.len())
    }

    fn below_ended(&mut self) {
        // To read nothing is how it learns of that.
        let _ = self.tls.read_tls(&mut io::empty());
    }

    fn read(&mut self, plain: &mut [u8]) -> Result<Option<usize>, LayerError> {
        match self.tls.reader().read(plain) {
            Ok(bytes) => {
                self.unread = self.unread.saturating_sub(bytes);
                Ok(Some(bytes))
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            // Nothing can be cut before the handshake is complete.
            Err(_) if self.tls.is_handshaking() => Ok(Some(0)),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(LayerError::Truncated),
            Err(error) => Err(LayerError::own(error)),
        }
    }

    fn write(&mut self, plain: &[IoSlice<'_>], down: &mut Vec<u8>) -> Result<usize, LayerError> {
        if self.tls.is_handshaking() {
            return Ok(0);
        }
        let taken = self.tls.writer().write_vectored(plain).map_err(LayerError::own)?;
        self.say(down);
        Ok(taken)
    }

    fn end(&mut self, down: &mut Vec<u8>) {
        self.tls.send_close_notify();
        self.say(down);
    }

    fn established(&self) -> Option<Established> {
        if self.tls.is_handshaking() {
            return None;
        }
        let mut established = Established::default();
        established.scheme = Some("https".into());
        // A listener without `hand_over` closes such a connection.
        established.other_protocol = self.tls.alpn_protocol().is_some_and(|name| name != b"http/1.1");
        Some(established)
    }

    fn held(&self) -> usize {
        TLS_BYTES + self.unread
    }
}

/// A server that listens for connections over TLS.
pub(crate) fn serve_tls<T: Transport>(
    server: Server<T>,
    address: SocketAddr,
    tls: Arc<rustls::ServerConfig>,
    handler: impl Handler,
) -> io::Result<ServerHandle> {
    let listener = Listener::tcp(address, &SocketOptions::default())?;
    server.listener(listener.layer(move |_| TlsLayer::new(Arc::clone(&tls)))).serve(handler)
}

async fn hello(request: Request) -> Response {
    Response::text(format!("Hello over {}!\n", request.scheme()))
}

fn main() -> Result<(), Box<dyn Error>> {
    let made = rcgen::generate_simple_self_signed(["localhost".into(), "127.0.0.1".into()])?;
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der())?;
    let mut tls = rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)?;
    tls.alpn_protocols = vec![b"http/1.1".to_vec()];

    let (address, tls, config) = ("127.0.0.1:8443".parse()?, Arc::new(tls), ServerConfig::default());
    let runtime = tokio::runtime::Runtime::new()?;
    let _inside = runtime.enter();
    let server = match std::env::args().nth(1).as_deref() {
        Some("blocking") => serve_tls(httpfsm_blocking::Server::new(config), address, tls, hello)?,
        _ => serve_tls(httpfsm_tokio::Server::new(config), address, tls, hello)?,
    };
    // Until the process is ended.
    block_on(server.gone());
    Ok(())
}
