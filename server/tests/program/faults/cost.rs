//! The processor time that a flood costs a whole server: twice the bytes cost twice as much, and not four times.
//! (`transport/tests/cost.rs` sends small pieces, whose number on a socket is unknown; `core/src/channel/cost.rs`
//! counts the share of the machine byte by byte.)

use std::fs;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::thread;

use super::GET;
use crate::ServerProcess;

on_each_transport! {
    twice_the_flood_costs_twice_the_time,
}

/// Twice is linear, four times would be quadratic. Other load on the computer disturbs both sums a little.
const AT_MOST: f64 = 2.8;
/// The least of these measurements counts, as a disturbance makes one longer.
const TURNS: usize = 8;

const CHUNKED: &str =
    "POST /upload HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n";

struct Flood {
    name: &'static str,
    /// Makes the bytes, of this number of parts.
    make: fn(parts: usize) -> String,
    parts: usize,
}

const FLOODS: &[Flood] = &[
    Flood {
        name: "fields of one name",
        make: |n| {
            let fields = "A: b\r\n".repeat(n);
            format!("GET /plaintext HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{fields}\r\n")
        },
        parts: 100_000,
    },
    Flood {
        name: "chunks of one byte",
        make: |n| format!("{CHUNKED}{}0\r\n\r\n", "1\r\nx\r\n".repeat(n)),
        parts: 500_000,
    },
    Flood {
        name: "trailer fields",
        make: |n| format!("{CHUNKED}0\r\n{}\r\n", "A: b\r\n".repeat(n)),
        parts: 100_000,
    },
    Flood {
        name: "requests",
        make: |n| {
            let last = "GET /plaintext HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
            format!("{}{last}", "GET /plaintext HTTP/1.1\r\nHost: a\r\n\r\n".repeat(n))
        },
        parts: 20_000,
    },
];

fn twice_the_flood_costs_twice_the_time(transport: &str) {
    // No limit that a flood would end at.
    let limits = [
        "--max-request-header-size=none",
        "--max-request-fields=none",
        "--max-trailer-size=none",
        "--max-trailer-fields=none",
        "--max-chunk-extension-body=none",
    ];
    let server = ServerProcess::on(transport, &[&["--app", "bench", "--threads", "2"], &limits[..]].concat());
    server.exchange(GET).assert("HTTP/1.1 200 OK", "Hello, World!");
    assert!(processor_time(&server) > 0, "the system reports no processor time");
    for flood in FLOODS {
        let [once, twice] = [1, 2].map(|times| (flood.make)(times * flood.parts));
        let (mut least, mut seen) = ([u64::MAX; 2], Vec::new());
        let ratio = |least: [u64; 2]| least[1] as f64 / least[0].max(1) as f64;
        for _ in 0..TURNS {
            let cost = [&once, &twice].map(|bytes| flood.cost(&server, bytes.as_bytes()));
            seen.push(cost);
            least = [least[0].min(cost[0]), least[1].min(cost[1])];
            if ratio(least) <= AT_MOST {
                break;
            }
        }
        assert!(ratio(least) <= AT_MOST, "{}: microseconds, once and twice: {seen:?}", flood.name);
    }
}

impl Flood {
    /// Sends the flood; returns the processor time of the server in microseconds.
    fn cost(&self, server: &ServerProcess, bytes: &[u8]) -> u64 {
        let before = processor_time(server);
        let mut stream = server.connect();
        let mut responses = stream.try_clone().expect("a second end");
        let responses = thread::spawn(move || {
            let mut bytes = Vec::new();
            responses.read_to_end(&mut bytes).map(|_| bytes)
        });
        stream.write_all(bytes).expect("sent");
        stream.shutdown(Shutdown::Write).expect("an end");
        let responses = responses.join().expect("a reader").expect("a response and its end");
        assert!(responses.starts_with(b"HTTP/1.1 200 "), "{}: \"{}\"", self.name, responses.escape_ascii());
        processor_time(server) - before
    }
}

/// The processor time of all threads of a server in microseconds.
fn processor_time(server: &ServerProcess) -> u64 {
    let threads = fs::read_dir(format!("/proc/{}/task", server.child.id())).expect("a running server");
    let nanoseconds = threads.flatten().filter_map(|thread| {
        let stat = fs::read_to_string(thread.path().join("schedstat")).ok()?;
        stat.split(' ').next()?.parse::<u64>().ok()
    });
    nanoseconds.sum::<u64>() / 1000
}
