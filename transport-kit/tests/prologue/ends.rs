//! A drain, an eviction, limits, and connections of other protocols.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use httpfsm::config::ServerConfig;
use httpfsm::handler::Request;
use httpfsm_transport::memory::{MemoryClient, pair};
use httpfsm_transport::{Accepted, Clock, HandedOver, Held, Inline, ListenerInfo, Service, Wire};
use httpfsm_transport_kit::{ToyLayer, ToyPreface};

use crate::support::{GET, ToyClient, Toys, peer, response};

fn listener() -> ListenerInfo {
    ListenerInfo::default().preface(|_| ToyPreface::default()).layer(|_| Ok(ToyLayer::server()))
}

/// What a client has sent when its connection stands in its preface, and in its handshake.
fn stages() -> [Vec<u8>; 2] {
    let hello = ToyClient::new(ToyLayer::client()).hello();
    [b"FROM".to_vec(), [&ToyPreface::line(&peer(1)), &hello[..3]].concat()]
}

fn standing(config: ServerConfig, sent: &[u8]) -> (Toys, MemoryClient) {
    let mut toys = Toys::with(config, listener());
    let client = toys.connect();
    toys.send(&client, sent);
    (toys, client)
}

#[test]
fn in_a_drain_it_has_the_time_of_a_connection_without_a_request() {
    for sent in stages() {
        let (mut toys, client) = standing(ServerConfig::default(), &sent);
        toys.server.handle().begin_drain(None);
        toys.server.run();
        toys.advance(999);
        assert_eq!(toys.heard.take(), [""; 0]);
        toys.advance(1);
        assert_eq!(toys.heard.take(), ["not opened: Drained"]);
        assert!(client.is_ended());
        toys.is_empty();
        let gone = toys.server.handle();
        assert!(pin!(gone.gone()).poll(&mut Context::from_waker(Waker::noop())).is_ready());
    }
}

#[test]
fn what_comes_in_a_drain_gives_no_more_time_whatever_its_deadline() {
    let (mut toys, client) = standing(ServerConfig::default(), b"FROM");
    toys.server.handle().begin_drain(Some(Duration::from_secs(10)));
    toys.server.run();
    toys.advance(600);
    toys.send(&client, b" ");
    toys.advance(399);
    assert_eq!(toys.heard.take(), [""; 0]);
    toys.advance(1);
    assert_eq!(toys.heard.take(), ["not opened: Drained"]);
    toys.is_empty();
}

#[test]
fn a_connection_that_opens_in_a_drain_makes_its_request() {
    let (mut toys, client) = standing(ServerConfig::default(), b"FROM 192.0.2.1:5000");
    toys.server.handle().begin_drain(None);
    toys.advance(900);
    toys.send(&client, [b"\r\n", GET].concat());
    let text = client.take_text();
    assert!(text.contains("Connection: close") && text.ends_with("http of 192.0.2.1:5000"), "{text}");
}

#[test]
fn at_the_drain_deadline_it_is_cut() {
    let grace = |config: &mut ServerConfig| config.channel.drain_grace = None;
    for sent in stages() {
        let mut config = ServerConfig::default();
        grace(&mut config);
        let (mut toys, client) = standing(config.clone(), &sent);
        toys.server.handle().begin_drain(Some(Duration::from_millis(500)));
        toys.server.run();
        toys.advance(499);
        assert_eq!(toys.heard.take(), [""; 0]);
        toys.advance(1);
        assert_eq!(toys.heard.take(), ["not opened: Drained"]);
        assert!(client.is_ended());
        toys.is_empty();
        let (mut toys, client) = standing(config, &sent);
        toys.server.handle().begin_drain(Some(Duration::ZERO));
        toys.server.run();
        assert_eq!(toys.heard.take(), ["not opened: DrainTimeout"]);
        assert!(client.is_reset());
        toys.is_empty();
    }
}

#[test]
fn it_gives_its_place_to_another_connection_in_its_turn() {
    for sent in stages() {
        let config = ServerConfig { max_connections: 2, ..ServerConfig::default() };
        let (mut toys, first) = standing(config, &sent);
        toys.advance(1);
        let second = toys.connect();
        toys.send(&second, GET);
        assert!(!second.take().is_empty());
        toys.heard.take();
        toys.advance(1);
        let third = toys.connect();
        assert_eq!(toys.heard.take(), ["not opened: Evicted"]);
        assert!(first.is_ended() && !second.is_ended() && !third.is_ended());
    }
}

#[test]
fn what_it_holds_is_counted_and_given_back() {
    let (mut toys, client) = standing(ServerConfig::default(), &[b"FROM ", &[b'1'; 1000][..]].concat());
    let held = toys.server.held();
    assert!((1000..5000).contains(&held.memory.total()), "{held:?}");
    assert_eq!((held.channels, held.alarms), (1, 1));
    drop(client);
    toys.server.run();
    toys.is_empty();
    // More than all together may hold, and than is always granted.
    let config =
        ServerConfig { max_buffered_bytes: 100, max_preface_bytes: 16 << 10, ..ServerConfig::default() };
    let (toys, _client) = standing(config.clone(), &[b"FROM ", &[b'1'; 1000][..]].concat());
    assert_eq!(toys.heard.take(), Vec::<String>::new());
    let (toys, client) = standing(config, &[b"FROM ", &[b'1'; 6000][..]].concat());
    assert_eq!(toys.heard.take(), ["not opened: NoRoom"]);
    assert!(client.is_ended());
}

