//! A server to be: the same on every transport.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use httpfsm::config::ServerConfig;
use httpfsm::handler::{Handler, Subscriber};

use crate::clock::Clock;
use crate::handle::ServerHandle;
use crate::job::Spawner;
use crate::listener::{Listener, SocketOptions};
use crate::service::Service;
use crate::spooled;
use crate::tape::Recorder;
use crate::timekeeper::keep_time;

/// What moves the bytes of a [`Server`], with the parameters that it alone has.
///
/// A transport; a runtime has its own `spawn`, and its own way to accept:
///
/// ```
/// use std::io;
/// use std::sync::Arc;
///
/// use httpfsm::handler::Handler;
/// use httpfsm::{Request, ServerConfig};
/// use httpfsm_transport::{Inline, Listener, Opening, Server, ServerHandle, Transport, accept, block_on};
/// # use std::task::{Context, Poll};
/// # use std::thread;
/// # use httpfsm_transport::memory::MemoryWire;
/// # use httpfsm_transport::{Accept, Accepted, ListenerAddress, ListeningSocket};
/// #
/// # fn spawn(task: impl Future<Output = ()> + Send + 'static) {
/// #     thread::spawn(|| block_on(task));
/// # }
/// #
/// # struct Registered(#[expect(dead_code)] (ListenerAddress, ListeningSocket));
/// #
/// # impl Registered {
/// #     fn new(listener: Listener) -> Self {
/// #         Self(listener.into_parts())
/// #     }
/// # }
/// #
/// # impl Accept for Registered {
/// #     type Wire = MemoryWire;
/// #     fn poll_accept(&mut self, _: &mut Context<'_>) -> Poll<io::Result<Accepted<MemoryWire>>> {
/// #         Poll::Pending
/// #     }
/// # }
///
/// #[derive(Default)]
/// struct Mine;
///
/// impl Transport for Mine {
///     fn start<H: Handler>(self, mut opening: Opening, handler: H) -> io::Result<ServerHandle> {
///         let (service, handle) = opening.service(Arc::new(Inline), handler)?;
///         for listener in opening.listeners {
///             // `Registered` is an `Accept`.
///             let (listener, service) = (Registered::new(listener), Arc::clone(&service));
///             spawn(accept(listener, service, handle.clone(), |driver| spawn(driver)));
///         }
///         Ok(handle)
///     }
/// }
///
/// # fn main() -> io::Result<()> {
/// let server = Server::<Mine>::new(ServerConfig::default())
///     .listen_tcp(([127, 0, 0, 1], 0).into())
///     .serve(|_: Request| async { "Hello, world!" })?;
/// block_on(server.begin_drain(None).gone());
/// # Ok(())
/// # }
/// ```
pub trait Transport {
    /// Makes the service of `opening`, and begins to accept on its listeners, in the background.
    ///
    /// # Errors
    ///
    /// A listener cannot be registered, or there is no thread to be had.
    fn start<H: Handler>(self, opening: Opening, handler: H) -> io::Result<ServerHandle>;
}

/// A server to be: its configuration, its listeners and its subscriber. Each transport has an alias of it.
///
/// Nothing is listened at before [`serve`](Self::serve), so the order of these calls does not matter, but that of the
/// listeners among themselves, which the handle's [`local_addrs`](ServerHandle::local_addrs) keep. An address that is
/// taken is an error of `serve`, which names it; whoever wants to know before makes a [`Listener`] and
/// [gives](Self::listener) it.
#[must_use = "a server listens to nobody until `serve` is called"]
pub struct Server<T> {
    transport: T,
    endpoints: Vec<Endpoint>,
    opening: Opening,
}

/// Where a server is to listen.
enum Endpoint {
    /// A socket that listens.
    Made(Listener),
    Tcp(SocketAddr),
    TcpWith(SocketAddr, Box<Configures>),
    Unix(PathBuf),
}

type Configures = dyn FnOnce(Listener) -> Listener + Send;

impl Endpoint {
    fn listen(self, options: &SocketOptions) -> io::Result<Listener> {
        match self {
            Self::Made(listener) => Ok(listener),
            Self::Tcp(address) => Listener::tcp(address, options),
            Self::TcpWith(address, configure) => Listener::tcp(address, options).map(configure),
            Self::Unix(path) => Listener::unix(path, options),
        }
    }
}

