//! Bytes that come before HTTP.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use httpfsm::config::ServerConfig;
use httpfsm::error::Rule;
use httpfsm::peer::Peer;
use httpfsm::server::NotAdmitted;
use httpfsm_transport::{ListenerInfo, Preface, PrefaceRead, PrefaceVerdict};
use httpfsm_transport_kit::ToyPreface;

use crate::support::{GET, Toys, peer, response};

fn line(n: u8) -> Vec<u8> {
    ToyPreface::line(&peer(n))
}

#[test]
fn a_preface_names_the_peer_wherever_it_is_cut() {
    let all = [&line(1), GET, GET].concat();
    for at in 0..=all.len() {
        let mut toys = Toys::new(ServerConfig::default());
        let client = toys.connect();
        let (one, other) = all.split_at(at);
        toys.send(&client, one);
        toys.send(&client, other);
        let text = client.take_text();
        assert_eq!(text.matches("\r\n\r\nhttp of 192.0.2.1:5000").count(), 2, "{at}: {text}");
        assert_eq!(toys.heard.take(), ["opened: 192.0.2.1:5000"], "{at}");
        drop(client);
        toys.server.run();
        assert_eq!(toys.heard.take().len(), 1, "{at}");
        toys.is_empty();
    }
}

#[test]
fn byte_by_byte_it_is_the_same() {
    let mut toys = Toys::new(ServerConfig::default());
    let client = toys.connect();
    for byte in [&line(1), GET].concat() {
        toys.send(&client, [byte]);
    }
    assert_eq!(response(&client.take()), ("HTTP/1.1 200 OK".into(), "http of 192.0.2.1:5000".into()));
}

#[test]
fn a_preface_that_is_none_leaves_every_byte_to_http() {
    let mut toys = Toys::new(ServerConfig::default());
    let client = toys.connect();
    for byte in GET {
        toys.send(&client, [*byte]);
    }
    let (status, content) = response(&client.take());
    assert_eq!(status, "HTTP/1.1 200 OK");
    assert!(content.starts_with("http of 127.0.0.1:"), "{content}");
}

#[test]
fn a_preface_that_breaks_a_rule_is_responded_to_at_once_and_the_connection_is_closed() {
    let mut toys = Toys::new(ServerConfig::default());
    let client = toys.connect();
    toys.send(&client, [b"FROM nowhere\r\n", GET].concat());
    let (status, content) = response(&client.take());
    let expected =
        "400 Bad Request\nWhat comes before the first request is not what this server expects there.\n";
    assert_eq!((status.as_str(), content.as_str()), ("HTTP/1.1 400 Bad Request", expected));
    assert!(client.is_ended() && !client.is_reset());
    drop(client);
    toys.server.run();
    let heard = toys.heard.take();
    assert!(heard[0].starts_with("opened: 127.0.0.1:"), "{heard:?}");
    assert_eq!(heard[1..], ["refused: Preface"]);
    toys.is_empty();
}

#[test]
fn a_preface_that_is_too_long_is_refused_wherever_it_is_cut() {
    let config = ServerConfig { max_preface_bytes: 30, ..ServerConfig::default() };
    let long = [b"FROM ", &[b'1'; 40][..]].concat();
    for at in 0..long.len() {
        let mut toys = Toys::new(config.clone());
        let client = toys.connect();
        toys.send(&client, &long[..at]);
        assert_eq!(client.take().is_empty(), at < 30, "{at}");
        toys.send(&client, &long[at..]);
        drop(client);
        toys.server.run();
        assert_eq!(toys.heard.take()[1..], ["refused: PrefaceTooLong"], "{at}");
    }
    // One that fits may have much behind it.
    let mut toys = Toys::new(config);
    let client = toys.connect();
    toys.send(&client, [&line(1)[..], &GET.repeat(50)].concat());
    assert_eq!(client.take_text().matches("http of 192.0.2.1:5000").count(), 50);
}

#[test]
fn a_peer_that_sends_nothing_or_not_enough_is_closed_in_time() {
    for sent in [&b""[..], b"FROM 192.0.2.1:5"] {
        let mut toys = Toys::new(ServerConfig::default());
        let client = toys.connect();
        toys.send(&client, sent);
        toys.advance(9_999);
        assert!(!client.is_ended());
        assert_eq!(toys.heard.take(), [""; 0]);
        toys.advance(1);
        assert!(client.is_ended() && client.take().is_empty());
        assert_eq!(toys.heard.take(), ["not opened: PrefaceTimeout"]);
        toys.is_empty();
    }
}

