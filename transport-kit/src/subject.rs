//! The transport under test, as the kit starts it.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use httpfsm::config::ServerConfig;
use httpfsm::peer::Peer;
use httpfsm_transport::{
    Connections, Layer, Layered, Listener, Server, ServerHandle, SocketOptions, Spawner, Transport, Wire,
};

use crate::application::Application;
use crate::established::{PATIENCE, SocketWire, established};
use crate::memory::SMALL;
use crate::record::Record;
use crate::sockets;

/// A transport under test: something that serves an application as a [`Plan`] says. Every
/// `Fn(Plan, Application) -> io::Result<ServerHandle>` is one, so it is a closure of a line or two (for connections over
/// an I/O of your own see [`Served`]):
///
/// ```
/// use httpfsm_tokio::Tokio;
/// use httpfsm_transport_kit::{Application, Plan, Subject};
///
/// # fn main() -> std::io::Result<()> {
/// let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
/// let subject = |plan: Plan, application: Application| {
///     let _inside = runtime.enter();
///     plan.on(Tokio::default()).serve(application)
/// };
/// # fn is_subject(_: impl Subject) {}
/// # is_subject(subject);
/// # Ok(())
/// # }
/// ```
pub trait Subject: Sync {
    /// Starts a server in the background. It is drained through its handle, and gone before the check ends.
    ///
    /// # Errors
    ///
    /// The server cannot be started, which fails what it was started for, as a panic does, and nothing else.
    ///
    /// An error of the kind [`Unsupported`](io::ErrorKind::Unsupported), where the plan has a path, says that the
    /// transport has no Unix sockets. Then "unix sockets" is not run, and "listeners" is looked at over TCP alone.
    fn serve(&self, plan: Plan, application: Application) -> io::Result<Served>;
}

impl<S: Into<Served>, F: Fn(Plan, Application) -> io::Result<S> + Sync> Subject for F {
    fn serve(&self, plan: Plan, application: Application) -> io::Result<Served> {
        self(plan, application).map(Into::into)
    }
}

/// A server under test that has started, and how peers connect to it: to the addresses where it listens, or by a function of
/// yours. So connections are checked over an I/O of your own, which no socket leads to.
///
/// Both ends of such a connection are [`Wire`]s. The server's end is served by what you check, and the kit drives the
/// peer's:
///
/// ```
/// use httpfsm_tokio::{BlockingPool, Io};
/// use httpfsm_transport_kit::{Application, Ends, Kit, Plan, Served};
/// use tokio::io::duplex;
///
/// # fn main() -> std::io::Result<()> {
/// let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
/// let kit = Kit::default().only(["interim responses", "names"])?;
/// let report = kit.check(&|plan: Plan, application: Application| {
///     let _inside = runtime.enter();
///     let server = plan.connections(BlockingPool, application)?;
///     let (handle, runtime) = (server.handle(), runtime.handle().clone());
///     let served = Served::over(handle, move |ends: Ends| {
///         let (peer, io) = duplex(ends.capacity);
///         if let Ok(connection) = server.serve_connection(Io::new(io), ends.peername, ends.sockname) {
///             drop(runtime.spawn(connection));
///         }
///         Ok(Io::new(peer))
///     });
///     // As a duplex has none.
///     Ok(served.without_resets())
/// });
/// report.assert();
/// # Ok(())
/// # }
/// ```
///
/// What needs a listener ("listeners", "unix sockets") is not looked at.
#[derive(Clone)]
pub struct Served {
    pub(crate) handle: ServerHandle,
    pub(crate) connect: Option<Connect>,
    pub(crate) has_resets: bool,
    /// Whether a connection that is made for [`Ends`] has these addresses.
    pub(crate) has_ends: bool,
}

/// What two sockets hold, at least: scripts send as much before anybody reads it.
const LARGE: usize = 512 << 10;

type Connect = Arc<dyn Fn(Ends) -> io::Result<Box<dyn Wire>> + Send + Sync>;

impl Served {
    /// A server to which `connect` connects a peer: it makes the two ends of a connection, has the server serve one, and
    /// returns the other. Where the server refuses the connection, its end is dropped, and the peer's is returned all the
    /// same.
    ///
    /// The peer's end is polled from a thread of the kit's, outside of any runtime.
    pub fn over<W: Wire>(
        handle: ServerHandle,
        connect: impl Fn(Ends) -> io::Result<W> + Send + Sync + 'static,
    ) -> Self {
        let connect = move |ends| connect(ends).map(|wire| Box::new(wire) as Box<dyn Wire>);
        Self { handle, connect: Some(Arc::new(connect)), has_resets: true, has_ends: true }
    }

    /// A server that listens over TCP, and whose [listeners](httpfsm_transport::Listener::layer) have a layer. The kit
    /// connects to its first address, and speaks through the layer that `layer` makes; its handshake is
    /// [done](established) before anything else.
    ///
    /// A server that closes such a connection with the peer's first bytes unread resets it, so resets are not looked at, as
    /// with [`without_resets`](Self::without_resets). The addresses are those of the sockets, and not of [`Ends`], so
    /// neither is "names":
    ///
    /// ```
    /// use httpfsm_tokio::Tokio;
    /// use httpfsm_transport_kit::{Application, Kit, Plan, Served, ToyLayer};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    /// let kit = Kit::default().only(["interim responses"])?;
    /// let report = kit.check(&|plan: Plan, application: Application| {
    ///     let _inside = runtime.enter();
    ///     let server = plan.on_listeners(Tokio::default(), |listener| listener.layer(|_| Ok(ToyLayer::server())))?;
    ///     Ok(Served::through(server.serve(application)?, ToyLayer::client))
    /// });
    /// report.assert();
    /// # Ok(())
    /// # }
    /// ```
    pub fn through<L: Layer>(handle: ServerHandle, layer: impl Fn() -> L + Send + Sync + 'static) -> Self {
        let address = handle.local_addr();
        let connect = move |ends: Ends| {
            let address = address.ok_or(io::ErrorKind::AddrNotAvailable)?;
            let stream = sockets::connect(address, ends.capacity == SMALL, PATIENCE)?;
            Ok(established(Layered::new(SocketWire::new(stream), layer())))
        };
        Self { has_ends: false, ..Self::over(handle, connect).without_resets() }
    }

