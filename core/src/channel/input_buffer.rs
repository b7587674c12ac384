//! The input of a channel: bytes that arrived and are still needed.
//!
//! There is one store with a parse position in it. Three things can hold bytes before that position: a request
//! head that the application still looks at, decoded body bytes that were not taken yet, and a trailer section
//! likewise. Whatever is before the lowest of them is free.
//!
//! The store is lent by the worker for one wake-up ([`lend`](InputBuffer::lend), [`take_back`](InputBuffer::take_back)), so
//! that an idle channel holds none. What is left at the end of a wake-up moves to a private store of its size; the next
//! wake-up reads into the lent one and appends, so each byte is moved at most twice.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;
use core::ops::Range;
use core::{fmt, mem};

use crate::part::{part, part_mut};

/// The size of a lent store, and of one read.
pub(crate) const READ: usize = 64 << 10;

/// Body bytes that may take a store along, so that at most an eighth of its memory is held for nothing.
const FULL: usize = READ - READ / 8;

/// The size of the store of a channel that nobody lends one.
const PRIVATE: usize = 16 << 10;

const NONE: u32 = u32::MAX;

#[derive(Default)]
pub(crate) struct InputBuffer {
    store: Vec<u8>,
    /// The worker's store, while `store` is a private one that still holds earlier input. In a box, which takes less of an
    /// idle channel than a vector.
    lent_store: Box<[u8]>,
    start: u32,
    end: u32,
    head: PinnedHead,
    body: Range<u32>,
    trailers: Range<u32>,
    offered: Offer,
    /// `store` is the worker's.
    store_is_lent: bool,
    /// Between `lend` and `take_back`. The worker may have had no store to lend.
    in_wake_up: bool,
    /// No more input comes.
    input_ended: bool,
    /// The bound was reached; reading goes on when half of it is free.
    is_paused: bool,
}

/// What `spare` lent to be read to.
#[derive(Clone, Copy, Default, Debug)]
struct Offer {
    /// So many bytes; 0 when the offer is void.
    len: u32,
    /// They are in `lent_store`, else in `store`.
    in_lent_store: bool,
}

/// Where the pinned head begins; `NONE`, which is behind every position, if no head is pinned.
#[derive(Clone, Copy)]
struct PinnedHead(u32);

impl Default for PinnedHead {
    fn default() -> Self {
        Self(NONE)
    }
}

/// Lengths and positions, no bytes: a store holds the secrets of this peer, and a lent one those of others.
impl fmt::Debug for InputBuffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InputBuffer")
            .field("store", &format_args!("{} bytes", self.store.len()))
            .field("lent_store", &format_args!("{} bytes", self.lent_store.len()))
            .field("start", &self.start)
            .field("end", &self.end)
            .field("head", &(self.head.0 != NONE).then_some(self.head.0))
            .field("body", &self.body)
            .field("trailers", &self.trailers)
            .field("offered", &self.offered)
            .field("store_is_lent", &self.store_is_lent)
            .field("in_wake_up", &self.in_wake_up)
            .field("input_ended", &self.input_ended)
            .field("is_paused", &self.is_paused)
            .finish()
    }
}

impl InputBuffer {
    /// Bytes that were not parsed yet.
    pub(crate) fn unparsed(&self) -> &[u8] {
        part(&self.store, self.start as usize..self.end as usize)
    }

    pub(crate) fn unparsed_mut(&mut self) -> &mut [u8] {
        part_mut(&mut self.store, self.start as usize..self.end as usize)
    }

    pub(crate) fn unparsed_len(&self) -> usize {
        (self.end - self.start) as usize
    }

    /// Whether this is the first byte that was not parsed; there is one.
    #[inline]
    pub(crate) fn begins_with(&self, byte: u8) -> bool {
        self.store.get(self.start as usize) == Some(&byte)
    }

    /// Bytes held, parsed or not.
    pub(crate) fn held(&self) -> usize {
        (self.end - self.low()) as usize
    }

    /// An upper bound of [`held`](Self::held), which takes one load.
    pub(crate) fn reach(&self) -> usize {
        self.end as usize
    }

    #[inline]
    pub(crate) fn input_ended(&self) -> bool {
        self.input_ended
    }

    /// No more input comes.
    pub(crate) fn end(&mut self) {
        self.input_ended = true;
    }

