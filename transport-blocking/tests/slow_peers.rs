//! Peers that send slowly hold no more workers than may wait, and bring nobody a 503.
#![allow(clippy::unwrap_used)]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use httpfsm::config::{Bodies, ServerConfig};
use httpfsm::handler::{Request, Response};
use httpfsm::status::Status;
use httpfsm_blocking::{Blocking, BodyReader, Server, ServerHandle, sync};

/// Longer than anything here takes: only a hang reaches it.
const HANG: Duration = Duration::from_secs(60);

const OVERFLOW: usize = 4000;
const EXPECT: &str = "Expect: 100-continue\r\n";

fn config() -> ServerConfig {
    let mut config = ServerConfig::default();
    config.channel.inbuf_overflow = OVERFLOW as u64;
    config
}

/// How many functions run.
#[derive(Clone, Default)]
struct Running(Arc<AtomicUsize>);

impl Running {
    fn get(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }

    fn reach(&self, number: usize) {
        let began = Instant::now();
        while self.get() != number {
            assert!(began.elapsed() < HANG, "{} of {number} run", self.get());
            thread::sleep(Duration::from_millis(1));
        }
    }
}

/// Its function reads the body.
fn start(blocking: Blocking, config: ServerConfig) -> (ServerHandle, Running) {
    let running = Running::default();
    let count = running.clone();
    let function = move |mut request: Request| {
        if request.path() == "/refuse" {
            return Ok(Response::new(Status::FORBIDDEN));
        }
        count.0.fetch_add(1, Ordering::SeqCst);
        let bytes = std::io::copy(&mut BodyReader::new(request.take_body()), &mut std::io::sink());
        count.0.fetch_sub(1, Ordering::SeqCst);
        bytes.map(|bytes| Response::text(format!("{bytes} bytes")))
    };
    let server = Server::on(blocking, config).listen_tcp("127.0.0.1:0".parse().unwrap());
    (server.serve(sync(function)).unwrap(), running)
}

fn send(server: &ServerHandle, bytes: impl AsRef<[u8]>) -> TcpStream {
    let mut client = TcpStream::connect(server.local_addr().unwrap()).unwrap();
    client.set_read_timeout(Some(HANG)).unwrap();
    client.set_write_timeout(Some(HANG)).unwrap();
    client.write_all(bytes.as_ref()).unwrap();
    client
}

fn head(length: usize, more: &str) -> String {
    format!("POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {length}\r\n{more}\r\n")
}

fn post(sent: usize, length: usize) -> String {
    head(length, "") + &"x".repeat(sent)
}

fn response(mut client: &TcpStream) -> String {
    let mut response = String::new();
    client.read_to_string(&mut response).expect("a worker is free");
    response
}

fn is_served(server: &ServerHandle, length: usize) {
    let response = response(&send(server, post(length, length)));
    assert!(response.starts_with("HTTP/1.1 200 "), "{length}: {response}");
    assert!(response.ends_with(&format!("\r\n\r\n{length} bytes")), "{length}: {response}");
}

#[test]
fn peers_that_stand_still_hold_no_more_workers_than_may_wait() {
    let kinds = [head(100_000, EXPECT), post(5, 10), post(2 * OVERFLOW, 4 * OVERFLOW)];
    for max_buffered_bytes in [512 << 20, 2 << 20] {
        for (peers, workers, waiting) in [(8, 8, 4), (80, 2, 1), (80, 1, 0)] {
            let config = ServerConfig { max_buffered_bytes, ..config() };
            let (server, running) = start(Blocking::default().workers(workers), config);
            let silent: Vec<_> =
                kinds.iter().flat_map(|bytes| vec![bytes; peers]).map(|bytes| send(&server, bytes)).collect();
            running.reach(waiting);
            for length in [0, 10, OVERFLOW, 3 * OVERFLOW, 300_000] {
                is_served(&server, length);
            }
            assert_eq!(running.get(), waiting);
            drop(silent);
            running.reach(0);
            // The permits are back.
            let silent: Vec<_> = (0..workers).map(|_| send(&server, &kinds[2])).collect();
            running.reach(waiting);
            is_served(&server, 10);
            drop(silent);
        }
    }
}

#[test]
fn as_many_functions_wait_as_the_transport_is_told() {
    let (server, running) = start(Blocking::default().workers(3).waiting(2), config());
    let half = post(2 * OVERFLOW, 3 * OVERFLOW);
    let peers: Vec<_> = (0..6).map(|_| send(&server, &half)).collect();
    running.reach(2);
    is_served(&server, 10);
    // The rest of each comes, those who wait for whole bodies first.
    for mut peer in peers.iter().rev() {
        peer.write_all(&vec![b'x'; OVERFLOW]).unwrap();
        assert!(response(peer).ends_with("\r\n\r\n12000 bytes"));
    }
    running.reach(0);
}

#[test]
fn a_peer_that_asks_leave_to_send_is_refused_before_it_sends_or_told_to_go_on() {
    for (workers, refused) in [(2, "HTTP/1.1 403 "), (1, "HTTP/1.1 100 ")] {
        let (server, _) = start(Blocking::default().workers(workers), config());
        let mut client = send(&server, head(10, EXPECT).replace("POST /", "POST /refuse"));
        let mut line = [0; 13];
        client.read_exact(&mut line).unwrap();
        assert_eq!(String::from_utf8_lossy(&line), refused);
        let mut client = send(&server, head(10, EXPECT));
        client.read_exact(&mut line).unwrap();
        assert_eq!(String::from_utf8_lossy(&line), "HTTP/1.1 100 ");
        client.write_all(b"0123456789").unwrap();
        assert!(response(&client).ends_with("\r\n\r\n10 bytes"));
    }
}

#[test]
fn streamed_bodies_hold_no_more_workers_either() {
    let mut config = config();
    config.channel.bodies = Some(Bodies::Streamed);
    let (server, running) = start(Blocking::default().workers(4), config);
    let silent: Vec<_> = (0..80).map(|_| send(&server, post(0, 10))).collect();
    running.reach(2);
    is_served(&server, 10);
    is_served(&server, 100_000);
    drop(silent);
    running.reach(0);
}
