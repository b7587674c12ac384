//! The server machine, from outside.

mod drain;
mod named;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use httpfsm::config::ServerConfig;
use httpfsm::fsm::{Act, Cause, Label};
use httpfsm::peer::Peer;
use httpfsm::server::{
    Action, ChannelId, ChannelStats, Event, MACHINE, NotAdmitted, REFUSALS, ROWS, Server, ServerInput,
    ServerNotAccepted, ServerOutput, State,
};
use httpfsm::time::Moment;
use proptest::prelude::*;

/// A server with a clock that the test turns.
struct Bench {
    server: Server,
    at: Moment,
}

impl Bench {
    fn new(config: ServerConfig) -> Self {
        Self { server: Server::new(config), at: Moment::START }
    }

    fn wait(&mut self, seconds: u64) -> &mut Self {
        self.at = self.at.saturating_add_millis(seconds * 1000);
        self
    }

    fn send(&mut self, input: ServerInput) -> Vec<ServerOutput> {
        self.server.handle(self.at, input).expect("the input fits");
        self.outputs()
    }

    fn outputs(&mut self) -> Vec<ServerOutput> {
        std::iter::from_fn(|| self.server.next_output()).collect()
    }

    fn connect(&mut self, from: &str) -> Result<(ChannelId, String), NotAdmitted> {
        self.connect_as(connected(from), from)
    }

    fn connect_as(&mut self, input: ServerInput, from: &str) -> Result<(ChannelId, String), NotAdmitted> {
        match self.send(input).as_slice() {
            [ServerOutput::HttpChannel { id, name, peername, sockname }] => {
                assert_eq!((peername, sockname), (&peer(from), &peer("192.0.2.9:80")));
                Ok((*id, name.clone()))
            }
            [ServerOutput::NotAdmitted { peername, reason }] => {
                assert_eq!(peername, &peer(from));
                Err(*reason)
            }
            other => panic!("a connection got {other:?}"),
        }
    }

    fn open(&mut self, from: &str) -> ChannelId {
        self.connect(from).expect("the connection is served").0
    }

    /// Goes out, with no listener open.
    fn go_out(&mut self) -> Vec<ServerOutput> {
        let mut outputs = self.send(ServerInput::GoOut);
        outputs.extend(self.send(ServerInput::ListenersClosed));
        outputs
    }

    fn close(&mut self, channel: ChannelId) -> Vec<ServerOutput> {
        self.send(closed(channel))
    }
}

fn peer(text: &str) -> Peer {
    match text.parse::<SocketAddr>() {
        Ok(address) => Peer::Ip(address),
        Err(_) => Peer::Unix(None),
    }
}

fn connected(from: &str) -> ServerInput {
    ServerInput::Connected { peername: peer(from), sockname: peer("192.0.2.9:80") }
}

fn proxy_connected(from: &str) -> ServerInput {
    ServerInput::ProxyConnected { peername: peer(from), sockname: peer("192.0.2.9:80") }
}

fn channel_stats(requests: u64, refused: u64, received: u64, sent: u64) -> ChannelStats {
    let mut stats = ChannelStats::default();
    (stats.requests, stats.refused, stats.received, stats.sent) = (requests, refused, received, sent);
    stats
}

fn closed(channel: ChannelId) -> ServerInput {
    ServerInput::HttpChannelClosed { channel, stats: ChannelStats::default() }
}

#[test]
fn every_pair_is_one_row_or_one_refusal() {
    for &state in State::ALL {
        for &event in Event::ALL {
            let rows = ROWS.iter().filter(|row| row.states.contains(&state));
            let rows = rows.filter(|row| row.causes.contains(&Cause::Input(event))).count();
            let refusals = REFUSALS.iter().filter(|refusal| refusal.state == state);
            let refusals = refusals.filter(|refusal| refusal.events.contains(&event)).count();
            assert_eq!(rows + refusals, 1, "({state}, {event})");
        }
    }
}

