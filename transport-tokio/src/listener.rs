//! Where a server listens.

use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::UnixStream as StdUnixStream;
use std::path::{Path, PathBuf};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use httpfsm::peer::Peer;
use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use tokio::net::{TcpListener, UnixListener, unix};

use crate::stream::Stream;

/// Options of the sockets that a server makes or is given. Linux hands those of a listener on to what it accepts, so
/// they cost no system call per connection.
#[derive(Clone, Debug)]
pub struct SocketOptions {
    /// Send small segments at once (TCP_NODELAY). Default `true`.
    pub nodelay: bool,
    /// Connections that may wait to be accepted. Default 1024.
    pub backlog: i32,
    /// After how much silence TCP probes whether the peer is there. Default `None`: never.
    pub keepalive: Option<Duration>,
    /// Let several sockets listen on one address (SO_REUSEPORT), the system spreading connections over them.
    /// Default `false`.
    pub reuse_port: bool,
}

impl Default for SocketOptions {
    fn default() -> Self {
        Self { nodelay: true, backlog: 1024, keepalive: None, reuse_port: false }
    }
}

/// A socket that listens.
#[derive(Debug)]
pub struct Listener {
    socket: Listening,
    /// Our address, where every accepted socket has the same.
    sockname: Option<Peer>,
}

#[derive(Debug)]
enum Listening {
    Tcp(TcpListener),
    /// The path goes before the socket does: between the two, nobody can have taken it.
    Unix(Option<OwnPath>, UnixListener),
}

impl From<TcpListener> for Listener {
    fn from(listener: TcpListener) -> Self {
        let address = listener.local_addr().ok().filter(|address| !address.ip().is_unspecified());
        Self { socket: Listening::Tcp(listener), sockname: address.map(Peer::Ip) }
    }
}

impl From<UnixListener> for Listener {
    fn from(listener: UnixListener) -> Self {
        let sockname = listener.local_addr().ok().map(|address| unix_peer(&address));
        Self { socket: Listening::Unix(None, listener), sockname }
    }
}

impl Listener {
    /// Listens on a TCP address; port 0 lets the system choose. To be called within the runtime that is to serve.
    ///
    /// # Errors
    ///
    /// The address is in use or is none of ours, or there are no more sockets to be had.
    pub fn tcp(address: SocketAddr, options: &SocketOptions) -> io::Result<Self> {
        Self::from_socket(bind(address, options)?)
    }

    /// A listener in the runtime that this is called in.
    pub(crate) fn from_socket(socket: Socket) -> io::Result<Self> {
        Ok(TcpListener::from_std(socket.into())?.into())
    }

    /// Listens on a Unix socket. A socket at `path` that nobody listens on any more is replaced; ours is removed when
    /// the listener is dropped.
    ///
    /// # Errors
    ///
    /// Somebody listens there, or the path cannot be made.
    pub fn unix(path: impl AsRef<Path>, options: &SocketOptions) -> io::Result<Self> {
        let path = path.as_ref();
        let listener = match UnixListener::bind(path) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && is_stale(path) => {
                std::fs::remove_file(path)?;
                UnixListener::bind(path)?
            }
            bound => bound?,
        };
        SockRef::from(&listener).listen(options.backlog)?;
        let mut listener = Self::from(listener);
        if let Listening::Unix(own, _) = &mut listener.socket {
            *own = OwnPath::new(path);
        }
        Ok(listener)
    }

    /// Where it listens.
    ///
    /// # Errors
    ///
    /// The system does not say.
    pub fn local_addr(&self) -> io::Result<Peer> {
        match &self.socket {
            Listening::Tcp(listener) => listener.local_addr().map(Peer::Ip),
            Listening::Unix(_, listener) => listener.local_addr().map(|address| unix_peer(&address)),
        }
    }

    /// Another socket on the same address, for another thread; `None` where the system does not spread connections
    /// over several.
    pub(crate) fn twin(&self, options: &SocketOptions) -> io::Result<Option<Socket>> {
        match &self.socket {
            Listening::Tcp(listener) if SockRef::from(listener).reuse_port()? => {
                bind(listener.local_addr()?, options).map(Some)
            }
            Listening::Tcp(_) | Listening::Unix(..) => Ok(None),
        }
    }

    pub(crate) fn apply(&self, options: &SocketOptions) -> io::Result<()> {
        let Listening::Tcp(listener) = &self.socket else { return Ok(()) };
        let socket = SockRef::from(listener);
        socket.set_tcp_nodelay(options.nodelay)?;
        match options.keepalive {
            Some(silence) => socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(silence)),
            None => Ok(()),
        }
    }

    /// Accepts a connection: the socket, the peer's address and ours.
    pub(crate) fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(Stream, Peer, Peer)>> {
        let (stream, peername, sockname) = match &self.socket {
            Listening::Tcp(listener) => {
                let (stream, peername) = ready!(listener.poll_accept(cx))?;
                let sockname = match &self.sockname {
                    Some(sockname) => sockname.clone(),
                    None => Peer::Ip(stream.local_addr()?),
                };
                (Stream::Tcp(stream), Peer::Ip(peername), sockname)
            }
            Listening::Unix(_, listener) => {
                let (stream, peername) = ready!(listener.poll_accept(cx))?;
                let sockname = self.sockname.clone().unwrap_or(Peer::Unix(None));
                (Stream::Unix(stream), unix_peer(&peername), sockname)
            }
        };
        Poll::Ready(Ok((stream, peername, sockname)))
    }
}

fn bind(address: SocketAddr, options: &SocketOptions) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    if options.reuse_port {
        socket.set_reuse_port(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(options.backlog)?;
    Ok(socket)
}

fn unix_peer(address: &unix::SocketAddr) -> Peer {
    Peer::Unix(address.as_pathname().map(|path| path.to_string_lossy().into()))
}

/// Whether there is a socket that nobody listens on. To connect to any other file is refused as well.
fn is_stale(path: &Path) -> bool {
    let is_socket = std::fs::symlink_metadata(path).is_ok_and(|file| file.file_type().is_socket());
    is_socket
        && StdUnixStream::connect(path).is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
}

/// The path of a socket that we made, and the file that it is.
#[derive(Debug)]
struct OwnPath {
    path: PathBuf,
    file: (u64, u64),
}

impl OwnPath {
    fn new(path: &Path) -> Option<Self> {
        // A relative path may mean another file by then.
        let path = std::path::absolute(path).ok()?;
        Some(Self { file: identity(&path)?, path })
    }
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    std::fs::symlink_metadata(path).ok().map(|file| (file.dev(), file.ino()))
}

impl Drop for OwnPath {
    fn drop(&mut self) {
        if identity(&self.path) == Some(self.file) {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}
