//! The contracts of the channel (`docs/design.md`), each a property.
//!
//! A model application and a model transport ([`model`]) talk to a [`Channel`](httpfsm::Channel) about requests that
//! [`messages`] makes up. Both are deterministic: whatever varies (cuts, pauses, moments) is drawn by proptest, from a
//! fixed seed, and shrinks with it. `HTTPFSM_CASES=10000` draws more; `PROPTEST_RNG_SEED` draws others.
//!
//! Each property names a break of the machine that it was seen to find.

mod any_order;
mod application;
mod bodies;
mod bounded;
mod caller;
mod choices;
mod elsewhere;
mod in_order;
mod limits;
mod memory;
mod messages;
mod model;
mod no_loss;
mod parts;
mod pending_is_state;
mod progress;
mod pure;
mod rates;
mod recordable;
mod reference;
mod seen;
mod split_invariance;
mod states;

use proptest::test_runner::{Config, RngSeed};

/// How many cases a property draws, and from which seed.
fn cases(usual: u32) -> Config {
    let cases = std::env::var("HTTPFSM_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(usual);
    let seed = std::env::var("PROPTEST_RNG_SEED").ok().and_then(|n| n.parse().ok()).unwrap_or(0x9112);
    Config { cases, rng_seed: RngSeed::Fixed(seed), failure_persistence: None, ..Config::default() }
}
