//! Turning the clock to a deadline, and past every deadline.

use httpfsm::{CloseReason, RequestError, Rule};

use crate::rig::{Rig, Seen, seconds};

/// A hundred years: nothing that could pass is left.
pub(crate) const FOR_EVER: u64 = 100 * 365 * 86_400_000;

/// Turns the clock to the deadline: the channel names it, and nothing happens a millisecond earlier.
#[track_caller]
pub(crate) fn pass_at(rig: &mut Rig, millis: u64) -> Vec<Seen> {
    let state = rig.state();
    assert_eq!(rig.deadline(), Some(millis), "the deadline in {state:?}");
    rig.seen();
    rig.tick(millis - 1);
    assert_eq!((rig.seen(), rig.state(), rig.deadline()), (vec![], state, Some(millis)));
    rig.tick(millis);
    let seen = rig.seen();
    assert!(rig.state() != state || !seen.is_empty(), "nothing passed in {state:?}");
    seen
}

/// No deadline runs, and no time changes anything.
#[track_caller]
pub(crate) fn never_passes(rig: &mut Rig) {
    let state = rig.state();
    assert_eq!(rig.deadline(), None, "the deadline in {state:?}");
    rig.seen();
    rig.tick(FOR_EVER);
    assert_eq!((rig.seen(), rig.state()), (vec![], state));
}

pub(crate) fn refused(rule: Rule, offset: u64) -> CloseReason {
    CloseReason::Refused(RequestError::new(rule, offset))
}

pub(crate) fn stream_idle() -> Rig {
    Rig::with(|config| config.stream_idle_timeout = seconds(300))
}
