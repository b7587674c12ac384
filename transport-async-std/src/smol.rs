//! Servers on smol.

use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;

use ::smol::Executor;
use httpfsm::config::ServerConfig;
use httpfsm::handler::Handler;
use httpfsm_transport::{Opening, ServerHandle, Transport};

use crate::server::start_on;
use crate::spawn::Spawn;

/// The transport on smol's own executor, which has one thread unless `SMOL_THREADS` says otherwise. An `Executor` of
/// yours is a transport as [`Futures`](crate::Futures)`(executor)`.
///
/// ```
/// use std::sync::Arc;
///
/// use httpfsm::config::ServerConfig;
/// use httpfsm::handler::Request;
/// use httpfsm_async_std::{Futures, ServerOn};
///
/// # fn main() -> std::io::Result<()> {
/// let executor = Arc::new(smol::Executor::new());
/// let server = ServerOn::on(Futures(Arc::clone(&executor)), ServerConfig::default())
///     .listen_tcp(([127, 0, 0, 1], 0).into())
///     .serve(|_: Request| async { "Hello, world!" })?;
/// // It serves as long as somebody runs the executor.
/// smol::block_on(executor.run(server.begin_drain(None).gone()));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Smol {
    workers: usize,
}

impl Smol {
    /// Serves on so many threads of its own instead, each with an executor: a connection stays on the thread that it
    /// was given to, and so do its handlers. The threads end with the server. Default 0.
    ///
    /// For two threads or more it is the cheaper way by far: those of one executor wake one another for each request.
    /// But there, an idle one takes what waits behind a long computation of another.
    ///
    /// ```
    /// use httpfsm::config::ServerConfig;
    /// use httpfsm::handler::Request;
    /// use httpfsm_async_std::smol::{Server, Smol};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let server = Server::on(Smol::default().workers(2), ServerConfig::default())
    ///     .listen_tcp("127.0.0.1:0".parse().expect("this is an address"))
    ///     .serve(|_: Request| async { "Hello, world!" })?;
    /// smol::block_on(server.begin_drain(None).gone());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn workers(mut self, workers: usize) -> Self {
        self.workers = workers;
        self
    }
}

/// A server to be, on smol; it may be started anywhere.
///
/// ```no_run
/// use httpfsm::config::ServerConfig;
/// use httpfsm::handler::Request;
/// use httpfsm_async_std::smol::Server;
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
pub type Server = httpfsm_transport::Server<Smol>;

/// Serves a handler on a socket that listens, in the background, on smol.
///
/// A listener that is passed by reference and stays open keeps its port open in a drain, and clients connect to a queue from
/// which nobody accepts: pass it by value.
///
/// ```
/// use httpfsm::config::ServerConfig;
/// use httpfsm::handler::Request;
///
/// # smol::block_on(async {
/// let listener = smol::net::TcpListener::bind("127.0.0.1:0").await?;
/// let server = httpfsm_async_std::smol::serve(listener, ServerConfig::default(), |request: Request| async move {
///     format!("You asked for {}.\n", request.target())
/// })?;
/// server.begin_drain(None).gone().await;
/// # std::io::Result::Ok(()) }).expect("there is a port");
/// ```
///
/// # Errors
///
/// The socket does not listen or does not take [`SocketOptions`](crate::SocketOptions), or the system has no thread
/// for the server's timer.
pub fn serve(listener: impl AsFd, config: ServerConfig, handler: impl Handler) -> io::Result<ServerHandle> {
    Server::new(config).listen_fd(&listener)?.serve(handler)
}

impl Transport for Smol {
    fn start<H: Handler>(self, opening: Opening, handler: H) -> io::Result<ServerHandle> {
        start_on(Global, self.workers, opening, handler)
    }
}

struct Global;

impl Spawn for Global {
    fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) {
        ::smol::spawn(future).detach();
    }
}

impl Spawn for &'static Executor<'static> {
    fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) {
        Executor::spawn(self, future).detach();
    }
}

impl Spawn for Arc<Executor<'static>> {
    fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) {
        Executor::spawn(self, future).detach();
    }
}
