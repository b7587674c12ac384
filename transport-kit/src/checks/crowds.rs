//! Many connections at once.

use std::thread;
use std::time::{Duration, Instant};

use crate::bench::{Bench, PeerEnd};
use crate::link::Link;
use crate::script::{get, post, post_head, upgrade};
use crate::sum::{Sum, pattern};

pub(crate) fn half_heads(bench: &Bench<'_>) -> Result<(), String> {
    let running = bench.start(|plan| plan.config.channel.head_timeout = Some(Duration::from_millis(200)))?;
    let mut peers = Vec::new();
    for _ in 0..200 {
        let mut peer = running.connect()?;
        peer.send("GET /hello HTTP/1.1\r\nHo")?;
        peers.push(peer);
    }
    for peer in &mut peers {
        peer.end()?;
        if !peer.received.starts_with(b"HTTP/1.1 408 ") {
            return Err(format!("The response to half a head is \"{}\".", peer.received.escape_ascii()));
        }
    }
    drop(peers);
    running.wait("The channels do not close.", || running.record.open() == 0)?;
    running.stop()
}

pub(crate) fn many(bench: &Bench<'_>) -> Result<(), String> {
    const THREADS: usize = 6;
    const PEERS: usize = 8;
    const REQUESTS: usize = 10;
    let running = bench.start(|_| ())?;
    let talk = |thread: usize| {
        let mut peers = (0..PEERS).map(|_| running.connect()).collect::<Result<Vec<_>, _>>()?;
        for request in 0..REQUESTS {
            // All send before one reads.
            let body = |number: usize| pattern(thread * 1000 + number * 100 + request, 500 * (request + 1));
            for (number, peer) in peers.iter_mut().enumerate() {
                peer.received.clear();
                peer.send(post("/upload", body(number)))?;
            }
            for (number, peer) in peers.iter_mut().enumerate() {
                peer.until("end []")?;
                let sum = format!("\r\n\r\n{} end []", Sum::of(&body(number)));
                if !peer.received.ends_with(sum.as_bytes()) {
                    return Err(format!("{sum:?} was expected: \"{}\"", peer.received.escape_ascii()));
                }
            }
        }
        Ok(())
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|number| scope.spawn(move || talk(number))).collect();
        threads
            .into_iter()
            .try_for_each(|thread| thread.join().unwrap_or_else(|_| Err("The check panicked.".to_owned())))
    })?;
    running.stop()?;
    let stats = running.server.stats();
    let expected = ((THREADS * PEERS) as u64, (THREADS * PEERS * REQUESTS) as u64);
    let counted = (stats.closed, stats.channels.requests);
    if counted == expected {
        Ok(())
    } else {
        Err(format!("{expected:?} connections and requests were counted as {counted:?}."))
    }
}

pub(crate) fn panics(bench: &Bench<'_>) -> Result<(), String> {
    let running = bench.start(|_| ())?;
    let mut steady = running.connect()?;
    steady.send(post_head("/upload", 100))?;
    for round in 0..50 {
        let path = ["/panic", "/panic-in-call", "/download?bytes=100&end=panic"][round % 3];
        let mut peer = running.connect()?;
        peer.send(get(path))?;
        let status = if round % 3 == 2 { "200" } else { "500" };
        let head = format!("HTTP/1.1 {status} ");
        running.wait(format_args!("{path} does not get {status}."), || {
            let _ = peer.receive(1 << 10);
            peer.received.starts_with(head.as_bytes())
        })?;
        steady.send(pattern(2 * round, 2))?;
    }
    steady.until("end []")?;
    running.stop()
}

pub(crate) fn eviction(bench: &Bench<'_>) -> Result<(), String> {
    let running = bench.start(|plan| plan.config.max_connections = 2)?;
    let mut peers: Vec<PeerEnd<Link>> = Vec::new();
    for number in 0..6 {
        let began = Instant::now();
        let peer = loop {
            // So that no two are idle since the same moment.
            thread::sleep(Duration::from_millis(3));
            let mut peer = running.connect()?;
            // The server waits only for a moment for the place that becomes free.
            let served = peer.send(get("/hello")).and_then(|()| peer.until("world!"));
            match served {
                Ok(()) => break peer,
                Err(error) if running.record.arrived().1 == 0 => return Err(error),
                Err(_) if began.elapsed() > bench.patience => {
                    return Err("No idle connection makes room.".to_owned());
                }
                Err(_) => {
                    // Who comes before that place is free has another connection closed.
                    running
                        .wait("No idle connection makes room.", || running.server.stats().n_channels < 2)?;
                    running.record.forget_refusal();
                }
            }
        };
        peers.push(peer);
        let Some(longest) = usize::checked_sub(number, 2) else { continue };
        peers[longest].end()?;
        let other = peers[longest + 1].receive(1);
        if !matches!(other, Ok(Some(0))) {
            return Err(format!("A connection that was idle for less time gets {other:?}."));
        }
    }
    let stats = running.server.stats();
    if (stats.n_channels, stats.most_channels) != (2, 2) {
        return Err(format!(
            "Of two channels, {} are open, and there were {}.",
            stats.n_channels, stats.most_channels
        ));
    }
    running.stop()
}

pub(crate) fn drain(bench: &Bench<'_>) -> Result<(), String> {
    let running = bench.start(|plan| plan.config.channel.drain_grace = Some(Duration::from_secs(1000)))?;
    // Handlers that wait are few, since a transport may have a thread for each.
    let few =
        [get("/never"), upgrade("/upgrade"), get("/download?bytes=100&end=never"), post_head("/upload", 100)];
    let many = [String::new(), "GET /hel".to_owned(), get("/hello"), post_head("/early", 1000)];
    let mut peers = Vec::new();
    for bytes in few.iter().chain(many.iter().cycle().take(40)) {
        let mut peer = running.connect()?;
        peer.send(bytes)?;
        peers.push(peer);
    }
    running.wait("The connections are not accepted.", || running.record.arrived().0 == peers.len())?;
    running.server.begin_drain(Some(Duration::from_millis(200)));
    for peer in &mut peers {
        peer.end()?;
    }
    running.gone()?;
    let connected = running.connect().map(|mut peer| {
        // A wire always connects; it ends at once where nobody serves it.
        !running.is_own() || peer.end().is_err() || !peer.received.is_empty()
    });
    match connected {
        Ok(true) => Err("The server is gone, and still takes connections.".to_owned()),
        _ if running.record.open() == 0 => Ok(()),
        _ => Err("The server is gone, and has channels that are open.".to_owned()),
    }
}
