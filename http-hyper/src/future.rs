//! What the service returns.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

pin_project! {
    /// The future of [`HyperUpgrade`](crate::HyperUpgrade): the service's own, unless an upgrade is asked for.
    pub struct HyperUpgradeFuture<F, T> {
        #[pin]
        kind: Kind<F, T>,
    }
}

pin_project! {
    #[project = Projected]
    enum Kind<F, T> {
        Plain { #[pin] future: F },
        Upgrade { future: Pin<Box<dyn Future<Output = T> + Send>> },
    }
}

impl<F, T> HyperUpgradeFuture<F, T> {
    pub(crate) fn plain(future: F) -> Self {
        Self { kind: Kind::Plain { future } }
    }

    pub(crate) fn upgrade(future: impl Future<Output = T> + Send + 'static) -> Self {
        Self { kind: Kind::Upgrade { future: Box::pin(future) } }
    }
}

impl<F: Future<Output = T>, T> Future for HyperUpgradeFuture<F, T> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        match self.project().kind.project() {
            Projected::Plain { future } => future.poll(cx),
            Projected::Upgrade { future } => future.as_mut().poll(cx),
        }
    }
}

impl<F, T> fmt::Debug for HyperUpgradeFuture<F, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HyperUpgradeFuture(..)")
    }
}