    /// The connections have no resets: [`Wire::reset`] is an end as any other, at both ends, and [`Wire::is_lost`] tells
    /// nothing. Scripts in which the peer resets the connection are not run, nor is "lost unread", and a reset by
    /// the server counts as its end.
    #[must_use]
    pub fn without_resets(self) -> Self {
        Self { has_resets: false, ..self }
    }
}

impl From<ServerHandle> for Served {
    fn from(handle: ServerHandle) -> Self {
        Self { handle, connect: None, has_resets: true, has_ends: false }
    }
}

impl fmt::Debug for Served {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Served").field("handle", &self.handle).finish_non_exhaustive()
    }
}

/// The two ends of a connection that is to be made.
///
/// [`Served::over`] is given these; the page of [`Served`] shows a function that takes them.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Ends {
    /// The peer's address, as the server is to see it. No two connections of a server have the same.
    pub peername: Peer,
    /// The server's.
    pub sockname: Peer,
    /// How many bytes the connection is to hold in each direction. With much less than that, scripts that send before
    /// anybody reads stand still.
    pub capacity: usize,
}

impl Ends {
    /// A connection from a port of its own on this address.
    pub(crate) fn from(host: IpAddr, small_buffer: bool) -> Self {
        static PORT: AtomicU16 = AtomicU16::new(0);
        let port = 1024 + PORT.fetch_add(1, Ordering::Relaxed) % 60_000;
        let capacity = if small_buffer { SMALL } else { LARGE };
        Self {
            peername: SocketAddr::from((host, port)).into(),
            sockname: SocketAddr::from((host, 80)).into(),
            capacity,
        }
    }
}

/// What a server under test is to be: its configuration, where it listens, and who is told what happens.
///
/// [`on`](Self::on) makes the server of a [`Transport`]. Whatever else serves reads the fields:
///
/// ```
/// use std::io;
///
/// use httpfsm_tokio::Server;
/// use httpfsm_transport_kit::{Application, Kit, Plan};
///
/// # fn main() -> std::io::Result<()> {
/// let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
/// let report = Kit::default().only(["names"])?.check(&|plan: Plan, application: Application| {
///     let _inside = runtime.enter();
///     if plan.path.is_some() {
///         return Err(io::ErrorKind::Unsupported.into());
///     }
///     // A `Record` hears what happens.
///     let server = Server::new(plan.config).subscriber(plan.subscriber);
///     plan.addresses.into_iter().fold(server, Server::listen_tcp).serve(application)
/// });
/// report.assert();
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Plan {
    /// The configuration.
    pub config: ServerConfig,
    /// The TCP addresses to listen at; their ports are 0. There are none where it listens at a Unix socket alone.
    pub addresses: Vec<SocketAddr>,
    /// The Unix socket to listen at. A transport that has none says so with an error: see [`Subject::serve`].
    pub path: Option<PathBuf>,
    /// Who is told what happens.
    pub subscriber: Record,
}

impl Plan {
    pub(crate) fn new(config: ServerConfig, record: Record) -> Self {
        Self { config, addresses: vec![(Ipv4Addr::LOCALHOST, 0).into()], path: None, subscriber: record }
    }

    /// The server of this plan, for connections that are given to it one by one. `spawner` does the file work of whole
    /// bodies and runs the blocking part of the application.
    ///
    /// # Errors
    ///
    /// The system has no thread for the server's timer.
    pub fn connections<S: Spawner + Clone>(
        self,
        spawner: S,
        application: Application,
    ) -> io::Result<Connections<Application>> {
        let application = application.blocking(spawner.clone());
        Connections::with_subscriber(self.config, Arc::new(spawner), self.subscriber, application)
    }

    /// The server of this plan on a [`Transport`].
    pub fn on<T: Transport>(self, transport: T) -> Server<T> {
        let server = Server::on(transport, self.config).subscriber(self.subscriber);
        let server = self.addresses.into_iter().fold(server, Server::listen_tcp);
        match self.path {
            Some(path) => server.listen_unix(path),
            None => server,
        }
    }

    /// The same, with listeners that `change` has changed: it puts a [layer](Listener::layer) on them, say.
    ///
    /// # Errors
    ///
    /// An address or the path cannot be listened at.
    pub fn on_listeners<T: Transport>(
        self,
        transport: T,
        change: impl Fn(Listener) -> Listener,
    ) -> io::Result<Server<T>> {
        let options = SocketOptions::default();
        let tcp = self.addresses.into_iter().map(|address| Listener::tcp(address, &options));
        let unix = self.path.map(|path| Listener::unix(path, &options));
        let server = Server::on(transport, self.config).subscriber(self.subscriber);
        tcp.chain(unix).try_fold(server, |server, listener| Ok(server.listener(change(listener?))))
    }
}

impl fmt::Debug for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plan")
            .field("addresses", &self.addresses)
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}
