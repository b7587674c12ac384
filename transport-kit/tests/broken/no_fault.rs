//! A transport without a fault keeps the obligations, also where all is slow.

use std::time::Duration;

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
