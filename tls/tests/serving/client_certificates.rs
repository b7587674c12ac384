//! Clients that show a certificate.

use std::io::Read;
use std::sync::Arc;

use httpfsm_rustls::rustls::ClientConfig;
use httpfsm_rustls::rustls::version::TLS12;
use httpfsm_rustls::{ClientCertificates, TlsOptions};

use crate::support::{Authority, connect, get, gone, on_each, on_one};

fn options(client_certificates: ClientCertificates) -> TlsOptions {
    let mut options = TlsOptions::default();
    options.client_certificates = client_certificates;
    options
}

#[test]
fn their_chain_reaches_the_handler_and_an_optional_one_may_be_missing() {
    let authority = Authority::new("test");
    let tls = authority.tls("localhost", &options(ClientCertificates::Optional(authority.pem())));
    let pair = authority.pair(&["client"]);
    on_each(&tls, |server, _, on| {
        for (client, chain) in [(authority.client_with(&pair), 1), (authority.client(), 0)] {
            let client = Arc::new(client);
            // Each connection is verified by itself.
            for _ in 0..2 {
                let response = get(&mut connect(server, &client, "localhost"), "localhost").unwrap();
                assert!(response.ends_with(&format!(" chain={chain} resumed=false")), "{on}: {response}");
            }
        }
    });
}

#[test]
fn without_a_required_one_and_with_a_foreign_one_the_handshake_fails() {
    let (authority, foreign) = (Authority::new("test"), Authority::new("foreign"));
    let tls = authority.tls("localhost", &options(ClientCertificates::Required(authority.pem())));
    let fails = |client: ClientConfig, alert: &str, server: &_, on: &str| {
        // In TLS 1.3 the client has finished its part when it hears of that.
        let refused = connect(server, &Arc::new(client), "localhost").read(&mut [0]).unwrap_err();
        assert!(refused.to_string().contains(alert), "{on}: {refused}");
    };
    on_each(&tls, |server, hears, on| {
        fails(authority.client(), "CertificateRequired", server, on);
        let foreign = authority.client_with(&foreign.pair(&["client"]));
        fails(foreign, "UnknownCA", server, on);
        let heard = hears.wait(2);
        assert!(heard.iter().all(|text| text.starts_with("not opened: HandshakeFailed")), "{heard:?}");
        let client = Arc::new(authority.client_with(&authority.pair(&["client"])));
        assert!(get(&mut connect(server, &client, "localhost"), "localhost").unwrap().contains(" chain=1 "));
    });
}

#[test]
fn in_tls_1_2_no_session_is_resumed_either() {
    let authority = Authority::new("test");
    let tls = authority.tls("localhost", &options(ClientCertificates::Required(authority.pem())));
    let server = on_one(&tls);
    let client = Arc::new(authority.speaking(&[&TLS12], Some(&authority.pair(&["client"]))));
    for _ in 0..2 {
        let response = get(&mut connect(&server, &client, "localhost"), "localhost").unwrap();
        assert!(response.contains("TLSv1.2") && response.ends_with(" chain=1 resumed=false"), "{response}");
    }
    gone(&server);
}
