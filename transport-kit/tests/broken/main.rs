//! Every kind of fault is caught: transports that are tokio's but for one.
#![allow(clippy::unwrap_used)]

mod check;
mod fault;
mod faults;
mod level1;
mod no_fault;
mod report;
mod transport;
