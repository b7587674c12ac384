//! Where a server listens: the sockets, before a runtime has them.

use std::fs::{self, File, Metadata};
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, ToSocketAddrs};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use httpfsm::peer::Peer;
use rustix::fs::{FlockOperation, Mode, OFlags, flock};
use rustix::io::Errno;
use rustix::process::umask;
use socket2::{Domain, Protocol, SockAddr, Socket, TcpKeepalive, Type};

use crate::lock::lock;

/// Options of the sockets that a server makes or is given. Linux hands those of a listener on to what it accepts, so
/// they cost no system call per connection.
#[derive(Clone, Debug)]
pub struct SocketOptions {
    /// Send small segments at once (TCP_NODELAY). Default `true`.
    pub nodelay: bool,
    /// Connections that may wait to be accepted. Default 1024.
    pub backlog: i32,
    /// After how much silence TCP probes whether the peer is there. Four probes follow, each a quarter of this apart, and
    /// without an answer the connection is lost: after twice this time. In whole seconds, from 4 to 32,767. Default 60 s;
    /// `None`: never. It ends the work for peers that are gone without a word; deadlines end those that are silent.
    pub keepalive: Option<Duration>,
    /// Permissions of the path of a Unix socket, as in `0o660`. Default `None`: those that the umask leaves.
    pub unix_mode: Option<u32>,
    /// Let several sockets listen on one address (SO_REUSEPORT), the system spreading connections over them.
    /// Default `false`.
    pub reuse_port: bool,
}

impl Default for SocketOptions {
    fn default() -> Self {
        Self {
            nodelay: true,
            backlog: 1024,
            keepalive: Some(Duration::from_secs(60)),
            unix_mode: None,
            reuse_port: false,
        }
    }
}

/// Keepalive probes without an answer, after which a connection is lost.
const PROBES: u32 = 4;
/// The longest silence before a probe that Linux knows.
const LONGEST_SILENCE: Duration = Duration::from_secs(32_767);
/// How often a port is looked for that is free at all addresses of a host.
const TRIES: u32 = 8;

/// How long a start waits for others that start in the same folder. Each of them takes a moment.
const OTHERS: Duration = Duration::from_secs(2);

