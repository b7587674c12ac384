//! Level 1 over real sockets: a connection pulled event by event, its futures dropped at every turn.
#![allow(clippy::unwrap_used)]

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use httpfsm::config::ChannelConfig;
use httpfsm::error::CloseReason;
use httpfsm::{BodyRef, CompiledConfig, Fields, ResponseRef, Status};
use httpfsm_tokio::{Connection, Event, connection};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixStream};

async fn pair(config: ChannelConfig) -> (TcpStream, Connection) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (client, accepted) =
        tokio::join!(TcpStream::connect(listener.local_addr().unwrap()), listener.accept());
    (client.unwrap(), connection(accepted.unwrap().0, Arc::new(CompiledConfig::new(&config))))
}

/// Polls futures of one kind once each until one is ready; every one that is not is dropped.
async fn impatient<T>(mut ask: impl AsyncFnMut() -> T) -> T {
    loop {
        let mut once = pin!(ask());
        let polled = std::future::poll_fn(|cx: &mut Context<'_>| match once.as_mut().poll(cx) {
            Poll::Ready(value) => Poll::Ready(Some(value)),
            Poll::Pending => Poll::Ready(None),
        });
        if let Some(value) = polled.await {
            return value;
        }
        tokio::task::yield_now().await;
    }
}

/// Echoes what it is sent, and ends with the reason of the close.
async fn echo(mut connection: Connection) -> CloseReason {
    let fields = Fields::new();
    loop {
        match impatient(async || connection.next_event().await).await.unwrap() {
            Event::Request => {
                connection.demand(100).unwrap();
                let body = BodyRef::Stream { length: None };
                connection.respond(ResponseRef { status: Status::OK, fields: &fields, body }).unwrap();
            }
            Event::BodyData(bytes) => {
                connection.demand(bytes.len() as u64).unwrap();
                impatient(async || connection.write(bytes.clone()).await).await.unwrap();
            }
            Event::BodyEnd(_) => connection.finish(None).await.unwrap(),
            Event::Closed(reason) => return reason,
            _ => {}
        }
    }
}

#[tokio::test]
async fn an_echo_loses_nothing_when_its_futures_are_dropped() {
    let (mut client, connection) = pair(ChannelConfig::default()).await;
    let piece = Bytes::from(vec![b'x'; 100_000]);
    let (mut input, mut output) = client.split();
    let send = async {
        output.write_all(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n").await.unwrap();
        for _ in 0..10 {
            output.write_all(&piece).await.unwrap();
        }
        output.shutdown().await.unwrap();
    };
    let receive = async {
        let mut response = Vec::new();
        input.read_to_end(&mut response).await.unwrap();
        response
    };
    let ((), response, _) = tokio::join!(send, receive, echo(connection));
    assert_eq!(response.iter().filter(|&&byte| byte == b'x').count(), 1_000_000);
    assert!(response.ends_with(b"\r\n0\r\n\r\n"));
}

#[tokio::test]
async fn a_unix_socket_is_served() {
    let (mut client, served) = UnixStream::pair().unwrap();
    let connection = connection(served, Arc::new(CompiledConfig::new(&ChannelConfig::default())));
    client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    client.shutdown().await.unwrap();
    assert_eq!(echo(connection).await, CloseReason::PeerEnded);
    let mut response = String::new();
    client.read_to_string(&mut response).await.unwrap();
    assert!(response.starts_with("HTTP/1.1 200 OK\r\n"), "{response}");
}

#[tokio::test]
async fn a_deadline_comes_while_an_event_is_awaited() {
    let config =
        ChannelConfig { first_byte_timeout: Some(Duration::from_millis(20)), ..ChannelConfig::default() };
    let (mut client, connection) = pair(config).await;
    assert_eq!(echo(connection).await, CloseReason::FirstByteTimeout);
    assert_eq!(client.read(&mut [0; 1]).await.unwrap(), 0);
}

#[tokio::test]
async fn a_lost_connection_is_an_event_while_the_response_is_made() {
    let (mut client, mut connection) = pair(ChannelConfig::default()).await;
    client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    loop {
        if let Some(Event::Request) = connection.next_event().await {
            break;
        }
    }
    assert_eq!(connection.request().unwrap().target(), "/");
    client.set_zero_linger().unwrap();
    drop(client);
    assert!(matches!(connection.next_event().await, Some(Event::Closed(CloseReason::Disconnected))));
    assert!(connection.next_event().await.is_none());
}

#[tokio::test]
async fn an_upgraded_connection_is_taken_apart() {
    let (mut client, mut connection) = pair(ChannelConfig::default()).await;
    client
        .write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\nrest")
        .await
        .unwrap();
    let fields = Fields::new().with("Connection", "upgrade").unwrap().with("Upgrade", "x").unwrap();
    let leftover = loop {
        match connection.next_event().await.unwrap() {
            Event::Request => {
                let response = ResponseRef {
                    status: Status::SWITCHING_PROTOCOLS,
                    fields: &fields,
                    body: BodyRef::Empty,
                };
                connection.respond(response).unwrap();
            }
            Event::Upgraded(leftover) => break leftover,
            _ => {}
        }
    };
    assert_eq!(leftover, b"rest"[..]);
    assert!(connection.next_event().await.is_none());
    assert!(connection.into_parts().wire.is_some());
}

#[tokio::test]
async fn a_peer_that_does_not_read_ends_a_write_at_its_deadline() {
    let config = ChannelConfig {
        write_timeout: Some(Duration::from_millis(50)),
        min_write_rate: 0,
        ..ChannelConfig::default()
    };
    let (mut client, mut connection) = pair(config).await;
    client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    while !matches!(connection.next_event().await, Some(Event::Request)) {}
    let head =
        ResponseRef { status: Status::OK, fields: &Fields::new(), body: BodyRef::Stream { length: None } };
    connection.respond(head).unwrap();
    let piece = Bytes::from(vec![b'x'; 1 << 20]);
    let endless = async { while connection.write(piece.clone()).await.is_ok() {} };
    tokio::time::timeout(Duration::from_secs(20), endless).await.expect("the deadline comes");
    assert_eq!(echo(connection).await, CloseReason::WriteTimeout);

    let (mut client, mut connection) = pair(ChannelConfig::default()).await;
    client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    while !matches!(connection.next_event().await, Some(Event::Request)) {}
    connection.respond(head).unwrap();
    connection.write(vec![b'x'; 64 << 20]).await.unwrap();
    client.set_zero_linger().unwrap();
    drop(client);
    assert!(connection.flush().await.is_err(), "what is lost was not flushed");
}
