//! The rows of `docs/compatibility.md` that only a socket can show.
#![allow(clippy::unwrap_used)]

mod bodies;
mod drain;
mod limits;
mod listening;
mod reports;
mod responses;
mod support;
