//! The age at which a connection ends, and its jitter.

use std::time::Duration;

use httpfsm::CloseReason;
use httpfsm::channel::{Facts, State};

use crate::rig::{GET, Rig, seconds};
use crate::support::never_passes;

/// Closed without notice, it would lose a request that is on its way.
#[test]
fn an_idle_connection_stays_at_its_age_and_closes_with_its_next_response() {
    let mut rig = Rig::with(|config| {
        config.connection_age = seconds(3600);
        config.inactivity_timeout = None;
    });
    rig.rx(GET).ok("").send_all().seen();
    never_passes(&mut rig);
    assert!(rig.clock(3_600_000).rx(GET).ok("").wire().contains("Connection: close"));
    assert_eq!(rig.close_reason(), CloseReason::AgeReached);
}

#[test]
fn the_jitter_of_a_connection_is_added_to_its_age() {
    for (at, close) in [(3_723_455, false), (3_723_456, true)] {
        let facts = Facts::default().with_age_jitter(Duration::from_millis(123_456));
        let mut rig = Rig::with_facts(facts, |config| config.connection_age = seconds(3600));
        assert_eq!(rig.rx(GET).clock(at).ok("").wire().contains("Connection: close"), close, "{at}");
    }
}

#[test]
fn a_response_at_the_age_says_close_and_one_before_does_not() {
    for (at, close) in [(3_599_999, false), (3_600_000, true), (3_600_001, true)] {
        let mut rig = Rig::with(|config| config.connection_age = seconds(3600));
        rig.rx(GET).clock(at).ok("old");
        let wire = rig.wire();
        assert_eq!(wire.contains("Connection: close"), close, "{at}");
        if close {
            assert_eq!(rig.close_reason(), CloseReason::AgeReached);
        }
    }
}

#[test]
fn a_response_that_runs_at_the_age_is_finished() {
    let mut rig = Rig::with(|config| config.connection_age = seconds(10));
    rig.rx(GET).stream(None).write("a").send_all();
    rig.tick(20_000);
    assert_eq!(rig.state(), State::Responding);
    rig.write("b").finish();
    assert!(rig.wire().ends_with("b\r\n0\r\n\r\n"));
    // Its head left before the age and did not say that it is the last.
    assert_eq!(rig.state(), State::Idle);
    assert!(rig.rx(GET).ok("").wire().contains("Connection: close"));
}

#[test]
fn without_an_age_jitter_means_nothing() {
    let facts = Facts::default().with_age_jitter(Duration::from_secs(1));
    let mut rig = Rig::with_facts(facts, |config| config.inactivity_timeout = None);
    rig.rx(GET).ok("").send_all();
    never_passes(&mut rig);
}
