//! A server on an executor.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use httpfsm::handler::Handler;
use httpfsm_transport::{Opening, ServerHandle, Transport, accept};

use crate::blocking::Blocking;
use crate::listener::Registered;
use crate::spawn::Spawn;

/// The transport on an executor of yours.
///
/// ```
/// use httpfsm::config::ServerConfig;
/// use httpfsm::handler::Request;
/// use httpfsm_async_std::{Futures, Task};
/// use httpfsm_transport::Server;
///
/// # fn main() -> std::io::Result<()> {
/// // A thread for each connection.
/// let executor = |task: Task| {
///     std::thread::spawn(|| async_io::block_on(task));
/// };
/// let server = Server::on(Futures(executor), ServerConfig::default())
///     .listen_tcp("127.0.0.1:0".parse().expect("this is an address"))?
///     .serve(|_: Request| async { "Hello, world!" })?;
/// async_io::block_on(server.drain(None));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Futures<S>(
    /// What runs the tasks of the server: one for each listener, and one for each connection.
    pub S,
);

impl<S: Spawn> Transport for Futures<S> {
    fn start<H: Handler>(self, mut opening: Opening, handler: H) -> io::Result<ServerHandle> {
        let (service, handle) = opening.service(Arc::new(Blocking), handler)?;
        let registered = opening.listeners.into_iter().map(Registered::new).collect::<io::Result<Vec<_>>>();
        let registered = registered.inspect_err(|_| {
            // Its timer is to end.
            drop(handle.drain(Some(Duration::ZERO)));
        })?;
        let executor = Arc::new(self.0);
        for listener in registered {
            let spawner = Arc::clone(&executor);
            let service = Arc::clone(&service);
            executor.spawn(accept(listener, service, handle.clone(), move |driver| spawner.spawn(driver)));
        }
        Ok(handle)
    }
}
