//! Every kind of fault is caught: transports that are tokio's but for one.
#![allow(clippy::unwrap_used)]

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fs::File;
use std::future::{Future, poll_fn};
use std::io::{self, IoSlice, Write};
use std::mem;
use std::panic::{self, AssertUnwindSafe};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker, ready};
use std::thread;
use std::time::Duration;

use httpfsm::handler::{Handler, Request};
use httpfsm::peer::Peer;
use httpfsm_tokio::{BlockingPool, ServerHandle, Stream};
use httpfsm_transport::memory::{MemoryWire, pair};
use httpfsm_transport::{
    Accept, Accepted, Inline, ListeningSocket, Opening, Place, Transport, Wire, accept, unix_peer,
};
use httpfsm_transport_kit::{Application, Kit, Plan, Report};
use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream, UnixListener};
use tokio::runtime::Handle;
use tokio::time::{Sleep, sleep};

#[derive(Clone, Copy, PartialEq, Debug)]
enum Fault {
    Nothing,
    /// No fault: each poll of a connection takes its time.
    IsSlow,
    LosesTheEndOfInput,
    DropsTheLastSliceOfAWrite,
    SendsTheRestOfAWriteAgain,
    LosesAByteOfLargeReads,
    NeverWakesForADeadline,
    EndsWhereItShouldReset,
    SwapsTheNames,
    Spins,
    LeaksDescriptors,
    LeaksADescriptorAServer,
    LeaksAThreadAServer,
    KeepsListening,
    LosesAResetInsideARequest,
    NeverWritesAfterAFullSocket,
    ReadsAheadWithoutBound,
    SkipsEverySecondListener,
    ForgetsDriversThatSawAPanic,
    LeaksLostHandlers,
    LosesTheEndOfUnixInput,
    KeepsItsFirstDate,
}
use Fault::*;

#[test]
fn none_where_there_is_no_fault() {
    let some = [
        "half-close",
        "names",
        "rest",
        "nothing left",
        "origins",
        "disconnects",
        "partial writes",
        "deadlines",
    ];
    check(Nothing, &some, Duration::from_secs(30)).assert();
}

#[test]
fn none_where_all_is_slow() {
    let some = [
        "deadlines",
        "several connections",
        "refusals",
        "unread bodies",
        "blocking handlers",
        "partial writes",
        "drain",
    ];
    check(IsSlow, &some, Duration::from_secs(30)).assert();
}

#[test]
fn the_end_of_input_that_is_lost() {
    catches(LosesTheEndOfInput, "half-close", "an end without a request");
}

#[test]
fn a_write_that_drops_its_last_slice() {
    catches(DropsTheLastSliceOfAWrite, "output", "bytes to peer");
}

#[test]
fn a_write_that_is_repeated_in_part() {
    catches(SendsTheRestOfAWriteAgain, "partial writes", "is another one.");
}

#[test]
fn a_byte_that_large_reads_lose() {
    catches(LosesAByteOfLargeReads, "uploads", "an upload larger than all windows");
}

#[test]
fn a_deadline_that_wakes_nobody() {
    catches(NeverWakesForADeadline, "deadlines", "half a head");
    catches(NeverWakesForADeadline, "many deadlines", "The connection does not end");
    catches(NeverWakesForADeadline, "drained to the end", "The connection does not end");
}

#[test]
fn an_end_in_place_of_a_reset() {
    catches(EndsWhereItShouldReset, "failing applications", "RST");
}

#[test]
fn names_that_are_swapped() {
    catches(SwapsTheNames, "names", "the ends of the socket are");
}

#[test]
fn a_loop_that_spins() {
    catches(Spins, "rest", "Idle connections take");
}

#[test]
fn descriptors_that_leak() {
    catches(LeaksDescriptors, "nothing left", "descriptors");
    catches(LeaksADescriptorAServer, "nothing left", "descriptors");
}

#[test]
fn threads_that_leak() {
    catches(LeaksAThreadAServer, "nothing left", "threads");
}