#[test]
fn every_state_is_reached_and_every_action_used() {
    for &state in State::ALL {
        assert!(state == MACHINE.initial || ROWS.iter().any(|row| row.next == Some(state)), "{state}");
        assert_eq!(MACHINE.positions.iter().filter(|place| place.state == state).count(), 1, "{state}");
    }
    let used: Vec<String> = ROWS.iter().flat_map(|row| row.actions).map(Act::name).collect();
    for name in Action::NAMES {
        assert!(used.iter().any(|one| one.split('(').next() == Some(name)), "{name}");
    }
    for &event in Event::ALL {
        assert_eq!(MACHINE.inputs.iter().filter(|input| input.event == event).count(), 1, "{event}");
    }
}

#[test]
fn nothing_leaves_gone() {
    let rows = ROWS.iter().filter(|row| row.states.contains(&State::Gone));
    assert!(rows.map(|row| row.next).all(|next| next.is_none() || next == Some(State::Gone)));
}

/// When the server is gone, no channel is open that could close or be of another peer.
#[test]
fn every_input_has_a_row_in_every_state_but_one() {
    let refused: Vec<_> = REFUSALS.iter().map(|refusal| (refusal.state, refusal.events)).collect();
    assert_eq!(refused, [(State::Gone, &[Event::PeerNamed, Event::HttpChannelClosed][..])]);
}

#[test]
fn each_connection_gets_a_channel_of_its_own_name() {
    let mut bench = Bench::new(ServerConfig::default());
    let (first, name) = bench.connect("192.0.2.1:1").unwrap();
    assert_eq!((first.get(), name.as_str()), (1, "server.clisrv_1"));
    let (second, name) = bench.connect("192.0.2.1:2").unwrap();
    assert_eq!((second.get(), name.as_str()), (2, "server.clisrv_2"));
    assert!(bench.close(first).is_empty());
    assert_eq!(bench.connect("unix").unwrap().1, "server.clisrv_3", "names are not reused");
}

#[test]
fn the_name_of_the_server_begins_the_names_of_its_channels() {
    let mut server = Server::named("admin", ServerConfig::default());
    server.handle(Moment::START, connected("192.0.2.1:1")).unwrap();
    assert!(
        matches!(server.next_output(), Some(ServerOutput::HttpChannel { name, .. }) if name == "admin.clisrv_1")
    );
    assert_eq!(server.name(), "admin");
}

#[test]
fn a_foreign_origin_is_not_admitted() {
    let origins = vec!["10.0.0.0/8".parse().unwrap(), "[::1]:7".parse().unwrap()];
    let mut bench = Bench::new(ServerConfig { origins, ..ServerConfig::default() });
    assert_eq!(bench.connect("192.0.2.1:1"), Err(NotAdmitted::Origin));
    assert_eq!(bench.connect("[::1]:8"), Err(NotAdmitted::Origin));
    assert_eq!(bench.connect("unix"), Err(NotAdmitted::Origin));
    bench.open("[::ffff:10.0.0.1]:1");
    bench.open("[::1]:7");
    assert_eq!(bench.server.stats().not_admitted_origin, 3);
    assert_eq!(bench.server.stats().not_admitted(), 3);
}

#[test]
fn the_limit_of_connections_is_inclusive_and_a_close_makes_room() {
    let mut bench = Bench::new(ServerConfig { max_connections: 2, ..ServerConfig::default() });
    let first = bench.open("192.0.2.1:1");
    bench.open("192.0.2.1:2");
    assert_eq!(bench.connect("192.0.2.1:3"), Err(NotAdmitted::Full));
    bench.close(first);
    bench.open("192.0.2.1:4");
    assert_eq!(bench.connect("192.0.2.1:5"), Err(NotAdmitted::Full));
    assert_eq!(bench.server.stats().not_admitted_full, 2);
}

