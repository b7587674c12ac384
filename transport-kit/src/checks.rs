//! Checks for which no script will do.

pub(crate) mod crowds;
pub(crate) mod date;
pub(crate) mod echo;
pub(crate) mod listening;
pub(crate) mod pressure;
pub(crate) mod resources;
