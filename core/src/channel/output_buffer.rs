//! The output of a channel: bytes that are to be sent.
//!
//! Heads, chunk lines and small contents are staged contiguously; one large content at a time, or one that is
//! elsewhere, stands between them by reference. What is sent is counted by position, so that a flush knows when it has
//! left. Writes end at marked positions, so that an interim head leaves in a write of its own.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::{fmt, mem};

use bytes::{Buf, Bytes};
use smallvec::SmallVec;

use super::elsewhere::Elsewhere;
use crate::part::part;

/// Contents below this are copied: a reference costs a second slice in each write and a reference count.
const BY_REFERENCE: usize = 8 << 10;

/// Private output up to this size, or up to half of its store, moves to a store of its size at the end of a wake-up.
const SMALL: usize = 2 << 10;

/// Capacity of a store to lend.
const LENT: usize = 16 << 10;

/// Where writes end: positions in the output, in order.
#[derive(Debug, Default)]
struct WriteEnds {
    positions: SmallVec<[u64; 4]>,
    /// How many of them were reached.
    reached: usize,
}

/// A content that stands in the output by reference, and is not empty.
#[derive(Debug)]
struct Large {
    content: LargeContent,
    /// Where in `staged` it comes.
    at: u32,
}

#[derive(Debug)]
enum LargeContent {
    Bytes(Bytes),
    Elsewhere(Elsewhere),
}

impl LargeContent {
    fn len(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Elsewhere(content) => content.len(),
        }
    }

    /// At most `n` bytes have left; how many that are.
    fn advance(&mut self, n: usize) -> usize {
        match self {
            Self::Bytes(bytes) => {
                let n = n.min(bytes.len());
                bytes.advance(n);
                n
            }
            Self::Elsewhere(content) => {
                let n = n.min(usize::try_from(content.len()).unwrap_or(usize::MAX));
                content.advance(n as u64);
                n
            }
        }
    }
}

#[derive(Default)]
pub(crate) struct OutputBuffer {
    /// Empty when all of it is sent, unless a large content is on its way.
    staged: Vec<u8>,
    /// Bytes of `staged` that are sent. `output_high_water` is at most 1 GiB, so there are never more.
    sent_of_staged: u32,
    /// Boxed: an idle channel has none.
    large: Option<Box<Large>>,
    /// Bytes that have left, in all.
    sent: u64,
    /// Where writes end: around interim heads. Few outputs have any.
    write_ends: Option<Box<WriteEnds>>,
}

/// A place in the output to which what was staged can be taken back, while nothing has been sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mark {
    /// Staged bytes that have not left.
    pending: usize,
    has_large: bool,
}

/// Lengths and positions, no bytes.
impl fmt::Debug for OutputBuffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OutputBuffer")
            .field("staged", &format_args!("{} bytes", self.staged.len()))
            .field("sent_of_staged", &self.sent_of_staged)
            .field("large", &format_args!("{} bytes", self.large_len()))
            .field("large_at", &self.large.as_ref().map(|large| large.at))
            .field("sent", &self.sent)
            .field("write_ends", &self.write_ends)
            .finish()
    }
}

impl WriteEnds {
    #[cold]
    fn size(&self) -> usize {
        let spilled = if self.positions.spilled() { self.positions.capacity() * size_of::<u64>() } else { 0 };
        size_of::<Self>() + spilled
    }
}

impl OutputBuffer {
    /// The end of what is staged.
    #[inline]
    pub(crate) fn mark(&self) -> Mark {
        Mark { pending: self.staged.len() - self.sent_of_staged(), has_large: self.has_large() }
    }

    /// Takes back what was staged behind the mark.
    #[cold]
    pub(crate) fn roll_back(&mut self, mark: Mark) {
        self.staged.truncate(self.sent_of_staged() + mark.pending);
        if !mark.has_large {
            self.large = None;
        }
        let position = self.position();
        if let Some(ends) = &mut self.write_ends {
            // Those that were reached are behind what has left.
            ends.positions.retain(|end| *end <= position);
        }
    }

    #[inline]
    fn sent_of_staged(&self) -> usize {
        self.sent_of_staged as usize
    }

    pub(crate) fn len(&self) -> usize {
        usize::try_from(self.pending()).unwrap_or(usize::MAX)
    }

    /// As [`len`](Self::len), where there are more than can be addressed.
    fn pending(&self) -> u64 {
        (self.staged.len() - self.sent_of_staged()) as u64 + self.large_len()
    }

