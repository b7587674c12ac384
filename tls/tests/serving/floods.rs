//! In memory: peers that send many records for nothing, or what no good client sends.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use httpfsm::config::ServerConfig;
use httpfsm_rustls::rustls::crypto::ring as provider;
use httpfsm_rustls::rustls::version::{TLS12, TLS13};
use httpfsm_rustls::rustls::{ClientConfig, ConnectionTrafficSecrets, SupportedProtocolVersion};
use httpfsm_transport::memory::{MemoryClient, MemoryServer};
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};

use crate::memory::{Peer, Respond, server};
use crate::support::{Authority, Hears};

/// Bytes that one connection may hold, whatever its peer sends, with those of this peer: a handshake message of 64 KiB and a
/// record, what is read at once, and what waits to be sent.
const MOST: u64 = 384 << 10;

/// Types of records (RFC 8446 section 5.1).
const CHANGE_CIPHER_SPEC: u8 = 20;
const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const CONTENT: u8 = 23;

/// Alerts (RFC 8446 section 6).
const WARNING: u8 = 1;
const FATAL: u8 = 2;
const RECORD_OVERFLOW: u8 = 22;
const DECODE_ERROR: u8 = 50;
const USER_CANCELED: u8 = 90;
const NO_RENEGOTIATION: u8 = 100;

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";

fn client(authority: &Authority, version: &'static SupportedProtocolVersion) -> Arc<ClientConfig> {
    let mut provider = provider::default_provider();
    provider.cipher_suites = vec![
        provider::cipher_suite::TLS13_CHACHA20_POLY1305_SHA256,
        provider::cipher_suite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
    ];
    let builder = ClientConfig::builder_with_provider(Arc::new(provider));
    let builder = builder.with_protocol_versions(&[version]).unwrap();
    let mut config = builder.with_root_certificates(authority.roots()).with_no_client_auth();
    config.enable_secret_extraction = true;
    Arc::new(config)
}

type Server = MemoryServer<fn(httpfsm::Request) -> Respond>;

/// A server, and what it has held at most.
struct Flooded {
    server: Server,
    hears: Hears,
    most: u64,
}

impl Flooded {
    fn new(authority: &Authority) -> Self {
        let hears = Hears::default();
        Self { server: server(authority, ServerConfig::default(), hears.clone()), hears, most: 0 }
    }

    fn run(&mut self) {
        self.server.run();
        self.most = self.most.max(self.server.handle().memory().total());
    }

    /// What happens here takes no more memory than one connection may, and no more is told.
    fn bounded<T>(&mut self, what: impl FnOnce(&mut Self) -> T) -> T {
        let mut made = None;
        let allocated = allocation_counter::measure(|| made = Some(what(self)));
        assert!(allocated.bytes_max < MOST && self.most < MOST, "{allocated:?}, and {} are told", self.most);
        made.unwrap()
    }

    fn closed(&self) -> Vec<String> {
        assert_eq!(self.server.connections(), 0);
        assert_eq!(self.server.handle().memory().total(), 0);
        self.hears.wait(1)
    }
}

/// The keys of one direction.
struct Direction {
    key: LessSafeKey,
    iv: [u8; 12],
    sequence: u64,
}

impl Direction {
    fn new((sequence, secrets): (u64, ConnectionTrafficSecrets)) -> Self {
        let ConnectionTrafficSecrets::Chacha20Poly1305 { key, iv } = secrets else { panic!("another suite") };
        let key = LessSafeKey::new(UnboundKey::new(&CHACHA20_POLY1305, key.as_ref()).unwrap());
        Self { key, iv: iv.as_ref().try_into().unwrap(), sequence }
    }

    fn nonce(&mut self) -> Nonce {
        let mut nonce = self.iv;
        nonce[4..].iter_mut().zip(self.sequence.to_be_bytes()).for_each(|(byte, other)| *byte ^= other);
        self.sequence += 1;
        Nonce::assume_unique_for_key(nonce)
    }
}

/// A client that makes its records by itself, once the handshake is over.
struct Raw {
    wire: MemoryClient,
    sends: Direction,
    receives: Direction,
    is_tls13: bool,
    came: Vec<u8>,
}