    /// Stops reading at the bound, and goes on when half of it is free.
    #[inline]
    pub(crate) fn pace(&mut self, bound: usize) {
        if !self.is_paused && self.reach() < bound {
            return;
        }
        let held = self.held();
        if held >= bound {
            self.is_paused = true;
        } else if held <= bound / 2 {
            self.is_paused = false;
        }
    }

    /// How much may be read at this pace.
    pub(crate) fn bounded_room(&self, bound: usize) -> usize {
        let held = self.held();
        // What is held shrinks when body bytes are taken, too, and no event tells of that.
        if self.is_paused && held > bound / 2 { 0 } else { bound.saturating_sub(held).min(READ) }
    }

    fn low(&self) -> u32 {
        let mut low = self.start.min(self.head.0);
        if !self.body.is_empty() {
            low = low.min(self.body.start);
        }
        if !self.trailers.is_empty() {
            low = low.min(self.trailers.start);
        }
        low
    }

    /// Bytes of capacity that are the channel's own.
    pub(crate) fn private(&self) -> usize {
        if self.store_is_lent { 0 } else { self.store.capacity() }
    }

    /// Moves the parse position.
    pub(crate) fn consume(&mut self, n: usize) {
        self.start = (self.start + n as u32).min(self.end);
    }

    /// Discards what was not parsed; returns how much.
    pub(crate) fn clear(&mut self) -> usize {
        let n = self.unparsed_len();
        self.start = self.end;
        n
    }

    /// Pins the head of `len` bytes at the parse position and moves past it.
    pub(crate) fn pin_head(&mut self, len: usize) {
        self.head = PinnedHead(self.start);
        self.consume(len);
    }

    pub(crate) fn head(&self) -> Option<&[u8]> {
        (self.head.0 != NONE).then(|| part(&self.store, self.head.0 as usize..self.end as usize))
    }

    pub(crate) fn unpin_head(&mut self) {
        self.head = PinnedHead(NONE);
    }

    /// Hands over `range` of the unparsed bytes as body, behind what is already there, and consumes `n`.
    pub(crate) fn body_ready(&mut self, range: Range<usize>, n: usize) {
        let from = self.start + range.start as u32..self.start + range.end as u32;
        self.consume(n);
        if from.is_empty() {
            return;
        }
        if self.body.is_empty() {
            self.body = from;
        } else if self.body.end == from.start {
            self.body.end = from.end;
        } else {
            let to = self.body.end;
            self.body.end += from.end - from.start;
            crate::witness::bytes(from.len());
            self.store.copy_within(from.start as usize..from.end as usize, to as usize);
        }
    }

    pub(crate) fn has_body(&self) -> bool {
        !self.body.is_empty()
    }

    /// Where the decoded body bytes stand; the next call finds none.
    pub(crate) fn take_body(&mut self) -> Range<u32> {
        mem::take(&mut self.body)
    }

    /// Takes the decoded body bytes with the worker's store that they stand in, for which `other` is left; where in it they
    /// stand. `None` where anything else is in it, or they are too few to take so much memory along.
    pub(crate) fn take_body_store(&mut self, other: &mut Vec<u8>) -> Option<Range<usize>> {
        let body = self.body.start as usize..self.body.end as usize;
        let is_alone = self.store_is_lent
            && self.start == self.end
            && self.head.0 == NONE
            && self.trailers.is_empty()
            && self.store.len() == READ;
        if !is_alone || body.len() < FULL {
            return None;
        }
        other.resize(READ, 0);
        mem::swap(&mut self.store, other);
        self.rewind();
        Some(body)
    }

    pub(crate) fn bytes(&self, range: Range<u32>) -> &[u8] {
        part(&self.store, range.start as usize..range.end as usize)
    }

    pub(crate) fn drop_body(&mut self) {
        self.body = 0..0;
        self.trailers = 0..0;
    }

    /// Hands over the next `n` unparsed bytes as the trailer section, and consumes them.
    pub(crate) fn trailers_ready(&mut self, n: usize) {
        self.trailers = self.start..(self.start + n as u32).min(self.end);
        self.consume(n);
    }

    pub(crate) fn take_trailers(&mut self) -> &[u8] {
        let range = mem::take(&mut self.trailers);
        self.bytes(range)
    }

    /// Everything unparsed, for the protocol that takes over.
    pub(crate) fn take_all(&mut self) -> &[u8] {
        let range = self.start as usize..self.end as usize;
        self.start = self.end;
        part(&self.store, range)
    }

