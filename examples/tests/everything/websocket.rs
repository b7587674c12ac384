//! The WebSocket, against tungstenite's client.

use std::net::TcpStream;

use tungstenite::{Error, Message, WebSocket};

use crate::{Server, on_each_transport, wait_for};

fn open(server: &Server) -> WebSocket<TcpStream> {
    let url = format!("ws://{}/echo", server.address);
    tungstenite::client(url, server.connect()).unwrap_or_else(|error| panic!("{error}")).0
}

#[test]
fn messages_come_back() {
    on_each_transport(|server| {
        let mut socket = open(server);
        for message in [
            Message::text(""),
            Message::text("Grüße"),
            Message::binary(vec![0, 255]),
            Message::text("x".repeat(64 << 10)),
        ] {
            socket.send(message.clone()).expect("sent");
            assert_eq!(socket.read().expect("a message"), message);
        }
        socket.close(None).expect("sent");
        assert!(matches!(socket.read(), Ok(Message::Close(_))));
        assert!(matches!(socket.read(), Err(Error::ConnectionClosed)));
    });
}

#[test]
fn messages_that_are_sent_in_a_row_come_back_in_order() {
    on_each_transport(|server| {
        let mut socket = open(server);
        for number in 0..500 {
            socket.write(Message::text(number.to_string())).expect("queued");
        }
        socket.flush().expect("sent");
        for number in 0..500 {
            assert_eq!(socket.read().expect("a message"), Message::text(number.to_string()));
        }
    });
}

#[test]
fn a_ping_is_answered() {
    on_each_transport(|server| {
        let mut socket = open(server);
        socket.send(Message::Ping("there?".into())).expect("sent");
        assert_eq!(socket.read().expect("a message"), Message::Pong("there?".into()));
    });
}

#[test]
fn a_message_that_is_too_large_ends_it() {
    on_each_transport(|server| {
        let idle = server.sockets();
        let mut socket = open(server);
        // The server may end before it has read all of it.
        let _ = socket.send(Message::text("x".repeat((64 << 10) + 1)));
        assert!(socket.read().is_err());
        wait_for("the end of the connection", || (server.sockets() == idle).then_some(()));
    });
}

#[test]
fn many_at_once_hold_up_nothing() {
    on_each_transport(|server| {
        let mut sockets: Vec<_> = (0..100).map(|_| open(server)).collect();
        assert_eq!(server.post("/words", "one").text(), "1 words\n");
        for socket in &mut sockets {
            socket.send(Message::text("still there?")).expect("sent");
            assert_eq!(socket.read().expect("a message"), Message::text("still there?"));
        }
    });
}

#[test]
fn without_a_handshake_there_is_no_websocket() {
    on_each_transport(|server| {
        let answer = server.get("/echo");
        assert_eq!((answer.status(), answer.field("Upgrade")), (426, Some("websocket")));
        let key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
        for (fields, missing) in [
            (format!("Sec-WebSocket-Version: 8\r\n{key}"), "the version"),
            ("Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: YQ==\r\n".to_owned(), "octets of the key"),
            ("Sec-WebSocket-Version: 13\r\n".to_owned(), "the key"),
        ] {
            let fields = format!("Connection: upgrade\r\nUpgrade: websocket\r\n{fields}");
            let answer = server.exchange("GET /echo", &fields, "");
            assert_eq!(
                (answer.status(), answer.field("Sec-WebSocket-Version")),
                (400, Some("13")),
                "{missing}"
            );
        }
    });
}
