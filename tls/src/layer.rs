//! TLS on one connection.

use std::borrow::Cow;
use std::io::{self, IoSlice, Read, Write};

use httpfsm::error::Rule;
use httpfsm::handler::Security;
use httpfsm_transport::{Established, Layer, LayerError};
use rustls::server::{Accepted, Acceptor};
use rustls::{HandshakeKind, ProtocolVersion, ServerConnection};

use crate::held::Held;
use crate::hello::{Hello, HelloFrom, comparable};
use crate::options::HTTP_1_1;
use crate::tls::{Chosen, Tls};

/// The alert `unrecognized_name`, before anything is encrypted (RFC 6066 section 3).
const UNRECOGNIZED_NAME: [u8; 7] = [21, 3, 3, 0, 2, 2, 112];

/// The server's side of TLS on one connection: a machine of bytes, without I/O. [`Tls::layer`] makes it.
///
/// On a wire of your own:
///
/// ```
/// use std::io;
///
/// use httpfsm_rustls::{Tls, TlsLayer};
/// use httpfsm_transport::{Layered, Wire};
///
/// fn encrypted<W: Wire>(wire: W, tls: &Tls) -> io::Result<Layered<W, TlsLayer>> {
///     Ok(Layered::new(wire, tls.layer()?))
/// }
/// ```
pub struct TlsLayer {
    stage: Stage,
    held: Held,
    has_begun: bool,
    below_ended: bool,
}

enum Stage {
    /// What the client says first decides on the configuration.
    Hello {
        acceptor: Acceptor,
        tls: Tls,
    },
    Open {
        connection: ServerConnection,
        chosen: Option<Chosen>,
    },
    Failed,
}

impl TlsLayer {
    pub(crate) fn new(tls: &Tls) -> Result<Self, LayerError> {
        let stage = match tls.only() {
            Some(config) => {
                let connection = ServerConnection::new(config).map_err(LayerError::own)?;
                Stage::Open { connection: unlimited(connection), chosen: None }
            }
            None => Stage::Hello { acceptor: Acceptor::default(), tls: tls.clone() },
        };
        Ok(Self { stage, held: Held::new(), has_begun: false, below_ended: false })
    }

    /// Has the client's first message decide, if it is complete.
    fn choose(&mut self, down: &mut Vec<u8>) -> Result<(), LayerError> {
        let Stage::Hello { acceptor, tls } = &mut self.stage else { return Ok(()) };
        let accepted = match acceptor.accept() {
            Ok(Some(accepted)) => accepted,
            Ok(None) => return Ok(()),
            Err((error, mut alert)) => {
                // To write to a vector does not fail.
                let _ = alert.write_all(down);
                self.stage = Stage::Failed;
                return Err(LayerError::peer(error));
            }
        };
        let chosen = chosen(tls, &accepted);
        self.stage = Stage::Failed;
        let Some(chosen) = chosen else {
            down.extend_from_slice(&UNRECOGNIZED_NAME);
            return Err(LayerError::peer("It asks for a server that there is none of here."));
        };
        match accepted.into_connection(chosen.config.clone()) {
            Ok(connection) => {
                self.stage = Stage::Open { connection: unlimited(connection), chosen: Some(chosen) };
                Ok(())
            }
            Err((error, mut alert)) => {
                let _ = alert.write_all(down);
                Err(LayerError::peer(error))
            }
        }
    }

    /// Takes bytes as far as they make plain bytes, or all of them.
    fn take(&mut self, left: &mut &[u8], down: &mut Vec<u8>) -> Result<(), LayerError> {
        while !left.is_empty() {
            let before = *left;
            // 4 KiB at once, as a rule. It fails where the message of the peer is larger than any that there is.
            match &mut self.stage {
                Stage::Hello { acceptor, .. } => acceptor.read_tls(left).map_err(LayerError::peer)?,
                Stage::Open { connection, .. } => connection.read_tls(left).map_err(LayerError::peer)?,
                Stage::Failed => return Err(LayerError::own("It has failed before.")),
            };
            let taken = before.len() - left.len();
            self.held.take(before.get(..taken).unwrap_or_default());
            self.choose(down)?;
            if !self.process(down)? || taken == 0 {
                break;
            }
        }
        Ok(())
    }

    /// Has rustls work at what it was given. `false` where there is something to be read before it takes more.
    fn process(&mut self, down: &mut Vec<u8>) -> Result<bool, LayerError> {
        let Stage::Open { connection, .. } = &mut self.stage else { return Ok(true) };
        let was_handshaking = connection.is_handshaking();
        let processed = connection.process_new_packets();
        // An alert, too, where the peer is at fault.
        say(connection, down);
        if was_handshaking && !connection.is_handshaking() {
            let chain = connection.peer_certificates().unwrap_or_default();
            self.held.established(chain.iter().map(|certificate| certificate.len()).sum());
        }
        let state = processed.map_err(LayerError::peer)?;
        self.held.processed(state.plaintext_bytes_to_read());
        Ok(connection.wants_read())
    }
}

fn chosen(tls: &Tls, accepted: &Accepted) -> Option<Chosen> {
    let client = accepted.client_hello();
    let name = client.server_name().and_then(comparable);
    tls.chosen(&Hello { server_name: name.as_deref(), from: HelloFrom::Client(&client) })
}

/// The wire bounds what is encrypted at once, and takes all of it before the next.
fn unlimited(mut connection: ServerConnection) -> ServerConnection {
    connection.set_buffer_limit(None);
    connection
}

/// Passes on what rustls has to say to the peer.
fn say(connection: &mut ServerConnection, down: &mut Vec<u8>) {
    while connection.wants_write() {
        // To write to a vector does not fail.
        let _ = connection.write_tls(down);
    }
}

