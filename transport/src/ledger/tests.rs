use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::task::{Context, Poll, Waker};
use std::thread;

use bytes::Bytes;
use httpfsm::handler::{MemoryHandle, NoRoom, ReserveFuture, ReservedMemory};

use super::*;
use crate::lock::lock;
use crate::waiting::tests::Foreign;

const KIB: u64 = 1 << 10;

/// A ledger, with its clock and its alarms.
struct Case {
    ledger: Arc<Ledger>,
    clock: Clock,
    alarms: Arc<Alarms>,
    refused: Arc<Refused>,
}

/// Counts who found no room.
#[derive(Default)]
struct Refused(AtomicUsize);

impl Subscriber for Refused {
    fn no_room(&self, _connection: Option<&httpfsm::handler::ConnectionInfo>, _memory: &MemoryUse) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Case {
    fn new(limit: u64) -> Self {
        let config = ServerConfig {
            max_buffered_bytes: limit,
            room_timeout: Some(Duration::from_secs(10)),
            ..ServerConfig::default()
        };
        let (clock, alarms, refused) = (Clock::manual(), Arc::<Alarms>::default(), Arc::<Refused>::default());
        let ledger = Ledger::new(&config, Arc::clone(&alarms), clock.clone(), Some(refused.clone()));
        Self { ledger, clock, alarms, refused }
    }

    fn reserve(&self, bytes: u64) -> ReserveFuture {
        MemoryHandle::new(self.ledger.clone()).reserve(bytes as usize)
    }

    /// All bytes that count towards the limit.
    fn taken(&self) -> u64 {
        let taken = self.ledger.taken.load(Ordering::SeqCst);
        assert_eq!(taken, self.ledger.memory().total() + self.ledger.memory().promised);
        taken
    }

    #[track_caller]
    fn assert_is_empty(&self) {
        assert_eq!((self.taken(), self.ledger.memory()), (0, MemoryUse::default()));
        assert_eq!((self.ledger.lines_up(), self.ledger.waiting.load(Ordering::SeqCst)), ((0, 0), 0));
        assert_eq!(self.alarms.len(), 0);
    }
}

fn poll(future: &mut ReserveFuture) -> Poll<Result<ReservedMemory, NoRoom>> {
    use std::future::Future;
    std::pin::Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
}

/// How many bytes were reserved.
#[track_caller]
fn reserved(polled: Poll<Result<ReservedMemory, NoRoom>>) -> ReservedMemory {
    match polled {
        Poll::Ready(Ok(reserved)) => reserved,
        other => panic!("{other:?}"),
    }
}

#[test]
fn who_waits_for_room_gets_it_in_order_as_it_is_given_back() {
    let case = Case::new(32 * KIB);
    let first = reserved(poll(&mut case.reserve(2 * KIB)));
    let others = case.ledger.take_all(Row::Bodies, 30 * KIB);
    assert!(others && first.bytes() as u64 == 2 * KIB && case.ledger.is_full());
    let [mut second, mut third, mut fourth] = [2 * KIB, KIB, KIB].map(|bytes| case.reserve(bytes));
    assert!(
        poll(&mut second).is_pending() && poll(&mut third).is_pending() && poll(&mut fourth).is_pending()
    );
    case.ledger.give_back(Row::Bodies, KIB);
    assert!(poll(&mut third).is_pending(), "it fits, and has to wait for the second");
    assert!(case.ledger.take(Row::Promised, 1).is_none(), "nobody overtakes");
    assert!(!case.ledger.take_all(Row::Pieces, 1), "nobody overtakes");
    assert!(case.ledger.take_all(Row::Pieces, 0), "there is room for nothing");
    case.ledger.give_back(Row::Bodies, KIB);
    let second = reserved(poll(&mut second));
    assert!(poll(&mut third).is_pending() && poll(&mut fourth).is_pending());
    drop(first);
    let held = [second, reserved(poll(&mut third)), reserved(poll(&mut fourth))];
    assert_eq!(held.each_ref().map(|held| held.bytes() as u64), [2 * KIB, KIB, KIB]);
    assert_eq!((case.ledger.memory().pieces, case.taken()), (4 * KIB, 32 * KIB));
    drop(held);
    case.ledger.give_back(Row::Bodies, 28 * KIB);
    case.assert_is_empty();
}

#[test]
fn who_may_not_wait_gets_16_kib_at_most_where_there_is_no_room_or_others_wait_for_it() {
    let case = Case::new(1024 * KIB);
    let memory = MemoryHandle::new(case.ledger.clone());
    let now = |kib: u64| memory.reserve_now((kib * KIB) as usize);
    assert_eq!(now(256).bytes() as u64, 16 * KIB, "a share of what is free");
    let others = case.ledger.take_all(Row::Bodies, 1024 * KIB);
    assert!(others && case.ledger.is_full());
    let held = [now(256), now(1), now(0)];
    assert_eq!(held.each_ref().map(|held| held.bytes() as u64), [16 * KIB, KIB, 0]);
    assert_eq!((case.ledger.memory().pieces, case.taken()), (17 * KIB, 1041 * KIB));
    let mut waits = case.reserve(KIB);
    assert!(poll(&mut waits).is_pending());
    drop(held);
    assert!(poll(&mut waits).is_pending(), "what is above the limit is no room for others");
    case.ledger.give_back(Row::Bodies, KIB);
    drop(reserved(poll(&mut waits)));
    case.ledger.give_back(Row::Bodies, 1023 * KIB);
    case.assert_is_empty();
}

#[test]
fn who_waits_no_longer_leaves_its_place_and_what_it_was_given_to_those_behind() {
    for is_granted in [false, true] {
        let case = Case::new(32 * KIB);
        assert!(case.ledger.take_all(Row::Bodies, 32 * KIB));
        let [mut first, mut second] = [2 * KIB, KIB].map(|bytes| case.reserve(bytes));
        assert!(poll(&mut first).is_pending() && poll(&mut second).is_pending());
        case.ledger.give_back(Row::Bodies, if is_granted { 2 * KIB } else { KIB });
        assert_eq!(case.ledger.lines_up(), if is_granted { (1, 1) } else { (2, 0) });
        assert!(poll(&mut second).is_pending());
        drop(first);
        drop(reserved(poll(&mut second)));
        case.ledger.give_back(Row::Bodies, if is_granted { 30 * KIB } else { 31 * KIB });
        case.assert_is_empty();
    }
}

#[test]
fn room_that_was_granted_and_not_taken_up_counts_as_promised() {
    let case = Case::new(32 * KIB);
    assert!(case.ledger.take_all(Row::Bodies, 32 * KIB));
    let mut piece = case.reserve(2 * KIB);
    let (mut body, mut gone) = (Room::new(&case.ledger, 2 * KIB), case.reserve(KIB));
    let poll_body = |body: &mut Room| body.poll(&Context::from_waker(Waker::noop()));
    assert!(
        poll(&mut piece).is_pending() && poll_body(&mut body).is_pending() && poll(&mut gone).is_pending()
    );
    case.ledger.give_back(Row::Bodies, 5 * KIB);
    let rows = || (case.taken(), case.ledger.memory().promised, case.ledger.memory().pieces);
    assert_eq!((case.ledger.lines_up(), rows()), ((0, 3), (32 * KIB, 5 * KIB, 0)));
    let piece = reserved(poll(&mut piece));
    assert_eq!(rows(), (32 * KIB, 3 * KIB, 2 * KIB));
    let Poll::Ready(Ok(body)) = poll_body(&mut body) else { panic!("there is room") };
    assert_eq!((body.bytes(), rows()), (2 * KIB, (32 * KIB, 3 * KIB, 2 * KIB)));
    drop(gone);
    assert_eq!(rows(), (31 * KIB, 2 * KIB, 2 * KIB));
    drop((piece, body));
    case.ledger.give_back(Row::Bodies, 27 * KIB);
    case.assert_is_empty();
}

#[test]
fn who_finds_no_room_hears_of_it_at_the_deadline_and_the_next_is_served() {
    let case = Case::new(32 * KIB);
    assert!(case.ledger.take_all(Row::Bodies, 31 * KIB));
    let [mut first, mut second] = [2 * KIB, KIB].map(|bytes| case.reserve(bytes));
    assert!(poll(&mut first).is_pending());
    case.clock.advance(Duration::from_millis(9_999));
    assert!(poll(&mut second).is_pending() && poll(&mut first).is_pending());
    let due = || case.alarms.due(case.clock.now(), &Context::from_waker(Waker::noop()));
    assert!(matches!(due(), (due, 10_000) if due.is_empty()));
    case.clock.advance(Duration::from_millis(1));
    assert!(matches!(due(), (due, 19_999) if due.len() == 1), "it is woken by the server's alarms");
    assert!(matches!(poll(&mut first), Poll::Ready(Err(NoRoom))));
    assert_eq!(case.refused.0.load(Ordering::SeqCst), 1);
    drop(reserved(poll(&mut second)));
    case.ledger.give_back(Row::Bodies, 31 * KIB);
    case.assert_is_empty();
}

#[test]
fn shares_become_smaller_where_room_is_scarce_and_are_small_under_a_small_limit() {
    let case = Case::new(2 << 20);
    let mut held = Vec::new();
    while let Poll::Ready(reserved) = poll(&mut case.reserve(256 * KIB)) {
        held.push(reserved.unwrap());
    }
    let sizes: Vec<_> = held.iter().map(|held| held.bytes() as u64).collect();
    assert!(sizes.is_sorted_by(|a, b| a >= b) && sizes[0] == 32 * KIB, "{sizes:?}");
    assert!(sizes.len() > 90 && sizes.last() == Some(&(16 * KIB)), "{sizes:?}");
    assert!(case.taken() <= 2 << 20 && case.taken() > (2 << 20) - 16 * KIB);
    drop(held);
    case.assert_is_empty();
    let small = Case::new(1000);
    assert_eq!(reserved(poll(&mut small.reserve(500))).bytes(), 62);
    let large = Case::new(512 << 20);
    assert_eq!(reserved(poll(&mut large.reserve(256 * KIB))).bytes() as u64, 256 * KIB);
}

#[test]
fn a_producer_is_told_for_how_much_there_is_room() {
    let case = Case::new(64 * KIB);
    let memory = MemoryHandle::new(case.ledger.clone());
    assert_eq!((memory.room(), MemoryHandle::default().room()), (64 * KIB, u64::MAX));
    assert!(case.ledger.take_all(Row::Bodies, 60 * KIB));
    assert_eq!(memory.room(), 4 * KIB);
    assert!(case.ledger.take_all(Row::Bodies, 4 * KIB));
    let mut waits = case.reserve(8 * KIB);
    assert!(poll(&mut waits).is_pending());
    case.ledger.give_back(Row::Bodies, KIB);
    assert_eq!(memory.room(), 0, "what is free is for who waits");
    drop(waits);
    assert_eq!(memory.room(), KIB);
    case.ledger.give_back(Row::Bodies, 63 * KIB);
    case.assert_is_empty();
    assert_eq!(MemoryHandle::new(Case::new(0).ledger).room(), u64::MAX);
}

#[test]
fn without_a_limit_all_is_counted_and_nobody_waits() {
    let case = Case::new(0);
    let held = reserved(poll(&mut case.reserve(1 << 40)));
    assert_eq!((held.bytes(), case.ledger.memory().pieces, case.ledger.is_full()), (1 << 40, 1 << 40, false));
    drop(held);
    case.assert_is_empty();
}

#[test]
fn what_a_connection_keeps_is_always_counted_and_judged_where_its_input_grows_above_what_is_granted() {
    let case = Case::new(10_000);
    let mut kept = Kept::default();
    let mut keep = |input, output| case.ledger.keep(&mut kept, Kept { input, output });
    assert!(keep(GRANTED, GRANTED) && keep(6000, 0));
    assert!(keep(GRANTED, 60_000), "output is held up before it grows");
    assert_eq!((case.ledger.memory().input, case.ledger.memory().output), (4096, 60_000));
    assert!(!keep(GRANTED + 1, 60_000) && keep(GRANTED, 60_000) && keep(0, 0));
    case.assert_is_empty();
}

#[test]
fn a_body_is_charged_as_it_comes_and_until_it_is_read() {
    let case = Case::new(100 * KIB);
    let mut charge = BodyCharge::default();
    assert_eq!((charge.wants(Some(9), 128), charge.wants(None, 128)), (9, 128));
    let Some(room) = case.ledger.take(Row::Promised, 9) else { panic!("there is room") };
    charge.promise(room);
    assert_eq!((charge.wants(Some(9), 128), charge.wants(Some(12), 128)), (0, 3));
    assert_eq!(
        (case.ledger.memory().promised, case.ledger.memory().total(), charge.is_empty()),
        (9, 0, false)
    );
    charge.arrive(5);
    assert_eq!((case.ledger.memory().promised, case.ledger.memory().bodies), (4, 5));
    charge.arrive(6);
    assert_eq!(
        (case.ledger.memory().promised, case.ledger.memory().bodies),
        (0, 11),
        "more than was promised"
    );
    let read = charge.release(2);
    assert_eq!((case.ledger.memory().bodies, charge.release(0).is_none()), (11, true));
    drop(read);
    assert_eq!(case.ledger.memory().bodies, 9);
    let mut bytes = attach(Bytes::from_static(b"abc"), charge.release(3));
    let half = bytes.split_to(1);
    drop(bytes);
    assert_eq!((case.ledger.memory().bodies, &half[..]), (9, &b"a"[..]));
    drop(half);
    assert_eq!(case.ledger.memory().bodies, 6);
    if let Some(room) = case.ledger.take(Row::Promised, 7) {
        charge.promise(room);
    }
    drop(charge.forgo());
    assert_eq!((case.ledger.memory().promised, charge.is_empty()), (0, false));
    drop(charge);
    case.assert_is_empty();
}

#[test]
fn no_waker_of_who_waits_for_room_is_woken_or_dropped_under_the_lock() {
    let case = Case::new(32 * KIB);
    assert!(case.ledger.take_all(Row::Bodies, 32 * KIB));
    let foreign = || {
        let its = Arc::clone(&case.ledger);
        Foreign::waker(move || its.queue.try_lock().is_ok())
    };
    let poll = |room: &mut Room, waker: &Waker| room.poll(&Context::from_waker(waker)).is_pending();
    let (mut room, (waker, of_first)) = (Room::new(&case.ledger, KIB), foreign());
    assert!(poll(&mut room, &waker));
    drop(waker);
    let (waker, of_second) = foreign();
    assert!(poll(&mut room, &waker));
    drop(waker);
    assert_eq!((of_first.load(Ordering::SeqCst), of_second.load(Ordering::SeqCst)), (1, 0), "replaced");
    case.ledger.give_back(Row::Bodies, KIB);
    assert_eq!(of_second.load(Ordering::SeqCst), 1, "woken");
    drop(room);
    assert_eq!(of_second.load(Ordering::SeqCst), 2, "dropped");
    case.ledger.give_back(Row::Bodies, 31 * KIB);
    case.assert_is_empty();
}

#[test]
fn what_connections_keep_leaves_a_quarter_of_the_limit_to_bodies_and_pieces() {
    let case = Case::new(64 * KIB);
    let mut kept = [Kept::default(); 20];
    for kept in &mut kept {
        case.ledger.keep(kept, Kept { input: GRANTED, output: 0 });
    }
    assert!(case.ledger.is_full() && case.taken() == 80 * KIB);
    let first = reserved(poll(&mut case.reserve(15 * KIB + 1)));
    assert_eq!(first.bytes() as u64, 4 * KIB);
    assert!(case.ledger.take_all(Row::Bodies, 12 * KIB) && !case.ledger.take_all(Row::Bodies, 1));
    let mut waits = case.reserve(1);
    assert!(poll(&mut waits).is_pending());
    drop(first);
    drop(reserved(poll(&mut waits)));
    case.ledger.give_back(Row::Bodies, 12 * KIB);
    for kept in &mut kept {
        case.ledger.keep(kept, Kept::default());
    }
    case.assert_is_empty();
}

/// Pseudorandom numbers.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// What one of many does with the ledger, at random.
fn take_and_drop(case: &Case, seed: u64, steps: u64) {
    let mut random = Random(seed);
    let (mut waiting, mut held, mut kept) = (Vec::new(), Vec::new(), Kept::default());
    let (mut rooms, mut body) = (Vec::new(), BodyCharge::default());
    for _ in 0..steps {
        let bytes = 1 + random.below(40 * KIB);
        match random.below(10) {
            0 => waiting.push(case.reserve(bytes)),
            1 if !waiting.is_empty() => {
                drop(waiting.swap_remove(random.below(waiting.len() as u64) as usize))
            }
            2 if !held.is_empty() => drop(held.swap_remove(random.below(held.len() as u64) as usize)),
            3 => {
                let now = Kept { input: random.below(9000) as u32, output: random.below(9000) as u32 };
                case.ledger.keep(&mut kept, now);
            }
            4 => rooms.push(Room::new(&case.ledger, bytes)),
            5 => body.arrive(bytes),
            6 => drop(body.release(bytes)),
            7 => drop(body.forgo()),
            8 => body = BodyCharge::default(),
            _ => {
                waiting.retain_mut(|waiting| match poll(waiting) {
                    Poll::Ready(reserved) => {
                        held.extend(reserved.ok());
                        false
                    }
                    Poll::Pending => true,
                });
                rooms.retain_mut(|room| match room.poll(&Context::from_waker(Waker::noop())) {
                    Poll::Ready(room) => {
                        room.into_iter().for_each(|room| body.promise(room));
                        false
                    }
                    Poll::Pending => true,
                });
            }
        }
    }
    case.ledger.keep(&mut kept, Kept::default());
}

/// Fails where a guard gives back too little or too much, and where somebody is woken who got nothing.
#[test]
fn whatever_is_taken_and_dropped_at_random_ends_at_nothing() {
    let case = Case::new(100 * KIB);
    for seed in 0..200 {
        take_and_drop(&case, seed, 300);
        case.assert_is_empty();
        case.clock.advance(Duration::from_secs(1));
    }
    assert!(lock(&case.ledger.queue).next > 100, "many have waited");
}

#[test]
fn so_it_does_on_several_threads() {
    let case = Case::new(100 * KIB);
    thread::scope(|scope| {
        for seed in 0..4 {
            let case = &case;
            scope.spawn(move || take_and_drop(case, seed, 20_000));
        }
    });
    case.assert_is_empty();
}
