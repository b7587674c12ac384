//! Why there is no configuration.

use std::error::Error;
use std::fmt;
use std::io;

/// Why no [`Tls`](crate::Tls) could be made, or [reloaded](crate::Tls::reload). Each names the file, and what is wrong
/// in it.
#[derive(Debug)]
#[non_exhaustive]
pub enum TlsError {
    /// The file cannot be read.
    Unreadable {
        /// Its path.
        file: String,
        /// What the system says.
        error: io::Error,
    },
    /// The file has no section that is needed: no certificate, no private key.
    Missing {
        /// Its path, or what it is if it came as bytes.
        file: String,
        /// The label of the section that was looked for.
        section: &'static str,
    },
    /// The private key is protected by a passphrase, for which nobody can be asked.
    EncryptedKey {
        /// The path of the file, or what it is if it came as bytes.
        file: String,
    },
    /// A section is no PEM, as where its end or a part of its base64 is missing.
    Malformed {
        /// The path of the file, or what it is if it came as bytes.
        file: String,
        /// What is wrong. It has no words of the file, which may be those of a private key.
        fault: &'static str,
    },
    /// What the file holds cannot be used: a certificate or a key of a form or an algorithm that is not known.
    Unusable {
        /// The path of the file, or what it is if it came as bytes.
        file: String,
        /// What the library says.
        error: Box<dyn Error + Send + Sync>,
    },
    /// The private key is not that of the first certificate.
    Mismatch {
        /// The path of the certificates, or what they are if they came as bytes.
        certificates: String,
        /// The path of the key, or what it is if it came as bytes.
        key: String,
    },
    /// The process has no cryptography provider: neither was one installed by
    /// [`CryptoProvider::install_default`](rustls::crypto::CryptoProvider::install_default), nor was this crate built with
    /// `ring` or `aws-lc-rs`.
    NoProvider,
    /// The provider cannot be used so, as one that has no cipher suite of the versions that are wanted.
    Provider(rustls::Error),
    /// No client asks for this by SNI: an address, or a name that is not in its ASCII form (RFC 6066 section 3).
    NotAName {
        /// What was given as a name.
        name: String,
    },
    /// It was not read from files, so there is nothing to reload.
    NotFromFiles,
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable { file, error } => write!(f, "cannot read {file}: {error}"),
            Self::Missing { file, section } => {
                write!(f, "{file} has no PEM section that begins with -----BEGIN {section}-----")
            }
            Self::EncryptedKey { file } => write!(
                f,
                "the private key in {file} is encrypted; remove its passphrase (`openssl pkey -in {file} -out KEY`)"
            ),
            Self::Malformed { file, fault } => write!(f, "{file} is not valid PEM: {fault}"),
            Self::Unusable { file, error } => write!(f, "what {file} holds cannot be used: {error}"),
            Self::Mismatch { certificates, key } => {
                write!(f, "the private key in {key} does not belong to the first certificate in {certificates}")
            }
            Self::NoProvider => f.write_str(
                "there is no cryptography provider; build httpfsm-rustls with its feature `ring` or `aws-lc-rs`, or install a \
                 default provider of rustls",
            ),
            Self::Provider(error) => write!(f, "the cryptography provider cannot be used: {error}"),
            Self::NotAName { name } => write!(
                f,
                "{name:?} is no name that a client can ask for; give one as example.org or *.example.org, in ASCII"
            ),
            Self::NotFromFiles => {
                f.write_str("this TLS configuration was not read from files, so there is nothing to reload")
            }
        }
    }
}

impl Error for TlsError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Unreadable { error, .. } => Some(error),
            Self::Unusable { error, .. } => Some(&**error),
            Self::Provider(error) => Some(error),
            Self::Missing { .. }
            | Self::Malformed { .. }
            | Self::EncryptedKey { .. }
            | Self::Mismatch { .. }
            | Self::NoProvider
            | Self::NotAName { .. }
            | Self::NotFromFiles => None,
        }
    }
}

/// Of the kind [`InvalidInput`](io::ErrorKind::InvalidInput), or that of the file that cannot be read.
impl From<TlsError> for io::Error {
    fn from(error: TlsError) -> Self {
        let kind = match &error {
            TlsError::Unreadable { error, .. } => error.kind(),
            _ => io::ErrorKind::InvalidInput,
        };
        Self::new(kind, error)
    }
}
