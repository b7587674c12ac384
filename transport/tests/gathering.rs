//! Bodies that are gathered while others stand still: they go to the disk before anybody gets a 503.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use httpfsm::config::{Bodies, ServerConfig};
use httpfsm::handler::{Handler, Request};
use httpfsm_transport::memory::{MemoryClient, MemoryServer};

const LIMIT: u64 = 8 << 20;
const PEERS: usize = 400;

fn post(client: &MemoryClient, length: usize) {
    client.send(format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n"));
}

/// As long as a body may stand still with memory that others need.
const STILL: Duration = Duration::from_millis(100);

fn server() -> MemoryServer<impl Handler> {
    let mut config = ServerConfig { max_buffered_bytes: LIMIT, ..ServerConfig::default() };
    config.channel.bodies = Some(Bodies::Whole);
    MemoryServer::new(config, |mut request: Request| async move {
        let mut bytes = 0;
        while let Some(piece) = request.body().next_data().await {
            bytes += piece.map(|piece| piece.len()).unwrap_or(0);
        }
        bytes.to_string()
    })
}

/// Peers that have sent so much of a body, and stand still.
fn crowd<H: Handler>(server: &mut MemoryServer<H>, peers: usize, bytes: usize) -> Vec<MemoryClient> {
    let peer = |_| {
        let client = server.connect().unwrap();
        post(&client, 1_000_000);
        client.send(vec![b'x'; bytes]);
        server.run();
        client
    };
    (0..peers).map(peer).collect()
}

/// Nothing comes for long enough.
fn stand_still<H: Handler>(server: &mut MemoryServer<H>) {
    for _ in 0..2 {
        server.advance(STILL);
    }
}

fn is_served(client: &MemoryClient, length: usize) {
    let response = client.take_text();
    let ending = format!("\r\n\r\n{length}");
    assert!(response.starts_with("HTTP/1.1 200 ") && response.ends_with(&ending), "{length}: {response}");
}

fn ends<H: Handler>(mut server: MemoryServer<H>, silent: Vec<MemoryClient>) {
    drop(silent);
    server.run();
    let memory = server.handle().memory();
    assert_eq!((memory.total(), memory.spooled), (0, 0), "{memory:?}");
}

/// Nobody is served by a deadline of others: no time passes but what it takes to stand still, and not even that.
#[test]
fn who_comes_behind_peers_that_stand_still_is_served() {
    for time_passes in [true, false] {
        let mut server = server();
        let silent = crowd(&mut server, PEERS, 40_000);
        if time_passes {
            stand_still(&mut server);
            let memory = server.handle().memory();
            let granted = PEERS as u64 * (4 << 10);
            assert!(memory.bodies < LIMIT / 2 + granted, "half of it is for those to come: {memory:?}");
        }
        for length in [10, 5_000, 100_000, 600_000, 3_000_000] {
            let client = server.connect().unwrap();
            post(&client, length);
            for _ in 0..length / 10 {
                client.send([b'x'; 10]);
            }
            server.run();
            is_served(&client, length);
        }
        ends(server, silent);
    }
}

/// It would wait there behind those that stand still.
#[test]
fn a_body_goes_to_the_disk_where_memory_is_scarce_and_it_stands_still() {
    const PIECE: usize = 20_000;
    const PIECES: usize = 10;
    const DRIPS: usize = 4;
    let mut server = server();
    let silent = crowd(&mut server, PEERS, 40_000);
    stand_still(&mut server);
    let (client, before) = (server.connect().unwrap(), server.handle().memory());
    assert!(before.bodies + before.promised >= LIMIT / 2, "memory is scarce: {before:?}");
    let sends = |server: &mut MemoryServer<_>| {
        client.send(vec![b'x'; PIECE]);
        server.advance(STILL / 2);
        server.handle().memory()
    };
    post(&client, PIECES * PIECE + DRIPS);
    for piece in 1..PIECES / 2 {
        let memory = sends(&mut server);
        assert_eq!(memory.spooled, before.spooled, "it moves");
        assert_eq!(memory.bodies, before.bodies + (piece * PIECE) as u64);
    }
    // As one that drips.
    for _ in 0..DRIPS {
        client.send("x");
        server.advance(STILL / 2);
    }
    let memory = server.handle().memory();
    assert!(memory.spooled >= before.spooled + (PIECES / 2 - 1) as u64 * PIECE as u64, "{memory:?}");
    assert!(memory.bodies <= before.bodies + DRIPS as u64, "{memory:?}");
    for _ in PIECES / 2..=PIECES {
        sends(&mut server);
    }
    is_served(&client, PIECES * PIECE + DRIPS);
    ends(server, silent);
}

/// As many as there may be: each has sent what it was asked for first, and less than is worth a file.
#[test]
fn peers_that_stand_still_with_a_little_leave_room_for_those_who_have_no_disk() {
    const LESS: u32 = 50;
    for (full, sent) in [ServerConfig::hardened(), ServerConfig::default()]
        .into_iter()
        .flat_map(|full| [4095, 12_000].map(|sent| (full.clone(), sent)))
    {
        let mut config = full.clone();
        config.max_connections = full.max_connections / LESS;
        config.max_buffered_bytes = full.max_buffered_bytes / u64::from(LESS);
        config.channel.bodies = Some(Bodies::Whole);
        let (peers, limit) = (config.max_connections - 1, config.max_buffered_bytes);
        let mut server = MemoryServer::new(config, |request: Request| async move {
            let reserved = request.memory().reserve(256 << 10).await;
            reserved.map_or(0, |reserved| reserved.bytes()).to_string()
        });
        let silent: Vec<_> = (0..peers)
            .map(|_| {
                let client = server.connect().unwrap();
                post(&client, 1_000_000);
                client.send(vec![b'x'; sent]);
                server.run();
                client
            })
            .collect();
        stand_still(&mut server);
        let memory = server.handle().memory();
        assert!(memory.total() + memory.promised < limit, "{memory:?} of {limit}");
        let client = server.connect().unwrap();
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        server.run();
        let response = client.take_text();
        let room = response.rsplit('\n').next().and_then(|bytes| bytes.parse().ok()).unwrap_or(0);
        assert!(room >= 16 << 10, "{response:?}: {memory:?} of {limit}");
        drop(silent);
    }
}