    /// Where to read to: at most `room` bytes; empty only for `room` 0.
    pub(crate) fn spare(&mut self, room: usize) -> &mut [u8] {
        self.offered = Offer::default();
        if room == 0 {
            return &mut [];
        }
        if !self.lent_store.is_empty() {
            if self.held() > 0 {
                let n = room.min(self.lent_store.len());
                self.offered = Offer { len: n as u32, in_lent_store: true };
                return part_mut(&mut self.lent_store, ..n);
            }
            self.begin_second();
        }
        if self.store.len() - (self.end as usize) < room {
            let fair = if self.store.is_empty() { PRIVATE } else { (self.store.len() / 4).max(512) };
            if self.store.len() - (self.end as usize) < fair {
                self.make_room(room.min(fair));
            }
        }
        let end = self.end as usize;
        let n = room.min(self.store.len() - end);
        self.offered = Offer { len: n as u32, in_lent_store: false };
        part_mut(&mut self.store, end..end + n)
    }

    /// How many bytes the last `spare` offered, if nothing came between.
    pub(crate) fn offered(&self) -> usize {
        self.offered.len as usize
    }

    /// The first `n` bytes of the last `spare` hold input.
    #[inline]
    pub(crate) fn accept_read(&mut self, n: usize) {
        if mem::take(&mut self.offered).in_lent_store {
            let lent_store = mem::take(&mut self.lent_store);
            self.append(part(&lent_store, ..n));
            self.lent_store = lent_store;
        } else {
            self.end += n as u32;
        }
    }

    /// Copies bytes in.
    pub(crate) fn append(&mut self, bytes: &[u8]) {
        self.offered = Offer::default();
        if !self.lent_store.is_empty() && self.held() == 0 {
            self.begin_second();
        }
        self.make_room(bytes.len());
        let end = self.end as usize;
        crate::witness::bytes(bytes.len());
        let to = part_mut(&mut self.store, end..end + bytes.len());
        if to.len() == bytes.len() {
            to.copy_from_slice(bytes);
            self.end += bytes.len() as u32;
        }
    }

    /// Nothing is held. What was offered may have stood elsewhere.
    fn rewind(&mut self) {
        self.offered = Offer::default();
        self.start = 0;
        self.end = 0;
        self.body = 0..0;
        self.trailers = 0..0;
    }

    /// Makes room for `n` bytes behind the end. Held bytes move to the front only if at least as many free bytes are before
    /// them; otherwise the store doubles. So the cost is linear in the bytes received.
    fn make_room(&mut self, n: usize) {
        if self.held() == 0 {
            self.rewind();
        }
        let low = self.low();
        if self.store.len() - self.end as usize >= n {
            return;
        }
        if low as usize >= self.held() {
            self.shift(low);
        }
        let need = self.end as usize + n;
        if need > self.store.len() {
            // `resize` doubles the capacity at least.
            self.store.resize(need, 0);
        }
    }

    fn shift(&mut self, low: u32) {
        crate::witness::bytes((self.end - low) as usize);
        self.store.copy_within(low as usize..self.end as usize, 0);
        self.rebase(low);
    }

    /// What stood at `low` stands at the front now.
    fn rebase(&mut self, low: u32) {
        self.start -= low;
        self.end -= low;
        if self.head.0 != NONE {
            self.head.0 -= low;
        }
        for range in [&mut self.body, &mut self.trailers] {
            if range.start < range.end {
                *range = range.start - low..range.end - low;
            }
        }
    }

    /// Whether a worker has lent its buffers for this wake-up.
    pub(crate) fn in_wake_up(&self) -> bool {
        self.in_wake_up
    }

    /// Takes the worker's store, if there is one.
    pub(crate) fn lend(&mut self, store: &mut Vec<u8>) {
        self.in_wake_up = true;
        if self.store_is_lent || !self.lent_store.is_empty() {
            return;
        }
        self.offered = Offer::default();
        // Most wake-ups find nothing buffered, and `reach` tells that sooner: everything is at 0 then.
        if self.reach() > 0 {
            if self.held() > 0 {
                return self.lend_second(store);
            }
            self.rewind();
        }
        self.store = mem::take(store);
        self.store_is_lent = !self.store.is_empty();
    }

    /// Out of line: few wake-ups find something buffered.
    #[cold]
    fn lend_second(&mut self, store: &mut Vec<u8>) {
        self.lent_store = mem::take(store).into_boxed_slice();
    }

