//! What every transport owes, on async-std and on smol.

use httpfsm_async_std::BlockingPool;
use httpfsm_transport_kit::{Application, Plan, check};

#[cfg(feature = "async-std")]
#[test]
fn async_std_keeps_what_is_owed() {
    check(&|plan: Plan, application: Application| {
        plan.on(httpfsm_async_std::AsyncStd::default()).serve(application.blocking(BlockingPool))
    })
    .assert();
}

#[cfg(feature = "smol")]
#[test]
fn smol_keeps_what_is_owed() {
    check(&|plan: Plan, application: Application| {
        plan.on(httpfsm_async_std::smol::Smol::default()).serve(application.blocking(BlockingPool))
    })
    .assert();
}
