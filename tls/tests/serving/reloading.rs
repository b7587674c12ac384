//! Certificates that change while a server runs.

use std::fs;
use std::io::Write;
use std::sync::Arc;

use httpfsm_rustls::{ClientCertificates, Tls, TlsError, TlsOptions};

use crate::support::{Authority, Pair, connect, get, gone, on_one, read_response};

fn shown(client: &crate::support::Client) -> Vec<u8> {
    client.conn.peer_certificates().unwrap()[0].to_vec()
}

#[test]
fn files_are_read_again_a_broken_pair_changes_nothing_and_running_connections_keep_theirs() {
    let authority = Authority::new("test");
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = (folder.path().join("certificate.pem"), folder.path().join("key.pem"));
    let write = |pair: &Pair, with_key: &Pair| {
        fs::write(&certificate, &pair.certificate).unwrap();
        fs::write(&key, &with_key.key).unwrap();
    };
    let (first, second) = (authority.pair(&["localhost"]), authority.pair(&["localhost"]));
    write(&first, &first);
    let tls = Tls::from_pem(&certificate, &key).unwrap();
    let server = on_one(&tls);
    let client = Arc::new(authority.client());
    let mut running = connect(&server, &client, "localhost");
    let request = |client: &mut crate::support::Client| {
        client.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        assert!(read_response(client).starts_with("HTTP/1.1 200 OK"));
    };
    request(&mut running);
    assert_eq!(shown(&running), first.der());

    write(&second, &first);
    let refused = tls.reload().unwrap_err().to_string();
    let (certificate_file, key_file) = (certificate.display(), key.display());
    let expected = format!(
        "the private key in {key_file} does not belong to the first certificate in {certificate_file}"
    );
    assert_eq!(refused, expected);
    let fresh = || Arc::new(authority.client());
    let mut meanwhile = connect(&server, &fresh(), "localhost");
    request(&mut meanwhile);
    assert_eq!(shown(&meanwhile), first.der());

    write(&second, &second);
    tls.reload().unwrap();
    let mut after = connect(&server, &fresh(), "localhost");
    request(&mut after);
    assert_eq!(shown(&after), second.der());
    request(&mut running);
    // Sessions go on: the clients are verified as before.
    assert!(get(&mut connect(&server, &client, "localhost"), "localhost").unwrap().ends_with("resumed=true"));
    gone(&server);
}

#[test]
fn sessions_end_where_clients_are_verified_otherwise() {
    let authority = Authority::new("test");
    let pair = authority.pair(&["localhost"]);
    let with = |client_certificates| {
        let mut options = TlsOptions::default();
        options.client_certificates = client_certificates;
        pair.tls(&options)
    };
    let optional = || with(ClientCertificates::Optional(authority.pem()));
    let tls = with(ClientCertificates::Off);
    let server = on_one(&tls);
    let client = Arc::new(authority.client_with(&authority.pair(&["client"])));
    let ask = |expected: &str| {
        let response = get(&mut connect(&server, &client, "localhost"), "localhost").unwrap();
        assert!(response.ends_with(expected), "{expected}: {response}");
    };
    ask("chain=0 resumed=false");
    ask("chain=0 resumed=true");
    tls.replace(&optional());
    ask("chain=1 resumed=false");
    // What it was made of then is what is read again.
    tls.reload().unwrap();
    ask("chain=1 resumed=false");
    tls.replace(&with(ClientCertificates::Off));
    ask("chain=0 resumed=false");
    tls.replace(&with(ClientCertificates::Off));
    ask("chain=0 resumed=true");
    let foreign = Authority::new("foreign");
    tls.replace(&with(ClientCertificates::Optional(foreign.pem())));
    let refused = get(&mut connect(&server, &client, "localhost"), "localhost");
    assert!(refused.is_err(), "{refused:?}");
    gone(&server);
}

#[test]
fn what_was_not_read_from_files_is_not_reloaded() {
    let authority = Authority::new("test");
    let tls = Tls::by_name([("a", authority.tls("a", &TlsOptions::default()))], None).unwrap();
    assert!(matches!(tls.reload(), Err(TlsError::NotFromFiles)));
}
