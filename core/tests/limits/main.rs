//! Every limit at one less, at its value and at one more: limits are inclusive, 0 is none, and a request above one gets the
//! status that says so and a close, however the bytes were cut.

mod body;
mod buffers;
mod defaults;
mod head;
mod requests;
mod support;

#[path = "../support/rig.rs"]
mod rig;
