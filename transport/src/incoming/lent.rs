//! For which server the thread acts that takes requests.

use std::cell::RefCell;
use std::sync::Arc;

use crate::job::Spawner;

thread_local! {
    /// The spawner that this thread is lent to.
    static LENT: RefCell<Option<Arc<dyn Spawner>>> = const { RefCell::new(None) };
}

/// Has this thread act for the server of that spawner, or for none; returns the one before.
pub(super) fn act_for(spawner: Option<Arc<dyn Spawner>>) -> Option<Arc<dyn Spawner>> {
    let next = spawner.clone();
    let before = LENT.try_with(|lent| lent.replace(spawner)).ok().flatten();
    before.iter().for_each(|before| before.take_thread_back());
    next.iter().for_each(|next| next.lend_thread());
    before
}
