//! The scripts, by what they show.

pub(crate) mod applications;
pub(crate) mod bodies;
pub(crate) mod bytes;
pub(crate) mod deadlines;
pub(crate) mod drains;
pub(crate) mod endings;
pub(crate) mod interim;
pub(crate) mod limits;
pub(crate) mod refusals;
pub(crate) mod responses;
pub(crate) mod upgrades;
