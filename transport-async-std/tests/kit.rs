//! What every transport owes, on async-std and on smol.
#![cfg(all(feature = "async-std", feature = "smol"))]

use httpfsm_async_std::smol::Smol;
use httpfsm_async_std::{AsyncStd, BlockingPool};
use httpfsm_transport_kit::{Application, Plan, check};

#[test]
fn async_std_keeps_what_is_owed() {
    check(&|plan: Plan, application: Application| {
        plan.on(AsyncStd::default())?.serve(application.blocking(BlockingPool))
    })
    .assert();
}

#[test]
fn smol_keeps_what_is_owed() {
    check(&|plan: Plan, application: Application| {
        plan.on(Smol::default())?.serve(application.blocking(BlockingPool))
    })
    .assert();
}
