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

/// The content of a response in chunks, which ends with the last one.
pub(super) fn content(response: &[u8]) -> Result<Vec<u8>, String> {
    let find = |bytes: &[u8], wanted: &[u8]| bytes.windows(wanted.len()).position(|window| window == wanted);
    let cut = || format!("The response of {} bytes is no whole one in chunks.", response.len());
    let head = find(response, b"\r\n\r\n").ok_or_else(cut)?;
    let (mut rest, mut content) = (&response[head + 4..], Vec::new());
    loop {
        let line = find(rest, b"\r\n").ok_or_else(cut)?;
        let size = std::str::from_utf8(&rest[..line]).ok();
        let size = size.and_then(|size| usize::from_str_radix(size, 16).ok()).ok_or_else(cut)?;
        rest = &rest[line + 2..];
        if size == 0 {
            return if rest == b"\r\n" { Ok(content) } else { Err(cut()) };
        }
        content.extend_from_slice(rest.get(..size).ok_or_else(cut)?);
        rest = rest.get(size..).and_then(|rest| rest.strip_prefix(b"\r\n")).ok_or_else(cut)?;
    }
}
