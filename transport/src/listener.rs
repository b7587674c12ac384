//! Where a server listens: the sockets, before a runtime has them.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, ToSocketAddrs};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use httpfsm::peer::Peer;
use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};

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

/// A socket that listens, and does not block. It knows no runtime; the transport registers it with its own.
#[derive(Debug)]
pub struct Listener {
    // Before the socket: between the two drops nobody can have taken the path.
    path: Option<OwnPath>,
    socket: Socket,
    local: Peer,
}

/// The socket of a [`Listener`].
#[derive(Debug)]
pub enum ListeningSocket {
    /// Over TCP.
    Tcp(TcpListener),
    /// Over a Unix socket.
    Unix(UnixListener),
}

/// What stays of a [`Listener`] beside its socket, and is dropped before it: a Unix socket's own path goes then.
#[derive(Debug)]
pub struct Place {
    _path: Option<OwnPath>,
    sockname: Option<Peer>,
}

impl Place {
    /// Our address on an accepted connection; `look` asks the socket where they differ (a listener at all addresses
    /// of the machine).
    ///
    /// # Errors
    ///
    /// Those of `look`.
    pub fn sockname(&self, look: impl FnOnce() -> io::Result<SocketAddr>) -> io::Result<Peer> {
        match &self.sockname {
            Some(sockname) => Ok(sockname.clone()),
            None => look().map(Peer::Ip),
        }
    }
}

impl Listener {
    /// Listens on a TCP address; port 0 lets the system choose.
    ///
    /// # Errors
    ///
    /// The address is in use or is none of ours, or there are no more sockets to be had.
    pub fn tcp(address: SocketAddr, options: &SocketOptions) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_reuse_address(true)?;
        if options.reuse_port {
            socket.set_reuse_port(true)?;
        }
        let listen = || socket.bind(&address.into()).and_then(|()| socket.listen(options.backlog));
        listen().map_err(|error| naming(&error, &address.to_string()))?;
        Self::from_socket(socket)
    }

    /// Listens at each address of a host; at all addresses of the machine where its name is empty. Of several
    /// addresses some may fail, as `::1` of `localhost` does where there is no IPv6: `failed` is told of them.
    ///
    /// A name is looked up here, which blocks.
    ///
    /// # Errors
    ///
    /// The host has no address, or none that can be listened at.
    pub fn at_host(
        host: &str,
        port: u16,
        options: &SocketOptions,
        mut failed: impl FnMut(&io::Error),
    ) -> io::Result<Vec<Self>> {
        if host.is_empty() {
            // A socket of IPv6 takes IPv4 as well; where there is no IPv6 it cannot be made.
            let everywhere = Self::tcp((Ipv6Addr::UNSPECIFIED, port).into(), options);
            let listener = match everywhere {
                Err(error) if error.kind() != io::ErrorKind::AddrInUse => {
                    Self::tcp((Ipv4Addr::UNSPECIFIED, port).into(), options)
                }
                listener => listener,
            };
            return Ok(vec![listener?]);
        }
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let addresses = (bare, port).to_socket_addrs().map_err(|error| naming(&error, host))?;
        let (mut listeners, mut failures) = (Vec::new(), Vec::new());
        for address in addresses {
            match Self::tcp(address, options) {
                Ok(listener) => listeners.push(listener),
                Err(error) => failures.push(error),
            }
        }
        if listeners.is_empty() {
            let missing = || io::Error::new(io::ErrorKind::NotFound, format!("{host} has no address"));
            return Err(failures.into_iter().next().unwrap_or_else(missing));
        }
        failures.iter().for_each(&mut failed);
        Ok(listeners)
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
                fs::remove_file(path)?;
                UnixListener::bind(path)
            }
            bound => bound,
        };
        let listener = listener.map_err(|error| naming(&error, &path.display().to_string()))?;
        let own = OwnPath::new(path);
        SockRef::from(&listener).listen(options.backlog)?;
        Ok(Self { path: own, ..Self::from_socket(Socket::from(listener))? })
    }

    /// A socket that listens already, made by whatever library or passed by whoever started the process. The
    /// descriptor is duplicated.
    ///
    /// # Errors
    ///
    /// It is no stream socket of IP or Unix that listens, or there are no more descriptors.
    pub fn from_fd(listener: &impl AsFd) -> io::Result<Self> {
        let socket = Socket::from(listener.as_fd().try_clone_to_owned()?);
        if !socket.is_listener()? || socket.r#type()? != Type::STREAM {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "the socket does not listen"));
        }
        Self::from_socket(socket)
    }

    fn from_socket(socket: Socket) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        let address = socket.local_addr()?;
        let local = match address.as_socket() {
            Some(address) => Peer::Ip(address),
            None if address.is_unix() => unix_peer(address.as_pathname()),
            None => {
                return Err(io::Error::new(io::ErrorKind::InvalidInput, "the socket is of another family"));
            }
        };
        Ok(Self { path: None, socket, local })
    }

    /// Where it listens; a port 0 is the port that the system chose.
    #[must_use]
    pub fn local_addr(&self) -> &Peer {
        &self.local
    }

    /// Another socket on the same address, for another thread; `None` where the system does not spread connections
    /// over several.
    ///
    /// # Errors
    ///
    /// As [`tcp`](Self::tcp).
    pub fn twin(&self, options: &SocketOptions) -> io::Result<Option<Self>> {
        match self.local {
            Peer::Ip(address) if self.socket.reuse_port()? => Self::tcp(address, options).map(Some),
            Peer::Ip(_) | Peer::Unix(_) => Ok(None),
        }
    }

    /// Sets the options that accepted sockets inherit.
    ///
    /// # Errors
    ///
    /// The system does not take one.
    pub fn apply(&self, options: &SocketOptions) -> io::Result<()> {
        if let Peer::Unix(_) = self.local {
            return Ok(());
        }
        self.socket.set_tcp_nodelay(options.nodelay)?;
        match options.keepalive {
            Some(silence) => self.socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(silence)),
            None => Ok(()),
        }
    }

    /// The socket for a transport's runtime, and what is to be dropped before it.
    #[must_use]
    pub fn into_parts(self) -> (Place, ListeningSocket) {
        let sockname = match &self.local {
            Peer::Ip(address) if address.ip().is_unspecified() => None,
            local => Some(local.clone()),
        };
        let socket = match self.local {
            Peer::Ip(_) => ListeningSocket::Tcp(self.socket.into()),
            Peer::Unix(_) => ListeningSocket::Unix(self.socket.into()),
        };
        (Place { _path: self.path, sockname }, socket)
    }
}

