//! Peers that stand still, while others are served.

use httpfsm::config::ServerConfig;
use httpfsm::handler::Handler;
use httpfsm_transport::memory::MemoryClient;

use crate::support::{Stand, content, head, stand};

const OVERFLOW: usize = 4000;
const THREADS: usize = 4;
const PERMITS: usize = 2;

/// What a peer sends before it stands still.
#[derive(Clone, Copy, Debug)]
enum Standstill {
    /// A head whose body may come.
    Expect,
    /// Half of a body of ten bytes.
    Little,
    /// Half of a body that is longer than `inbuf_overflow`, and with that as much as is.
    Long,
}

impl Standstill {
    fn bytes(self) -> Vec<u8> {
        match self {
            Self::Expect => head(100_000, "Expect: 100-continue\r\n").into(),
            Self::Little => [head(10, "").as_bytes(), &content(5)].concat(),
            Self::Long => [head(4 * OVERFLOW, "").as_bytes(), &content(2 * OVERFLOW)].concat(),
        }
    }
}

fn crowd<H: Handler>(stand: &mut Stand<H>, peers: usize, kind: Standstill) -> Vec<MemoryClient> {
    let bytes = kind.bytes();
    let peer = |_| {
        let client = stand.connect();
        stand.send(&client, &bytes);
        client
    };
    (0..peers).map(peer).collect()
}

fn is_served<H: Handler>(stand: &mut Stand<H>, length: usize, more: &str) {
    let client = stand.connect();
    stand.send(&client, head(length, more));
    let pieces = content(length);
    for piece in pieces.chunks(1 + length / 5) {
        stand.send(&client, piece);
    }
    let response = stand.response(&client);
    assert!(response.ends_with(&format!("\r\n\r\n{length} bytes")), "{length}: {response}");
}

fn others_are_served(config: &ServerConfig, peers: usize, kinds: &[Standstill]) {
    let mut config = config.clone();
    config.channel.inbuf_overflow = OVERFLOW as u64;
    let mut stand = stand(config, THREADS, PERMITS);
    let mut silent: Vec<_> = Vec::new();
    for kind in kinds {
        silent.extend(crowd(&mut stand, peers / kinds.len(), *kind));
    }
    for length in [0, 10, OVERFLOW, 3 * OVERFLOW, 300_000] {
        is_served(&mut stand, length, "");
        is_served(&mut stand, length, "Expect: 100-continue\r\n");
    }
    assert!(
        stand.permits() <= PERMITS as u64 && stand.calls.running() <= PERMITS,
        "{:?}",
        stand.server.held()
    );
    drop(silent);
    stand.ends();
}

#[test]
fn eight_and_eighty_peers_that_stand_still_hold_no_more_threads_than_may_wait() {
    for peers in [8, 80] {
        for kind in [Standstill::Expect, Standstill::Little, Standstill::Long] {
            others_are_served(&ServerConfig::default(), peers, &[kind]);
        }
    }
}

#[test]
fn two_thousand_peers_that_stand_still_delay_nobody() {
    others_are_served(&ServerConfig::default(), 2000, &[Standstill::Expect, Standstill::Little]);
}

/// The deadline of whoever waits for room never comes, as no time passes here.
#[test]
fn under_a_small_limit_half_bodies_bring_nobody_a_503() {
    let config = ServerConfig { max_buffered_bytes: 2 << 20, ..ServerConfig::default() };
    let kinds = [Standstill::Expect, Standstill::Little, Standstill::Long];
    others_are_served(&config, 900, &kinds);
}
