//! Requests over TLS, and what handlers know of it.

use std::io::Write;
use std::sync::Arc;

use axum::Router;
use httpfsm::ServerConfig;
use httpfsm::handler::Security;
use httpfsm_http::{ConnectInfo, service};
use httpfsm_rustls::rustls::version::{TLS12, TLS13};
use httpfsm_rustls::{ClientCertificates, ListenTls, TlsOptions, TlsVersion};
use tokio::runtime::Runtime;

use crate::support::{Authority, LOCAL, connect, get, gone, on_each, on_one, read_response};

#[test]
fn handlers_know_what_was_agreed_on_and_the_second_connection_resumes() {
    let authority = Authority::new("test");
    on_each(&authority.tls("localhost", &TlsOptions::default()), |server, _, on| {
        let mut client = authority.client();
        client.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let client = Arc::new(client);
        for resumed in [false, true] {
            let response = get(&mut connect(server, &client, "localhost"), "localhost").unwrap();
            let facts = format!("https TLSv1.3 alpn=http/1.1 sni=localhost chain=0 resumed={resumed}");
            assert!(response.ends_with(&facts), "{on}: {response}");
        }
    });
}

#[test]
fn handlers_of_axum_extract_what_was_agreed_on() {
    async fn whoami(ConnectInfo(security): ConnectInfo<Security>) -> String {
        format!("{} chain={}", security.protocol, security.peer_chain.len())
    }
    let authority = Authority::new("test");
    let mut options = TlsOptions::default();
    options.client_certificates = ClientCertificates::Optional(authority.pem());
    let tls = authority.tls("localhost", &options);
    let runtime = Runtime::new().unwrap();
    let _inside = runtime.enter();
    let app = service(Router::new().route("/", axum::routing::get(whoami)));
    let server =
        httpfsm_tokio::Server::new(ServerConfig::default()).listen_tls(LOCAL, &tls).serve(app).unwrap();
    let pair = authority.pair(&["client"]);
    for (client, chain) in [(authority.client(), 0), (authority.client_with(&pair), 1)] {
        let response = get(&mut connect(&server, &Arc::new(client), "localhost"), "localhost").unwrap();
        assert!(response.ends_with(&format!("\r\n\r\nTLSv1.3 chain={chain}")), "{response}");
    }
    gone(&server);
}

#[test]
fn several_requests_of_a_connection_are_responded_to() {
    let authority = Authority::new("test");
    on_each(&authority.tls("localhost", &TlsOptions::default()), |server, _, on| {
        let mut client = connect(server, &Arc::new(authority.client()), "localhost");
        for request in 0..3 {
            client.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
            let response = read_response(&mut client);
            assert!(response.starts_with("HTTP/1.1 200 OK\r\n"), "{on}: {request}: {response}");
        }
    });
}

#[test]
fn versions_before_the_oldest_that_is_spoken_fail() {
    let authority = Authority::new("test");
    let mut newest = TlsOptions::default();
    newest.min_version = TlsVersion::Tls13;
    for (options, serves_old) in [(TlsOptions::default(), true), (newest, false)] {
        let server = on_one(&authority.tls("localhost", &options));
        for (version, serves) in [(&TLS12, serves_old), (&TLS13, true)] {
            let client = Arc::new(authority.speaking(&[version], None));
            let response = get(&mut connect(&server, &client, "localhost"), "localhost");
            let expected = if version == &TLS12 { "https TLSv1.2 alpn=-" } else { "https TLSv1.3 alpn=-" };
            match response {
                Ok(response) => assert!(serves && response.contains(expected), "{response}"),
                Err(error) => assert!(!serves && error.to_string().contains("ProtocolVersion"), "{error}"),
            }
        }
        gone(&server);
    }
}
