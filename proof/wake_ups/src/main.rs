//! No wake-up is lost on the workers of the blocking transport, and no permit to wait: the modules that decide who is woken,
//! who polls and who may wait, in each order in which threads can come to them, and with each value that the processor may
//! show to them.
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
//! Threads are interrupted at most twice in an order, and once where there are three workers: so it takes a minute.
//! `LOOM_MAX_PREEMPTIONS=3` goes further. Twice is enough to find each fault that was planted but two. For these, the
//! watch of those off duty makes up a little later; here, a wait for a length of time may end at any moment.

use std::time::Instant;

mod atomic;
mod lock;
mod permits_model;
mod pool;
mod readiness_model;
mod run_state_model;
mod workers;

#[path = "../../../transport-blocking/src/duty.rs"]
mod duty;
#[path = "../../../transport/src/permits.rs"]
mod permits;
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
    let of_parts = [run_state_model::MODELS, readiness_model::MODELS, permits_model::MODELS];
    for (name, model) in of_parts.into_iter().flatten() {
        check(name, &only, PREEMPTIONS, model);
    }
    for (name, model) in workers::MODELS {
        for (workers, on_duty) in [(2, 2), (2, 1), (3, 1)] {
            // The orders of four threads are too many else.
            let preemptions = if workers > 2 { 1 } else { PREEMPTIONS };
            let name = format!("{name} (on duty: {on_duty} of {workers})");
            check(&name, &only, preemptions, move || model(workers, on_duty));
        }
    }
}

fn check(name: &str, only: &str, preemptions: usize, model: impl Fn() + Sync + Send + 'static) {
    if !name.contains(only) {
        return;
    }
    // What fails may end the process.
    println!("{name} ...");
    let began = Instant::now();
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = builder.preemption_bound.or(Some(preemptions));
    builder.check(model);
    println!("  holds, after {:.1} s", began.elapsed().as_secs_f32());
}

/// A name, and what has to hold.
type Model = (&'static str, fn());
