//! In memory: what peers may do with records, and what a connection holds.

use std::sync::Arc;
use std::time::Duration;

use httpfsm::config::ServerConfig;
use httpfsm_rustls::rustls::pki_types::ServerName;
use httpfsm_rustls::rustls::{ClientConfig, ClientConnection};
use httpfsm_rustls::{TlsLayer, TlsListener, TlsOptions};
use httpfsm_testing::TlsClient;
use httpfsm_transport::memory::{MemoryClient, MemoryServer};
use httpfsm_transport::{Layer, ListenerInfo};
use proptest::prelude::*;

use crate::support::{Authority, Hears, respond};

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";

pub(crate) fn server(
    authority: &Authority,
    config: ServerConfig,
    hears: Hears,
) -> MemoryServer<fn(httpfsm::Request) -> Respond> {
    fn boxed(request: httpfsm::Request) -> Respond {
        Box::pin(respond(request))
    }
    let handler: fn(httpfsm::Request) -> Respond = boxed;
    let mut server = MemoryServer::with(config, 64 << 10, Some(Arc::new(hears)), handler);
    server.set_listener(ListenerInfo::default().tls(&authority.tls("localhost", &TlsOptions::default())));
    server
}

pub(crate) type Respond = std::pin::Pin<Box<dyn Future<Output = String> + Send>>;

fn client(config: &Arc<ClientConfig>) -> TlsClient {
    TlsClient(ClientConnection::new(Arc::clone(config), ServerName::try_from("localhost").unwrap()).unwrap())
}

/// A client and its end of the wire.
pub(crate) struct Peer {
    pub(crate) wire: MemoryClient,
    pub(crate) tls: TlsClient,
    /// What waits to be sent.
    pub(crate) down: Vec<u8>,
    pub(crate) received: Vec<u8>,
    /// The first byte that the server has sent, once it has.
    first: Option<u8>,
}

impl Peer {
    pub(crate) fn new(wire: MemoryClient, config: &Arc<ClientConfig>) -> Self {
        let mut peer =
            Self { wire, tls: client(config), down: Vec::new(), received: Vec::new(), first: None };
        peer.tls.received(&[], &mut peer.down).unwrap();
        peer
    }

    /// Takes what the server has sent. `false` where the client gives up.
    pub(crate) fn take(&mut self) -> bool {
        let bytes = self.wire.take();
        self.first = self.first.or(bytes.first().copied());
        let mut left = &bytes[..];
        loop {
            let mut plain = [0; 4096];
            match self.tls.read(&mut plain) {
                Ok(Some(read)) if read > 0 => self.received.extend_from_slice(&plain[..read]),
                Ok(None) if !left.is_empty() => match self.tls.received(left, &mut self.down) {
                    Ok(taken) => left = &left[taken..],
                    Err(_) => return false,
                },
                Ok(_) => return true,
                Err(_) => return false,
            }
        }
    }

    pub(crate) fn write(&mut self, plain: &[u8]) {
        let written = self.tls.write(&[std::io::IoSlice::new(plain)], &mut self.down).unwrap();
        assert_eq!(written, plain.len());
    }

    /// Does the handshake, and gets a response.
    pub(crate) fn asks(&mut self, mut run: impl FnMut()) {
        let mut has_asked = false;
        while !self.received.starts_with(b"HTTP/1.1 200 OK") {
            if !self.is_handshaking() && !std::mem::replace(&mut has_asked, true) {
                self.write(GET);
            }
            self.wire.send(std::mem::take(&mut self.down));
            run();
            assert!(self.take());
        }
    }

