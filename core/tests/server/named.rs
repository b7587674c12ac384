//! Peers that are named before HTTP.

use httpfsm::config::ServerConfig;
use httpfsm::server::{ChannelId, NotAdmitted, ServerInput, ServerNotAccepted, ServerOutput, State};

use crate::{Bench, closed, peer, proxy_connected};

/// Two channels of each peer.
fn config() -> ServerConfig {
    ServerConfig {
        origins: ["192.0.2.0/24", "unix"].map(|origin| origin.parse().expect("an origin")).to_vec(),
        max_connections_per_peer: 2,
        ..ServerConfig::default()
    }
}

const PROXY: &str = "192.0.2.200:1";

fn name(bench: &mut Bench, channel: ChannelId, named: &str) -> Result<(), NotAdmitted> {
    let outputs = bench.send(ServerInput::PeerNamed { channel, peername: peer(named) });
    match outputs.as_slice() {
        [ServerOutput::PeerAdmitted { id }] => {
            assert_eq!(*id, channel);
            Ok(())
        }
        [ServerOutput::NotAdmitted { peername, reason }] => {
            assert_eq!(peername, &peer(named));
            Err(*reason)
        }
        other => panic!("{named} leads to {other:?}"),
    }
}

/// However many of its clients it serves at once.
#[test]
fn a_channel_counts_for_the_peer_that_is_named_and_no_longer_for_the_proxy() {
    let mut bench = Bench::new(config());
    for client in 1..9 {
        let channel = bench.open(PROXY);
        assert_eq!(name(&mut bench, channel, &format!("192.0.2.{client}:9")), Ok(()));
    }
    let (_, _) = (bench.open(PROXY), bench.open(PROXY));
    assert_eq!(bench.connect(PROXY).unwrap_err(), NotAdmitted::Peer);
    assert_eq!(bench.server.stats().n_channels, 10);
}

#[test]
fn a_peer_that_is_named_has_as_many_channels_as_one_that_connects() {
    let mut bench = Bench::new(config());
    let direct = bench.open("192.0.2.1:5");
    let named = bench.open(PROXY);
    assert_eq!(name(&mut bench, named, "192.0.2.1:6"), Ok(()));
    let third = bench.open(PROXY);
    assert_eq!(name(&mut bench, third, "192.0.2.1:7"), Err(NotAdmitted::Peer));
    assert_eq!(bench.connect("192.0.2.1:8").unwrap_err(), NotAdmitted::Peer);
    assert_eq!(bench.server.stats().not_admitted_peer, 2);
    // One that is not admitted counts for the proxy until it has closed.
    bench.open(PROXY);
    assert_eq!(bench.connect(PROXY).unwrap_err(), NotAdmitted::Peer);
    bench.close(third);
    bench.open(PROXY);
    for channel in [direct, named] {
        bench.close(channel);
    }
    assert!(bench.connect("192.0.2.1:8").is_ok());
}

#[test]
fn a_channel_may_be_named_again_and_after_itself() {
    let mut bench = Bench::new(config());
    let (one, _other) = (bench.open(PROXY), bench.open(PROXY));
    // It is one of the two that the proxy has.
    for _ in 0..3 {
        assert_eq!(name(&mut bench, one, PROXY), Ok(()));
    }
    assert_eq!(name(&mut bench, one, "192.0.2.1:1"), Ok(()));
    bench.open(PROXY);
    assert_eq!(name(&mut bench, one, PROXY), Err(NotAdmitted::Peer));
    bench.close(one);
    bench.open("192.0.2.1:1");
    bench.open("192.0.2.1:1");
}

#[test]
fn origins_judge_the_peer_that_is_named_as_well() {
    let mut bench = Bench::new(config());
    let channel = bench.open(PROXY);
    assert_eq!(name(&mut bench, channel, "198.51.100.1:1"), Err(NotAdmitted::Origin));
    assert_eq!(bench.server.stats().not_admitted_origin, 1);
    assert_eq!(bench.server.stats().n_channels, 1, "until its end is reported");
    assert_eq!(name(&mut bench, channel, "unix"), Ok(()));
}

