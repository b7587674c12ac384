//! async-std's own executor.

use std::io;
use std::os::fd::AsFd;

use httpfsm::config::ServerConfig;
use httpfsm::handler::Handler;
use httpfsm_transport::{Opening, ServerHandle, Transport};

use crate::{Futures, Spawn};

/// The transport on async-std's executor, whose threads start with the first task. How many there are
/// `ASYNC_STD_THREAD_COUNT` says, or there is one per core.
#[derive(Clone, Copy, Debug, Default)]
pub struct AsyncStd;

/// A server to be, on async-std; it may be started anywhere.
///
/// ```no_run
/// use httpfsm::config::ServerConfig;
/// use httpfsm::handler::Request;
/// use httpfsm_async_std::Server;
///
/// # async fn example() -> std::io::Result<()> {
/// let server = Server::new(ServerConfig::hardened())
///     .listen_tcp("[::]:8080".parse().expect("this is an address"))?
///     .listen_unix("/run/web.sock")?
///     .serve(|_: Request| async { "Hello, world!" })?;
/// server.gone().await;
/// # Ok(())
/// # }
/// ```
pub type Server = httpfsm_transport::Server<AsyncStd>;

/// Serves a handler on a socket that listens, in the background, on async-std.
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
/// server.drain(None).await;
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

impl Spawn for AsyncStd {
    fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) {
        ::async_std::task::spawn(future);
    }
}

impl Transport for AsyncStd {
    fn start<H: Handler>(self, opening: Opening, handler: H) -> io::Result<ServerHandle> {
        Futures(self).start(opening, handler)
    }
}
