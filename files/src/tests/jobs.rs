//! The jobs that work on files: how many there are, and what happens without a thread for them.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use httpfsm::config::ServerConfig;
use httpfsm_transport::memory::MemoryServer;
use httpfsm_transport::{DiskWait, NoThread, Spawner};

use super::site::TestSite;
use crate::exchange::{content, exchange};
use crate::files::LISTS;

/// Counts the jobs.
struct CountsJobs(Arc<AtomicUsize>);

impl Spawner for CountsJobs {
    fn spawn_blocking(&self, work: Box<dyn FnOnce() + Send>) -> Result<(), NoThread> {
        self.0.fetch_add(1, Ordering::SeqCst);
        work();
        Ok(())
    }
}

#[test]
fn a_small_file_costs_one_job_and_a_large_one_one_more_for_each_piece() {
    let site = TestSite::new(&[]);
    site.write("small", "s".repeat(64 << 10));
    site.write("large", "l".repeat(600 << 10));
    site.link();
    // Behind a link nothing is done at once.
    for (method, target, expected, length) in [
        ("GET", "/linked/small", 1, 64 << 10),
        ("GET", "/linked/large", 4, 600 << 10),
        ("HEAD", "/linked/large", 1, 0),
    ] {
        let jobs = Arc::new(AtomicUsize::new(0));
        let files = site.files().spawner(CountsJobs(Arc::clone(&jobs)));
        let bytes = content(files, &format!("{method} {target} HTTP/1.1\r\nHost: a\r\n\r\n"));
        assert_eq!((jobs.load(Ordering::SeqCst), bytes.len()), (expected, length), "{target}");
    }
}

/// Where nobody may wait, it depends on the file system whether there are jobs; the bytes are the same.
///
/// Fails if it is read in a job.
#[test]
fn what_is_in_memory_costs_no_job() {
    let site = TestSite::new(&[("index.html", "index")]);
    site.write("sub/small", "s".repeat(16 << 10));
    site.write("sub/unknown", "?".repeat(100));
    site.write("sub/above", "a".repeat((16 << 10) + 1));
    for (target, length) in [("/", 5), ("/sub/small", 16 << 10), ("/sub/unknown", 100), ("/sub/above", 16385)]
    {
        for disk in [DiskWait::May, DiskWait::Never] {
            let jobs = Arc::new(AtomicUsize::new(0));
            let files = site.files().disk(disk).spawner(CountsJobs(Arc::clone(&jobs)));
            let bytes = content(files, &format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n"));
            assert_eq!(bytes.len(), length, "{target}");
            // A connection in memory does not send files by itself.
            let most = usize::from(target == "/sub/above");
            if disk == DiskWait::May {
                assert_eq!(jobs.load(Ordering::SeqCst), most, "{target}");
            }
        }
    }
}

/// Queues the work until the test runs it.
#[derive(Default)]
struct QueuesJobs(Mutex<Vec<Box<dyn FnOnce() + Send>>>);

impl Spawner for QueuesJobs {
    fn spawn_blocking(&self, work: Box<dyn FnOnce() + Send>) -> Result<(), NoThread> {
        self.0.lock().unwrap().push(work);
        Ok(())
    }
}

impl QueuesJobs {
    /// Runs the queued work; returns how many jobs there were.
    fn run(&self, most: usize) -> usize {
        let mut there = self.0.lock().unwrap();
        let most = most.min(there.len());
        let work: Vec<_> = there.drain(..most).collect();
        drop(there);
        work.into_iter().map(|work| work()).count()
    }

    fn waiting(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}

/// Runs this number of jobs, then has no thread.
struct HasThreadsFor(AtomicUsize);

impl Spawner for HasThreadsFor {
    fn spawn_blocking(&self, work: Box<dyn FnOnce() + Send>) -> Result<(), NoThread> {
        let left = self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        left.map_err(|_| NoThread)?;
        work();
        Ok(())
    }
}

#[test]
fn without_a_thread_to_read_on_the_response_is_503_or_breaks_off() {
    let site = TestSite::new(&[]);
    site.write("small", "s");
    site.write("large", "l".repeat(600 << 10));
    site.link();
    let busy = "HTTP/1.1 503 Service Unavailable\r\n";
    for (target, threads, expected) in [
        ("/linked/small", 0, busy),
        ("/linked/small", 1, "HTTP/1.1 200 OK\r\n"),
        // The second job makes the list.
        ("/", 1, busy),
        ("/", 2, "HTTP/1.1 200 OK\r\n"),
        ("/linked/large", 2, "HTTP/1.1 200 OK\r\n"),
    ] {
        let files = site.files().spawner(HasThreadsFor(threads.into()));
        let response = exchange(files, &format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n"));
        assert!(response.starts_with(expected), "{target}, {threads}: {response:.200}");
        let (_, content) = response.split_once("\r\n\r\n").unwrap();
        // A head, and the first piece of three.
        assert!(target != "/linked/large" || content.len() == 256 << 10, "{}", content.len());
    }
}

#[test]
fn few_lists_are_made_at_once_and_the_others_wait_without_a_thread() {
    let site = TestSite::new(&[("a", "one")]);
    site.link();
    let later = Arc::new(QueuesJobs::default());
    let files = site.files().spawner(Arc::clone(&later));
    let mut server = MemoryServer::new(ServerConfig::default(), files);
    let mut clients: Vec<_> = (0..LISTS + 3).map(|_| server.connect().unwrap()).collect();
    for client in &clients {
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    }
    server.run();
    assert_eq!(later.run(usize::MAX), LISTS + 3);
    server.run();
    assert_eq!(later.waiting(), LISTS);
    // A request for a file does not wait.
    let file = server.connect().unwrap();
    file.send("GET /linked/a HTTP/1.1\r\nHost: a\r\n\r\n");
    server.run();
    assert_eq!(later.waiting(), LISTS + 1);
    // A client that closes while it waits, or while its list is made, does not count.
    clients.pop().unwrap().reset();
    clients.remove(0).reset();
    server.run();
    assert_eq!(later.waiting(), LISTS + 2, "{LISTS} lists, a file, and the job of one that has gone");
    while later.run(1) > 0 {
        server.run();
    }
    for client in clients {
        assert!(client.take().starts_with(b"HTTP/1.1 200 OK\r\n"));
    }
}

#[test]
fn file_work_for_a_client_that_has_left_is_dropped() {
    let site = TestSite::new(&[("a", "one")]);
    site.link();
    let files = site.files().spawner(QueuesJobs::default());
    let held = Arc::clone(&files.0);
    let mut server = MemoryServer::new(ServerConfig::default(), files);
    let client = server.connect().unwrap();
    client.send("GET /linked/a HTTP/1.1\r\nHost: a\r\n\r\n");
    server.run();
    assert_eq!(Arc::strong_count(&held), 3, "a job waits");
    client.reset();
    server.run();
    assert_eq!(Arc::strong_count(&held), 2);
}