#[test]
fn a_body_that_is_read_ahead_without_bound() {
    catches(ReadsAheadWithoutBound, "input backpressure", "were taken of a body that nobody reads");
}

#[test]
fn a_listener_that_is_not_served() {
    catches(SkipsEverySecondListener, "listeners", "\"world!\" does not come");
}

#[test]
fn a_driver_that_is_forgotten_after_a_panic() {
    catches(ForgetsDriversThatSawAPanic, "isolation", "The server is not gone.");
}

#[test]
fn a_handler_that_is_leaked_where_it_should_be_dropped() {
    catches(LeaksLostHandlers, "cancellation", "a reset at point 0 of a handler");
}

#[test]
fn the_end_of_a_unix_socket_that_is_lost() {
    catches(LosesTheEndOfUnixInput, "unix sockets", "an end without a request, on a Unix socket");
    check(LosesTheEndOfUnixInput, &["half-close"], Duration::from_secs(30)).assert();
}

#[test]
fn a_clock_that_stands() {
    catches(KeepsItsFirstDate, "date", "is not when it was sent");
}

#[test]
fn a_subject_that_does_not_say_where_blocking_work_runs() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let kit = Kit::default().only(["blocking handlers", "names"]).unwrap();
    let report = kit.check(&|plan: Plan, application: Application| {
        let _inside = runtime.enter();
        plan.on(Faulty(Nothing)).serve(application)
    });
    assert!(report.broken().is_empty() && !report.is_kept(), "{report}");
    let not_run: Vec<_> = report.not_run().into_iter().map(|(name, _)| name).collect();
    assert_eq!(not_run, ["blocking handlers"], "{report}");
}

#[test]
fn a_subject_that_panics_breaks_what_it_was_to_show_and_nothing_else() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let kit = Kit::default().only(["several connections", "names", "origins"]).unwrap();
    let report = kit.check(&|plan: Plan, application: Application| {
        let _inside = runtime.enter();
        assert_ne!(plan.config.max_connections_per_peer, 2, "two are too few");
        assert!(plan.config.origins.is_empty(), "no origins are known");
        plan.on(Faulty(Nothing)).serve(application)
    });
    assert_eq!(report.broken(), ["several connections", "origins"]);
    let text = report.to_string();
    assert!(text.contains("\"a connection too many of one peer\": It panicked: "), "{text}");
    assert!(text.contains("two are too few") && text.contains("no origins are known"), "{text}");
    assert_eq!(report.verdicts[0].failures.len(), 1, "{text}");
}

#[test]
fn a_script_that_is_right_only_when_it_runs_again_is_told() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let kit = Kit::default().only(["deadlines"]).unwrap();
    let is_first = AtomicBool::new(true);
    let report = kit.check(&|plan: Plan, application: Application| {
        if is_first.swap(false, Ordering::SeqCst) {
            return Err(io::Error::other("it loses a race"));
        }
        let _inside = runtime.enter();
        plan.on(Faulty(Nothing)).serve(application)
    });
    assert!(report.is_kept(), "{report}");
    let repeated = report.verdicts[0].repeated.iter();
    let told: Vec<_> = repeated.filter(|repeated| repeated.contains("it loses a race")).collect();
    assert_eq!(told.len(), 1, "{report}");
    assert!(told[0].contains(" times. The first time, there is no server, "), "{report}");
    let text = report.to_string();
    assert!(text.contains("\ndeadlines: right only with longer deadlines\nThe script \""), "{text}");
}

#[test]
fn a_listener_that_stays_open() {
    catches(KeepsListening, "drained to the end", "still takes connections");
}

#[test]
fn a_reset_that_nobody_hears() {
    catches(LosesAResetInsideARequest, "disconnects", "a reset inside a body");
}

#[test]
fn a_full_socket_that_is_not_written_to_again() {
    catches(NeverWritesAfterAFullSocket, "output backpressure", "not asked again when the peer reads");
}

