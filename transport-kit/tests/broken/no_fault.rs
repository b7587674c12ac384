//! A transport without a fault keeps the obligations, also where all is slow.

use std::io;
use std::time::Duration;

use httpfsm_transport_kit::{Application, Kit, Plan};

use crate::check::check;
use crate::fault::Fault::{IsSlow, Nothing};

#[test]
fn none_where_there_is_no_fault() {
    let some = [
        "half-close",
        "names",
        "rest",
        "nothing left",
        "origins",
        "disconnects",
        "partial writes",
        "deadlines",
    ];
    check(Nothing, &some, Duration::from_secs(30)).assert();
}

#[test]
fn none_where_all_is_slow() {
    let some = [
        "deadlines",
        "several connections",
        "refusals",
        "unread bodies",
        "blocking handlers",
        "partial writes",
        "drain",
    ];
    check(IsSlow, &some, Duration::from_secs(30)).assert();
}

/// It says that it has none, which is no fault.
#[test]
fn a_transport_without_unix_sockets_is_looked_at_over_tcp_alone() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let kit = Kit::default().only(["unix sockets", "listeners"]).unwrap();
    let mut error = io::ErrorKind::Unsupported;
    for (not_run, broken) in [(&["unix sockets"][..], &[][..]), (&[], &["unix sockets", "listeners"])] {
        let report = kit.check(&|plan: Plan, application: Application| {
            if plan.path.is_some() {
                return Err(error.into());
            }
            let _inside = runtime.enter();
            plan.on(httpfsm_tokio::Tokio::default()).serve(application)
        });
        assert_eq!(report.not_run().iter().map(|(name, _)| *name).collect::<Vec<_>>(), not_run, "{report}");
        assert_eq!(report.broken(), broken, "{report}");
        // Another error is a fault.
        error = io::ErrorKind::AddrNotAvailable;
    }
}
