//! Where the fields of a head stand, for who takes all of them: they need not be looked for again.

use alloc::vec::Vec;
use core::mem;
#[cfg(feature = "http")]
use core::ops::Range;

use httparse::Header;

#[cfg(feature = "http")]
use crate::part::part;
#[cfg(feature = "http")]
use crate::request::FieldLines;

/// A field of a head. All offsets count from the message's first byte.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct FieldPlace {
    name: (u32, u32),
    value: (u32, u32),
}

impl FieldPlace {
    /// The place of a name and a value in the head that they are parts of. A head has less than 2 GiB.
    #[inline]
    fn of(head: &[u8], name: &[u8], value: &[u8]) -> Self {
        let range = |part: &[u8]| {
            let at = part.as_ptr().addr().wrapping_sub(head.as_ptr().addr());
            (at as u32, (at + part.len()) as u32)
        };
        Self { name: range(name), value: range(value) }
    }

    /// Where the name stands.
    #[cfg(feature = "http")]
    #[inline]
    pub(crate) fn name(self) -> Range<usize> {
        self.name.0 as usize..self.name.1 as usize
    }

    /// Where the value stands, without the blanks around it.
    #[cfg(feature = "http")]
    #[inline]
    pub(crate) fn value(self) -> Range<usize> {
        self.value.0 as usize..self.value.1 as usize
    }
}

/// The places of the fields of one head, if it came whole and they are wanted; else none.
#[derive(Debug, Default)]
pub(crate) struct FieldPlaces(Option<Vec<FieldPlace>>);

impl FieldPlaces {
    pub(crate) fn new(are_wanted: bool) -> Self {
        Self(are_wanted.then(Vec::new))
    }

    #[inline]
    pub(crate) fn get(&self) -> &[FieldPlace] {
        self.0.as_deref().unwrap_or_default()
    }

    /// A head did not come whole.
    #[cold]
    pub(crate) fn clear(&mut self) {
        if let Some(places) = &mut self.0 {
            places.clear();
        }
    }

    /// Keeps those of the fields that were found in a head, if they are wanted. Not in line: few want it.
    #[inline(never)]
    pub(super) fn keep(&mut self, head: &[u8], fields: &[Header<'_>]) {
        if let Some(places) = &mut self.0 {
            let place = |field: &Header<'_>| FieldPlace::of(head, field.name.as_bytes(), field.value);
            places.clear();
            places.extend(fields.iter().map(place));
        }
    }

    /// Takes memory that a worker lends, if there is need of it.
    #[inline]
    pub(crate) fn lend(&mut self, memory: &mut Vec<FieldPlace>) {
        match &mut self.0 {
            Some(places) if places.capacity() == 0 => *places = mem::take(memory),
            _ => {}
        }
    }

    /// Gives the memory back: nobody looks at the head any more.
    #[inline]
    pub(crate) fn take_back(&mut self, memory: &mut Vec<FieldPlace>) {
        if let Some(places) = &mut self.0 {
            places.clear();
            *memory = mem::take(places);
        }
    }
}

/// Looks for the places in a head, whose field lines these are.
#[cfg(feature = "http")]
#[cold]
pub(crate) fn search(head: &[u8], lines: Range<usize>) -> Vec<FieldPlace> {
    let fields = FieldLines::new(part(head, lines));
    fields.map(|field| FieldPlace::of(head, field.name.as_bytes(), field.value)).collect()
}

#[cfg(all(test, feature = "http"))]
mod tests {
    use super::*;
    use crate::head::{HeadLimits, HeadScan};
    use crate::request::HeadMeta;

    #[test]
    fn the_places_that_are_kept_are_those_that_a_search_finds() {
        let head = b"\r\nGET / HTTP/1.1\r\nHost: a\r\nX-Empty:\r\nX-Blank: \t\r\nx-a: \t one \t\r\nX-A:two:2\r\n\r\nrest";
        let limits = HeadLimits { size: 1000, fields: 10, target: 10, body: 10 };
        for is_wanted in [true, false] {
            let (mut meta, mut places) = (HeadMeta::default(), FieldPlaces::new(is_wanted));
            assert!(HeadScan::default().at_once(head, &limits, &mut meta, Some(&mut places)));
            let found = search(head, meta.fields());
            assert_eq!(found.len(), 5);
            assert_eq!(places.get(), if is_wanted { &found[..] } else { &[] });
        }
    }
}