/// It is the connection's own time that begins when its channel opens.
#[test]
fn behind_a_late_preface_a_request_has_its_whole_time() {
    let mut toys = Toys::new(ServerConfig::default());
    let client = toys.connect();
    toys.advance(9_000);
    toys.send(&client, [line(1), b"GET / HTTP/1.1\r\n".to_vec()].concat());
    toys.advance(29_999);
    assert!(client.take().is_empty());
    toys.advance(1);
    assert_eq!(response(&client.take()).0, "HTTP/1.1 408 Request Timeout");
}

#[test]
fn a_peer_that_ends_or_resets_is_not_opened() {
    for (resets, reason) in [(false, "PeerEnded"), (true, "Disconnected")] {
        for sent in [&b""[..], b"FROM "] {
            let mut toys = Toys::new(ServerConfig::default());
            let client = toys.connect();
            toys.send(&client, sent);
            if resets {
                client.reset()
            } else {
                client.close_write()
            }
            toys.server.run();
            assert_eq!(toys.heard.take(), [format!("not opened: {reason}")]);
            toys.is_empty();
        }
    }
}

#[test]
fn the_peer_that_is_named_is_judged_and_counted() {
    let config = ServerConfig {
        origins: ["192.0.2.0/25", "127.0.0.1"].map(|origin| origin.parse().unwrap()).to_vec(),
        max_connections_per_peer: 2,
        ..ServerConfig::default()
    };
    let mut toys = Toys::new(config);
    // More than the proxy may have by itself.
    let mut clients = Vec::new();
    for n in [1, 2, 3, 4, 1] {
        let client = toys.connect();
        toys.send(&client, line(n));
        toys.send(&client, GET);
        assert_eq!(response(&client.take()).1, format!("http of 192.0.2.{n}:5000"));
        clients.push(client);
    }
    toys.heard.take();
    for (n, reason) in [(1, "Peer"), (200, "Origin")] {
        let client = toys.connect();
        toys.send(&client, [&line(n), GET].concat());
        assert!(client.is_ended() && client.take().is_empty());
        assert_eq!(toys.heard.take(), [format!("192.0.2.{n}:5000 not admitted: {reason}")]);
    }
    assert_eq!(toys.server.held().channels, 5);
    clients.clear();
    toys.server.run();
    toys.is_empty();
}

/// Two of each peer, behind proxies.
fn behind_proxies(max_connections: u32) -> Toys {
    let config = ServerConfig { max_connections, max_connections_per_peer: 2, ..ServerConfig::default() };
    Toys::with(config, ListenerInfo::default().preface(|_| ToyPreface::default()).behind_proxies())
}

#[test]
fn behind_a_proxy_a_connection_counts_when_its_preface_is_complete() {
    let mut toys = behind_proxies(0);
    // All of one address, and none with a name so far.
    let clients: Vec<_> = (0..9)
        .map(|_| {
            let client = toys.connect();
            toys.send(&client, b"FROM ");
            client
        })
        .collect();
    assert_eq!(toys.heard.take(), [""; 0]);
    let mut served = Vec::new();
    for (client, n) in clients.iter().zip([1, 2, 3, 1, 2, 3, 1, 2, 4]) {
        toys.send(client, [&line(n)[5..], GET].concat());
        let heard = toys.heard.take();
        if client.is_ended() {
            assert_eq!(heard, [format!("192.0.2.{n}:5000 not admitted: Peer")]);
        } else {
            assert_eq!(response(&client.take()).1, format!("http of 192.0.2.{n}:5000"));
        }
        served.push(!client.is_ended());
    }
    assert_eq!(served, [true, true, true, true, true, true, false, false, true]);
    drop(clients);
    toys.server.run();
    toys.is_empty();
}

