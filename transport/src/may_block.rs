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
///
/// ```
/// use httpfsm_transport::{Job, Threads, block_on, may_block};
///
/// # fn main() -> Result<(), httpfsm_transport::NoThread> {
/// assert!(!may_block());
/// assert!(block_on(async { may_block() }), "the thread waits as a whole");
/// let job = Job::spawn(&Threads, may_block)?;
/// assert!(block_on(job), "this is what the threads of a spawner are for");
/// # Ok(())
/// # }
/// ```
#[must_use]
#[inline]
pub fn may_block() -> bool {
    BLOCKS.get().is_some_and(|drives| drives == worker::drives())
}

/// Whether work that may block runs on this thread, also where a driver is polled within it.
#[doc(hidden)]
#[must_use]
#[inline]
pub fn is_within_blocking() -> bool {
    BLOCKS.get().is_some()
}

/// Runs work that may block: [`may_block`] says so while it runs. For a [`Spawner`](crate::Spawner) some of whose
/// threads poll connections as well: what is given to [`spawn_blocking`](crate::Spawner::spawn_blocking) does not say
/// so by itself, and a [`Call`](crate::Call) does.
///
/// ```
/// use httpfsm_transport::{may_block, run_blocking};
///
/// assert!(!may_block() && run_blocking(may_block) && !may_block());
/// ```
pub fn run_blocking<T>(work: impl FnOnce() -> T) -> T {
    let _blocking = BlockingScope::begin();
    work()
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
