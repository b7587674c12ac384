//! Any session that is recorded replays.

use std::time::Duration;

use httpfsm::config::ServerConfig;
use httpfsm_record::{Options, replay};
use proptest::prelude::*;

use crate::hostile_sessions::cases;
use crate::support::{application, recorded};

/// What happens on a connection.
#[derive(Clone, Debug)]
enum Step {
    Send(Vec<u8>),
    Take(usize),
    Wait(u64),
    CloseWrite,
    Reset,
    GoOut,
}

fn step() -> impl Strategy<Value = Step> {
    let target = prop::sample::select(vec![
        "/",
        "/pipe",
        "/headers",
        "/echo",
        "/large",
        "/stream",
        "/hints",
        "/login",
        "/fail",
        "/never",
        "/close",
        "/\u{e4}",
        "/pieces",
        "/hints-and-pieces",
        "/late-hints",
        "/cut",
        "/cut-at-once",
        "/range",
    ]);
    let tail = prop::sample::select(vec![
        "\r\n",
        "Cookie: secret\r\n\r\n",
        "Content-Length: 16\r\n\r\nCookie: a secret",
        "Content-Length: 9\r\nConnection: close\r\n\r\nto",
        "Transfer-Encoding: chunked\r\n\r\n4\r\nbody\r\nA;e=1\r\n0123456789\r\n0\r\nCookie: secret\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n4\r\nbodyX",
        "Expect: 100-continue\r\nContent-Length: 4\r\n\r\n",
        "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\nCookie: secret\r\n",
        "Upgrade: x\r\nConnection: upgrade\r\n\r\nfree",
        "Authorization : secret\r\n\r\n",
        "\r\nCookie: secret\r\n\r\n",
        "\r\ncookie:secret / HTTP/1.1\r\nHost: a\r\n\r\n",
        "Cookie: secret\r\n secret\r\n\r\n",
        "Connection: close\r\n\r\n",
    ]);
    let request = ((target, prop::sample::select(vec![1, 1, 1, 0])), tail)
        .prop_map(|((target, minor), tail)| format!("POST {target} HTTP/1.{minor}\r\nHost: a\r\n{tail}"));
    prop_oneof![
        8 => request.prop_map(|request| Step::Send(request.into_bytes())),
        2 => prop::collection::vec(any::<u8>(), 1..20).prop_map(Step::Send),
        1 => Just(Step::Send(b"body".to_vec())),
        5 => (0..8_000_usize).prop_map(Step::Take),
        3 => (0..40_000_u64).prop_map(Step::Wait),
        1 => Just(Step::CloseWrite),
        1 => Just(Step::Reset),
        1 => Just(Step::GoOut),
    ]
}

fn config_of(hardened: bool) -> ServerConfig {
    let mut config = if hardened { ServerConfig::hardened() } else { ServerConfig::default() };
    config.channel.responseless_timeout = Some(Duration::from_secs(50));
    config.channel.expose_tracebacks = hardened;
    config.maximum_simultaneous_requests = u32::from(hardened);
    config
}

proptest! {
    #![proptest_config(cases(200))]

    #[test]
    fn any_session_that_is_recorded_replays(
        hardened in any::<bool>(),
        mask_bodies in any::<bool>(),
        cut in 1_usize..40,
        steps in prop::collection::vec((0..2_usize, step()), 1..12),
    ) {
        let options = Options { mask_bodies, ..Options::default() };
        let all = recorded(config_of(hardened), options, application, |server, _| {
            let clients: Vec<_> = (0..2).map(|_| server.connect().unwrap()).collect();
            for (client, step) in steps {
                match step {
                    Step::Send(bytes) => {
                        for piece in bytes.chunks(cut) {
                            clients[client].send(piece);
                            server.run();
                        }
                    }
                    Step::Take(bytes) => drop(clients[client].take_at_most(bytes)),
                    Step::Wait(millis) => drop(server.advance(Duration::from_millis(millis))),
                    Step::CloseWrite => clients[client].close_write(),
                    Step::Reset => clients[client].reset(),
                    Step::GoOut => {
                        server.handle().begin_drain(None);
                    }
                }
                server.run();
            }
        });
        prop_assert_eq!(all.len(), 2);
        for recording in all {
            let replayed = replay(recording.as_bytes());
            prop_assert!(replayed.is_ok(), "{}\n{recording}", replayed.unwrap_err());
        }
    }
}
