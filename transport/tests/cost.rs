//! What the driver allocates, and how long it runs, while bytes come in pieces as small as can be: twice the bytes
//! cost twice as much.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use allocation_counter::measure;
use httpfsm::config::{Bodies, ServerConfig};
use httpfsm::handler::Request;
use httpfsm_transport::memory::MemoryServer;
use rustix::time::{ClockId, clock_gettime};

/// Twice is linear, four times would be quadratic.
const AT_MOST: f64 = 2.8;
/// Measurements, of which one is to be linear. Its two halves follow each other, since a thread beside them that shares
/// their processor makes both longer.
const TURNS: usize = 8;

struct Flood {
    name: &'static str,
    /// What is sent, of so many parts.
    make: fn(parts: usize) -> String,
    parts: usize,
    /// Bytes of a piece, each of which is a wake-up of its own.
    piece: usize,
}

const CHUNKED: &str = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";

const FLOODS: &[Flood] = &[
    Flood {
        name: "a head",
        make: |n| format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(n)),
        parts: 10_000,
        piece: 1,
    },
    Flood {
        name: "a body",
        make: |n| format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {n}\r\n\r\n{}", "x".repeat(n)),
        parts: 10_000,
        piece: 1,
    },
    Flood {
        name: "chunks of one byte",
        make: |n| format!("{CHUNKED}{}0\r\n\r\n", "1\r\nx\r\n".repeat(n)),
        parts: 4000,
        piece: 1,
    },
    Flood {
        name: "chunks of one byte, thousands at once",
        make: |n| format!("{CHUNKED}{}0\r\n\r\n", "1\r\nx\r\n".repeat(n)),
        parts: 200_000,
        piece: 60_000,
    },
    Flood {
        name: "trailer fields",
        make: |n| format!("{CHUNKED}0\r\n{}\r\n", "A: b\r\n".repeat(n)),
        parts: 3000,
        piece: 1,
    },
    Flood { name: "requests", make: |n| "GET / HTTP/1.1\r\nHost: a\r\n\r\n".repeat(n), parts: 500, piece: 1 },
];

/// What a flood took: allocations, bytes of them, and microseconds of the processor.
fn cost(bytes: &[u8], piece: usize, bodies: Bodies) -> [u64; 3] {
    let mut config = ServerConfig::default();
    config.channel.bodies = Some(bodies);
    config.channel.max_trailer_size = 0;
    config.channel.max_trailer_fields = 0;
    let mut server = MemoryServer::new(config, |mut request: Request| async move {
        let mut length = 0;
        while let Some(Ok(data)) = request.body().next_data().await {
            length += data.len();
        }
        length.to_string()
    });
    let client = server.connect().unwrap();
    server.run();
    let (mut wrong, mut time) = (String::new(), Duration::ZERO);
    let allocated = measure(|| {
        let began = processor_time();
        for piece in bytes.chunks(piece) {
            client.send(piece);
            server.run();
            let received = client.take();
            if !received.is_empty() && !received.starts_with(b"HTTP/1.1 200 ") {
                wrong = received.escape_ascii().to_string();
            }
        }
        time = processor_time() - began;
    });
    assert_eq!(wrong, "");
    let idle = measure(|| drop(client));
    assert_eq!(idle.count_total, 0);
    [allocated.count_total, allocated.bytes_total, time.as_micros() as u64]
}

/// What this thread has taken of processors.
fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

#[test]
fn twice_the_bytes_cost_twice_as_much_however_small_the_pieces() {
    // What a thread allocates once.
    cost(CHUNKED.as_bytes(), 1, Bodies::Streamed);
    for Flood { name, make, parts, piece } in FLOODS {
        for bodies in [Bodies::Streamed, Bodies::Whole] {
            let [once, twice] = [make(*parts), make(2 * parts)];
            let mut seen = Vec::new();
            let is_linear = (0..TURNS).any(|_| {
                let costs = [&once, &twice].map(|bytes| cost(bytes.as_bytes(), *piece, bodies));
                seen.push(costs);
                let [once, twice] = costs;
                (0..3).all(|of| twice[of] as f64 <= AT_MOST * once[of].max(1000) as f64)
            });
            assert!(
                is_linear,
                "allocations, allocated bytes and microseconds of {name}, {bodies:?}, once and twice: {seen:?}"
            );
        }
    }
}

/// It goes from the socket to its reader in buffers that are used again.
#[test]
fn a_long_body_is_read_without_a_copy_and_without_new_memory() {
    const BYTES: usize = 8 << 20;
    let content: Vec<u8> = (0..BYTES).map(|at| (at % 251) as u8).collect();
    let expected = content.clone();
    let mut server = MemoryServer::new(ServerConfig::default(), move |mut request: Request| {
        let expected = expected.clone();
        async move {
            let mut read = 0;
            while let Some(Ok(bytes)) = request.body().next_data().await {
                assert!(expected[read..].starts_with(&bytes), "at {read}");
                read += bytes.len();
            }
            read.to_string()
        }
    });
    let client = server.connect().unwrap();
    for turn in 0..2 {
        client.send(format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {BYTES}\r\n\r\n"));
        server.run();
        client.send(&content);
        let read = measure(|| {
            server.run();
        });
        assert!(client.take_text().ends_with(&format!("\r\n\r\n{BYTES}")));
        assert!(turn == 0 || read.bytes_total < BYTES as u64 / 16, "{read:?}");
    }
}