/// The umask is the process's: it is changed by one thread at a time, or it could stay changed.
static UMASK: Mutex<()> = Mutex::new(());

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
        let listen = || {
            let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
            socket.set_reuse_address(true)?;
            if options.reuse_port {
                socket.set_reuse_port(true)?;
            }
            if address.ip() == Ipv6Addr::UNSPECIFIED {
                // All addresses of the machine, also where the system's default is those of IPv6 alone.
                socket.set_only_v6(false)?;
            }
            socket.bind(&address.into())?;
            socket.listen(options.backlog)?;
            Self::from_socket(socket)
        };
        listen().map_err(|error| naming(&error, &address.to_string()))
    }

    /// Listens at each address of a host; at all addresses of the machine where its name is empty. Of several
    /// addresses some may fail, as `::1` of `localhost` does where there is no IPv6: `failed` is told of them. Port 0 is one
    /// port for all of them.
    ///
    /// A name is looked up here, which blocks.
    ///
    /// # Errors
    ///
    /// The host has no address, or none that can be listened at; or somebody listens at one of them, who would get what is
    /// meant for this server.
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
        let mut addresses = Vec::new();
        for address in resolve(bare, port).map_err(|error| naming(&error, host))? {
            // The file of hosts may name one twice.
            if !addresses.contains(&address) {
                addresses.push(address);
            }
        }
        let mut tries = if port == 0 { TRIES } else { 1 };
        let (listeners, failures) = loop {
            tries -= 1;
            match Self::at_addresses(&addresses, options) {
                // The port that the system chose for one address is somebody's at the next.
                Err(error) if error.kind() == io::ErrorKind::AddrInUse && tries > 0 => {}
                listened => break listened?,
            }
        };
        if listeners.is_empty() {
            let missing = || io::Error::new(io::ErrorKind::NotFound, format!("{host} has no address"));
            return Err(failures.into_iter().next().unwrap_or_else(missing));
        }
        failures.iter().for_each(&mut failed);
        Ok(listeners)
    }

    /// Listens at each of these addresses, at one port where theirs is 0; those that failed, beside. That one is in use is a
    /// failure of all.
    fn at_addresses(
        addresses: &[SocketAddr],
        options: &SocketOptions,
    ) -> io::Result<(Vec<Self>, Vec<io::Error>)> {
        let (mut listeners, mut failures, mut chosen) = (Vec::new(), Vec::new(), 0);
        for address in addresses {
            let port = if address.port() == 0 { chosen } else { address.port() };
            match Self::tcp(SocketAddr::new(address.ip(), port), options) {
                Ok(listener) => {
                    if let Peer::Ip(local) = listener.local_addr() {
                        chosen = local.port();
                    }
                    listeners.push(listener);
                }
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => return Err(error),
                Err(error) => failures.push(error),
            }
        }
        Ok((listeners, failures))
    }

    /// Listens on a Unix socket. A socket at `path` that nobody listens on any more is replaced; ours is removed when
    /// the listener is dropped. Of several that start at one path one listens; they take turns by a lock of its folder,
    /// for which this waits two seconds at most. No start takes so long: a socket that has refused connections since then
    /// is replaced also where somebody else keeps the lock, which everybody can who may read the folder. The wait blocks
    /// the thread.
    ///
    /// With [`unix_mode`](SocketOptions::unix_mode) the path has these permissions from the moment it exists. For that the
    /// umask of the whole process is changed while the socket is bound.
    ///
    /// # Errors
    ///
    /// Somebody listens there or is about to, as a lock of the folder that somebody keeps may mean, or the path cannot
    /// be made. The error names it.
    pub fn unix(path: impl AsRef<Path>, options: &SocketOptions) -> io::Result<Self> {
        Self::unix_seen(path.as_ref(), options, || ())
    }

    /// `bound` is called between the bind and the listen, where the socket looks stale to others.
    fn unix_seen(path: &Path, options: &SocketOptions, bound: impl FnOnce()) -> io::Result<Self> {
        let listen = || {
            // Until it listens.
            let turn = Turn::wait(path, OTHERS);
            let socket = bind_or_replace(path, options.unix_mode, &turn, || ())?;
            let own = SocketPath::new(path).map(OwnPath);
            bound();
            socket.listen(options.backlog)?;
            if own.as_ref().is_some_and(|own| !own.0.is_there()) {
                let text = "another server has taken the path before this one could listen";
                return Err(io::Error::new(io::ErrorKind::AddrInUse, text));
            }
            Ok(Self { path: own, ..Self::from_socket(socket)? })
        };
        listen().map_err(|error: io::Error| naming(&error, &path.display().to_string()))
    }

    /// A socket that listens already, made by whatever library or passed by whoever started the process. The
    /// descriptor is duplicated, the socket is not: whoever shares it finds that it does not block any more, and it listens
    /// until the original is closed as well, also when the server is gone.
    ///
    /// # Errors
    ///
    /// It is no stream socket of IP or Unix that listens, or there are no more descriptors. The error names the
    /// descriptor.
    pub fn from_fd(listener: &impl AsFd) -> io::Result<Self> {
        let listen = || {
            let socket = Socket::from(listener.as_fd().try_clone_to_owned()?);
            if !socket.is_listener()? || socket.r#type()? != Type::STREAM {
                return Err(io::Error::new(io::ErrorKind::InvalidInput, "it does not listen"));
            }
            Self::from_socket(socket)
        };
        listen().map_err(|error| naming(&error, &format!("descriptor {}", listener.as_fd().as_raw_fd())))
    }

    fn from_socket(socket: Socket) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        let address = socket.local_addr()?;
        let local = match address.as_socket() {
            Some(address) => Peer::Ip(address),
            None if address.is_unix() => unix_peer(address.as_pathname()),
            None => {
                return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is a socket of another family"));
            }
        };
        Ok(Self { path: None, socket, local })
    }

    /// Where it listens; a port 0 is the port that the system chose.
    #[must_use]
    pub fn local_addr(&self) -> &Peer {
        &self.local
    }

    /// The path of a Unix socket that it has made, for who exits without dropping the server.
    #[must_use]
    pub fn path(&self) -> Option<SocketPath> {
        self.path.as_ref().map(|OwnPath(path)| path.clone())
    }

    /// Another socket on the same address, for another thread; `None` where the system does not spread connections
    /// over several.
    ///
    /// # Errors
    ///
    /// As [`tcp`](Self::tcp).
    pub fn twin(&self, options: &SocketOptions) -> io::Result<Option<Self>> {
        match self.local {
            // Whatever the options say: the socket has the option.
            Peer::Ip(address) if self.socket.reuse_port()? => {
                Self::tcp(address, &SocketOptions { reuse_port: true, ..options.clone() }).map(Some)
            }
            Peer::Ip(_) | Peer::Unix(_) => Ok(None),
        }
    }

    /// Sets the options that accepted sockets inherit.
    ///
    /// # Errors
    ///
    /// The system does not take one. The error names the address.
    pub fn apply(&self, options: &SocketOptions) -> io::Result<()> {
        if let Peer::Unix(_) = self.local {
            return Ok(());
        }
        let set = || {
            self.socket.set_tcp_nodelay(options.nodelay)?;
            let Some(silence) = options.keepalive else { return self.socket.set_keepalive(false) };
            let silence = silence.clamp(Duration::from_secs(PROBES.into()), LONGEST_SILENCE);
            let probes = TcpKeepalive::new().with_time(silence).with_interval(silence / PROBES);
            self.socket.set_tcp_keepalive(&probes.with_retries(PROBES))
        };
        set().map_err(|error| naming(&error, &self.local.to_string()))
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

/// The addresses of a host, with this port. It blocks while a name is looked up.
///
/// The system would take `127.1` for 127.0.0.1, `1.2.3` for 1.2.0.3 and `010.0.0.1` for 8.0.0.1: here, what ends in a
/// number is an address as everybody writes it, or an error.
///
/// # Errors
///
/// Those of the look-up, and [`InvalidInput`](io::ErrorKind::InvalidInput) for such numbers.
pub fn resolve(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    if let Ok(address) = host.parse() {
        return Ok(vec![SocketAddr::new(address, port)]);
    }
    if ends_in_a_number(host) {
        let text = "it is no address; expected four numbers from 0 to 255, as in 192.0.2.1";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    }
    Ok((host, port).to_socket_addrs()?.collect())
}

fn ends_in_a_number(host: &str) -> bool {
    let last = host.strip_suffix('.').unwrap_or(host).rsplit('.').next().unwrap_or_default();
    let digits = last.strip_prefix("0x").or_else(|| last.strip_prefix("0X"));
    (!last.is_empty() && last.bytes().all(|byte| byte.is_ascii_digit()))
        || digits.is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// The turn of one start among those in one folder: a lock of the folder. A socket that is bound and does not listen yet
/// refuses connections as a stale one does, so nobody else may look at it then.
///
/// The other way, to bind under another name and to link the socket to its path once it listens, needs no lock. But then
/// the system shows that name as the socket's address, to `ss` and to its peers, a path of full length leaves no room for
/// it, and two that find a stale socket still race for its removal.
enum Turn {
    /// It is ours while the folder is open.
    Ours { _folder: File },
    /// The folder cannot be locked: it may not be read, or its file system has no locks.
    Unknown,
    /// Somebody holds the lock for longer than any start takes: it is no start that does.
    Theirs {
        /// The socket that refused connections when the wait began. If it does still, it is no server's that starts.
        refused: Option<Identity>,
    },
}

impl Turn {
    fn wait(path: &Path, patience: Duration) -> Self {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new("."));
        // Nothing else: to open a FIFO would wait for its writer.
        let flags = OFlags::DIRECTORY | OFlags::NONBLOCK;
        let folder = File::options().read(true).custom_flags(flags.bits() as i32).open(folder);
        let Ok(folder) = folder else { return Self::Unknown };
        let mut waits = None;
        loop {
            match flock(&folder, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Self::Ours { _folder: folder },
                Err(Errno::WOULDBLOCK | Errno::INTR) => {}
                Err(_) => return Self::Unknown,
            }
            let (refused, since) = *waits.get_or_insert_with(|| (stale(path), Instant::now()));
            if since.elapsed() >= patience {
                return Self::Theirs { refused };
            }
            thread::sleep(Duration::from_millis(5));
        }
    }
}

/// Binds a socket at the path, in place of a stale one if there is one. `looked` is called between the look and the
/// removal, where a server that knows nothing of turns may do the same.
fn bind_or_replace(path: &Path, mode: Option<u32>, turn: &Turn, looked: impl FnOnce()) -> io::Result<Socket> {
    match bind_unix(path, mode) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            let is_socket = fs::symlink_metadata(path).map(|file| file.file_type().is_socket());
            if is_socket.is_ok_and(|is_socket| !is_socket) {
                return Err(io::Error::new(error.kind(), "it is there, and is no socket"));
            }
            let Some(found) = stale(path) else { return Err(error) };
            if matches!(turn, Turn::Theirs { refused } if *refused != Some(found)) {
                let text =
                    "nobody listens there yet, and its folder is locked by somebody who may be about to";
                return Err(io::Error::new(error.kind(), text));
            }
            looked();
            if identity(path) == Some(found) {
                fs::remove_file(path)?;
            }
            bind_unix(path, mode)
        }
        bound => bound,
    }
}

