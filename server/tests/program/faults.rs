//! Faults on real sockets: peers that drip, that reset, that use all descriptors; and what the server still holds after
//! them.
//!
//! The numbers are small, so that the suite is quick. With `HTTPFSM_FAULTS=full` they are those of an attack.

use std::fmt;
use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use crate::{PATIENCE, ServerProcess};

mod cost;
mod descriptors;
mod drips;
mod leaks;
mod memory;
mod resets;
mod slowhttptest;

const GET: &[u8] = b"GET /plaintext HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

/// `small` by default, `full` with `HTTPFSM_FAULTS=full`.
fn number(small: usize, full: usize) -> usize {
    match std::env::var_os("HTTPFSM_FAULTS") {
        None => small,
        Some(faults) if faults == "full" => full,
        Some(other) => panic!("HTTPFSM_FAULTS is {other:?}; it is \"full\", or is not set."),
    }
}

/// What the process of a server holds.
#[derive(Clone, Copy)]
struct HeldResources {
    descriptors: usize,
    threads: usize,
}

impl HeldResources {
    fn of(server: &ServerProcess) -> Self {
        let entries = |folder: &str| {
            let entries = fs::read_dir(format!("/proc/{}/{folder}", server.child.id()));
            entries.expect("a running server").flatten()
        };
        Self { descriptors: entries("fd").count(), threads: entries("task").count() }
    }

    /// What a server holds at rest, after some requests.
    fn at_rest(server: &ServerProcess) -> Self {
        for _ in 0..20 {
            server.exchange(GET);
        }
        // Threads for blocking work come and go.
        let mut held = Self::of(server);
        let mut still = Instant::now();
        while still.elapsed() < Duration::from_millis(100) {
            thread::sleep(Duration::from_millis(5));
            let now = Self::of(server);
            if (now.descriptors, now.threads) != (held.descriptors, held.threads) {
                (held, still) = (now, Instant::now());
            }
        }
        held
    }

    /// Waits until the server holds no more than this again.
    #[track_caller]
    fn is_all_that_is_left(self, server: &ServerProcess) {
        let started = Instant::now();
        loop {
            let now = Self::of(server);
            if now.descriptors <= self.descriptors && now.threads <= self.threads + LAST_THREAD {
                return;
            }
            assert!(started.elapsed() < IDLE_THREADS + PATIENCE, "{now}, and not {self} as before");
            thread::sleep(Duration::from_millis(20));
        }
    }
}

/// The last thread of the pool for blocking work stays, once there was such work.
const LAST_THREAD: usize = 1;

/// How long the other idle threads of that pool stay, on tokio.
const IDLE_THREADS: Duration = Duration::from_secs(30);

impl fmt::Display for HeldResources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} descriptors and {} threads", self.descriptors, self.threads)
    }
}
