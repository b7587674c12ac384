//! Waits for what happens to a server.

use std::future::Future;
use std::ops::Deref;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::shared_state::SharedState;

/// Resolves when a condition on the server is true.
pub(crate) struct Until<D: Deref<Target = SharedState>, F> {
    shared: D,
    is_so: F,
    key: Option<usize>,
}

impl<D: Deref<Target = SharedState>, F: Fn(&SharedState) -> bool> Until<D, F> {
    pub(crate) fn new(shared: D, is_so: F) -> Self {
        Self { shared, is_so, key: None }
    }
}

impl<D: Deref<Target = SharedState> + Unpin, F: Fn(&SharedState) -> bool + Unpin> Future for Until<D, F> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Self { shared, is_so, key } = &mut *self;
        shared.poll(key, &*is_so, cx)
    }
}

impl<D: Deref<Target = SharedState>, F> Drop for Until<D, F> {
    fn drop(&mut self) {
        if self.key.is_some() {
            self.shared.remove_waiter(&mut self.key);
        }
    }
}
