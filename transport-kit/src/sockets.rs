//! A subject on the loopback, and peers on sockets of the standard library.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use httpfsm_transport::ServerHandle;
use socket2::{Domain, SockAddr, Socket, Type};

use crate::link::{Link, WireLink};
use crate::stand::{Received, Stand};
use crate::subject::{Ends, Served};

/// How long a call on a socket may block.
pub(crate) const MOMENT: Duration = Duration::from_millis(10);

pub(crate) struct Sockets {
    server: Served,
    peers: Vec<Option<Link>>,
    /// Where the server listens, if that is a Unix socket.
    path: Option<PathBuf>,
    small_buffer: bool,
    patience: Duration,
    began: Instant,
}

impl Sockets {
    pub(crate) fn new(server: Served, path: Option<PathBuf>, small_buffer: bool, patience: Duration) -> Self {
        Self { server, peers: Vec::new(), path, small_buffer, patience, began: Instant::now() }
    }

    fn peer(&mut self, peer: usize) -> Option<&mut Link> {
        self.peers.get_mut(peer)?.as_mut()
    }
}

impl Stand for Sockets {
    fn connect(&mut self) -> Result<(), String> {
        let link = match &self.path {
            Some(path) => {
                let stream = connect_unix(path, self.patience);
                stream
                    .map(|stream| Link::Socket(stream.into()))
                    .map_err(|error| format!("cannot connect: {error}"))?
            }
            None => connect_to(&self.server, self.small_buffer, self.patience)?,
        };
        self.peers.push(Some(link));
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
        if let Some(link) = self.peer(peer) {
            link.fin();
        }
    }

    fn reset(&mut self, peer: usize) {
        self.peers.get_mut(peer).and_then(Option::take).into_iter().for_each(Link::reset);
    }

    fn close(&mut self, peer: usize) {
        if let Some(peer) = self.peers.get_mut(peer) {
            *peer = None;
        }
    }

    fn settle(&mut self) {}

    fn idle(&mut self) {
        self.peers.iter_mut().flatten().for_each(Link::go_on);
        thread::sleep(Duration::from_millis(1));
    }

    fn begin(&mut self) {
        self.began = Instant::now();
    }

    fn is_over_patience(&self) -> bool {
        self.began.elapsed() > self.patience
    }

    fn handle(&self) -> ServerHandle {
        self.server.handle.clone()
    }
}

/// Connects to a server over TCP, or as its subject says.
pub(crate) fn connect_to(server: &Served, small_buffer: bool, patience: Duration) -> Result<Link, String> {
    let link = match (&server.connect, server.handle.local_addr()) {
        (Some(_), _) => return connect_over(server, Ends::from(Ipv4Addr::LOCALHOST.into(), small_buffer)),
        (None, Some(address)) => connect(address, small_buffer, patience).map(Link::from),
        (None, None) => return Err("The server has no TCP address.".to_owned()),
    };
    link.map_err(|error| format!("cannot connect: {error}"))
}

/// Connects to a server as its subject says.
pub(crate) fn connect_over(server: &Served, ends: Ends) -> Result<Link, String> {
    let connect = server.connect.as_ref().ok_or("The subject has no function that connects.")?;
    let wire = connect(ends).map_err(|error| format!("cannot connect: {error}"))?;
    Ok(Link::Wire(WireLink::new(wire)))
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
