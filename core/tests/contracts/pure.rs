//! Contract 1: nothing but what goes in decides what comes out.

use proptest::prelude::*;

use super::caller::{Caller, Wait, steps};
use super::cases;
use super::driver::limits;
use super::messages::traffic;

proptest! {
    #![proptest_config(cases(128))]

    /// Ticks before the deadline, as many as one likes, are harmless.
    ///
    /// Fails if a tick restarts the application's deadline.
    #[test]
    fn early_and_repeated_ticks_change_nothing(traffic in traffic(), limits in limits(), steps in steps()) {
        let mut quiet = Caller::new(&limits.config(), &traffic);
        let mut busy = Caller::new(&limits.config(), &traffic);
        for mut step in steps {
            if let Wait::Back(_) = step.wait {
                // Back from where, the ticks on the way have decided.
                step.wait = Wait::None;
            }
            let before = busy.at;
            let due = busy.channel.deadline().map_or(u64::MAX, httpfsm::Moment::as_millis);
            busy.pass(step.wait);
            let target = busy.at;
            // On the way to the step's moment, as far as no deadline passes.
            if target > before {
                for part in 1..=3 {
                    let at = before + (target - before) / 4 * part;
                    if at < due {
                        busy.at = at;
                        busy.tick();
                        busy.tick();
                    }
                }
            }
            busy.at = target;
            quiet.pass(step.wait);
            prop_assert_eq!(quiet.call(&step.call), busy.call(&step.call), "{:?}", step);
        }
    }
}
