//! Connections over an I/O of one's own, one with buffers over a pipe in memory.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::time::Duration;

use httpfsm::channel::{CompiledConfig, Facts};
use httpfsm::config::ServerConfig;
use httpfsm::handler::Request;
use httpfsm::peer::Peer;
use httpfsm::response::ResponseRef;
use httpfsm::{Fields, Status};
use httpfsm_tokio::{Event, Io, connection_over, connections};
use httpfsm_transport_kit::Kit;
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufStream, DuplexStream, duplex};
use tokio::net::TcpStream;
use tokio::runtime::Builder;

const BODY: usize = 30_000;
const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

/// The server reads on behind its end for longer than anything here takes.
fn config() -> ServerConfig {
    let mut config = ServerConfig::default();
    config.channel.linger_timeout = Some(Duration::from_secs(60));
    config
}

/// All that comes to the end, a few bytes at a time.
async fn read_slowly(client: &mut DuplexStream) -> String {
    let (mut received, mut buffer) = (Vec::new(), [0; 700]);
    loop {
        match client.read(&mut buffer).await.unwrap() {
            0 => return String::from_utf8(received).unwrap(),
            read => received.extend_from_slice(&buffer[..read]),
        }
        tokio::task::yield_now().await;
    }
}

fn is_whole(response: &str) -> bool {
    response.ends_with(&format!("\r\n\r\n{}", "x".repeat(BODY)))
}

#[tokio::test]
async fn a_handler_is_served_over_it_and_nothing_is_lost_at_the_end() {
    let server = connections(config(), |_: Request| async { "x".repeat(BODY) }).unwrap();
    for peer_ends in [false, true] {
        let (mut client, io) = duplex(1000);
        let wire = Io::new(BufStream::new(io));
        let connection = server.serve_connection(wire, Peer::Unix(None), Peer::Unix(None)).unwrap();
        let served = tokio::spawn(connection);
        client.write_all(GET).await.unwrap();
        if peer_ends {
            client.shutdown().await.unwrap();
        }
        let response = read_slowly(&mut client).await;
        assert!(is_whole(&response), "{} bytes", response.len());
        assert_eq!(served.is_finished(), peer_ends, "a half-close, or a close");
        drop(client);
        served.await.unwrap();
    }
    assert_eq!(server.handle().stats().n_channels, 0);
    server.handle().begin_drain(None).gone().await;
    let (_client, io) = duplex(1000);
    let refused = server.serve_connection(Io::new(io), Peer::Unix(None), Peer::Unix(None));
    assert!(refused.is_err(), "the server has gone");
}

#[tokio::test]
async fn a_connection_is_pulled_over_it_event_by_event() {
    let (mut client, io) = duplex(1000);
    let compiled = Arc::new(CompiledConfig::new(&config().channel));
    let mut connection = connection_over(BufStream::new(io), compiled, Facts::default());
    let served = tokio::spawn(async move {
        while let Some(event) = connection.next_event().await {
            if let Event::Request = event {
                let (fields, body) = (Fields::new(), "x".repeat(BODY));
                let response = ResponseRef::new(Status::OK, &fields, body.as_bytes());
                connection.respond(response).unwrap();
            }
        }
    });
    client.write_all(GET).await.unwrap();
    let response = read_slowly(&mut client).await;
    assert!(is_whole(&response), "{} bytes", response.len());
    assert!(!served.is_finished(), "a half-close");
    drop(client);
    served.await.unwrap();
}

#[test]
fn a_connection_over_it_keeps_what_is_owed() {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let checked = Kit::default().level1_over_tcp(
        |socket, config| {
            socket.set_nonblocking(true)?;
            Ok(connection_over(BufStream::new(TcpStream::from_std(socket)?), config, Facts::default()))
        },
        |check| runtime.block_on(check),
    );
    assert_eq!(checked, Ok(()));
}