impl Raw {
    /// Does the handshake, and gets a response.
    fn new(flooded: &mut Flooded, config: &Arc<ClientConfig>, version: &SupportedProtocolVersion) -> Self {
        let mut peer = Peer::new(flooded.server.connect().unwrap(), config);
        peer.asks(|| flooded.run());
        let secrets = peer.tls.0.dangerous_extract_secrets().unwrap();
        Self {
            wire: peer.wire,
            sends: Direction::new(secrets.tx),
            receives: Direction::new(secrets.rx),
            is_tls13: version == &TLS13,
            came: Vec::new(),
        }
    }

    /// A record of this type (RFC 8446 section 5.2, RFC 7905 section 2).
    fn record(&mut self, kind: u8, content: &[u8]) -> Vec<u8> {
        let mut bytes = content.to_vec();
        if self.is_tls13 {
            bytes.push(kind);
        }
        let outer = if self.is_tls13 { CONTENT } else { kind };
        let header =
            |length: usize| [&[outer, 3, 3][..], &u16::try_from(length).unwrap().to_be_bytes()].concat();
        let aad = if self.is_tls13 {
            header(bytes.len() + 16)
        } else {
            [&self.sends.sequence.to_be_bytes()[..], &header(bytes.len())].concat()
        };
        let nonce = self.sends.nonce();
        self.sends.key.seal_in_place_append_tag(nonce, Aad::from(aad), &mut bytes).unwrap();
        [header(bytes.len()), bytes].concat()
    }

    fn send(&mut self, kind: u8, content: &[u8]) {
        let record = self.record(kind, content);
        self.wire.send(record);
    }

    /// The records that have come: their types, and what is in them.
    fn received(&mut self) -> Vec<(u8, Vec<u8>)> {
        self.came.extend(self.wire.take());
        let mut records = Vec::new();
        while let Some(header) = self.came.get(..5) {
            let length = usize::from(u16::from_be_bytes([header[3], header[4]]));
            let record: Vec<u8> = self.came.drain(..5 + length).collect();
            let (header, mut bytes) = (record[..5].to_vec(), record[5..].to_vec());
            let aad = if self.is_tls13 {
                header.clone()
            } else {
                let plain = u16::try_from(length - 16).unwrap().to_be_bytes();
                [&self.receives.sequence.to_be_bytes()[..], &header[..3], &plain].concat()
            };
            let nonce = self.receives.nonce();
            let plain = self.receives.key.open_in_place(nonce, Aad::from(aad), &mut bytes).unwrap();
            records.push(match plain.split_last() {
                Some((kind, content)) if self.is_tls13 => (*kind, content.to_vec()),
                _ => (header[0], plain.to_vec()),
            });
        }
        records
    }

    /// The content that has come, and alerts as text.
    fn text(&mut self) -> String {
        let mut text = String::new();
        for (kind, content) in self.received() {
            match kind {
                CONTENT => text.push_str(std::str::from_utf8(&content).unwrap()),
                _ => write!(text, "[{kind}: {content:?}]").unwrap(),
            }
        }
        text
    }

    /// Whether a request still gets its response.
    #[track_caller]
    fn asks(&mut self, flooded: &mut Flooded) {
        self.send(CONTENT, GET);
        flooded.run();
        let text = self.text();
        assert!(text.contains("HTTP/1.1 200 OK"), "{text}");
    }
}

const VERSIONS: [&SupportedProtocolVersion; 2] = [&TLS12, &TLS13];

fn on_each_version(test: impl Fn(&mut Flooded, Raw)) {
    for version in VERSIONS {
        let authority = Authority::new("test");
        let mut flooded = Flooded::new(&authority);
        let raw = Raw::new(&mut flooded, &client(&authority, version), version);
        flooded.bounded(|flooded| test(flooded, raw));
    }
}

#[test]
fn a_body_whose_bytes_come_in_records_of_their_own_costs_no_more_memory() {
    on_each_version(|flooded, mut raw| {
        raw.send(CONTENT, b"POST /count HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n");
        for _ in 0..100 {
            for _ in 0..1000 {
                raw.send(CONTENT, b"x");
            }
            flooded.run();
        }
        let text = raw.text();
        assert!(text.ends_with("\r\n\r\n100000 bytes"), "{text}");
    });
}

