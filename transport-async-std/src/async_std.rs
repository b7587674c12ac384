//! async-std's own executor.

use std::io;
use std::os::fd::AsFd;

use httpfsm::config::ServerConfig;
use httpfsm::handler::Handler;
use httpfsm_transport::{Opening, ServerHandle, Transport};

use crate::server::start_on;
use crate::spawn::Spawn;

/// The transport on async-std's executor, whose threads start with the first task. How many there are
/// `ASYNC_STD_THREAD_COUNT` says, or there is one per core.
#[derive(Clone, Copy, Debug, Default)]
pub struct AsyncStd {
    workers: usize,
}

impl AsyncStd {
    /// Serves on so many threads of its own instead, each with an executor: a connection stays on the thread that it
    /// was given to, and so do its handlers. The threads end with the server. Default 0.
    ///
    /// For two threads or more it is the cheaper way by far: those of one executor wake one another for each request.
    /// But there, an idle one takes what waits behind a long computation of another.
    ///
    /// ```
    /// use httpfsm::config::ServerConfig;
    /// use httpfsm::handler::Request;
    /// use httpfsm_async_std::{AsyncStd, Server};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let server = Server::on(AsyncStd::default().workers(2), ServerConfig::default())
    ///     .listen_tcp("127.0.0.1:0".parse().expect("this is an address"))
    ///     .serve(|_: Request| async { "Hello, world!" })?;
    /// async_std::task::block_on(server.begin_drain(None).gone());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn workers(mut self, workers: usize) -> Self {
        self.workers = workers;
        self
    }
}

/// A server to be, on async-std; it may be started anywhere.
///
/// ```no_run
/// use httpfsm::config::ServerConfig;
/// use httpfsm::handler::Request;
/// use httpfsm_async_std::Server;
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
pub type Server = httpfsm_transport::Server<AsyncStd>;

/// Serves a handler on a socket that listens, in the background, on async-std.
///
/// A listener that is passed by reference and stays open keeps its port open in a drain, and clients connect to a queue from
/// which nobody accepts: pass it by value.
///
/// ```
/// use httpfsm::config::ServerConfig;
/// use httpfsm::handler::Request;
///
/// # async_std::task::block_on(async {
/// let listener = async_std::net::TcpListener::bind("127.0.0.1:0").await?;
/// let server = httpfsm_async_std::serve(listener, ServerConfig::default(), |request: Request| async move {
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

impl Transport for AsyncStd {
    fn start<H: Handler>(self, opening: Opening, handler: H) -> io::Result<ServerHandle> {
        start_on(Global, self.workers, opening, handler)
    }
}

struct Global;

impl Spawn for Global {
    fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) {
        ::async_std::task::spawn(future);
    }
}