    fn large_len(&self) -> u64 {
        self.large.as_ref().map_or(0, |large| large.content.len())
    }

    /// The content that the transport sends by itself, if it comes directly behind the next write.
    pub(crate) fn elsewhere(&self) -> Option<&Elsewhere> {
        let large = self.large.as_ref()?;
        let before = large.at as usize - self.sent_of_staged();
        match &large.content {
            LargeContent::Elsewhere(content) if self.write_len() > before => Some(content),
            LargeContent::Elsewhere(_) | LargeContent::Bytes(_) => None,
        }
    }

    fn is_elsewhere(&self) -> bool {
        self.large.as_ref().is_some_and(|large| matches!(large.content, LargeContent::Elsewhere(_)))
    }

    /// Pending bytes that are in memory.
    #[inline]
    pub(crate) fn here(&self) -> usize {
        if self.is_elsewhere() { self.staged.len() - self.sent_of_staged() } else { self.len() }
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.staged.is_empty() && self.large.is_none()
    }

    pub(crate) fn has_large(&self) -> bool {
        self.large.is_some()
    }

    /// Bytes that have left, since the channel opened.
    pub(crate) fn sent(&self) -> u64 {
        self.sent
    }

    /// The position behind the last byte.
    pub(crate) fn position(&self) -> u64 {
        self.sent + self.pending()
    }

    /// Bytes of capacity that the channel holds.
    pub(crate) fn private(&self) -> usize {
        self.staged.capacity() + self.write_ends.as_ref().map_or(0, |ends| ends.size())
    }

    /// Where the next bytes go.
    #[inline]
    pub(crate) fn stage(&mut self) -> &mut Vec<u8> {
        let sent_of_staged = self.sent_of_staged();
        if sent_of_staged > 4096 && sent_of_staged >= self.staged.len() / 2 {
            crate::witness::bytes(self.staged.len() - sent_of_staged);
            self.staged.drain(..sent_of_staged);
            self.rebase();
        }
        &mut self.staged
    }

    /// The bytes that have left are no longer in `staged`.
    fn rebase(&mut self) {
        if let Some(large) = &mut self.large {
            large.at = large.at.saturating_sub(self.sent_of_staged);
        }
        self.sent_of_staged = 0;
    }

    /// What is pending leaves in a write without what follows.
    #[cold]
    pub(crate) fn end_write(&mut self) {
        let position = self.position();
        let last = self.write_ends.as_ref().and_then(|ends| ends.positions.last()).copied();
        if position > last.unwrap_or(self.sent) {
            self.write_ends.get_or_insert_default().positions.push(position);
        }
    }

    /// How many of the pending bytes leave in the next write.
    #[inline]
    fn write_len(&self) -> usize {
        self.write_ends.as_ref().map_or(usize::MAX, |ends| self.marked_len(ends))
    }

    #[cold]
    fn marked_len(&self, ends: &WriteEnds) -> usize {
        let len = ends.positions.get(ends.reached).map(|end| end - self.sent);
        len.and_then(|len| usize::try_from(len).ok()).unwrap_or(usize::MAX)
    }

    /// Appends content: by reference if it is large and none is on its way, else by copy.
    pub(crate) fn push(&mut self, content: &Bytes) {
        if content.len() >= BY_REFERENCE && self.large.is_none() {
            if let Ok(at) = u32::try_from(self.staged.len()) {
                self.large = Some(Box::new(Large { content: LargeContent::Bytes(content.clone()), at }));
                return;
            }
        }
        self.stage().extend_from_slice(content);
    }

    /// Appends content that is elsewhere; the caller has made sure that no large one is on its way.
    #[cold]
    pub(crate) fn push_elsewhere(&mut self, content: Elsewhere) {
        if let (Ok(at), false) = (u32::try_from(self.staged.len()), content.is_empty()) {
            self.large = Some(Box::new(Large { content: LargeContent::Elsewhere(content), at }));
        }
    }

    /// The pending bytes that leave in one write, in order, in as many slices as fit; at most three are needed.
    #[inline]
    pub(crate) fn slices<'a>(&'a self, out: &mut [&'a [u8]]) -> usize {
        if self.large.is_some() || self.write_ends.is_some() {
            return self.several_slices(out);
        }
        match out.first_mut() {
            Some(slot) if !self.staged.is_empty() => *slot = part(&self.staged, self.sent_of_staged()..),
            _ => return 0,
        }
        1
    }

