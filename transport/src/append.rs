//! Bytes of bodies in memory that grows in small steps, so that what is charged for them is what they take.

use bytes::{BufMut, BytesMut};

/// Memory is made for a whole number of such blocks.
const BLOCK: usize = 64;

/// Appends, in memory that is used again, or else that is larger than the bytes by a twelfth and a block at most.
/// Doubling would take up to twice the memory that is charged.
pub(crate) fn append(bytes: &mut BytesMut, more: &[u8]) {
    let length = bytes.len() + more.len();
    if bytes.capacity() < length && !bytes.try_reclaim(more.len()) {
        let before = std::mem::replace(bytes, BytesMut::with_capacity(capacity(length)));
        bytes.put_slice(&before);
    }
    bytes.put_slice(more);
}

/// The same for bytes of which nothing is taken before the end: there may be many, and the system moves them to larger
/// memory without a copy.
pub(crate) fn append_all(bytes: &mut Vec<u8>, more: &[u8]) {
    let length = bytes.len() + more.len();
    if bytes.capacity() < length {
        bytes.reserve_exact(capacity(length) - bytes.len());
    }
    bytes.extend_from_slice(more);
}

fn capacity(length: usize) -> usize {
    (length + length / 12).next_multiple_of(BLOCK)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_little_more_than_the_bytes_in_it() {
        for step in [1, 7, 100, 3000, 70_000] {
            let (mut bytes, mut all, mut expected) = (BytesMut::new(), Vec::new(), Vec::new());
            while expected.len() < 130_000 {
                let more: Vec<u8> = (expected.len()..expected.len() + step).map(|at| at as u8).collect();
                append(&mut bytes, &more);
                append_all(&mut all, &more);
                expected.extend(more);
                let most = expected.len() + expected.len() / 12 + BLOCK;
                assert!(bytes.capacity() <= most, "{}", bytes.capacity());
                assert!(all.capacity() <= most, "{}", all.capacity());
            }
            assert_eq!((&bytes[..], &all), (&expected[..], &expected), "in steps of {step}");
        }
    }

    #[test]
    fn the_memory_of_bytes_that_were_read_and_dropped_is_used_again() {
        let mut bytes = BytesMut::new();
        append(&mut bytes, &[b'x'; 300]);
        let place = bytes.as_ptr();
        for _ in 0..10 {
            drop(bytes.split().freeze());
            append(&mut bytes, &[b'y'; 300]);
        }
        assert_eq!(bytes.as_ptr(), place);
    }
}
