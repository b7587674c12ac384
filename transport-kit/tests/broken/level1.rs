//! Each check of level 1 finds its fault: connections that are tokio's but for one.

use std::future::Future;
use std::io;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use httpfsm::channel::{Facts, NotAccepted};
use httpfsm::response::ResponseRef;
use httpfsm::{Channel, Fields, Status};
use httpfsm_tokio::{Alarm, Stream};
use httpfsm_transport::{Connection, Event, Timer};
use httpfsm_transport_kit::{Kit, Level1};
use tokio::net::TcpStream;
use tokio::runtime::Builder;

use crate::fault::Fault::{self, *};
use crate::transport::FaultyWire;

/// What is wrong with a connection.
fn check(fault: Fault, patience: Duration) -> Result<(), String> {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    Kit::default().patience(patience).level1_over_tcp(
        |socket, config| {
            socket.set_nonblocking(true)?;
            let wire = FaultyWire::new(Stream::from(TcpStream::from_std(socket)?), None, fault);
            let timer = FaultyTimer { alarm: Alarm::default(), first: None, fault };
            Ok(Faulty { inner: Connection::new(wire, timer, config, Facts::default()), fault })
        },
        |check| runtime.block_on(check),
    )
}

/// Whatever else is found for want of patience, these checks find the fault.
fn catches(fault: Fault, checks: &[&str]) {
    let wrong = check(fault, Duration::from_secs(1)).expect_err("a fault");
    for name in checks {
        assert!(wrong.lines().any(|line| line.starts_with(name)), "{fault:?}: {wrong}");
    }
}

#[test]
fn none_where_there_is_no_fault() {
    assert_eq!(check(Nothing, Duration::from_secs(30)), Ok(()));
}

#[test]
fn bytes_that_are_lost() {
    catches(LosesAByteOfLargeReads, &["an echo loses nothing"]);
    catches(LosesTheEventOfADroppedFuture, &["an echo loses nothing"]);
    catches(LosesAFrameThatWaited, &["a peer that does not read ends a write"]);
}

#[test]
fn deadlines_that_do_not_come() {
    catches(NeverWakesForADeadline, &["a deadline comes", "a peer that does not read ends a write"]);
    catches(KeepsItsFirstDeadline, &["an earlier deadline replaces"]);
}

#[test]
fn a_reset_that_nobody_hears() {
    catches(LosesAResetInsideARequest, &["a lost connection is an event"]);
}

#[test]
fn bytes_behind_an_upgrade_that_are_lost() {
    catches(LosesWhatCameAhead, &["an upgraded connection is taken apart"]);
}

#[test]
fn a_flush_that_waits_for_nothing() {
    catches(FlushesNothing, &["what is lost was not flushed"]);
}

#[test]
fn an_interim_response_that_is_lost() {
    catches(LosesInterimResponses, &["interim responses leave"]);
}

#[test]
fn a_second_response_that_is_lost() {
    catches(HidesARefusedResponse, &["a second response to one request"]);
}

#[test]
fn a_connection_that_does_not_go() {
    catches(StaysInService, &["a connection that is told to go closes"]);
}

struct FaultyTimer {
    alarm: Alarm,
    first: Option<Instant>,
    fault: Fault,
}

impl Timer for FaultyTimer {
    fn poll_until(&mut self, cx: &mut Context<'_>, at: Instant) -> Poll<()> {
        match self.fault {
            NeverWakesForADeadline => Poll::Pending,
            KeepsItsFirstDeadline => {
                let first = *self.first.get_or_insert(at);
                self.alarm.poll_until(cx, first)
            }
            _ => self.alarm.poll_until(cx, at),
        }
    }
}

struct Faulty {
    inner: Connection<FaultyWire, FaultyTimer>,
    fault: Fault,
}

impl Level1 for Faulty {
    async fn next_event(&mut self) -> Option<Event> {
        let event = self.inner.next_event().await;
        if self.fault == LosesTheEventOfADroppedFuture {
            tokio::task::yield_now().await;
        }
        match event {
            Some(Event::Upgraded(_)) if self.fault == LosesWhatCameAhead => {
                Some(Event::Upgraded(Bytes::new()))
            }
            event => event,
        }
    }

    fn demand(&mut self, bytes: u64) -> Result<(), NotAccepted> {
        self.inner.demand(bytes)
    }

    fn respond(&mut self, response: ResponseRef<'_>) -> Result<(), NotAccepted> {
        let accepted = self.inner.respond(response);
        if self.fault == HidesARefusedResponse { Ok(()) } else { accepted }
    }

    fn informational(&mut self, status: Status, fields: &Fields) -> Result<(), NotAccepted> {
        if self.fault == LosesInterimResponses { Ok(()) } else { self.inner.informational(status, fields) }
    }

    fn send_continue(&mut self) -> Result<(), NotAccepted> {
        self.inner.send_continue()
    }

    async fn write(&mut self, bytes: Bytes) -> Result<(), NotAccepted> {
        if self.fault == LosesAFrameThatWaited {
            let mut write = std::pin::pin!(self.inner.write(bytes));
            // What waits for room is taken for written.
            return std::future::poll_fn(|cx| match write.as_mut().poll(cx) {
                Poll::Pending => Poll::Ready(Ok(())),
                ready => ready,
            })
            .await;
        }
        self.inner.write(bytes).await
    }

    async fn flush(&mut self) -> Result<(), NotAccepted> {
        if self.fault == FlushesNothing { Ok(()) } else { self.inner.flush().await }
    }

    async fn finish(&mut self, trailers: Option<&Fields>) -> Result<(), NotAccepted> {
        self.inner.finish(trailers).await
    }

    fn abort(&mut self, text: Option<&str>) -> Result<(), NotAccepted> {
        self.inner.abort(text)
    }

    fn go_out(&mut self) -> Result<(), NotAccepted> {
        if self.fault == StaysInService { Ok(()) } else { self.inner.go_out() }
    }

    fn channel(&self) -> &Channel {
        self.inner.channel()
    }

    async fn echo_on_socket(self, bytes: usize) -> io::Result<()> {
        self.inner.echo_on_socket(bytes).await
    }
}
