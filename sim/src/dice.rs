//! Where everything random comes from.

use oorandom::Rand32;

/// A seeded source of random numbers: the same seed gives the same numbers on every platform.
///
/// The generator is the PCG of `oorandom`, whose numbers change with its major version only.
///
/// ```
/// use httpfsm_sim::Dice;
///
/// let mut dice = Dice::new(7);
/// let path = ["/", "/about", "/missing"][dice.below(3) as usize];
/// let is_large = dice.one_in(10);
/// let mut again = Dice::new(7);
/// assert_eq!((path, is_large), (["/", "/about", "/missing"][again.below(3) as usize], again.one_in(10)));
/// ```
#[derive(Clone, Debug)]
pub struct Dice(Rand32);

impl Dice {
    /// Dice that fall as `seed` says.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(Rand32::new(mix(seed)))
    }

    /// A number below `n`; 0 if `n` is 0.
    pub fn below(&mut self, n: u32) -> u32 {
        if n == 0 { 0 } else { self.0.rand_range(0..n) }
    }

    /// Whether one in `n` comes up.
    pub fn one_in(&mut self, n: u32) -> bool {
        self.below(n) == 0
    }

    /// One of the things; `None` of none.
    ///
    /// ```
    /// use httpfsm_sim::Dice;
    ///
    /// let mut dice = Dice::new(7);
    /// assert!(dice.pick(&["GET", "HEAD"]).is_some());
    /// assert_eq!(dice.pick::<u8>(&[]), None);
    /// ```
    pub fn pick<'a, T>(&mut self, things: &'a [T]) -> Option<&'a T> {
        let count = u32::try_from(things.len()).unwrap_or(u32::MAX);
        things.get(self.below(count) as usize)
    }

    /// A length: most are short, few reach `most`.
    pub fn length(&mut self, most: u32) -> u32 {
        let bound = match self.below(8) {
            0 => 1,
            1..=4 => most.min(40),
            5 | 6 => most.min(1500),
            _ => most,
        };
        self.below(bound.saturating_add(1))
    }

    pub(crate) fn seed(&mut self) -> u64 {
        u64::from(self.0.rand_u32()) << 32 | u64::from(self.0.rand_u32())
    }
}

/// Neighbouring seeds become far ones (SplitMix64).
pub(crate) fn mix(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}
