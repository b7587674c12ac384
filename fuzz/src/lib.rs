//! What the fuzz targets check, as plain functions, so that `cargo test` runs them over the committed corpus too.
#![forbid(unsafe_code)]

pub mod calls;
pub mod date;
mod decisions;
pub mod session;
