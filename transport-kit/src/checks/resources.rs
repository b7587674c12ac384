//! What a server takes from its process. Linux tells; elsewhere these checks are not made.

use crate::bench::Bench;
use crate::held::{HeldResources, Others};
use crate::script::{get, upgrade};

pub(crate) fn nothing_left(bench: &Bench<'_>) -> Result<(), String> {
    const ROUNDS: usize = 12;
    let round = || {
        // Two fewer than there will be, so that idle ones are evicted.
        let running = bench.start(|plan| plan.config.max_connections = 6)?;
        let hello = || {
            let mut peer = running.connect()?;
            // It may be refused, since the server waits only for a moment for the place that becomes free.
            let _ = peer.send(get("/hello")).and_then(|()| peer.until("world!"));
            Ok::<_, String>(peer)
        };
        for _ in 0..3 {
            drop(hello()?);
        }
        let mut open = Vec::new();
        for (bytes, until) in
            [(upgrade("/upgrade"), "\r\n\r\n"), (get("/download?bytes=1000&end=never"), "\r\n3e8\r\n")]
        {
            let mut peer = running.connect()?;
            peer.send(bytes)?;
            running.wait(format_args!("{until:?} does not come."), || {
                let _ = peer.receive(1 << 14);
                peer.received.windows(until.len()).any(|window| window == until.as_bytes())
            })?;
            open.push(peer);
        }
        for _ in 0..6 {
            open.push(hello()?);
        }
        running.stop()?;
        drop(open);
        Ok::<_, String>(())
    };
    // What a runtime keeps for good, it has after the first rounds.
    for _ in 0..3 {
        round()?;
    }
    // Threads of the last one may still be ending.
    let before = HeldResources::settled();
    for _ in 0..ROUNDS {
        round()?;
    }
    // Other threads of the process open and close things, too; one a round would be twice as many.
    let bound =
        HeldResources { threads: before.threads + ROUNDS / 2, descriptors: before.descriptors + ROUNDS / 2 };
    bound.wait(bench.patience).map_err(|after| format!("After {ROUNDS} servers, {before:?} is {after:?}."))
}

pub(crate) fn rest(bench: &Bench<'_>) -> Result<(), String> {
    let running = bench.start(|_| ())?;
    let mut peers = Vec::new();
    for bytes in [
        get("/hello"),
        "GET /hel".to_owned(),
        String::new(),
        get("/never"),
        get("/download?bytes=10&end=never"),
    ] {
        let mut peer = running.connect()?;
        peer.send(bytes)?;
        peers.push(peer);
    }
    let others = Others::now().map_err(|error| format!("The threads are not to be seen: {error}"))?;
    others.rest(bench.patience).map_err(|restless| format!("Idle connections take {restless}."))?;
    running.stop()
}
