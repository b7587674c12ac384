//! What the fuzz targets check, as plain functions, so that `cargo test` runs them over the committed corpus too.
#![forbid(unsafe_code)]

pub mod calls;
pub mod chunked;
pub mod date;
mod decisions;
pub mod differential;
pub mod encode;
pub mod head;
pub mod layered;
mod reading;
pub mod session;
pub mod split;
mod text;
pub mod tls;
