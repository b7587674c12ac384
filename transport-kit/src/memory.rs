//! The reference: the in-memory transport, whose time moves only when nothing else is left to do.

use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use httpfsm::config::ServerConfig;
use httpfsm::handler::{Body, BodyFailure, Subscriber};
use httpfsm_transport::memory::{MemoryClient, MemoryServer};
use httpfsm_transport::{NoThread, ServerHandle, Spawner, block_on};

use crate::application::{Application, Task, Tasks};
use crate::record::Record;
use crate::stand::{Received, Stand};

/// Bytes that a connection holds in each direction.
const CAPACITY: usize = 64 << 10;
/// The same, for a peer with a small buffer.
pub(crate) const SMALL: usize = 2000;
/// What the clock is moved by at once.
const MOMENT: Duration = Duration::from_millis(10);
/// How long a step may take on the manual clock.
const PATIENCE: Duration = Duration::from_secs(120);

pub(crate) struct Memory {
    server: MemoryServer<Application>,
    peers: Vec<Option<MemoryClient>>,
    tasks: Arc<Local>,
    jobs: Arc<Jobs>,
    /// How far the clock was moved in this step.
    waited: Duration,
    began: Instant,
}

impl Memory {
    pub(crate) fn new(config: ServerConfig, small_buffer: bool, record: &Record) -> Self {
        let (tasks, jobs) = (Arc::<Local>::default(), Arc::<Jobs>::default());
        let application = Application::new(record.clone()).blocking(Counted(Arc::clone(&jobs)));
        let application =
            application.jobs(Arc::clone(&jobs)).tasks(Arc::<Local>::clone(&tasks) as Arc<dyn Tasks>);
        let subscriber: Arc<dyn Subscriber> = Arc::new(record.clone());
        let capacity = if small_buffer { SMALL } else { CAPACITY };
        Self {
            server: MemoryServer::with(config, capacity, Some(subscriber), application),
            peers: Vec::new(),
            tasks,
            jobs,
            waited: Duration::ZERO,
            began: Instant::now(),
        }
    }

    #[cfg(test)]
    pub(crate) fn server(&self) -> &MemoryServer<Application> {
        &self.server
    }
}

impl Stand for Memory {
    fn connect(&mut self) -> Result<(), String> {
        self.peers.push(self.server.connect().ok());
        self.settle();
        Ok(())
    }

    fn forget_last(&mut self) {
        self.peers.pop();
    }

    fn send(&mut self, peer: usize, bytes: &[u8]) -> usize {
        if let Some(Some(peer)) = self.peers.get(peer) {
            peer.send(bytes);
        }
        self.settle();
        bytes.len()
    }

    fn receive(&mut self, peer: usize, at_most: usize, into: &mut Vec<u8>) -> Received {
        self.settle();
        let Some(Some(client)) = self.peers.get(peer) else { return Received::Fin };
        let bytes = client.take_at_most(at_most);
        if !bytes.is_empty() {
            into.extend_from_slice(&bytes);
            return Received::Some;
        }
        if client.is_reset() {
            return Received::Rst;
        }
        if client.is_ended() {
            return Received::Fin;
        }
        self.idle();
        Received::Nothing
    }

    fn fin(&mut self, peer: usize) {
        if let Some(Some(peer)) = self.peers.get(peer) {
            peer.close_write();
        }
        self.settle();
    }

    fn reset(&mut self, peer: usize) {
        if let Some(Some(peer)) = self.peers.get(peer) {
            peer.reset();
        }
        self.settle();
    }

    fn close(&mut self, peer: usize) {
        if let Some(peer) = self.peers.get_mut(peer) {
            *peer = None;
        }
        self.settle();
    }

    fn settle(&mut self) {
        while self.server.run() + self.tasks.run() > 0 {}
    }

    fn idle(&mut self) {
        self.settle();
        // What work has done by now is seen below, before the clock moves.
        let busy = self.jobs.is_busy();
        if busy {
            thread::sleep(Duration::from_millis(1));
        }
        self.settle();
        if !busy && !self.jobs.is_busy() {
            self.waited += MOMENT;
            self.server.advance(MOMENT);
            self.settle();
        }
    }

    fn begin(&mut self) {
        self.waited = Duration::ZERO;
        self.began = Instant::now();
    }

    fn is_over_patience(&self) -> bool {
        self.waited > PATIENCE || self.began.elapsed() > PATIENCE
    }

    fn handle(&self) -> ServerHandle {
        self.server.handle()
    }
}

/// Tasks that run when they are told to.
#[derive(Default)]
struct Local(Mutex<Vec<(Task, Arc<WakeFlag>)>>);

struct WakeFlag(AtomicBool);

impl Wake for WakeFlag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

impl Tasks for Local {
    fn spawn(&self, task: Task) {
        let mut tasks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tasks.push((task, Arc::new(WakeFlag(AtomicBool::new(true)))));
    }
}

impl Local {
    /// Polls what was woken; how many.
    fn run(&self) -> usize {
        let mut tasks = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        let mut polled = 0;
        tasks.retain_mut(|(task, woken)| {
            if !woken.0.swap(false, Ordering::SeqCst) {
                return true;
            }
            polled += 1;
            let waker = Waker::from(Arc::clone(woken));
            task.as_mut().poll(&mut Context::from_waker(&waker)).is_pending()
        });
        self.0.lock().unwrap_or_else(PoisonError::into_inner).append(&mut tasks);
        polled
    }
}

/// Blocking work, which the clock stands still for as long as it is neither done nor waits for its request's body.
#[derive(Default)]
pub(crate) struct Jobs {
    busy: AtomicUsize,
}

impl Jobs {
    fn is_busy(&self) -> bool {
        self.busy.load(Ordering::SeqCst) > 0
    }

    /// Reads a body on the thread of such work.
    pub(crate) fn next_data(self: &Arc<Self>, body: &mut Body) -> Option<Result<Bytes, BodyFailure>> {
        block_on(poll_fn(|cx| {
            let inner = cx.waker().clone();
            let read = Arc::new(BodyPoll { jobs: Arc::clone(self), inner, state: AtomicU8::new(POLLS) });
            let polled = body.poll_data(&mut Context::from_waker(&Waker::from(Arc::clone(&read))));
            if polled.is_pending() {
                read.waits();
            }
            polled
        }))
    }
}

const POLLS: u8 = 0;
const WAITS: u8 = 1;
const WOKEN: u8 = 2;

/// One poll of a body by blocking work.
struct BodyPoll {
    jobs: Arc<Jobs>,
    inner: Waker,
    state: AtomicU8,
}

impl BodyPoll {
    /// The work waits, unless it was woken meanwhile.
    fn waits(&self) {
        if self.state.compare_exchange(POLLS, WAITS, Ordering::SeqCst, Ordering::SeqCst).is_ok() {
            self.jobs.busy.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

impl Wake for BodyPoll {
    fn wake(self: Arc<Self>) {
        // Busy from now on, not from when its thread gets a processor.
        if self.state.swap(WOKEN, Ordering::SeqCst) == WAITS {
            self.jobs.busy.fetch_add(1, Ordering::SeqCst);
        }
        self.inner.wake_by_ref();
    }
}

struct Counted(Arc<Jobs>);

impl Spawner for Counted {
    fn spawn_blocking(&self, work: Box<dyn FnOnce() + Send>) -> Result<(), NoThread> {
        let jobs = Arc::clone(&self.0);
        jobs.busy.fetch_add(1, Ordering::SeqCst);
        drop(thread::spawn(move || {
            work();
            jobs.busy.fetch_sub(1, Ordering::SeqCst);
        }));
        Ok(())
    }
}
