//! Handshakes that do not go on: what they hold up, and what ends them.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use httpfsm::config::ServerConfig;
use httpfsm_rustls::TlsOptions;
use httpfsm_rustls::rustls::pki_types::ServerName;
use httpfsm_rustls::rustls::{ClientConfig, ClientConnection};
use httpfsm_transport::{ServerHandle, block_on};

use crate::support::{Authority, PATIENCE, connect, get, on_each_with, read_response, respond, socket};

/// How far a handshake has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    /// The client has sent nothing.
    Silent,
    /// It has sent a part of its first message.
    HalfHello,
    /// The server has replied, and the client does not.
    HalfDone,
}

const STAGES: [Stage; 3] = [Stage::Silent, Stage::HalfHello, Stage::HalfDone];

/// A connection whose handshake has come so far.
fn half(server: &ServerHandle, config: &Arc<ClientConfig>, stage: Stage) -> TcpStream {
    let mut socket = socket(server);
    let name = ServerName::try_from("localhost").unwrap();
    let mut client = ClientConnection::new(Arc::clone(config), name).unwrap();
    let mut hello = Vec::new();
    client.write_tls(&mut hello).unwrap();
    match stage {
        Stage::Silent => {}
        Stage::HalfHello => socket.write_all(&hello[..100]).unwrap(),
        Stage::HalfDone => {
            socket.write_all(&hello).unwrap();
            socket.read_exact(&mut [0; 100]).unwrap();
        }
    }
    socket
}

/// Waits until the server has accepted so many connections in all.
#[track_caller]
fn wait_for(server: &ServerHandle, opened: u64) {
    let began = Instant::now();
    while server.stats().opened < opened {
        assert!(began.elapsed() < PATIENCE, "{:?}", server.stats());
        thread::sleep(Duration::from_millis(2));
    }
}

/// The end of a connection, with an alert or without, or by a reset.
fn read_end(mut socket: TcpStream) {
    let _ = socket.read_to_end(&mut Vec::new());
}

#[test]
fn a_drain_waits_for_no_handshake() {
    let authority = Authority::new("test");
    let client = Arc::new(authority.client());
    // What is not ended by the drain does not end.
    let mut config =
        ServerConfig { handshake_timeout: None, drain_deadline: None, ..ServerConfig::default() };
    config.channel.drain_deadline = None;
    on_each_with(
        &config,
        &authority.tls("localhost", &TlsOptions::default()),
        respond,
        |server, hears, on| {
            let halves = STAGES.map(|stage| half(server, &client, stage));
            wait_for(server, 3);
            let drained = server.begin_drain(None).clone();
            let (to, gone) = mpsc::channel();
            thread::spawn(move || {
                block_on(drained.gone());
                to.send(()).unwrap();
            });
            gone.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("{on}: {:?}", server.stats()));
            assert_eq!(hears.wait(3), ["not opened: Drained: -"; 3], "{on}");
            halves.into_iter().for_each(read_end);
        },
    );
}

#[test]
fn a_handshake_gives_its_place_to_a_connection_that_finds_none() {
    let authority = Authority::new("test");
    let client = Arc::new(authority.client());
    let config = ServerConfig { handshake_timeout: None, max_connections: 2, ..ServerConfig::default() };
    for stage in STAGES {
        let tls = authority.tls("localhost", &TlsOptions::default());
        on_each_with(&config, &tls, respond, |server, hears, on| {
            let half = half(server, &client, stage);
            wait_for(server, 1);
            // Between its requests it is idle, but not for as long.
            let mut idle = connect(server, &client, "localhost");
            for request in 0..2 {
                idle.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
                assert!(read_response(&mut idle).starts_with("HTTP/1.1 200 OK"), "{on}");
                if request == 0 {
                    let response = get(&mut connect(server, &client, "localhost"), "localhost").unwrap();
                    assert!(response.starts_with("HTTP/1.1 200 OK"), "{on}: {response}");
                    assert_eq!(hears.wait(1)[0], "not opened: Evicted: -", "{on}: {stage:?}");
                }
            }
            read_end(half);
        });
    }
}

#[test]
fn a_handshake_that_does_not_go_on_ends_at_its_deadline_and_holds_up_nobody() {
    let authority = Authority::new("test");
    let client = Arc::new(authority.client());
    let soon = Some(Duration::from_secs(3));
    let config = ServerConfig { handshake_timeout: soon, ..ServerConfig::default() };
    on_each_with(
        &config,
        &authority.tls("localhost", &TlsOptions::default()),
        respond,
        |server, hears, on| {
            let mut halves = Vec::new();
            // More than there are threads.
            for _ in 0..20 {
                halves.extend(STAGES.map(|stage| half(server, &client, stage)));
            }
            halves.into_iter().for_each(read_end);
            let expected = ["not opened: HandshakeTimeout: -"; 60];
            assert_eq!(hears.wait(expected.len()), expected, "{on}");
        },
    );
}