/// The same as far as the wire takes it, and the rest as before; says how many bytes that were.
fn say_through(connection: &mut ServerConnection, below: &mut dyn Write, down: &mut Vec<u8>) -> usize {
    let (mut left, before) = (0, down.len());
    while connection.wants_write() {
        match connection.write_tls(below) {
            Ok(bytes @ 1..) => left += bytes,
            _ => break,
        }
    }
    say(connection, down);
    left + down.len() - before
}

/// A wire to which nothing has come, and which takes nothing.
struct Nothing;

impl Read for Nothing {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::ErrorKind::WouldBlock.into())
    }
}

impl Write for Nothing {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::WouldBlock.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Whether a connection begins as a request of HTTP does, or an empty line before it, and as no record of TLS (RFC 8446
/// section 5.1).
fn is_text(first: u8) -> bool {
    first.is_ascii_graphic() || first.is_ascii_whitespace()
}

impl Layer for TlsLayer {
    fn received(&mut self, below: &[u8], down: &mut Vec<u8>) -> Result<usize, LayerError> {
        let Some(&first) = below.first() else { return Ok(0) };
        if !std::mem::replace(&mut self.has_begun, true) && is_text(first) {
            self.stage = Stage::Failed;
            return Err(LayerError::Refused(Rule::NotTls));
        }
        let mut left = below;
        self.take(&mut left, down)?;
        Ok(below.len() - left.len())
    }

    fn below_ended(&mut self) {
        self.below_ended = true;
        if let Stage::Open { connection, .. } = &mut self.stage {
            // To read nothing is how it learns of that.
            let _ = connection.read_tls(&mut io::empty());
        }
    }

    fn read(&mut self, plain: &mut [u8]) -> Result<Option<usize>, LayerError> {
        let connection = match &mut self.stage {
            Stage::Open { connection, .. } => connection,
            // Nothing can be cut before the handshake is complete.
            Stage::Hello { .. } => return Ok(self.below_ended.then_some(0)),
            Stage::Failed => return Err(LayerError::own("It has failed before.")),
        };
        match connection.reader().read(plain) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                if self.held.emptied() {
                    // It gives memory back only before it reads.
                    let _ = connection.read_tls(&mut Nothing);
                }
                Ok(None)
            }
            Err(_) if connection.is_handshaking() => Ok(Some(0)),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(LayerError::Truncated),
            Err(error) => Err(LayerError::own(error)),
        }
    }

    fn write(&mut self, plain: &[IoSlice<'_>], down: &mut Vec<u8>) -> Result<usize, LayerError> {
        self.write_through(plain, &mut Nothing, down)
    }

    fn write_through(
        &mut self,
        plain: &[IoSlice<'_>],
        below: &mut dyn Write,
        down: &mut Vec<u8>,
    ) -> Result<usize, LayerError> {
        let connection = match &mut self.stage {
            Stage::Open { connection, .. } if !connection.is_handshaking() => connection,
            Stage::Failed => return Err(LayerError::own("It has failed before.")),
            _ => return Ok(0),
        };
        let taken = connection.writer().write_vectored(plain).map_err(LayerError::own)?;
        if say_through(connection, below, down) < taken {
            // It has sent the end: no key of TLS 1.2 encrypts more than 2^24 records (RFC 8446 section 5.5).
            return Err(LayerError::own("The keys of the connection are used up."));
        }
        Ok(taken)
    }

    fn end(&mut self, down: &mut Vec<u8>) {
        if let Stage::Open { connection, .. } = &mut self.stage {
            connection.send_close_notify();
            say(connection, down);
        }
    }

    fn established(&self) -> Option<Established> {
        let Stage::Open { connection, chosen } = &self.stage else { return None };
        if connection.is_handshaking() {
            return None;
        }
        let security = security(connection);
        let mut established = Established::default();
        established.scheme = Some(Cow::Borrowed("https"));
        established.other_protocol = security.alpn.as_deref().is_some_and(|name| name != HTTP_1_1);
        if let Some(hosts) =
            chosen.as_ref().and_then(|chosen| chosen.hosts(security.sni.clone(), security.alpn.clone()))
        {
            established.extensions.insert(hosts);
        }
        established.extensions.insert(security);
        Some(established)
    }

    fn held(&self) -> usize {
        self.held.bytes()
    }
}

/// What is known when the handshake is complete.
fn security(connection: &ServerConnection) -> Security {
    let mut security = Security::default();
    security.protocol = match connection.protocol_version() {
        Some(ProtocolVersion::TLSv1_2) => "TLSv1.2".into(),
        Some(ProtocolVersion::TLSv1_3) => "TLSv1.3".into(),
        other => other.and_then(|version| version.as_str()).unwrap_or_default().into(),
    };
    let suite = connection.negotiated_cipher_suite().map(|suite| suite.suite());
    let name = suite.and_then(|suite| suite.as_str()).unwrap_or_default();
    // The library writes the version into the names of 1.3.
    security.cipher = match name.strip_prefix("TLS13_") {
        Some(rest) => format!("TLS_{rest}").into(),
        None => name.into(),
    };
    security.alpn = connection.alpn_protocol().map(<[u8]>::to_vec);
    security.sni = connection.server_name().and_then(comparable);
    let chain = connection.peer_certificates().unwrap_or_default();
    security.peer_chain = chain.iter().map(|certificate| certificate.to_vec()).collect();
    security.resumed = connection.handshake_kind() == Some(HandshakeKind::Resumed);
    security
}

impl std::fmt::Debug for TlsLayer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TlsLayer").field("held", &self.held.bytes()).finish_non_exhaustive()
    }
}
