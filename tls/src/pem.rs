//! Certificates and keys in PEM (RFC 7468).

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use rustls::pki_types::pem::{Error as PemError, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::error::TlsError;

/// Bytes of a file at most.
const MOST: u64 = 4 << 20;

/// Where PEM comes from. A path is [read again](crate::Tls::reload) at each reload.
///
/// ```
/// use httpfsm_rustls::Pem;
///
/// let from_file = Pem::from("/etc/ssl/example.pem");
/// let from_memory = Pem::bytes("-----BEGIN CERTIFICATE-----\n...");
/// # drop((from_file, from_memory));
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub enum Pem {
    /// A file.
    File(PathBuf),
    /// Its bytes.
    Bytes(Vec<u8>),
}

impl Pem {
    /// PEM that is in memory already.
    pub fn bytes(bytes: impl Into<Vec<u8>>) -> Self {
        Self::Bytes(bytes.into())
    }

    fn read(&self, what: &str) -> Result<(String, Cow<'_, [u8]>), TlsError> {
        match self {
            Self::Bytes(bytes) => Ok((what.to_owned(), Cow::Borrowed(bytes))),
            Self::File(path) => {
                let file = path.display().to_string();
                match read_bounded(path) {
                    Ok(bytes) => Ok((file, Cow::Owned(bytes))),
                    Err(error) => Err(TlsError::Unreadable { file, error }),
                }
            }
        }
    }

    /// The certificates, one at least, and the name for messages.
    pub(crate) fn certificates(
        &self,
        what: &str,
    ) -> Result<(String, Vec<CertificateDer<'static>>), TlsError> {
        let (file, bytes) = self.read(what)?;
        match CertificateDer::pem_slice_iter(&bytes).collect::<Result<Vec<_>, _>>() {
            Ok(certificates) if certificates.is_empty() => {
                Err(TlsError::Missing { file, section: "CERTIFICATE" })
            }
            Ok(certificates) => Ok((file, certificates)),
            Err(error) => Err(TlsError::Malformed { file, fault: fault(&error) }),
        }
    }

    /// The first private key, and the name for messages.
    pub(crate) fn key(&self) -> Result<(String, PrivateKeyDer<'static>), TlsError> {
        let (file, bytes) = self.read("the private key")?;
        // PKCS #8 has a label of its own for an encrypted key, the older forms have a header within the section.
        let has = |text: &[u8]| bytes.windows(text.len()).any(|window| window == text);
        if has(b"-----BEGIN ENCRYPTED PRIVATE KEY-----") || has(b"Proc-Type: 4,ENCRYPTED") {
            return Err(TlsError::EncryptedKey { file });
        }
        match PrivateKeyDer::from_pem_slice(&bytes) {
            Ok(key) => Ok((file, key)),
            Err(PemError::NoItemsFound) => Err(TlsError::Missing { file, section: "PRIVATE KEY" }),
            Err(error) => Err(TlsError::Malformed { file, fault: fault(&error) }),
        }
    }
}

/// What is wrong, in words of ours: those of the library repeat the line, which may be a whole key whose line ends were
/// lost.
fn fault(error: &PemError) -> &'static str {
    match error {
        PemError::MissingSectionEnd { .. } => "a section that begins has no line -----END ...-----",
        PemError::IllegalSectionStart { .. } => {
            "a line with -----BEGIN has more than that, as where line ends were lost"
        }
        PemError::Base64Decode(_) => "what stands between BEGIN and END is not base64",
        _ => "it cannot be read as such",
    }
}

/// No more than that, as of a device.
fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MOST + 1).read_to_end(&mut bytes)?;
    match bytes.len() as u64 > MOST {
        true => Err(io::Error::new(io::ErrorKind::FileTooLarge, "it has more than 4 MiB")),
        false => Ok(bytes),
    }
}

/// Never the bytes: they may be those of a key.
impl std::fmt::Debug for Pem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(path) => write!(f, "File({})", path.display()),
            Self::Bytes(bytes) => write!(f, "Bytes({})", bytes.len()),
        }
    }
}

impl From<PathBuf> for Pem {
    fn from(path: PathBuf) -> Self {
        Self::File(path)
    }
}

impl From<&Path> for Pem {
    fn from(path: &Path) -> Self {
        Self::File(path.to_owned())
    }
}

impl From<&PathBuf> for Pem {
    fn from(path: &PathBuf) -> Self {
        Self::File(path.clone())
    }
}

impl From<&str> for Pem {
    fn from(path: &str) -> Self {
        Self::File(path.into())
    }
}

impl From<String> for Pem {
    fn from(path: String) -> Self {
        Self::File(path.into())
    }
}
