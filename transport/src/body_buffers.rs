//! Buffers that long bodies have taken along, so that what was read is not copied: each comes back when whoever has read it
//! drops it.

use std::ops::Range;
use std::sync::{Arc, Mutex};

use bytes::Bytes;

use crate::lock::lock;

/// Buffers that a server keeps for the next: 1 MiB, twice what one function may have been sent and not read.
const KEPT: usize = 16;

/// See the module's documentation.
#[derive(Default)]
pub(crate) struct BodyBuffers(Mutex<Vec<Vec<u8>>>);

impl BodyBuffers {
    /// One that was used before; an empty one if there is none.
    pub(crate) fn take(&self) -> Vec<u8> {
        lock(&self.0).pop().unwrap_or_default()
    }

    pub(crate) fn give_back(&self, buffer: Vec<u8>) {
        let mut kept = lock(&self.0);
        if kept.len() < KEPT && !buffer.is_empty() {
            return kept.push(buffer);
        }
        drop(kept);
        drop(buffer);
    }

    /// The bytes that stand at this place of the buffer.
    pub(crate) fn bytes(self: &Arc<Self>, buffer: Vec<u8>, place: Range<usize>) -> Bytes {
        Bytes::from_owner(BodyBuffer { buffer, place, home: Arc::clone(self) })
    }
}

struct BodyBuffer {
    buffer: Vec<u8>,
    place: Range<usize>,
    home: Arc<BodyBuffers>,
}

impl AsRef<[u8]> for BodyBuffer {
    fn as_ref(&self) -> &[u8] {
        self.buffer.get(self.place.clone()).unwrap_or_default()
    }
}

impl Drop for BodyBuffer {
    fn drop(&mut self) {
        self.home.give_back(std::mem::take(&mut self.buffer));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_comes_back_with_the_last_part_of_its_bytes_and_few_are_kept() {
        let buffers = Arc::<BodyBuffers>::default();
        assert!(buffers.take().is_empty());
        let buffer = b"-bytes-".to_vec();
        let at = buffer.as_ptr();
        let bytes = buffers.bytes(buffer, 1..6);
        let part = bytes.slice(2..);
        assert_eq!((&bytes[..], &part[..]), (&b"bytes"[..], &b"tes"[..]));
        drop(bytes);
        assert!(buffers.take().is_empty(), "a part of it is held");
        drop(part);
        let again = buffers.take();
        assert_eq!(again.as_ptr(), at);
        for _ in 0..2 * KEPT {
            buffers.give_back(vec![0; 1]);
        }
        assert_eq!(lock(&buffers.0).len(), KEPT);
    }
}
