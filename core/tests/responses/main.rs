//! What a channel sends: responses to the byte, interim responses, upgrades, the channel's own error responses, and what
//! becomes of a response when either side ends.

mod busy_and_evict;
mod connection_lost;
mod delivery;
mod empty_lines;
mod errors;
mod expect;
mod flush;
mod framing;
mod going_out;
mod head;
mod interim;
mod methods;
mod not_accepted;
mod peer_ended;
mod pipelining;
mod refused_connection;
mod support;
mod unread_body;
mod upgrades;

#[path = "../support/rig.rs"]
mod rig;