#[test]
fn the_limit_per_peer_counts_each_peer_alone() {
    let mut bench = Bench::new(ServerConfig { max_connections_per_peer: 2, ..ServerConfig::default() });
    let first = bench.open("192.0.2.1:1");
    bench.open("[::ffff:192.0.2.1]:2");
    assert_eq!(bench.connect("192.0.2.1:3"), Err(NotAdmitted::Peer), "a mapped address is the same peer");
    bench.open("192.0.2.2:1");
    bench.close(first);
    bench.open("192.0.2.1:4");
    assert_eq!(bench.connect("192.0.2.1:5"), Err(NotAdmitted::Peer));
    assert_eq!(bench.server.stats().not_admitted_peer, 2);
}

#[test]
fn an_ipv6_peer_is_its_network_of_64_bits() {
    let mut bench = Bench::new(ServerConfig { max_connections_per_peer: 1, ..ServerConfig::default() });
    bench.open("[2001:db8::1]:1");
    assert_eq!(bench.connect("[2001:db8::2]:1"), Err(NotAdmitted::Peer));
    bench.open("[2001:db8:0:1::1]:1");
}

#[test]
fn unix_peers_are_not_limited_per_peer() {
    let mut bench = Bench::new(ServerConfig { max_connections_per_peer: 1, ..ServerConfig::default() });
    bench.open("unix");
    bench.open("unix");
}

#[test]
fn zero_is_no_limit() {
    let config = ServerConfig { max_connections: 0, max_connections_per_peer: 0, ..ServerConfig::default() };
    let mut bench = Bench::new(config);
    for _ in 0..20_001 {
        bench.open("192.0.2.1:1");
    }
    assert_eq!(bench.server.stats().n_channels, 20_001);
}

#[test]
fn the_end_of_an_unknown_channel_is_not_accepted() {
    let mut bench = Bench::new(ServerConfig::default());
    let channel = bench.open("192.0.2.1:1");
    bench.close(channel);
    let before = bench.server.stats();
    let refused = ServerNotAccepted::new(State::Listening, Event::HttpChannelClosed);
    assert_eq!(bench.server.handle(bench.at, closed(channel)), Err(refused));
    assert_eq!(bench.server.stats(), before);
    assert_eq!(bench.outputs(), []);
    assert_eq!(
        refused.to_string(),
        "The server does not accept HttpChannelClosed in the state Listening: the channel is not open."
    );
}

#[test]
fn nor_is_it_while_the_server_goes_out_or_when_it_is_gone() {
    let mut bench = Bench::new(ServerConfig::default());
    let gone = bench.open("192.0.2.1:1");
    let open = bench.open("192.0.2.1:2");
    bench.close(gone);
    bench.send(ServerInput::GoOut);
    for state in [State::Draining, State::Leaving, State::Gone] {
        let before = bench.server.stats();
        let refused = ServerNotAccepted::new(state, Event::HttpChannelClosed);
        assert_eq!(bench.server.handle(bench.at, closed(gone)), Err(refused));
        assert_eq!((bench.server.state(), bench.server.stats()), (state, before));
        assert_eq!(bench.outputs(), []);
        match state {
            State::Draining => bench.send(ServerInput::ListenersClosed),
            _ if !bench.server.is_gone() => bench.close(open),
            _ => Vec::new(),
        };
    }
}

#[test]
fn the_counts_of_a_channel_are_added_when_it_closes() {
    let mut bench = Bench::new(ServerConfig::default());
    for requests in [2, 3] {
        let channel = bench.open("192.0.2.1:1");
        let stats = channel_stats(requests, 1, 10, u64::MAX);
        bench.send(ServerInput::HttpChannelClosed { channel, stats });
    }
    let stats = bench.server.stats();
    assert_eq!(stats.channels, channel_stats(5, 2, 20, u64::MAX));
    assert_eq!((stats.n_channels, stats.most_channels, stats.opened, stats.closed), (0, 1, 2, 2));
}

