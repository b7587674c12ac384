//! The atomics of what a model checker includes with its own in their place.

pub(crate) use std::sync::atomic::*;