/// As a check of the proxy's own does.
#[test]
fn behind_a_proxy_a_connection_that_names_nobody_counts_for_the_proxy() {
    let mut toys = behind_proxies(0);
    let clients = [(); 3].map(|()| toys.connect());
    let mut served = Vec::new();
    for client in &clients {
        toys.send(client, GET);
        served.push(client.take_text().contains("\r\n\r\nhttp of 127.0.0.1:"));
    }
    assert_eq!(served, [true, true, false]);
    assert!(toys.heard.take().iter().any(|text| text.ends_with(" not admitted: Peer")));
    assert!(clients[2].is_ended());
    // Others of the proxy's are served meanwhile.
    let client = toys.connect();
    toys.send(&client, [&line(1), GET].concat());
    assert_eq!(response(&client.take()).1, "http of 192.0.2.1:5000");
}

#[test]
fn a_full_server_closes_an_idle_connection_of_a_proxy_for_another_of_it() {
    let mut toys = behind_proxies(2);
    let clients = [1, 2, 3].map(|n| {
        let client = toys.connect();
        toys.send(&client, [&line(n), GET].concat());
        toys.advance(1);
        client
    });
    assert_eq!(clients.each_ref().map(|client| client.is_ended()), [true, false, false]);
    assert!(response(&clients[2].take()).0.ends_with("200 OK"));
}

/// Names both ends, whoever it is shown to.
struct NamesBoth;

impl Preface for NamesBoth {
    fn received(&mut self, _: &[u8]) -> PrefaceVerdict {
        PrefaceVerdict::Read(PrefaceRead::new(1).peername(peer(1)).sockname(peer(9)).extension(7_usize))
    }
}

#[test]
fn only_a_trusted_proxy_says_who_the_peer_is() {
    let config = ServerConfig { max_connections_per_peer: 2, ..ServerConfig::default() };
    let trusts = |listener: ListenerInfo, proxies: &[&str]| {
        listener.trusted_proxies(proxies.iter().map(|proxy| proxy.parse().unwrap()))
    };
    let listener = || ListenerInfo::default().preface(|_| NamesBoth);
    let listeners = [
        trusts(listener(), &["198.51.100.0/24", "unix"]),
        // Whichever was said first.
        trusts(listener().behind_proxies(), &["198.51.100.7", "unix"]),
        trusts(listener(), &["198.51.100.7", "unix"]).behind_proxies(),
    ];
    for listener in listeners.into_iter().chain([trusts(listener(), &[])]) {
        let trusts_nobody = format!("{listener:?}").contains("These([])");
        let mut server = httpfsm_transport::memory::MemoryServer::new(
            config.clone(),
            |request: httpfsm::handler::Request| async move {
                let of = request.connection();
                format!("{} at {} {:?}", of.peername, of.sockname, of.extensions.get::<usize>())
            },
        );
        server.set_listener(listener);
        let proxy: Peer = Peer::Ip("198.51.100.7:5000".parse().unwrap());
        for proxy in [proxy, Peer::Unix(None)].into_iter().filter(|_| !trusts_nobody) {
            // It is not limited, but the peer that it names is.
            let clients = [(); 3].map(|()| server.connect_from(proxy.clone()).unwrap());
            let told = clients.each_ref().map(|client| {
                client.send([b"x", GET].concat());
                server.run();
                response(&client.take()).1
            });
            let named = "192.0.2.1:5000 at 192.0.2.9:5000 Some(7)";
            assert_eq!(told, [named, named, ""], "{proxy}");
            drop(clients);
            server.run();
        }
        // Somebody else is who it is, and is limited when it connects.
        let other: Peer = Peer::Ip("198.51.101.7:5000".parse().unwrap());
        let clients = [(); 2].map(|()| server.connect_from(other.clone()).unwrap());
        assert!(matches!(server.connect_from(other.clone()), Err(NotAdmitted::Peer)));
        for client in &clients {
            client.send([b"x", GET].concat());
            server.run();
            assert_eq!(response(&client.take()).1, "198.51.101.7:5000 at 127.0.0.1:80 Some(7)");
        }
        // It has used up nothing of the peer's that it has named.
        let named = [(); 2].map(|()| server.connect_from(peer(1)));
        assert!(named.iter().all(Result::is_ok));
    }
}

#[test]
fn a_connection_that_opens_with_its_first_request_is_idle_since_then() {
    let mut toys = Toys::new(ServerConfig { max_connections: 2, ..ServerConfig::default() });
    let request = [ToyPreface::line(&peer(1)), GET.to_vec()].concat();
    let late = toys.connect();
    toys.advance(1);
    let early = toys.connect();
    for client in [&early, &late] {
        toys.advance(1);
        toys.send(client, &request);
        assert_eq!(response(&client.take()).0, "HTTP/1.1 200 OK");
    }
    toys.advance(1);
    let _third = toys.connect();
    assert_eq!((early.is_ended(), late.is_ended()), (true, false));
}

