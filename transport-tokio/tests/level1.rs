//! What level 1 owes, on tokio's sockets.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use httpfsm::ChannelConfig;
use httpfsm::channel::{CompiledConfig, Facts};
use httpfsm::error::Rule;
use httpfsm_tokio::{Event, connection, connection_over};
use httpfsm_transport_kit::Kit;
use tokio::net::{TcpStream, UnixStream};
use tokio::runtime::Builder;

#[test]
fn a_connection_keeps_what_is_owed_over_tcp() {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let checked = Kit::default().level1_over_tcp(
        |socket, config| {
            socket.set_nonblocking(true)?;
            Ok(connection(TcpStream::from_std(socket)?, config, Facts::default()))
        },
        |check| runtime.block_on(check),
    );
    assert_eq!(checked, Ok(()));
}

#[test]
fn a_connection_keeps_what_is_owed_over_a_unix_socket() {
    let runtime = Builder::new_multi_thread().enable_all().build().unwrap();
    let checked = Kit::default().level1_over_unix(
        |socket, config| {
            socket.set_nonblocking(true)?;
            Ok(connection(UnixStream::from_std(socket)?, config, Facts::default()))
        },
        |check| runtime.block_on(check),
    );
    assert_eq!(checked, Ok(()));
}

/// Facts that refuse the first request are known to the machine before anything is read.
#[tokio::test]
async fn a_connection_is_opened_with_the_facts_it_is_given() {
    let facts = || Facts::default().with_refusal(Some(Rule::Preface));
    let compiled = Arc::new(CompiledConfig::new(&ChannelConfig::default()));
    let (_client, served) = UnixStream::pair().unwrap();
    let mut on_socket = connection(served, Arc::clone(&compiled), facts());
    let (_peer, io) = tokio::io::duplex(1000);
    let mut over_io = connection_over(io, compiled, facts());
    for event in [on_socket.next_event().await, over_io.next_event().await] {
        assert!(matches!(event, Some(Event::Opened)), "{event:?}");
    }
    for event in [on_socket.next_event().await, over_io.next_event().await] {
        assert!(matches!(event, Some(Event::Refused(error)) if error.rule == Rule::Preface), "{event:?}");
    }
}
