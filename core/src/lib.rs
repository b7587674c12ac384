//! The HTTP/1.x server protocol as a pure finite state machine.
#![no_std]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod config;
pub mod error;
pub mod fsm;
pub mod origins;
pub mod peer;
pub mod server;
pub mod status;
pub mod time;