fn bind_unix(path: &Path, mode: Option<u32>) -> io::Result<Socket> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    let address = SockAddr::unix(path)?;
    let Some(mode) = mode else {
        socket.bind(&address)?;
        return Ok(socket);
    };
    // A chmod would need the path, which somebody may have given to another file since the bind; one of the descriptor
    // does not reach the file.
    let _alone = lock(&UMASK);
    let before = umask(Mode::from_raw_mode(!mode & 0o777));
    let bound = socket.bind(&address);
    umask(before);
    bound.map(|()| socket)
}

/// The socket that nobody listens on, if that is what is there. To connect to any other file is refused as well. It does
/// not wait for an owner whose backlog is full: that one listens.
fn stale(path: &Path) -> Option<Identity> {
    let file = fs::symlink_metadata(path).ok().filter(|file| file.file_type().is_socket())?;
    let file = Identity::of(&file);
    let connect = || {
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        socket.set_nonblocking(true)?;
        socket.connect(&SockAddr::unix(path)?)
    };
    let is_refused =
        connect().is_err_and(|error: io::Error| error.kind() == io::ErrorKind::ConnectionRefused);
    is_refused.then_some(file)
}

/// The path of a Unix socket that a [`Listener`] has made, and the file that it is.
#[derive(Clone, Debug)]
pub struct SocketPath(Arc<MadePath>);

