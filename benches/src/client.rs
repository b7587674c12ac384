//! A client that takes turns with the server: one write, then all its responses, so that the server's reads and
//! writes are the same in every run.

use std::io::{self, Read, Write};
use std::net::SocketAddr;

use crate::client_stream::ClientStream;
use crate::layered::Below;
use crate::load::{CONTENT, Load};

/// One keep-alive connection.
pub struct BenchClient {
    stream: ClientStream,
    input: Vec<u8>,
    response: Option<usize>,
}

impl BenchClient {
    /// Connects to a server without a layer.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn connect(address: SocketAddr) -> io::Result<Self> {
        ClientStream::connect(address, Below::Nothing).map(Self::over)
    }

    /// A client on this connection.
    #[must_use]
    pub fn over(stream: ClientStream) -> Self {
        Self { stream, input: Vec::new(), response: None }
    }

    /// Writes the load `writes` times, each time after all responses to the one before have come.
    ///
    /// # Errors
    /// Those of the socket, and a response that is not 200 with [`CONTENT`] as its content.
    pub fn drive(&mut self, load: Load, writes: usize) -> io::Result<()> {
        let bytes = load.bytes();
        for _ in 0..writes {
            self.stream.write_all(&bytes)?;
            self.read_responses(load.requests_per_write())?;
        }
        Ok(())
    }

    /// Writes bytes that get no response: half a head.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Whether the connection is still there and nothing has come on it.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn is_quiet(&self) -> io::Result<bool> {
        let socket = self.stream.socket();
        socket.set_nonblocking(true)?;
        let quiet = socket.peek(&mut [0]).is_err_and(|e| e.kind() == io::ErrorKind::WouldBlock);
        socket.set_nonblocking(false)?;
        Ok(quiet)
    }

    /// Reads `count` responses. All of them have the length of the first one of the connection.
    fn read_responses(&mut self, count: usize) -> io::Result<()> {
        self.input.clear();
        let mut chunk = [0; 16 << 10];
        loop {
            let n = self.stream.read(&mut chunk)?;
            if n == 0 {
                return Err(unexpected("the server closed the connection", &self.input));
            }
            self.input.extend_from_slice(&chunk[..n]);
            if self.response.is_none() {
                self.response = length_of_response(&self.input)?;
            }
            let Some(length) = self.response else { continue };
            if self.input.len() >= length * count {
                return self.check(length, count);
            }
        }
    }

    fn check(&self, length: usize, count: usize) -> io::Result<()> {
        let sound = self.input.len() == length * count
            && self
                .input
                .chunks_exact(length)
                .all(|response| response.starts_with(b"HTTP/1.1 200 ") && response.ends_with(CONTENT));
        if sound { Ok(()) } else { Err(unexpected("not the expected responses", &self.input)) }
    }
}

/// The bytes of the first response in `input`, head and content; `None`: its head is not complete yet.
fn length_of_response(input: &[u8]) -> io::Result<Option<usize>> {
    let Some(end) = input.windows(4).position(|w| w == b"\r\n\r\n") else { return Ok(None) };
    let head = String::from_utf8_lossy(&input[..end]).to_ascii_lowercase();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length:"))
        .and_then(|value| value.trim().parse::<usize>().ok())
        .filter(|length| *length == CONTENT.len());
    match length {
        Some(length) => Ok(Some(end + 4 + length)),
        None => Err(unexpected("not a response of 13 bytes", input)),
    }
}

fn unexpected(what: &str, input: &[u8]) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("{what}: {:?}", String::from_utf8_lossy(input)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;
    use std::thread;

    fn a_server_that_responds_with(response: &'static [u8]) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut input = [0; 4096];
            while let Ok(n) = stream.read(&mut input) {
                let requests = input[..n].windows(4).filter(|w| *w == b"\r\n\r\n").count();
                if n == 0 || stream.write_all(&response.repeat(requests)).is_err() {
                    break;
                }
            }
        });
        address
    }

    #[test]
    fn every_load_is_driven_to_its_last_response() {
        for load in Load::ALL {
            let address =
                a_server_that_responds_with(b"HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\nHello, World!");
            BenchClient::connect(address).unwrap().drive(load, 5).unwrap();
        }
    }

    #[test]
    fn a_connection_is_quiet_until_the_server_closes_it() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = BenchClient::connect(listener.local_addr().unwrap()).unwrap();
        let (server, _) = listener.accept().unwrap();
        assert!(client.is_quiet().unwrap());
        drop(server);
        client.stream.socket().peek(&mut [0]).unwrap();
        assert!(!client.is_quiet().unwrap());
    }

    #[test]
    fn a_response_of_another_kind_is_an_error() {
        for response in [
            &b"HTTP/1.1 404 Not Found\r\nContent-Length: 13\r\n\r\nHello, World!"[..],
            b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nHello",
            b"HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\nHello, World?",
        ] {
            let mut client = BenchClient::connect(a_server_that_responds_with(response)).unwrap();
            assert!(client.drive(Load::Plain, 1).is_err(), "{:?}", String::from_utf8_lossy(response));
        }
    }
}