    fn is_handshaking(&self) -> bool {
        self.tls.established().is_none()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// However the bytes of the client are cut, the responses are the same, and nothing but records leaves the server.
    #[test]
    fn cuts_change_nothing(cuts in proptest::collection::vec(1_usize..400, 1..40)) {
        let authority = Authority::new("test");
        let hears = Hears::default();
        let mut server = server(&authority, ServerConfig::default(), hears.clone());
        let mut peer = Peer::new(server.connect().unwrap(), &Arc::new(authority.client()));
        let mut cuts = cuts.into_iter().cycle();
        let mut has_asked = false;
        for _ in 0..2_000 {
            if !peer.is_handshaking() && !has_asked {
                has_asked = true;
                peer.write(GET);
                peer.write(GET);
                peer.tls.end(&mut peer.down);
            }
            let piece = peer.down.len().min(cuts.next().unwrap());
            peer.wire.send(peer.down.drain(..piece).as_slice());
            server.run();
            prop_assert!(peer.take());
            if has_asked && peer.down.is_empty() {
                break;
            }
        }
        let text = String::from_utf8(peer.received).unwrap();
        prop_assert_eq!(text.matches("HTTP/1.1 200 OK").count(), 2, "{}", text);
        prop_assert_eq!(peer.first, Some(22));
        prop_assert_eq!(hears.wait(1), ["closed: PeerEnded"]);
    }

    /// A byte that is changed on the way, whichever it is, ends the connection, or was of no meaning (RFC 8446 section
    /// 5.1: the version of a record).
    #[test]
    fn a_byte_that_is_changed_changes_no_request(at in 0_usize..1_000, to in 1_u8..=255) {
        let authority = Authority::new("test");
        let hears = Hears::default();
        let mut server = server(&authority, ServerConfig::default(), hears.clone());
        let mut peer = Peer::new(server.connect().unwrap(), &Arc::new(authority.client()));
        let (mut sent, mut has_asked) = (0, false);
        loop {
            if !peer.is_handshaking() && !has_asked {
                has_asked = true;
                peer.write(GET);
            }
            let mut bytes = std::mem::take(&mut peer.down);
            if bytes.is_empty() {
                break;
            }
            if let Some(byte) = at.checked_sub(sent).and_then(|at| bytes.get_mut(at)) {
                *byte ^= to;
            }
            sent += bytes.len();
            peer.wire.send(&bytes);
            server.run();
            if !peer.take() {
                break;
            }
        }
        peer.wire.close_write();
        server.run();
        server.advance(Duration::from_secs(100));
        let expected = b"\r\n\r\nhttps TLSv1.3 alpn=- sni=localhost chain=0 resumed=false";
        let received = peer.received;
        prop_assert!(received.is_empty() || received.ends_with(expected), "{}", received.escape_ascii());
        prop_assert_eq!(server.connections(), 0);
        prop_assert_eq!(server.handle().memory().total(), 0);
    }
}

#[test]
fn the_handshake_has_its_time_from_the_accept_on() {
    let authority = Authority::new("test");
    let hears = Hears::default();
    let mut server = server(&authority, ServerConfig::default(), hears.clone());
    let mut peer = Peer::new(server.connect().unwrap(), &Arc::new(authority.client()));
    server.advance(Duration::from_secs(6));
    // A byte now and then gains no time.
    peer.wire.send(peer.down.drain(..100).as_slice());
    server.advance(Duration::from_millis(3_900));
    assert_eq!(server.connections(), 1);
    peer.wire.send(peer.down.drain(..1).as_slice());
    server.advance(Duration::from_millis(200));
    assert_eq!(server.connections(), 0);
    assert!(hears.wait(1)[0].starts_with("not opened: HandshakeTimeout"), "{:?}", hears.wait(1));
}

/// The end of the connection within a handshake cuts nothing.
#[test]
fn a_handshake_may_end_at_each_byte() {
    let authority = Authority::new("test");
    let config = Arc::new(authority.client());
    let length =
        Peer::new(server(&authority, ServerConfig::default(), Hears::default()).connect().unwrap(), &config)
            .down
            .len();
    for at in 0..length {
        let hears = Hears::default();
        let mut server = server(&authority, ServerConfig::default(), hears.clone());
        let peer = Peer::new(server.connect().unwrap(), &config);
        peer.wire.send(&peer.down[..at.min(peer.down.len() - 1)]);
        server.run();
        peer.wire.close_write();
        server.run();
        assert!(hears.wait(1)[0].starts_with("not opened: PeerEnded"), "{at}: {:?}", hears.wait(1));
        assert_eq!(server.handle().memory().total(), 0);
    }
}

/// What the server says that TLS holds for a connection is at least what it holds: idle, and with a part of a record.
#[test]
fn a_connection_holds_no_more_than_it_says() {
    const CONNECTIONS: usize = 20;
    let authority = Authority::new("test");
    let mut plain = MemoryServer::new(ServerConfig::default(), |_: httpfsm::Request| async { "" });
    let clients: Vec<_> = (0..CONNECTIONS).map(|_| plain.connect().unwrap()).collect();
    for client in &clients {
        client.send(GET);
        plain.run();
        _ = client.take();
    }
    let without = freed(plain);

    let config = Arc::new(authority.client());
    // Whole records of content, then as many bytes of one more as come with them, and those that come later, one by one.
    for (records, with, later, what) in [
        (vec![], 0, 0, "idle"),
        (vec![], 15_000, 0, "15,000 bytes of a record"),
        (vec![], 16_400, 0, "all of a record but a few bytes"),
        (vec![16_000], 0, 0, "behind a whole record"),
        (vec![16_000], 0, 1, "behind a whole record, and a byte of the next"),
        (vec![1; 600], 0, 0, "behind many small records"),
        (vec![1; 600], 0, 3, "behind many small records, and a part of the next"),
        (vec![8], 4_066, 0, "with the part of a record that came with plain bytes"),
        (vec![8], 4_066, 33, "and a little more of it"),
        (vec![8], 4_066, 4_200, "and more of it"),
        (vec![8], 3_000, 6_000, "or other parts of it"),
    ] {
        let mut server = server(&authority, ServerConfig::default(), Hears::default());
        let mut peers = Vec::new();
        for _ in 0..CONNECTIONS {
            let mut peer = Peer::new(server.connect().unwrap(), &config);
            peer.asks(|| _ = server.run());
            let all: usize = records.iter().sum();
            if all > 0 {
                // Of a request, whose head comes first.
                let head = format!("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: {all}\r\n\r\n");
                peer.write(head.as_bytes());
                peer.wire.send(std::mem::take(&mut peer.down));
                server.run();
            }
            records.iter().for_each(|&length| peer.write(&vec![b'x'; length]));
            let whole = peer.down.len();
            peer.write(&[b'x'; 16_384]);
            peer.wire.send(&peer.down[..whole + with]);
            server.run();
            for byte in &peer.down[whole + with..whole + with + later] {
                peer.wire.send([*byte]);
                server.run();
            }
            peers.push(peer);
        }
        let said = usize::try_from(server.handle().memory().output).unwrap() / CONNECTIONS;
        // The size of the layer counts as that of the connection does: not at all.
        let of_tls = (freed(server) - without) / CONNECTIONS - size_of::<TlsLayer>();
        println!(
            "{what}: {of_tls} bytes beside the {} of the layer, and {said} are said",
            size_of::<TlsLayer>()
        );
        assert!(of_tls <= said && said <= of_tls * 3, "{what}: {of_tls} bytes, and {said} are said");
    }
}

/// Bytes that the server holds.
fn freed<H: httpfsm::Handler>(server: MemoryServer<H>) -> usize {
    let left = allocation_counter::measure(|| drop(server)).bytes_current;
    usize::try_from(-left).unwrap()
}
