//! What a server takes from its process. Linux tells; elsewhere these checks are not made.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use crate::bench::Bench;
use crate::held::Held;
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
    // Threads of the last one may still be ending.
    let before = Held::settled();
    for _ in 0..ROUNDS {
        round()?;
    }
    // Other threads of the process open and close things, too; one a round would be twice as many.
    let bound = Held { threads: before.threads + ROUNDS / 2, descriptors: before.descriptors + ROUNDS / 2 };
    let began = Instant::now();
    loop {
        let after = Held::now();
        if after.is_within(bound) {
            return Ok(());
        }
        if began.elapsed() > bench.patience {
            return Err(format!("After {ROUNDS} servers, {before:?} is {after:?}."));
        }
        thread::sleep(Duration::from_millis(10));
    }
}

pub(crate) fn rest(bench: &Bench<'_>) -> Result<(), String> {
    const WINDOW: Duration = Duration::from_millis(500);
    const SAMPLES: u32 = 20;
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
    let (began, mut least) = (Instant::now(), (u64::MAX, u32::MAX));
    while began.elapsed() < bench.patience.max(3 * WINDOW) {
        let before = processor_time();
        let mut running_threads = 0;
        for _ in 0..SAMPLES {
            thread::sleep(WINDOW / SAMPLES);
            running_threads += u32::from(another_thread_runs());
        }
        let window = (processor_time().saturating_sub(before), running_threads);
        least = least.min(window);
        // A spin takes 50 hundredths of a window. On a machine that has much else to do it may get next to nothing, but
        // it always wants to run.
        if window.0 <= 2 && window.1 <= SAMPLES / 2 {
            return running.stop();
        }
    }
    Err(format!(
        "Of {} hundredths of a second, idle connections take {} or more; a thread runs at {} of {SAMPLES} looks.",
        WINDOW.as_millis() / 10,
        least.0,
        least.1
    ))
}

/// Whether a thread of this process other than this one runs, or would if it had a processor.
fn another_thread_runs() -> bool {
    let this = fs::read_link("/proc/thread-self").unwrap_or_default();
    let threads = fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    threads.filter(|thread| Some(thread.file_name().as_os_str()) != this.file_name()).any(|thread| {
        let stat = fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
        stat.rsplit_once(") ").is_some_and(|(_, fields)| fields.starts_with('R'))
    })
}

/// What the process has taken of processors, in hundredths of a second.
fn processor_time() -> u64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The name of the program may contain blanks; after it come the fields from the third on.
    let fields = stat.rsplit_once(") ").map_or("", |(_, fields)| fields);
    fields.split(' ').skip(11).take(2).filter_map(|ticks| ticks.parse::<u64>().ok()).sum()
}
