//! A server on the runtime that it is started in.

use std::future::poll_fn;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::sync::{Arc, mpsc};
use std::task::Poll;
use std::thread;
use std::time::Duration;

use httpfsm::config::ServerConfig;
use httpfsm::handler::{Handler, Subscriber};
use httpfsm_transport::{Backoff, Clock, Listening, ServerHandle, Service, keep_time};
use tokio::net::lookup_host;
use tokio::runtime::{self, Handle};

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
    workers: usize,
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

    /// Serves on so many threads besides, each with a runtime and with sockets of its own: a connection stays on the
    /// thread that accepted it, and so do its handlers. The limits, the statistics and the drain are in common; only
    /// the drain ends these threads. Default 0.
    ///
    /// It takes TCP listeners with [`reuse_port`](SocketOptions::reuse_port); the others stay with the runtime that
    /// [`serve`](Self::serve) is called in. A multi-thread runtime needs none of this: there, an idle worker takes
    /// what waits behind a long computation of another, and a second program cannot listen on the same port.
    ///
    /// ```
    /// use httpfsm::config::ServerConfig;
    /// use httpfsm::handler::Request;
    /// use httpfsm_tokio::{Server, SocketOptions};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> std::io::Result<()> {
    /// let server = Server::new(ServerConfig::default())
    ///     .options(SocketOptions { reuse_port: true, ..SocketOptions::default() })
    ///     .listen_tcp("127.0.0.1:0".parse().expect("this is an address"))?
    ///     .workers(3)
    ///     .serve(|_: Request| async { "Hello, world!" })
    ///     .await?;
    /// server.drain(None).await;
    /// # Ok(())
    /// # }
    /// ```
    pub fn workers(mut self, workers: usize) -> Self {
        self.workers = workers;
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
    /// options, or the system has no thread for the server's timer or for a worker.
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
        for _ in 0..self.workers {
            work(&self.listeners, &self.options, &service, &handle).inspect_err(|_| {
                // Those that have started are to end.
                drop(handle.drain(Some(Duration::ZERO)));
            })?;
        }
        for listener in self.listeners {
            begin(listener, &service, &handle);
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

/// Serves on a thread of its own until the server is gone.
fn work<H: Handler>(
    listeners: &[Listener],
    options: &SocketOptions,
    service: &Arc<Service<H>>,
    handle: &ServerHandle,
) -> io::Result<()> {
    let twins = listeners.iter().filter_map(|listener| listener.twin(options).transpose());
    let twins = twins.collect::<io::Result<Vec<_>>>()?;
    let (options, service, handle) = (options.clone(), Arc::clone(service), handle.clone());
    let (report, started) = mpsc::channel();
    let serve = move || {
        let runtime = match runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => return drop(report.send(Err(error))),
        };
        runtime.block_on(async {
            let begun = twins.into_iter().try_for_each(|twin| {
                let listener = Listener::from_socket(twin)?;
                listener.apply(&options)?;
                begin(listener, &service, &handle);
                Ok(())
            });
            drop(report.send(begun));
            handle.gone().await;
        });
    };
    thread::Builder::new().name("httpfsm-worker".to_owned()).spawn(serve)?;
    started.recv().unwrap_or_else(|_| Err(io::Error::other("The worker did not start.")))
}

/// Begins to accept, in the background of the runtime that this is called in.
fn begin<H: Handler>(listener: Listener, service: &Arc<Service<H>>, handle: &ServerHandle) {
    let open = Open { listener, listening: handle.listening() };
    tokio::spawn(accept(open, Arc::clone(service), handle.clone()));
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