#[derive(Debug)]
struct MadePath {
    path: PathBuf,
    file: Identity,
    is_removed: AtomicBool,
}

impl SocketPath {
    fn new(path: &Path) -> Option<Self> {
        // A relative path may mean another file by then.
        let path = std::path::absolute(path).ok()?;
        let file = identity(&path)?;
        Some(Self(Arc::new(MadePath { path, file, is_removed: AtomicBool::new(false) })))
    }

    /// Whether the path leads to the file that was made.
    fn is_there(&self) -> bool {
        identity(&self.0.path) == Some(self.0.file)
    }

    /// Removes the file, unless that was done, or another one has its name by now. The listener does so when it is dropped.
    pub fn remove(&self) {
        // Once: where the file system does not tell when a file was made, the next one may look like ours.
        if !self.0.is_removed.swap(true, Ordering::SeqCst) && self.is_there() {
            let _ = fs::remove_file(&self.0.path);
        }
    }
}

/// Removes the path when it is dropped.
#[derive(Debug)]
struct OwnPath(SocketPath);

impl Drop for OwnPath {
    fn drop(&mut self) {
        self.0.remove();
    }
}

fn identity(path: &Path) -> Option<Identity> {
    fs::symlink_metadata(path).ok().map(|file| Identity::of(&file))
}

/// What tells a file from another at the same path. The number of one that was removed is soon given to the next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Identity {
    number: (u64, u64),
    /// Where the file system tells.
    created: Option<SystemTime>,
}

impl Identity {
    fn of(file: &Metadata) -> Self {
        Self { number: (file.dev(), file.ino()), created: file.created().ok() }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::net::UnixStream;

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
        for (keepalive, probes) in [
            (Some(77), Some((77, 19))),
            (Some(1), Some((4, 1))),
            (Some(100_000), Some((32_767, 8191))),
            (None, None),
        ] {
            let options =
                SocketOptions { keepalive: keepalive.map(Duration::from_secs), ..SocketOptions::default() };
            let listener = Listener::tcp((Ipv4Addr::LOCALHOST, 0).into(), &options)?;
            // What it inherits from whoever made it does not count.
            listener.socket.set_keepalive(true)?;
            listener.apply(&options)?;
            let socket = &listener.socket;
            let set = (socket.tcp_keepalive_time()?.as_secs(), socket.tcp_keepalive_interval()?.as_secs());
            assert_eq!(socket.keepalive()?.then_some(set), probes, "{keepalive:?}");
        }
        assert_eq!(SocketOptions::default().keepalive, Some(Duration::from_secs(60)));
        let place = tempfile::tempdir()?;
        Listener::unix(place.path().join("socket"), &options)?.apply(&options)
    }