/// Ends behind so many bytes, and counts how often it was asked.
struct Behind(usize, Arc<AtomicUsize>);

impl Preface for Behind {
    fn received(&mut self, bytes: &[u8]) -> PrefaceVerdict {
        self.1.fetch_add(1, Ordering::SeqCst);
        if bytes.len() < self.0 {
            return PrefaceVerdict::NeedsMore;
        }
        let read = PrefaceRead::new(self.0).sockname(peer(9)).extension(self.0);
        PrefaceVerdict::Read(read)
    }
}

#[test]
fn a_preface_knows_who_is_accepted_and_adds_to_what_handlers_read() {
    let asked = Arc::<AtomicUsize>::default();
    let count = Arc::clone(&asked);
    let info = ListenerInfo::default().preface(move |info| {
        assert_eq!((info.scheme.as_ref(), info.channel.as_str()), ("http", "server.clisrv_1"));
        Behind(5, Arc::clone(&count))
    });
    let mut server = httpfsm_transport::memory::MemoryServer::new(
        ServerConfig::default(),
        |request: httpfsm::handler::Request| async move {
            let connection = request.connection();
            format!("{} {:?}", connection.sockname, connection.extensions.get::<usize>())
        },
    );
    server.set_listener(info);
    let client = server.connect().unwrap();
    client.send([b"12345", GET].concat());
    server.run();
    assert_eq!(response(&client.take()).1, "192.0.2.9:5000 Some(5)");
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    client.send(GET);
    server.run();
    assert_eq!(asked.load(Ordering::SeqCst), 1, "it is over");
}

/// A preface that panics.
struct Bomb;

impl Preface for Bomb {
    fn received(&mut self, _: &[u8]) -> PrefaceVerdict {
        panic!("as it must");
    }
}

#[test]
fn a_preface_that_panics_or_is_not_made_ends_its_connection_alone() {
    let makes_none = |_: &_| -> Bomb { panic!("as it must") };
    for listener in [ListenerInfo::default().preface(|_| Bomb), ListenerInfo::default().preface(makes_none)] {
        let mut toys = Toys::with(ServerConfig::default(), listener);
        let client = toys.connect();
        toys.send(&client, "x");
        assert!(client.is_ended());
        let heard = toys.heard.take();
        let expected =
            ["prologue failed: What comes before HTTP panicked: as it must", "not opened: Disconnected"];
        assert_eq!(heard, expected);
        toys.is_empty();
    }
}

#[test]
fn any_rule_may_refuse() {
    struct Refuses(Rule);
    impl Preface for Refuses {
        fn received(&mut self, _: &[u8]) -> PrefaceVerdict {
            PrefaceVerdict::Refused(self.0)
        }
    }
    for (rule, status) in [(Rule::Http2Preface, "505"), (Rule::Busy, "503"), (Rule::FirstByte, "400")] {
        let listener = ListenerInfo::default().preface(move |_| Refuses(rule));
        let mut toys = Toys::with(ServerConfig::default(), listener);
        let client = toys.connect();
        toys.send(&client, "x");
        assert!(response(&client.take()).0.starts_with(&format!("HTTP/1.1 {status} ")), "{rule:?}");
    }
}

/// Takes a byte more than there is.
struct Greedy;

impl Preface for Greedy {
    fn received(&mut self, bytes: &[u8]) -> PrefaceVerdict {
        PrefaceVerdict::Read(PrefaceRead::new(bytes.len() + 1).peername(peer(1)))
    }
}

#[test]
fn a_preface_that_takes_more_than_has_come_ends_its_connection_and_that_is_told() {
    let mut toys = Toys::with(ServerConfig::default(), ListenerInfo::default().preface(|_| Greedy));
    let client = toys.connect();
    toys.send(&client, "four");
    assert!(client.is_ended() && client.take().is_empty());
    assert_eq!(
        toys.heard.take(),
        ["prologue failed: A preface took 5 bytes, and 4 had come.", "not opened: Disconnected"]
    );
    toys.is_empty();
}
