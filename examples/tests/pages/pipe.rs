//! The wire of `docs/transport.md`, checked as the page says.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};
use std::thread;

use futures_lite::future::block_on;
use httpfsm_transport::{Threads, Wire};
use httpfsm_transport_kit::{Application, Ends, Plan, Served, check};

use crate::root;

/// One direction.
#[derive(Default)]
struct Direction {
    bytes: VecDeque<u8>,
    capacity: usize,
    ended: bool,
    /// The reader is gone, or the connection was reset.
    lost: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

struct End {
    incoming: Arc<Mutex<Direction>>,
    outgoing: Arc<Mutex<Direction>>,
}

/// Two ends of a pipe that holds so many bytes in each direction.
fn pair(capacity: usize) -> (End, End) {
    let direction = || Arc::new(Mutex::new(Direction { capacity, ..Direction::default() }));
    let (a, b) = (direction(), direction());
    (End { incoming: Arc::clone(&a), outgoing: Arc::clone(&b) }, End { incoming: b, outgoing: a })
}

fn lock(direction: &Mutex<Direction>) -> MutexGuard<'_, Direction> {
    direction.lock().expect("nobody panics while it is locked")
}

/// Wakes whoever waits, once the lock is released: a waker is code of somebody else's.
fn wake(waiting: [Option<Waker>; 2]) {
    waiting.into_iter().flatten().for_each(Waker::wake);
}

impl Wire for End {
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut direction = lock(&self.incoming);
        let read = buffer.len().min(direction.bytes.len());
        // Behind the bytes that came before it.
        if read == 0 && direction.lost {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        if read == 0 && !direction.ended {
            // Registered under the lock, so no byte comes between the look and the registration.
            direction.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        for (to, from) in buffer.iter_mut().zip(direction.bytes.drain(..read)) {
            *to = from;
        }
        let waiting = [direction.writer.take(), None];
        drop(direction);
        wake(waiting);
        Poll::Ready(Ok(read))
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let mut direction = lock(&self.outgoing);
        if direction.lost {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let written = bytes.len().min(direction.capacity - direction.bytes.len());
        if written == 0 {
            direction.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        direction.bytes.extend(&bytes[..written]);
        let waiting = [direction.reader.take(), None];
        drop(direction);
        wake(waiting);
        Poll::Ready(Ok(written))
    }

    fn poll_close_write(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut direction = lock(&self.outgoing);
        direction.ended = true;
        let waiting = [direction.reader.take(), None];
        drop(direction);
        wake(waiting);
        Poll::Ready(Ok(()))
    }

    fn is_lost(&mut self) -> bool {
        lock(&self.incoming).lost
    }

    fn reset(&mut self) {
        for direction in [&self.incoming, &self.outgoing] {
            let mut direction = lock(direction);
            direction.lost = true;
            let waiting = [direction.reader.take(), direction.writer.take()];
            drop(direction);
            wake(waiting);
        }
    }
}

impl Drop for End {
    fn drop(&mut self) {
        let mut outgoing = lock(&self.outgoing);
        outgoing.ended = true;
        let waiting = [outgoing.reader.take(), None];
        drop(outgoing);
        wake(waiting);
        // Nobody reads what the peer still writes.
        let mut incoming = lock(&self.incoming);
        incoming.lost = true;
        let waiting = [incoming.writer.take(), None];
        drop(incoming);
        wake(waiting);
    }
}

#[test]
fn the_page_has_this_wire_and_this_check() {
    let page = std::fs::read_to_string(root().join("docs/transport.md")).expect("the page");
    let own = include_str!("pipe.rs");
    let begin = own.find("/// One direction.").expect("its beginning");
    let end = own.find("\n#[test]").expect("its end");
    assert!(page.contains(own[begin..end].trim_end()), "the page has another wire");
    // The lines on the page are four blanks further left.
    let begin = own.rfind("    let report = check(").expect("the check");
    let end = own.rfind("    report.assert();").expect("its end");
    let lines: Vec<_> = own[begin..end].lines().map(|line| &line[4..]).collect();
    assert!(page.contains(&lines.join("\n")), "the page has another check");
}

#[test]
fn the_wire_of_the_page_keeps_what_is_owed() {
    let report = check(&|plan: Plan, application: Application| {
        let server = plan.connections(Threads, application)?;
        Ok(Served::over(server.handle(), move |ends: Ends| {
            let (peer, wire) = pair(ends.capacity);
            if let Ok(connection) = server.serve_connection(wire, ends.peername, ends.sockname) {
                thread::Builder::new().spawn(|| block_on(connection))?;
            }
            Ok(peer)
        }))
    });
    report.assert();
    let mut names: Vec<_> = report.not_run().into_iter().map(|(name, _)| name).collect();
    names.sort_unstable();
    assert_eq!(names, ["listeners", "unix sockets"], "{report}");
}
