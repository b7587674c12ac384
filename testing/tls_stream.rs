//! The client's side of TLS on a socket.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection};

/// Bytes that are encrypted at once, so that little of them waits.
const WRITE_BYTES: usize = 64 << 10;
/// Bytes that are read at once, as many as rustls takes.
const READ_BYTES: usize = 4 << 10;

/// The client's side of TLS on a socket that blocks. As a socket it can be [cloned](Self::try_clone), so that one thread
/// reads while another one writes.
#[derive(Debug)]
pub struct TlsStream {
    socket: TcpStream,
    shared: Arc<Mutex<Shared>>,
}

/// What both directions have in common.
#[derive(Debug)]
struct Shared {
    tls: ClientConnection,
    /// What has come and waits until the plain bytes before it are read.
    came: Vec<u8>,
}

impl TlsStream {
    /// Does the handshake with a server of the name `localhost`.
    ///
    /// # Errors
    ///
    /// The handshake fails.
    pub fn new(mut socket: TcpStream, config: Arc<ClientConfig>) -> io::Result<Self> {
        let name = ServerName::try_from("localhost").map_err(io::Error::other)?;
        let mut tls = ClientConnection::new(config, name).map_err(io::Error::other)?;
        while tls.is_handshaking() {
            tls.complete_io(&mut socket)?;
        }
        tls.set_buffer_limit(None);
        let shared = Shared { tls, came: Vec::new() };
        Ok(Self { socket, shared: Arc::new(Mutex::new(shared)) })
    }

    /// Another handle, for a thread that reads or for one that writes: two that write at once would mix their records.
    ///
    /// # Errors
    ///
    /// There is no further descriptor.
    pub fn try_clone(&self) -> io::Result<Self> {
        Ok(Self { socket: self.socket.try_clone()?, shared: Arc::clone(&self.shared) })
    }

    /// The socket below.
    #[must_use]
    pub fn socket(&self) -> &TcpStream {
        &self.socket
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends what `what` makes. Nobody waits for that who reads.
    fn send<T>(&self, what: impl FnOnce(&mut ClientConnection) -> T) -> io::Result<T> {
        let mut down = Vec::new();
        let made = {
            let tls = &mut self.shared().tls;
            let made = what(tls);
            while tls.wants_write() {
                tls.write_tls(&mut down)?;
            }
            made
        };
        (&self.socket).write_all(&down)?;
        Ok(made)
    }

    /// Ends what is sent, by `close_notify` alone.
    ///
    /// # Errors
    ///
    /// The connection is lost.
    pub fn close_notify(&self) -> io::Result<()> {
        self.send(|tls| tls.send_close_notify())
    }
}

/// 0 is `close_notify`; the end of the connection without it is an error, [`ErrorKind::UnexpectedEof`].
impl Read for &TlsStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            {
                let Shared { tls, came } = &mut *self.shared();
                match tls.reader().read(buffer) {
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                    read => return read,
                }
                if !came.is_empty() {
                    let taken = tls.read_tls(&mut &came[..])?;
                    came.drain(..taken);
                    tls.process_new_packets().map_err(io::Error::other)?;
                    continue;
                }
            }
            let mut piece = [0; READ_BYTES];
            let read = (&self.socket).read(&mut piece)?;
            let Shared { tls, came } = &mut *self.shared();
            came.extend_from_slice(piece.get(..read).unwrap_or_default());
            if read == 0 {
                tls.read_tls(&mut io::empty())?;
            }
        }
    }
}

impl Write for &TlsStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let bytes = bytes.get(..WRITE_BYTES).unwrap_or(bytes);
        self.send(|tls| tls.writer().write(bytes))?
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Read for TlsStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        (&*self).read(buffer)
    }
}

impl Write for TlsStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        (&*self).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
