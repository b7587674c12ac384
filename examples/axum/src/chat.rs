//! A chat over WebSockets: the handshake is HTTP, the rest is tungstenite's.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::{SinkExt, StreamExt};
use httpfsm_http::Upgrade;
use httpfsm_transport::FuturesIo;
use tokio::sync::broadcast::{self, error::RecvError};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig, frame::coding::CloseCode};
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};
use tokio_util::compat::FuturesAsyncReadCompatExt;
use tokio_util::sync::CancellationToken;

/// Who reads slower than this many messages come misses some.
const BACKLOG: usize = 64;
const LONGEST: usize = 16 << 10;

#[derive(Clone)]
pub(crate) struct Chat {
    said: broadcast::Sender<Utf8Bytes>,
    ending: CancellationToken,
}

impl Chat {
    /// Everybody gets a Close frame when the token is cancelled.
    pub(crate) fn until(ending: CancellationToken) -> Self {
        Self { said: broadcast::Sender::new(BACKLOG), ending }
    }
}

/// Switches to a WebSocket (RFC 6455 section 4.2).
pub(crate) async fn join(State(chat): State<Chat>, upgrade: Option<Upgrade>, headers: HeaderMap) -> Response {
    let is = |name, wanted: &str| {
        headers.get(name).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(wanted.as_bytes()))
    };
    let key = headers.get(header::SEC_WEBSOCKET_KEY);
    let (Some(upgrade), Some(key)) = (upgrade.filter(|_| is(header::UPGRADE, "websocket")), key) else {
        return (StatusCode::UPGRADE_REQUIRED, [(header::UPGRADE, "websocket")]).into_response();
    };
    if !is(header::SEC_WEBSOCKET_VERSION, "13") {
        return (StatusCode::BAD_REQUEST, [(header::SEC_WEBSOCKET_VERSION, "13")]).into_response();
    }
    tokio::spawn(talk(upgrade, chat));
    let fields = [
        (header::CONNECTION, "upgrade".to_owned()),
        (header::UPGRADE, "websocket".to_owned()),
        (header::SEC_WEBSOCKET_ACCEPT, derive_accept_key(key.as_bytes())),
    ];
    (StatusCode::SWITCHING_PROTOCOLS, fields).into_response()
}

/// Sends to everybody what one says.
async fn talk(upgrade: Upgrade, chat: Chat) -> Result<(), Error> {
    // Where there is no connection, it was lost, and nobody is to be told.
    let Ok(connection) = upgrade.connection().await else { return Ok(()) };
    let connection = FuturesIo::new(connection).compat();
    // A message is judged when its frame is whole, a frame when it begins.
    let config = WebSocketConfig::default().max_message_size(Some(LONGEST)).max_frame_size(Some(LONGEST));
    let mut socket = WebSocketStream::from_raw_socket(connection, Role::Server, Some(config)).await;
    let mut heard = chat.said.subscribe();
    socket.send(Message::text("welcome")).await?;
    loop {
        tokio::select! {
            said = socket.next() => match said.transpose()? {
                // With nobody here, nobody hears it.
                Some(Message::Text(text)) => drop(chat.said.send(text)),
                Some(_) => {}
                None => return Ok(()),
            },
            text = heard.recv() => match text {
                Ok(text) => socket.send(Message::Text(text)).await?,
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return socket.close(None).await,
            },
            () = chat.ending.cancelled() => {
                let frame = CloseFrame { code: CloseCode::Away, reason: Utf8Bytes::default() };
                return socket.close(Some(frame)).await;
            }
        }
    }
}
