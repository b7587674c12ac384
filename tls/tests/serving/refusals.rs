//! Peers that speak something else.

use std::io::{Read, Write};
use std::sync::Arc;

use httpfsm_rustls::{TlsListener, TlsOptions};
use httpfsm_transport::{HandedOver, Listener, SocketOptions};

use crate::support::{Authority, LOCAL, connect, get, gone, on_each, respond, socket};

#[test]
fn plain_http_gets_a_400_in_plain_http() {
    let authority = Authority::new("test");
    on_each(&authority.tls("localhost", &TlsOptions::default()), |server, hears, on| {
        for bytes in ["GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", "\r\n", "?"] {
            let heard = hears.wait(0).len();
            let mut plain = socket(server);
            plain.write_all(bytes.as_bytes()).unwrap();
            let mut received = String::new();
            plain.read_to_string(&mut received).unwrap();
            assert!(received.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{on}: {received}");
            assert!(received.contains("Connection: close\r\n"), "{on}: {received}");
            drop(plain);
            let told = hears.wait(heard + 2);
            assert!(told[heard].starts_with("refused: What was sent is not TLS"), "{on}: {told:?}");
            assert!(told[heard + 1].starts_with("closed: Refused"), "{on}: {told:?}");
        }
    });
}

/// Bytes that are neither text nor TLS get an alert.
#[test]
fn what_is_no_record_gets_an_alert() {
    let authority = Authority::new("test");
    on_each(&authority.tls("localhost", &TlsOptions::default()), |server, hears, on| {
        let mut other = socket(server);
        other.write_all(b"\0\x01\x02\x03\x04\x05\x06\x07").unwrap();
        let mut received = Vec::new();
        let _ = other.read_to_end(&mut received);
        assert!(received.is_empty() || received[0] == 21, "{on}: {received:?}");
        assert!(hears.wait(1)[0].starts_with("not opened: HandshakeFailed"), "{on}");
    });
}

#[test]
fn a_client_of_http2_alone_gets_the_alert_that_says_so() {
    let authority = Authority::new("test");
    on_each(&authority.tls("localhost", &TlsOptions::default()), |server, _, on| {
        let mut client = authority.client();
        client.alpn_protocols = vec![b"h2".to_vec()];
        let refused = get(&mut connect(server, &Arc::new(client), "localhost"), "localhost").unwrap_err();
        assert_eq!(refused.to_string(), "received fatal alert: NoApplicationProtocol", "{on}");
    });
}

#[test]
fn connections_of_other_protocols_are_handed_over() {
    let authority = Authority::new("test");
    let mut options = TlsOptions::default();
    options.other_protocols = vec![b"echo".to_vec()];
    let (to, others) = std::sync::mpsc::channel::<HandedOver>();
    let listener = Listener::tcp(LOCAL, &SocketOptions::default())
        .unwrap()
        .tls(&authority.tls("localhost", &options))
        .hand_over(move |other| drop(to.send(other)));
    let server = httpfsm_blocking::Server::new(Default::default()).listener(listener).serve(respond).unwrap();
    let mut client = authority.client();
    client.alpn_protocols = vec![b"echo".to_vec(), b"http/1.1".to_vec()];
    let mut client = connect(&server, &Arc::new(client), "localhost");
    client.write_all(b"hello").unwrap();
    let mut other = others.recv_timeout(crate::support::PATIENCE).unwrap();
    assert_eq!(
        other.info.extensions.get::<httpfsm::handler::Security>().unwrap().alpn.as_deref(),
        Some(&b"echo"[..])
    );
    httpfsm_transport::block_on(async {
        let mut buffer = [0; 5];
        let mut read = 0;
        while read < 5 {
            read += other.connection.read(&mut buffer[read..]).await.unwrap();
        }
        other.connection.write_all(&buffer).await.unwrap();
    });
    let mut echoed = [0; 5];
    client.read_exact(&mut echoed).unwrap();
    assert_eq!(&echoed, b"hello");
    drop((other, client));
    gone(&server);
}