/// The obligation is found broken, with a text that this fault makes, and with a patience that is enough without it.
fn catches(fault: Fault, obligation: &'static str, text: &str) {
    let Some(patience) = patience(obligation) else {
        // Past the capture of tests, which print nothing when they pass.
        let _ = writeln!(io::stderr(), "{fault:?}: not run: needs a machine that is less busy");
        return;
    };
    let report = check(fault, &[obligation], patience);
    assert_eq!(report.broken(), [obligation], "{fault:?}");
    assert!(report.to_string().contains(text), "{fault:?} is not what breaks this: {report}");
}

/// It says that it has none, which is no fault.
#[test]
fn a_transport_without_unix_sockets_is_looked_at_over_tcp_alone() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let kit = Kit::default().only(["unix sockets", "listeners"]).unwrap();
    let mut error = io::ErrorKind::Unsupported;
    for (not_run, broken) in [(&["unix sockets"][..], &[][..]), (&[], &["unix sockets", "listeners"])] {
        let report = kit.check(&|plan: Plan, application: Application| {
            if plan.path.is_some() {
                return Err(error.into());
            }
            let _inside = runtime.enter();
            plan.on(httpfsm_tokio::Tokio::default()).serve(application)
        });
        assert_eq!(report.not_run().iter().map(|(name, _)| *name).collect::<Vec<_>>(), not_run, "{report}");
        assert_eq!(report.broken(), broken, "{report}");
        // Another error is a fault.
        error = io::ErrorKind::AddrNotAvailable;
    }
}

/// The least patience with which a transport without a fault keeps the obligation: with less, it is broken for want of
/// patience, fault or not.
fn patience(obligation: &'static str) -> Option<Duration> {
    static KNOWN: Mutex<BTreeMap<&str, Option<Duration>>> = Mutex::new(BTreeMap::new());
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    *known.entry(obligation).or_insert_with(|| {
        let kept = |patience: &Duration| check(Nothing, &[obligation], *patience).broken().is_empty();
        [500, 2000, 8000].map(Duration::from_millis).into_iter().find(kept)
    })
}

/// Looks at some obligations.
fn check(fault: Fault, some: &[&'static str], patience: Duration) -> Report {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let kit = Kit::default().patience(patience).only(some).unwrap();
    let report = kit.check(&|plan: Plan, application: Application| {
        let _inside = runtime.enter();
        plan.on(Faulty(fault)).serve(application.blocking(BlockingPool))
    });
    runtime.shutdown_background();
    report
}

/// tokio with a fault.
struct Faulty(Fault);

impl Transport for Faulty {
    fn start<H: Handler>(self, mut opening: Opening, handler: H) -> io::Result<ServerHandle> {
        let handler = FaultyHandler { inner: handler, fault: self.0 };
        let (service, handle) = opening.service(Arc::new(Inline), handler)?;
        match self.0 {
            LeaksADescriptorAServer => mem::forget(File::open("/dev/null")),
            LeaksAThreadAServer => drop(thread::spawn(thread::park)),
            _ => {}
        }
        for (number, listener) in mem::take(&mut opening.listeners).into_iter().enumerate() {
            let (place, socket) = listener.into_parts();
            if self.0 == SkipsEverySecondListener && number % 2 == 1 {
                let going = handle.going();
                tokio::spawn(async move {
                    going.await;
                    drop((place, socket));
                });
                continue;
            }
            if let (KeepsListening, ListeningSocket::Tcp(socket)) = (self.0, &socket) {
                mem::forget(socket.try_clone()?);
            }
            let listener = FaultyListener::new(place, socket, self.0)?;
            tokio::spawn(accept(listener, Arc::clone(&service), handle.clone(), move |driver| {
                drop(match self.0 {
                    NeverWakesForADeadline => tokio::spawn(Deaf(driver)),
                    ForgetsDriversThatSawAPanic => tokio::spawn(Forgetful(Some(driver))),
                    _ => tokio::spawn(driver),
                });
            }));
        }
        Ok(handle)
    }
}

thread_local! {
    /// A handler panicked in the poll that runs.
    static PANICKED: Cell<bool> = const { Cell::new(false) };
}

struct FaultyHandler<H> {
    inner: H,
    fault: Fault,
}

impl<H: Handler> Handler for FaultyHandler<H> {
    type Future = FaultyFuture<H::Future>;

    fn call(&self, request: Request) -> Self::Future {
        FaultyFuture { inner: Some(Box::pin(self.inner.call(request))), fault: self.fault }
    }
}

struct FaultyFuture<F> {
    inner: Option<Pin<Box<F>>>,
    fault: Fault,
}

impl<F: Future> Future for FaultyFuture<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let Some(inner) = self.inner.as_mut() else { return Poll::Pending };
        let polled = panic::catch_unwind(AssertUnwindSafe(|| inner.as_mut().poll(cx)));
        let output = ready!(polled.unwrap_or_else(|payload| {
            PANICKED.set(true);
            panic::resume_unwind(payload)
        }));
        self.inner = None;
        Poll::Ready(output)
    }
}

