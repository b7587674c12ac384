//! What a configuration made of PEM is to be.

use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, ParsedCertificate, ProducesTickets, WebPkiClientVerifier};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{InconsistentKeys, RootCertStore, ServerConfig, SupportedProtocolVersion, version};

use crate::error::TlsError;
use crate::pem::Pem;

/// The name of HTTP/1.1 in ALPN (RFC 7301 section 6).
pub(crate) const HTTP_1_1: &[u8] = b"http/1.1";

/// The oldest version of TLS that a peer may speak. Those before 1.2 are never spoken (RFC 8996).
///
/// ```
/// use httpfsm_rustls::{TlsOptions, TlsVersion};
///
/// let mut options = TlsOptions::default();
/// assert_eq!(options.min_version, TlsVersion::Tls12);
/// options.min_version = TlsVersion::Tls13;
/// assert!(options.min_version > TlsVersion::Tls12, "they are ordered by age");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
#[non_exhaustive]
pub enum TlsVersion {
    /// TLS 1.2 (RFC 5246), and 1.3.
    #[default]
    Tls12,
    /// TLS 1.3 (RFC 8446) alone.
    Tls13,
}

impl TlsVersion {
    fn and_newer(self) -> Vec<&'static SupportedProtocolVersion> {
        match self {
            Self::Tls12 => vec![&version::TLS13, &version::TLS12],
            Self::Tls13 => vec![&version::TLS13],
        }
    }
}

/// Whether clients show a certificate. The authorities are PEM with one certificate at least, and a client's
/// certificate has to be signed by one of them, or by one that they have signed. A handler finds the chain in
/// [`Security::peer_chain`](httpfsm::handler::Security::peer_chain). Unless this is [`Off`](Self::Off), each connection
/// is verified by itself, and none goes on with the session of another: a certificate that has expired since would
/// still do.
///
/// Everybody is served, and who has a certificate may do more:
///
/// ```
/// use httpfsm::{Request, Status};
/// use httpfsm_rustls::{ClientCertificates, TlsOptions};
///
/// let mut options = TlsOptions::default();
/// options.client_certificates = ClientCertificates::Optional("authorities.pem".into());
/// // `Tls::from_pem_with("certificate.pem", "key.pem", &options)`, and a handler for it:
/// async fn administer(request: Request) -> Status {
///     match request.security().is_some_and(|security| !security.peer_chain.is_empty()) {
///         true => Status::OK,
///         false => Status::FORBIDDEN,
///     }
/// }
/// # use httpfsm_transport::test::{TestRequest, call};
/// # let response = httpfsm_transport::block_on(call(administer, TestRequest::get("/")));
/// # assert_eq!(response.status(), Status::FORBIDDEN);
/// ```
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub enum ClientCertificates {
    /// They are not asked for one.
    #[default]
    Off,
    /// They are asked for one, and served without it, too. A handler decides what those without one may do.
    Optional(Pem),
    /// The handshake fails without one.
    Required(Pem),
}

/// What a [`Tls`](crate::Tls) made of PEM is to be.
///
/// ```
/// use httpfsm_rustls::{ClientCertificates, Tls, TlsOptions, TlsVersion};
///
/// # fn main() -> Result<(), httpfsm_rustls::TlsError> {
/// let mut options = TlsOptions::default();
/// options.min_version = TlsVersion::Tls13;
/// options.client_certificates = ClientCertificates::Required("clients.pem".into());
/// let tls = Tls::from_pem_with("certificate.pem", "key.pem", &options);
/// // There is no such file here.
/// assert!(tls.is_err_and(|error| error.to_string().starts_with("cannot read")));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct TlsOptions {
    /// The oldest version that is spoken. Default: 1.2.
    pub min_version: TlsVersion,
    /// Whether clients show a certificate. Default: no.
    pub client_certificates: ClientCertificates,
    /// Protocols beside `http/1.1` that the server takes by ALPN (RFC 7301), by the server's preference and before
    /// `http/1.1`: `h2`, say. Their connections are [handed over](httpfsm_transport::Listener::hand_over); a listener
    /// that hands none over closes them. Default: none.
    pub other_protocols: Vec<Vec<u8>>,
}

