//! What `next_output` still has to yield: a set, in the order in which its members come out.

/// A set of outputs; the lowest bit comes first.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Pending(u16);

impl Pending {
    pub(crate) const OPENED: Self = Self(1);
    // What is left to say of the request before comes before the next request.
    pub(crate) const BUSY: Self = Self(1 << 1);
    pub(crate) const EXCESS: Self = Self(1 << 2);
    pub(crate) const FLUSHED: Self = Self(1 << 3);
    pub(crate) const TRANSMIT_READY: Self = Self(1 << 4);
    pub(crate) const REQUEST: Self = Self(1 << 5);
    pub(crate) const BODY_DATA: Self = Self(1 << 6);
    pub(crate) const BODY_END: Self = Self(1 << 7);
    pub(crate) const BODY_FAILED: Self = Self(1 << 8);
    pub(crate) const PEER_ENDED: Self = Self(1 << 9);
    pub(crate) const REFUSED: Self = Self(1 << 10);
    pub(crate) const FLUSH: Self = Self(1 << 11);
    pub(crate) const UPGRADED: Self = Self(1 << 12);
    pub(crate) const CLOSE_WRITE: Self = Self(1 << 13);
    pub(crate) const DROP: Self = Self(1 << 14);
    pub(crate) const CLOSED: Self = Self(1 << 15);

    /// Those that wait until all octets have left, and what comes after them.
    const AFTER_OUTPUT: u16 = Self::UPGRADED.0 | Self::CLOSE_WRITE.0 | Self::DROP.0 | Self::CLOSED.0;

    /// What belongs to one request.
    pub(crate) const OF_REQUEST: Self = Self(Self::REQUEST.0 | Self::BODY_END.0 | Self::PEER_ENDED.0);

    #[inline]
    pub(crate) fn insert(&mut self, other: Self) {
        self.0 |= other.0;
    }

    #[inline]
    pub(crate) fn remove(&mut self, other: Self) {
        self.0 &= !other.0;
    }

    #[inline]
    pub(crate) fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// The first one; `drained`: all octets have left; `body`: decoded body octets wait.
    #[inline]
    pub(crate) fn first(self, drained: bool, body: bool) -> Option<Self> {
        let mut bits = self.0;
        if !drained {
            bits &= !Self::AFTER_OUTPUT;
        }
        if body {
            bits |= Self::BODY_DATA.0;
        }
        (bits != 0).then(|| Self(bits & bits.wrapping_neg()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IN_ORDER: [Pending; 16] = [
        Pending::OPENED,
        Pending::BUSY,
        Pending::EXCESS,
        Pending::FLUSHED,
        Pending::TRANSMIT_READY,
        Pending::REQUEST,
        Pending::BODY_DATA,
        Pending::BODY_END,
        Pending::BODY_FAILED,
        Pending::PEER_ENDED,
        Pending::REFUSED,
        Pending::FLUSH,
        Pending::UPGRADED,
        Pending::CLOSE_WRITE,
        Pending::DROP,
        Pending::CLOSED,
    ];

    #[test]
    fn everything_comes_out_once_and_in_order() {
        let mut pending = Pending::default();
        IN_ORDER.iter().rev().for_each(|one| pending.insert(*one));
        for one in IN_ORDER {
            assert_eq!(pending.first(true, false), Some(one));
            pending.remove(one);
        }
        assert_eq!(pending.first(true, false), None);
        assert_eq!(pending.first(true, true), Some(Pending::BODY_DATA));
    }

    #[test]
    fn the_end_of_a_connection_waits_for_its_output() {
        for (number, one) in IN_ORDER.into_iter().enumerate() {
            let waits = number >= 12;
            assert_eq!(one.first(false, false).is_none(), waits, "{number}");
            let of_request = [5, 7, 9].contains(&number);
            assert_eq!(Pending::OF_REQUEST.has(one), of_request, "{number}");
        }
    }
}
