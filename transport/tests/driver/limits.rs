//! The limits of a server: connections, and the bytes that it holds for them.

use std::sync::Arc;
use std::time::Duration;

use httpfsm::config::ServerConfig;
use httpfsm::handler::{Request, Subscriber};
use httpfsm_transport::memory::MemoryServer;

use crate::memory::{NoRooms, config, end};
use crate::support::{GET, Gate};

#[test]
fn at_the_limit_of_connections_the_longest_idle_gives_its_place() {
    let config = ServerConfig { max_connections: 3, max_connections_per_peer: 2, ..ServerConfig::default() };
    let gate = Gate::default();
    let waiting = gate.clone();
    let mut server = MemoryServer::new(config, move |request: Request| {
        let gate = waiting.clone();
        async move {
            if request.path() == "/gate" {
                gate.wait().await;
            }
            "fine"
        }
    });
    let peer = |last: u8| std::net::SocketAddr::from(([192, 0, 2, last], 1000)).into();
    let [first, second, third] = ["/", "/", "/gate"].map(|path| {
        let last = 1 + u8::try_from(server.connections()).unwrap();
        let client = server.connect_from(peer(last)).unwrap();
        client.send(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n"));
        server.advance(Duration::from_millis(100));
        client
    });
    // The first is idle again, but since later than the second.
    first.send(GET);
    server.advance(Duration::from_millis(100));
    let fourth = server.connect_from(peer(3)).unwrap();
    assert!(second.is_ended() && !first.is_ended());
    assert_eq!(server.connect_from(peer(3)).unwrap_err(), httpfsm::server::NotAdmitted::Peer);
    assert!(!first.is_ended(), "a peer that has enough evicts nobody");
    assert!(server.connect_from(peer(4)).is_ok());
    assert!(first.is_ended());
    // Nobody is idle now: one waits for its handler, two for their first request.
    assert_eq!(server.connect_from(peer(5)).unwrap_err(), httpfsm::server::NotAdmitted::Full);
    gate.open();
    server.run();
    assert!(third.take_text().ends_with("fine"));
    drop(fourth);
}

/// A search keeps no more than it may hand out; these are more.
#[test]
fn of_very_many_that_are_idle_the_longest_idle_give_their_places() {
    let config = ServerConfig { max_connections: 600, ..ServerConfig::default() };
    let mut server = MemoryServer::new(config, |_: Request| async { "fine" });
    let clients: Vec<_> = (0..600).map(|_| server.connect().unwrap()).collect();
    // Idle since different moments, in another order than they came in: 7 and 600 have no factor in common.
    for turn in 0..600 {
        clients[turn * 7 % 600].send(GET);
        server.advance(Duration::from_millis(1));
    }
    let mut late = Vec::new();
    for turn in 0..5 {
        late.push(server.connect().unwrap());
        let ended: Vec<_> = (0..600).filter(|turn| clients[turn * 7 % 600].is_ended()).collect();
        assert_eq!(ended, Vec::from_iter(0..=turn));
    }
}

#[test]
fn half_heads_hold_no_more_than_the_limit_of_bytes_and_one_that_grows_above_it_gets_503() {
    let config = ServerConfig { max_buffered_bytes: 40_000, ..ServerConfig::default() };
    let mut server = MemoryServer::new(config, |_: Request| async { "fine" });
    let idle = server.connect().unwrap();
    idle.send(GET);
    server.run();
    let head = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}", "x".repeat(10_000));
    let clients: Vec<_> = (0..20)
        .map(|_| {
            let client = server.connect().unwrap();
            client.send(&head);
            server.run();
            client
        })
        .collect();
    let (refused, held): (Vec<_>, Vec<_>) =
        clients.iter().map(|client| client.take_text()).partition(|text| text.starts_with("HTTP/1.1 503 "));
    assert!(held.len() <= 3 && refused.len() >= 17, "{} heads are held", held.len());
    assert!(!idle.is_ended(), "an idle connection holds nothing that its end would free");
    for client in clients.iter().take(held.len()) {
        client.send("\r\n\r\n");
        server.run();
        assert!(client.take_text().ends_with("fine"));
    }
}

#[test]
fn heads_that_come_at_one_time_hold_no_more_than_those_that_come_one_after_the_other() {
    const LIMIT: u64 = 100_000;
    let (config, heard) = (config(LIMIT as usize), Arc::<NoRooms>::default());
    let subscriber: Arc<dyn Subscriber> = Arc::clone(&heard) as _;
    let mut server = MemoryServer::with(config, 1 << 16, Some(subscriber), |_: Request| async { "fine" });
    let head = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}", "x".repeat(20_000));
    let clients: Vec<_> = (0..50).map(|_| server.connect().unwrap()).collect();
    server.run();
    clients.iter().for_each(|client| client.send(&head));
    server.run();
    let most = heard.0.lock().unwrap().iter().map(|(_, memory)| memory.total()).max();
    assert!(most.is_some_and(|most| most < LIMIT + 25_000), "{most:?}: one is judged after the other");
    for client in &clients {
        let text = client.take_text();
        assert!(text.is_empty() || text.starts_with("HTTP/1.1 503 "), "{text}");
    }
    end(&mut server, &clients);
}

/// Half a head of 4 KiB is always granted, so that who sends it gets a response.
#[test]
fn small_half_heads_are_held_and_counted_whatever_the_limit_is() {
    let config = ServerConfig { max_buffered_bytes: 10_000, ..ServerConfig::default() };
    let mut server = MemoryServer::new(config, |_: Request| async { "fine" });
    let clients: Vec<_> = (0..20).map(|_| server.connect().unwrap()).collect();
    for client in &clients {
        client.send(format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}", "x".repeat(3000)));
        server.run();
    }
    assert!(server.held().memory.input >= 60_000, "{:?}", server.held());
    for client in &clients {
        client.send("\r\n\r\n");
        server.run();
        assert!(client.take_text().ends_with("fine"));
    }
    assert_eq!(server.held().memory.total(), 0);
}
