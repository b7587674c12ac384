//! What every transport owes, on both of tokio's runtimes.
#![allow(clippy::unwrap_used)]

use std::future::pending;
use std::thread;

use httpfsm_tokio::{BlockingPool, Tokio};
use httpfsm_transport_kit::{Application, Plan, Report, check};
use tokio::runtime::{Builder, Handle};

fn on(runtime: &Handle) -> Report {
    check(&|plan: Plan, application: Application| {
        let _inside = runtime.enter();
        plan.on(Tokio::default()).serve(application.blocking(BlockingPool))
    })
}

#[test]
fn a_multi_thread_runtime_keeps_what_is_owed() {
    let runtime = Builder::new_multi_thread().enable_all().build().unwrap();
    on(runtime.handle()).assert();
}

#[test]
fn a_current_thread_runtime_keeps_what_is_owed() {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let handle = runtime.handle().clone();
    thread::spawn(move || runtime.block_on(pending::<()>()));
    on(&handle).assert();
}
