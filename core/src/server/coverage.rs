//! The server, explored: every sequence of a few moves, held against the table, pair by pair.

use std::collections::BTreeSet;
use std::format;
use std::string::String;
use std::time::Duration;
use std::vec;
use std::vec::Vec;

use super::{Action, ChannelId, ChannelStats, Event, MACHINE, REFUSALS, ROWS, Server, ServerInput, State};
use crate::config::ServerConfig;
use crate::fsm::{Direction, Label};
use crate::peer::Peer;
use crate::time::Moment;
use crate::witness;

/// What somebody does.
#[derive(Clone, Copy, Debug)]
enum Move {
    Connect(&'static str),
    /// The first channel closes, perhaps again; or one that there never was.
    Close(u64),
    GoOut,
    ListenersClosed,
    Tick,
    /// The next deadline passes.
    Deadline,
}

const MOVES: [Move; 9] = [
    Move::Connect("192.0.2.1:1"),
    Move::Connect("192.0.2.2:1"),
    Move::Connect("198.51.100.1:1"),
    Move::Close(1),
    Move::Close(2),
    Move::GoOut,
    Move::ListenersClosed,
    Move::Tick,
    Move::Deadline,
];

const DEPTH: usize = 4;

/// Two channels fit, one of each peer; one network may connect.
fn config() -> ServerConfig {
    ServerConfig {
        origins: vec!["192.0.2.0/24".parse().expect("an origin")],
        max_connections: 2,
        max_connections_per_peer: 1,
        drain_deadline: Some(Duration::from_secs(1)),
        ..ServerConfig::default()
    }
}

fn peer(text: &str) -> Peer {
    Peer::Ip(text.parse().expect("an address"))
}

fn make(server: &mut Server, at: &mut Moment, what: Move) {
    let input = match what {
        Move::Connect(from) => {
            ServerInput::Connected { peername: peer(from), sockname: peer("192.0.2.9:80") }
        }
        Move::Close(n) => {
            ServerInput::HttpChannelClosed { channel: ChannelId(n), stats: ChannelStats::default() }
        }
        Move::GoOut => ServerInput::GoOut,
        Move::ListenersClosed => ServerInput::ListenersClosed,
        Move::Tick => ServerInput::Tick,
        Move::Deadline => {
            *at = server.deadline().unwrap_or(*at);
            ServerInput::Tick
        }
    };
    // Only the end of an unknown channel is refused.
    let _ = server.handle(*at, input);
    while server.next_output().is_some() {}
}

fn explore(config: &ServerConfig, mut visit: impl FnMut(Server, &[Move])) {
    let config = std::sync::Arc::new(config.clone());
    let mut scripts: Vec<Vec<Move>> = vec![Vec::new()];
    while let Some(moves) = scripts.pop() {
        let mut server = Server::new(config.clone());
        let mut at = Moment::START;
        for &what in &moves {
            make(&mut server, &mut at, what);
        }
        visit(server, &moves);
        if moves.len() < DEPTH {
            scripts.extend(MOVES.iter().map(|&what| {
                let mut further = moves.clone();
                further.push(what);
                further
            }));
        }
    }
}

/// What an action may raise in a state; the exploration finds all of it, and nothing else.
fn raises(state: State, action: Action) -> &'static [Event] {
    match (state, action) {
        (State::Listening | State::Draining, Action::CheckPeer) => {
            &[Event::Admitted, Event::OriginForeign, Event::ServerFull, Event::PeerFull]
        }
        // None is open.
        (State::Gone, Action::FindChannel) => &[Event::ChannelUnknown],
        (_, Action::FindChannel) => &[Event::ChannelFound, Event::ChannelUnknown],
        (_, Action::ForgetChannel | Action::CountChannels) => &[Event::LastClosed],
        (State::Draining | State::Leaving, Action::CheckDeadline) => &[Event::DrainOver],
        _ => &[],
    }
}

fn is_internal(event: Event) -> bool {
    MACHINE.inputs.iter().any(|input| input.event == event && input.direction == Direction::Internal)
}

/// Every row is taken; what is raised is what [`raises`] says, which has a row wherever it is raised, but for
/// ChannelUnknown: it has none anywhere, and that is how the caller's one mistake is refused.
///
/// Seen to fail: with a PeerFull row in Draining; with a `would_refuse` that does not count peers.
#[test]
fn every_pair_happens() {
    explore(&config(), |_, _| {});
    // Who is told apart only when the server is not full.
    explore(&ServerConfig { max_connections: 1, max_connections_per_peer: 0, ..config() }, |_, _| {});
    let seen = witness::all_looked_up(MACHINE.name);
    let happened = |state: State, event: Event| seen.contains(&(state.index(), event.index()));
    let rows = ROWS.iter().filter(|row| !happened(row.state, row.event));
    let missed: Vec<String> = rows.map(|row| format!("row ({}, {})", row.state, row.event)).collect();
    assert!(missed.is_empty(), "never taken: {missed:?}");
    for pair in REFUSALS {
        assert!(is_internal(pair.event), "({}, {}) is refused, an input", pair.state, pair.event);
        let expected = pair.event == Event::ChannelUnknown;
        assert_eq!(happened(pair.state, pair.event), expected, "({}, {})", pair.state, pair.event);
    }
    let expected: BTreeSet<(usize, usize, usize)> = ROWS
        .iter()
        .flat_map(|row| raises(row.next, row.action).iter().map(move |event| (row, event)))
        .map(|(row, event)| (row.next.index(), row.action.index(), event.index()))
        .collect();
    let named = |(state, action, event): &(usize, usize, usize)| {
        format!("{} raises {} in {}", Action::ALL[*action], Event::ALL[*event], State::ALL[*state])
    };
    let observed = witness::all_raised(MACHINE.name);
    let missing: Vec<String> = expected.difference(&observed).map(named).collect();
    let unexpected: Vec<String> = observed.difference(&expected).map(named).collect();
    assert!(missing.is_empty() && unexpected.is_empty(), "missing: {missing:?}, unexpected: {unexpected:?}");
}

/// Wherever a server stands, going out, the end of its listeners and channels, and its deadline bring it to Gone, and Gone it stays.
///
/// Seen to fail: without LastClosed of an empty server that goes out.
#[test]
fn every_server_can_go() {
    explore(&config(), |mut server, moves| {
        let mut at = server.deadline().unwrap_or(Moment::START);
        make(&mut server, &mut at, Move::GoOut);
        make(&mut server, &mut at, Move::ListenersClosed);
        // A server that drains owns a deadline until it has dropped its channels.
        make(&mut server, &mut at, Move::Deadline);
        assert_eq!(server.deadline(), None, "{moves:?}");
        for n in 1..=server.stats().opened {
            make(&mut server, &mut at, Move::Close(n));
        }
        assert_eq!(server.state(), State::Gone, "{moves:?}");
        for what in MOVES {
            make(&mut server, &mut at, what);
            assert!(server.is_gone() && server.deadline().is_none(), "{what:?} after {moves:?}");
        }
    });
}
