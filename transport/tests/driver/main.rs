//! The driver on the in-memory transport: what goes in, what comes out, and what is given back.
#![allow(clippy::unwrap_used)]

mod bodies;
mod connection_lost;
mod drain;
mod gathered;
mod handlers;
mod limits;
mod memory;
mod prologue;
mod promises;
mod response_memory;
mod subscriber;
mod support;
mod upgrades;