    /// All pending bytes that are here, in order, whatever leaves in which write; pieces may be empty.
    pub(crate) fn pieces(&self) -> [&[u8]; 3] {
        match &self.large {
            None => [part(&self.staged, self.sent_of_staged()..), &[], &[]],
            Some(large) => {
                let at = large.at as usize;
                let before = part(&self.staged, self.sent_of_staged()..at);
                let content = match &large.content {
                    LargeContent::Bytes(bytes) => &bytes[..],
                    LargeContent::Elsewhere(_) => &[],
                };
                [before, content, part(&self.staged, at..)]
            }
        }
    }

    /// What of the pieces comes before content that is elsewhere.
    fn pieces_before_elsewhere(&self) -> [&[u8]; 3] {
        let pieces = self.pieces();
        if self.is_elsewhere() { [pieces[0], &[], &[]] } else { pieces }
    }

    fn several_slices<'a>(&'a self, out: &mut [&'a [u8]]) -> usize {
        let (mut n, mut left) = (0, self.write_len());
        let parts = self.pieces_before_elsewhere().into_iter().map(|part| {
            let part = up_to(left, part);
            left -= part.len();
            part
        });
        for (part, slot) in parts.filter(|part| !part.is_empty()).zip(out) {
            *slot = part;
            n += 1;
        }
        n
    }

    /// The first pending bytes.
    pub(crate) fn first(&self) -> &[u8] {
        let first = match &self.large {
            None => part(&self.staged, self.sent_of_staged()..),
            Some(_) => {
                let [before, content, _] = self.pieces();
                if before.is_empty() { content } else { before }
            }
        };
        up_to(self.write_len(), first)
    }

    /// `n` bytes have left; the caller has made sure that there are as many.
    #[inline]
    pub(crate) fn advance(&mut self, n: usize) {
        self.sent += n as u64;
        let behind = if self.large.is_some() { self.advance_large(n) } else { n };
        self.sent_of_staged += behind as u32;
        if self.sent_of_staged() == self.staged.len() && self.large.is_none() {
            self.staged.clear();
            self.sent_of_staged = 0;
        }
        if self.write_ends.is_some() {
            self.pass_write_ends();
        }
    }

    /// The same up to the end of the large content; how many of the bytes are behind it.
    #[cold]
    fn advance_large(&mut self, n: usize) -> usize {
        let Some(large) = &mut self.large else { return n };
        let before = n.min((large.at - self.sent_of_staged) as usize);
        self.sent_of_staged += before as u32;
        let inside = large.content.advance(n - before);
        if large.content.len() == 0 {
            // Lets the reference go.
            self.large = None;
        }
        n - before - inside
    }

    #[cold]
    fn pass_write_ends(&mut self) {
        let Some(ends) = &mut self.write_ends else { return };
        let behind = ends.positions.iter().skip(ends.reached);
        ends.reached += behind.take_while(|end| **end <= self.sent).count();
        if ends.reached >= ends.positions.len() {
            self.write_ends = None;
        }
    }

    /// Discards the pending bytes.
    pub(crate) fn clear(&mut self) {
        self.staged.clear();
        self.sent_of_staged = 0;
        self.large = None;
        self.write_ends = None;
    }

    pub(crate) fn lend(&mut self, store: &mut Vec<u8>) {
        if self.staged.capacity() == 0 {
            self.staged = mem::take(store);
        }
    }

    pub(crate) fn take_back(&mut self, store: &mut Vec<u8>) {
        let pending = self.staged.len() - self.sent_of_staged();
        if pending > 0 {
            return self.take_back_unsent(pending, store);
        }
        self.give_back(Vec::new(), store);
    }

    #[cold]
    fn take_back_unsent(&mut self, pending: usize, store: &mut Vec<u8>) {
        let capacity = self.staged.capacity();
        if pending > SMALL && pending > capacity / 2 || capacity <= 2 * SMALL {
            return;
        }
        let mut private = Vec::new();
        private.reserve_exact(pending);
        private.extend_from_slice(part(&self.staged, self.sent_of_staged()..));
        self.give_back(private, store);
    }

    /// Goes on with `private`, which holds what is pending, and gives the store before it to `store`.
    #[inline]
    fn give_back(&mut self, private: Vec<u8>, store: &mut Vec<u8>) {
        if self.sent_of_staged > 0 {
            self.rebase();
        }
        let mut lent = mem::replace(&mut self.staged, private);
        if store.capacity() == 0 && lent.capacity() >= LENT / 2 && lent.capacity() <= 16 * LENT {
            lent.clear();
            *store = lent;
        }
    }

