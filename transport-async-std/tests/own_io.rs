//! Connections over an I/O of one's own of futures-io, which holds what is written until it is flushed.
#![allow(clippy::unwrap_used)]

use std::future::{Future, pending, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_io::{AsyncRead, AsyncWrite};
use httpfsm::channel::{CompiledConfig, Facts};
use httpfsm::config::ServerConfig;
use httpfsm::handler::Request;
use httpfsm::peer::Peer;
use httpfsm::response::ResponseRef;
use httpfsm::{Fields, Status};
use httpfsm_async_std::{Event, Io, connection_over, connections};
use httpfsm_transport::Wire;
use httpfsm_transport::memory::{MemoryWire, pair};
use httpfsm_transport_kit::Buffering;

const BODY: usize = 30_000;
const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

struct BufferingIo(Buffering<MemoryWire>);

impl AsyncRead for BufferingIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        self.0.poll_read(cx, buffer)
    }
}

impl AsyncWrite for BufferingIo {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.0.poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_close_write(cx)
    }
}

/// The server reads on behind its end for longer than anything here takes.
fn config() -> ServerConfig {
    let mut config = ServerConfig::default();
    config.channel.linger_timeout = Some(Duration::from_secs(60));
    config
}

/// All that comes to the end, a few bytes at a time.
async fn read_slowly(client: &mut MemoryWire) -> String {
    let (mut received, mut buffer) = (Vec::new(), [0; 700]);
    loop {
        match poll_fn(|cx| client.poll_read(cx, &mut buffer)).await.unwrap() {
            0 => return String::from_utf8(received).unwrap(),
            read => received.extend_from_slice(&buffer[..read]),
        }
        futures_lite::future::yield_now().await;
    }
}

/// What a client receives of a connection that is served meanwhile, to its half-close, or to its close where the peer has
/// ended its input.
fn response(mut client: MemoryWire, peer_ends: bool, connection: impl Future<Output = ()>) -> String {
    let reads = async move {
        assert_eq!(poll_fn(|cx| client.poll_write(cx, GET)).await.unwrap(), GET.len());
        if peer_ends {
            poll_fn(|cx| client.poll_close_write(cx)).await.unwrap();
        }
        (read_slowly(&mut client).await, client)
    };
    let mut connection = pin!(connection);
    async_io::block_on(async {
        let mut ended = false;
        let serves = async {
            connection.as_mut().await;
            ended = true;
            pending().await
        };
        let (response, client) = futures_lite::future::or(serves, reads).await;
        assert_eq!(ended, peer_ends, "a half-close, or a close");
        drop(client);
        if !ended {
            connection.await;
        }
        response
    })
}

fn is_whole(response: &str) -> bool {
    response.ends_with(&format!("\r\n\r\n{}", "x".repeat(BODY)))
}

#[test]
fn a_handler_is_served_over_it_and_nothing_is_lost_at_the_end() {
    let server = connections(config(), |_: Request| async { "x".repeat(BODY) }).unwrap();
    for peer_ends in [false, true] {
        let (near, far) = pair(1000);
        let wire = Io::new(BufferingIo(Buffering::new(far)));
        let connection = server.serve_connection(wire, Peer::Unix(None), Peer::Unix(None)).unwrap();
        let response = response(near, peer_ends, connection);
        assert!(is_whole(&response), "{} bytes", response.len());
    }
    async_io::block_on(server.handle().begin_drain(None).gone());
}

#[test]
fn a_connection_is_pulled_over_it_event_by_event() {
    let (near, far) = pair(1000);
    let compiled = Arc::new(CompiledConfig::new(&config().channel));
    let mut connection = connection_over(BufferingIo(Buffering::new(far)), compiled, Facts::default());
    let served = async move {
        while let Some(event) = connection.next_event().await {
            if let Event::Request = event {
                let (fields, body) = (Fields::new(), "x".repeat(BODY));
                let response = ResponseRef::new(Status::OK, &fields, body.as_bytes());
                connection.respond(response).unwrap();
            }
        }
    };
    let response = response(near, false, served);
    assert!(is_whole(&response), "{} bytes", response.len());
}
