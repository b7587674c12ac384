//! The client of a connection, on a thread of its own where it sends or receives much.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use socket2::Socket;

pub(super) const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";

pub(super) fn send(mut client: &Socket, bytes: &[u8]) -> Result<(), String> {
    client.write_all(bytes).map_err(|error| format!("The client cannot send: {error}"))
}

/// Sends on a thread, and ends the client's output where it is to.
pub(super) fn send_on_thread(
    client: &Socket,
    bytes: Vec<u8>,
    ends: bool,
) -> Result<JoinHandle<Result<(), String>>, String> {
    let client = client.try_clone().map_err(|error| format!("The client cannot be cloned: {error}"))?;
    Ok(thread::spawn(move || {
        send(&client, &bytes)?;
        if ends { end(&client) } else { Ok(()) }
    }))
}

/// Sends when the connection probably waits for it already.
pub(super) fn send_later(client: Socket, bytes: &'static [u8]) -> JoinHandle<Result<Socket, String>> {
    thread::spawn(move || {
        thread::sleep(Duration::from_millis(20));
        send(&client, bytes).map(|()| client)
    })
}

pub(super) fn end(client: &Socket) -> Result<(), String> {
    client.shutdown(Shutdown::Write).map_err(|error| format!("The client cannot end its output: {error}"))
}

/// Receives to the end on a thread.
pub(super) fn receive(mut client: Socket) -> JoinHandle<Result<Vec<u8>, String>> {
    thread::spawn(move || {
        let mut received = Vec::new();
        match client.read_to_end(&mut received) {
            Ok(_) => Ok(received),
            Err(error) => Err(format!("The client receives {error} after {} bytes.", received.len())),
        }
    })
}

/// Resets the connection; a Unix socket is closed.
pub(super) fn reset(client: Socket) -> Result<(), String> {
    client.set_linger(Some(Duration::ZERO)).map_err(|error| format!("The client cannot reset: {error}"))
}

pub(super) fn join<T>(thread: JoinHandle<Result<T, String>>) -> Result<T, String> {
    thread.join().unwrap_or_else(|_| Err("The client panicked.".to_owned()))
}
