//! The loop: one thread that waits for sockets and polls the tasks which they belong to.

use std::io;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::Duration;

use httpfsm_transport::catch_panic;
use mio::{Events, Registry};
use rustc_hash::FxHashMap;

use crate::loop_handle::{Future, Inbox, LoopHandle, WAKER};
use crate::readiness::Readiness;

/// Events taken from the system at once.
const EVENTS: usize = 256;

/// A single-threaded executor whose tasks are woken by sockets, and by whoever has their wakers.
pub(crate) struct Reactor {
    poll: mio::Poll,
    handle: Arc<LoopHandle>,
    tasks: FxHashMap<usize, ReactorTask>,
}

struct ReactorTask {
    readiness: Arc<Readiness>,
    /// None before it is spawned, and when it is over and its socket is in other hands.
    future: Option<Future>,
}

impl Reactor {
    pub(crate) fn new() -> io::Result<Self> {
        let poll = mio::Poll::new()?;
        let handle = LoopHandle::new(mio::Waker::new(poll.registry(), WAKER)?);
        Ok(Self { poll, handle, tasks: FxHashMap::default() })
    }

    pub(crate) fn handle(&self) -> &Arc<LoopHandle> {
        &self.handle
    }

    /// Where sockets are registered, under the tokens of their [`Readiness`].
    pub(crate) fn registry(&self) -> io::Result<Arc<Registry>> {
        self.poll.registry().try_clone().map(Arc::new)
    }

    /// Polls tasks until `end` is ready. Those that are left then are dropped.
    pub(crate) fn run(mut self, end: impl std::future::Future<Output = ()>) {
        let last = self.handle.register();
        last.wake_by_ref();
        let waker = Waker::from(Arc::clone(&last));
        let mut end = std::pin::pin!(end);
        let (mut events, mut inbox) = (Events::with_capacity(EVENTS), Inbox::default());
        loop {
            self.handle.take(&mut inbox);
            self.admit(&mut inbox);
            for token in inbox.queue.drain(..) {
                if token != last.token() {
                    self.poll_task(token);
                    continue;
                }
                last.dequeue();
                if end.as_mut().poll(&mut Context::from_waker(&waker)).is_ready() {
                    return;
                }
            }
            self.wait(&mut events, &mut inbox);
        }
    }

    fn admit(&mut self, inbox: &mut Inbox) {
        let task = |readiness: Arc<Readiness>| (readiness.token(), ReactorTask { readiness, future: None });
        self.tasks.extend(inbox.sockets.drain(..).map(task));
        for (token, future) in inbox.tasks.drain(..) {
            if let Some(task) = self.tasks.get_mut(&token) {
                task.future = Some(future);
            }
        }
    }

    /// Waits for events, but not while there are tasks to poll.
    fn wait(&mut self, events: &mut Events, inbox: &mut Inbox) {
        let sleeps = self.handle.may_sleep();
        let waited = self.poll.poll(events, if sleeps { None } else { Some(Duration::ZERO) });
        self.handle.wakes();
        match waited {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return,
            // It cannot happen; if it does, the loop does not spin, and serves on if it is over.
            Err(_) => return thread::sleep(Duration::from_millis(10)),
        }
        // An event is told once, maybe before the socket's task is there.
        self.handle.take_sockets(inbox);
        self.admit(inbox);
        for event in events.iter() {
            let Some(task) = self.tasks.get(&event.token().0) else { continue };
            if task.readiness.note(event) && task.readiness.enqueue() {
                self.handle.enqueue(event.token().0);
            }
        }
    }

    fn poll_task(&mut self, token: usize) {
        let Some(ReactorTask { readiness, future }) = self.tasks.get_mut(&token) else { return };
        readiness.dequeue();
        if let Some(running) = future {
            let waker = Waker::from(Arc::clone(readiness));
            // The driver catches what the application does. A mistake in the driver costs its connection, not the loop.
            let polled = catch_panic(|| running.as_mut().poll(&mut Context::from_waker(&waker)));
            if let Ok(Poll::Pending) = polled {
                return;
            }
            let over = future.take();
            let _ = catch_panic(|| drop(over));
        }
        if readiness.is_closed() {
            let task = self.tasks.remove(&token);
            let _ = catch_panic(|| drop(task));
        }
    }
}

impl Drop for Reactor {
    fn drop(&mut self) {
        for (_, task) in self.tasks.drain() {
            let _ = catch_panic(|| drop(task));
        }
        self.handle.close();
    }
}
