//! A server whose connections are given to it one by one.

use std::fmt;
use std::io;
use std::sync::Arc;

use httpfsm::config::ServerConfig;
use httpfsm::handler::{Handler, Subscriber};
use httpfsm::peer::Peer;
use httpfsm::server::NotAdmitted;

use crate::accept::Accepted;
use crate::driver::Driver;
use crate::handle::ServerHandle;
use crate::job::Spawner;
use crate::server::Opening;
use crate::service::Service;
use crate::wire::Wire;

/// A server that listens to nobody: it serves its handler on connections that it is given, over any [`Wire`]. They have the
/// limits, the deadlines and the drain of a server in common.
///
/// A transport has a function `connections` that makes one.
pub struct Connections<H: Handler> {
    service: Arc<Service<H>>,
    handle: ServerHandle,
}

impl<H: Handler> Connections<H> {
    /// A server under a configuration. `spawner` does the file work of whole bodies, which are streamed where the
    /// configuration does not say.
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use httpfsm::{Request, ServerConfig};
    /// use httpfsm_transport::{Connections, Inline};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let server = Connections::new(ServerConfig::default(), Arc::new(Inline), |_: Request| async { "Hello, world!" })?;
    /// assert_eq!(server.handle().local_addrs(), [], "it listens to nobody");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// The system has no thread for the server's timer.
    pub fn new(config: ServerConfig, spawner: Arc<dyn Spawner>, handler: H) -> io::Result<Self> {
        Self::open(Opening::of(config), spawner, handler)
    }

    /// The same, with a subscriber that is told what happens on every channel, by whoever polls the connection.
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use httpfsm::handler::{ConnectionInfo, Subscriber};
    /// use httpfsm::{Request, ServerConfig};
    /// use httpfsm_transport::{Connections, Inline};
    ///
    /// struct Log;
    ///
    /// impl Subscriber for Log {
    ///     fn opened(&self, connection: &ConnectionInfo) {
    ///         println!("{} from {}", connection.channel, connection.peername);
    ///     }
    /// }
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let handler = |_: Request| async { "Hello, world!" };
    /// let server = Connections::with_subscriber(ServerConfig::default(), Arc::new(Inline), Log, handler)?;
    /// # drop(server);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// The same.
    pub fn with_subscriber(
        config: ServerConfig,
        spawner: Arc<dyn Spawner>,
        subscriber: impl Subscriber + 'static,
        handler: H,
    ) -> io::Result<Self> {
        let mut opening = Opening::of(config);
        opening.subscriber = Some(Arc::new(subscriber));
        Self::open(opening, spawner, handler)
    }

    fn open(mut opening: Opening, spawner: Arc<dyn Spawner>, handler: H) -> io::Result<Self> {
        let (service, handle) = opening.service(spawner, handler)?;
        Ok(Self { service, handle })
    }

    /// A connection, as a future that ends with it; whoever calls this polls it, in a task of its own or not. `peername` is
    /// the address of the peer, and `sockname` is ours, as a handler and a subscriber see them, and as the configuration's
    /// `origins` and limits judge them.
    ///
    /// ```
    /// use std::pin::Pin;
    /// use std::sync::Arc;
    /// use std::task::{Context, Waker};
    ///
    /// use httpfsm::{Peer, Request, ServerConfig};
    /// use httpfsm_transport::memory::pair;
    /// use httpfsm_transport::{Connections, Inline, Wire};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let handler = |request: Request| async move { request.peername().to_string() };
    /// let server = Connections::new(ServerConfig::default(), Arc::new(Inline), handler)?;
    /// let (mut client, wire) = pair(1024);
    /// let peername = Peer::Ip(([192, 0, 2, 7], 50_000).into());
    /// let sockname = Peer::Ip(([192, 0, 2, 1], 80).into());
    /// let mut connection = server.serve_connection(wire, peername, sockname).expect("there is room");
    /// // A task of its own would poll it.
    /// let mut cx = Context::from_waker(Waker::noop());
    /// assert!(client.poll_write(&mut cx, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").is_ready());
    /// assert!(Pin::new(&mut connection).poll(&mut cx).is_pending());
    /// let mut received = [0; 1024];
    /// assert!(client.poll_read(&mut cx, &mut received).is_ready());
    /// assert!(String::from_utf8_lossy(&received).contains("\r\n\r\n192.0.2.7:50000"));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// The server does not serve this peer, or no further one. The wire is dropped, which closes it. Where the server is
    /// [full](NotAdmitted::Full), the connection that is idle for the longest is told to close, so a later one may find its
    /// place.
    pub fn serve_connection<W: Wire>(
        &self,
        wire: W,
        peername: Peer,
        sockname: Peer,
    ) -> Result<Driver<H, W>, NotAdmitted> {
        self.serve_accepted(Accepted::new(wire, peername, sockname))
    }

    /// The same for a connection of which more is known: the scheme of its requests, what handlers may read of it, and what
    /// comes before HTTP ([`ListenerInfo::preface`](crate::ListenerInfo::preface),
    /// [`ListenerInfo::layer`](crate::ListenerInfo::layer)).
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use httpfsm::config::ServerConfig;
    /// use httpfsm::handler::Request;
    /// use httpfsm::peer::Peer;
    /// use httpfsm_transport::{Accepted, Connections, Inline, ListenerInfo, memory};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let handler = |request: Request| async move { request.scheme().to_owned() };
    /// let server = Connections::new(ServerConfig::default(), Arc::new(Inline), handler)?;
    /// let mut info = ListenerInfo::default();
    /// info.scheme = Some("https".into());
    /// let (client, decrypted) = memory::pair(1024);
    /// let accepted = Accepted::new(decrypted, Peer::Unix(None), Peer::Unix(None)).with_listener(Arc::new(info));
    /// let connection = server.serve_accepted(accepted);
    /// # drop((client, connection));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`serve_connection`](Self::serve_connection).
    pub fn serve_accepted<W: Wire>(&self, accepted: Accepted<W>) -> Result<Driver<H, W>, NotAdmitted> {
        if self.service.shared.is_full(accepted.arrival()) {
            self.service.shared.evict();
        }
        self.service.connect_accepted(accepted)
    }

    /// The handle, to drain the server and to read its counts.
    pub fn handle(&self) -> ServerHandle {
        self.handle.clone()
    }
}

impl<H: Handler> fmt::Debug for Connections<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connections").field("handle", &self.handle).finish_non_exhaustive()
    }
}
