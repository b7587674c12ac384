//! The transport under test, as the kit starts it.

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use httpfsm::config::ServerConfig;
use httpfsm_transport::{Server, ServerHandle, Transport};

use crate::application::Application;
use crate::record::Record;

/// A transport under test: something that serves an application as a [`Plan`] says. Every
/// `Fn(Plan, Application) -> io::Result<ServerHandle>` is one, so it is a closure of a line or two:
///
/// ```
/// use httpfsm_tokio::Tokio;
/// use httpfsm_transport_kit::{Application, Plan, Subject};
///
/// # fn main() -> std::io::Result<()> {
/// let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
/// let subject = |plan: Plan, application: Application| {
///     let _inside = runtime.enter();
///     plan.on(Tokio::default()).serve(application)
/// };
/// # fn is_subject(_: impl Subject) {}
/// # is_subject(subject);
/// # Ok(())
/// # }
/// ```
pub trait Subject: Sync {
    /// Starts a server in the background. It is drained through its handle, and gone before the check ends.
    ///
    /// # Errors
    ///
    /// The server cannot be started, which fails what it was started for, as a panic does, and nothing else.
    ///
    /// An error of the kind [`Unsupported`](io::ErrorKind::Unsupported), where the plan has a path, says that the transport
    /// has no Unix sockets. Then "unix sockets" is not run, and "listeners" is looked at over TCP alone.
    fn serve(&self, plan: Plan, application: Application) -> io::Result<ServerHandle>;
}

impl<F: Fn(Plan, Application) -> io::Result<ServerHandle> + Sync> Subject for F {
    fn serve(&self, plan: Plan, application: Application) -> io::Result<ServerHandle> {
        self(plan, application)
    }
}

/// What a server under test is to be: its configuration, where it listens, and who is told what happens.
#[derive(Clone)]
pub struct Plan {
    /// The configuration.
    pub config: ServerConfig,
    /// The TCP addresses to listen at; their ports are 0. There are none where it listens at a Unix socket alone.
    pub addresses: Vec<SocketAddr>,
    /// The Unix socket to listen at. A transport that has none says so with an error: see [`Subject::serve`].
    pub path: Option<PathBuf>,
    /// Who is told what happens.
    pub subscriber: Record,
}

impl Plan {
    pub(crate) fn new(config: ServerConfig, record: Record) -> Self {
        Self { config, addresses: vec![(Ipv4Addr::LOCALHOST, 0).into()], path: None, subscriber: record }
    }

    /// The server of this plan on a [`Transport`].
    pub fn on<T: Transport>(self, transport: T) -> Server<T> {
        let server = Server::on(transport, self.config).subscriber(self.subscriber);
        let server = self.addresses.into_iter().fold(server, Server::listen_tcp);
        match self.path {
            Some(path) => server.listen_unix(path),
            None => server,
        }
    }
}

impl fmt::Debug for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plan")
            .field("addresses", &self.addresses)
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}
