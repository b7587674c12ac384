//! Bodies of functions that block one of few threads: in memory, with a permit to wait, or from a file. No peer holds a
//! thread by sending slowly.
#![allow(clippy::unwrap_used)]

mod crowds;
mod cuts;
#[path = "../threads/few.rs"]
mod few;
mod rule;
mod support;
