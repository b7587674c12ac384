//! Blocking functions whose clients go: what has not begun is not run, and what runs keeps its place.
#![allow(clippy::unwrap_used)]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;

use httpfsm::config::ServerConfig;
use httpfsm::handler::{Request, Response};
use httpfsm_transport::memory::MemoryServer;
use httpfsm_transport::{Spawner, sync};

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

type Work = Box<dyn FnOnce() + Send>;

/// Keeps the work until somebody takes it.
#[derive(Clone, Default)]
struct Later(Arc<Mutex<Vec<Work>>>);

impl Later {
    fn take(&self) -> Vec<Work> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

impl Spawner for Later {
    fn spawn_blocking(&self, work: Work) {
        self.0.lock().unwrap().push(work);
    }
}

fn one_at_a_time() -> ServerConfig {
    ServerConfig { maximum_simultaneous_requests: 1, ..ServerConfig::default() }
}

#[test]
fn a_function_whose_client_has_gone_is_not_called() {
    let (later, calls) = (Later::default(), Arc::new(AtomicUsize::new(0)));
    let count = Arc::clone(&calls);
    let handler = sync(later.clone(), move |_: Request| {
        count.fetch_add(1, Ordering::SeqCst);
        "fine"
    });
    let mut server = MemoryServer::new(one_at_a_time(), handler);
    let client = server.connect().unwrap();
    client.send(GET);
    server.run();
    client.reset();
    server.run();
    assert_eq!(server.held(), [0; 5], "its place is free");
    let next = server.connect().unwrap();
    next.send(GET);
    server.run();
    later.take().into_iter().for_each(|work| work());
    server.run();
    assert!(next.take_text().ends_with("fine"));
    assert_eq!(calls.load(Ordering::SeqCst), 1);
}

#[test]
fn a_function_that_runs_when_its_client_goes_keeps_its_place_until_it_ends() {
    let (later, (open, gate)) = (Later::default(), mpsc::channel::<()>());
    let (begin, begun) = mpsc::channel();
    let gate = Mutex::new(gate);
    let handler = sync(later.clone(), move |request: Request| {
        // What the request holds may go at once.
        drop(request);
        let _ = begin.send(());
        let _ = gate.lock().unwrap().recv();
        Response::text("fine")
    });
    let mut server = MemoryServer::new(one_at_a_time(), handler);
    let client = server.connect().unwrap();
    client.send(GET);
    server.run();
    let running = thread::spawn(move || later.take().into_iter().for_each(|work| work()));
    begun.recv().unwrap();
    client.reset();
    server.run();
    assert_eq!(server.held(), [0, 1, 0, 0, 0]);
    let next = server.connect().unwrap();
    next.send(GET);
    server.run();
    assert!(next.take_text().starts_with("HTTP/1.1 503 "));
    next.reset();
    server.run();
    open.send(()).unwrap();
    running.join().unwrap();
    assert_eq!(server.held(), [0; 5]);
}
