//! Every deadline and minimum rate: it passes at its time and not a millisecond before, whatever arrives in small pieces
//! meanwhile, and `None` never passes.

mod age;
mod body;
mod closing;
mod defaults;
mod drain;
mod head;
mod response;
mod support;
mod time;
mod write;

#[path = "../support/rig.rs"]
mod rig;