/// What a transport is given to start.
///
/// [`Transport`] shows one that is started.
#[derive(Default)]
pub struct Opening {
    /// The sockets, with their options set.
    pub listeners: Vec<Listener>,
    /// The options, for sockets that the transport makes itself.
    pub options: SocketOptions,
    pub(crate) config: ServerConfig,
    pub(crate) subscriber: Option<Arc<dyn Subscriber>>,
    recorder: Option<Arc<dyn Recorder>>,
}

impl Opening {
    /// Without a listener, a subscriber or a recorder.
    pub(crate) fn of(config: ServerConfig) -> Self {
        Self { config, ..Self::default() }
    }

    /// The service that [`Drivers`](crate::Driver) are made from, and the server's handle; its time is kept from now
    /// on. `spawner` does the file work of whole bodies.
    ///
    /// # Errors
    ///
    /// There is no thread to be had for the server's timer.
    pub fn service<H: Handler>(
        &mut self,
        spawner: Arc<dyn Spawner>,
        handler: H,
    ) -> io::Result<(Arc<Service<H>>, ServerHandle)> {
        let config = std::mem::take(&mut self.config);
        let (subscriber, recorder) = (self.subscriber.take(), self.recorder.take());
        let service = Service::recorded(config, Clock::system(), spawner, subscriber, recorder, handler);
        let addresses = self.listeners.iter().map(|listener| listener.local_addr().clone());
        let handle = service.handle(addresses.collect());
        keep_time(&handle)?;
        Ok((service, handle))
    }
}

impl<T: Transport + Default> Server<T> {
    /// A server under a configuration. Without a listener it will listen at the configuration's `host` and `port`.
    pub fn new(config: ServerConfig) -> Self {
        Self::on(T::default(), config)
    }
}

impl<T: Transport> Server<T> {
    /// The same on a transport with parameters of its own.
    pub fn on(transport: T, config: ServerConfig) -> Self {
        Self { transport, endpoints: Vec::new(), opening: Opening::of(config) }
    }

    /// The options of all sockets, wherever it is called among the others. A [`Listener`] that was made before keeps its
    /// backlog, and whether it shares its address.
    ///
    /// ```
    /// use httpfsm::ServerConfig;
    /// use httpfsm_transport::{Server, SocketOptions, Transport};
    ///
    /// /// The socket is for a group of users.
    /// fn listen<T: Transport + Default>() -> Server<T> {
    ///     let options = SocketOptions { unix_mode: Some(0o660), ..SocketOptions::default() };
    ///     Server::new(ServerConfig::default()).listen_unix("/run/web.sock").options(options)
    /// }
    /// ```
    pub fn options(mut self, options: SocketOptions) -> Self {
        self.opening.options = options;
        self
    }

    /// Has a subscriber told what happens on every channel, on the threads that serve the connections.
    ///
    /// ```
    /// use httpfsm::ServerConfig;
    /// use httpfsm::error::CloseReason;
    /// use httpfsm::handler::{ConnectionInfo, Subscriber};
    /// use httpfsm_transport::{Server, Transport};
    ///
    /// struct Log;
    ///
    /// impl Subscriber for Log {
    ///     fn closed(&self, connection: &ConnectionInfo, reason: CloseReason) {
    ///         println!("{} {}: {reason}", connection.peername, connection.channel);
    ///     }
    /// }
    ///
    /// fn logged<T: Transport + Default>() -> Server<T> {
    ///     Server::new(ServerConfig::default()).subscriber(Log)
    /// }
    /// ```
    pub fn subscriber(mut self, subscriber: impl Subscriber + 'static) -> Self {
        self.opening.subscriber = Some(Arc::new(subscriber));
        self
    }

    /// Has channels recorded: those for which `recorder` opens a tape.
    pub fn recorder(mut self, recorder: impl Recorder) -> Self {
        self.opening.recorder = Some(Arc::new(recorder));
        self
    }

    /// Adds a listener that was made by [`Listener`]'s functions.
    pub fn listener(mut self, listener: Listener) -> Self {
        self.endpoints.push(Endpoint::Made(listener));
        self
    }

