//! The bodies of its streamed responses.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use httpfsm::fields::Fields;
use httpfsm::handler::{Body, BodyFailure, Frame, Source};

use super::panic_quietly;
use crate::record::{PartLog, Record};
use crate::sum::{Sum, pattern};

/// What a streamed response does after its bytes.
#[derive(Clone, Copy)]
pub(super) enum FramesEnd {
    Trailers,
    Plain,
    Error,
    Panic,
    Never,
}

/// A streamed response.
pub(super) struct Frames {
    pub(super) record: Record,
    pub(super) log: Option<PartLog>,
    pub(super) sent: usize,
    pub(super) sum: Sum,
    pub(super) bytes: usize,
    pub(super) frame: usize,
    /// The length that it gives, whatever it sends.
    pub(super) says: Option<u64>,
    /// Waits for the script after so many bytes.
    pub(super) gate: Option<usize>,
    /// Flushes after each frame.
    pub(super) flushes: bool,
    pub(super) flushed: bool,
    pub(super) ends: FramesEnd,
}

impl Frames {
    fn end(&mut self, text: &str) {
        if let Some(log) = self.log.take() {
            log.end(format_args!("{text} after {}", self.sum));
        }
    }
}

impl Source for Frames {
    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Frame> {
        let this = self.get_mut();
        if this.gate.is_some_and(|after| this.sent >= after) {
            ready!(this.record.poll_gate("source", cx.waker()));
        }
        if !std::mem::replace(&mut this.flushed, true) {
            return Poll::Ready(Frame::Flush);
        }
        let length = this.frame.min(this.bytes.saturating_sub(this.sent));
        if length > 0 {
            let bytes = pattern(this.sent, length);
            this.sent += length;
            this.sum.add(&bytes);
            this.flushed = !this.flushes;
            return Poll::Ready(Frame::Data(bytes.into()));
        }
        Poll::Ready(match this.ends {
            FramesEnd::Never => return Poll::Pending,
            FramesEnd::Panic => {
                this.end("panics");
                panic_quietly()
            }
            FramesEnd::Error => {
                this.end("fails");
                Frame::Error(BodyFailure::source("as asked"))
            }
            FramesEnd::Plain => {
                this.end("ends");
                Frame::End
            }
            FramesEnd::Trailers => {
                this.end("ends with trailers");
                let trailers = Fields::new().with("X-Sum", this.sum.to_string());
                Frame::Trailers(trailers.unwrap_or_default())
            }
        })
    }

    fn length(&self) -> Option<u64> {
        self.says
    }
}

/// A response that begins at once, and ends with the sum of the request body.
pub(super) struct Duplex {
    pub(super) body: Body,
    pub(super) sum: Sum,
    pub(super) begun: bool,
    pub(super) log: Option<PartLog>,
}

impl Source for Duplex {
    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Frame> {
        if !std::mem::replace(&mut self.begun, true) {
            return Poll::Ready(Frame::Data(Bytes::from_static(b"begin ")));
        }
        let Self { body, sum, log, .. } = &mut *self;
        loop {
            let Some(reader) = log else { return Poll::Ready(Frame::End) };
            let end = match ready!(reader.poll_data(body, cx)) {
                Some(Ok(bytes)) => {
                    sum.add(&bytes);
                    continue;
                }
                Some(Err(failure)) => failure.to_string(),
                None => "end".to_owned(),
            };
            let Some(log) = log.take() else { return Poll::Ready(Frame::End) };
            log.end(format_args!("duplex: {end}"));
            return Poll::Ready(Frame::Data(format!("{sum} {end}").into()));
        }
    }
}
