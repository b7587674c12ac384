//! Contract 1: nothing but what goes in decides what comes out.

use proptest::prelude::*;

use super::caller::{Caller, View, Wait, steps};
use super::cases;
use super::limits::limits;
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
            let due = busy.channel.deadline().map_or(u64::MAX, httpfsm::time::Moment::as_millis);
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

    /// Ticks of any moment up to now, in any order, backwards and again, before each step and after it.
    ///
    /// Fails if a tick restarts the application's deadline.
    #[test]
    fn ticks_of_any_moment_change_nothing(
        traffic in traffic(),
        limits in limits(),
        steps in steps(),
        moments in prop::collection::vec(any::<u8>(), 1..40),
    ) {
        let mut quiet = Caller::new(&limits.config(), &traffic);
        let mut busy = Caller::new(&limits.config(), &traffic);
        let mut moments = moments.iter().cycle();
        for mut step in steps {
            if let Wait::Back(_) = step.wait {
                step.wait = Wait::None;
            }
            quiet.pass(step.wait);
            busy.pass(step.wait);
            let now = busy.at;
            for after in [false, true] {
                // What is due now is done by the step, if that is an input, and by nothing else.
                let due = busy.channel.deadline().map_or(u64::MAX, httpfsm::time::Moment::as_millis);
                let last = now.min(due.saturating_sub(1));
                for moment in moments.by_ref().take(3) {
                    busy.at = last / 255 * u64::from(*moment) + last % 255 * u64::from(*moment) / 255;
                    busy.tick();
                }
                busy.at = now;
                if !after {
                    prop_assert_eq!(quiet.call(&step.call), busy.call(&step.call), "{:?}", step);
                }
            }
            prop_assert_eq!(View::of(&quiet.channel), View::of(&busy.channel), "{:?}", step);
        }
    }
}
