//! The memory of a server that sends files: who reads slowly holds little, and who finds no room hears of it.

use std::time::Duration;

use httpfsm::config::ServerConfig;
use httpfsm_transport::memory::{MemoryClient, MemoryServer};

use super::site::TestSite;
use crate::Files;

const GET: &str = "GET /large HTTP/1.1\r\nHost: a\r\n\r\n";
const LARGE: usize = 20 << 20;

/// A server of the files `large` and `small` with room for so many bytes, on connections that hold 4 KiB.
fn server(max_buffered_bytes: u64) -> (TestSite, MemoryServer<Files>) {
    let site = TestSite::new(&[("small", "s")]);
    site.write("large", vec![b'x'; LARGE]);
    let config = ServerConfig {
        max_buffered_bytes,
        room_timeout: Some(Duration::from_secs(5)),
        ..ServerConfig::default()
    };
    let server = MemoryServer::with(config, 4 << 10, None, site.files());
    (site, server)
}

/// So many peers ask for the large file and read nothing.
fn slow_readers(server: &mut MemoryServer<Files>, peers: usize) -> Vec<MemoryClient> {
    let peers = (0..peers).map(|_| {
        let client = server.connect().unwrap();
        client.send(GET);
        server.run();
        client
    });
    peers.collect()
}

#[test]
fn a_file_without_room_is_503_before_its_head_has_left_and_a_small_one_is_sent() {
    let (_site, mut server) = server(1 << 20);
    let slow = slow_readers(&mut server, 100);
    let late = server.connect().unwrap();
    late.send(GET);
    server.run();
    server.advance(Duration::from_millis(4_999));
    assert_eq!(late.take_text(), "");
    server.advance(Duration::from_millis(1));
    let response = late.take_text();
    assert!(response.starts_with("HTTP/1.1 503 "), "{response}");
    assert!(response.ends_with("The server has no resources left for the moment.\n"), "{response}");
    // The connection goes on.
    late.send("GET /small HTTP/1.1\r\nHost: a\r\n\r\n");
    server.run();
    assert!(late.take_text().ends_with("\r\n\r\ns"));
    // None of the slow ones was cut: who has no room for another piece has not asked for one.
    assert!(slow.iter().all(|client| !client.is_ended()));
    drop(slow);
    server.run();
    late.send(GET);
    server.run();
    assert!(late.take_text().starts_with("HTTP/1.1 200 OK"));
}

#[test]
fn who_reads_is_served_beside_any_number_of_peers_that_read_nothing() {
    let (_site, mut server) = server(128 << 20);
    // Each would hold 256 KiB: together, 200 MiB.
    let slow = slow_readers(&mut server, 800);
    let held = server.held().memory;
    assert!(held.pieces <= 800 * (128 << 10), "{held:?}");
    let fast = server.connect().unwrap();
    fast.send(GET);
    let mut received = 0;
    // Of a clock that stands still.
    while server.run() > 0 {
        received += fast.take().len();
    }
    assert!(received > LARGE, "{received}");
    drop(slow);
}
