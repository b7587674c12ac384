//! The accept loop, with a listener that fails and a clock that the test turns.
#![allow(clippy::unwrap_used)]

use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use httpfsm::config::ServerConfig;
use httpfsm::handler::{ConnectionInfo, Failure, Handler, OwnEnd, Request, Subscriber};
use httpfsm::peer::Peer;
use httpfsm_transport::memory::{MemoryWire, pair};
use httpfsm_transport::{Accept, Accepted, Clock, Held, Inline, Service, Wire, accept};

/// What the listener says in turn; then it waits.
struct Script {
    says: VecDeque<io::Result<()>>,
    asked: Arc<AtomicUsize>,
    peers: Arc<Mutex<Vec<MemoryWire>>>,
}

impl Accept for Script {
    type Wire = MemoryWire;

    fn poll_accept(&mut self, _cx: &mut Context<'_>) -> Poll<io::Result<Accepted<MemoryWire>>> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let Some(said) = self.says.pop_front() else { return Poll::Pending };
        Poll::Ready(said.map(|()| {
            let (near, far) = pair(1000);
            self.peers.lock().unwrap().push(near);
            Accepted::new(far, Peer::Unix(None), Peer::Unix(None))
        }))
    }
}

fn out_of_descriptors() -> io::Result<()> {
    Err(io::Error::from_raw_os_error(24))
}

struct Bench<H: Handler> {
    clock: Clock,
    service: Arc<Service<H>>,
    asked: Arc<AtomicUsize>,
    served: Arc<AtomicUsize>,
    peers: Arc<Mutex<Vec<MemoryWire>>>,
}

fn bench() -> Bench<impl Handler> {
    let clock = Clock::manual();
    let handler = |_: Request| async { "fine" };
    let service = Service::new(ServerConfig::default(), clock.clone(), Arc::new(Inline), None, handler);
    Bench { clock, service, asked: Arc::default(), served: Arc::default(), peers: Arc::default() }
}

impl<H: Handler> Bench<H> {
    /// An accept loop over a listener that says this.
    fn listen<const N: usize>(
        &self,
        says: [io::Result<()>; N],
    ) -> impl Future<Output = ()> + Unpin + use<N, H> {
        let listener =
            Script { says: says.into(), asked: Arc::clone(&self.asked), peers: Arc::clone(&self.peers) };
        let served = Arc::clone(&self.served);
        let count = move |_| {
            served.fetch_add(1, Ordering::SeqCst);
        };
        Box::pin(accept(listener, Arc::clone(&self.service), self.service.handle(Vec::new()), count))
    }

    /// How often the listener was asked, and how many connections are served.
    fn counts(&self) -> (usize, usize) {
        (self.asked.load(Ordering::SeqCst), self.served.load(Ordering::SeqCst))
    }
}

