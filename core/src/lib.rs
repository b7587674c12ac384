//! The HTTP/1.x server protocol as a pure finite state machine.
#![no_std]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod config;
#[allow(dead_code)]
mod encode;
pub mod error;
pub mod fields;
pub mod handler;
pub mod origins;
pub mod peer;
pub mod request;
pub mod response;
pub mod status;
pub mod time;
