//! Connections that become another protocol's.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::sync::{Arc, mpsc};
use std::thread;

use httpfsm::config::ServerConfig;
use httpfsm::handler::{Request, Response};
use httpfsm_rustls::TlsOptions;
use httpfsm_transport::{UpgradedStream, block_on};
use tungstenite::handshake::derive_accept_key;
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::protocol::{CloseFrame, Role};
use tungstenite::{Message, WebSocket};

use crate::support::{Authority, Client, Hears, PATIENCE, connect, on_each_with, read_response};

/// Switches to another protocol, which a thread of its own speaks.
fn switch(request: &Request, to: &str, speak: impl FnOnce(UpgradedStream) + Send + 'static) -> Response {
    let upgrade = request.upgrade();
    thread::spawn(move || speak(UpgradedStream::new(block_on(upgrade).unwrap())));
    Response::switching_protocols(to)
}

/// Sends back what comes, to its end, then ends its own side and says how much it was.
fn echo(connection: &mut UpgradedStream) -> io::Result<usize> {
    let (mut buffer, mut all) = ([0; 4096], 0);
    loop {
        let read = connection.read(&mut buffer)?;
        if read == 0 {
            connection.close()?;
            return Ok(all);
        }
        connection.write_all(&buffer[..read])?;
        all += read;
    }
}

/// A server on each transport that echoes, and how each echo ends.
fn on_each_echo(test: impl Fn(Client, &mpsc::Receiver<io::Result<usize>>, &Hears, &str)) {
    let authority = Authority::new("test");
    let (to, ends) = mpsc::channel();
    let handler = move |request: Request| {
        let to = to.clone();
        let response = switch(&request, "echo", move |mut connection| {
            let _ = to.send(echo(&mut connection));
        });
        async { response }
    };
    let client = Arc::new(authority.client());
    let tls = authority.tls("localhost", &TlsOptions::default());
    on_each_with(&ServerConfig::default(), &tls, handler, |server, hears, on| {
        let mut client = connect(server, &client, "localhost");
        client
            .write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n")
            .unwrap();
        assert!(read_response(&mut client).starts_with("HTTP/1.1 101 "), "{on}");
        test(client, &ends, hears, on);
        assert_eq!(hears.wait(1), ["closed: Upgraded"], "{on}");
    });
}

#[test]
fn a_websocket_works() {
    let authority = Authority::new("test");
    let handler = |request: Request| {
        let key = request.field("Sec-WebSocket-Key").unwrap_or_default();
        let accept = derive_accept_key(key);
        let response = switch(&request, "websocket", |connection| {
            let mut socket = WebSocket::from_raw_socket(connection, Role::Server, None);
            while let Ok(message) = socket.read() {
                if message.is_text() || message.is_binary() {
                    socket.send(message).unwrap();
                }
            }
        });
        async move { response.with_field("Sec-WebSocket-Accept", accept) }
    };
    let client = Arc::new(authority.client());
    let tls = authority.tls("localhost", &TlsOptions::default());
    on_each_with(&ServerConfig::default(), &tls, handler, |server, hears, on| {
        let connection = connect(server, &client, "localhost");
        let (mut socket, _) = tungstenite::client("wss://localhost/", connection).unwrap();
        let messages = [
            Message::text("one"),
            Message::binary(vec![0, 255]),
            Message::text(""),
            // Longer than any buffer, and than 64 KiB.
            Message::binary((0..1_000_000_u32).map(|at| at as u8).collect::<Vec<_>>()),
        ];
        for message in messages {
            socket.send(message.clone()).unwrap();
            assert!(socket.read().unwrap() == message, "{on}");
        }
        socket.send(Message::Ping("ping".into())).unwrap();
        assert_eq!(socket.read().unwrap(), Message::Pong("ping".into()), "{on}");
        let close = CloseFrame { code: CloseCode::Normal, reason: "enough".into() };
        socket.close(Some(close.clone())).unwrap();
        assert_eq!(socket.read().unwrap(), Message::Close(Some(close)), "{on}");
        // And `close_notify`: an end without it is another error.
        assert!(matches!(socket.read(), Err(tungstenite::Error::ConnectionClosed)), "{on}");
        assert_eq!(hears.wait(1), ["closed: Upgraded"], "{on}");
    });
}

#[test]
fn close_notify_of_the_client_is_the_end_of_its_input_and_what_is_sent_back_still_comes() {
    on_each_echo(|mut client, ends, _, on| {
        let sent: Vec<_> = (0..1_000_000_u32).map(|at| at as u8).collect();
        let mut all = vec![0; sent.len()];
        for (piece, room) in sent.chunks(50_000).zip(all.chunks_mut(50_000)) {
            client.write_all(piece).unwrap();
            client.read_exact(room).unwrap();
        }
        assert!(all == sent, "{on}");
        client.write_all(b"the last").unwrap();
        client.conn.send_close_notify();
        client.flush().unwrap();
        // TCP goes on. An end without that of TLS is an error.
        let mut rest = String::new();
        client.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "the last", "{on}");
        assert_eq!(ends.recv_timeout(PATIENCE).unwrap().unwrap(), sent.len() + 8, "{on}");
    });
}

#[test]
fn an_end_of_the_connection_without_close_notify_is_an_unexpected_end() {
    on_each_echo(|mut client, ends, _, on| {
        client.write_all(b"cut").unwrap();
        let mut echoed = [0; 3];
        client.read_exact(&mut echoed).unwrap();
        client.sock.shutdown(Shutdown::Write).unwrap();
        let error = ends.recv_timeout(PATIENCE).unwrap().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof, "{on}: {error}");
    });
}
