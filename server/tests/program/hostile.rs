//! The hostile corpus of the core, sent to the program over sockets: on every transport the statuses, the number of
//! responses and the close are those of the corpus.

#[path = "../../../core/tests/hostile/corpus.rs"]
mod corpus;

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use corpus::{Application, End, Entry, Step, shown};

use crate::{PATIENCE, ServerProcess};

/// Connections that are open at a time.
const PEERS: usize = 32;

/// The pause between two pieces, so that the server reads them separately.
const PAUSE: Duration = Duration::from_millis(3);

/// Follows each entry: it gets 200 if the entry leaves the connection open, and closes the connection.
const LAST: &str = "GET /probe HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

/// The entries that need no other application than `--app echo` and no deadline.
fn entries() -> Vec<Entry> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../core/tests/hostile");
    let mut entries = corpus::entries(&folder);
    entries.retain(|entry| {
        let is_known = match entry.application {
            Application::Reads | Application::Responds => matches!(entry.end, End::Open | End::Close(_)),
            Application::Upgrades => !entry.bytes().starts_with(b"CONNECT "),
            _ => false,
        };
        is_known
            && entry.acts.len() == 1
            && entry.has_only_bytes()
            && entry.config.iter().all(|(name, _)| !name.ends_with("_timeout"))
    });
    entries
}

/// What the peer sends: the bytes of the entry, with the target that makes `--app echo` respond as the entry says.
fn bytes(entry: &Entry) -> Vec<u8> {
    let target: &[u8] = match entry.application {
        Application::Responds => b" /_rig/early HTTP/",
        Application::Upgrades => b" /_rig/upgrade HTTP/",
        _ => return entry.bytes(),
    };
    let mut bytes = entry.bytes();
    let any = b" / HTTP/";
    let mut at = 0;
    while let Some(found) = bytes[at..].windows(any.len()).position(|bytes| bytes == any) {
        bytes.splice(at + found..at + found + any.len(), target.iter().copied());
        at += found + target.len();
    }
    bytes
}

/// Whether the peer sends a FIN after the bytes.
fn has_fin(entry: &Entry) -> bool {
    entry.acts.iter().flat_map(|act| &act.steps).any(|step| *step == Step::Fin)
}

/// Sends an entry, cut before the byte `cut`; the error says what is wrong with the responses.
fn exchange(address: SocketAddr, entry: &Entry, cut: usize) -> Result<(), String> {
    let mut bytes = bytes(entry);
    let mut expected: Vec<_> = entry.acts.iter().flat_map(|act| act.statuses.clone()).collect();
    let is_tunnel = matches!(entry.end, End::Tunnel(_));
    let has_fin = has_fin(entry) || is_tunnel;
    if !has_fin {
        bytes.extend(LAST.as_bytes());
    }
    if entry.end == End::Open {
        expected.push("200".into());
    }
    let mut stream = TcpStream::connect(address).map_err(|error| error.to_string())?;
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    stream.set_nodelay(true).expect("an option");
    let (first, second) = bytes.split_at(cut);
    // The response may come, and the connection close, before everything is sent.
    let _ = stream.write_all(first);
    if !second.is_empty() && cut > 0 {
        thread::sleep(PAUSE);
    }
    let _ = stream.write_all(second);
    if has_fin {
        let _ = stream.shutdown(Shutdown::Write);
    }
    let mut responses = Vec::new();
    if let Err(error) = stream.read_to_end(&mut responses) {
        return Err(format!("no end of the responses: {error}, behind {}", shown(&responses)));
    }
    let told: Vec<_> = entry.acts.iter().flat_map(|act| &act.told).collect();
    let mut is_head: Vec<_> = told.iter().map(|line| line.starts_with(b"HEAD ")).collect();
    if told.iter().all(|line| line.starts_with(b"refused")) {
        is_head = vec![entry.bytes().starts_with(b"HEAD ")];
    }
    let (statuses, tunnel) = statuses(&responses, &is_head)?;
    match &entry.end {
        End::Tunnel(bytes) if tunnel != bytes => return Err(format!("the tunnel had {}", shown(tunnel))),
        End::Tunnel(_) => {}
        _ if tunnel.is_empty() => {}
        _ => return Err("the connection is handed over".into()),
    }
    let mut rest = statuses.iter().peekable();
    let all = expected.iter().all(|status| match status.strip_suffix('?') {
        Some(optional) => {
            let _ = rest.next_if(|got| *got == optional);
            true
        }
        None => rest.next_if_eq(&status).is_some(),
    });
    if all && rest.next().is_none() {
        Ok(())
    } else {
        Err(format!("the statuses {expected:?} are expected, and {statuses:?} came"))
    }
}

