//! An upgraded connection for what speaks tokio's traits.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use httpfsm::handler::Upgraded;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// An [`Upgraded`] connection as tokio's `AsyncRead` and `AsyncWrite`, for the libraries of WebSockets, for `copy` and
/// `copy_bidirectional`, for codecs. Its errors are of the kinds that a socket's would be, and carry the
/// [`IoFailure`](httpfsm::handler::IoFailure). It needs no runtime, so it serves a connection of any transport.
///
/// `shutdown` flushes and ends our output (FIN); reading goes on. Dropping it closes the connection.
///
/// A WebSocket that sends back what it gets, over tokio-tungstenite:
///
/// ```
/// use futures_util::{SinkExt, StreamExt};
/// use httpfsm::{Request, Response};
/// use httpfsm_tokio::TokioIo;
/// use tokio_tungstenite::WebSocketStream;
/// use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
/// use tokio_tungstenite::tungstenite::protocol::Role;
///
/// async fn echo(request: Request) -> Response {
///     let Some(key) = request.field("Sec-WebSocket-Key") else {
///         return Response::text("Here is a WebSocket.");
///     };
///     let accept = derive_accept_key(key);
///     let upgrade = request.upgrade();
///     tokio::spawn(async move {
///         let Ok(upgraded) = upgrade.await else { return };
///         let io = TokioIo::new(upgraded);
///         let mut socket = WebSocketStream::from_raw_socket(io, Role::Server, None).await;
///         while let Some(Ok(message)) = socket.next().await {
///             if (message.is_text() || message.is_binary()) && socket.send(message).await.is_err() {
///                 return;
///             }
///         }
///     });
///     Response::switching_protocols("websocket").with_field("Sec-WebSocket-Accept", accept)
/// }
/// # let _ = echo;
/// ```
#[derive(Debug)]
pub struct TokioIo(Upgraded);

impl TokioIo {
    /// Adapts a connection; what came ahead of it is read first.
    #[must_use]
    pub fn new(upgraded: Upgraded) -> Self {
        Self(upgraded)
    }

    /// Gives the connection back.
    #[must_use]
    pub fn into_inner(self) -> Upgraded {
        self.0
    }
}

impl AsyncRead for TokioIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let bytes = ready!(self.0.poll_read(cx, buffer.initialize_unfilled()))?;
        buffer.advance(bytes);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for TokioIo {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.0.poll_write(cx, bytes).map_err(io::Error::from)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_flush(cx).map_err(io::Error::from)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_close(cx).map_err(io::Error::from)
    }
}
