//! Where a server listens: the sockets, before a runtime has them.

mod identity;
mod options;
mod socket_path;
mod start_turn;
mod tcp;
mod unix;

use std::borrow::Cow;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::Arc;

use httpfsm::handler::{ConnectionInfo, Extensions};
use httpfsm::origins::Origin;
use httpfsm::peer::Peer;
use socket2::{Socket, Type};

pub use options::SocketOptions;
use socket_path::OwnPath;
pub use socket_path::SocketPath;
pub use tcp::resolve;

use crate::accept::Accepted;
use crate::layer::{Layer, LayerError};
use crate::preface::{BeforeHttp, HandedOver, Preface, Proxies};

/// A socket that listens, and does not block. It knows no runtime; the transport registers it with its own.
#[derive(Debug)]
pub struct Listener {
    // Before the socket: between the two drops nobody can have taken the path.
    path: Option<OwnPath>,
    socket: Socket,
    local: Peer,
    info: Arc<ListenerInfo>,
}

/// What a listener says of all its connections.
///
/// ```
/// use httpfsm::{Request, ServerConfig};
/// use httpfsm_transport::ListenerInfo;
/// use httpfsm_transport::memory::MemoryServer;
///
/// /// Whoever comes through a listener with this may do more.
/// struct FromInside;
///
/// let handler = |request: Request| async move {
///     match request.connection().extensions.get::<FromInside>() {
///         Some(FromInside) => "Welcome.",
///         None => "Who are you?",
///     }
/// };
/// let mut server = MemoryServer::new(ServerConfig::default(), handler);
/// let mut info = ListenerInfo::default();
/// info.extensions.insert(FromInside);
/// server.set_listener(info);
/// let client = server.connect().unwrap();
/// client.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
/// server.run();
/// assert!(client.take_text().ends_with("\r\n\r\nWelcome."));
/// ```
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct ListenerInfo {
    /// The scheme that their requests report ([`Request::scheme`](httpfsm::handler::Request::scheme)); `None`: the parameter
    /// `url_scheme`.
    pub scheme: Option<Cow<'static, str>>,
    /// What handlers may read in [`ConnectionInfo::extensions`](httpfsm::handler::OwnEnd::extensions).
    pub extensions: Extensions,
    /// What comes before HTTP.
    pub(crate) before: BeforeHttp,
}

impl ListenerInfo {
    /// As [`Listener::preface`].
    #[must_use]
    pub fn preface<P: Preface>(
        mut self,
        make: impl Fn(&ConnectionInfo) -> P + Send + Sync + 'static,
    ) -> Self {
        self.before.preface = Some(Arc::new(move |info| Box::new(make(info))));
        self
    }

    /// As [`Listener::layer`].
    #[must_use]
    pub fn layer<L: Layer>(
        mut self,
        make: impl Fn(&ConnectionInfo) -> Result<L, LayerError> + Send + Sync + 'static,
    ) -> Self {
        self.before.layer =
            Some(Arc::new(move |info| make(info).map(|layer| Box::new(layer) as Box<dyn Layer>)));
        self
    }

    /// As [`Listener::behind_proxies`].
    #[must_use]
    pub fn behind_proxies(mut self) -> Self {
        if let Proxies::Unknown = self.before.proxies {
            self.before.proxies = Proxies::All;
        }
        self
    }

    /// As [`Listener::trusted_proxies`].
    #[must_use]
    pub fn trusted_proxies(mut self, proxies: impl IntoIterator<Item = Origin>) -> Self {
        self.before.proxies = Proxies::These(proxies.into_iter().collect());
        self
    }

    /// As [`Listener::hand_over`].
    #[must_use]
    pub fn hand_over(mut self, take: impl Fn(HandedOver) + Send + Sync + 'static) -> Self {
        self.before.hand_over = Some(Arc::new(take));
        self
    }
}

/// The socket of a [`Listener`].
///
/// [`ListenerAddress`] shows one in use.
#[derive(Debug)]
pub enum ListeningSocket {
    /// Over TCP.
    Tcp(TcpListener),
    /// Over a Unix socket.
    Unix(UnixListener),
}

