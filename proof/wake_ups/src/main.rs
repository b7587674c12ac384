//! No wake-up is lost on the workers of the blocking transport: its modules that decide who is woken and who polls, in each
//! order in which threads can come to them, and with each value that the processor may show to them.
//!
//! The modules are the transport's own files. What stands around them there, sockets and futures, is modelled here. Where
//! something is lost, somebody waits for ever, which loom reports; it also tells the order.
//!
//! ```sh
//! cargo run --manifest-path proof/wake_ups/Cargo.toml            # each model
//! cargo run --manifest-path proof/wake_ups/Cargo.toml -- close   # those whose names contain this
//! LOOM_LOG=trace LOOM_LOCATION=1 cargo run ...                   # the order in which it fails, and where
//! ```
//!
//! A thread is interrupted at most twice in an order, which is enough for each fault that was planted, and few enough
//! for a minute. `LOOM_MAX_PREEMPTIONS=3` takes longer.

use std::time::Instant;

mod atomic;
mod lock;
mod pool;
mod readiness_model;
mod run_state_model;
mod workers;

#[path = "../../../transport-blocking/src/readiness.rs"]
mod readiness;
#[path = "../../../transport-blocking/src/run_state.rs"]
mod run_state;
#[path = "../../../transport-blocking/src/sleepers.rs"]
mod sleepers;
#[path = "../../../transport-blocking/src/work_queue.rs"]
mod work_queue;

const PREEMPTIONS: usize = 2;

fn main() {
    let only = std::env::args().nth(1).unwrap_or_default();
    let models = run_state_model::MODELS.iter().chain(readiness_model::MODELS);
    for (name, model) in models.chain(workers::MODELS) {
        if !name.contains(&only) {
            continue;
        }
        println!("{name} ...");
        let began = Instant::now();
        let mut builder = loom::model::Builder::new();
        builder.preemption_bound = builder.preemption_bound.or(Some(PREEMPTIONS));
        builder.check(model);
        println!("{name}: holds, after {:.1} s", began.elapsed().as_secs_f32());
    }
}

/// A name, and what has to hold.
type Model = (&'static str, fn());
