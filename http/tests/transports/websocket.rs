//! WebSockets by a library over the connection of an upgrade.

use std::net::TcpStream;

use axum::Router;
use axum::extract::Extension;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use futures_util::{SinkExt, StreamExt};
use httpfsm::ServerConfig;
use httpfsm_http::Upgrade;
use httpfsm_tokio::TokioIo;
use httpfsm_transport::block_on;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, frame::coding::CloseCode};
use tokio_tungstenite::tungstenite::{Message, WebSocket, client};

use crate::on_each;

/// Sends back what it gets. On a thread, since there is a runtime on tokio alone.
async fn echo(Extension(upgrade): Extension<Upgrade>, headers: HeaderMap) -> Response {
    let accept = derive_accept_key(headers["sec-websocket-key"].as_bytes());
    std::thread::spawn(move || {
        block_on(async {
            let io = TokioIo::new(upgrade.connection().await.unwrap());
            let mut socket = WebSocketStream::from_raw_socket(io, Role::Server, None).await;
            while let Some(Ok(message)) = socket.next().await {
                if message.is_text() || message.is_binary() {
                    socket.send(message).await.unwrap();
                }
            }
        });
    });
    let fields = [("connection", "upgrade"), ("upgrade", "websocket"), ("sec-websocket-accept", &accept)];
    (StatusCode::SWITCHING_PROTOCOLS, fields).into_response()
}

fn open(server: &crate::Running) -> WebSocket<TcpStream> {
    let address = format!("ws://{}/", server.address);
    client(address, server.connect()).unwrap().0
}

#[test]
fn messages_come_back_and_a_close_is_a_close() {
    let app = Router::new().route("/", any(echo));
    on_each(&ServerConfig::default(), &app, |server| {
        let mut socket = open(server);
        let messages = [
            Message::text("one"),
            Message::binary(vec![0, 255]),
            Message::text(""),
            // Longer than any buffer.
            Message::binary((0..1_000_000_u32).map(|at| at as u8).collect::<Vec<_>>()),
        ];
        for message in messages {
            socket.send(message.clone()).unwrap();
            assert!(socket.read().unwrap() == message, "{:?}", server.on);
        }
        socket.send(Message::Ping("ping".into())).unwrap();
        assert_eq!(socket.read().unwrap(), Message::Pong("ping".into()), "{:?}", server.on);
        let close = CloseFrame { code: CloseCode::Normal, reason: "enough".into() };
        socket.close(Some(close.clone())).unwrap();
        assert_eq!(socket.read().unwrap(), Message::Close(Some(close)), "{:?}", server.on);
        assert!(matches!(socket.read(), Err(tokio_tungstenite::tungstenite::Error::ConnectionClosed)));
    });
}
