//! A subject on the loopback, and peers on sockets of the standard library.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use httpfsm_transport::ServerHandle;
use socket2::{Domain, SockAddr, Socket, Type};

use crate::stand::{Received, Stand};

/// How long a call on a socket may block.
const MOMENT: Duration = Duration::from_millis(10);

pub(crate) struct Sockets {
    server: ServerHandle,
    peers: Vec<Option<Socket>>,
    /// Where the server listens, if that is a Unix socket.
    path: Option<PathBuf>,
    small_buffer: bool,
    patience: Duration,
    began: Instant,
}

impl Sockets {
    pub(crate) fn new(
        server: ServerHandle,
        path: Option<PathBuf>,
        small_buffer: bool,
        patience: Duration,
    ) -> Self {
        Self { server, peers: Vec::new(), path, small_buffer, patience, began: Instant::now() }
    }

    fn peer(&mut self, peer: usize) -> Option<&mut Socket> {
        self.peers.get_mut(peer)?.as_mut()
    }
}

impl Stand for Sockets {
    fn connect(&mut self) -> Result<(), String> {
        let stream = match &self.path {
            Some(path) => connect_unix(path, self.patience).map(Socket::from),
            None => {
                let address = self.server.local_addr().ok_or("The server has no TCP address.")?;
                connect(address, self.small_buffer, self.patience).map(Socket::from)
            }
        };
        let stream = stream.map_err(|error| format!("cannot connect: {error}"))?;
        self.peers.push(Some(stream));
        Ok(())
    }

    fn forget_last(&mut self) {
        self.peers.pop();
    }

    fn send(&mut self, peer: usize, bytes: &[u8]) -> usize {
        let Some(stream) = self.peer(peer) else { return bytes.len() };
        match stream.write(bytes) {
            Ok(sent) => sent,
            Err(error) if is_too_early(&error) => 0,
            Err(_) => bytes.len(),
        }
    }

    fn receive(&mut self, peer: usize, at_most: usize, into: &mut Vec<u8>) -> Received {
        let Some(stream) = self.peer(peer) else { return Received::Fin };
        let mut buffer = vec![0; at_most.min(64 << 10)];
        match stream.read(&mut buffer) {
            Ok(0) => Received::Fin,
            Ok(bytes) => {
                into.extend_from_slice(&buffer[..bytes]);
                Received::Some
            }
            Err(error) if is_too_early(&error) => Received::Nothing,
            Err(_) => Received::Rst,
        }
    }

    fn fin(&mut self, peer: usize) {
        if let Some(stream) = self.peer(peer) {
            let _ = stream.shutdown(Shutdown::Write);
        }
    }

    fn reset(&mut self, peer: usize) {
        if let Some(stream) = self.peer(peer) {
            let _ = stream.set_linger(Some(Duration::ZERO));
        }
        self.close(peer);
    }

    fn close(&mut self, peer: usize) {
        if let Some(peer) = self.peers.get_mut(peer) {
            *peer = None;
        }
    }

    fn settle(&mut self) {}

    fn idle(&mut self) {
        thread::sleep(Duration::from_millis(1));
    }

    fn begin(&mut self) {
        self.began = Instant::now();
    }

    fn is_over_patience(&self) -> bool {
        self.began.elapsed() > self.patience
    }

    fn handle(&self) -> ServerHandle {
        self.server.clone()
    }
}

/// A socket whose calls block for a moment at most, connected within so long.
pub(crate) fn connect(address: SocketAddr, small_buffer: bool, patience: Duration) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    if small_buffer {
        // Before it connects, since the window is settled then.
        socket.set_recv_buffer_size(1)?;
    }
    socket.connect_timeout(&address.into(), patience)?;
    let stream = TcpStream::from(socket);
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(MOMENT))?;
    stream.set_write_timeout(Some(MOMENT))?;
    Ok(stream)
}

/// The same for a Unix socket.
pub(crate) fn connect_unix(path: &Path, patience: Duration) -> io::Result<UnixStream> {
    let (address, began) = (SockAddr::unix(path)?, Instant::now());
    loop {
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        // One that blocks waits for ever where the server does not accept.
        socket.set_nonblocking(true)?;
        match socket.connect(&address) {
            Ok(()) => {
                socket.set_nonblocking(false)?;
                let stream = UnixStream::from(OwnedFd::from(socket));
                stream.set_read_timeout(Some(MOMENT))?;
                stream.set_write_timeout(Some(MOMENT))?;
                return Ok(stream);
            }
            // The backlog is full.
            Err(error) if is_too_early(&error) && began.elapsed() < patience => thread::sleep(MOMENT),
            Err(error) => return Err(error),
        }
    }
}

/// A path for a Unix socket that no other server of this process has.
pub(crate) fn unix_path() -> PathBuf {
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    std::env::temp_dir().join(format!("httpfsm-kit-{}-{number}.sock", std::process::id()))
}

pub(crate) fn is_too_early(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted)
}
