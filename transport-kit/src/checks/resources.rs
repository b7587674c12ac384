//! What a server takes from its process. Linux tells; elsewhere nothing is found wrong.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use crate::bench::Bench;
use crate::script::get;

pub(crate) fn nothing_left(bench: &Bench<'_>) -> Result<(), String> {
    const ROUNDS: usize = 12;
    let round = || {
        let running = bench.start(|_| ())?;
        for _ in 0..3 {
            let mut peer = running.connect()?;
            peer.send(get("/hello"))?;
            peer.until("world!")?;
        }
        running.stop()
    };
    // What a runtime keeps for good, it has after the first rounds.
    for _ in 0..3 {
        round()?;
    }
    let before = held();
    for _ in 0..ROUNDS {
        round()?;
    }
    let began = Instant::now();
    loop {
        let after = held();
        // Other threads of the process open and close things, too; less than one a round is not ours.
        if after.0 < before.0 + ROUNDS && after.1 < before.1 + ROUNDS {
            return Ok(());
        }
        if began.elapsed() > bench.patience {
            return Err(format!("After {ROUNDS} servers, {before:?} descriptors and threads are {after:?}."));
        }
        thread::sleep(Duration::from_millis(10));
    }
}

/// Descriptors and threads of this process.
fn held() -> (usize, usize) {
    let count = |path: &str| fs::read_dir(path).map_or(0, Iterator::count);
    (count("/proc/self/fd"), count("/proc/self/task"))
}

pub(crate) fn rest(bench: &Bench<'_>) -> Result<(), String> {
    const WINDOW: Duration = Duration::from_millis(500);
    let running = bench.start(|_| ())?;
    let mut peers = Vec::new();
    for octets in [
        get("/hello"),
        "GET /hel".to_owned(),
        String::new(),
        get("/never"),
        get("/download?octets=10&end=never"),
    ] {
        let mut peer = running.connect()?;
        peer.send(octets)?;
        peers.push(peer);
    }
    // One window at rest is enough, since whoever spins has none.
    let (began, mut least) = (Instant::now(), u64::MAX);
    while began.elapsed() < bench.patience.max(3 * WINDOW) {
        let before = processor_time();
        thread::sleep(WINDOW);
        least = least.min(processor_time().saturating_sub(before));
        // A spin takes 50 of a window, and more than 2 on the busiest machine.
        if least <= 2 {
            return running.stop();
        }
    }
    Err(format!(
        "Of {} hundredths of a second, idle connections take {least} or more.",
        WINDOW.as_millis() / 10
    ))
}

/// What the process has taken of processors, in hundredths of a second.
fn processor_time() -> u64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The name of the program may contain blanks; after it come the fields from the third on.
    let fields = stat.rsplit_once(") ").map_or("", |(_, fields)| fields);
    fields.split(' ').skip(11).take(2).filter_map(|ticks| ticks.parse::<u64>().ok()).sum()
}
