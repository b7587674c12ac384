//! What comes before HTTP, on the in-memory transport: a preface, a handshake, other protocols.
#![allow(clippy::unwrap_used)]

mod ends;
mod extensions;
mod handshake;
mod panics;
mod preface;
mod support;
