//! A client's end of a connection: a socket, and a layer above it or none.

use std::io::{self, IoSlice, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use httpfsm_transport::Layer;
use httpfsm_transport_kit::ToyLayer;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection};

use crate::believing::believing;
use crate::layered::Below;
use crate::tls_client::TlsClient;

/// Bytes that are read from the socket at once, where a layer is to take them.
const READ: usize = 16 << 10;

/// A connection to a server. What is written and read are the bytes of HTTP.
pub struct ClientStream {
    socket: TcpStream,
    layer: Option<LayerEnd>,
}

/// The client's half of the layer that the server has.
struct LayerEnd {
    layer: Box<dyn Layer>,
    /// What was read from the socket, and not taken by the layer.
    received: Vec<u8>,
}

impl ClientStream {
    /// Connects, and does the handshake of the layer, if there is one: a full one of TLS. Every read gives up after 60
    /// s, which is long even for a server under valgrind.
    ///
    /// # Errors
    /// Those of the socket, and of the handshake.
    pub fn connect(address: SocketAddr, below: Below) -> io::Result<Self> {
        let layer: Option<Box<dyn Layer>> = match below {
            Below::Nothing => None,
            Below::Toy => Some(Box::new(ToyLayer::client())),
            Below::Tls => return Self::connect_tls(address, &believing()),
        };
        Self::through(address, layer)
    }

    /// As [`connect`](Self::connect), over TLS by this configuration, which may resume a session.
    ///
    /// # Errors
    /// Those of the socket, and of the handshake.
    pub fn connect_tls(address: SocketAddr, config: &Arc<ClientConfig>) -> io::Result<Self> {
        let name = ServerName::try_from("localhost").map_err(io::Error::other)?;
        let tls = ClientConnection::new(Arc::clone(config), name).map_err(io::Error::other)?;
        Self::through(address, Some(Box::new(TlsClient(tls))))
    }

    fn through(address: SocketAddr, layer: Option<Box<dyn Layer>>) -> io::Result<Self> {
        let socket = TcpStream::connect(address)?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(Duration::from_secs(60)))?;
        let layer = layer.map(|layer| LayerEnd { layer, received: Vec::new() });
        let mut stream = Self { socket, layer };
        if let Self { socket, layer: Some(end) } = &mut stream {
            end.begin(socket)?;
        }
        Ok(stream)
    }

    /// The socket below the layer.
    #[must_use]
    pub fn socket(&self) -> &TcpStream {
        &self.socket
    }
}

impl Read for ClientStream {
    fn read(&mut self, plain: &mut [u8]) -> io::Result<usize> {
        let Self { socket, layer: Some(end) } = self else { return self.socket.read(plain) };
        loop {
            if let Some(read) = end.layer.read(plain)? {
                return Ok(read);
            }
            end.receive(socket)?;
        }
    }
}

impl Write for ClientStream {
    /// Takes as much as the layer does, and sends all that it makes of it.
    fn write(&mut self, plain: &[u8]) -> io::Result<usize> {
        let Self { socket, layer: Some(end) } = self else { return self.socket.write(plain) };
        let mut down = Vec::new();
        let written = end.layer.write(&[IoSlice::new(plain)], &mut down)?;
        socket.write_all(&down)?;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl LayerEnd {
    /// Does the handshake.
    fn begin(&mut self, socket: &mut TcpStream) -> io::Result<()> {
        let mut down = Vec::new();
        self.layer.received(&[], &mut down)?;
        socket.write_all(&down)?;
        while self.layer.established().is_none() {
            self.receive(socket)?;
            if self.layer.read(&mut [0])?.is_some() {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(())
    }

    /// Passes to the layer what has come, and sends its replies.
    fn receive(&mut self, socket: &mut TcpStream) -> io::Result<()> {
        if self.received.is_empty() {
            let mut chunk = [0; READ];
            let read = socket.read(&mut chunk)?;
            if read == 0 {
                self.layer.below_ended();
                return Ok(());
            }
            self.received.extend_from_slice(&chunk[..read]);
        }
        let mut down = Vec::new();
        let taken = self.layer.received(&self.received, &mut down);
        socket.write_all(&down)?;
        self.received.drain(..taken?);
        Ok(())
    }
}
