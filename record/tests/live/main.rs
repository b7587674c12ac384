//! Live channels are recorded on the in-memory transport, and replayed.
#![allow(clippy::unwrap_used)]

mod any_session;
mod contents;
mod driven;
mod hidden;
mod hostile_sessions;
mod recorder;
mod replays;
mod responses;
mod secrets;
mod support;
