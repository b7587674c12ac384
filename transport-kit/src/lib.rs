//! Checks a transport of `httpfsm`.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod crowd;
mod drain;

pub use crowd::{Crowd, Tally, answer};
pub use drain::drain_at_work;