impl TlsOptions {
    pub(crate) fn build(&self, certificates: &Pem, key: &Pem) -> Result<ServerConfig, TlsError> {
        let provider = provider().ok_or(TlsError::NoProvider)?;
        let certified = certified(certificates, key, &provider)?;
        let verifier = self.verifier(&provider)?;
        let builder = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&self.min_version.and_newer())
            .map_err(TlsError::Provider)?;
        let is_anonymous = verifier.is_none();
        let builder = match verifier {
            Some(verifier) => builder.with_client_cert_verifier(verifier),
            None => builder.with_no_client_auth(),
        };
        let mut config = builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
        config.alpn_protocols = self.other_protocols.clone();
        config.alpn_protocols.push(HTTP_1_1.to_vec());
        if !is_anonymous {
            // Who resumes a session is not verified again.
            config.session_storage = Arc::new(NoServerSessionStorage {});
            config.send_tls13_tickets = 0;
        } else if let Some(ticketer) = ticketer().transpose().map_err(TlsError::Provider)? {
            config.ticketer = ticketer;
        }
        Ok(config)
    }

    fn verifier(
        &self,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Option<Arc<dyn ClientCertVerifier>>, TlsError> {
        let (pem, is_required) = match &self.client_certificates {
            ClientCertificates::Off => return Ok(None),
            ClientCertificates::Optional(pem) => (pem, false),
            ClientCertificates::Required(pem) => (pem, true),
        };
        let (file, authorities) = pem.certificates("the authorities of clients")?;
        let unusable = |error| TlsError::Unusable { file: file.clone(), error };
        let mut roots = RootCertStore::empty();
        for authority in authorities {
            roots.add(authority).map_err(|error| unusable(error.into()))?;
        }
        let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider));
        let builder = if is_required { builder } else { builder.allow_unauthenticated() };
        Ok(Some(builder.build().map_err(|error| unusable(error.into()))?))
    }
}

fn certified(certificates: &Pem, key: &Pem, provider: &CryptoProvider) -> Result<CertifiedKey, TlsError> {
    let (certificates, chain) = certificates.certificates("the certificate chain")?;
    for certificate in &chain {
        ParsedCertificate::try_from(certificate)
            .map_err(|error| TlsError::Unusable { file: certificates.clone(), error: error.into() })?;
    }
    let (key_file, key) = key.key()?;
    let key = provider
        .key_provider
        .load_private_key(key)
        .map_err(|error| TlsError::Unusable { file: key_file.clone(), error: error.into() })?;
    let certified = CertifiedKey::new(chain, key);
    match certified.keys_match() {
        // A key that does not tell its public part is believed.
        Ok(()) | Err(rustls::Error::InconsistentKeys(InconsistentKeys::Unknown)) => Ok(certified),
        Err(rustls::Error::InconsistentKeys(_)) => Err(TlsError::Mismatch { certificates, key: key_file }),
        Err(error) => Err(TlsError::Unusable { file: certificates, error: error.into() }),
    }
}

/// That of the process, or else that of the features.
fn provider() -> Option<Arc<CryptoProvider>> {
    CryptoProvider::get_default().cloned().or_else(|| own::provider().map(Arc::new))
}

/// Who encrypts session tickets (RFC 8446 section 4.6.1), by the features, whichever provider the process has
/// installed. Where there is none, sessions are kept in memory, 256 of them.
fn ticketer() -> Option<Result<Arc<dyn ProducesTickets>, rustls::Error>> {
    own::ticketer()
}

/// `ring` is on by default, so whoever turns `aws-lc-rs` on wants that.
#[cfg(feature = "aws-lc-rs")]
use self::aws_lc_rs as own;
#[cfg(not(any(feature = "ring", feature = "aws-lc-rs")))]
use self::nobody as own;
#[cfg(all(feature = "ring", not(feature = "aws-lc-rs")))]
use self::ring as own;

/// Declares what one provider has.
macro_rules! provider {
    ($name:ident) => {
        mod $name {
            use super::{Arc, CryptoProvider, ProducesTickets};

            pub(super) fn provider() -> Option<CryptoProvider> {
                Some(rustls::crypto::$name::default_provider())
            }

            pub(super) fn ticketer() -> Option<Result<Arc<dyn ProducesTickets>, rustls::Error>> {
                Some(rustls::crypto::$name::Ticketer::new())
            }
        }
    };
}

#[cfg(feature = "aws-lc-rs")]
provider!(aws_lc_rs);
#[cfg(all(feature = "ring", not(feature = "aws-lc-rs")))]
provider!(ring);

#[cfg(not(any(feature = "ring", feature = "aws-lc-rs")))]
mod nobody {
    use super::{Arc, CryptoProvider, ProducesTickets};

    pub(super) fn provider() -> Option<CryptoProvider> {
        None
    }

    pub(super) fn ticketer() -> Option<Result<Arc<dyn ProducesTickets>, rustls::Error>> {
        None
    }
}
