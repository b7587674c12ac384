//! What a drained server leaves behind: nothing.
#![cfg(all(feature = "async-std", feature = "smol"))]
#![allow(clippy::unwrap_used)]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread::sleep;
use std::time::{Duration, Instant};

use httpfsm::config::ServerConfig;
use httpfsm::handler::Request;
use httpfsm_async_std::AsyncStd;
use httpfsm_async_std::smol::Smol;
use httpfsm_transport::{Server, Transport};

/// Serves thirty connections, and drains while they are open.
fn serve(transport: impl Transport) {
    let server = Server::on(transport, ServerConfig::default());
    let server = server.listen_tcp("127.0.0.1:0".parse().unwrap());
    let server = server.serve(|_: Request| async { "fine" }).unwrap();
    let connect = |_| {
        let mut client = TcpStream::connect(server.local_addr().unwrap()).unwrap();
        client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        assert!(client.read(&mut [0; 1000]).unwrap() > 0);
        client
    };
    let clients: Vec<_> = (0..30).map(connect).collect();
    async_io::block_on(server.begin_drain(Some(Duration::from_millis(10))).gone());
    drop(clients);
}

/// Descriptors and threads of this process.
fn left() -> (usize, usize) {
    let entries = |of| std::fs::read_dir(of).unwrap().count();
    (entries("/proc/self/fd"), entries("/proc/self/task"))
}

/// One test: the others of a process would open and close theirs meanwhile.
#[test]
fn a_drained_server_gives_back_its_descriptors_and_its_threads() {
    // The reactor and the executors of the runtimes stay.
    serve(AsyncStd::default());
    serve(Smol::default());
    type Run = fn();
    let runs: [(&str, Run); 4] = [
        ("async-std", || serve(AsyncStd::default())),
        ("smol", || serve(Smol::default())),
        ("workers of async-std", || serve(AsyncStd::default().workers(2))),
        ("workers of smol", || serve(Smol::default().workers(2))),
    ];
    let before = left();
    for (name, run) in runs {
        run();
        let began = Instant::now();
        while exceeds(left(), before) && began.elapsed() < Duration::from_secs(20) {
            sleep(Duration::from_millis(5));
        }
        assert!(!exceeds(left(), before), "{:?} and not {before:?} on {name}", left());
    }
}

fn exceeds(after: (usize, usize), before: (usize, usize)) -> bool {
    after.0 > before.0 || after.1 > before.1
}