/// It has its place among them already.
#[test]
fn a_full_server_admits_the_peer_that_is_named() {
    let mut bench = Bench::new(ServerConfig { max_connections: 1, ..config() });
    let channel = bench.open(PROXY);
    assert_eq!(name(&mut bench, channel, "192.0.2.1:1"), Ok(()));
}

#[test]
fn without_a_limit_nothing_is_counted() {
    let mut bench = Bench::new(ServerConfig { max_connections_per_peer: 0, ..config() });
    for _ in 0..9 {
        let channel = bench.open(PROXY);
        assert_eq!(name(&mut bench, channel, "192.0.2.1:1"), Ok(()));
        assert_eq!(name(&mut bench, channel, "unix"), Ok(()));
    }
}

#[test]
fn a_server_that_goes_out_judges_as_before() {
    let mut bench = Bench::new(config());
    let channels = [bench.open(PROXY), bench.open("192.0.2.1:1")];
    for input in [ServerInput::GoOut, ServerInput::ListenersClosed] {
        bench.send(input);
        assert_eq!(name(&mut bench, channels[0], "192.0.2.2:1"), Ok(()));
        assert_eq!(name(&mut bench, channels[0], "198.51.100.1:1"), Err(NotAdmitted::Origin));
    }
    assert_eq!(bench.server.state(), State::Leaving);
    bench.close(channels[0]);
    assert_eq!(bench.close(channels[1]), [ServerOutput::Gone]);
}

#[test]
fn a_channel_that_is_not_open_has_no_peer() {
    let mut bench = Bench::new(config());
    let channel = bench.open(PROXY);
    bench.close(channel);
    let named = ServerInput::PeerNamed { channel, peername: peer("192.0.2.1:1") };
    let event = named.event();
    let refused = Err(ServerNotAccepted::new(State::Listening, event));
    assert_eq!(bench.server.handle(bench.at, named.clone()), refused);
    assert_eq!((bench.outputs(), bench.server.stats().n_channels), (vec![], 0));
    bench.go_out();
    assert_eq!(bench.server.handle(bench.at, named), Err(ServerNotAccepted::new(State::Gone, event)));
    assert!(bench.server.handle(bench.at, closed(channel)).is_err());
}

/// Also in a drain, whose state it leaves as it is.
#[test]
fn a_peer_is_named_as_long_as_its_channel_is_open() {
    for (inputs, state) in [
        (&[][..], State::Listening),
        (&[ServerInput::GoOut][..], State::Draining),
        (&[ServerInput::GoOut, ServerInput::ListenersClosed][..], State::Leaving),
    ] {
        let mut bench = Bench::new(config());
        let [first, second, third] = [(); 3].map(|()| bench.open("unix"));
        for input in inputs {
            bench.send(input.clone());
        }
        for (channel, verdict) in [(first, Ok(())), (second, Ok(())), (third, Err(NotAdmitted::Peer))] {
            assert_eq!(name(&mut bench, channel, "192.0.2.1:9"), verdict, "{state}");
            assert_eq!(bench.server.state(), state);
        }
        assert_eq!(name(&mut bench, third, "198.51.100.1:1"), Err(NotAdmitted::Origin), "{state}");
        assert_eq!(bench.server.state(), state);
    }
}

impl Bench {
    /// A connection whose peer is to be named.
    fn proxy(&mut self) -> Result<ChannelId, NotAdmitted> {
        self.connect_as(proxy_connected(PROXY), PROXY).map(|(id, _)| id)
    }

    fn open_of_proxy(&mut self) -> ChannelId {
        self.proxy().expect("the proxy is served")
    }
}