    #[test]
    fn a_twin_shares_the_address_whatever_the_options_say() -> io::Result<()> {
        let shared = SocketOptions { reuse_port: true, ..SocketOptions::default() };
        let listener = Listener::tcp((Ipv4Addr::LOCALHOST, 0).into(), &shared)?;
        let twin = listener.twin(&SocketOptions::default())?;
        assert_eq!(twin.map(|twin| twin.local_addr().clone()), Some(listener.local_addr().clone()));
        Ok(())
    }

    #[test]
    fn a_host_of_several_addresses_has_one_port_and_is_not_shared_with_others() -> io::Result<()> {
        let options = SocketOptions::default();
        let listeners = Listener::at_host("localhost", 0, &options, |_| ())?;
        let ports = listeners.iter().map(|listener| match listener.local_addr() {
            Peer::Ip(address) => address.port(),
            Peer::Unix(_) => unreachable!("it is TCP"),
        });
        let ports: Vec<u16> = ports.collect();
        assert!(ports.iter().all(|port| *port == ports[0]), "{ports:?}");
        // One of its addresses is taken, whatever the others are.
        drop(listeners);
        let other = Listener::tcp((Ipv4Addr::LOCALHOST, 0).into(), &options)?;
        let Peer::Ip(address) = *other.local_addr() else { unreachable!("it is TCP") };
        let failed = Listener::at_host("localhost", address.port(), &options, |_| ()).map(|_| ());
        assert_eq!(failed.map_err(|error| error.kind()), Err(io::ErrorKind::AddrInUse));
        Ok(())
    }

    #[test]
    fn of_two_that_find_a_stale_socket_the_later_leaves_the_earlier_its_own() -> io::Result<()> {
        let place = tempfile::tempdir()?;
        let path = place.path().join("socket");
        drop(std::os::unix::net::UnixListener::bind(&path)?);
        let mut first = None;
        let second = bind_or_replace(&path, None, &Turn::Unknown, || {
            // The number of a file that was removed is given to the next; the clock of the file system moves in ticks.
            while fs::symlink_metadata(&path).is_ok_and(|stale| stale.created().is_ok_and(is_this_tick)) {}
            first = Listener::unix(&path, &SocketOptions::default()).ok();
        });
        assert!(first.is_some());
        if fs::symlink_metadata(&path)?.created().is_err() {
            println!("not run: needs a file system that tells when a file was made");
            return Ok(());
        }
        assert_eq!(second.map(|_| ()).map_err(|error| error.kind()), Err(io::ErrorKind::AddrInUse));
        assert!(UnixStream::connect(&path).is_ok());
        Ok(())
    }

    #[test]
    fn a_socket_that_does_not_listen_yet_is_not_looked_at_by_others() -> io::Result<()> {
        let place = tempfile::tempdir()?;
        let (path, options) = (place.path().join("socket"), SocketOptions::default());
        for is_stale in [false, true] {
            if is_stale {
                drop(UnixListener::bind(&path)?);
            }
            let mut turn = None;
            let first = Listener::unix_seen(&path, &options, || {
                turn = Some(Turn::wait(&path, Duration::ZERO));
            })?;
            assert!(matches!(turn, Some(Turn::Theirs { .. })));
            assert!(UnixStream::connect(&path).is_ok());
            assert!(matches!(Turn::wait(&path, Duration::ZERO), Turn::Ours { .. }));
            drop(first);
            assert!(!path.exists());
        }
        Ok(())
    }

    #[test]
    fn a_start_that_takes_so_long_that_another_takes_its_path_fails() -> io::Result<()> {
        let place = tempfile::tempdir()?;
        let (path, options) = (place.path().join("socket"), SocketOptions::default());
        let mut second = None;
        let first = Listener::unix_seen(&path, &options, || second = Listener::unix(&path, &options).ok());
        let error = first.map(|_| ()).map_err(|error| error.kind());
        assert_eq!(error, Err(io::ErrorKind::AddrInUse));
        assert!(second.is_some() && UnixStream::connect(&path).is_ok());
        Ok(())
    }

