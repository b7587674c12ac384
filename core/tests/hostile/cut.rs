//! The ways to cut the bytes of an entry into pieces.

/// How the bytes of an entry are cut.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Cut {
    Whole,
    Bytewise,
    /// Before this byte of the entry.
    At(usize),
    /// Before both of these, the first of which comes first.
    Twice(usize, usize),
}

impl Cut {
    /// Every way to cut so many bytes; of many, those at both ends and some between.
    pub(crate) fn all(len: usize) -> Vec<Self> {
        const ALL: usize = 4 << 10;
        let ends = if len > 64 << 10 { 20 } else { 100 };
        const BETWEEN: usize = 16;
        let step = if len > ALL { len / BETWEEN } else { 1 };
        let is_taken = |at: &usize| at % step == 0 || *at < ends || len - at < ends;
        let cuts = (1..len).filter(is_taken).map(Self::At);
        let bytewise = (len <= 300_000).then_some(Self::Bytewise);
        [Self::Whole].into_iter().chain(bytewise).chain(cuts).collect()
    }

    /// Every way to cut so many bytes twice; in a debug build some of those that leave one byte alone.
    pub(crate) fn all_twice(len: usize) -> Vec<Self> {
        if cfg!(debug_assertions) {
            return (1..len.max(1) - 1).step_by(5).map(|at| Self::Twice(at, at + 1)).collect();
        }
        (1..len).flat_map(|first| (first + 1..len).map(move |second| Self::Twice(first, second))).collect()
    }

    /// The length of the next piece of `len` bytes, the first of which is byte `at` of the entry.
    pub(crate) fn piece(self, at: usize, len: usize) -> usize {
        match self {
            Self::Whole => len,
            Self::Bytewise => 1,
            Self::At(cut) if cut > at => len.min(cut - at),
            Self::Twice(cut, _) | Self::Twice(_, cut) if cut > at => len.min(cut - at),
            Self::At(_) | Self::Twice(..) => len,
        }
    }
}
