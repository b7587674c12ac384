//! Contract 9: what went in determines what comes out, and lent buffers never show.

use proptest::prelude::*;

use super::caller::{Caller, Step, StepOutcome, View, steps, steps_for_loans};
use super::cases;
use super::limits::limits;
use super::messages::{ByteString, traffic};
use httpfsm::ChannelConfig;
use httpfsm::channel::WorkerBuffers;

type Recording = Vec<(StepOutcome, View)>;

fn record(config: &ChannelConfig, traffic: &ByteString, steps: &[Step]) -> Recording {
    let mut caller = Caller::new(config, traffic);
    steps.iter().map(|step| caller.step(step)).collect()
}

proptest! {
    #![proptest_config(cases(256))]

    /// Fed again, a recording gives the same outputs and bytes, call by call.
    ///
    /// Fails if a counter outside the channel shows.
    #[test]
    fn a_recording_replays(traffic in traffic(), limits in limits(), steps in steps()) {
        let config = limits.config();
        prop_assert_eq!(record(&config, &traffic, &steps), record(&config, &traffic, &steps));
    }

    /// Buffers that are lent and taken back change nothing that can be seen.
    ///
    /// Fails if a lent buffer comes back with bytes in it, or what is kept is copied from the wrong place.
    #[test]
    fn a_loan_does_not_show(
        traffic in traffic(),
        limits in limits(),
        steps in steps_for_loans(),
        lent in prop::collection::vec(0u8..4, 1..20),
    ) {
        let config = limits.config();
        let mut caller = Caller::new(&config, &traffic);
        let mut buffers = WorkerBuffers::new();
        let mut replayed = Vec::new();
        for (n, step) in steps.iter().enumerate() {
            // None, one for this step, one that stays, and the end of it.
            match lent[n % lent.len()] {
                0 => replayed.push(caller.step(step)),
                1 => replayed.push(caller.step_with(step, &mut buffers)),
                2 => {
                    caller.channel.lend(&mut buffers);
                    replayed.push(caller.step(step));
                }
                _ => {
                    caller.channel.take_back(&mut buffers);
                    buffers.refill();
                    replayed.push(caller.step(step));
                }
            }
        }
        for (n, (plain, lent)) in record(&config, &traffic, &steps).iter().zip(&replayed).enumerate() {
            prop_assert_eq!(plain, lent, "step {}: {:?}", n, steps[n]);
        }
    }

    /// Channels that share one worker's buffers, each in its turn or both at once, do as they do alone.
    ///
    /// Fails if empty buffers count as lent.
    #[test]
    fn a_shared_loan_does_not_mix_channels(
        traffics in prop::array::uniform2(traffic()),
        limits in limits(),
        scripts in prop::array::uniform2(steps_for_loans()),
        turns in prop::collection::vec((0usize..2, 0u8..4), 1..30),
    ) {
        let config = limits.config();
        let mut callers = [0, 1].map(|n| Caller::new(&config, &traffics[n]));
        let mut replayed: [Recording; 2] = [Vec::new(), Vec::new()];
        let mut buffers = WorkerBuffers::new();
        for (who, how) in turns.iter().copied().cycle().take(400) {
            let Some(step) = scripts[who].get(replayed[who].len()) else { continue };
            let caller = &mut callers[who];
            let done = match how {
                // A driver keeps to this one.
                0 | 1 => caller.step_with(step, &mut buffers),
                2 => {
                    caller.channel.lend(&mut buffers);
                    caller.step(step)
                }
                _ => {
                    let done = caller.step(step);
                    caller.channel.take_back(&mut buffers);
                    done
                }
            };
            replayed[who].push(done);
        }
        for who in [0, 1] {
            let alone = record(&config, &traffics[who], &scripts[who]);
            for (n, (alone, shared)) in alone.iter().zip(&replayed[who]).enumerate() {
                prop_assert_eq!(alone, shared, "channel {}, step {}: {:?}", who, n, scripts[who][n]);
            }
        }
    }
}
