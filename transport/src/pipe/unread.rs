//! Bytes of a body that have come and nobody has taken, in order.

use std::collections::VecDeque;
use std::mem;

use bytes::{Bytes, BytesMut};

use crate::append::append;

/// A larger piece has memory of its own and takes it along, so that a body of which nothing is read holds only what is
/// unread, and is not moved when more comes.
const SMALL: usize = 4 << 10;

/// Bytes that small pieces are joined to.
const JOINED: usize = 16 << 10;

/// See the module's documentation.
#[derive(Default)]
pub(super) struct Unread {
    pieces: VecDeque<Bytes>,
    /// Small pieces behind those. The memory of few bytes is used again once whoever took them has dropped them.
    last: BytesMut,
    length: usize,
}

impl Unread {
    pub(super) fn len(&self) -> usize {
        self.length
    }

    pub(super) fn is_empty(&self) -> bool {
        self.length == 0
    }

    pub(super) fn append(&mut self, bytes: &[u8]) {
        self.length += bytes.len();
        let is_large = bytes.len() > SMALL;
        if is_large || self.last.len() + bytes.len() > JOINED {
            self.begin_piece();
        }
        match is_large {
            true => self.pieces.push_back(Bytes::copy_from_slice(bytes)),
            false => append(&mut self.last, bytes),
        }
    }

    /// The same without a copy.
    pub(super) fn push(&mut self, piece: Bytes) {
        self.length += piece.len();
        self.begin_piece();
        self.pieces.push_back(piece);
    }

    fn begin_piece(&mut self) {
        if !self.last.is_empty() {
            self.pieces.push_back(mem::take(&mut self.last).freeze());
        }
    }

    /// The first bytes, or none.
    pub(super) fn take(&mut self) -> Bytes {
        if self.is_empty() {
            return Bytes::new();
        }
        let bytes = match self.pieces.pop_front() {
            Some(piece) => piece,
            None if self.last.len() <= SMALL => self.last.split().freeze(),
            None => mem::take(&mut self.last).freeze(),
        };
        self.length -= bytes.len();
        bytes
    }

    /// In one piece: more than a few are copied, so not under a lock.
    pub(super) fn into_vec(self) -> Vec<u8> {
        let Self { pieces, last, length } = self;
        match pieces.is_empty() {
            true => last.into(),
            false => {
                let mut bytes = Vec::with_capacity(length);
                pieces.iter().for_each(|piece| bytes.extend_from_slice(piece));
                bytes.extend_from_slice(&last);
                bytes
            }
        }
    }
}

impl From<Vec<u8>> for Unread {
    fn from(bytes: Vec<u8>) -> Self {
        let mut pieces = VecDeque::new();
        let length = bytes.len();
        if !bytes.is_empty() {
            pieces.push_back(bytes.into());
        }
        Self { pieces, last: BytesMut::new(), length }
    }
}

#[cfg(test)]
mod tests {
    use allocation_counter::measure;

    use super::*;

    #[test]
    fn bytes_come_out_as_they_went_in_whatever_the_pieces() {
        let lengths = [1, 100, 5000, 4096, 4097, 3, 70_000, 4000, 4000, 4000, 4000, 4000, 200];
        for takes in 0..=lengths.len() {
            let (mut unread, mut all, mut taken) = (Unread::default(), Vec::new(), Vec::new());
            for (at, length) in lengths.into_iter().enumerate() {
                let bytes: Vec<u8> = (all.len()..all.len() + length).map(|at| (at % 251) as u8).collect();
                all.extend_from_slice(&bytes);
                // Every third one has memory of its own.
                match at % 3 {
                    2 => unread.push(bytes.into()),
                    _ => unread.append(&bytes),
                }
                assert_eq!(unread.len() + taken.len(), all.len());
                if at < takes {
                    taken.extend(unread.take());
                }
            }
            let left = unread.len();
            let rest = unread.into_vec();
            assert_eq!(rest.len(), left);
            unread = rest.into();
            while !unread.is_empty() {
                taken.extend(unread.take());
            }
            assert!(taken == all, "{takes}");
            assert!(unread.take().is_empty());
        }
    }

    #[test]
    fn a_look_at_nothing_costs_no_memory() {
        let mut unread = Unread::default();
        unread.append(&[b'x'; 300]);
        drop(unread.take());
        let looked = measure(|| assert!(unread.take().is_empty() && Unread::default().take().is_empty()));
        assert_eq!(looked.count_total, 0);
    }

    #[test]
    fn the_memory_of_small_pieces_is_used_again_and_of_large_ones_not_kept() {
        let mut unread = Unread::default();
        unread.append(&[b'x'; 300]);
        let place = unread.take().as_ptr();
        unread.append(&[b'y'; 300]);
        assert_eq!(unread.take().as_ptr(), place);
        unread.append(&[b'z'; SMALL + 1]);
        drop(unread.take());
        unread.append(&[b'x'; 10]);
        assert!(unread.last.capacity() < 1000);
    }
}
