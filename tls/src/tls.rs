//! A configuration of TLS, and what is chosen and replaced of it while a server runs.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use httpfsm::handler::Hosts;
use httpfsm_transport::LayerError;
use rustls::ServerConfig;

use crate::error::TlsError;
use crate::hello::{Hello, HelloFrom, comparable};
use crate::layer::TlsLayer;
use crate::options::{Authentication, Sessions, TlsOptions};
use crate::pem::Pem;

/// Choices that may lead to other choices, before the handshake fails.
const CHOICES: usize = 4;

/// How a server speaks TLS: one certificate and its key, or a choice among several. A copy is the same configuration, so what
/// [replaces](Self::replace) that of one replaces that of all, for connections that come from then on.
///
/// ```no_run
/// use httpfsm::{Request, ServerConfig};
/// use httpfsm_blocking::Server;
/// use httpfsm_rustls::{ListenTls, Tls};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let tls = Tls::from_pem("certificate.pem", "key.pem")?;
/// let server = Server::new(ServerConfig::default())
///     .listen_tls("0.0.0.0:443".parse()?, &tls)
///     .serve(|request: Request| async move { format!("Hello over {}!\n", request.scheme()) })?;
/// # drop(server);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Tls(Arc<Shared>);

struct Shared {
    current: RwLock<Arc<Current>>,
    source: Option<Source>,
}

/// Where the configuration was made from.
struct Source {
    certificates: Pem,
    key: Pem,
    options: TlsOptions,
}

/// What new connections get.
enum Current {
    One {
        config: Arc<ServerConfig>,
        /// `None` where the configuration was made elsewhere, and nothing is known of that.
        clients: Option<Clients>,
    },
    Choice(Arc<Chooses>),
}

