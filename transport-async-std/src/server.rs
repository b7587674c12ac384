//! A server on an executor.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use httpfsm::config::ServerConfig;
use httpfsm::handler::Handler;
use httpfsm_transport::{Connections, Opening, ServerHandle, Transport, accept};

use crate::blocking::BlockingPool;
use crate::listener::RegisteredListener;
use crate::spawn::Spawn;
use crate::workers::Workers;

/// The transport on an executor of yours.
///
/// ```
/// use httpfsm::config::ServerConfig;
/// use httpfsm::handler::Request;
/// use httpfsm_async_std::{Futures, ServerOn, Task};
///
/// # fn main() -> std::io::Result<()> {
/// // A thread for each connection.
/// let executor = |task: Task| {
///     // Where the system has no thread, the task is dropped, and with it the connection.
///     let _ = std::thread::Builder::new().spawn(|| async_io::block_on(task));
/// };
/// let server = ServerOn::on(Futures(executor), ServerConfig::default())
///     .listen_tcp("127.0.0.1:0".parse().expect("this is an address"))
///     .serve(|_: Request| async { "Hello, world!" })?;
/// async_io::block_on(server.begin_drain(None).gone());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Futures<S>(
    /// What runs the tasks of the server: one for each listener, and one for each connection.
    pub S,
);

/// A server to be, on an executor of yours: `ServerOn::on(Futures(executor), config)`.
pub type ServerOn<S> = httpfsm_transport::Server<Futures<S>>;

impl<S: Spawn> Transport for Futures<S> {
    fn start<H: Handler>(self, opening: Opening, handler: H) -> io::Result<ServerHandle> {
        start(opening, handler, |_| Ok(self.0))
    }
}

/// Serves a handler on connections that are given to it one by one, over an [`Io`](crate::Io) of your own. Any executor
/// may poll them. Their blocking work runs on the [`BlockingPool`].
///
/// ```
/// use futures_lite::{AsyncReadExt, AsyncWriteExt, future};
/// use httpfsm::{Peer, Request, ServerConfig};
/// use httpfsm_async_std::{Io, connections};
///
/// # async_io::block_on(async {
/// let server = connections(ServerConfig::default(), |_: Request| async { "Hello, world!" })?;
/// // Whatever reads and writes; here one end of a pair of sockets.
/// let (mut client, io) = async_io::Async::<std::os::unix::net::UnixStream>::pair()?;
/// let connection = server.serve_connection(Io::new(io), Peer::Unix(None), Peer::Unix(None));
/// let asking = async move {
///     client.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await?;
///     let mut received = [0; 15];
///     client.read_exact(&mut received).await?;
///     std::io::Result::Ok(received)
/// };
/// let ((), received) = future::zip(connection.expect("there is room"), asking).await;
/// assert_eq!(&received?, b"HTTP/1.1 200 OK");
/// # std::io::Result::Ok(()) }).expect("there are sockets");
/// ```
///
/// # Errors
///
/// The system has no thread for the server's timer.
pub fn connections<H: Handler>(config: ServerConfig, handler: H) -> io::Result<Connections<H>> {
    Connections::new(config, Arc::new(BlockingPool), handler)
}

/// Starts a server on an executor of a runtime, or, if there are to be any, on workers of its own.
pub(crate) fn start_on<H: Handler>(
    runtime: impl Spawn,
    workers: usize,
    opening: Opening,
    handler: H,
) -> io::Result<ServerHandle> {
    match workers {
        0 => start(opening, handler, |_| Ok(runtime)),
        workers => start(opening, handler, |server| Workers::start(workers, server)),
    }
}

fn start<H: Handler, S: Spawn>(
    mut opening: Opening,
    handler: H,
    executor: impl FnOnce(&ServerHandle) -> io::Result<S>,
) -> io::Result<ServerHandle> {
    let (service, handle) = opening.service(Arc::new(BlockingPool), handler)?;
    let begin = || -> io::Result<()> {
        let listeners = opening.listeners.into_iter().map(RegisteredListener::new);
        let listeners = listeners.collect::<io::Result<Vec<_>>>()?;
        let executor = Arc::new(executor(&handle)?);
        for listener in listeners {
            let (spawner, service) = (Arc::clone(&executor), Arc::clone(&service));
            executor.spawn(accept(listener, service, handle.clone(), move |driver| spawner.spawn(driver)));
        }
        Ok(())
    };
    begin().inspect_err(|_| {
        // The threads that have started are to end.
        handle.begin_drain(Some(Duration::ZERO));
    })?;
    Ok(handle)
}
