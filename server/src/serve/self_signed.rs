//! A certificate for development, which nobody has signed but itself.

use std::net::IpAddr;
use std::time::Duration;

use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose,
};
use ring::digest::{SHA256, digest};
use time::OffsetDateTime;

/// What browsers take at most is longer.
const VALID: Duration = Duration::from_secs(90 * 24 * 60 * 60);
/// The clock of a client may be behind.
const BEFORE: Duration = Duration::from_secs(24 * 60 * 60);

/// A certificate and its key, both PEM.
pub(super) struct SelfSigned {
    pub(super) certificate: String,
    pub(super) key: String,
    /// SHA-256 of the certificate, as `openssl x509 -fingerprint -sha256` prints it.
    pub(super) fingerprint: String,
    /// What it is for.
    pub(super) names: Vec<String>,
}

impl SelfSigned {
    /// For this machine under its usual names, and for `hosts`, of which what can be in no certificate is left out.
    ///
    /// # Errors
    ///
    /// Those of the cryptography.
    pub(super) fn new(hosts: impl IntoIterator<Item = String>) -> Result<Self, rcgen::Error> {
        let mut names = ["localhost", "127.0.0.1", "::1"].map(str::to_owned).to_vec();
        let machine = rustix::system::uname().nodename().to_string_lossy().into_owned();
        for name in [machine].into_iter().chain(hosts) {
            if is_name(&name) && !names.contains(&name) {
                names.push(name);
            }
        }
        let mut params = CertificateParams::new(names.clone())?;
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, "httpfsm, self-signed");
        let now = OffsetDateTime::now_utc();
        (params.not_before, params.not_after) = (now - BEFORE, now + VALID);
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let key = KeyPair::generate()?;
        let certificate = params.self_signed(&key)?;
        let fingerprint = fingerprint(certificate.der());
        Ok(Self { certificate: certificate.pem(), key: key.serialize_pem(), fingerprint, names })
    }
}

/// Whether a certificate can be for it: a name of ASCII, or an address that a client can connect to.
fn is_name(host: &str) -> bool {
    match host.parse::<IpAddr>() {
        Ok(address) => !address.is_unspecified(),
        Err(_) => {
            let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
            !host.is_empty() && host.bytes().all(is_part)
        }
    }
}

fn fingerprint(der: &[u8]) -> String {
    let digits: Vec<String> =
        digest(&SHA256, der).as_ref().iter().map(|byte| format!("{byte:02X}")).collect();
    digits.join(":")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_for_hosts_that_a_client_may_ask_for() {
        let hosts =
            ["", "::", "0.0.0.0", "fe80::1%eth0", "bücher.example", "a b", "192.0.2.7", "web.example"];
        let made = SelfSigned::new(hosts.map(str::to_owned)).unwrap();
        assert_eq!(made.names[..3], ["localhost", "127.0.0.1", "::1"]);
        assert!(
            made.names.ends_with(&["192.0.2.7".to_owned(), "web.example".to_owned()]),
            "{:?}",
            made.names
        );
        assert!(made.names.len() <= 6, "{:?}", made.names);
    }

    #[test]
    fn the_fingerprint_is_written_as_others_write_it() {
        let text = fingerprint(b"abc");
        assert!(text.starts_with("BA:78:16:BF:") && text.len() == 95, "{text}");
    }
}
