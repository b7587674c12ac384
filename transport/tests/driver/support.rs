//! A server with its default configuration, requests, and what a test and a handler tell each other with.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use httpfsm::config::ServerConfig;
use httpfsm::handler::{Handler, Request};
use httpfsm_transport::memory::MemoryServer;

pub(crate) const GET: &str = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";

pub(crate) fn serve<H: Handler>(handler: H) -> MemoryServer<H> {
    MemoryServer::new(ServerConfig::default(), handler)
}

pub(crate) fn post(path: &str, body: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

/// A flag that a handler waits for and a test raises.
#[derive(Clone, Default)]
pub(crate) struct Gate(Arc<Mutex<(bool, Option<Waker>)>>);

impl Gate {
    pub(crate) fn open(&self) {
        let mut gate = self.0.lock().unwrap();
        gate.0 = true;
        if let Some(waker) = gate.1.take() {
            waker.wake();
        }
    }

    pub(crate) fn poll(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut gate = self.0.lock().unwrap();
        if gate.0 {
            return Poll::Ready(());
        }
        gate.1 = Some(cx.waker().clone());
        Poll::Pending
    }

    pub(crate) async fn wait(&self) {
        poll_fn(|cx| self.poll(cx)).await;
    }
}

/// Counts the futures that were dropped before their end.
pub(crate) struct Dropped(pub(crate) Arc<AtomicUsize>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// A handler that never responds, and counts those of its futures that were dropped.
pub(crate) fn never(dropped: &Arc<AtomicUsize>) -> impl Handler + use<> {
    let count = Arc::clone(dropped);
    move |_: Request| {
        let guard = Dropped(Arc::clone(&count));
        async move {
            std::future::pending::<()>().await;
            drop(guard);
        }
    }
}

/// How often a task was woken.
#[derive(Default)]
pub(crate) struct WakeCount(pub(crate) AtomicUsize);

impl Wake for WakeCount {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

pub(crate) fn poll<F: Future>(future: F) -> Poll<F::Output> {
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}