/// By whom clients are verified, in a configuration that was made here.
type Clients = Option<Authentication>;
type Chooses = dyn Fn(&Hello<'_>) -> Option<Tls> + Send + Sync;

impl Tls {
    /// From the server's certificate chain, its own first, and the private key of that (PKCS #8, PKCS #1 or SEC 1), both PEM:
    /// TLS 1.2 and 1.3, ALPN `http/1.1`, and no certificates of clients. A client that offers other protocols by ALPN and not
    /// `http/1.1`, as `h2` alone, gets the alert `no_application_protocol`. Sessions are resumed by tickets, of which the key
    /// changes every six hours. There is no 0-RTT: its requests could be sent again by whoever has recorded them (RFC 8470).
    ///
    /// # Errors
    ///
    /// The files cannot be read or used, or do not belong together. The error names the file, and what is wrong in it.
    pub fn from_pem(certificates: impl Into<Pem>, key: impl Into<Pem>) -> Result<Self, TlsError> {
        Self::from_pem_with(certificates, key, &TlsOptions::default())
    }

    /// As [`from_pem`](Self::from_pem), with these options.
    ///
    /// # Errors
    ///
    /// As [`from_pem`](Self::from_pem), and for the authorities of clients alike.
    pub fn from_pem_with(
        certificates: impl Into<Pem>,
        key: impl Into<Pem>,
        options: &TlsOptions,
    ) -> Result<Self, TlsError> {
        let (certificates, key, options) = (certificates.into(), key.into(), options.clone());
        let source = Source { certificates, key, options };
        let current = source.read(None)?;
        Ok(Self::new(current, Some(source)))
    }

    /// From a configuration of rustls, for what there are no options for here. It is taken as it is: whoever wants clients of
    /// `http/1.1` by ALPN alone, or tickets, says so in it. A protocol other than `http/1.1` that it agrees on by ALPN is
    /// [handed over](httpfsm_transport::Listener::hand_over). Leave its `max_early_data_size` at 0, or requests can be replayed.
    #[must_use]
    pub fn from_config(config: Arc<ServerConfig>) -> Self {
        Self::new(Current::One { config, clients: None }, None)
    }

    /// One configuration or another for each connection, by what its client says first. `choose` is called in the handshake,
    /// and must not block. Where it returns `None`, the handshake fails with the alert `unrecognized_name`.
    ///
    /// It is called again for each request whose host is not the name that the client has asked for by SNI. Where it then
    /// chooses another configuration than that of the connection, the response is 421 (RFC 9110 section 15.5.20): the client
    /// may have shown a certificate that would not do for that host.
    #[must_use]
    pub fn choose(choose: impl Fn(&Hello<'_>) -> Option<Self> + Send + Sync + 'static) -> Self {
        Self::new(Current::Choice(Arc::new(choose)), None)
    }

    /// A configuration for each name that a client may ask for by SNI, and `otherwise` for the others, and for those who ask for
    /// none. `*.example.org` is for each name that has one label more than `example.org`, if it has none of its own.
    ///
    /// ```no_run
    /// use httpfsm_rustls::Tls;
    ///
    /// # fn main() -> Result<(), httpfsm_rustls::TlsError> {
    /// let org = Tls::from_pem("org.pem", "org.key")?;
    /// let net = Tls::from_pem("net.pem", "net.key")?;
    /// let tls = Tls::by_name([("example.org", org), ("*.example.net", net.clone())], Some(net));
    /// # drop(tls);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn by_name<N: AsRef<str>>(
        names: impl IntoIterator<Item = (N, Self)>,
        otherwise: Option<Self>,
    ) -> Self {
        let names = names.into_iter().filter_map(|(name, tls)| Some((comparable(name.as_ref())?, tls)));
        let names: HashMap<String, Self> = names.collect();
        Self::choose(move |hello| {
            let name = hello.server_name().unwrap_or_default();
            let by_wildcard = || names.get(&format!("*.{}", name.split_once('.')?.1));
            names.get(name).or_else(by_wildcard).or(otherwise.as_ref()).cloned()
        })
    }

    fn new(current: Current, source: Option<Source>) -> Self {
        Self(Arc::new(Shared { current: RwLock::new(Arc::new(current)), source }))
    }

    /// New connections get what `other` is now; those that there are keep what they have. Sessions can be resumed as before if
    /// both were made of PEM and clients are verified alike, and not at all else.
    pub fn replace(&self, other: &Self) {
        let current = other.current();
        let current = match (&*self.current(), &*current) {
            (
                Current::One { config: old, clients: Some(before) },
                Current::One { config, clients: Some(after) },
            ) if before == after => {
                let mut config = ServerConfig::clone(config);
                Sessions::of(old).keep_in(&mut config);
                Arc::new(Current::One { config: Arc::new(config), clients: Some(after.clone()) })
            }
            _ => current,
        };
        self.set(current);
    }

    /// Reads the files again that it was [made](Self::from_pem) of. Connections that there are keep what they have, and sessions
    /// can be resumed as before, unless the authorities of clients are others now.
    ///
    /// This reads files, and so blocks the thread.
    ///
    /// # Errors
    ///
    /// As [`from_pem_with`](Self::from_pem_with); then nothing changes. [`TlsError::NotFromFiles`] if it was not made of PEM.
    pub fn reload(&self) -> Result<(), TlsError> {
        let source = self.0.source.as_ref().ok_or(TlsError::NotFromFiles)?;
        let current = source.read(Some(&*self.current()))?;
        self.set(Arc::new(current));
        Ok(())
    }

    /// A layer for one connection, for what is not a [`ListenTls`](crate::ListenTls): the layer of a
    /// [`PrefaceRead`](httpfsm_transport::PrefaceRead), say, or a [`Layered`](httpfsm_transport::Layered) over a wire of yours.
    ///
    /// # Errors
    ///
    /// The configuration cannot be used.
    pub fn layer(&self) -> Result<TlsLayer, LayerError> {
        TlsLayer::new(self)
    }

    fn current(&self) -> Arc<Current> {
        Arc::clone(&self.0.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn set(&self, current: Arc<Current>) {
        *self.0.current.write().unwrap_or_else(PoisonError::into_inner) = current;
    }

    /// The configuration of all connections, if there is no choice.
    pub(crate) fn only(&self) -> Option<Arc<ServerConfig>> {
        match &*self.current() {
            Current::One { config, .. } => Some(Arc::clone(config)),
            Current::Choice(_) => None,
        }
    }

    /// What is chosen for a client that says this, and who chose it. `None`: nothing is.
    pub(crate) fn chosen(&self, hello: &Hello<'_>) -> Option<Chosen> {
        let (mut tls, mut first) = (self.clone(), None);
        for _ in 0..CHOICES {
            let current = tls.current();
            match &*current {
                Current::One { config, .. } => {
                    return Some(Chosen { config: Arc::clone(config), tls, by: first });
                }
                Current::Choice(choose) => {
                    first.get_or_insert_with(|| Arc::clone(choose));
                    tls = choose(hello)?;
                }
            }
        }
        None
    }
}

impl Source {
    /// `before`: whose sessions are kept, if clients are verified alike.
    fn read(&self, before: Option<&Current>) -> Result<Current, TlsError> {
        let mut built = self.options.build(&self.certificates, &self.key)?;
        if let Some(Current::One { config, clients: Some(clients) }) = before {
            if *clients == built.authentication {
                Sessions::of(config).keep_in(&mut built.config);
            }
        }
        Ok(Current::One { config: Arc::new(built.config), clients: Some(built.authentication) })
    }
}

/// What was chosen for a connection.
pub(crate) struct Chosen {
    pub(crate) config: Arc<ServerConfig>,
    tls: Tls,
    by: Option<Arc<Chooses>>,
}

impl Chosen {
    /// The hosts of the connection, if there is a choice: those for which the same would have been chosen.
    pub(crate) fn hosts(&self, sni: Option<String>, alpn: Option<Vec<u8>>) -> Option<Hosts> {
        let choose = Arc::clone(self.by.as_ref()?);
        let chosen = self.tls.clone();
        Some(Hosts::new(move |host| {
            let host = comparable(host);
            if host == sni {
                return true;
            }
            let from = HelloFrom::Request(alpn.as_deref());
            let hello = Hello { server_name: host.as_deref(), from };
            let other = choose(&hello).and_then(|tls| tls.chosen(&hello));
            other.is_some_and(|other| Arc::ptr_eq(&other.tls.0, &chosen.0))
        }))
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Tls");
        match &self.0.source {
            Some(source) => {
                debug.field("certificates", &source.certificates).field("options", &source.options)
            }
            None => debug.field("is_choice", &self.only().is_none()),
        }
        .finish_non_exhaustive()
    }
}
