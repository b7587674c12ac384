//! Contract 2: what comes out does not depend on how the input was cut.

use proptest::prelude::*;

use super::cases;
use super::driver::{Model, conducts, limits};
use super::messages::traffic;

proptest! {
    #![proptest_config(cases(256))]

    /// Whole, octet by octet, and at random cuts.
    ///
    /// Found: the version of a refusal guessed from octets that came by chance; a Busy told after the next
    /// request, or not at all; reading that did not go on when body octets were taken.
    #[test]
    fn the_cuts_of_the_input_do_not_show(
        octets in traffic(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
        limits in limits(),
        conducts in conducts(),
    ) {
        let run = |cuts: &[usize]| {
            let mut model = Model::new(&limits.config(), &conducts);
            model.run(&octets, cuts);
            (model.events(), model.answers())
        };
        let whole = run(&[]);
        let mut random: Vec<usize> = cuts.iter().map(|cut| cut.index(octets.len())).collect();
        random.sort_unstable();
        let single: Vec<usize> = (1..octets.len()).collect();
        prop_assert_eq!(&whole, &run(&random), "cut at {:?}: {:?}", random, octets);
        prop_assert_eq!(&whole, &run(&single), "octet by octet: {:?}", octets);
    }
}
