//! What a server leaves behind: nothing. The only test of its process, whose threads and descriptors it counts.
#![allow(clippy::unwrap_used)]

use std::future::pending;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use httpfsm::config::ServerConfig;
use httpfsm::handler::{Request, Response};
use httpfsm_blocking::{ServerHandle, block_on, serve, tunnel};

/// Longer than anything here takes: only a hang reaches it.
const HANG: Duration = Duration::from_secs(20);

/// Threads and descriptors of this process.
fn held() -> (usize, usize) {
    let count = |folder: &str| std::fs::read_dir(folder).unwrap().count();
    (count("/proc/self/task"), count("/proc/self/fd"))
}

async fn application(request: Request) -> Response {
    match request.path() {
        "/never" => pending().await,
        "/tunnel" => {
            let swallow = |mut connection: httpfsm_blocking::UpgradedStream| {
                let _ = connection.read_to_end(&mut Vec::new());
            };
            tunnel(request.upgrade(), swallow).unwrap();
            Response::switching_protocols("x")
        }
        _ => Response::text("fine"),
    }
}

fn ask(server: &ServerHandle, head: &str) -> TcpStream {
    let mut client = TcpStream::connect(server.local_addr().unwrap()).unwrap();
    client.set_read_timeout(Some(HANG)).unwrap();
    client.write_all(head.as_bytes()).unwrap();
    client
}

#[test]
fn threads_and_descriptors_return_to_their_start() {
    let before = held();
    for round in 0..3 {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let server =
            serve(listener, ServerConfig { max_connections: 20, ..ServerConfig::default() }, application);
        let server = server.unwrap();
        let mut clients = Vec::new();
        // More than may be open: the idle ones are evicted, and are not to be kept by who has evicted them.
        for _ in 0..30 {
            let mut client = ask(&server, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
            assert!(client.read(&mut [0; 1000]).unwrap() > 0);
            clients.push(client);
        }
        clients.push(ask(&server, "GET /never HTTP/1.1\r\nHost: a\r\n\r\n"));
        let mut upgraded =
            ask(&server, "GET /tunnel HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n");
        assert!(upgraded.read(&mut [0; 1000]).unwrap() > 0);
        // Main, the test, the timekeeper, nine workers, a tunnel.
        assert!(held().0 <= before.0 + 11, "{before:?}, then {:?}", held());
        let grace = Some(Duration::from_millis(100));
        block_on(server.begin_drain(grace).gone());
        drop(clients);
        drop(upgraded);
        let began = Instant::now();
        while held() != before {
            assert!(began.elapsed() < HANG, "round {round}: {before:?}, then {:?}", held());
            thread::sleep(Duration::from_millis(5));
        }
        // The handle alone holds nothing of the system's.
        drop(server);
    }
}
