//! Level 1 over real sockets, on a thread of the test's.
#![allow(clippy::unwrap_used)]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use httpfsm::config::ChannelConfig;
use httpfsm::error::CloseReason;
use httpfsm::{BodyRef, CompiledConfig, Fields, ResponseRef, State, Status};
use httpfsm_blocking::{Connection, Event, Stream, connection};
use socket2::SockRef;

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";

fn pair(config: &ChannelConfig) -> (TcpStream, Connection) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let accepted = listener.accept().unwrap().0;
    (client, connection(accepted, Arc::new(CompiledConfig::new(config))).unwrap())
}

/// Resets the connection.
fn cut(client: TcpStream) {
    SockRef::from(&client).set_linger(Some(Duration::ZERO)).unwrap();
    drop(client);
}

fn await_request(connection: &mut Connection) {
    while !matches!(connection.next_event(), Some(Event::Request)) {}
}

/// Echoes what it is sent, and ends with the reason of the close.
fn echo(mut connection: Connection) -> CloseReason {
    let fields = Fields::new();
    loop {
        match connection.next_event().unwrap() {
            Event::Request => {
                connection.demand(100).unwrap();
                let body = BodyRef::Stream { length: None };
                connection.respond(ResponseRef { status: Status::OK, fields: &fields, body }).unwrap();
            }
            Event::BodyData(bytes) => {
                connection.demand(bytes.len() as u64).unwrap();
                connection.write(bytes).unwrap();
            }
            Event::BodyEnd(_) => connection.finish(None).unwrap(),
            Event::Closed(reason) => return reason,
            _ => {}
        }
    }
}

