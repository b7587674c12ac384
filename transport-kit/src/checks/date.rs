//! The time of responses.

use std::thread;
use std::time::{Duration, Instant, SystemTime};

use httpdate::parse_http_date;

use crate::bench::{Bench, PeerEnd};
use crate::script::get;

/// How far a clock may be behind that renders the date once a second.
const BEHIND: Duration = Duration::from_secs(2);

pub(crate) fn goes_on(bench: &Bench<'_>) -> Result<(), String> {
    let running = bench.start(|_| ())?;
    let mut peer = running.connect()?;
    let first = date_now(&mut peer)?;
    let began = Instant::now();
    loop {
        thread::sleep(Duration::from_millis(100));
        let date = date_now(&mut peer)?;
        if date > first {
            return running.stop();
        }
        if began.elapsed() > bench.patience.max(2 * BEHIND) {
            return Err("`Date` stands still.".to_owned());
        }
    }
}

/// The date of a response, which was made after its request was sent and before it has come.
fn date_now<S: std::io::Read + std::io::Write>(peer: &mut PeerEnd<S>) -> Result<SystemTime, String> {
    peer.received.clear();
    let before = SystemTime::now();
    peer.send(get("/hello"))?;
    peer.until("world!")?;
    let after = SystemTime::now();
    let head = String::from_utf8_lossy(&peer.received);
    let value = head.lines().find_map(|line| line.strip_prefix("Date: "));
    let value = value.ok_or_else(|| format!("A response has no `Date`: {head:?}"))?;
    let date = parse_http_date(value).map_err(|error| format!("`Date: {value}`: {error}"))?;
    if date + BEHIND < before || date > after {
        return Err(format!("`Date: {value}` is not when it was sent: {before:?} to {after:?}."));
    }
    Ok(date)
}
