//! What level 1 owes, on a thread of the test's.
#![allow(clippy::unwrap_used)]

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use httpfsm::channel::{CompiledConfig, Facts, NotAccepted};
use httpfsm::config::ChannelConfig;
use httpfsm::error::Rule;
use httpfsm::response::ResponseRef;
use httpfsm::{Channel, Fields, Status};
use httpfsm_blocking::{Connection, Event, Stream, connection};
use httpfsm_transport::block_on;
use httpfsm_transport_kit::{Kit, Level1};

/// Its calls wait on this thread, so its futures are ready at once.
struct ThreadConnection(Connection);

impl Level1 for ThreadConnection {
    async fn next_event(&mut self) -> Option<Event> {
        self.0.next_event()
    }

    fn demand(&mut self, bytes: u64) -> Result<(), NotAccepted> {
        self.0.demand(bytes)
    }

    fn respond(&mut self, response: ResponseRef<'_>) -> Result<(), NotAccepted> {
        self.0.respond(response)
    }

    fn informational(&mut self, status: Status, fields: &Fields) -> Result<(), NotAccepted> {
        self.0.informational(status, fields)
    }

    fn send_continue(&mut self) -> Result<(), NotAccepted> {
        self.0.send_continue()
    }

    async fn write(&mut self, bytes: Bytes) -> Result<(), NotAccepted> {
        self.0.write(bytes)
    }

    async fn flush(&mut self) -> Result<(), NotAccepted> {
        self.0.flush()
    }

    async fn finish(&mut self, trailers: Option<&Fields>) -> Result<(), NotAccepted> {
        self.0.finish(trailers)
    }

    fn abort(&mut self, text: Option<&str>) -> Result<(), NotAccepted> {
        self.0.abort(text)
    }

    fn go_out(&mut self) -> Result<(), NotAccepted> {
        self.0.go_out()
    }

    fn channel(&self) -> &Channel {
        self.0.channel()
    }

    async fn echo_on_socket(self, bytes: usize) -> io::Result<()> {
        let mut buffer = vec![0; bytes];
        match self.0.into_parts()?.stream.ok_or(io::ErrorKind::NotConnected)? {
            Stream::Tcp(mut stream) => {
                stream.read_exact(&mut buffer)?;
                stream.write_all(&buffer)
            }
            Stream::Unix(mut stream) => {
                stream.read_exact(&mut buffer)?;
                stream.write_all(&buffer)
            }
        }
    }
}

#[test]
fn a_connection_keeps_what_is_owed_over_tcp() {
    let checked = Kit::default().level1_over_tcp(
        |socket, config| connection(socket, config, Facts::default()).map(ThreadConnection),
        |check| block_on(check),
    );
    assert_eq!(checked, Ok(()));
}

#[test]
fn a_connection_keeps_what_is_owed_over_a_unix_socket() {
    let checked = Kit::default().level1_over_unix(
        |socket, config| connection(socket, config, Facts::default()).map(ThreadConnection),
        |check| block_on(check),
    );
    assert_eq!(checked, Ok(()));
}

#[test]
fn a_socket_that_is_given_back_without_a_request_blocks() {
    let (mut client, served) = UnixStream::pair().unwrap();
    let compiled = Arc::new(CompiledConfig::new(&ChannelConfig::default()));
    let mut connection = connection(served, compiled, Facts::default()).unwrap();
    assert!(matches!(connection.next_event(), Some(Event::Opened)));
    let later = thread::spawn(move || {
        thread::sleep(Duration::from_millis(20));
        client.write_all(b"more").unwrap();
        let mut more = [0; 4];
        client.read_exact(&mut more).unwrap();
        more
    });
    block_on(ThreadConnection(connection).echo_on_socket(4)).unwrap();
    assert_eq!(&later.join().unwrap(), b"more");
}

/// Facts that refuse the first request are known to the machine before anything is read.
#[test]
fn a_connection_is_opened_with_the_facts_it_is_given() {
    let (_client, served) = UnixStream::pair().unwrap();
    let compiled = Arc::new(CompiledConfig::new(&ChannelConfig::default()));
    let facts = Facts::default().with_refusal(Some(Rule::Preface));
    let mut connection = connection(served, compiled, facts).unwrap();
    assert!(matches!(connection.next_event(), Some(Event::Opened)));
    let event = connection.next_event();
    assert!(matches!(event, Some(Event::Refused(error)) if error.rule == Rule::Preface), "{event:?}");
}
