//! Handlers that panic while others are at work. In a process of its own, whose threads and descriptors are counted.
#![allow(clippy::unwrap_used)]

use httpfsm_async_std::Server;
use httpfsm_transport_kit::{answer_or_panic, panics_at_work};

#[test]
fn panics_cost_no_place_and_leave_nothing_behind() {
    panics_at_work(|config, address| Server::new(config).listen_tcp(address).serve(answer_or_panic)).unwrap();
}
