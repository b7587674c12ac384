//! What is wrong with a certificate or a key.

use std::fs;

use httpfsm_rustls::{ClientCertificates, Pem, Tls, TlsOptions};

use crate::support::Authority;

fn error(certificate: &str, key: &str) -> String {
    Tls::from_pem(Pem::bytes(certificate), Pem::bytes(key)).unwrap_err().to_string()
}

#[test]
fn each_says_which_file_and_what() {
    let authority = Authority::new("test");
    let pair = authority.pair(&["localhost"]);
    let (certificate, key) = (&*pair.certificate, &*pair.key);
    for (certificates, keys, expected) in [
        ("", key, "the certificate chain has no PEM section that begins with -----BEGIN CERTIFICATE-----"),
        (key, key, "the certificate chain has no PEM section that begins with -----BEGIN CERTIFICATE-----"),
        (certificate, "", "the private key has no PEM section that begins with -----BEGIN PRIVATE KEY-----"),
        (
            certificate,
            certificate,
            "the private key has no PEM section that begins with -----BEGIN PRIVATE KEY-----",
        ),
        (
            certificate,
            "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
            "the private key in the private key is encrypted",
        ),
        (&certificate[..certificate.len() - 40], key, "the certificate chain is not valid PEM: "),
        (
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            key,
            "what the certificate chain holds cannot be used: ",
        ),
        (
            certificate,
            "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
            "what the private key holds cannot be used: ",
        ),
        (
            &format!("{certificate}-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
            key,
            "what the certificate chain holds cannot be used: ",
        ),
        (
            certificate,
            &authority.pair(&["localhost"]).key,
            "the private key in the private key does not belong to the first certificate in the certificate chain",
        ),
    ] {
        let error = error(certificates, keys);
        assert!(error.starts_with(expected), "{error}");
    }
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("none.pem");
    let error = Tls::from_pem(&path, &path).unwrap_err();
    let expected = format!("cannot read {}: No such file or directory (os error 2)", path.display());
    assert_eq!(error.to_string(), expected);
    assert_eq!(std::io::Error::from(error).kind(), std::io::ErrorKind::NotFound);
}

#[test]
fn the_authorities_of_clients_are_named_too() {
    let authority = Authority::new("test");
    let pair = authority.pair(&["localhost"]);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("clients.pem");
    fs::write(&path, &pair.key).unwrap();
    let mut options = TlsOptions::default();
    options.client_certificates = ClientCertificates::Required(path.as_path().into());
    let error =
        Tls::from_pem_with(Pem::bytes(&*pair.certificate), Pem::bytes(&*pair.key), &options).unwrap_err();
    let expected = "clients.pem has no PEM section that begins with -----BEGIN CERTIFICATE-----";
    assert!(error.to_string().ends_with(expected), "{error}");
}

/// A key whose line ends were lost, as in a variable, is one line, which the PEM library shows.
#[test]
fn no_key_without_its_line_ends_is_shown() {
    let pair = Authority::new("test").pair(&["localhost"]);
    for one_line in [pair.key.replace('\n', " "), pair.key.replace('\n', "\\n"), pair.key.replace('\n', "")] {
        for (certificate, key) in [(&pair.certificate, &one_line), (&one_line, &pair.key)] {
            let error = Tls::from_pem(Pem::bytes(&**certificate), Pem::bytes(&**key)).unwrap_err();
            let source = std::error::Error::source(&error).map(|source| format!("{source} {source:?}"));
            let shown = format!("{error} {error:?} {}", source.unwrap_or_default());
            let bytes = pair.key.as_bytes();
            let secret = format!("{:?}", &bytes[60..70]);
            let hidden = |secret: &str| !shown.contains(secret.trim_matches(['[', ']']));
            assert!(hidden(&secret) && hidden(&pair.key[60..70]), "{shown}");
        }
    }
}

#[test]
fn no_key_is_ever_shown() {
    let pair = Authority::new("test").pair(&["localhost"]);
    let shown = format!("{:?} {:?}", pair.tls(&TlsOptions::default()), Pem::bytes(&*pair.key));
    assert!(!shown.contains("PRIVATE") && !shown.contains(&pair.key[40..60]), "{shown}");
}
