//! A server on the runtime that it is started in.

use std::future::poll_fn;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::task::Poll;

use httpfsm::config::ServerConfig;
use httpfsm::handler::{Handler, Subscriber};
use httpfsm_transport::{Backoff, Clock, Listening, ServerHandle, Service, keep_time};
use tokio::net::lookup_host;
use tokio::runtime::Handle;

use crate::blocking::Pool;
use crate::listener::{Listener, SocketOptions};

/// Serves a handler on a listener, in the background of the runtime that this is called in.
///
/// ```
/// use httpfsm::config::ServerConfig;
/// use httpfsm::handler::Request;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
/// let server = httpfsm_tokio::serve(listener, ServerConfig::default(), |request: Request| async move {
///     format!("You asked for {}.\n", request.target())
/// })
/// .await?;
/// server.drain(None).await;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// The listener does not say where it listens, or does not take [`SocketOptions`].
pub async fn serve(
    listener: impl Into<Listener>,
    config: ServerConfig,
    handler: impl Handler,
) -> io::Result<ServerHandle> {
    Server::new(config).listener(listener).serve(handler).await
}

/// A server to be: its configuration, its listeners and its subscriber.
///
/// ```no_run
/// use httpfsm::config::ServerConfig;
/// use httpfsm::handler::Request;
/// use httpfsm_tokio::Server;
///
/// # async fn example() -> std::io::Result<()> {
/// let server = Server::new(ServerConfig::hardened())
///     .listen_tcp("[::]:8080".parse().expect("this is an address"))?
///     .listen_unix("/run/web.sock")?
///     .serve(|_: Request| async { "Hello, world!" })
///     .await?;
/// server.gone().await;
/// # Ok(())
/// # }
/// ```
#[derive(Default)]
#[must_use = "a server listens to nobody until `serve` is awaited"]
pub struct Server {
    config: ServerConfig,
    options: SocketOptions,
    listeners: Vec<Listener>,
    subscriber: Option<Arc<dyn Subscriber>>,
}

impl Server {
    /// A server under a configuration. Without a listener it will listen at the configuration's `host` and `port`.
    pub fn new(config: ServerConfig) -> Self {
        Self { config, ..Self::default() }
    }

    /// The options of the sockets; to be set before the listeners that they are for.
    pub fn options(mut self, options: SocketOptions) -> Self {
        self.options = options;
        self
    }

    /// Has a subscriber told what happens on every channel.
    pub fn subscriber(mut self, subscriber: impl Subscriber + 'static) -> Self {
        self.subscriber = Some(Arc::new(subscriber));
        self
    }

    /// Adds a listener that was made elsewhere.
    pub fn listener(mut self, listener: impl Into<Listener>) -> Self {
        self.listeners.push(listener.into());
        self
    }

    /// Adds a TCP address.
    ///
    /// # Errors
    ///
    /// As [`Listener::tcp`].
    pub fn listen_tcp(self, address: SocketAddr) -> io::Result<Self> {
        let listener = Listener::tcp(address, &self.options)?;
        Ok(self.listener(listener))
    }

    /// Adds a Unix socket.
    ///
    /// # Errors
    ///
    /// As [`Listener::unix`].
    pub fn listen_unix(self, path: impl AsRef<Path>) -> io::Result<Self> {
        let listener = Listener::unix(path, &self.options)?;
        Ok(self.listener(listener))
    }

    /// Serves the handler in the background of the runtime that this is called in, until the handle's
    /// [`drain`](ServerHandle::drain) or the end of the runtime.
    ///
    /// # Errors
    ///
    /// The configuration's `host` has no address or cannot be listened at, a listener does not take the
    /// options, or the system has no thread for the server's timer.
    pub async fn serve(mut self, handler: impl Handler) -> io::Result<ServerHandle> {
        if self.listeners.is_empty() {
            self.listen_at_host().await?;
        }
        let mut addresses = Vec::new();
        for listener in &self.listeners {
            listener.apply(&self.options)?;
            addresses.push(listener.local_addr()?);
        }
        let service = Service::new(
            self.config,
            Clock::system(),
            Arc::new(Pool(Handle::current())),
            self.subscriber,
            handler,
        );
        let handle = service.handle(addresses);
        keep_time(&handle)?;
        for listener in self.listeners {
            let listening = handle.listening();
            tokio::spawn(accept(Open { listener, listening }, Arc::clone(&service), handle.clone()));
        }
        Ok(handle)
    }

    async fn listen_at_host(&mut self) -> io::Result<()> {
        let port = self.config.port;
        if self.config.host.is_empty() {
            let everywhere = SocketAddr::from((Ipv6Addr::UNSPECIFIED, port));
            let listener = Listener::tcp(everywhere, &self.options)
                .or_else(|_| Listener::tcp((Ipv4Addr::UNSPECIFIED, port).into(), &self.options))?;
            self.listeners.push(listener);
            return Ok(());
        }
        for address in lookup_host((&*self.config.host, port)).await? {
            self.listeners.push(Listener::tcp(address, &self.options)?);
        }
        Ok(())
    }
}

/// A listener, which is closed before the server learns that it is.
struct Open {
    listener: Listener,
    listening: Listening,
}

/// Accepts until the server goes out of service. A connection is served by the worker that accepted it, unless
/// another has nothing to do.
async fn accept<H: Handler>(open: Open, service: Arc<Service<H>>, handle: ServerHandle) {
    let mut backoff = Backoff::default();
    loop {
        let accepted = poll_fn(|cx| match handle.poll_going(cx) {
            Poll::Ready(()) => Poll::Ready(None),
            Poll::Pending => open.listener.poll_accept(cx).map(Some),
        });
        match accepted.await {
            None => return,
            Some(Ok((stream, peername, sockname))) => {
                backoff.succeeded();
                open.listening.make_room(&peername).await;
                if let Ok(driver) = service.connect(stream, peername, sockname) {
                    tokio::spawn(driver);
                }
            }
            Some(Err(error)) => {
                if let Some(pause) = backoff.failed(&error) {
                    open.listening.pause(pause).await;
                }
            }
        }
    }
}