/// They are allowed (RFC 8446 section 5.1), but not many in a row.
#[test]
fn records_without_content_cost_no_memory_and_gain_no_time() {
    on_each_version(|flooded, mut raw| {
        // A head that has begun has its time, whatever comes in between.
        for second in 0..30 {
            assert_eq!(flooded.server.connections(), 1, "after {second} s");
            for byte in b"GET / HTTP/1.1\r\nX: y".get(second..=second).unwrap_or(b"y") {
                (0..32).for_each(|_| raw.send(CONTENT, b""));
                raw.send(CONTENT, &[*byte]);
            }
            flooded.run();
            flooded.server.advance(Duration::from_secs(1));
        }
        let text = raw.text();
        assert!(text.starts_with("HTTP/1.1 408 Request Timeout"), "{text}");
    });
    on_each_version(|flooded, mut raw| {
        for _ in 0..32 {
            raw.send(CONTENT, b"");
        }
        raw.asks(flooded);
        for _ in 0..33 {
            raw.send(CONTENT, b"");
        }
        flooded.run();
        let told = flooded.closed();
        assert!(told[0].starts_with("lost: ") && told[0].contains("TooManyEmptyFragments"), "{told:?}");
    });
}

/// Each costs new keys, and those that ask for one in return a record, of which one waits at most.
#[test]
fn updates_of_keys_without_content_in_between_end_the_connection() {
    let authority = Authority::new("test");
    let config = client(&authority, &TLS13);
    for (updates, is_served) in [(32, true), (33, false)] {
        let mut flooded = Flooded::new(&authority);
        let mut peer = Peer::new(flooded.server.connect().unwrap(), &config);
        peer.asks(|| flooded.run());
        for _ in 0..updates {
            peer.tls.0.refresh_traffic_keys().unwrap();
        }
        peer.write(GET);
        peer.wire.send(std::mem::take(&mut peer.down));
        peer.received.clear();
        flooded.run();
        peer.take();
        assert_eq!(!peer.received.is_empty(), is_served, "{updates}");
        if !is_served {
            let told = flooded.closed();
            assert!(
                told[0].starts_with("lost: ") && told[0].contains("TooManyKeyUpdateRequests"),
                "{told:?}"
            );
        }
    }
}

#[test]
fn updates_of_keys_between_content_go_on_and_cost_no_memory() {
    let authority = Authority::new("test");
    let mut flooded = Flooded::new(&authority);
    let mut peer = Peer::new(flooded.server.connect().unwrap(), &client(&authority, &TLS13));
    peer.asks(|| flooded.run());
    peer.write(b"POST /count HTTP/1.1\r\nHost: localhost\r\nContent-Length: 20000\r\n\r\n");
    peer.received.clear();
    flooded.bounded(|flooded| {
        for _ in 0..100 {
            for _ in 0..200 {
                peer.tls.0.refresh_traffic_keys().unwrap();
                peer.write(b"x");
            }
            peer.wire.send(std::mem::take(&mut peer.down));
            flooded.run();
            assert!(peer.take());
        }
    });
    assert!(peer.received.ends_with(b"\r\n\r\n20000 bytes"), "{}", peer.received.escape_ascii());
}

/// The first gets a warning, as the client may go on with what it has (RFC 5246 section 7.2.2).
#[test]
fn a_renegotiation_is_refused_and_a_second_one_ends_the_connection() {
    let authority = Authority::new("test");
    let mut flooded = Flooded::new(&authority);
    let config = client(&authority, &TLS12);
    let other = server(&authority, ServerConfig::default(), Hears::default()).connect().unwrap();
    // Without the header of its record.
    let hello = Peer::new(other, &config).down[5..].to_vec();
    let mut raw = Raw::new(&mut flooded, &config, &TLS12);
    raw.send(HANDSHAKE, &hello);
    flooded.run();
    assert_eq!(raw.received(), [(ALERT, vec![WARNING, NO_RENEGOTIATION])]);
    raw.asks(&mut flooded);
    raw.send(HANDSHAKE, &hello);
    flooded.run();
    let told = flooded.closed();
    assert!(told[0].starts_with("lost: ") && told[0].contains("TooManyRenegotiationRequests"), "{told:?}");
}

