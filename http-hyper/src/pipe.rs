//! A connection of hyper over a pipe in memory, for one upgrade.

use std::io;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};

use http::header::{CONNECTION, HeaderValue, UPGRADE};
use http::{Request, Response, StatusCode};
use httpfsm_http::{Body, BoxError};
use httpfsm_transport::FuturesIo;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{
    AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf, copy, duplex, split,
};
use tokio::sync::oneshot;
use tokio_util::compat::FuturesAsyncReadCompatExt;

/// Bytes that the pipe holds in each direction.
const CAPACITY: usize = 64 * 1024;
/// What hyper is asked, so that it makes an `OnUpgrade`. It reaches no service of anybody's.
const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: pipe\r\nConnection: upgrade\r\nUpgrade: pipe\r\n\r\n";

/// Our end of the pipe, whose other end an `OnUpgrade` resolves to.
pub(crate) struct Pipe {
    io: DuplexStream,
    /// Lets hyper respond with 101. Dropped, the `OnUpgrade` resolves to an error.
    switch: oneshot::Sender<()>,
    /// Resolves when the other end is dropped.
    gone: oneshot::Receiver<()>,
}

/// Serves a connection of hyper in a task, up to its response. It gives nothing where the runtime shuts down.
pub(crate) async fn open() -> Option<(OnUpgrade, Pipe)> {
    let (mut io, other) = duplex(CAPACITY);
    let (give, given) = oneshot::channel();
    let (switch, switched) = oneshot::channel();
    let (guard, gone) = oneshot::channel();
    let once = Mutex::new(Some((give, switched)));
    let service = service_fn(move |request: Request<Incoming>| {
        let once = once.lock().unwrap_or_else(PoisonError::into_inner).take();
        async move {
            let (give, switched) = once.ok_or("a second request")?;
            let _ = give.send(hyper::upgrade::on(request));
            switched.await?;
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("upgrade"));
            response.headers_mut().insert(UPGRADE, HeaderValue::from_static("pipe"));
            Ok::<_, BoxError>(response)
        }
    });
    let other = TokioIo::new(Guarded { io: other, _guard: guard });
    tokio::spawn(http1::Builder::new().serve_connection(other, service).with_upgrades());
    io.write_all(REQUEST).await.ok()?;
    Some((given.await.ok()?, Pipe { io, switch, gone }))
}

impl Pipe {
    /// Copies between the client's connection and the pipe until both directions have ended, or one has failed.
    pub(crate) async fn join(self, client: httpfsm::handler::UpgradeFuture) -> Result<(), BoxError> {
        let client = FuturesIo::new(client.await?).compat();
        let Self { mut io, switch, gone } = self;
        let _ = switch.send(());
        // Of what hyper writes, its response is nobody's.
        let mut response = Vec::new();
        while !response.ends_with(b"\r\n\r\n") {
            response.push(io.read_u8().await?);
        }
        let (mut from_client, mut to_client) = split(client);
        let (mut from_service, mut to_service) = split(io);
        let up = async {
            tokio::select! {
                copied = copy(&mut from_client, &mut to_service) => drop(copied?),
                // Nobody will read more.
                _ = gone => {}
            }
            to_service.shutdown().await
        };
        let down = async {
            copy(&mut from_service, &mut to_client).await?;
            to_client.shutdown().await
        };
        tokio::try_join!(up, down)?;
        Ok(())
    }
}

/// The end that hyper has, and after it who awaits the `OnUpgrade`. A pipe cannot tell by itself that it was dropped from
/// that its output was ended.
struct Guarded {
    io: DuplexStream,
    _guard: oneshot::Sender<()>,
}

impl AsyncRead for Guarded {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, into)
    }
}

impl AsyncWrite for Guarded {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
