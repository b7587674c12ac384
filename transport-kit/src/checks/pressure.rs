//! Peers and handlers that do not keep up.

use std::thread;
use std::time::{Duration, Instant};

use crate::bench::{Bench, RunningServer};
use crate::script::{get, post_head};
use crate::sum::{noise, pattern};

/// More than the sockets of the loopback and all windows hold.
const BOUND: u64 = 64 << 20;
/// How long nothing has to move before everything counts as blocked.
const STILL: Duration = Duration::from_millis(100);

pub(crate) fn output(bench: &Bench<'_>) -> Result<(), String> {
    let running = bench.start(|_| ())?;
    let mut peer = running.connect_with(true)?;
    peer.send(get("/endless"))?;
    running.wait("The source is never asked.", || running.record.bytes(0) > 0)?;
    let held = stands(&running, || running.record.bytes(0))?;
    let mut moved = Instant::now();
    while running.record.bytes(0) == held {
        let received = peer.receive(64 << 10);
        // With a receive buffer this small the system sends half a kilobyte at each probe of the window, and a record is 16
        // KiB.
        if matches!(received, Ok(Some(1..))) {
            moved = Instant::now();
        }
        if !matches!(received, Ok(Some(_))) || moved.elapsed() > bench.patience {
            return Err(format!("The source is not asked again when the peer reads: {received:?}."));
        }
    }
    running.stop()
}

pub(crate) fn input(bench: &Bench<'_>) -> Result<(), String> {
    let running = bench.start(|_| ())?;
    let mut peer = running.connect()?;
    peer.send(post_head("/read-late", 1 << 29))?;
    let (mut sent, mut moved) = (0, Instant::now());
    while moved.elapsed() < 3 * STILL {
        let more = peer.send_some(&noise(sent, 64 << 10))?;
        sent += more;
        if more > 0 {
            moved = Instant::now();
        }
        if sent as u64 > BOUND {
            return Err(format!("{sent} bytes were taken of a body that nobody reads."));
        }
    }
    running.record.open_gate("read");
    running.wait("The body is not read on.", || running.record.bytes(0) > 0)?;
    let began = Instant::now();
    while peer.send_some(&noise(sent, 64 << 10))? == 0 {
        if began.elapsed() > bench.patience {
            return Err("The peer's bytes are not taken when the handler reads.".to_owned());
        }
    }
    running.stop()
}

/// The peer does not see the reset, because it reads nothing of what comes before it.
pub(crate) fn lost_unread(bench: &Bench<'_>) -> Result<(), String> {
    let running = bench.start(|_| ())?;
    if !running.served.has_resets {
        bench.need("resets, which the connections do not have");
        return running.stop();
    }
    let mut peer = running.connect()?;
    peer.send(post_head("/never", 1 << 29))?;
    running.wait("The handler is not called.", || running.record.open() == 1)?;
    let mut other = running.connect()?;
    let (mut sent, mut still) = (0, 0);
    // That nothing is taken for a while may be a machine that is busy. The server responds to others meanwhile, and
    // takes none of it, several times: it does not read.
    while still < 3 {
        still += 1;
        loop {
            let more = peer.send_some(&noise(sent, 64 << 10))?;
            if more == 0 {
                break;
            }
            sent += more;
            still = 0;
        }
        other.received.clear();
        other.send(get("/hello"))?;
        other.until("world!")?;
        thread::sleep(STILL);
    }
    peer.stream.reset();
    drop(other);
    running.wait("The channel stays open.", || running.record.open() == 0)?;
    running.stop()
}

pub(crate) fn slow_reader(bench: &Bench<'_>) -> Result<(), String> {
    let running = bench.start(|plan| {
        plan.config.channel.write_timeout = Some(Duration::from_millis(150));
        plan.config.channel.min_write_rate = 0;
    })?;
    let mut peer = running.connect_with(true)?;
    peer.send(get("/endless"))?;
    running
        .wait("The connection is not cut.", || running.record.has(0, "did not take the response in time"))?;
    running.wait("The source is not dropped.", || running.record.has(0, "dropped"))?;
    running.stop()
}

pub(crate) fn partial_writes(bench: &Bench<'_>) -> Result<(), String> {
    // More than the sockets of the loopback hold while the peer does not read.
    const BYTES: usize = 8_000_000;
    let running = bench.start(|_| ())?;
    let mut peer = running.connect()?;
    // The first is one piece; the second many slices, in which every seam is elsewhere.
    let paths = [
        format!("/whole?bytes={BYTES}"),
        format!("/download?bytes={BYTES}&frame=7919&length={BYTES}&end=plain"),
    ];
    for path in paths {
        peer.received.clear();
        peer.send(get(&path))?;
        let (mut moved, mut turn) = (Instant::now(), 0);
        let content = loop {
            let content =
                peer.received.windows(4).position(|window| window == b"\r\n\r\n").map(|head| head + 4);
            if let Some(content) = content.filter(|content| peer.received.len() >= content + BYTES) {
                break content;
            }
            // Now and then the peer rests, so that the socket fills up.
            if turn % 64 == 0 {
                thread::sleep(Duration::from_millis(10));
            }
            turn += 1;
            let received = peer.receive(40_099);
            if matches!(received, Ok(Some(1..))) {
                moved = Instant::now();
            }
            if !matches!(received, Ok(Some(_))) || moved.elapsed() > bench.patience {
                return Err(format!("{path} ends after {} bytes: {received:?}", peer.received.len()));
            }
        };
        let wrong =
            pattern(0, BYTES).iter().zip(&peer.received[content..]).position(|(ours, theirs)| ours != theirs);
        if let Some(wrong) = wrong {
            return Err(format!("Byte {wrong} of {path} is another one."));
        }
        if peer.received.len() != content + BYTES {
            return Err(format!("{path} has bytes too many."));
        }
    }
    running.stop()
}

/// Waits until a count stands still below the bound.
fn stands(running: &RunningServer, count: impl Fn() -> u64) -> Result<u64, String> {
    let began = Instant::now();
    loop {
        let before = count();
        thread::sleep(STILL);
        let after = count();
        if after > BOUND {
            return Err(format!("{after} bytes were made for a peer that does not read."));
        }
        if before == after {
            return Ok(after);
        }
        if began.elapsed() > running.patience {
            return Err("The source is asked on and on.".to_owned());
        }
    }
}