    /// The private store holds nothing more, so the worker's takes its place.
    #[cold]
    fn begin_second(&mut self) {
        self.store = mem::take(&mut self.lent_store).into_vec();
        self.store_is_lent = true;
        self.rewind();
    }

    /// Gives the worker's store back; what is held moves to a private one.
    pub(crate) fn take_back(&mut self, store: &mut Vec<u8>) {
        self.offered = Offer::default();
        self.in_wake_up = false;
        if self.store_is_lent {
            self.store_is_lent = false;
            if self.reach() > 0 {
                if self.held() > 0 {
                    return self.move_to_private(store);
                }
                self.rewind();
            }
            return give_back(store, mem::take(&mut self.store));
        } else if !self.lent_store.is_empty() {
            self.take_back_second(store);
        }
        self.release_if_empty();
    }

    #[cold]
    fn take_back_second(&mut self, store: &mut Vec<u8>) {
        give_back(store, mem::take(&mut self.lent_store).into_vec());
    }

    /// Moves what is held to a private store of its size, and gives the one before to `store`.
    fn move_to_private(&mut self, store: &mut Vec<u8>) {
        let low = self.low();
        let held = part(&self.store, low as usize..self.end as usize);
        let mut private = Vec::new();
        private.reserve_exact(held.len());
        private.extend_from_slice(held);
        let before = mem::replace(&mut self.store, private);
        self.rebase(low);
        give_back(store, before);
    }

    /// Lets an empty store go; a lent one is given back before.
    pub(crate) fn release_if_empty(&mut self) {
        if self.held() == 0 {
            self.offered = Offer::default();
            self.store = Vec::new();
            self.rewind();
        }
    }

    /// Lets a store of the channel's own go but for what is held.
    #[cold]
    pub(crate) fn shrink(&mut self) {
        if !self.in_wake_up {
            self.offered = Offer::default();
            self.move_to_private(&mut Vec::new());
        }
    }
}

fn give_back(store: &mut Vec<u8>, mut lent: Vec<u8>) {
    // A store that had to grow for one large head does not stay large.
    if store.is_empty() && lent.len() <= 2 * READ {
        if lent.len() > READ {
            shorten(&mut lent);
        }
        *store = lent;
    }
}

/// A store that had to grow for reads that filled none is as long as before: no body could take it along.
#[cold]
fn shorten(lent: &mut Vec<u8>) {
    lent.truncate(READ);
    lent.shrink_to_fit();
}