impl<F> Drop for FaultyFuture<F> {
    fn drop(&mut self) {
        if self.fault == LeaksLostHandlers {
            mem::forget(self.inner.take());
        }
    }
}

/// A connection that is not polled any more when its handler has panicked.
struct Forgetful<F>(Option<F>);

impl<F: Future + Unpin> Future for Forgetful<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let Some(driver) = &mut self.0 else { return Poll::Pending };
        PANICKED.set(false);
        let polled = Pin::new(driver).poll(cx);
        if PANICKED.replace(false) {
            mem::forget(self.0.take());
            return Poll::Pending;
        }
        polled
    }
}

struct FaultyListener {
    _place: Place,
    socket: Listens,
    fault: Fault,
}

enum Listens {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl FaultyListener {
    fn new(place: Place, socket: ListeningSocket, fault: Fault) -> io::Result<Self> {
        let socket = match socket {
            ListeningSocket::Tcp(socket) => Listens::Tcp(TcpListener::from_std(socket)?),
            ListeningSocket::Unix(socket) => Listens::Unix(UnixListener::from_std(socket)?),
        };
        Ok(Self { _place: place, socket, fault })
    }
}

impl Accept for FaultyListener {
    type Wire = FaultyWire;

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Accepted<FaultyWire>>> {
        let (stream, mut peername, mut sockname, ahead) = match &self.socket {
            Listens::Tcp(socket) => {
                let (stream, peername) = ready!(socket.poll_accept(cx))?;
                let ahead = match self.fault {
                    ReadsAheadWithoutBound => Some(read_ahead(&stream)?),
                    _ => None,
                };
                let sockname = Peer::Ip(stream.local_addr()?);
                (Stream::from(stream), Peer::Ip(peername), sockname, ahead)
            }
            Listens::Unix(socket) => {
                let (stream, _) = ready!(socket.poll_accept(cx))?;
                (stream.into(), unix_peer(None), unix_peer(None), None)
            }
        };
        if self.fault == SwapsTheNames {
            mem::swap(&mut peername, &mut sockname);
        }
        if self.fault == LeaksDescriptors {
            mem::forget(File::open("/dev/null"));
        }
        let pauses = Default::default();
        let wire =
            FaultyWire { stream, fault: self.fault, ahead, date: None, pauses, runtime: Handle::current() };
        Poll::Ready(Ok((wire, peername, sockname)))
    }
}

/// What comes on the connection, from a buffer that has no bound.
fn read_ahead(stream: &TcpStream) -> io::Result<MemoryWire> {
    let (near, mut far) = pair(usize::MAX);
    let stream = TcpStream::from_std(SockRef::from(stream).try_clone()?.into())?;
    tokio::spawn(async move {
        let mut buffer = vec![0; 64 << 10];
        while stream.readable().await.is_ok() {
            match stream.try_read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => {
                    if poll_fn(|cx| far.poll_write(cx, &buffer[..read])).await.is_err() {
                        break;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => break,
            }
        }
    });
    Ok(near)
}

struct FaultyWire {
    stream: Stream,
    fault: Fault,
    /// From where it reads.
    ahead: Option<MemoryWire>,
    /// What it has said of the time.
    date: Option<Vec<u8>>,
    /// Before the next read, and before the next write.
    pauses: [Option<Pin<Box<Sleep>>>; 2],
    runtime: Handle,
}

impl FaultyWire {
    /// Resolves at once, unless all is slow.
    fn poll_pause(&mut self, of: usize, cx: &mut Context<'_>) -> Poll<()> {
        if self.fault == IsSlow {
            // Upgraded connections are polled on threads of the kit.
            let _inside = self.runtime.enter();
            let pause = self.pauses[of].get_or_insert_with(|| Box::pin(sleep(Duration::from_millis(250))));
            ready!(pause.as_mut().poll(cx));
            self.pauses[of] = None;
        }
        Poll::Ready(())
    }
}

impl Wire for FaultyWire {
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_pause(0, cx));
        if let Some(ahead) = &mut self.ahead {
            return ahead.poll_read(cx, buffer);
        }
        let read = self.stream.poll_read(cx, buffer);
        match (self.fault, &read) {
            (Spins, Poll::Pending) => cx.waker().wake_by_ref(),
            (LosesTheEndOfInput, Poll::Ready(Ok(0))) => return Poll::Pending,
            (LosesTheEndOfUnixInput, Poll::Ready(Ok(0))) if matches!(self.stream, Stream::Unix(_)) => {
                return Poll::Pending;
            }
            (LosesAResetInsideARequest, Poll::Ready(Err(_))) => return Poll::Pending,
            (LosesAByteOfLargeReads, Poll::Ready(Ok(bytes @ 10_000..))) => {
                return Poll::Ready(Ok(bytes - 1));
            }
            _ => {}
        }
        read
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_pause(1, cx));
        let all = slices.iter().map(|slice| slice.len()).sum::<usize>();
        let written = ready!(match (self.fault, slices) {
            (DropsTheLastSliceOfAWrite, [most @ .., last]) if !most.is_empty() => {
                self.stream.poll_write_vectored(cx, most).map_ok(|written| written + last.len())
            }
            (KeepsItsFirstDate, _) => {
                let mut all: Vec<u8> = slices.iter().flat_map(|slice| slice.iter().copied()).collect();
                if let Some(at) = all.windows(8).position(|window| window == b"\r\nDate: ") {
                    let date = &mut all[at + 8..at + 37];
                    date.copy_from_slice(self.date.get_or_insert_with(|| date.to_vec()));
                }
                self.stream.poll_write(cx, &all)
            }
            (NeverWritesAfterAFullSocket, _) => {
                self.stream.poll_write_vectored(&mut Context::from_waker(Waker::noop()), slices)
            }
            _ => self.stream.poll_write_vectored(cx, slices),
        })?;
        let partial = written < all && self.fault == SendsTheRestOfAWriteAgain;
        Poll::Ready(Ok(if partial { written.saturating_sub(1).max(1) } else { written }))
    }

    fn poll_close_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream.poll_close_write(cx)
    }

    fn reset(&mut self) {
        if self.fault != EndsWhereItShouldReset {
            self.stream.reset();
        }
    }
}

/// A connection that is not woken by the server's timer.
struct Deaf<F>(F);

impl<F: Future + Unpin> Future for Deaf<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let waker = Waker::from(Arc::new(NotForTime(cx.waker().clone())));
        Pin::new(&mut self.0).poll(&mut Context::from_waker(&waker))
    }
}

struct NotForTime(Waker);

impl Wake for NotForTime {
    fn wake(self: Arc<Self>) {
        if thread::current().name() != Some("httpfsm-wake") {
            self.0.wake_by_ref();
        }
    }
}
