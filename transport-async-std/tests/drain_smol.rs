//! A server that goes out of service while clients are at work. In a process of its own, whose threads and descriptors
//! are counted.
#![allow(clippy::unwrap_used)]

use httpfsm_async_std::smol::Server;
use httpfsm_transport_kit::{drain_at_work, respond};

#[test]
fn a_drain_at_work_responds_to_every_request_and_leaves_nothing_behind() {
    let tally =
        drain_at_work(|config, address| Server::new(config).listen_tcp(address).serve(respond)).unwrap();
    println!("{tally}");
}