/// A store to lend.
pub(crate) fn lendable() -> Vec<u8> {
    vec![0; READ]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads `bytes` where the buffer says.
    fn read(buffer: &mut InputBuffer, bytes: usize) {
        let n = buffer.spare(bytes).len();
        assert_eq!(n, bytes);
        buffer.accept_read(n);
    }

    #[test]
    fn a_lent_store_that_had_to_grow_comes_back_as_long_as_it_was() {
        const PART: usize = READ / 8;
        for parts in [9, 12, 16] {
            let (mut buffer, mut store) = (InputBuffer::default(), lendable());
            buffer.lend(&mut store);
            (0..parts).for_each(|_| read(&mut buffer, PART));
            assert!(buffer.store.len() > READ);
            buffer.consume(parts * PART);
            buffer.take_back(&mut store);
            assert_eq!((store.len(), store.capacity()), (READ, READ));
        }
    }

    #[test]
    fn a_store_that_is_never_empty_does_not_grow() {
        let mut buffer = InputBuffer::default();
        buffer.append(b"x");
        for _ in 0..10_000 {
            buffer.append(&[b'x'; 100]);
            buffer.consume(100);
        }
        assert_eq!(buffer.unparsed(), b"x");
        assert!(buffer.private() < 1000, "{}", buffer.private());
    }

    #[test]
    fn reading_pauses_at_the_bound_and_goes_on_at_half_of_it() {
        const BOUND: usize = 100;
        let room = |buffer: &mut InputBuffer| {
            buffer.pace(BOUND);
            buffer.bounded_room(BOUND)
        };
        let mut buffer = InputBuffer::default();
        buffer.append(&[b'x'; 99]);
        assert_eq!(room(&mut buffer), 1);
        buffer.append(b"x");
        assert_eq!(room(&mut buffer), 0);
        buffer.consume(49);
        assert_eq!(room(&mut buffer), 0, "more than half is held");
        buffer.consume(1);
        assert_eq!(buffer.bounded_room(BOUND), 50, "no event need follow");
        assert_eq!(room(&mut buffer), 50);
        buffer.append(b"x");
        assert_eq!(room(&mut buffer), 49, "it goes on up to the bound");
        // Also where the store is used from its front again.
        buffer.append(&[b'x'; 99]);
        assert_eq!(room(&mut buffer), 0);
        buffer.consume(150);
        buffer.append(&[b'x'; 60]);
        assert_eq!((buffer.reach(), room(&mut buffer)), (60, 0));
        buffer.consume(20);
        assert_eq!(room(&mut buffer), 60);
        buffer.append(&[b'x'; 15]);
        assert_eq!(room(&mut buffer), 45);
    }

    #[test]
    fn the_first_byte_is_looked_at_and_none_is_shown() {
        let mut buffer = InputBuffer::default();
        buffer.append(b"-\rsecret");
        buffer.consume(1);
        assert!(buffer.begins_with(b'\r') && !buffer.begins_with(b's'));
        let shown = std::format!("{buffer:?}");
        assert!(shown.contains("start: 1, end: 8, head: None") && !shown.contains("secret"), "{shown}");
    }

    #[test]
    fn a_pinned_head_moves_with_what_is_held() {
        let mut buffer = InputBuffer::default();
        let mut store = lendable();
        buffer.lend(&mut store);
        buffer.append(b"before headrest");
        buffer.consume(7);
        buffer.pin_head(4);
        buffer.take_back(&mut store);
        assert_eq!((buffer.head(), buffer.unparsed()), (Some(&b"headrest"[..]), &b"rest"[..]));
        assert_eq!(buffer.private(), 8);
    }

    #[test]
    fn what_is_discarded_is_not_held() {
        let mut buffer = InputBuffer::default();
        buffer.append(b"bodytrailers");
        buffer.body_ready(0..4, 4);
        buffer.trailers_ready(8);
        assert_eq!(buffer.held(), 12);
        buffer.drop_body();
        assert_eq!((buffer.held(), buffer.has_body()), (0, false));
        assert!(buffer.take_trailers().is_empty());
    }

    #[test]
    fn a_fair_part_of_the_store_is_offered_even_near_its_end() {
        let mut buffer = InputBuffer::default();
        buffer.lend(&mut lendable());
        read(&mut buffer, READ - 5_000);
        buffer.consume(READ - 6_000);
        assert_eq!(buffer.spare(READ).len(), READ - 1_000);
        assert_eq!(buffer.unparsed_len(), 1_000);
        // Nor is the store made larger than that part needs.
        let mut buffer = InputBuffer::default();
        buffer.lend(&mut lendable());
        read(&mut buffer, READ - 5_000);
        assert_eq!(buffer.spare(READ).len(), READ / 4);
    }

    #[test]
    fn a_second_store_that_is_lent_stays_with_its_worker() {
        let mut buffer = InputBuffer::default();
        buffer.append(b"x");
        for held in [1, 0] {
            buffer.consume(1 - held);
            let (mut first, mut second) = (lendable(), lendable());
            buffer.lend(&mut first);
            buffer.lend(&mut second);
            assert_eq!((first.len(), second.len()), (0, READ), "{held} held");
            buffer.take_back(&mut first);
            assert_eq!(first.len(), READ, "{held} held");
        }
    }

    #[test]
    fn what_was_left_from_earlier_is_let_go_when_it_is_used_up() {
        let mut buffer = InputBuffer::default();
        buffer.append(b"left");
        let mut store = lendable();
        buffer.lend(&mut store);
        buffer.consume(4);
        buffer.take_back(&mut store);
        assert_eq!((buffer.private(), store.len()), (0, READ));
        // And the next bytes are read into the lent store.
        buffer.append(b"left");
        buffer.lend(&mut store);
        buffer.consume(4);
        read(&mut buffer, 10);
        assert_eq!(buffer.private(), 0);
    }

    #[test]
    fn a_store_that_one_large_head_made_large_is_not_lent_again() {
        for (len, kept) in [(2 * READ, READ), (2 * READ + 1, 0)] {
            let mut store = Vec::new();
            give_back(&mut store, vec![0; len]);
            assert_eq!(store.len(), kept);
        }
        let mut store = vec![0; 1];
        give_back(&mut store, lendable());
        assert_eq!(store.len(), 1);
    }
}