#[test]
fn a_proxy_has_any_number_of_connections_whose_peers_are_not_named_yet() {
    let mut bench = Bench::new(config());
    let mut channels: Vec<_> = (0..9).map(|_| bench.open_of_proxy()).collect();
    // Beside those that it makes for itself.
    let own = [bench.open(PROXY), bench.open(PROXY)];
    assert_eq!(bench.connect(PROXY).unwrap_err(), NotAdmitted::Peer);
    channels.push(bench.open_of_proxy());
    let mut verdicts: Vec<_> = channels
        .iter()
        .enumerate()
        .map(|(n, channel)| name(&mut bench, *channel, &format!("192.0.2.{}:9", n % 3)))
        .collect();
    let rest = verdicts.split_off(6);
    assert_eq!((verdicts, rest), (vec![Ok(()); 6], vec![Err(NotAdmitted::Peer); 4]), "two of each peer");
    for channel in channels.into_iter().chain(own) {
        bench.close(channel);
    }
    for client in 0..3 {
        bench.open(&format!("192.0.2.{client}:1"));
        bench.open(&format!("192.0.2.{client}:2"));
    }
}

/// As a check of the proxy's own is.
#[test]
fn a_connection_of_a_proxy_that_names_nobody_counts_for_the_proxy_as_for_any_peer() {
    let mut bench = Bench::new(config());
    let channels = [(); 3].map(|()| bench.open_of_proxy());
    let verdicts = channels.map(|channel| name(&mut bench, channel, PROXY));
    assert_eq!(verdicts, [Ok(()), Ok(()), Err(NotAdmitted::Peer)]);
    assert_eq!(bench.connect(PROXY).unwrap_err(), NotAdmitted::Peer);
    bench.close(channels[2]);
    assert_eq!(bench.connect(PROXY).unwrap_err(), NotAdmitted::Peer, "it has counted for nobody");
    bench.close(channels[0]);
    bench.open(PROXY);
}

#[test]
fn origins_and_the_limit_of_all_connections_judge_a_proxy() {
    let mut bench = Bench::new(ServerConfig { max_connections: 2, ..config() });
    let foreign = "198.51.100.1:1";
    assert_eq!(bench.connect_as(proxy_connected(foreign), foreign).unwrap_err(), NotAdmitted::Origin);
    let first = bench.open_of_proxy();
    bench.open("unix");
    assert_eq!(bench.proxy(), Err(NotAdmitted::Full));
    assert_eq!(name(&mut bench, first, "192.0.2.1:1"), Ok(()));
    assert_eq!(bench.proxy(), Err(NotAdmitted::Full));
    let stats = bench.server.stats();
    assert_eq!((stats.not_admitted_origin, stats.not_admitted_full, stats.not_admitted_peer), (1, 2, 0));
}

#[test]
fn a_server_that_goes_out_serves_the_connections_of_a_proxy_that_have_waited() {
    let mut bench = Bench::new(config());
    bench.send(ServerInput::GoOut);
    let channel = bench.open_of_proxy();
    bench.send(ServerInput::ListenersClosed);
    assert_eq!(bench.proxy(), Err(NotAdmitted::Draining));
    assert_eq!(bench.close(channel), [ServerOutput::Gone]);
    assert_eq!(bench.proxy(), Err(NotAdmitted::Draining));
}

#[test]
fn behind_the_drain_deadline_a_proxy_comes_too_late() {
    let mut bench = Bench::new(config());
    bench.send(ServerInput::GoOut);
    bench.wait(100).send(ServerInput::Tick);
    assert_eq!(bench.proxy(), Err(NotAdmitted::Draining));
}

#[test]
fn whether_a_proxy_would_be_turned_away_is_told_without_a_connection() {
    let mut bench = Bench::new(ServerConfig { max_connections: 3, ..config() });
    let would = |bench: &Bench, from: &str| bench.server.would_turn_away_proxy(&peer(from));
    bench.open(PROXY);
    bench.open(PROXY);
    assert_eq!(would(&bench, PROXY), None);
    assert_eq!(bench.server.would_turn_away(&peer(PROXY)), Some(NotAdmitted::Peer));
    assert_eq!(would(&bench, "198.51.100.1:1"), Some(NotAdmitted::Origin));
    bench.open_of_proxy();
    assert_eq!(would(&bench, PROXY), Some(NotAdmitted::Full));
    bench.go_out();
    assert_eq!(would(&bench, PROXY), Some(NotAdmitted::Draining));
}
