//! Bodies that are sent back.

use std::time::Instant;

use httpfsm::config::Bodies;

use crate::bench::Bench;
use crate::chunks::{chunks, content};
use crate::script::chunked_head;
use crate::sum::pattern;

const LENGTH: usize = 2 << 20;

pub(crate) fn echo(bench: &Bench<'_>) -> Result<(), String> {
    for bodies in [Bodies::Streamed, Bodies::Whole] {
        let running = bench.start(|plan| plan.config.channel.bodies = Some(bodies))?;
        let mut peer = running.connect()?;
        let body = pattern(0, LENGTH);
        let request =
            [chunked_head("/echo").into_bytes(), chunks(&body, 60_000), b"0\r\n\r\n".to_vec()].concat();
        let (mut left, mut moved) = (&request[..], Instant::now());
        while !left.is_empty() {
            let sent = peer.send_some(left)?;
            left = left.get(sent..).unwrap_or_default();
            // What is echoed has to be read for the server to go on.
            let received = peer.receive(64 << 10).map_err(|error| format!("Cannot receive: {error}"))?;
            if sent > 0 || received.is_some_and(|received| received > 0) {
                moved = Instant::now();
            }
            if moved.elapsed() > bench.patience {
                return Err(format!("{bodies:?}: Nothing moves with {} bytes to be sent.", left.len()));
            }
        }
        let echoed = match bodies {
            Bodies::Streamed => {
                peer.until("\r\n0\r\n\r\n")?;
                content(&peer.received)?
            }
            _ => {
                // The body repeats itself, so its last bytes alone do not tell its end.
                running.wait("The body does not come back whole.", || {
                    peer.received.len() >= LENGTH || !matches!(peer.receive(64 << 10), Ok(Some(_)))
                })?;
                peer.until(&String::from_utf8_lossy(&body[LENGTH - 100..]))?;
                let from = peer.received.len().saturating_sub(LENGTH);
                peer.received.split_off(from)
            }
        };
        if echoed != body {
            return Err(format!(
                "{bodies:?}: {} bytes come back that are not those of the body.",
                echoed.len()
            ));
        }
        running.stop()?;
    }
    Ok(())
}
