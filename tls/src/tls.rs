//! A configuration of TLS, and what is chosen and replaced of it while a server runs.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use httpfsm::handler::Hosts;
use httpfsm_transport::LayerError;
use rustls::ServerConfig;
use rustls::pki_types::DnsName;

use crate::error::TlsError;
use crate::hello::{Hello, HelloFrom, comparable};
use crate::layer::TlsLayer;
use crate::options::{ClientCertificates, TlsOptions};
use crate::pem::Pem;

/// Choices that may lead to other choices, before the handshake fails.
const CHOICES: usize = 4;

/// How a server speaks TLS: one certificate and its key, or a choice among several. A copy is the same configuration,
/// so what [replaces](Self::replace) that of one replaces that of all, for connections that come from then on.
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
    /// Held by who changes it, so that no change is lost to one that began before.
    changes: Mutex<()>,
}

/// Where a configuration was made from.
struct Source {
    certificates: Pem,
    key: Pem,
    options: TlsOptions,
}

/// What new connections get.
#[derive(Clone)]
enum Current {
    /// With its source, if it was made here.
    One(Arc<ServerConfig>, Option<Arc<Source>>),
    Choice(Arc<Chooses>),
}

type Chooses = dyn Fn(&Hello<'_>) -> Option<Tls> + Send + Sync;

impl Tls {
    /// From the server's certificate chain, its own first, and the private key of that (PKCS #8, PKCS #1 or SEC 1),
    /// both PEM: TLS 1.2 and 1.3, ALPN `http/1.1`, and no certificates of clients. A client that offers other protocols
    /// by ALPN and not `http/1.1`, as `h2` alone, gets the alert `no_application_protocol`. Sessions are resumed by
    /// tickets, of which the key changes every six hours. There is no 0-RTT: its requests could be sent again by
    /// whoever has recorded them (RFC 8470).
    ///
    /// ```
    /// use httpfsm_rustls::{Pem, Tls};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let key = rcgen::KeyPair::generate()?;
    /// # let certificate = rcgen::CertificateParams::new(vec!["localhost".to_owned()])?.self_signed(&key)?;
    /// # let (certificate, key) = (Pem::bytes(certificate.pem()), Pem::bytes(key.serialize_pem()));
    /// let tls = Tls::from_pem(certificate, key)?;
    /// # drop(tls);
    /// let missing = Tls::from_pem("certificate.pem", "key.pem").expect_err("there are no such files here");
    /// assert!(missing.to_string().starts_with("cannot read certificate.pem"));
    /// # Ok(())
    /// # }
    /// ```
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
        let source = Arc::new(Source { certificates, key, options });
        Ok(Self::new(source.read()?))
    }

    /// From a configuration of rustls, for what there are no options for here. It is taken as it is: whoever wants
    /// clients of `http/1.1` by ALPN alone, or tickets, says so in it. A protocol other than `http/1.1` that it agrees
    /// on by ALPN is [handed over](httpfsm_transport::Listener::hand_over). Its `max_early_data_size` is taken for 0:
    /// see [`from_pem`](Self::from_pem).
    ///
    /// A server of rustls with a protocol of its own beside HTTP:
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use httpfsm_rustls::Tls;
    /// use rustls::ServerConfig;
    ///
    /// fn with_mqtt(mut config: ServerConfig) -> Tls {
    ///     config.alpn_protocols = vec![b"http/1.1".to_vec(), b"mqtt".to_vec()];
    ///     Tls::from_config(Arc::new(config))
    /// }
    /// # let _ = with_mqtt;
    /// ```
    #[must_use]
    pub fn from_config(mut config: Arc<ServerConfig>) -> Self {
        if config.max_early_data_size > 0 {
            Arc::make_mut(&mut config).max_early_data_size = 0;
        }
        Self::new(Current::One(config, None))
    }

    /// One configuration or another for each connection, by what its client says first. `choose` is called in the handshake,
    /// and must not block. Where it returns `None`, the handshake fails with the alert `unrecognized_name`.
    ///
    /// It is called again for each request whose host is not the name that the client has asked for by SNI. Where it then
    /// chooses another configuration than that of the connection, the response is 421 (RFC 9110 section 15.5.20): the client
    /// may have shown a certificate that would not do for that host.
    #[must_use]
    pub fn choose(choose: impl Fn(&Hello<'_>) -> Option<Self> + Send + Sync + 'static) -> Self {
        Self::new(Current::Choice(Arc::new(choose)))
    }

    /// A configuration for each name that a client may ask for by SNI, and `otherwise` for the others, and for those
    /// who ask for none. `*.example.org` is for each name that has one label more than `example.org`, if it has none of
    /// its own.
    ///
    /// ```no_run
    /// use httpfsm_rustls::Tls;
    ///
    /// # fn main() -> Result<(), httpfsm_rustls::TlsError> {
    /// let org = Tls::from_pem("org.pem", "org.key")?;
    /// let net = Tls::from_pem("net.pem", "net.key")?;
    /// let tls = Tls::by_name([("example.org", org), ("*.example.net", net.clone())], Some(net))?;
    /// # drop(tls);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`TlsError::NotAName`]: no client asks for that by SNI, as for an address, or for a name that is not in its
    /// ASCII form.
    pub fn by_name<N: AsRef<str>>(
        names: impl IntoIterator<Item = (N, Self)>,
        otherwise: Option<Self>,
    ) -> Result<Self, TlsError> {
        let named = |(name, tls): (N, Self)| {
            let is_name = |name: &String| DnsName::try_from(name.strip_prefix("*.").unwrap_or(name)).is_ok();
            match comparable(name.as_ref()).filter(is_name) {
                Some(name) => Ok((name, tls)),
                None => Err(TlsError::NotAName { name: name.as_ref().to_owned() }),
            }
        };
        let names = names.into_iter().map(named).collect::<Result<HashMap<String, Self>, _>>()?;
        Ok(Self::choose(move |hello| {
            let name = hello.server_name().unwrap_or_default();
            let by_wildcard = || names.get(&format!("*.{}", name.split_once('.')?.1));
            names.get(name).or_else(by_wildcard).or(otherwise.as_ref()).cloned()
        }))
    }

    fn new(current: Current) -> Self {
        Self(Arc::new(Shared { current: RwLock::new(Arc::new(current)), changes: Mutex::default() }))
    }

    /// New connections get what `other` is now; those that there are keep what they have. Sessions can be resumed as
    /// before if both were made of PEM and neither asks clients for certificates, and not at all else.
    ///
    /// ```
    /// use httpfsm_rustls::{Pem, Tls, TlsError};
    ///
    /// /// When a certificate was renewed that is in no file.
    /// fn renewed(tls: &Tls, certificate: Vec<u8>, key: Vec<u8>) -> Result<(), TlsError> {
    ///     tls.replace(&Tls::from_pem(Pem::bytes(certificate), Pem::bytes(key))?);
    ///     Ok(())
    /// }
    /// # let _ = renewed;
    /// ```
    pub fn replace(&self, other: &Self) {
        self.change(Current::clone(&other.current()));
    }

    /// Reads the files again that it was [made](Self::from_pem) of, or that what has [replaced](Self::replace) it was.
    /// Connections that there are keep what they have. Sessions can be resumed as before, if clients are not asked for
    /// certificates.
    ///
    /// This reads files, and so blocks the thread.
    ///
    /// As a timer or a signal has it, when the certificate was renewed. A broken pair changes nothing:
    ///
    /// ```
    /// use std::fs;
    ///
    /// use httpfsm_rustls::Tls;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let folder = tempfile::tempdir()?;
    /// # let (certificate, key) = (folder.path().join("certificate.pem"), folder.path().join("key.pem"));
    /// # let pair = rcgen::KeyPair::generate()?;
    /// # let signed = rcgen::CertificateParams::new(vec!["localhost".to_owned()])?.self_signed(&pair)?;
    /// # fs::write(&certificate, signed.pem())?;
    /// # fs::write(&key, pair.serialize_pem())?;
    /// let tls = Tls::from_pem(certificate.clone(), key)?;
    /// tls.reload()?;
    /// fs::write(certificate, "half a certif")?;
    /// let error = tls.reload().expect_err("it was not written to its end");
    /// println!("{error}; the connections get the certificate that was there before");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`from_pem_with`](Self::from_pem_with); then nothing changes. [`TlsError::NotFromFiles`] if it was not made
    /// of PEM.
    pub fn reload(&self) -> Result<(), TlsError> {
        let _alone = self.0.changes.lock().unwrap_or_else(PoisonError::into_inner);
        let Current::One(_, Some(source)) = &*self.current() else { return Err(TlsError::NotFromFiles) };
        self.set(source.read()?);
        Ok(())
    }

    /// A layer for one connection, for what is not a [`ListenTls`](crate::ListenTls): the layer of a
    /// [`PrefaceRead`](httpfsm_transport::PrefaceRead), say. Nobody asks that of a
    /// [`Layered`](httpfsm_transport::Layered) over a wire of yours for what it knows: its requests have no
    /// [`Security`](httpfsm::handler::Security), report the scheme of the listener, and get no 421.
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

    fn change(&self, to: Current) {
        let _alone = self.0.changes.lock().unwrap_or_else(PoisonError::into_inner);
        self.set(to);
    }

    fn set(&self, mut to: Current) {
        if let (Current::One(old, Some(before)), Current::One(config, Some(after))) =
            (&*self.current(), &mut to)
        {
            if before.keeps_sessions() && after.keeps_sessions() {
                let config = Arc::make_mut(config);
                config.ticketer = Arc::clone(&old.ticketer);
                config.session_storage = Arc::clone(&old.session_storage);
            }
        }
        *self.0.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(to);
    }

    /// The configuration of all connections, if there is no choice.
    pub(crate) fn only(&self) -> Option<Arc<ServerConfig>> {
        match &*self.current() {
            Current::One(config, _) => Some(Arc::clone(config)),
            Current::Choice(_) => None,
        }
    }

    /// What is chosen for a client that says this, and who chose it first. `None`: nothing is.
    pub(crate) fn chosen(&self, hello: &Hello<'_>) -> Option<Chosen> {
        match &*self.current() {
            Current::One(config, _) => {
                Some(Chosen { config: Arc::clone(config), tls: self.clone(), by: None })
            }
            Current::Choice(choose) => follow(choose, hello),
        }
    }
}

/// Asks `choose`, and whomever that chooses.
fn follow(first: &Arc<Chooses>, hello: &Hello<'_>) -> Option<Chosen> {
    let mut choose = Arc::clone(first);
    for _ in 0..CHOICES {
        let tls = choose(hello)?;
        match Current::clone(&tls.current()) {
            Current::One(config, _) => return Some(Chosen { config, tls, by: Some(Arc::clone(first)) }),
            Current::Choice(next) => choose = next,
        }
    }
    None
}

impl Source {
    fn read(self: &Arc<Self>) -> Result<Current, TlsError> {
        let config = self.options.build(&self.certificates, &self.key)?;
        Ok(Current::One(Arc::new(config), Some(Arc::clone(self))))
    }

    /// Whether connections may go on with sessions of others. Those with certificates of clients are verified each by
    /// itself.
    fn keeps_sessions(&self) -> bool {
        matches!(self.options.client_certificates, ClientCertificates::Off)
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
            let name = host.strip_suffix('.').unwrap_or(host);
            if sni.as_deref().is_some_and(|sni| name.eq_ignore_ascii_case(sni)) {
                return true;
            }
            let name = comparable(name);
            let from = HelloFrom::Request(alpn.as_deref());
            let other = follow(&choose, &Hello { server_name: name.as_deref(), from });
            other.is_some_and(|other| Arc::ptr_eq(&other.tls.0, &chosen.0))
        }))
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Tls");
        match &*self.current() {
            Current::One(_, Some(source)) => {
                debug.field("certificates", &source.certificates).field("options", &source.options)
            }
            current => debug.field("is_choice", &matches!(current, Current::Choice(_))),
        }
        .finish_non_exhaustive()
    }
}