fn poll(future: &mut (impl Future<Output = ()> + Unpin)) -> Poll<()> {
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn a_listener_out_of_descriptors_is_left_alone_for_a_while_and_then_asked_again() {
    let bench = bench();
    let mut listening = bench.listen([out_of_descriptors(), out_of_descriptors(), Ok(())]);
    for (millis, counts) in [(0, (1, 0)), (0, (1, 0)), (4, (1, 0)), (1, (2, 0)), (9, (2, 0)), (1, (4, 1))] {
        bench.clock.advance(Duration::from_millis(millis));
        assert!(poll(&mut listening).is_pending());
        assert_eq!(bench.counts(), counts, "{millis} ms later");
    }
}

#[test]
fn a_connection_that_is_lost_before_it_is_accepted_delays_no_other() {
    let bench = bench();
    let aborted = || Err(io::ErrorKind::ConnectionAborted.into());
    let mut listening = bench.listen([aborted(), Ok(()), aborted(), Ok(())]);
    assert!(poll(&mut listening).is_pending());
    assert_eq!(bench.counts(), (5, 2));
}

/// Accepts connections at two addresses in turn, and has two of each.
struct Addresses(Vec<MemoryWire>);

impl Accept for Addresses {
    type Wire = MemoryWire;

    fn poll_accept(&mut self, _cx: &mut Context<'_>) -> Poll<io::Result<Accepted<MemoryWire>>> {
        let at = self.0.len() / 2;
        if at == 2 {
            return Poll::Pending;
        }
        let (near, far) = pair(1000);
        self.0.push(near);
        let sockname = Peer::Ip(([192, 0, 2, 1], [80, 81][at]).into());
        Poll::Ready(Ok(Accepted::new(far, Peer::Unix(None), sockname)))
    }
}

/// Hears what connections have as their own end.
#[derive(Clone, Default)]
struct OwnEnds(Arc<Mutex<Vec<Arc<OwnEnd>>>>);

impl Subscriber for OwnEnds {
    fn opened(&self, connection: &ConnectionInfo) {
        self.0.lock().unwrap().push(Arc::clone(&connection.own_end));
    }
}

#[test]
fn connections_of_one_listener_share_what_is_the_same_for_all() {
    let (ends, handler) = (OwnEnds::default(), |_: Request| async { "fine" });
    let subscriber = Some(Arc::new(ends.clone()) as Arc<dyn Subscriber>);
    let service =
        Service::new(ServerConfig::default(), Clock::manual(), Arc::new(Inline), subscriber, handler);
    let handle = service.handle(Vec::new());
    let run = |mut driver| assert!(poll(&mut driver).is_pending());
    assert!(poll(&mut Box::pin(accept(Addresses(Vec::new()), service, handle, run))).is_pending());
    let ends = ends.0.lock().unwrap();
    let [first, second, third, fourth] = &ends[..] else { panic!("{ends:?}") };
    assert!(Arc::ptr_eq(first, second) && Arc::ptr_eq(third, fourth));
    assert_eq!([first, third].map(|end| end.sockname.port()), [Some(80), Some(81)]);
}

/// Hears why nothing can be accepted.
#[derive(Default)]
struct Failures(Mutex<Vec<String>>);

impl Subscriber for Failures {
    fn failed(&self, _: Option<&ConnectionInfo>, failure: Failure, text: &str) {
        self.0.lock().unwrap().push(format!("{failure}: {text}"));
    }
}

#[test]
fn an_executor_that_panics_costs_one_connection_and_a_pause_and_is_told() {
    let failures = Arc::<Failures>::default();
    let subscriber: Arc<dyn Subscriber> = Arc::clone(&failures) as _;
    let (clock, config) = (Clock::manual(), ServerConfig::default());
    let handler = |_: Request| async { "fine" };
    let service = Service::new(config, clock.clone(), Arc::new(Inline), Some(subscriber), handler);
    let listener = Script { says: [Ok(()), Ok(())].into(), asked: Arc::default(), peers: Arc::default() };
    let tries = AtomicUsize::new(0);
    let served = Arc::new(Mutex::new(Vec::new()));
    let keep = Arc::clone(&served);
    let spawn = move |driver| {
        assert!(tries.fetch_add(1, Ordering::SeqCst) > 0, "no thread is left");
        keep.lock().unwrap().push(driver);
    };
    let handle = service.handle(vec![Peer::Unix(Some("/run/a".into()))]);
    let mut listening = Box::pin(accept(listener, Arc::clone(&service), handle, spawn));
    assert!(poll(&mut listening).is_pending());
    let told =
        "accept: No connection can be accepted at unix:/run/a: the executor panicked: no thread is left.";
    assert_eq!(*failures.0.lock().unwrap(), [told]);
    assert_eq!((served.lock().unwrap().len(), service.held().channels), (0, 0));
    clock.advance(Duration::from_millis(5));
    assert!(poll(&mut listening).is_pending());
    assert_eq!(served.lock().unwrap().len(), 1);
}

/// Whether a connection that is idle is closed where nothing can be accepted for this reason; `drains`: while the server
/// goes out of service.
fn makes_room(error: impl Fn() -> io::Error, drains: bool) -> bool {
    let Bench { clock, service, asked, peers, .. } = bench();
    let (drivers, mut cx) = (Arc::new(Mutex::new(Vec::new())), Context::from_waker(Waker::noop()));
    let keep = Arc::clone(&drivers);
    let listen = |says: VecDeque<_>| {
        let listener = Script { says, asked: Arc::clone(&asked), peers: Arc::clone(&peers) };
        let keep = Arc::clone(&keep);
        let spawn = move |driver| keep.lock().unwrap().push(driver);
        Box::pin(accept(listener, Arc::clone(&service), service.handle(Vec::new()), spawn))
    };
    let mut listening = listen([Ok(())].into());
    assert!(poll(&mut listening).is_pending());
    let mut idle = drivers.lock().unwrap().pop().unwrap();
    let mut peer = peers.lock().unwrap().pop().unwrap();
    assert!(peer.poll_write(&mut cx, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").is_ready());
    for _ in 0..4 {
        assert!(pin!(&mut idle).poll(&mut cx).is_pending());
        clock.advance(Duration::from_millis(1));
    }
    // More than a firewall's refusals.
    let mut failing = listen((0..70).map(|_| Err(error())).collect());
    if drains {
        service.handle(Vec::new()).begin_drain(None);
    }
    // Others get their turn between many failures.
    assert!(poll(&mut failing).is_pending() && poll(&mut failing).is_pending());
    assert_eq!(service.held().channels, 1);
    // A drain leaves it a second.
    let _ = (0..4).any(|_| pin!(&mut idle).poll(&mut cx).is_ready());
    service.held().channels == 0
}

#[test]
fn the_idle_make_room_where_descriptors_or_memory_are_missing_and_for_no_other_failure() {
    for drains in [false, true] {
        // EMFILE, ENFILE, ENOBUFS, ENOMEM.
        for shortage in [24, 23, 105, 12] {
            let error = || io::Error::from_raw_os_error(shortage);
            assert!(makes_room(error, drains), "{}", error());
        }
        // EPERM, EINVAL.
        for other in [1, 22] {
            let error = || io::Error::from_raw_os_error(other);
            assert!(!makes_room(error, drains), "{}", error());
        }
        assert!(!makes_room(|| io::Error::other("the executor panicked"), drains));
    }
}

/// Three connect to a server that has one place, whose first is not idle, and the first goes after so long. After how many
/// milliseconds so many were served and so many turned away: whenever one of the two changed.
fn at_one_place(goes_after: Option<u64>) -> Vec<(u64, u64, u64)> {
    let (clock, drivers) = (Clock::manual(), Arc::new(Mutex::new(Vec::new())));
    let config = ServerConfig { max_connections: 1, ..ServerConfig::default() };
    let handler = |_: Request| async { "fine" };
    let service = Service::new(config, clock.clone(), Arc::new(Inline), None, handler);
    let says = [Ok(()), Ok(()), Ok(())].into();
    let listener = Script { says, asked: Arc::default(), peers: Arc::default() };
    let (handle, keep) = (service.handle(Vec::new()), Arc::clone(&drivers));
    let spawn = move |driver| keep.lock().unwrap().push(driver);
    let mut listening = Box::pin(accept(listener, Arc::clone(&service), handle.clone(), spawn));
    let mut counts = Vec::new();
    for step in 0..=20 {
        if goes_after == Some(5 * step) {
            drop(drivers.lock().unwrap().remove(0));
        }
        assert!(poll(&mut listening).is_pending());
        let stats = handle.stats();
        counts.push((5 * step, stats.opened, stats.not_admitted()));
        clock.advance(Duration::from_millis(5));
        let _ = service.sweep(&mut Context::from_waker(Waker::noop()));
    }
    counts.dedup_by_key(|(_, served, refused)| (*served, *refused));
    counts
}

#[test]
fn a_place_that_is_about_to_be_free_is_waited_for_and_one_that_is_not_turns_all_away_at_once() {
    // The second waits for it in vain; the third need not, and nor need any others.
    assert_eq!(at_one_place(None), [(0, 1, 0), (40, 1, 2)]);
    // The second finds it free, and then the third waits for the second.
    assert_eq!(at_one_place(Some(35)), [(0, 1, 0), (35, 2, 0), (75, 2, 1)]);
}

/// Another listener accepts just when the idle channel has closed.
#[test]
fn a_place_goes_to_the_connection_that_an_idle_channel_was_closed_for() {
    let (clock, drivers) = (Clock::manual(), Arc::new(Mutex::new(Vec::new())));
    let config = ServerConfig { max_connections: 2, ..ServerConfig::default() };
    let handler = |_: Request| async { "fine" };
    let service = Service::new(config, clock.clone(), Arc::new(Inline), None, handler);
    let handle = service.handle(Vec::new());
    let peers = Arc::<Mutex<Vec<MemoryWire>>>::default();
    let listen = |connections: usize| {
        let says = (0..connections).map(|_| Ok(())).collect();
        let listener = Script { says, asked: Arc::default(), peers: Arc::clone(&peers) };
        let keep = Arc::clone(&drivers);
        let spawn = move |driver| keep.lock().unwrap().push(driver);
        Box::pin(accept(listener, Arc::clone(&service), handle.clone(), spawn))
    };
    let mut cx = Context::from_waker(Waker::noop());
    assert!(poll(&mut listen(2)).is_pending());
    let mut idle: Vec<_> = drivers.lock().unwrap().drain(..).collect();
    for (peer, driver) in peers.lock().unwrap().iter_mut().zip(&mut idle) {
        assert!(peer.poll_write(&mut cx, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").is_ready());
        for _ in 0..4 {
            assert!(pin!(&mut *driver).poll(&mut cx).is_pending());
            clock.advance(Duration::from_millis(1));
        }
    }
    let (mut first, mut second) = (listen(1), listen(1));
    for listening in [&mut first, &mut second] {
        assert!(poll(listening).is_pending());
        assert!((0..4).any(|_| pin!(&mut idle[0]).poll(&mut cx).is_ready()), "it was idle for the longest");
        drop(idle.remove(0));
    }
    assert!(poll(&mut first).is_pending() && poll(&mut second).is_pending());
    let stats = handle.stats();
    assert_eq!((stats.opened, stats.not_admitted()), (4, 0));
}

/// A place becomes free each 30 ms, so that each of them would find one.
#[test]
fn a_queue_at_a_full_server_is_turned_away_and_not_served_one_after_the_other() {
    let (clock, drivers) = (Clock::manual(), Arc::new(Mutex::new(Vec::new())));
    let config = ServerConfig { max_connections: 1, ..ServerConfig::default() };
    let handler = |_: Request| async { "fine" };
    let service = Service::new(config, clock.clone(), Arc::new(Inline), None, handler);
    let says = (0..40).map(|_| Ok(())).collect();
    let listener = Script { says, asked: Arc::default(), peers: Arc::default() };
    let (handle, keep) = (service.handle(Vec::new()), Arc::clone(&drivers));
    let spawn = move |driver| keep.lock().unwrap().push(driver);
    let mut listening = Box::pin(accept(listener, Arc::clone(&service), handle.clone(), spawn));
    for step in 0..60 {
        let gone = if step % 6 == 5 { drivers.lock().unwrap().pop() } else { None };
        drop(gone);
        assert!(poll(&mut listening).is_pending());
        clock.advance(Duration::from_millis(5));
        let _ = service.sweep(&mut Context::from_waker(Waker::noop()));
    }
    let stats = handle.stats();
    // Some have waited for a quarter of a second in all.
    assert!((5..=15).contains(&stats.opened), "{stats:?}");
    assert_eq!(stats.opened + stats.not_admitted(), 40);
}

#[test]
fn a_server_that_goes_out_does_not_wait_for_the_end_of_a_pause() {
    let bench = bench();
    let mut listening = bench.listen([out_of_descriptors()]);
    assert!(poll(&mut listening).is_pending());
    let handle = bench.service.handle(Vec::new());
    let drained = handle.begin_drain(None).gone();
    assert!(poll(&mut listening).is_ready());
    drop(listening);
    assert!(pin!(drained).poll(&mut Context::from_waker(Waker::noop())).is_ready());
    assert_eq!(bench.service.held(), Held::default());
}

#[test]
fn a_server_that_goes_out_takes_those_who_wait_and_no_others() {
    let bench = bench();
    let aborted = || Err(io::ErrorKind::ConnectionAborted.into());
    let mut listening = bench.listen([Ok(()), aborted(), Ok(())]);
    let handle = bench.service.handle(Vec::new());
    let mut drained = pin!(handle.begin_drain(None).gone());
    assert!(poll(&mut listening).is_ready());
    assert_eq!(bench.counts(), (4, 2));
    // The test has dropped their drivers.
    assert!(drained.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready());
    let stats = handle.stats();
    assert_eq!((stats.opened, stats.not_admitted_draining), (2, 0));
}

#[test]
fn a_server_that_goes_out_without_descriptors_tells_and_tries_again() {
    let failures = Arc::<Failures>::default();
    let subscriber: Arc<dyn Subscriber> = Arc::clone(&failures) as _;
    let (clock, config) = (Clock::manual(), ServerConfig::default());
    let service =
        Service::new(config, clock.clone(), Arc::new(Inline), Some(subscriber), |_: Request| async {
            "fine"
        });
    let says = [Ok(()), out_of_descriptors(), Ok(())];
    let listener = Script { says: says.into(), asked: Arc::default(), peers: Arc::default() };
    let handle = service.handle(vec![Peer::Unix(Some("/run/a".into()))]);
    let mut listening = Box::pin(accept(listener, Arc::clone(&service), handle.clone(), drop));
    let _drained = handle.begin_drain(None).gone();
    assert!(poll(&mut listening).is_pending());
    assert_eq!((handle.stats().opened, failures.0.lock().unwrap().len()), (1, 1));
    clock.advance(Duration::from_millis(5));
    assert!(poll(&mut listening).is_ready());
    assert_eq!(handle.stats().opened, 2);
}

#[test]
fn a_server_that_goes_out_gives_up_without_descriptors_or_at_its_deadline() {
    for deadline in [None, Some(Duration::from_secs(1))] {
        let bench = bench();
        let mut listening = bench.listen([(); 100].map(|()| out_of_descriptors()));
        let _drained = bench.service.handle(Vec::new()).begin_drain(deadline).gone();
        let mut seconds = 0;
        while poll(&mut listening).is_pending() {
            bench.clock.advance(Duration::from_secs(1));
            let _ = bench.service.sweep(&mut Context::from_waker(Waker::noop()));
            seconds += 1;
            assert!(seconds < 60, "{deadline:?}: it never ends");
        }
        assert_eq!(deadline.is_some(), seconds < 5, "{seconds}");
    }
}

#[test]
fn while_those_who_wait_are_taken_others_get_their_turn() {
    let bench = bench();
    let mut listening = bench.listen([(); 100].map(|()| Ok(())));
    let _drained = bench.service.handle(Vec::new()).begin_drain(None).gone();
    assert!(poll(&mut listening).is_pending());
    assert_eq!(bench.counts().1, 64);
    assert!(poll(&mut listening).is_ready());
    assert_eq!(bench.counts().1, 100);
}
