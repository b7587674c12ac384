//! What level 1 owes, on the sockets of async-std and of smol.
#![cfg(all(feature = "async-std", feature = "smol"))]

use std::sync::Arc;

use httpfsm::ChannelConfig;
use httpfsm::channel::{CompiledConfig, Facts};
use httpfsm::error::Rule;
use httpfsm_async_std::{Event, connection, connection_over};
use httpfsm_transport_kit::Kit;
use smol::net::unix::UnixStream;

#[test]
fn a_connection_of_async_std_keeps_what_is_owed_over_tcp() {
    let checked = Kit::default().level1_over_tcp(
        |socket, config| Ok(connection(async_std::net::TcpStream::from(socket), config, Facts::default())),
        |check| async_std::task::block_on(check),
    );
    assert_eq!(checked, Ok(()));
}

#[test]
fn a_connection_of_async_std_keeps_what_is_owed_over_a_unix_socket() {
    let checked = Kit::default().level1_over_unix(
        |socket, config| {
            Ok(connection(async_std::os::unix::net::UnixStream::from(socket), config, Facts::default()))
        },
        |check| async_std::task::block_on(check),
    );
    assert_eq!(checked, Ok(()));
}

#[test]
fn a_connection_of_smol_keeps_what_is_owed_over_tcp() {
    let checked = Kit::default().level1_over_tcp(
        |socket, config| Ok(connection(smol::net::TcpStream::try_from(socket)?, config, Facts::default())),
        |check| smol::block_on(check),
    );
    assert_eq!(checked, Ok(()));
}

#[test]
fn a_connection_of_smol_keeps_what_is_owed_over_a_unix_socket() {
    let checked = Kit::default().level1_over_unix(
        |socket, config| Ok(connection(UnixStream::try_from(socket)?, config, Facts::default())),
        |check| smol::block_on(check),
    );
    assert_eq!(checked, Ok(()));
}

/// Facts that refuse the first request are known to the machine before anything is read.
#[test]
fn a_connection_is_opened_with_the_facts_it_is_given() -> std::io::Result<()> {
    let facts = || Facts::default().with_refusal(Some(Rule::Preface));
    let compiled = Arc::new(CompiledConfig::new(&ChannelConfig::default()));
    let ((_client, socket), (_peer, io)) = (UnixStream::pair()?, UnixStream::pair()?);
    let mut on_socket = connection(socket, Arc::clone(&compiled), facts());
    let mut over_io = connection_over(io, compiled, facts());
    smol::block_on(async {
        for event in [on_socket.next_event().await, over_io.next_event().await] {
            assert!(matches!(event, Some(Event::Opened)), "{event:?}");
        }
        for event in [on_socket.next_event().await, over_io.next_event().await] {
            assert!(matches!(event, Some(Event::Refused(error)) if error.rule == Rule::Preface), "{event:?}");
        }
    });
    Ok(())
}