impl AsFd for ListeningSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(socket) => socket.as_fd(),
            Self::Unix(socket) => socket.as_fd(),
        }
    }
}

/// The address of a [`Listener`] whose socket was [taken out](Listener::into_parts), and its [`ListenerInfo`]: both make an
/// [`Accepted`] of an accepted connection. Keep it while the socket listens, and drop it before the socket: that removes the
/// path of a Unix socket which the listener has made.
///
/// ```
/// use std::net::TcpStream;
///
/// use httpfsm_transport::{Listener, ListeningSocket, SocketOptions};
///
/// # fn main() -> std::io::Result<()> {
/// let listener = Listener::tcp(([127, 0, 0, 1], 0).into(), &SocketOptions::default())?;
/// let (address, socket) = listener.into_parts();
/// // A runtime registers the socket; its own accept looks like this one.
/// let ListeningSocket::Tcp(socket) = socket else { unreachable!("it listens over TCP") };
/// let _client = TcpStream::connect(socket.local_addr()?)?;
/// let (stream, peer) = socket.accept()?;
/// let sockname = address.sockname(|| stream.local_addr())?;
/// let accepted = address.accepted(stream, peer.into(), sockname);
/// assert_eq!(accepted.sockname, socket.local_addr()?.into());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct ListenerAddress {
    _path: Option<OwnPath>,
    sockname: Option<Peer>,
    info: Arc<ListenerInfo>,
}

impl ListenerAddress {
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

    /// A connection that this listener has accepted.
    #[must_use]
    pub fn accepted<W>(&self, wire: W, peername: Peer, sockname: Peer) -> Accepted<W> {
        Accepted::new(wire, peername, sockname).with_listener(Arc::clone(&self.info))
    }
}

