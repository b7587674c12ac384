//! Handlers that panic while others are at work. In a process of its own, whose threads and descriptors are counted.
#![allow(clippy::unwrap_used)]

use httpfsm_blocking::Server;
use httpfsm_transport_kit::{panics_at_work, respond_or_panic};

#[test]
fn panics_cost_no_place_and_leave_nothing_behind() {
    panics_at_work(|config, address| Server::new(config).listen_tcp(address).serve(respond_or_panic))
        .unwrap();
}
