//! The parameters of a server.

use std::net::SocketAddr;

use httpfsm::prologue::{Prologue, PrologueInput, State};
use httpfsm::server::{Server, ServerInput, ServerOutput};
use httpfsm::time::Moment;
use httpfsm::{ChannelConfig, Peer, ServerConfig};

use crate::kind::Kind::{Most, NoLimit, Time};
use crate::kind::{Parameter, parameter};

/// Those of a server.
pub(crate) const SERVER: &[Parameter] = &[
    parameter("host", NoLimit("a text, the transport's")),
    parameter("port", NoLimit("a number that limits nothing")),
    parameter("origins", NoLimit("a list that limits nothing: core/tests/server")),
    parameter("maximum_simultaneous_requests", NoLimit("counted by the transport, whose verdict is Busy")),
    parameter(
        "max_connections",
        Most {
            limit: 3,
            is_within: |limit, n| {
                let config = ServerConfig { max_connections: limit as u32, ..ServerConfig::default() };
                admits(config, (0..n).map(|n| format!("192.0.2.{n}:1")))
            },
        },
    ),
    parameter(
        "max_connections_per_peer",
        Most {
            limit: 3,
            is_within: |limit, n| {
                let config =
                    ServerConfig { max_connections_per_peer: limit as u32, ..ServerConfig::default() };
                admits(config, (0..n).map(|n| format!("192.0.2.1:{n}")))
            },
        },
    ),
    parameter("max_buffered_bytes", NoLimit("counted by the transport, whose verdict is Busy")),
    parameter("room_timeout", NoLimit("kept by the transport, whose verdict is Busy")),
    parameter("max_spooled_bytes", NoLimit("counted by the transport, whose verdict is Busy")),
    parameter("spool_dir", NoLimit("a text, the transport's")),
    parameter(
        "drain_deadline",
        Time(|time, n| {
            let channel = ChannelConfig { drain_grace: None, ..ChannelConfig::default() };
            let mut server =
                Server::new(ServerConfig { drain_deadline: time, channel, ..ServerConfig::default() });
            server.handle(Moment::START, connected("192.0.2.1:1")).expect("a connection is always taken");
            server.handle(Moment::START, ServerInput::GoOut).expect("going out is always taken");
            // What channels say at their own deadline has a second to leave at least.
            let at = Moment::from_millis(n.saturating_add(1000));
            server.handle(at, ServerInput::Tick).expect("a tick is always taken");
            !std::iter::from_fn(|| server.next_output()).any(|output| output == ServerOutput::DropChannels)
        }),
    ),
    parameter(
        "preface_timeout",
        Time(|time, n| {
            let mut prologue =
                Prologue::new(&ServerConfig { preface_timeout: time, ..ServerConfig::default() });
            stays(&mut prologue, State::Preface, n)
        }),
    ),
    parameter(
        "handshake_timeout",
        Time(|time, n| {
            let mut prologue =
                Prologue::new(&ServerConfig { handshake_timeout: time, ..ServerConfig::default() });
            prologue.handle(Moment::START, PrologueInput::LayerChosen).expect("there is no preface");
            stays(&mut prologue, State::Handshake, n)
        }),
    ),
    parameter(
        "max_preface_bytes",
        Most {
            limit: 20,
            is_within: |limit, n| {
                let config = ServerConfig { max_preface_bytes: limit as u32, ..ServerConfig::default() };
                let mut prologue = Prologue::new(&config);
                // The last byte of the preface comes with the verdict that it is complete.
                let taken =
                    (1..n).all(|_| prologue.handle(Moment::START, PrologueInput::Received(1)).is_ok());
                taken && prologue.handle(Moment::START, PrologueInput::PrefaceRead).is_ok()
            },
        },
    ),
    parameter("channel", NoLimit("has its own table")),
];

/// Whether a prologue that stands in `state` stands there still at `millis`.
fn stays(prologue: &mut Prologue, state: State, millis: u64) -> bool {
    assert_eq!(prologue.state(), state);
    prologue.handle(Moment::from_millis(millis), PrologueInput::Tick).expect("a tick is always taken");
    prologue.state() == state
}

fn connected(from: &str) -> ServerInput {
    let peer = |text: &str| Peer::Ip(text.parse::<SocketAddr>().expect("an address"));
    ServerInput::Connected { peername: peer(from), sockname: peer("192.0.2.99:80") }
}

/// Whether all of them get a channel.
fn admits(config: ServerConfig, mut peers: impl Iterator<Item = String>) -> bool {
    let mut server = Server::new(config);
    peers.all(|peer| {
        server.handle(Moment::START, connected(&peer)).expect("a connection is always taken");
        matches!(server.next_output(), Some(ServerOutput::HttpChannel { .. }))
    })
}
