//! The HTTP/1.x server protocol as a pure finite state machine.
#![no_std]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

extern crate alloc;
#[cfg(test)]
extern crate std;

#[allow(dead_code)]
mod chunked;
pub mod config;
pub mod error;
#[allow(dead_code)]
mod framing;
#[allow(dead_code)]
mod head;
mod host;
pub mod origins;
pub mod request;
pub mod status;
mod target;
pub mod time;
mod token;
#[allow(dead_code)]
pub mod trailers;
