//! TLS by the flags, and the certificates that SIGHUP reads again.

use std::error::Error;
use std::io;
use std::path::Path;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;

use httpfsm_rustls::{ClientCertificates, Pem, Tls, TlsOptions, TlsVersion};

use super::self_signed::SelfSigned;
use super::unstarted;
use crate::cli::{ClientCertificate, OldestTls, TlsFlags};
use crate::log::note;

/// Makes the configuration that the flags describe, if they want TLS at all. `host` is where the server listens.
///
/// # Errors
///
/// A file cannot be read or used; the error names it.
pub(super) fn from_flags(flags: &TlsFlags, host: &str) -> Result<Option<Tls>, Box<dyn Error>> {
    let options = options(flags);
    if let (Some(certificate), Some(key)) = (&flags.tls_cert, &flags.tls_key) {
        return Ok(Some(Tls::from_pem_with(certificate, key, &options)?));
    }
    if !flags.self_signed {
        return Ok(None);
    }
    let hosts = flags.tls_listen.iter().filter_map(|address| address.host.as_deref()).chain([host]);
    let made = SelfSigned::new(hosts.map(|host| host.trim_matches(['[', ']']).to_owned()))?;
    let tls = Tls::from_pem_with(Pem::bytes(made.certificate), Pem::bytes(made.key), &options)?;
    note(format_args!("made a self-signed certificate for {}", made.names.join(", ")));
    note(format_args!("its SHA-256 fingerprint is {}", made.fingerprint));
    Ok(Some(tls))
}

fn options(flags: &TlsFlags) -> TlsOptions {
    let mut options = TlsOptions::default();
    options.min_version = match flags.tls_min {
        OldestTls::Tls12 => TlsVersion::Tls12,
        OldestTls::Tls13 => TlsVersion::Tls13,
    };
    if let Some(authorities) = &flags.tls_client_ca {
        let authorities = Pem::from(authorities);
        options.client_certificates = match flags.tls_client_certificates {
            ClientCertificate::Required => ClientCertificates::Required(authorities),
            ClientCertificate::Optional => ClientCertificates::Optional(authorities),
        };
    }
    options
}

/// Reads the certificates again when it is asked to, on a thread of its own: the files may be on a disk that does not
/// respond.
pub(super) struct Reload(SyncSender<&'static str>);

impl Reload {
    /// Starts the thread. `certificate` is the file of the first certificate.
    ///
    /// # Errors
    ///
    /// The system gives no thread.
    pub(super) fn new(tls: Tls, certificate: &Path) -> io::Result<Self> {
        // Who asks while a reload runs, is satisfied by the next one.
        let (ask, asked) = sync_channel(1);
        let file = certificate.display().to_string();
        let reload = move || {
            for signal in asked {
                match tls.reload() {
                    Ok(()) => note(format_args!("{signal}: new connections get the certificate of {file}")),
                    Err(error) => note(format_args!("{signal}: the certificates stay as they were: {error}")),
                }
            }
        };
        let thread = thread::Builder::new().name("httpfsm-reload".to_owned());
        thread.spawn(reload).map_err(|error| unstarted("thread that reads certificates", &error))?;
        Ok(Self(ask))
    }

    /// Has the certificates read again.
    pub(super) fn begin(&self, signal: &'static str) {
        // If there is no room, somebody has asked already.
        let _ = self.0.try_send(signal);
    }
}
