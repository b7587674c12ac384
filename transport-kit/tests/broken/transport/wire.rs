//! A connection with a fault.

use std::fs::File;
use std::future::Future;
use std::io::{self, IoSlice};
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use httpfsm_tokio::Stream;
use httpfsm_transport::Wire;
use httpfsm_transport::memory::MemoryWire;
use tokio::runtime::Handle;
use tokio::time::{Sleep, sleep};

use crate::fault::Fault::{self, *};

pub(crate) struct FaultyWire {
    stream: Stream,
    fault: Fault,
    /// From where it reads.
    ahead: Option<MemoryWire>,
    /// What it has read and keeps.
    kept: Vec<u8>,
    /// What it has said of the time.
    date: Option<Vec<u8>>,
    /// Before the next read, and before the next write.
    pauses: [Option<Pin<Box<Sleep>>>; 2],
    runtime: Handle,
    /// The peer has ended the connection.
    ended: bool,
}

impl FaultyWire {
    /// A connection of this runtime; `ahead` is what it reads from instead, if it is there.
    pub(crate) fn new(stream: Stream, ahead: Option<MemoryWire>, fault: Fault) -> Self {
        Self {
            stream,
            fault,
            ahead,
            kept: Vec::new(),
            date: None,
            pauses: Default::default(),
            runtime: Handle::current(),
            ended: false,
        }
    }

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

    fn poll_read_whole(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        while !self.kept.ends_with(b"\r\n\r\n") {
            let read = ready!(self.stream.poll_read(cx, buffer))?;
            if read == 0 {
                break;
            }
            self.kept.extend_from_slice(&buffer[..read]);
        }
        let read = self.kept.len().min(buffer.len());
        buffer[..read].copy_from_slice(&self.kept[..read]);
        self.kept.drain(..read);
        Poll::Ready(Ok(read))
    }
}

impl Wire for FaultyWire {
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_pause(0, cx));
        if let Some(ahead) = &mut self.ahead {
            return ahead.poll_read(cx, buffer);
        }
        let read = match self.fault {
            KeepsHeadsUntilTheirEnds => self.poll_read_whole(cx, buffer),
            _ => self.stream.poll_read(cx, buffer),
        };
        self.ended |= matches!(read, Poll::Ready(Ok(0) | Err(_)));
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

impl Drop for FaultyWire {
    fn drop(&mut self) {
        if self.fault == LeaksDescriptorsOfOpenConnections && !self.ended {
            mem::forget(File::open("/dev/null"));
        }
    }
}
