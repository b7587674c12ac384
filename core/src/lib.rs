//! The HTTP/1.x server protocol as a pure finite state machine.
#![no_std]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod chunked;
pub mod config;
mod encode;
pub mod error;
pub mod fields;
mod framing;
pub mod fsm;
pub mod handler;
mod head;
mod host;
pub mod origins;
pub mod peer;
pub mod request;
pub mod response;
pub mod status;
mod target;
pub mod time;
mod token;
pub mod trailers;