    #[test]
    fn of_many_that_start_at_one_stale_path_one_listens() -> io::Result<()> {
        let place = tempfile::tempdir()?;
        let (path, options) = (place.path().join("socket"), SocketOptions::default());
        for _ in 0..20 {
            drop(UnixListener::bind(&path)?);
            let start = || Listener::unix(&path, &options).ok();
            let started: Vec<Listener> = thread::scope(|scope| {
                let starts: Vec<_> = (0..4).map(|_| scope.spawn(start)).collect();
                starts.into_iter().filter_map(|start| start.join().ok().flatten()).collect()
            });
            assert_eq!(started.len(), 1);
            assert!(UnixStream::connect(&path).is_ok());
        }
        Ok(())
    }

    #[test]
    fn a_stale_socket_is_replaced_also_where_somebody_keeps_its_folder_locked() -> io::Result<()> {
        let place = tempfile::tempdir()?;
        let path = place.path().join("socket");
        let folder = File::open(place.path())?;
        flock(&folder, FlockOperation::LockShared)?;
        drop(UnixListener::bind(&path)?);
        let _listener = Listener::unix(&path, &SocketOptions::default())?;
        assert!(UnixStream::connect(&path).is_ok());
        assert!(matches!(Turn::wait(&path, Duration::ZERO), Turn::Theirs { refused: None }));
        drop(folder);
        Ok(())
    }

    #[test]
    fn a_socket_that_appeared_during_the_wait_for_the_lock_is_not_taken_for_a_stale_one() -> io::Result<()> {
        let place = tempfile::tempdir()?;
        let (path, other) = (place.path().join("socket"), place.path().join("other"));
        let socket = bind_unix(&path, None)?;
        drop(UnixListener::bind(&other)?);
        // It does not listen yet. There was none at first, or another one.
        for refused in [None, identity(&other)] {
            let error = bind_or_replace(&path, None, &Turn::Theirs { refused }, || ()).map(|_| ()).err();
            let error = error.map(|error| (error.kind(), error.to_string()));
            let text = "nobody listens there yet, and its folder is locked by somebody who may be about to";
            assert_eq!(error, Some((io::ErrorKind::AddrInUse, text.to_owned())));
        }
        // It refused at first, and listens now.
        let refused = stale(&path);
        assert!(refused.is_some());
        socket.listen(1)?;
        let second = bind_or_replace(&path, None, &Turn::Theirs { refused }, || ()).map(|_| ());
        assert_eq!(second.map_err(|error| error.kind()), Err(io::ErrorKind::AddrInUse));
        assert!(UnixStream::connect(&path).is_ok());
        Ok(())
    }

    #[test]
    fn a_path_is_removed_once_by_whoever_comes_first() -> io::Result<()> {
        let place = tempfile::tempdir()?;
        let (path, options) = (place.path().join("socket"), SocketOptions::default());
        let listener = Listener::unix(&path, &options)?;
        drop(listener.path());
        assert!(path.exists());
        listener.path().iter().for_each(SocketPath::remove);
        assert!(!path.exists());
        let next = Listener::unix(&path, &options)?;
        drop(listener);
        assert!(UnixStream::connect(&path).is_ok());
        drop(next);
        assert!(!path.exists());
        Ok(())
    }

    #[test]
    fn what_is_no_socket_is_kept_and_named() -> io::Result<()> {
        let place = tempfile::tempdir()?;
        let error = Listener::unix(place.path(), &SocketOptions::default()).map(|_| ()).err();
        let error = error.map(|error| (error.kind(), error.to_string()));
        let text = format!("cannot listen on {}: it is there, and is no socket", place.path().display());
        assert_eq!(error, Some((io::ErrorKind::AddrInUse, text)));
        Ok(())
    }

    fn is_this_tick(time: SystemTime) -> bool {
        time.elapsed().is_ok_and(|passed| passed < Duration::from_millis(20))
    }

