//! A server on the runtime that it is started in.

use std::io;
use std::os::fd::AsFd;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use httpfsm::config::ServerConfig;
use httpfsm::handler::Handler;
use httpfsm_transport::{
    Connections, Listener, Opening, ServerHandle, Service, SocketOptions, Transport, accept,
};
use tokio::runtime::{self, Handle};

use crate::blocking::RuntimeSpawner;
use crate::listener::RegisteredListener;

/// A server to be, on tokio. It is started within a runtime whose I/O driver is on, in whose background it serves until
/// it is drained or the runtime ends; anywhere else `serve` is an error.
///
/// ```no_run
/// use httpfsm::config::ServerConfig;
/// use httpfsm::handler::Request;
/// use httpfsm_tokio::Server;
///
/// # async fn example() -> std::io::Result<()> {
/// let server = Server::new(ServerConfig::hardened())
///     .listen_tcp("[::]:8080".parse().expect("this is an address"))
///     .listen_unix("/run/web.sock")
///     .serve(|_: Request| async { "Hello, world!" })?;
/// server.gone().await;
/// # Ok(())
/// # }
/// ```
pub type Server = httpfsm_transport::Server<Tokio>;

/// Serves a handler on a socket that listens, in the background of the runtime that this is called in.
///
/// A listener that is passed by reference and stays open keeps its port open in a drain, and clients connect to a queue from
/// which nobody accepts: pass it by value.
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
/// })?;
/// server.begin_drain(None).gone().await;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// The socket does not listen or does not take [`SocketOptions`], this is called outside of a runtime or in one without
/// its I/O driver, or the system has no thread for the server's timer. That the driver is missing shows in a panic of
/// tokio's, which is caught, but which a panic hook sees, and which ends a program that was built to abort at panics.
pub fn serve(listener: impl AsFd, config: ServerConfig, handler: impl Handler) -> io::Result<ServerHandle> {
    Server::new(config).listen_fd(&listener)?.serve(handler)
}

/// Serves a handler on connections that are given to it one by one, over an [`Io`](crate::Io) of your own; see there for an
/// example. Its blocking work runs on the runtime that this is called in.
///
/// # Errors
///
/// This is called outside of a runtime, or the system has no thread for the server's timer.
pub fn connections<H: Handler>(config: ServerConfig, handler: H) -> io::Result<Connections<H>> {
    Connections::new(config, Arc::new(RuntimeSpawner(runtime()?)), handler)
}

/// The runtime that this is called in.
fn runtime() -> io::Result<Handle> {
    Handle::try_current().map_err(|_| {
        let text = "A server on tokio is to be started within a runtime, by which it is served: in an async function \
            that tokio runs, or under the guard of `Runtime::enter`.";
        io::Error::other(text)
    })
}

/// The transport: the runtime that [`Server::serve`](httpfsm_transport::Server::serve) is called in, and workers beside
/// it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tokio {
    workers: usize,
}

impl Tokio {
    /// Serves on so many threads besides, each with a runtime and with sockets of its own: a connection stays on the
    /// thread that accepted it, and so do its handlers. The limits, the statistics and the drain are in common; only
    /// the drain ends these threads. Default 0.
    ///
    /// It takes TCP listeners with [`reuse_port`](SocketOptions::reuse_port); the others stay with the runtime that
    /// `serve` is called in. A multi-thread runtime needs none of this: there, an idle worker takes
    /// what waits behind a long computation of another, and a second program cannot listen on the same port.
    ///
    /// ```
    /// use httpfsm::config::ServerConfig;
    /// use httpfsm::handler::Request;
    /// use httpfsm_tokio::{Server, SocketOptions, Tokio};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> std::io::Result<()> {
    /// let server = Server::on(Tokio::default().workers(3), ServerConfig::default())
    ///     .options(SocketOptions { reuse_port: true, ..SocketOptions::default() })
    ///     .listen_tcp("127.0.0.1:0".parse().expect("this is an address"))
    ///     .serve(|_: Request| async { "Hello, world!" })?;
    /// server.begin_drain(None).gone().await;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn workers(mut self, workers: usize) -> Self {
        self.workers = workers;
        self
    }
}

impl Transport for Tokio {
    fn start<H: Handler>(self, mut opening: Opening, handler: H) -> io::Result<ServerHandle> {
        let (service, handle) = opening.service(Arc::new(RuntimeSpawner(runtime()?)), handler)?;
        let begun = (0..self.workers).try_for_each(|_| work(&opening, &service, &handle));
        let begun = begun.and_then(|()| begin(opening.listeners, &service, &handle));
        begun.inspect_err(|_| {
            // Those that have started are to end.
            handle.begin_drain(Some(Duration::ZERO));
        })?;
        Ok(handle)
    }
}

/// Serves on a thread of its own until the server is gone.
fn work<H: Handler>(opening: &Opening, service: &Arc<Service<H>>, handle: &ServerHandle) -> io::Result<()> {
    let twins = opening.listeners.iter().filter_map(|listener| twin(listener, &opening.options).transpose());
    let twins = twins.collect::<io::Result<Vec<_>>>()?;
    let (service, handle) = (Arc::clone(service), handle.clone());
    let (report, started) = mpsc::channel();
    let serve = move || {
        let runtime = match runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => return drop(report.send(Err(error))),
        };
        runtime.block_on(async {
            drop(report.send(begin(twins, &service, &handle)));
            handle.gone().await;
        });
    };
    thread::Builder::new().name("httpfsm-worker".to_owned()).spawn(serve)?;
    started.recv().unwrap_or_else(|_| Err(io::Error::other("The worker did not start.")))
}

/// Another socket on the same address, with the same options.
fn twin(listener: &Listener, options: &SocketOptions) -> io::Result<Option<Listener>> {
    let twin = listener.twin(options)?;
    twin.iter().try_for_each(|twin| twin.apply(options))?;
    Ok(twin)
}

/// Begins to accept, in the background of the runtime that this is called in. A connection is served by the worker
/// that accepted it, unless another has nothing to do.
fn begin<H: Handler>(
    listeners: Vec<Listener>,
    service: &Arc<Service<H>>,
    handle: &ServerHandle,
) -> io::Result<()> {
    let registered = listeners.into_iter().map(RegisteredListener::new).collect::<io::Result<Vec<_>>>()?;
    for listener in registered {
        tokio::spawn(accept(listener, Arc::clone(service), handle.clone(), |driver| {
            tokio::spawn(driver);
        }));
    }
    Ok(())
}
