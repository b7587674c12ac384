//! TLS on the listeners of each transport, and in memory: clients of rustls, curl, openssl and the kit.
#![allow(clippy::unwrap_used)]

mod choosing;
mod client_certificates;
mod ends;
mod errors;
mod floods;
mod handshakes;
mod kit;
mod memory;
mod programs;
mod refusals;
mod reloading;
mod serves;
mod support;
mod upgrades;
