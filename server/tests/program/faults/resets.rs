//! Peers that connect and reset.

use std::io::Write;
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};

use super::{HeldResources, number};
use crate::{PATIENCE, ServerProcess};

on_each_transport! {
    connections_that_are_reset_leave_nothing,
}

/// Clients that do so at once.
const CLIENTS: usize = 4;

/// What they send before the reset.
const BEGINNINGS: [&str; 6] = [
    "",
    "GET / HTT",
    "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nsome",
    "GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\nGET",
    "no HTTP\r\n\r\n",
];

fn connections_that_are_reset_leave_nothing(transport: &str) {
    let server = ServerProcess::on(transport, &["--app", "hello"]);
    let before = HeldResources::at_rest(&server);
    let each = number(600, 25_000);
    let address = server.address();
    thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(move || {
                let bytes = BEGINNINGS.iter().cycle().take(each);
                bytes.for_each(|bytes| reset(address, bytes));
            });
        }
    });
    before.is_all_that_is_left(&server);
    let started = Instant::now();
    loop {
        let [open, opened, closed] = statistics(&server);
        // The connection that asks is open.
        if open == 1 && opened == closed + 1 {
            assert!(opened > 20, "the server saw no other than its first");
            break;
        }
        assert!(
            started.elapsed() < PATIENCE,
            "{opened} channels have opened, {closed} closed, {open} are open"
        );
        thread::sleep(Duration::from_millis(20));
    }
}

fn reset(address: SocketAddr, bytes: &str) {
    let mut socket = Socket::new(Domain::for_address(address), Type::STREAM, None).expect("a socket");
    socket.set_linger(Some(Duration::ZERO)).expect("a reset at the end");
    socket.connect(&address.into()).expect("a connection");
    // The server may have refused it already.
    let _ = socket.write_all(bytes.as_bytes());
}

/// What the page of the application says: the channels that are open, that have opened, and that have closed.
#[track_caller]
fn statistics(server: &ServerProcess) -> [u64; 3] {
    let page = server.exchange(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").text();
    ["open channels", "opened", "closed"].map(|name| {
        let row = page.split_once(&format!("<dt>{name}</dt><dd>")).and_then(|(_, row)| row.split_once('<'));
        row.and_then(|(count, _)| count.parse().ok()).unwrap_or_else(|| panic!("no {name} in {page}"))
    })
}
