//! What every transport owes, on threads.

use httpfsm_blocking::Blocking;
use httpfsm_transport_kit::{Application, Plan, check};

#[test]
fn the_transport_keeps_what_is_owed() {
    // Its workers may block, so a blocking function needs no other place to run.
    check(&|plan: Plan, application: Application| {
        plan.on(Blocking::default()).serve(application.blocking(httpfsm_transport::Inline))
    })
    .assert();
}
