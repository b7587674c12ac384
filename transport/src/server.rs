//! A server to be: the same on every transport.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::Arc;

use httpfsm::config::{Bodies, ServerConfig};
use httpfsm::handler::{Handler, Subscriber};

use crate::clock::Clock;
use crate::handle::ServerHandle;
use crate::job::Spawner;
use crate::listener::{Listener, SocketOptions};
use crate::service::Service;
use crate::timekeeper::keep_time;

/// What moves the octets of a [`Server`], with the settings that it alone has.
pub trait Transport {
    /// How request bodies reach the handler where the configuration does not say.
    const BODIES: Bodies = Bodies::Streamed;

    /// Makes the service of `opening`, and begins to accept on its listeners, in the background.
    ///
    /// # Errors
    ///
    /// A listener cannot be registered, or there is no thread to be had.
    fn start<H: Handler>(self, opening: Opening, handler: H) -> io::Result<ServerHandle>;
}

/// A server to be: its configuration, its listeners and its subscriber. Each transport has an alias of it.
#[must_use = "a server listens to nobody until `serve` is called"]
pub struct Server<T> {
    transport: T,
    opening: Opening,
}

/// What a transport is given to start.
#[derive(Default)]
pub struct Opening {
    /// The sockets, with their options set.
    pub listeners: Vec<Listener>,
    /// The options, for sockets that the transport makes itself.
    pub options: SocketOptions,
    config: ServerConfig,
    subscriber: Option<Arc<dyn Subscriber>>,
}

impl Opening {
    /// The service that [`Drivers`](crate::Driver) are made from, and the server's handle; its time is kept from now
    /// on. `spawner` does the file work of whole bodies.
    ///
    /// # Errors
    ///
    /// There is no thread to be had for the server's timer.
    pub fn service<H: Handler>(
        &mut self,
        spawner: Arc<dyn Spawner>,
        handler: H,
    ) -> io::Result<(Arc<Service<H>>, ServerHandle)> {
        let config = std::mem::take(&mut self.config);
        let service = Service::new(config, Clock::system(), spawner, self.subscriber.take(), handler);
        let addresses = self.listeners.iter().map(|listener| listener.local_addr().clone());
        let handle = service.handle(addresses.collect());
        keep_time(&handle)?;
        Ok((service, handle))
    }
}

impl<T: Transport + Default> Server<T> {
    /// A server under a configuration. Without a listener it will listen at the configuration's `host` and `port`.
    pub fn new(config: ServerConfig) -> Self {
        Self::on(T::default(), config)
    }
}

impl<T: Transport> Server<T> {
    /// The same on a transport with settings of its own.
    pub fn on(transport: T, config: ServerConfig) -> Self {
        Self { transport, opening: Opening { config, ..Opening::default() } }
    }

    /// The options of the sockets; to be set before the listeners that they are for.
    pub fn options(mut self, options: SocketOptions) -> Self {
        self.opening.options = options;
        self
    }

    /// Has a subscriber told what happens on every channel, on the threads that serve the connections.
    pub fn subscriber(mut self, subscriber: impl Subscriber + 'static) -> Self {
        self.opening.subscriber = Some(Arc::new(subscriber));
        self
    }

    /// Adds a listener that was made by [`Listener`]'s functions.
    pub fn listener(mut self, listener: Listener) -> Self {
        self.opening.listeners.push(listener);
        self
    }

    /// Adds a socket that listens already, of whatever library: see [`Listener::from_fd`].
    ///
    /// # Errors
    ///
    /// As [`Listener::from_fd`].
    pub fn listen_fd(self, listener: &impl AsFd) -> io::Result<Self> {
        Ok(self.listener(Listener::from_fd(listener)?))
    }

    /// Adds a TCP address.
    ///
    /// # Errors
    ///
    /// As [`Listener::tcp`].
    pub fn listen_tcp(self, address: SocketAddr) -> io::Result<Self> {
        let listener = Listener::tcp(address, &self.opening.options)?;
        Ok(self.listener(listener))
    }

    /// Adds a Unix socket.
    ///
    /// # Errors
    ///
    /// As [`Listener::unix`].
    pub fn listen_unix(self, path: impl AsRef<Path>) -> io::Result<Self> {
        let listener = Listener::unix(path, &self.opening.options)?;
        Ok(self.listener(listener))
    }

    /// Serves the handler in the background, until the handle's [`drain`](ServerHandle::drain).
    ///
    /// # Errors
    ///
    /// The configuration's `host` has no address or cannot be listened at ([`Listener::at_host`]), a listener does
    /// not take the options, or the system has no thread for the server's timer or for a worker.
    pub fn serve(self, handler: impl Handler) -> io::Result<ServerHandle> {
        let Self { transport, mut opening } = self;
        let Opening { listeners, options, config, .. } = &mut opening;
        config.channel.bodies.get_or_insert(T::BODIES);
        if listeners.is_empty() {
            listeners.extend(Listener::at_host(&config.host, config.port, options, |_| ())?);
        }
        listeners.iter().try_for_each(|listener| listener.apply(options))?;
        transport.start(opening, handler)
    }
}

impl<T> fmt::Debug for Server<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("opening", &self.opening).finish_non_exhaustive()
    }
}

impl fmt::Debug for Opening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opening").field("listeners", &self.listeners).finish_non_exhaustive()
    }
}
