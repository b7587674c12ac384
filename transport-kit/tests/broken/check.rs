//! A kit that checks a transport with a fault.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use httpfsm_tokio::BlockingPool;
use httpfsm_transport_kit::{Application, Kit, Plan, Report};

use crate::fault::Fault::{self, Nothing};
use crate::transport::Faulty;

/// The obligation is found broken, with a text that this fault makes, and with a patience that is enough without it.
pub(crate) fn catches(fault: Fault, obligation: &'static str, text: &str) {
    catches_each(fault, obligation, &[text]);
}

/// The same, with each of these texts.
pub(crate) fn catches_each(fault: Fault, obligation: &'static str, texts: &[&str]) {
    let Some(patience) = patience(obligation) else {
        // Past the capture of tests, which print nothing when they pass.
        let _ = writeln!(io::stderr(), "{fault:?}: not run: needs a machine that is less busy");
        return;
    };
    let report = check(fault, &[obligation], patience);
    assert_eq!(report.broken(), [obligation], "{fault:?}");
    for text in texts {
        assert!(report.to_string().contains(text), "{fault:?} is not what breaks {text}: {report}");
    }
}

/// The least patience with which a transport without a fault keeps the obligation: with less, it is broken for want of
/// patience, fault or not.
fn patience(obligation: &'static str) -> Option<Duration> {
    static KNOWN: Mutex<BTreeMap<&str, Option<Duration>>> = Mutex::new(BTreeMap::new());
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    *known.entry(obligation).or_insert_with(|| {
        let kept = |patience: &Duration| check(Nothing, &[obligation], *patience).broken().is_empty();
        [500, 2000, 8000].map(Duration::from_millis).into_iter().find(kept)
    })
}

/// Looks at some obligations.
pub(crate) fn check(fault: Fault, some: &[&'static str], patience: Duration) -> Report {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let kit = Kit::default().patience(patience).only(some).unwrap();
    let report = kit.check(&|plan: Plan, application: Application| {
        let _inside = runtime.enter();
        plan.on(Faulty(fault)).serve(application.blocking(BlockingPool))
    });
    runtime.shutdown_background();
    report
}