    #[test]
    fn an_address_that_is_named_twice_is_listened_at_once() -> io::Result<()> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let (listeners, failures) = Listener::at_addresses(&[address], &SocketOptions::default())?;
        assert_eq!((listeners.len(), failures.len()), (1, 0));
        // At the port of the first, where it is already.
        let twice = Listener::at_addresses(&[address, address], &SocketOptions::default()).map(|_| ());
        assert_eq!(twice.map_err(|error| error.kind()), Err(io::ErrorKind::AddrInUse));
        Ok(())
    }

    #[test]
    fn sockets_with_permissions_leave_the_umask_as_it_was() {
        let place = tempfile::tempdir().unwrap_or_else(|error| panic!("{error}"));
        let before = current_umask();
        std::thread::scope(|scope| {
            for mode in [0o600, 0o666] {
                let folder = place.path().join(mode.to_string());
                fs::create_dir(&folder).unwrap_or_else(|error| panic!("{error}"));
                scope.spawn(move || {
                    for n in 0..100 {
                        let options = SocketOptions { unix_mode: Some(mode), ..SocketOptions::default() };
                        assert!(Listener::unix(folder.join(n.to_string()), &options).is_ok());
                    }
                });
            }
        });
        assert_eq!(current_umask(), before);
    }

    fn current_umask() -> Mode {
        let _alone = lock(&UMASK);
        let current = umask(Mode::from_raw_mode(0o027));
        umask(current);
        current
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
    fn what_only_looks_like_an_address_is_none() {
        for host in
            ["1.2.3", "127.1", "2130706433", "0x7f000001", "0x7f.1", "010.0.0.1", "1.2.3.4.", "0x", "a.1"]
        {
            let failed = resolve(host, 80).map_err(|error| error.kind());
            assert_eq!(failed, Err(io::ErrorKind::InvalidInput), "{host}");
        }
        for host in ["127.0.0.1", "::1", "localhost"] {
            assert!(resolve(host, 80).is_ok_and(|found| found.iter().all(|at| at.port() == 80)), "{host}");
        }
    }

    #[test]
    fn the_owner_of_a_unix_socket_keeps_it_also_with_a_full_backlog() -> io::Result<()> {
        let place = tempfile::tempdir()?;
        let path = place.path().join("socket");
        let options = SocketOptions { backlog: 0, ..SocketOptions::default() };
        let owner = Listener::unix(&path, &options)?;
        // Nobody accepts; what finds no room would wait for ever.
        let mut waiting = Vec::new();
        loop {
            let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
            socket.set_nonblocking(true)?;
            if socket.connect(&SockAddr::unix(&path)?).is_err() {
                break;
            }
            waiting.push(socket);
        }
        let second = Listener::unix(&path, &options).map(|_| ());
        let error = second.err().unwrap_or_else(|| unreachable!("it is in use"));
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        assert!(error.to_string().contains(&path.display().to_string()), "{error}");
        drop((owner, waiting));
        Ok(())
    }

    #[test]
    fn a_unix_socket_has_the_permissions_that_were_asked_for() -> io::Result<()> {
        let place = tempfile::tempdir()?;
        for mode in [0o600, 0o660, 0o666, 0o777] {
            let path = place.path().join(mode.to_string());
            let options = SocketOptions { unix_mode: Some(mode), ..SocketOptions::default() };
            let listener = Listener::unix(&path, &options)?;
            assert_eq!(fs::metadata(&path)?.permissions().mode() & 0o777, mode);
            assert_eq!(listener.local_addr(), &unix_peer(Some(&path)));
            assert!(UnixStream::connect(&path).is_ok());
        }
        Ok(())
    }

    #[test]
    fn a_path_that_cannot_be_made_is_named() -> io::Result<()> {
        let place = tempfile::tempdir()?;
        for path in [place.path().join("none/socket"), place.path().join("x".repeat(200))] {
            let error = Listener::unix(&path, &SocketOptions::default()).map(|_| ()).err();
            let error = error.unwrap_or_else(|| unreachable!("it cannot be made"));
            assert!(error.to_string().contains(&path.display().to_string()), "{error}");
        }
        Ok(())
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_named_pipe_where_a_folder_should_be_is_not_waited_for() -> io::Result<()> {
        let place = tempfile::tempdir()?;
        let pipe = place.path().join("pipe");
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)?;
        let (tell, told) = std::sync::mpsc::channel();
        let path = pipe.join("socket");
        thread::spawn(move || tell.send(Listener::unix(path, &SocketOptions::default()).map(|_| ())));
        let error = told.recv_timeout(Duration::from_secs(30)).map_err(io::Error::other)?;
        let error = error.err().unwrap_or_else(|| unreachable!("it is no folder"));
        assert_eq!(error.kind(), io::ErrorKind::NotADirectory);
        assert!(error.to_string().contains("pipe/socket"), "{error}");
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
