//! Contract 2: what comes out does not depend on how the input was cut.

use proptest::prelude::*;

use super::application::scripts;
use super::cases;
use super::limits::limits;
use super::messages::traffic;
use super::model::Model;

proptest! {
    #![proptest_config(cases(256))]

    /// Whole, byte by byte, and at random cuts.
    ///
    /// Found: the version of a refusal guessed from bytes that came by chance; a Busy told after the next
    /// request, or not at all; reading that did not go on when body bytes were taken.
    #[test]
    fn the_cuts_of_the_input_do_not_show(
        bytes in traffic(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
        limits in limits(),
        scripts in scripts(),
    ) {
        let run = |cuts: &[usize]| {
            let mut model = Model::new(&limits.config(), &scripts);
            model.run(&bytes, cuts);
            (model.events(), model.responses())
        };
        let whole = run(&[]);
        let mut random: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len())).collect();
        random.sort_unstable();
        let single: Vec<usize> = (1..bytes.len()).collect();
        prop_assert_eq!(&whole, &run(&random), "cut at {:?}: {:?}", random, bytes);
        prop_assert_eq!(&whole, &run(&single), "byte by byte: {:?}", bytes);
    }
}
