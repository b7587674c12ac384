//! What the report says of a subject that is not a plain transport.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

use httpfsm_transport_kit::{Application, Kit, Plan};

use crate::fault::Fault::Nothing;
use crate::transport::Faulty;

#[test]
fn a_subject_that_does_not_say_where_blocking_work_runs() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let kit = Kit::default().only(["blocking handlers", "names"]).unwrap();
    let report = kit.check(&|plan: Plan, application: Application| {
        let _inside = runtime.enter();
        plan.on(Faulty(Nothing)).serve(application)
    });
    assert!(report.broken().is_empty() && !report.is_kept(), "{report}");
    let not_run: Vec<_> = report.not_run().into_iter().map(|(name, _)| name).collect();
    assert_eq!(not_run, ["blocking handlers"], "{report}");
}

#[test]
fn a_subject_that_panics_breaks_what_it_was_to_show_and_nothing_else() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let kit = Kit::default().only(["several connections", "names", "origins"]).unwrap();
    let report = kit.check(&|plan: Plan, application: Application| {
        let _inside = runtime.enter();
        assert_ne!(plan.config.max_connections_per_peer, 2, "two are too few");
        assert!(plan.config.origins.is_empty(), "no origins are known");
        plan.on(Faulty(Nothing)).serve(application)
    });
    assert_eq!(report.broken(), ["several connections", "origins"]);
    let text = report.to_string();
    assert!(text.contains("\"a connection too many of one peer\": It panicked: "), "{text}");
    assert!(text.contains("two are too few") && text.contains("no origins are known"), "{text}");
    assert_eq!(report.verdicts[0].failures.len(), 1, "{text}");
}

#[test]
fn a_script_that_is_right_only_when_it_runs_again_is_told() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let kit = Kit::default().only(["deadlines"]).unwrap();
    let is_first = AtomicBool::new(true);
    let report = kit.check(&|plan: Plan, application: Application| {
        if is_first.swap(false, Ordering::SeqCst) {
            return Err(io::Error::other("it loses a race"));
        }
        let _inside = runtime.enter();
        plan.on(Faulty(Nothing)).serve(application)
    });
    assert!(report.is_kept(), "{report}");
    let repeated = report.verdicts[0].repeated.iter();
    let told: Vec<_> = repeated.filter(|repeated| repeated.contains("it loses a race")).collect();
    assert_eq!(told.len(), 1, "{report}");
    assert!(told[0].contains(" times. The first time, there is no server, "), "{report}");
    let text = report.to_string();
    assert!(text.contains("\ndeadlines: right only with longer deadlines\nThe script \""), "{text}");
}
