//! Every kind of fault is caught: transports that are tokio's but for one.
#![allow(clippy::unwrap_used)]

use std::fs::File;
use std::future::Future;
use std::io::{self, IoSlice};
use std::mem;
use std::net::TcpListener as StdListener;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker, ready};
use std::thread;
use std::time::Duration;

use httpfsm::handler::Handler;
use httpfsm::peer::Peer;
use httpfsm_tokio::{BlockingPool, ServerHandle, Stream};
use httpfsm_transport::{Accept, Accepted, Inline, ListeningSocket, Opening, Transport, Wire, accept};
use httpfsm_transport_kit::{Application, Kit, Plan};
use tokio::net::TcpListener;
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
    LosesAnOctetOfLargeReads,
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
    let report = check(Nothing, &some, Duration::from_secs(30));
    assert_eq!(report, [""; 0]);
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
    assert_eq!(check(IsSlow, &some, Duration::from_secs(30)), [""; 0]);
}

#[test]
fn the_end_of_input_that_is_lost() {
    catches(LosesTheEndOfInput, "half-close");
}

#[test]
fn a_write_that_drops_its_last_slice() {
    catches(DropsTheLastSliceOfAWrite, "output");
}

#[test]
fn a_write_that_is_repeated_in_part() {
    // It takes its time without a fault, too.
    let broken = check(SendsTheRestOfAWriteAgain, &["partial writes"], Duration::from_secs(30));
    assert_eq!(broken, ["partial writes"]);
}

#[test]
fn an_octet_that_large_reads_lose() {
    catches(LosesAnOctetOfLargeReads, "uploads");
}

#[test]
fn a_deadline_that_wakes_nobody() {
    // Some of these take two seconds without a fault, too.
    assert_eq!(check(NeverWakesForADeadline, &["deadlines"], Duration::from_secs(5)), ["deadlines"]);
    catches(NeverWakesForADeadline, "many deadlines");
    catches(NeverWakesForADeadline, "drained to the end");
}

#[test]
fn an_end_in_place_of_a_reset() {
    catches(EndsWhereItShouldReset, "failing applications");
}

#[test]
fn names_that_are_swapped() {
    catches(SwapsTheNames, "names");
}

#[test]
fn a_loop_that_spins() {
    catches(Spins, "rest");
}

#[test]
fn descriptors_that_leak() {
    catches(LeaksDescriptors, "nothing left");
    catches(LeaksADescriptorAServer, "nothing left");
}

#[test]
fn threads_that_leak() {
    catches(LeaksAThreadAServer, "nothing left");
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
fn a_listener_that_stays_open() {
    catches(KeepsListening, "drained to the end");
}

#[test]
fn a_reset_that_nobody_hears() {
    catches(LosesAResetInsideARequest, "disconnects");
}

#[test]
fn a_full_socket_that_is_not_written_to_again() {
    catches(NeverWritesAfterAFullSocket, "output backpressure");
}

fn catches(fault: Fault, obligation: &'static str) {
    assert_eq!(check(fault, &[obligation], Duration::from_millis(500)), [obligation], "{fault:?}");
}

/// The obligations that are not kept, of some.
fn check(fault: Fault, some: &[&'static str], patience: Duration) -> Vec<&'static str> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let kit = Kit::default().patience(patience).only(some).unwrap();
    let report = kit.check(&|plan: Plan, application: Application| {
        let _inside = runtime.enter();
        plan.on(Faulty(fault)).serve(application.blocking(BlockingPool))
    });
    if fault == Nothing || fault == IsSlow {
        report.assert();
    }
    runtime.shutdown_background();
    report.broken()
}

/// tokio with a fault.
struct Faulty(Fault);

impl Transport for Faulty {
    fn start<H: Handler>(self, mut opening: Opening, handler: H) -> io::Result<ServerHandle> {
        let (service, handle) = opening.service(Arc::new(Inline), handler)?;
        match self.0 {
            LeaksADescriptorAServer => mem::forget(File::open("/dev/null")),
            LeaksAThreadAServer => drop(thread::spawn(thread::park)),
            _ => {}
        }
        for listener in mem::take(&mut opening.listeners) {
            let (_, ListeningSocket::Tcp(socket)) = listener.into_parts() else { continue };
            if self.0 == KeepsListening {
                mem::forget(socket.try_clone()?);
            }
            let listener = FaultyListener::new(socket, self.0)?;
            tokio::spawn(accept(listener, Arc::clone(&service), handle.clone(), move |driver| {
                if self.0 == NeverWakesForADeadline {
                    tokio::spawn(Deaf(driver));
                } else {
                    tokio::spawn(driver);
                }
            }));
        }
        Ok(handle)
    }
}

struct FaultyListener(TcpListener, Fault);

impl FaultyListener {
    fn new(socket: StdListener, fault: Fault) -> io::Result<Self> {
        Ok(Self(TcpListener::from_std(socket)?, fault))
    }
}

impl Accept for FaultyListener {
    type Wire = FaultyWire;

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Accepted<FaultyWire>>> {
        let (stream, peername) = ready!(self.0.poll_accept(cx))?;
        let (mut peername, mut sockname) = (Peer::Ip(peername), Peer::Ip(stream.local_addr()?));
        if self.1 == SwapsTheNames {
            mem::swap(&mut peername, &mut sockname);
        }
        if self.1 == LeaksDescriptors {
            mem::forget(File::open("/dev/null"));
        }
        let wire = FaultyWire {
            stream: stream.into(),
            fault: self.1,
            pauses: Default::default(),
            runtime: Handle::current(),
        };
        Poll::Ready(Ok((wire, peername, sockname)))
    }
}

struct FaultyWire {
    stream: Stream,
    fault: Fault,
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
            let pause = self.pauses[of].get_or_insert_with(|| Box::pin(sleep(Duration::from_millis(300))));
            ready!(pause.as_mut().poll(cx));
            self.pauses[of] = None;
        }
        Poll::Ready(())
    }
}

impl Wire for FaultyWire {
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_pause(0, cx));
        let read = self.stream.poll_read(cx, buffer);
        match (self.fault, &read) {
            (Spins, Poll::Pending) => cx.waker().wake_by_ref(),
            (LosesTheEndOfInput, Poll::Ready(Ok(0))) => return Poll::Pending,
            (LosesAResetInsideARequest, Poll::Ready(Err(_))) => return Poll::Pending,
            (LosesAnOctetOfLargeReads, Poll::Ready(Ok(octets @ 10_000..))) => {
                return Poll::Ready(Ok(octets - 1));
            }
            _ => {}
        }
        read
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(octets)])
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