#[test]
fn a_large_body_is_echoed() {
    let (mut client, connection) = pair(&ChannelConfig::default());
    let mut output = client.try_clone().unwrap();
    let send = thread::spawn(move || {
        output.write_all(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n").unwrap();
        for _ in 0..10 {
            output.write_all(&[b'x'; 100_000]).unwrap();
        }
        output.shutdown(std::net::Shutdown::Write).unwrap();
    });
    let serve = thread::spawn(|| echo(connection));
    let mut response = Vec::new();
    client.read_to_end(&mut response).unwrap();
    send.join().unwrap();
    serve.join().unwrap();
    assert_eq!(response.iter().filter(|&&byte| byte == b'x').count(), 1_000_000);
    assert!(response.ends_with(b"\r\n0\r\n\r\n"));
}

#[test]
fn a_unix_socket_is_served() {
    let (mut client, served) = UnixStream::pair().unwrap();
    let connection = connection(served, Arc::new(CompiledConfig::new(&ChannelConfig::default()))).unwrap();
    client.write_all(GET).unwrap();
    client.shutdown(std::net::Shutdown::Write).unwrap();
    echo(connection);
    let mut response = String::new();
    client.read_to_string(&mut response).unwrap();
    assert!(response.starts_with("HTTP/1.1 200 OK\r\n"), "{response}");
}

#[test]
fn a_deadline_comes_while_an_event_is_awaited() {
    let config =
        ChannelConfig { first_byte_timeout: Some(Duration::from_millis(20)), ..ChannelConfig::default() };
    let (mut client, connection) = pair(&config);
    assert_eq!(echo(connection), CloseReason::FirstByteTimeout);
    assert_eq!(client.read(&mut [0; 1]).unwrap(), 0);
}

#[test]
fn a_lost_connection_is_an_event_while_the_response_is_made() {
    let (mut client, mut connection) = pair(&ChannelConfig::default());
    client.write_all(GET).unwrap();
    await_request(&mut connection);
    assert_eq!(connection.request().unwrap().target(), "/");
    cut(client);
    assert!(matches!(connection.next_event(), Some(Event::Closed(CloseReason::Disconnected))));
    assert!(connection.next_event().is_none());
}

#[test]
fn an_upgraded_connection_is_taken_apart_and_its_socket_blocks() {
    let (mut client, mut connection) = pair(&ChannelConfig::default());
    client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\nrest").unwrap();
    let fields = Fields::new().with("Connection", "upgrade").unwrap().with("Upgrade", "x").unwrap();
    let leftover = loop {
        match connection.next_event().unwrap() {
            Event::Request => {
                let status = Status::SWITCHING_PROTOCOLS;
                let response = ResponseRef { status, fields: &fields, body: BodyRef::Empty };
                connection.respond(response).unwrap();
            }
            Event::Upgraded(leftover) => break leftover,
            _ => {}
        }
    };
    assert_eq!(leftover, b"rest"[..]);
    assert!(connection.next_event().is_none());
    let Some(Stream::Tcp(mut stream)) = connection.into_parts().unwrap().stream else { panic!("it was TCP") };
    let later = thread::spawn(move || {
        thread::sleep(Duration::from_millis(20));
        client.write_all(b"more").unwrap();
    });
    let mut more = [0; 4];
    stream.read_exact(&mut more).unwrap();
    assert_eq!(&more, b"more");
    later.join().unwrap();
}

#[test]
fn a_unix_socket_is_given_back_and_blocks() {
    let (mut client, served) = UnixStream::pair().unwrap();
    let mut connection =
        connection(served, Arc::new(CompiledConfig::new(&ChannelConfig::default()))).unwrap();
    assert!(matches!(connection.next_event(), Some(Event::Opened)));
    let Some(Stream::Unix(mut stream)) = connection.into_parts().unwrap().stream else {
        panic!("it was Unix")
    };
    let later = thread::spawn(move || {
        thread::sleep(Duration::from_millis(20));
        client.write_all(b"more").unwrap();
    });
    let mut more = [0; 4];
    stream.read_exact(&mut more).unwrap();
    assert_eq!(&more, b"more");
    later.join().unwrap();
}

#[test]
fn interim_responses_go_before_the_one_for_an_application_that_fails() {
    let (mut client, mut connection) = pair(&ChannelConfig::default());
    client
        .write_all(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n")
        .unwrap();
    await_request(&mut connection);
    let hint = Fields::new().with("Link", "</a>").unwrap();
    connection.informational(Status::EARLY_HINTS, &hint).unwrap();
    connection.send_continue().unwrap();
    connection.abort(Some("the disk is gone")).unwrap();
    assert!(connection.abort(None).is_err(), "it has its response");
    assert_eq!(connection.channel().state(), State::Closing);
    assert!(format!("{connection:?}").contains("Closing"));
    let reader = thread::spawn(move || {
        let mut response = String::new();
        client.read_to_string(&mut response).unwrap();
        response
    });
    while connection.next_event().is_some() {}
    let response = reader.join().unwrap();
    let statuses: Vec<_> =
        response.match_indices("HTTP/1.1 ").map(|(at, _)| &response[at + 9..at + 12]).collect();
    assert_eq!(statuses, ["103", "100", "500"], "{response}");
    assert!(!response.contains("disk"), "{response}");
}

#[test]
fn a_peer_that_does_not_read_ends_a_write_at_its_deadline() {
    let config = ChannelConfig {
        write_timeout: Some(Duration::from_millis(50)),
        min_write_rate: 0,
        ..ChannelConfig::default()
    };
    let (mut client, mut connection) = pair(&config);
    client.write_all(GET).unwrap();
    await_request(&mut connection);
    let fields = Fields::new();
    let head = ResponseRef { status: Status::OK, fields: &fields, body: BodyRef::Stream { length: None } };
    connection.respond(head).unwrap();
    let piece = Bytes::from(vec![b'x'; 1 << 20]);
    while connection.write(piece.clone()).is_ok() {}
    assert_eq!(echo(connection), CloseReason::WriteTimeout);

    let (mut client, mut connection) = pair(&ChannelConfig::default());
    client.write_all(GET).unwrap();
    await_request(&mut connection);
    connection.respond(head).unwrap();
    connection.write(vec![b'x'; 64 << 20]).unwrap();
    cut(client);
    assert!(connection.flush().is_err(), "what is lost was not flushed");
}

#[test]
fn a_connection_that_is_told_to_go_closes_after_its_response() {
    let (mut client, mut connection) = pair(&ChannelConfig::default());
    client.write_all(GET).unwrap();
    await_request(&mut connection);
    connection.go_out().unwrap();
    connection.respond(ResponseRef::new(Status::OK, &Fields::new(), b"fine")).unwrap();
    connection.flush().unwrap();
    let reader = thread::spawn(move || {
        let mut response = String::new();
        client.read_to_string(&mut response).unwrap();
        response
    });
    while connection.next_event().is_some() {}
    let response = reader.join().unwrap();
    assert!(response.contains("\r\nConnection: close\r\n") && response.ends_with("fine"), "{response}");
}
