//! Threads that may wait for a disk.

use std::cell::Cell;

use crate::worker;

thread_local! {
    /// Blocking work runs on this thread, and whether that is within the poll of a driver.
    static BLOCKS: Cell<Option<bool>> = const { Cell::new(None) };
}

/// Whether what runs on this thread may block: it is work of a [`Spawner`](crate::Spawner), or waits as a whole
/// with [`block_on`](crate::block_on). File work is done in place there. If it waited for another thread of the spawner,
/// all of these could wait for work that is queued behind them.
///
/// A driver that is polled within such work serves others, too.
#[must_use]
#[inline]
pub fn may_block() -> bool {
    BLOCKS.get().is_some_and(|drives| drives == worker::drives())
}

/// Says that blocking work runs on this thread, until it is dropped.
pub(crate) struct BlockingScope(Option<bool>);

impl BlockingScope {
    pub(crate) fn begin() -> Self {
        Self(BLOCKS.replace(Some(worker::drives())))
    }
}

impl Drop for BlockingScope {
    fn drop(&mut self) {
        BLOCKS.set(self.0);
    }
}