impl Listener {
    /// A socket that listens already, made by whatever library or passed by whoever started the process. The
    /// descriptor is duplicated, the socket is not: whoever shares it finds that it does not block any more, and it listens
    /// until the original is closed as well, also when the server is gone.
    ///
    /// ```
    /// use std::net::TcpListener;
    ///
    /// use httpfsm::Peer;
    /// use httpfsm_transport::Listener;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// // Made by whatever library, or passed by whoever has started the process.
    /// let theirs = TcpListener::bind("127.0.0.1:0")?;
    /// let listener = Listener::from_fd(&theirs)?;
    /// assert_eq!(listener.local_addr(), &Peer::Ip(theirs.local_addr()?));
    /// // As long as it is open, clients connect, also in a drain.
    /// drop(theirs);
    /// # Ok(())
    /// # }
    /// ```
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
        Ok(Self { path: None, socket, local, info: Arc::default() })
    }

    /// Requests on its connections report this scheme in place of the configuration's `url_scheme`: `https` where something
    /// before the server decrypts, say. So one server may have listeners of both.
    ///
    /// ```
    /// use httpfsm::config::ServerConfig;
    /// use httpfsm_transport::{Listener, SocketOptions};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let options = SocketOptions::default();
    /// let plain = Listener::tcp("127.0.0.1:0".parse().expect("this is an address"), &options)?;
    /// // A proxy that speaks TLS passes its requests on here.
    /// let decrypted = Listener::tcp("127.0.0.1:0".parse().expect("this is an address"), &options)?.scheme("https");
    /// // `Server::new(config).listener(plain).listener(decrypted)`
    /// # drop((plain, decrypted));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn scheme(mut self, scheme: impl Into<Cow<'static, str>>) -> Self {
        Arc::make_mut(&mut self.info).scheme = Some(scheme.into());
        self
    }

    /// Handlers find this value in [`ConnectionInfo::extensions`](httpfsm::handler::OwnEnd::extensions) of its
    /// connections: what tells its clients from those of another listener, say.
    ///
    /// ```
    /// use httpfsm::Request;
    /// use httpfsm_transport::{Listener, SocketOptions};
    ///
    /// /// Whoever comes through a listener with this may do more.
    /// struct FromInside;
    ///
    /// async fn welcome(request: Request) -> &'static str {
    ///     match request.connection().extensions.get::<FromInside>() {
    ///         Some(FromInside) => "Welcome.",
    ///         None => "Who are you?",
    ///     }
    /// }
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let options = SocketOptions::default();
    /// let inside = Listener::tcp(([127, 0, 0, 1], 0).into(), &options)?.extension(FromInside);
    /// let outside = Listener::tcp(([127, 0, 0, 1], 0).into(), &options)?;
    /// // `Server::new(config).listener(inside).listener(outside).serve(welcome)`
    /// # drop((inside, outside));
    /// # let response = httpfsm_transport::test::call(welcome, httpfsm_transport::test::TestRequest::get("/"));
    /// # assert_eq!(httpfsm_transport::block_on(response).text(), "Who are you?");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn extension<T: Send + Sync + 'static>(mut self, value: T) -> Self {
        Arc::make_mut(&mut self.info).extensions.insert(value);
        self
    }

    /// Before HTTP, bytes come on its connections that a [`Preface`] reads, as the header of a proxy. `make` makes one for
    /// each; it is called when the connection is accepted, with what is known of it then, and must not block. The channel
    /// opens behind the preface, and the handshake of a [layer](Self::layer). Connections of level 1 have none.
    ///
    /// A connection counts as one of the server from when it is accepted. Until it opens, it is told to
    /// [`Subscriber::not_opened`](httpfsm::handler::Subscriber::not_opened) alone, if it ends; it may be closed for another
    /// as one that is idle since it was accepted; and in a drain it has the time of one that has made no request.
    #[must_use]
    pub fn preface<P: Preface>(
        mut self,
        make: impl Fn(&ConnectionInfo) -> P + Send + Sync + 'static,
    ) -> Self {
        self.change(|info| info.preface(make));
        self
    }

    /// Between its connections and HTTP stands a [`Layer`], as TLS is, behind the [preface](Self::preface), if there is one.
    /// `make` makes one for each connection, with what is known of it when it is accepted, and must not block. The channel
    /// opens when the handshake is [complete](Layer::established).
    ///
    /// Where `make` fails, the connection is closed as one whose handshake has failed, and the error told to
    /// [`Subscriber::not_opened`](httpfsm::handler::Subscriber::not_opened). If it is not the [peer's](LayerError::Peer), it
    /// is a failure of the application, too ([`Failure::Prologue`](httpfsm::handler::Failure::Prologue)).
    #[must_use]
    pub fn layer<L: Layer>(
        mut self,
        make: impl Fn(&ConnectionInfo) -> Result<L, LayerError> + Send + Sync + 'static,
    ) -> Self {
        self.change(|info| info.layer(make));
        self
    }

    /// All its connections come from proxies, and their [prefaces](Self::preface) name the peers
    /// ([`PrefaceRead::peername`](crate::PrefaceRead::peername)). So `max_connections_per_peer` does not limit the proxy: a
    /// connection counts when its preface is complete, for the peer that it names, or for the address of its socket if it
    /// names none. Until then it counts towards `max_connections` alone, as does one whose preface is refused.
    ///
    /// Whoever else may connect to the listener is not limited per peer before the preface is complete, which takes
    /// `preface_timeout` at most, and may name any peer, and so evade `origins` and the limit, or use up that of another.
    /// Let the network keep them away, or [name the proxies](Self::trusted_proxies), in whose place this has no effect.
    /// `origins` cannot, as they judge both the proxy and the peer that it names. Without a preface it means nothing.
    #[must_use]
    pub fn behind_proxies(mut self) -> Self {
        self.change(ListenerInfo::behind_proxies);
        self
    }

    /// Its connections from these addresses come from proxies, as all of them do [behind proxies](Self::behind_proxies). On
    /// others, what the [preface](Self::preface) says of the peer is ignored, and of the address that this has connected to:
    /// they are of the peer that has connected, for `origins`, for the limit from when they are accepted, and for handlers.
    /// So nobody can pretend to be another peer who reaches the listener without a proxy. An empty list trusts nobody.
    ///
    /// They are served, as nginx serves whom `set_real_ip_from` does not name, and with what else the preface says. To turn
    /// them away, make a preface that refuses them: it is made with the address of the socket.
    ///
    /// ```
    /// use httpfsm_transport::{Listener, SocketOptions};
    /// # use httpfsm_transport::{Preface, PrefaceRead, PrefaceVerdict};
    /// # struct Header;
    /// # impl Preface for Header {
    /// #     fn received(&mut self, _: &[u8]) -> PrefaceVerdict { PrefaceVerdict::Read(PrefaceRead::new(0)) }
    /// # }
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let address = "127.0.0.1:0".parse()?;
    /// // `Header` reads the header of a proxy.
    /// let listener = Listener::tcp(address, &SocketOptions::default())?
    ///     .preface(|_| Header)
    ///     .trusted_proxies(["10.0.0.0/8".parse()?, "2001:db8::7".parse()?]);
    /// # drop(listener);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn trusted_proxies(mut self, proxies: impl IntoIterator<Item = Origin>) -> Self {
        self.change(|info| info.trusted_proxies(proxies));
        self
    }

    /// Connections of which the preface or the layer says that they are of another protocol go to `take`, which must not
    /// block: it passes them to a task or a thread.
    ///
    /// ```
    /// use std::sync::mpsc;
    ///
    /// use httpfsm_transport::{HandedOver, Listener, SocketOptions};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let (to, others) = mpsc::channel::<HandedOver>();
    /// let address = "127.0.0.1:0".parse().expect("this is an address");
    /// let listener = Listener::tcp(address, &SocketOptions::default())?.hand_over(move |other| {
    ///     // Where nobody receives it, it is dropped, which closes it.
    ///     let _ = to.send(other);
    /// });
    /// # drop((listener, others));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn hand_over(mut self, take: impl Fn(HandedOver) + Send + Sync + 'static) -> Self {
        self.change(|info| info.hand_over(take));
        self
    }

    fn change(&mut self, change: impl FnOnce(ListenerInfo) -> ListenerInfo) {
        let info = Arc::make_mut(&mut self.info);
        *info = change(std::mem::take(info));
    }

    /// Where it listens; a port 0 is the port that the system chose.
    ///
    /// ```
    /// use httpfsm::Peer;
    /// use httpfsm_transport::{Listener, SocketOptions};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let listener = Listener::tcp(([127, 0, 0, 1], 0).into(), &SocketOptions::default())?;
    /// let Peer::Ip(address) = listener.local_addr() else { unreachable!("it listens over TCP") };
    /// assert_ne!(address.port(), 0);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn local_addr(&self) -> &Peer {
        &self.local
    }

    /// The path of a Unix socket that it has made, for who exits without dropping the server.
    #[must_use]
    pub fn path(&self) -> Option<SocketPath> {
        self.path.as_ref().map(|OwnPath(path)| path.clone())
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
        options.set(&self.socket).map_err(|error| naming(&error, &self.local.to_string()))
    }

    /// The address, to be dropped before the socket, and the socket for a transport's runtime.
    #[must_use]
    pub fn into_parts(self) -> (ListenerAddress, ListeningSocket) {
        let sockname = match &self.local {
            Peer::Ip(address) if address.ip().is_unspecified() => None,
            local => Some(local.clone()),
        };
        let socket = match self.local {
            Peer::Ip(_) => ListeningSocket::Tcp(self.socket.into()),
            Peer::Unix(_) => ListeningSocket::Unix(self.socket.into()),
        };
        (ListenerAddress { _path: self.path, sockname, info: self.info }, socket)
    }
}

/// The name of a Unix peer; most have none.
///
/// ```
/// use std::path::Path;
///
/// use httpfsm::Peer;
/// use httpfsm_transport::unix_peer;
///
/// assert_eq!(unix_peer(Some(Path::new("/run/web.sock"))), Peer::Unix(Some("/run/web.sock".into())));
/// assert_eq!(unix_peer(None), Peer::Unix(None));
/// ```
#[must_use]
pub fn unix_peer(path: Option<&Path>) -> Peer {
    Peer::Unix(path.map(|path| path.to_string_lossy().into()))
}

/// The error with the address that it is about.
fn naming(error: &io::Error, address: &str) -> io::Error {
    io::Error::new(error.kind(), format!("cannot listen on {address}: {error}"))
}

#[cfg(test)]
mod tests {
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
}
