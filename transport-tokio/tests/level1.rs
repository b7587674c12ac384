//! What level 1 owes, on tokio's sockets.
#![allow(clippy::unwrap_used)]

use httpfsm::channel::Facts;
use httpfsm_tokio::connection;
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
