//! Who waits for the socket of an upgraded connection. Few connections are upgraded, and no other has anything here.

use std::collections::BTreeMap;
use std::mem;
use std::sync::Mutex;
use std::task::Waker;

use crate::lock::lock;
use crate::readiness::{READABLE, WRITABLE};

/// See the module's documentation. No waker is woken or dropped under the lock.
#[derive(Default)]
pub(crate) struct OtherTasks(Mutex<BTreeMap<(u64, u32), Waker>>);

impl OtherTasks {
    /// Who waits for a direction of the socket of this token from now on. Gives back who did before.
    pub(crate) fn add(&self, token: u64, direction: u32, waker: Waker) -> Option<Waker> {
        lock(&self.0).insert((token, direction), waker)
    }

    /// Who waits for what has come: a reader, and a writer. They wait no longer.
    pub(crate) fn take(&self, token: u64, news: u32) -> [Option<Waker>; 2] {
        let mut waiting = lock(&self.0);
        let mut take =
            |direction| if news & direction == 0 { None } else { waiting.remove(&(token, direction)) };
        [take(READABLE), take(WRITABLE)]
    }

    pub(crate) fn take_all(&self) -> impl Iterator<Item = Waker> + use<> {
        mem::take(&mut *lock(&self.0)).into_values()
    }
}
