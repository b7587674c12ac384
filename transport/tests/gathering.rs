//! Bodies that are gathered while others stand still: they go to the disk before anybody gets a 503.
#![allow(clippy::unwrap_used)]

use httpfsm::config::{Bodies, ServerConfig};
use httpfsm::handler::Request;
use httpfsm_transport::memory::{MemoryClient, MemoryServer};

const LIMIT: u64 = 2 << 20;

fn post(client: &MemoryClient, length: usize) {
    client.send(format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n"));
}

/// No time passes here, so that nobody is served by a deadline of others.
#[test]
fn who_comes_behind_peers_that_stand_still_is_served() {
    let mut config = ServerConfig { max_buffered_bytes: LIMIT, ..ServerConfig::default() };
    config.channel.bodies = Some(Bodies::Whole);
    let mut server = MemoryServer::new(config, |mut request: Request| async move {
        let mut bytes = 0;
        while let Some(piece) = request.body().next_data().await {
            bytes += piece.map(|piece| piece.len()).unwrap_or(0);
        }
        bytes.to_string()
    });
    let silent: Vec<_> = (0..200)
        .map(|_| {
            let client = server.connect().unwrap();
            post(&client, 1_000_000);
            client.send(vec![b'x'; 40_000]);
            server.run();
            client
        })
        .collect();
    let memory = server.handle().memory();
    assert!(memory.bodies < LIMIT / 2 + (64 << 10), "half of it is for those to come: {memory:?}");
    for length in [10, 5_000, 100_000, 600_000, 3_000_000] {
        let client = server.connect().unwrap();
        post(&client, length);
        for _ in 0..length / 10 {
            client.send([b'x'; 10]);
        }
        server.run();
        let response = client.take_text();
        let ending = format!("\r\n\r\n{length}");
        assert!(response.starts_with("HTTP/1.1 200 ") && response.ends_with(&ending), "{length}: {response}");
    }
    drop(silent);
    server.run();
    let memory = server.handle().memory();
    assert_eq!((memory.total(), memory.spooled), (0, 0), "{memory:?}");
}

/// As many as there may be: each has sent what it was asked for first, and less than is worth a file.
#[test]
fn peers_that_stand_still_with_a_little_leave_room_for_those_who_have_no_disk() {
    const LESS: u32 = 50;
    for full in [ServerConfig::hardened(), ServerConfig::default()] {
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
                client.send(vec![b'x'; 12_000]);
                server.run();
                client
            })
            .collect();
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