proptest! {
    #[test]
    fn in_any_order_names_differ_limits_hold_and_counts_agree(
        inputs in proptest::collection::vec((0u8..40, 0u64..12, 0u64..4_000), 0..200),
    ) {
        let config = ServerConfig {
            max_connections: 5,
            max_connections_per_peer: 2,
            drain_deadline: Some(Duration::from_secs(60)),
            ..ServerConfig::default()
        };
        let mut server = Server::new(config);
        let mut names = BTreeSet::new();
        let mut open: Vec<(ChannelId, Option<Peer>)> = Vec::new();
        let mut gone = false;
        for (kind, which, at) in inputs {
            let input = match kind {
                0 => ServerInput::GoOut,
                1 => ServerInput::ListenersClosed,
                2..5 => ServerInput::Tick,
                5..20 if !open.is_empty() => closed(open.remove(which as usize % open.len()).0),
                20..26 if !open.is_empty() => ServerInput::PeerNamed {
                    channel: open[which as usize % open.len()].0,
                    peername: peer(&format!("192.0.2.{}:1", at % 4)),
                },
                26..32 => proxy_connected("192.0.2.0:1"),
                _ => connected(&format!("192.0.2.{}:1", which % 4)),
            };
            // A proxy's connection is of nobody before its peer is named.
            let named = match &input {
                ServerInput::Connected { peername, .. } | ServerInput::PeerNamed { peername, .. } => {
                    Some(peername.clone())
                }
                _ => None,
            };
            prop_assert_eq!(server.handle(Moment::from_millis(at), input), Ok(()));
            while let Some(output) = server.next_output() {
                prop_assert!(!gone || matches!(output, ServerOutput::NotAdmitted { .. }), "{:?} after Gone", output);
                match output {
                    ServerOutput::HttpChannel { id, name, .. } => {
                        prop_assert!(names.insert(name), "a name was reused");
                        open.push((id, named.clone()));
                    }
                    ServerOutput::PeerAdmitted { id } => {
                        let channel = open.iter_mut().find(|channel| channel.0 == id);
                        let channel = channel.expect("the channel is open");
                        channel.1 = named.clone();
                    }
                    ServerOutput::Gone => gone = true,
                    _ => {}
                }
            }
            prop_assert!(open.len() <= 5);
            for (_, peername) in open.iter().filter(|(_, peername)| peername.is_some()) {
                prop_assert!(open.iter().filter(|(_, other)| other == peername).count() <= 2);
            }
            let stats = server.stats();
            prop_assert_eq!(stats.n_channels, open.len() as u64);
            prop_assert_eq!(stats.opened - stats.closed, stats.n_channels);
            prop_assert_eq!(gone, server.is_gone());
            prop_assert!(!gone || open.is_empty());
        }
    }
}

#[test]
fn who_would_be_turned_away_is_told_without_a_connection() {
    let config = ServerConfig { max_connections_per_peer: 1, max_connections: 2, ..ServerConfig::default() };
    let mut bench = Bench::new(config);
    let would = |bench: &Bench, from: &str| bench.server.would_turn_away(&peer(from));
    assert_eq!(would(&bench, "192.0.2.1:1"), None);
    let first = bench.open("192.0.2.1:1");
    assert_eq!(would(&bench, "192.0.2.1:2"), Some(NotAdmitted::Peer));
    assert_eq!(would(&bench, "192.0.2.2:1"), None);
    let second = bench.open("192.0.2.2:1");
    assert_eq!(would(&bench, "192.0.2.3:1"), Some(NotAdmitted::Full));
    bench.send(ServerInput::GoOut);
    assert_eq!(
        would(&bench, "192.0.2.3:1"),
        Some(NotAdmitted::Full),
        "as before, until the listeners have closed"
    );
    bench.send(ServerInput::ListenersClosed);
    assert_eq!(would(&bench, "192.0.2.1:1"), Some(NotAdmitted::Draining));
    for channel in [first, second] {
        bench.close(channel);
    }
    assert!(bench.server.is_gone());
    assert_eq!(would(&bench, "192.0.2.1:1"), Some(NotAdmitted::Draining));
}

#[test]
fn connections_that_are_not_admitted_are_added_up() {
    let mut stats = httpfsm::server::ServerStats::default();
    stats.not_admitted_origin = 1;
    stats.not_admitted_full = 20;
    stats.not_admitted_peer = 300;
    stats.not_admitted_draining = 4000;
    assert_eq!(stats.not_admitted(), 4321);
}
