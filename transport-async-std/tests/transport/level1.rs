//! Level 1 on the runtimes' own sockets: a connection pulled event by event, its futures dropped at every turn.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener};
use std::os::fd::AsFd;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_lite::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use httpfsm::config::ChannelConfig;
use httpfsm::error::CloseReason;
use httpfsm::{BodyRef, CompiledConfig, Fields, ResponseRef, Rule, Status};
use httpfsm_async_std::{Connection, Event, connection};

use crate::HANG;

trait Socket: AsyncRead + AsyncWrite + AsFd + Send + Unpin + 'static {}
impl<S: AsyncRead + AsyncWrite + AsFd + Send + Unpin + 'static> Socket for S {}

/// The client's end, and the server's.
fn tcp() -> (std::net::TcpStream, std::net::TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    client.set_read_timeout(Some(HANG)).unwrap();
    (client, listener.accept().unwrap().0)
}

fn unix() -> (std::os::unix::net::UnixStream, std::os::unix::net::UnixStream) {
    let (client, server) = std::os::unix::net::UnixStream::pair().unwrap();
    client.set_read_timeout(Some(HANG)).unwrap();
    (client, server)
}

/// Makes of each function a test on each kind of socket.
macro_rules! on_each_socket {
    ($($name:ident)*) => { $(
        mod $name {
            use super::{tcp, unix};
            #[test]
            fn tcp_of_async_std() {
                let (client, server) = tcp();
                async_std::task::block_on(super::bodies::$name(client.into(), async_std::net::TcpStream::from(server)));
            }
            #[test]
            fn unix_of_async_std() {
                let (client, server) = unix();
                let server = async_std::os::unix::net::UnixStream::from(server);
                async_std::task::block_on(super::bodies::$name(client.into(), server));
            }
            #[test]
            fn tcp_of_smol() {
                let (client, server) = tcp();
                smol::block_on(super::bodies::$name(client.into(), smol::net::TcpStream::try_from(server).unwrap()));
            }
            #[test]
            fn unix_of_smol() {
                let (client, server) = unix();
                let server = smol::net::unix::UnixStream::try_from(server).unwrap();
                smol::block_on(super::bodies::$name(client.into(), server));
            }
        }
    )* };
}

on_each_socket! {
    an_echo_loses_nothing_when_its_futures_are_dropped
    a_deadline_comes_while_an_event_is_awaited
    an_earlier_deadline_replaces_the_one_that_was_awaited
    a_lost_connection_is_an_event_while_the_response_is_made
    an_upgraded_connection_is_taken_apart
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
        smol::future::yield_now().await;
    }
}

fn open<S: Socket>(socket: S, config: &ChannelConfig) -> Connection<S> {
    connection(socket, Arc::new(CompiledConfig::new(config)))
}

/// Echoes what it is sent, and ends with the reason of the close.
async fn echo<S: Socket>(mut connection: Connection<S>) -> CloseReason {
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

mod bodies {
    use super::*;

    pub(super) async fn an_echo_loses_nothing_when_its_futures_are_dropped<S: Socket>(
        client: socket2::Socket,
        server: S,
    ) {
        let mut output = client.try_clone().unwrap();
        let send = std::thread::spawn(move || {
            output.write_all(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n").unwrap();
            output.write_all(&vec![b'x'; 1_000_000]).unwrap();
            output.shutdown(Shutdown::Write).unwrap();
        });
        let receive = std::thread::spawn(move || {
            let mut response = Vec::new();
            (&client).read_to_end(&mut response).unwrap();
            response
        });
        echo(open(server, &ChannelConfig::default())).await;
        send.join().unwrap();
        let response = receive.join().unwrap();
        assert_eq!(response.iter().filter(|&&byte| byte == b'x').count(), 1_000_000);
        assert!(response.ends_with(b"\r\n0\r\n\r\n"));
    }

    pub(super) async fn a_deadline_comes_while_an_event_is_awaited<S: Socket>(
        client: socket2::Socket,
        server: S,
    ) {
        let config =
            ChannelConfig { first_byte_timeout: Some(Duration::from_millis(20)), ..ChannelConfig::default() };
        let mut connection = open(server, &config);
        let reason = loop {
            if let Some(Event::Closed(reason)) = connection.next_event().await {
                break reason;
            }
        };
        assert_eq!(reason, CloseReason::FirstByteTimeout);
        assert_eq!((&client).read(&mut [0; 1]).unwrap(), 0);
    }

    pub(super) async fn an_earlier_deadline_replaces_the_one_that_was_awaited<S: Socket>(
        client: socket2::Socket,
        server: S,
    ) {
        let config = ChannelConfig {
            first_byte_timeout: Some(Duration::from_secs(3600)),
            head_timeout: Some(Duration::from_millis(20)),
            ..ChannelConfig::default()
        };
        let mut connection = open(server, &config);
        assert!(matches!(connection.next_event().await, Some(Event::Opened)));
        let mut awaited = pin!(connection.next_event());
        assert!(smol::future::poll_once(&mut awaited).await.is_none(), "the first deadline is far");
        (&client).write_all(b"GET /").unwrap();
        let event = awaited.await;
        assert!(
            matches!(&event, Some(Event::Refused(error)) if error.rule == Rule::HeadTimeout),
            "{event:?}"
        );
    }

    pub(super) async fn a_lost_connection_is_an_event_while_the_response_is_made<S: Socket>(
        client: socket2::Socket,
        server: S,
    ) {
        let mut connection = open(server, &ChannelConfig::default());
        (&client).write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        loop {
            if let Some(Event::Request) = connection.next_event().await {
                break;
            }
        }
        assert_eq!(connection.request().unwrap().target(), "/");
        client.set_linger(Some(Duration::ZERO)).unwrap();
        let is_unix = client.local_addr().unwrap().is_unix();
        drop(client);
        match connection.next_event().await {
            // A Unix socket that had nothing unread just ends; there is nobody to respond to.
            Some(Event::PeerEnded) if is_unix => {}
            event => assert!(matches!(event, Some(Event::Closed(CloseReason::Disconnected))), "{event:?}"),
        }
    }

    pub(super) async fn an_upgraded_connection_is_taken_apart<S: Socket>(client: socket2::Socket, server: S) {
        let mut connection = open(server, &ChannelConfig::default());
        let upgrade = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\nrest";
        (&client).write_all(upgrade).unwrap();
        let fields = Fields::new().with("Connection", "upgrade").unwrap().with("Upgrade", "x").unwrap();
        let leftover = loop {
            match connection.next_event().await.unwrap() {
                Event::Request => {
                    let (status, body) = (Status::SWITCHING_PROTOCOLS, BodyRef::Empty);
                    connection.respond(ResponseRef { status, fields: &fields, body }).unwrap();
                }
                Event::Upgraded(leftover) => break leftover,
                _ => {}
            }
        };
        assert_eq!(leftover, b"rest"[..]);
        assert!(connection.next_event().await.is_none());
        let mut socket = connection.into_parts().wire.unwrap().into_inner();
        (&client).write_all(b"more").unwrap();
        let mut more = [0; 4];
        socket.read_exact(&mut more).await.unwrap();
        socket.write_all(&more).await.unwrap();
        drop(socket);
        let mut response = Vec::new();
        (&client).read_to_end(&mut response).unwrap();
        assert!(response.starts_with(b"HTTP/1.1 101 ") && response.ends_with(b"\r\n\r\nmore"));
    }
}
