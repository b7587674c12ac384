//! Recordings on disks that do not do what is wanted of them.

mod disk;
mod limit;
mod queue;
mod replaced;
mod support;
