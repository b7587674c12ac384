//! A process without descriptors. One of its own, which may be limited.
#![allow(clippy::unwrap_used)]

use httpfsm_async_std::smol::Server;
use httpfsm_transport_kit::{few_descriptors, respond};

#[test]
fn an_acceptor_without_descriptors_waits_serves_on_and_recovers() {
    few_descriptors(|config, address| Server::new(config).listen_tcp(address).serve(respond)).unwrap();
}