/// Wherever it stands: a driver that is dropped gives back all that it held.
#[test]
fn a_driver_that_is_dropped_leaves_nothing() {
    let hello = ToyClient::new(ToyLayer::client()).hello();
    let all = [ToyPreface::line(&peer(1)), hello].concat();
    let handler = |_: Request| async { "fine" };
    for at in 0..=all.len() {
        let service = Service::new(ServerConfig::default(), Clock::manual(), Arc::new(Inline), None, handler);
        let (mut near, far) = pair(1000);
        let accepted = Accepted::new(far, peer(9), peer(8)).with_listener(Arc::new(listener()));
        let mut driver = service.connect_accepted(accepted).unwrap();
        if at > 0 {
            assert!(near.poll_write(&mut cx(), &all[..at]).is_ready());
        }
        assert!(Pin::new(&mut driver).poll(&mut cx()).is_pending());
        assert_eq!(service.held().channels, 1);
        drop(driver);
        assert_eq!(service.held(), Held::default(), "{at}");
        let read = near.poll_read(&mut cx(), &mut [0; 100]);
        assert!(read.is_ready(), "{at}: it is closed");
    }
}

/// A listener that hands connections over, and where they go.
fn handing_over() -> (ListenerInfo, Arc<Mutex<Vec<HandedOver>>>) {
    let handed = Arc::<Mutex<Vec<_>>>::default();
    let to = Arc::clone(&handed);
    (listener().hand_over(move |connection| to.lock().unwrap().push(connection)), handed)
}

fn cx() -> Context<'static> {
    Context::from_waker(Waker::noop())
}

#[test]
fn a_connection_of_another_protocol_is_handed_over_and_counts_until_it_ends() {
    let (listener, handed) = handing_over();
    let mut toys = Toys::with(ServerConfig::default(), listener);
    let client = toys.connect();
    toys.send(&client, [&ToyPreface::line(&peer(1))[..], b"OTHER\r\nand more"].concat());
    assert_eq!(toys.heard.take(), ["handed over: 192.0.2.1:5000"]);
    assert_eq!((toys.server.connections(), toys.server.held().channels), (0, 1));
    let HandedOver { info, connection, .. } = handed.lock().unwrap().pop().unwrap();
    assert_eq!(info.peername, peer(1));
    let (leftover, mut io) = connection.into_parts();
    assert_eq!(leftover, b"and more"[..]);
    assert!(matches!(io.poll_write(&mut cx(), b"hello"), Poll::Ready(Ok(5))));
    assert_eq!(client.take(), b"hello");
    client.send("again");
    let mut buffer = [0; 9];
    assert!(matches!(io.poll_read(&mut cx(), &mut buffer), Poll::Ready(Ok(5))));
    drop(io);
    assert_eq!(toys.heard.take(), ["closed: Upgraded"]);
    assert!(client.is_ended());
    assert_eq!(toys.server.held().memory.input, 8, "what came behind the preface");
    drop(leftover);
    toys.is_empty();
}

#[test]
fn behind_a_handshake_it_goes_through_the_layer() {
    let (listener, handed) = handing_over();
    let mut toys = Toys::with(ServerConfig::default(), listener);
    let connection = toys.connect();
    let mut client = ToyClient::new(ToyLayer::client_of_another_protocol());
    toys.send(&connection, client.hello());
    client.open(&connection.take());
    toys.send(&connection, client.replies());
    assert_eq!(toys.heard.take().len(), 1);
    let HandedOver { info, connection: mut other, .. } = handed.lock().unwrap().pop().unwrap();
    assert_eq!(info.scheme, "toys");
    assert!(matches!(other.poll_write(&mut cx(), b"hello"), Poll::Ready(Ok(5))));
    assert_eq!(client.open(&connection.take()), b"hello");
    connection.send(client.seal(b"again"));
    let mut buffer = [0; 9];
    assert!(matches!(other.poll_read(&mut cx(), &mut buffer), Poll::Ready(Ok(5))));
    assert_eq!(&buffer[..5], b"again");
    // A drain does not wait for it beyond its deadline.
    toys.server.handle().begin_drain(Some(Duration::ZERO));
    toys.server.run();
    assert_eq!(toys.heard.take(), ["closed: DrainTimeout"]);
    toys.is_empty();
}

#[test]
fn without_anybody_who_takes_it_another_protocol_is_refused() {
    let mut toys = Toys::with(ServerConfig::default(), listener());
    let connection = toys.connect();
    toys.send(&connection, "OTHER\r\n");
    assert_eq!(response(&connection.take()).0, "HTTP/1.1 400 Bad Request");
    let mut toys = Toys::with(ServerConfig::default(), listener());
    let connection = toys.connect();
    let mut client = ToyClient::new(ToyLayer::client_of_another_protocol());
    toys.send(&connection, client.hello());
    client.open(&connection.take());
    toys.send(&connection, client.replies());
    assert_eq!(toys.heard.take(), ["not opened: HandshakeFailed"]);
    assert!(connection.is_ended());
}

#[test]
fn who_takes_it_and_panics_ends_it() {
    let listener = listener().hand_over(|_| panic!("as it must"));
    let mut toys = Toys::with(ServerConfig::default(), listener);
    let connection = toys.connect();
    toys.send(&connection, "OTHER\r\n");
    let heard = toys.heard.take();
    assert_eq!(
        heard[1..],
        ["closed: Upgraded", "prologue failed: What comes before HTTP panicked: as it must"]
    );
    assert!(connection.is_ended());
    toys.is_empty();
}
