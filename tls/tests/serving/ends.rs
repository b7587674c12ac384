//! How connections end.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use httpfsm_rustls::TlsOptions;

use crate::support::{Authority, BODY, connect, on_each, read_response};

#[test]
fn a_slow_reader_gets_all_of_a_response_and_close_notify_also_behind_a_half_close() {
    let authority = Authority::new("test");
    let client = Arc::new(authority.client());
    on_each(&authority.tls("localhost", &TlsOptions::default()), |server, _, on| {
        for (round, half_closes) in [false, true].into_iter().cycle().take(10).enumerate() {
            let mut client = connect(server, &client, "localhost");
            client.write_all(b"GET /large HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
            if half_closes {
                client.conn.send_close_notify();
                client.flush().unwrap();
                client.sock.shutdown(Shutdown::Write).unwrap();
            }
            let (mut received, mut buffer) = (Vec::new(), [0; 3000]);
            loop {
                // An end without that of TLS is an error.
                match client.read(&mut buffer).unwrap_or_else(|error| panic!("{on} {round}: {error}")) {
                    0 => break,
                    read => received.extend_from_slice(&buffer[..read]),
                }
                if received.len() % 50_000 < 3000 {
                    thread::sleep(Duration::from_millis(3));
                }
            }
            let body = format!("\r\n\r\n{}", "x".repeat(BODY));
            assert!(received.ends_with(body.as_bytes()), "{on} {round}: {} bytes", received.len());
        }
    });
}

/// As many clients of TLS close: behind a whole response it is no loss.
#[test]
fn a_client_that_closes_without_close_notify_is_lost_only_within_a_message() {
    let authority = Authority::new("test");
    let client = Arc::new(authority.client());
    on_each(&authority.tls("localhost", &TlsOptions::default()), |server, hears, on| {
        let get = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
        let mut expected = Vec::new();
        for (sent, is_lost) in [(&get[..], false), (&get[..10], true)] {
            let mut client = connect(server, &client, "localhost");
            client.write_all(sent).unwrap();
            client.flush().unwrap();
            if !is_lost {
                read_response(&mut client);
            }
            client.sock.shutdown(Shutdown::Write).unwrap();
            if is_lost {
                let lost = "lost: The connection ended before the end of the protocol below HTTP, so what came may be cut.";
                expected.extend([lost, "closed: Disconnected"]);
            } else {
                expected.push("closed: PeerEnded");
            }
            assert_eq!(hears.wait(expected.len()), expected, "{on}: {}", sent.escape_ascii());
        }
    });
}

/// The end of its input is that of its requests, and the response still comes.
#[test]
fn close_notify_of_the_client_is_the_end_of_its_input() {
    let authority = Authority::new("test");
    let client = Arc::new(authority.client());
    on_each(&authority.tls("localhost", &TlsOptions::default()), |server, hears, on| {
        let mut client = connect(server, &client, "localhost");
        client.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        client.conn.send_close_notify();
        client.flush().unwrap();
        let mut response = String::new();
        client.read_to_string(&mut response).unwrap();
        assert!(response.starts_with("HTTP/1.1 200 OK"), "{on}: {response}");
        assert_eq!(hears.wait(1), ["closed: PeerEnded"], "{on}");
    });
}
