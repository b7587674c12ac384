//! The atomics of those modules whose interleavings are checked one by one: the checker has its own.

pub(crate) use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicUsize, Ordering};
