//! One connection of a client.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use socket2::SockRef;

use crate::PATIENCE;

pub(crate) struct Client(BufReader<TcpStream>);

/// A final response.
pub(crate) struct Received {
    pub status: u16,
    pub body: Vec<u8>,
    /// Nothing follows.
    pub closes: bool,
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        // The watch complains before, and tells more.
        stream.set_read_timeout(Some(2 * PATIENCE))?;
        stream.set_write_timeout(Some(2 * PATIENCE))?;
        stream.set_nodelay(true)?;
        Ok(Self(BufReader::new(stream)))
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.get_mut().write_all(bytes)
    }

    /// Goes away, by a reset or without.
    pub(crate) fn leave(self, resets: bool) {
        if resets {
            let _ = SockRef::from(self.0.get_ref()).set_linger(Some(Duration::ZERO));
        }
    }

    pub(crate) fn end_output(&self) -> io::Result<()> {
        self.0.get_ref().shutdown(Shutdown::Write)
    }

    /// So many bytes, whatever they are.
    pub(crate) fn bytes(&mut self, bytes: usize) -> io::Result<Vec<u8>> {
        let mut read = vec![0; bytes];
        self.0.read_exact(&mut read).map(|()| read)
    }

    pub(crate) fn rest(&mut self) {
        crate::swallow(&mut self.0);
    }

    /// The status and the fields of the next head; `None` at the end of the connection.
    pub(crate) fn head(&mut self) -> io::Result<Option<(u16, Vec<String>)>> {
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            let bytes = self.0.read_line(&mut line)?;
            if bytes == 0 && lines.is_empty() {
                return Ok(None);
            }
            if !line.ends_with("\r\n") {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            line.truncate(line.len() - 2);
            if line.is_empty() {
                break;
            }
            lines.push(line.to_ascii_lowercase());
        }
        let status = lines[0].split(' ').nth(1).and_then(|status| status.parse().ok());
        Ok(Some((status.ok_or_else(|| io::Error::other(format!("no status line: {}", lines[0])))?, lines)))
    }

    /// The next final response; an error where there is none.
    pub(crate) fn response(&mut self) -> io::Result<Received> {
        loop {
            let (status, lines) = self.head()?.ok_or(io::ErrorKind::ConnectionAborted)?;
            if status >= 200 {
                return self.body(status, &lines);
            }
        }
    }

    pub(crate) fn body(&mut self, status: u16, lines: &[String]) -> io::Result<Received> {
        let field = |name: &str| lines.iter().find_map(|line| line.strip_prefix(name)).map(str::trim);
        let closes = field("connection:") == Some("close");
        let mut body = Vec::new();
        if field("transfer-encoding:").is_some() {
            loop {
                let mut line = String::new();
                self.0.read_line(&mut line)?;
                let size = usize::from_str_radix(line.trim_end(), 16).map_err(io::Error::other)?;
                body.extend(self.bytes(size)?);
                self.bytes(2)?;
                if size == 0 {
                    break;
                }
            }
        } else if let Some(length) = field("content-length:") {
            body = self.bytes(length.parse().map_err(io::Error::other)?)?;
        }
        Ok(Received { status, body, closes })
    }
}
