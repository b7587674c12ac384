//! The reference: the in-memory transport, whose time moves only when nothing else is left to do.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};

use httpfsm::config::ServerConfig;
use httpfsm::handler::Subscriber;
use httpfsm_transport::memory::{MemoryClient, MemoryServer};
use httpfsm_transport::{ServerHandle, Spawner};

use crate::application::{Application, Task, Tasks};
use crate::record::Record;
use crate::stand::{Received, Stand};

/// Octets that a connection holds in each direction.
const CAPACITY: usize = 64 << 10;
/// The same, for a peer with a small buffer.
const SMALL: usize = 2000;
/// What the clock is moved by at once.
const MOMENT: Duration = Duration::from_millis(10);
/// How long blocking work runs without waiting for its peer, at most. Where that is too short, only the clock moves.
const WORK: Duration = Duration::from_millis(300);
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
        let application = application.tasks(Arc::<Local>::clone(&tasks) as Arc<dyn Tasks>);
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

    fn send(&mut self, peer: usize, octets: &[u8]) -> usize {
        if let Some(Some(peer)) = self.peers.get(peer) {
            peer.send(octets);
        }
        self.settle();
        octets.len()
    }

    fn receive(&mut self, peer: usize, at_most: usize, into: &mut Vec<u8>) -> Received {
        self.settle();
        let Some(Some(client)) = self.peers.get(peer) else { return Received::Fin };
        let octets = client.take_at_most(at_most);
        if !octets.is_empty() {
            into.extend_from_slice(&octets);
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
        let busy = self.jobs.running.load(Ordering::SeqCst) > 0;
        if busy {
            thread::sleep(Duration::from_millis(1));
        }
        // Work that has not ended by then waits for something.
        if !busy || self.began.elapsed() > WORK {
            self.waited += MOMENT;
            self.server.advance(MOMENT);
        }
        self.settle();
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
struct Local(Mutex<Vec<(Task, Arc<Woken>)>>);

struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

impl Tasks for Local {
    fn spawn(&self, task: Task) {
        let mut tasks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tasks.push((task, Arc::new(Woken(AtomicBool::new(true)))));
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

/// Blocking work that runs, during which the clock stands.
#[derive(Default)]
struct Jobs {
    running: AtomicUsize,
}

struct Counted(Arc<Jobs>);

impl Spawner for Counted {
    fn spawn_blocking(&self, work: Box<dyn FnOnce() + Send>) {
        let jobs = Arc::clone(&self.0);
        jobs.running.fetch_add(1, Ordering::SeqCst);
        drop(thread::spawn(move || {
            work();
            jobs.running.fetch_sub(1, Ordering::SeqCst);
        }));
    }
}
