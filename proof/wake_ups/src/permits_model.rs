//! Permits that several threads take, and give back.

use std::sync::Arc;

use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;

use crate::Model;
use crate::permits::Permits;

pub(crate) const MODELS: &[Model] = &[
    ("never are more permits out than there are, and none is lost", || run(2, 3)),
    ("who has a permit sees what was done with it before", given_back),
];

/// So many permits, which so many threads take and give back.
fn run(most: usize, threads: usize) {
    let (permits, out) = (Permits::new(0), loom::sync::Arc::new(AtomicUsize::new(0)));
    permits.set(most);
    let threads: Vec<_> = (0..threads)
        .map(|_| {
            let (permits, out) = (Arc::clone(&permits), loom::sync::Arc::clone(&out));
            thread::spawn(move || {
                let Some(permit) = permits.try_take() else { return false };
                assert!(out.fetch_add(1, Ordering::Relaxed) < most, "too many are out");
                out.fetch_sub(1, Ordering::Relaxed);
                drop(permit);
                true
            })
        })
        .collect();
    let taken = threads.into_iter().map(|thread| thread.join().expect("it does not panic"));
    assert!(taken.filter(|&is_taken| is_taken).count() > 0, "nobody got one");
    assert_eq!(permits.taken(), 0, "one is lost");
}

/// There is one, which is out, and given back after something was done.
fn given_back() {
    let permits = Permits::new(1);
    let before = permits.try_take().expect("there is one");
    let is_done = loom::sync::Arc::new(AtomicUsize::new(0));
    let (its, told) = (Arc::clone(&permits), loom::sync::Arc::clone(&is_done));
    let other = thread::spawn(move || {
        let permit = its.try_take();
        assert!(permit.is_none() || told.load(Ordering::Relaxed) == 1, "it is taken before it is given back");
    });
    is_done.store(1, Ordering::Relaxed);
    drop(before);
    other.join().expect("it does not panic");
    assert_eq!(permits.taken(), 0, "one is lost");
}
