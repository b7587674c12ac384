//! A request's place among those that may be with the application, of which there are `maximum_simultaneous_requests`.
//!
//! The driver gives it back when the request is over, unless work for the request still runs elsewhere, as a blocking
//! function does whose connection is lost: then whoever ends last gives it back.

use std::mem;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use crate::lock::lock;
use crate::shared_state::SharedState;

/// The driver has left the place to those who keep it. The other bits count them.
const LEFT: u32 = 1 << 31;

/// See the module's documentation.
#[derive(Default)]
pub(crate) struct RequestPlace {
    keepers: AtomicU32,
    /// To whom it is given back, once the driver has left it.
    shared: Mutex<Option<Arc<SharedState>>>,
}

impl RequestPlace {
    /// Work that may outlive the request begins.
    pub(crate) fn keep(&self) {
        self.keepers.fetch_add(1, Ordering::AcqRel);
    }

    /// It is over.
    pub(crate) fn release(&self) {
        if self.keepers.fetch_sub(1, Ordering::AcqRel) == LEFT | 1 {
            self.give_back();
        }
    }

    /// The request is over, and was counted: gives its place back, or leaves it to those who keep it.
    #[inline]
    pub(crate) fn leave(&self, shared: &Arc<SharedState>) {
        if self.keepers.load(Ordering::Acquire) == 0 {
            shared.budget.end_request();
        } else {
            self.leave_to_keepers(shared);
        }
    }

    #[cold]
    fn leave_to_keepers(&self, shared: &Arc<SharedState>) {
        *lock(&self.shared) = Some(Arc::clone(shared));
        // The last of them may have gone meanwhile.
        if self.keepers.fetch_or(LEFT, Ordering::AcqRel) == 0 {
            self.give_back();
        }
    }

    fn give_back(&self) {
        let shared = mem::take(&mut *lock(&self.shared));
        if let Some(shared) = shared {
            shared.budget.end_request();
        }
    }

    /// As new: nobody keeps it any more.
    #[inline]
    pub(crate) fn renew(&mut self) {
        *self.keepers.get_mut() = 0;
    }
}