/// The name of a Unix peer; most have none.
#[must_use]
pub fn unix_peer(path: Option<&Path>) -> Peer {
    Peer::Unix(path.map(|path| path.to_string_lossy().into()))
}

/// The error with the address that it is about.
fn naming(error: &io::Error, address: &str) -> io::Error {
    io::Error::new(error.kind(), format!("cannot listen on {address}: {error}"))
}

/// Whether there is a socket that nobody listens on. To connect to any other file is refused as well.
fn is_stale(path: &Path) -> bool {
    let is_socket = fs::symlink_metadata(path).is_ok_and(|file| file.file_type().is_socket());
    is_socket
        && UnixStream::connect(path).is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
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
    fs::symlink_metadata(path).ok().map(|file| (file.dev(), file.ino()))
}

impl Drop for OwnPath {
    fn drop(&mut self) {
        if identity(&self.path) == Some(self.file) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_of_another_library_is_taken_as_it_is() -> io::Result<()> {
        let theirs = TcpListener::bind("127.0.0.1:0")?;
        let address = theirs.local_addr()?;
        let listener = Listener::from_fd(&theirs)?;
        drop(theirs);
        assert_eq!(listener.local_addr(), &Peer::Ip(address));
        assert!(std::net::TcpStream::connect(address).is_ok());
        Ok(())
    }

    #[test]
    fn a_socket_that_does_not_listen_is_refused() -> io::Result<()> {
        let (one, _other) = UnixStream::pair()?;
        let refused = Listener::from_fd(&one).map(|_| ()).map_err(|error| error.kind());
        assert_eq!(refused, Err(io::ErrorKind::InvalidInput));
        Ok(())
    }

    #[test]
    fn without_a_host_every_address_of_the_machine_is_listened_at() -> io::Result<()> {
        let listeners = Listener::at_host("", 0, &SocketOptions::default(), |error| panic!("{error}"))?;
        let [listener] = &listeners[..] else { panic!("one socket: {listeners:?}") };
        let Peer::Ip(address) = *listener.local_addr() else { unreachable!("it is TCP") };
        assert!(address.ip().is_unspecified());
        assert!(std::net::TcpStream::connect((Ipv4Addr::LOCALHOST, address.port())).is_ok());
        Ok(())
    }

    #[test]
    fn a_host_of_which_no_address_can_be_listened_at_fails_with_its_first_reason() -> io::Result<()> {
        let first = Listener::tcp((Ipv4Addr::LOCALHOST, 0).into(), &SocketOptions::default())?;
        let Peer::Ip(address) = *first.local_addr() else { unreachable!("it is TCP") };
        let options = SocketOptions::default();
        let mut told = 0;
        let failed = Listener::at_host("127.0.0.1", address.port(), &options, |_| told += 1);
        let failed = failed.map(|_| ()).map_err(|error| error.kind());
        assert_eq!((failed, told), (Err(io::ErrorKind::AddrInUse), 0));
        Ok(())
    }

    #[test]
    fn keepalive_is_the_option_of_tcp_alone() -> io::Result<()> {
        let options = SocketOptions { keepalive: Some(Duration::from_secs(77)), ..SocketOptions::default() };
        for (options, kept) in [(options.clone(), true), (SocketOptions::default(), false)] {
            let listener = Listener::tcp((Ipv4Addr::LOCALHOST, 0).into(), &options)?;
            listener.apply(&options)?;
            assert_eq!(listener.socket.keepalive()?, kept);
        }
        let place = tempfile::tempdir()?;
        Listener::unix(place.path().join("socket"), &options)?.apply(&options)
    }

    #[test]
    fn a_unix_socket_has_no_twin() -> io::Result<()> {
        let place = tempfile::tempdir()?;
        let options = SocketOptions::default();
        let listener = Listener::unix(place.path().join("socket"), &options)?;
        assert!(listener.twin(&options)?.is_none());
        Ok(())
    }

    #[test]
    fn an_address_in_use_is_named() -> io::Result<()> {
        let first = Listener::tcp((Ipv4Addr::LOCALHOST, 0).into(), &SocketOptions::default())?;
        let Peer::Ip(address) = *first.local_addr() else { unreachable!("it is TCP") };
        let second = Listener::tcp(address, &SocketOptions::default());
        let error = second.map(|_| ()).map_err(|error| (error.kind(), error.to_string()));
        let (kind, text) = error.err().unwrap_or_else(|| unreachable!("it is in use"));
        assert_eq!(kind, io::ErrorKind::AddrInUse);
        assert!(text.contains(&address.to_string()), "{text}");
        Ok(())
    }
}
