//! The client's side of TLS, as a layer.

use std::io::{self, IoSlice, Read, Write};

use httpfsm_transport::{Established, Layer, LayerError};
use rustls::ClientConnection;

/// The client's side of TLS, for clients whose bytes go through a layer: those of the transport kit, in memory, and of the
/// benches.
pub struct TlsClient(pub ClientConnection);

impl TlsClient {
    fn say(&mut self, down: &mut Vec<u8>) {
        while self.0.wants_write() {
            // To write to a vector does not fail.
            let _ = self.0.write_tls(down);
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