/// Of which four are borne, on each connection.
#[test]
fn many_warnings_end_the_connection() {
    on_each_version(|flooded, mut raw| {
        for _ in 0..4 {
            raw.send(ALERT, &[WARNING, USER_CANCELED]);
        }
        raw.asks(flooded);
        raw.send(ALERT, &[WARNING, USER_CANCELED]);
        flooded.run();
        let told = flooded.closed();
        assert!(told[0].starts_with("lost: ") && told[0].contains("TooManyWarningAlerts"), "{told:?}");
    });
}

/// Nothing of it is waited for.
#[test]
fn a_record_that_is_too_large_ends_the_connection_at_its_header() {
    let most = 16_384 + 2048;
    on_each_version(|flooded, mut raw| {
        raw.wire.send([CONTENT, 3, 3, 0xFF, 0xFF]);
        flooded.run();
        assert_eq!(raw.received(), [(ALERT, vec![FATAL, DECODE_ERROR])]);
        assert!(flooded.closed()[0].starts_with("lost: "), "{:?}", flooded.closed());
    });
    // What is in it is too large by a byte.
    on_each_version(|flooded, mut raw| {
        raw.send(CONTENT, b"POST /count HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n");
        raw.send(CONTENT, &[b'x'; 16_384]);
        flooded.run();
        assert_eq!(flooded.server.connections(), 1);
        raw.send(CONTENT, &[b'x'; 16_385]);
        flooded.run();
        assert_eq!(raw.received().last(), Some(&(ALERT, vec![FATAL, RECORD_OVERFLOW])));
        assert_eq!(flooded.server.connections(), 0);
    });
    // Before there are keys.
    let mut flooded = Flooded::new(&Authority::new("test"));
    let wire = flooded.server.connect().unwrap();
    wire.send([&[HANDSHAKE, 3, 1][..], &u16::to_be_bytes(most + 1)].concat());
    flooded.run();
    assert_eq!(wire.take()[5..], [FATAL, DECODE_ERROR]);
    assert!(flooded.closed()[0].starts_with("not opened: HandshakeFailed"), "{:?}", flooded.closed());
}

#[test]
fn what_is_no_record_of_an_open_connection_ends_it() {
    on_each_version(|flooded, mut raw| {
        raw.send(CHANGE_CIPHER_SPEC, &[1]);
        flooded.run();
        let received = raw.received();
        assert!(matches!(&received[..], [(ALERT, alert)] if alert[0] == FATAL), "{received:?}");
        assert!(flooded.closed()[0].starts_with("lost: "), "{:?}", flooded.closed());
    });
}

/// The first message of a handshake is bounded, and so are its records, however small they are. It has its time.
#[test]
fn a_handshake_that_does_not_end_costs_no_more_memory() {
    let authority = Authority::new("test");
    // How long it says that it is, and how long its records are.
    for (length, records, reason) in [
        ([0xFF, 0xFF, 0xFF], 1000, "HandshakeFailed"),
        ([0, 0xFF, 0xF0], 1, "HandshakeFailed"),
        ([0, 0xFF, 0xF0], 1000, "HandshakeTimeout"),
    ] {
        let mut flooded = Flooded::new(&authority);
        let wire = flooded.server.connect().unwrap();
        flooded.run();
        let message = [&[1][..], &length, &[0; 60_000]].concat();
        flooded.bounded(|flooded| {
            let mut pieces = message.chunks(1000);
            while let Some(piece) = pieces.next().filter(|_| flooded.server.connections() > 0) {
                for record in piece.chunks(records) {
                    let length = u16::try_from(record.len()).unwrap().to_be_bytes();
                    wire.send([&[HANDSHAKE, 3, 1][..], &length, record].concat());
                }
                flooded.run();
            }
        });
        flooded.server.advance(Duration::from_secs(11));
        let told = flooded.closed();
        assert!(told[0].starts_with(&format!("not opened: {reason}")), "{length:?}, {records}: {told:?}");
    }
}
