//! A socket that is read while events tell of it.

use loom::sync::Arc;
use loom::thread;

use crate::Model;
use crate::lock::{Condvar, Mutex, lock};
use crate::readiness::{ENDED, READABLE, Readiness};
use crate::run_state::RunState;

pub(crate) const MODELS: &[Model] = &[
    ("the own task reads all that events tell of, also during a system call", || own(2, false)),
    ("and the end of input behind a short read", || own(1, true)),
    ("others than the own task read all that events tell of", others),
];

/// Bytes that one read takes at most.
const BUFFER: usize = 2;

struct Connection {
    readiness: Readiness,
    state: RunState,
    socket: Mutex<Socket>,
    /// The task is queued.
    queue: Mutex<bool>,
    queued: Condvar,
    /// Somebody else waits, whose waker this is.
    other: Mutex<Option<()>>,
    woken: Mutex<bool>,
    wakes: Condvar,
}

/// What the system holds.
#[derive(Default)]
struct Socket {
    bytes: usize,
    is_ended: bool,
}

impl Connection {
    fn new() -> Arc<Self> {
        let (queue, woken) = (Mutex::new(false), Mutex::new(false));
        let (queued, wakes) = (Condvar::new(), Condvar::new());
        let (socket, other) = (Mutex::default(), Mutex::new(None));
        let (readiness, state) = (Readiness::new(), RunState::new());
        Arc::new(Self { readiness, state, socket, queue, queued, other, woken, wakes })
    }

    /// Something comes, and a worker that waits for sockets hears of it.
    fn arrives(&self, bytes: usize, ends: bool) {
        let mut socket = lock(&self.socket);
        socket.bytes += bytes;
        socket.is_ended |= ends;
        let news = if socket.is_ended { READABLE | ENDED } else { READABLE };
        drop(socket);
        self.note(news);
    }

    /// `Task::note`.
    fn note(&self, news: u32) {
        let change = self.readiness.note(news);
        if change.others_wait {
            let waker = lock(&self.other).take();
            if waker.is_some() {
                *lock(&self.woken) = true;
                self.wakes.notify_one();
            }
        }
        if change.is_news && self.state.wake() {
            *lock(&self.queue) = true;
            self.queued.notify_one();
        }
    }

    /// `WatchedSocket::poll_io`. `None`: pending. Else the bytes, of which there are none at the end.
    fn poll_read(&self, watch: impl Fn() -> bool) -> Option<usize> {
        loop {
            let known = self.readiness.state();
            if known & READABLE == 0 {
                if watch() {
                    continue;
                }
                return None;
            }
            match self.read() {
                Some(bytes) => {
                    if bytes > 0 && bytes < BUFFER {
                        self.readiness.settle(known, READABLE, false);
                    }
                    return Some(bytes);
                }
                None => self.readiness.settle(known, READABLE, true),
            }
        }
    }

    /// `None`: it would block.
    fn read(&self) -> Option<usize> {
        let mut socket = lock(&self.socket);
        let bytes = socket.bytes.min(BUFFER);
        socket.bytes -= bytes;
        (bytes > 0 || socket.is_ended).then_some(bytes)
    }
}

fn own(arrivals: usize, ends: bool) {
    let connection = Connection::new();
    let arrive = |bytes, ends| {
        let connection = Arc::clone(&connection);
        thread::spawn(move || connection.arrives(bytes, ends))
    };
    let mut threads = Vec::new();
    if ends {
        // The end is behind the bytes, though a worker may hear of it first.
        lock(&connection.socket).bytes = arrivals;
        threads.push(arrive(0, true));
        threads.push(arrive(0, false));
    } else {
        threads.extend((0..arrivals).map(|_| arrive(1, false)));
    }
    // The one worker that polls. It goes on until it has all.
    let (mut bytes, mut is_ended) = (0, false);
    while bytes < arrivals || is_ended != ends {
        let mut queue = lock(&connection.queue);
        while !*queue {
            queue = connection.queued.wait(queue).expect("nobody panics");
        }
        *queue = false;
        drop(queue);
        connection.state.begin();
        while let Some(read) = connection.poll_read(|| false) {
            bytes += read;
            is_ended = read == 0;
            if is_ended {
                break;
            }
        }
        if connection.state.end() {
            *lock(&connection.queue) = true;
        }
    }
    threads.into_iter().for_each(|thread| thread.join().expect("it does not panic"));
}

fn others() {
    let connection = Connection::new();
    let arrive = || {
        let connection = Arc::clone(&connection);
        thread::spawn(move || connection.arrives(1, false))
    };
    let threads = [arrive(), arrive()];
    // `Task::watch_from_elsewhere`.
    let watch = || {
        *lock(&connection.other) = Some(());
        connection.readiness.note_others(READABLE)
    };
    let mut bytes = 0;
    while bytes < threads.len() {
        if let Some(read) = connection.poll_read(watch) {
            bytes += read;
            continue;
        }
        let mut woken = lock(&connection.woken);
        while !*woken {
            woken = connection.wakes.wait(woken).expect("nobody panics");
        }
        *woken = false;
    }
    threads.into_iter().for_each(|thread| thread.join().expect("it does not panic"));
}
