//! The server, explored: every sequence of a few moves, held against the table, pair by pair.

use std::collections::BTreeSet;
use std::format;
use std::num::NonZero;
use std::string::{String, ToString};
use std::time::Duration;
use std::vec;
use std::vec::Vec;

use super::{
    Action, ChannelId, ChannelStats, Event, Internal, REFUSALS, ROWS, Server, ServerInput, ServerNotAccepted,
    State,
};
use crate::config::ServerConfig;
use crate::fsm::{Act, Cause, Label, Taken};
use crate::peer::Peer;
use crate::time::Moment;

/// What somebody does.
#[derive(Clone, Copy, Debug)]
enum Move {
    Connect(&'static str),
    /// A proxy does.
    ProxyConnect(&'static str),
    /// What came before HTTP on this channel names a peer.
    Name(u64, &'static str),
    /// The first channel closes, perhaps again; or one that there never was.
    Close(u64),
    GoOut,
    ListenersClosed,
    Tick,
    /// The next deadline passes.
    Deadline,
}

const MOVES: [Move; 14] = [
    Move::Connect("192.0.2.1:1"),
    Move::Connect("192.0.2.2:1"),
    Move::Connect("198.51.100.1:1"),
    Move::ProxyConnect("192.0.2.1:1"),
    Move::ProxyConnect("198.51.100.1:1"),
    Move::Name(1, "192.0.2.2:2"),
    Move::Name(1, "198.51.100.1:2"),
    Move::Name(3, "192.0.2.3:2"),
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

fn id(n: u64) -> ChannelId {
    ChannelId(NonZero::new(n).expect("the first is 1"))
}

/// What happened on the way.
#[derive(Default)]
struct Coverage {
    /// Rows that were taken.
    rows: BTreeSet<String>,
    /// Inputs that were not accepted.
    refused: BTreeSet<String>,
    /// What was raised: in which state, by which action.
    raised: BTreeSet<(String, String, String)>,
}

fn make(server: &mut Server, at: &mut Moment, what: Move, seen: &mut Coverage) {
    let input = match what {
        Move::Connect(from) => {
            ServerInput::Connected { peername: peer(from), sockname: peer("192.0.2.9:80") }
        }
        Move::ProxyConnect(from) => {
            ServerInput::ProxyConnected { peername: peer(from), sockname: peer("192.0.2.9:80") }
        }
        Move::Name(n, peername) => ServerInput::PeerNamed { channel: id(n), peername: peer(peername) },
        Move::Close(n) => ServerInput::HttpChannelClosed { channel: id(n), stats: ChannelStats::default() },
        Move::GoOut => ServerInput::GoOut,
        Move::ListenersClosed => ServerInput::ListenersClosed,
        Move::Tick => ServerInput::Tick,
        Move::Deadline => {
            *at = server.deadline().unwrap_or(*at);
            ServerInput::Tick
        }
    };
    let mut before: &[Action] = &[];
    let result = server.handle_with(*at, input, &mut |step: &Taken<State, Event, Internal, Action>| {
        seen.rows.insert(format!("({}, {:?})", step.state, step.cause));
        if let Cause::Internal(event) = step.cause {
            let action = before.last().expect("an internal event is raised by an action").name();
            seen.raised.insert((step.state.to_string(), action, event.to_string()));
        }
        before = step.actions;
    });
    if let Err(ServerNotAccepted { state, event }) = result {
        seen.refused.insert(format!("({state}, {event})"));
    }
    while server.next_output().is_some() {}
}

/// From where `start` leads to.
fn explore(
    config: &ServerConfig,
    start: &[Move],
    seen: &mut Coverage,
    mut visit: impl FnMut(Server, &[Move]),
) {
    let config = std::sync::Arc::new(config.clone());
    let mut scripts: Vec<Vec<Move>> = vec![start.to_vec()];
    while let Some(moves) = scripts.pop() {
        let mut server = Server::new(config.clone());
        let mut at = Moment::START;
        for &what in &moves {
            make(&mut server, &mut at, what, seen);
        }
        visit(server, &moves);
        if moves.len() < start.len() + DEPTH {
            scripts.extend(MOVES.iter().map(|&what| {
                let mut further = moves.clone();
                further.push(what);
                further
            }));
        }
    }
}

/// What an action may raise in a state; the exploration finds all of it, and nothing else.
fn raises(state: State, action: Action) -> &'static [Internal] {
    match (state, action) {
        (State::Listening, Action::CheckPeer) => {
            &[Internal::Admitted, Internal::OriginForeign, Internal::ServerFull, Internal::PeerFull]
        }
        (State::Draining, Action::CheckPeer) => &[
            Internal::Admitted,
            Internal::OriginForeign,
            Internal::ServerFull,
            Internal::PeerFull,
            Internal::TooLate,
        ],
        (State::Listening, Action::CheckProxy) => {
            &[Internal::ProxyAdmitted, Internal::OriginForeign, Internal::ServerFull]
        }
        (State::Draining, Action::CheckProxy) => {
            &[Internal::ProxyAdmitted, Internal::OriginForeign, Internal::ServerFull, Internal::TooLate]
        }
        (_, Action::CheckNamedPeer) => {
            &[Internal::NamedAdmitted, Internal::NamedForeign, Internal::NamedFull]
        }
        (_, Action::ForgetChannel | Action::CountChannels) => &[Internal::LastClosed],
        (State::Draining | State::Leaving, Action::CheckDeadline) => &[Internal::DrainOver],
        _ => &[],
    }
}

/// Every row is taken, the refusals are given, and what concerns an unknown channel is refused elsewhere, too; what is
/// raised is what [`raises`] says, which has a row wherever it is raised.
///
/// Seen to fail: with a PeerFull row in Leaving; with a `would_turn_away` that does not count peers.
#[test]
fn every_pair_happens() {
    let mut seen = Coverage::default();
    explore(&config(), &[], &mut seen, |_, _| {});
    // A peer that is named has enough channels only where there are two.
    let two = [Move::Connect("192.0.2.1:1"), Move::Connect("192.0.2.2:1")];
    explore(&config(), &two, &mut seen, |_, _| {});
    // Who is told apart only when the server is not full.
    let one = ServerConfig { max_connections: 1, max_connections_per_peer: 0, ..config() };
    explore(&one, &[], &mut seen, |_, _| {});
    let mut expected = BTreeSet::new();
    for row in ROWS {
        for &state in row.states {
            for cause in row.causes {
                let shown = format!("({state}, {cause:?})");
                assert!(seen.rows.contains(&shown), "never taken: {shown}");
            }
            let next = row.next.unwrap_or(state);
            for action in row.actions {
                let raised = raises(next, *action).iter();
                expected.extend(raised.map(|event| (next.to_string(), action.name(), event.to_string())));
            }
        }
    }
    assert_eq!(seen.raised, expected);
    let of_channels = [Event::PeerNamed, Event::HttpChannelClosed];
    let refused = State::ALL.iter().flat_map(|state| of_channels.map(|event| format!("({state}, {event})")));
    let refused = refused.collect();
    assert_eq!(seen.refused, refused);
    assert!(REFUSALS.iter().all(|refusal| refusal.state == State::Gone));
}

/// Wherever a server stands, going out, the end of its listeners and channels, and its deadline bring it to Gone, and Gone
/// it stays.
///
/// Seen to fail: without LastClosed of an empty server that goes out.
#[test]
fn every_server_can_go() {
    let mut seen = Coverage::default();
    explore(&config(), &[], &mut Coverage::default(), |mut server, moves| {
        let mut at = server.deadline().unwrap_or(Moment::START);
        make(&mut server, &mut at, Move::GoOut, &mut seen);
        make(&mut server, &mut at, Move::ListenersClosed, &mut seen);
        // A server that drains owns a deadline until it has dropped its channels.
        make(&mut server, &mut at, Move::Deadline, &mut seen);
        assert_eq!(server.deadline(), None, "{moves:?}");
        for n in 1..=server.stats().opened {
            make(&mut server, &mut at, Move::Close(n), &mut seen);
        }
        assert_eq!(server.state(), State::Gone, "{moves:?}");
        for what in MOVES {
            make(&mut server, &mut at, what, &mut seen);
            assert!(server.is_gone() && server.deadline().is_none(), "{what:?} after {moves:?}");
        }
    });
}
