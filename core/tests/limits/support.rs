//! The check of a limit at one less, at its value and at one more.

use httpfsm::channel::{Input, State};
use httpfsm::{ChannelConfig, CloseReason, Rule};

use crate::rig::{Rig, Seen, statuses};

/// How bytes are cut.
const CUTS: [usize; 3] = [usize::MAX, 7, 1];

/// The rule that refuses `bytes`; `None`: they are accepted. The same for every cut, and with its status, and the
/// close, on the wire.
#[track_caller]
pub(crate) fn refused_by(bytes: &str, change: impl Fn(&mut ChannelConfig)) -> Option<Rule> {
    let verdicts = CUTS.map(|cut| {
        let mut rig = Rig::with(&change);
        rig.clock(1);
        for piece in bytes.as_bytes().chunks(cut.min(60_000)) {
            if rig.channel.input_room() < piece.len() {
                break;
            }
            rig.rx(piece);
            if rig.state() == State::WaitResponse {
                rig.demand(u64::MAX);
            }
        }
        let refused = rig.seen().into_iter().find_map(|seen| match seen {
            Seen::Refused(rule) => Some(rule),
            _ => None,
        });
        if let Some(rule) = refused {
            let wire = rig.wire();
            assert_eq!(statuses(&wire), [rule.status().code().to_string()], "{wire}");
            assert!(wire.contains("\r\nConnection: close\r\n"), "{wire}");
            assert_eq!(rig.state(), State::Lingering);
            rig.input(Input::RxEnd);
            let reason = rig.seen().pop();
            assert!(
                matches!(reason, Some(Seen::Closed(CloseReason::Refused(error))) if error.rule == rule),
                "{reason:?}"
            );
        } else {
            assert_eq!(rig.state(), State::WaitResponse, "the bytes are a whole request");
            rig.ok("");
            assert_eq!(statuses(&rig.wire()), ["200"]);
            assert_eq!(rig.state(), State::Idle);
        }
        refused
    });
    assert!(verdicts.iter().all(|other| *other == verdicts[0]), "{verdicts:?} for the cuts {CUTS:?}");
    verdicts[0]
}

/// `make(n)` needs a limit of `n`. Under `limit`, one less and the value itself pass, one more breaks `rule`; under 0
/// everything passes.
#[track_caller]
pub(crate) fn inclusive(
    limit: u64,
    make: impl Fn(u64) -> String,
    rule: Rule,
    set: impl Fn(&mut ChannelConfig, u64),
) {
    for (n, expected) in [(limit - 1, None), (limit, None), (limit + 1, Some(rule)), (limit * 3, Some(rule))]
    {
        let bytes = make(n);
        assert_eq!(refused_by(&bytes, |config| set(config, limit)), expected, "{n} of {limit}");
        assert_eq!(refused_by(&bytes, |config| set(config, 0)), None, "{n} without a limit");
    }
}
