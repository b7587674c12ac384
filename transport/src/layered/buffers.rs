//! The buffers of a thread, which the layered wires on it use in turn.

use std::cell::Cell;
use std::thread::LocalKey;

/// A larger buffer is not kept by its thread.
const KEPT_BYTES: usize = 128 << 10;

thread_local! {
    static TO_SEND: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
    static RECEIVED: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// A buffer of the thread.
#[derive(Clone, Copy)]
pub(super) enum ThreadBuffer {
    /// What a layer has for the wire below.
    ToSend,
    /// What is read from the wire below. It comes back as long as it was read to, so nothing is cleared twice.
    Received,
}

impl ThreadBuffer {
    fn cell(self) -> &'static LocalKey<Cell<Vec<u8>>> {
        match self {
            Self::ToSend => &TO_SEND,
            Self::Received => &RECEIVED,
        }
    }

    /// The thread's buffer. A new one if that is in use, as with a layer on a layer, or if the thread is ending.
    pub(super) fn borrow(self) -> Vec<u8> {
        self.cell().try_with(Cell::take).unwrap_or_default()
    }

    /// Gives a buffer back; the thread keeps the larger of two. Without a thread, or beyond `KEPT_BYTES`, it is freed.
    pub(super) fn give_back(self, mut bytes: Vec<u8>) {
        if matches!(self, Self::ToSend) {
            bytes.clear();
        }
        if bytes.capacity() <= KEPT_BYTES {
            let _ = self.cell().try_with(|cell| {
                let other = cell.take();
                cell.set(if other.capacity() > bytes.capacity() { other } else { bytes });
            });
        }
    }
}
