//! What was read from the wire below.

use super::buffers::ThreadBuffer;
use super::{MOST_BYTES, READ_BYTES};

/// Bytes that a layer receives at once.
const RECEIVED_BYTES: usize = 16 << 10;

/// Bytes from below that the layer has not taken. They stand in the thread's buffer while their connection is polled, and
/// in one of its own after that.
#[derive(Default)]
pub(super) struct Unread {
    /// Beyond `end` is what earlier reads have left.
    bytes: Vec<u8>,
    /// The layer has taken the bytes before this place.
    taken: usize,
    end: usize,
    is_lent: bool,
}

impl Unread {
    /// In a buffer of the connection's own.
    pub(super) fn own(bytes: &[u8]) -> Self {
        Self { bytes: bytes.to_vec(), taken: 0, end: bytes.len(), is_lent: false }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.taken == self.end
    }

    pub(super) fn len(&self) -> usize {
        self.end - self.taken
    }

    /// What the layer receives next.
    pub(super) fn next(&self) -> &[u8] {
        self.bytes.get(self.taken..self.end.min(self.taken + RECEIVED_BYTES)).unwrap_or_default()
    }

    /// The layer has taken so many of these.
    pub(super) fn take(&mut self, bytes: usize) {
        self.taken = self.end.min(self.taken.saturating_add(bytes));
    }

    /// The layer takes no more.
    pub(super) fn clear(&mut self) {
        self.taken = self.end;
        self.give_back();
    }

    /// Room in the thread's buffer for so many bytes, [`MOST_BYTES`] at most. The layer has taken all that came before.
    pub(super) fn room(&mut self, bytes: usize) -> &mut [u8] {
        if !self.is_lent {
            *self = Self { bytes: ThreadBuffer::Received.borrow(), is_lent: true, ..Self::default() };
        }
        if self.bytes.len() < bytes {
            // Of one of two sizes: a buffer that grows with each longer read would be cleared as often.
            self.bytes = vec![0; if bytes > READ_BYTES { MOST_BYTES } else { READ_BYTES }];
        }
        (self.taken, self.end) = (0, 0);
        self.bytes.get_mut(..bytes).unwrap_or_default()
    }

    /// So many bytes were read to that room.
    pub(super) fn came(&mut self, bytes: usize) {
        self.end = bytes.min(self.bytes.len());
    }

    /// Gives the thread's buffer back, and that of the connection if nothing is left. What is left is copied.
    pub(super) fn give_back(&mut self) {
        if self.is_lent {
            let left = Self::own(self.bytes.get(self.taken..self.end).unwrap_or_default());
            ThreadBuffer::Received.give_back(std::mem::replace(self, left).bytes);
        } else if self.is_empty() {
            *self = Self::default();
        }
    }

    pub(super) fn held(&self) -> usize {
        self.bytes.capacity()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Otherwise each read would clear 64 KiB.
    #[test]
    fn the_buffer_of_the_thread_comes_back_as_it_was() {
        let mut unread = Unread::default();
        unread.room(READ_BYTES).fill(1);
        unread.give_back();
        for round in 0..3 {
            // How much is read depends on the caller's room.
            let bytes = MOST_BYTES - 90 + 30 * round;
            let room = unread.room(bytes);
            assert_eq!(room.len(), bytes);
            assert!(round == 0 || room.iter().take(60_000).all(|&byte| byte == 2), "{round}: it was cleared");
            room.fill(2);
            unread.came(3 * round);
            unread.take(round);
            unread.give_back();
            assert_eq!((unread.next(), unread.held()), (&[2, 2, 2, 2][..2 * round], 2 * round));
            unread.take(4);
        }
    }
}