    /// Adds a socket that listens already, of whatever library: see [`Listener::from_fd`]. Drop yours: as long as it is
    /// open, its port is, also in a drain, and clients connect to a queue from which nobody accepts.
    ///
    /// The socket that systemd passes as descriptor 3, which a crate such as `listenfd` takes:
    ///
    /// ```
    /// use std::io;
    /// use std::net::TcpListener;
    ///
    /// use httpfsm::ServerConfig;
    /// use httpfsm_transport::{Server, Transport};
    ///
    /// fn activated<T: Transport + Default>(listener: TcpListener) -> io::Result<Server<T>> {
    ///     // Ours is a duplicate; theirs is closed when this returns.
    ///     Server::new(ServerConfig::default()).listen_fd(&listener)
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Listener::from_fd`].
    pub fn listen_fd(self, listener: &impl AsFd) -> io::Result<Self> {
        Ok(self.listener(Listener::from_fd(listener)?))
    }

    /// Adds a TCP address; with port 0 the system chooses one. [`serve`](Self::serve) makes the socket, as
    /// [`Listener::tcp`] does.
    pub fn listen_tcp(mut self, address: SocketAddr) -> Self {
        self.endpoints.push(Endpoint::Tcp(address));
        self
    }

    /// As [`listen_tcp`](Self::listen_tcp), on a listener of which `configure` says more, when it is made:
    ///
    /// ```
    /// use httpfsm::config::ServerConfig;
    /// use httpfsm_transport::{Server, Transport};
    ///
    /// /// Port 8080 is for everybody, port 8443 for a proxy that decrypts.
    /// fn listen<T: Transport + Default>() -> Server<T> {
    ///     Server::new(ServerConfig::default())
    ///         .listen_tcp(([0, 0, 0, 0], 8080).into())
    ///         .listen_tcp_with(([127, 0, 0, 1], 8443).into(), |listener| listener.scheme("https"))
    /// }
    /// ```
    pub fn listen_tcp_with(
        mut self,
        address: SocketAddr,
        configure: impl FnOnce(Listener) -> Listener + Send + 'static,
    ) -> Self {
        self.endpoints.push(Endpoint::TcpWith(address, Box::new(configure)));
        self
    }

    /// Adds the path of a Unix socket. [`serve`](Self::serve) makes it, as [`Listener::unix`] does.
    pub fn listen_unix(mut self, path: impl Into<PathBuf>) -> Self {
        self.endpoints.push(Endpoint::Unix(path.into()));
        self
    }

    /// Makes the sockets, and serves the handler on them in the background, until the handle's
    /// [`begin_drain`](ServerHandle::begin_drain). Where no listener was added, that is on the configuration's `host` and
    /// `port`.
    ///
    /// This blocks the thread while a name is looked up, and for each Unix socket while somebody else has its folder locked,
    /// two seconds at most. Where other tasks need the thread, make the listeners elsewhere and pass them to
    /// [`listener`](Self::listener).
    ///
    /// # Errors
    ///
    /// An address cannot be listened at ([`Listener::tcp`], [`Listener::unix`]), the configuration's `host` has none
    /// that can ([`Listener::at_host`]), a listener does not take the options, no file can be made in the configuration's
    /// `spool_dir`, the transport has no runtime here, or the system has no thread for the server's timer or for a worker.
    /// Then nothing is listened at.
    pub fn serve(self, handler: impl Handler) -> io::Result<ServerHandle> {
        let Self { transport, endpoints, mut opening } = self;
        let Opening { listeners, options, config, .. } = &mut opening;
        *listeners = match endpoints.is_empty() {
            true => Listener::at_host(&config.host, config.port, options, |_| ())?,
            false => {
                endpoints.into_iter().map(|endpoint| endpoint.listen(options)).collect::<io::Result<_>>()?
            }
        };
        listeners.iter().try_for_each(|listener| listener.apply(options))?;
        if !config.spool_dir.is_empty() {
            spooled::probe(Path::new(&*config.spool_dir))?;
        }
        transport.start(opening, handler)
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Made(listener) => f.debug_tuple("Made").field(listener).finish(),
            Self::Tcp(address) | Self::TcpWith(address, _) => f.debug_tuple("Tcp").field(address).finish(),
            Self::Unix(path) => f.debug_tuple("Unix").field(path).finish(),
        }
    }
}

impl<T> fmt::Debug for Server<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("endpoints", &self.endpoints).finish_non_exhaustive()
    }
}

impl fmt::Debug for Opening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opening").field("listeners", &self.listeners).finish_non_exhaustive()
    }
}