/// The status codes of the responses, each of which must be complete, and the bytes after a 101.
fn statuses<'a>(responses: &'a [u8], is_head: &[bool]) -> Result<(Vec<String>, &'a [u8]), String> {
    let mut statuses = Vec::new();
    let mut finals = 0;
    let mut rest = responses;
    while !rest.is_empty() {
        let wrong = || format!("no whole response in {}", shown(rest));
        let end = rest.windows(4).position(|four| four == b"\r\n\r\n").ok_or_else(wrong)?;
        let head = String::from_utf8_lossy(&rest[..end]).to_ascii_lowercase();
        let status = head.strip_prefix("http/1.").and_then(|line| line.get(2..5)).ok_or_else(wrong)?;
        let length = head.split("\r\n").find_map(|line| line.strip_prefix("content-length: "));
        let is_interim = status.starts_with('1');
        let has_content = !is_interim && !is_head.get(finals).is_some_and(|is_head| *is_head);
        finals += usize::from(!is_interim);
        let length = length.filter(|_| has_content).map_or(Ok(0), str::parse).map_err(|_| wrong())?;
        statuses.push(status.to_owned());
        rest = rest.get(end + 4 + length..).ok_or_else(wrong)?;
        if statuses.last().is_some_and(|status| status == "101") {
            return Ok((statuses, rest));
        }
    }
    Ok((statuses, rest))
}

/// The parameters of an entry as flags.
fn flags(entry: &Entry) -> Vec<String> {
    let flag = |(name, value): &(String, String)| format!("--{}={value}", name.replace('_', "-"));
    entry.config.iter().map(flag).collect()
}

/// Sends all entries to one server, whole and cut at some places.
fn exchange_all(server: &ServerProcess, entries: &[Entry]) -> Vec<String> {
    let cuts = |entry: &Entry| {
        let len = bytes(entry).len();
        let mut cuts = vec![0, len / 2, len.saturating_sub(1)];
        cuts.dedup();
        cuts
    };
    let jobs: Vec<_> =
        entries.iter().flat_map(|entry| cuts(entry).into_iter().map(move |cut| (entry, cut))).collect();
    let (next, address) = (AtomicUsize::new(0), server.address());
    let peer = || {
        let mut wrong = Vec::new();
        while let Some((entry, cut)) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
            if let Err(error) = exchange(address, entry, *cut) {
                let Entry { place, row, id, .. } = entry;
                let bytes = shown(&entry.bytes());
                wrong.push(format!("{place} {row} {id}, cut at {cut}\n  bytes: {bytes}\n{error}\n"));
            }
        }
        wrong
    };
    thread::scope(|scope| {
        let peers: Vec<_> = (0..PEERS).map(|_| scope.spawn(peer)).collect();
        peers.into_iter().flat_map(|peer| peer.join().expect("a peer")).collect()
    })
}

on_each_transport!(
    every_entry_of_the_corpus_gets_the_response_that_is_written,
    a_crowd_of_slow_peers_does_not_keep_a_healthy_one_waiting,
);

fn every_entry_of_the_corpus_gets_the_response_that_is_written(transport: &str) {
    let mut by_flags: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for entry in entries() {
        by_flags.entry(flags(&entry)).or_default().push(entry);
    }
    let count: usize = by_flags.values().map(Vec::len).sum();
    assert!(count >= 700, "{count} entries");
    for (flags, entries) in &by_flags {
        // Lingering discards more than any entry has, so that no reset overtakes a response.
        let mut arguments = vec!["--app", "echo", "--transport", transport, "--linger-bytes", "16MiB"];
        arguments.extend(flags.iter().map(String::as_str));
        let server = ServerProcess::start(&arguments);
        let wrong = exchange_all(&server, entries);
        assert!(wrong.is_empty(), "{} exchanges:\n\n{}", wrong.len(), wrong.join("\n"));
    }
}

fn a_crowd_of_slow_peers_does_not_keep_a_healthy_one_waiting(transport: &str) {
    const CROWD: usize = 200;
    let begun: [&[u8]; 4] = [
        b"",
        b"GET / HT",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;a",
    ];
    let server = ServerProcess::start(&["--app", "echo", "--transport", transport, "--threads", "1"]);
    let mut crowd: Vec<_> = (0..CROWD).map(|_| server.connect()).collect();
    for (at, peer) in crowd.iter_mut().enumerate() {
        peer.write_all(begun[at % begun.len()]).expect("sent");
    }
    let response = server.exchange(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    assert_eq!(response.status, "HTTP/1.1 200 OK");
    drop(crowd);
}