    /// Lets an empty store go.
    pub(crate) fn release_if_empty(&mut self) {
        if self.is_empty() {
            self.staged = Vec::new();
        }
    }
}

/// The first `n` bytes, or all of fewer.
#[inline]
fn up_to(n: usize, bytes: &[u8]) -> &[u8] {
    bytes.get(..n).unwrap_or(bytes)
}

/// A store to lend.
pub(crate) fn lendable() -> Vec<u8> {
    Vec::with_capacity(LENT)
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    /// Output of which `sent_of_staged` bytes have left and `pending` have not, in a store of `capacity`.
    fn buffer(sent_of_staged: usize, pending: usize, capacity: usize) -> OutputBuffer {
        let mut staged = Vec::with_capacity(capacity);
        staged.resize(sent_of_staged + pending, b'x');
        let mut buffer = OutputBuffer { staged, ..OutputBuffer::default() };
        buffer.advance(sent_of_staged);
        buffer
    }

    #[test]
    fn what_is_rolled_back_leaves_what_was_staged_before() {
        for large_before in [false, true] {
            let content = Bytes::from(vec![b'y'; BY_REFERENCE]);
            let mut buffer = OutputBuffer::default();
            buffer.stage().extend_from_slice(b"before");
            if large_before {
                buffer.push(&content);
            }
            buffer.end_write();
            buffer.advance(2);
            let (mark, len) = (buffer.mark(), buffer.len());
            buffer.stage().extend_from_slice(b"behind");
            if !large_before {
                buffer.push(&content);
            }
            buffer.end_write();
            buffer.roll_back(mark);
            assert_eq!((buffer.len(), buffer.has_large()), (len, large_before));
            // A write ends where it ended before, and nowhere else.
            buffer.stage().extend_from_slice(b"and more");
            let mut slices = [&b""[..]; 3];
            let n = buffer.slices(&mut slices);
            assert_eq!(slices[..n].concat().len(), len);
            buffer.advance(len);
            assert_eq!(buffer.first(), b"and more");
        }
    }

    #[test]
    fn where_writes_end_counts_as_held() {
        let mut buffer = OutputBuffer::default();
        let mut beside = Vec::new();
        for _ in 0..6 {
            buffer.stage().push(b'x');
            buffer.end_write();
            beside.push(buffer.private() - buffer.staged.capacity());
        }
        let (few, spilled) = (size_of::<WriteEnds>(), size_of::<WriteEnds>() + 8 * 8);
        assert_eq!(beside, [few, few, few, few, spilled, spilled]);
        assert!(std::format!("{buffer:?}").contains("sent_of_staged: 0"));
        buffer.advance(6);
        assert_eq!(buffer.private(), buffer.staged.capacity());
    }

    #[test]
    fn little_output_that_is_pending_moves_out_of_a_large_store() {
        for (sent_of_staged, pending, capacity, private, lent) in [
            (0, 0, 100, 0, 0),
            (0, 0, LENT, 0, LENT),
            (9_000, 1_000, LENT, 1_000, LENT),
            (9_000, SMALL, LENT, SMALL, LENT),
            (4_000, LENT / 2, LENT, LENT / 2, LENT),
            (4_000, LENT / 2 + 1, LENT, LENT, 0),
            (0, 10, 2 * SMALL, 2 * SMALL, 0),
            (0, 10, 2 * SMALL + 1, 10, 0),
        ] {
            let mut buffer = buffer(sent_of_staged, pending, capacity);
            let mut store = Vec::new();
            buffer.take_back(&mut store);
            let shown = (sent_of_staged, pending, capacity);
            assert_eq!((buffer.private(), store.capacity()), (private, lent), "{shown:?}");
            assert_eq!((buffer.len(), store.len()), (pending, 0), "{shown:?}");
        }
    }

    #[test]
    fn a_store_is_lent_again_unless_it_is_too_small_or_too_large() {
        for (capacity, lent) in
            [(LENT / 2 - 1, false), (LENT / 2, true), (16 * LENT, true), (16 * LENT + 1, false)]
        {
            let mut store = Vec::new();
            buffer(0, 0, capacity).take_back(&mut store);
            assert_eq!(store.capacity() > 0, lent, "{capacity}");
        }
        let mut store = vec![0; 1];
        buffer(0, 0, LENT).take_back(&mut store);
        assert_eq!(store.capacity(), 1);
    }
}
