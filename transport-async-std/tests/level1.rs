//! What level 1 owes, on the sockets of async-std and of smol.
#![cfg(all(feature = "async-std", feature = "smol"))]

use httpfsm::channel::Facts;
use httpfsm_async_std::connection;
use httpfsm_transport_kit::Kit;

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
        |socket, config| {
            Ok(connection(smol::net::unix::UnixStream::try_from(socket)?, config, Facts::default()))
        },
        |check| smol::block_on(check),
    );
    assert_eq!(checked, Ok(()));
}
