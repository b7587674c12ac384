//! Streamed responses, pulled: each frame is a job of its own, so neither a slow source nor a slow reader holds a
//! worker.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use httpfsm::handler::{Body, Frame, Source};

use crate::task::{TaskWork, WorkerTask};
use crate::workers::Workers;

/// The source of a response, polled by workers. When this is dropped, a worker drops the source.
pub(crate) struct Pulled {
    task: Arc<WorkerTask<Pull>>,
    length: Option<u64>,
    over: bool,
}

impl Pulled {
    pub(crate) fn new(body: Body, workers: Arc<Workers>) -> Self {
        Self { length: body.length(), task: WorkerTask::new(Pull(body), workers), over: false }
    }
}

impl Source for Pulled {
    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Frame> {
        let frame = self.task.poll(cx);
        if let Poll::Ready(frame) = &frame {
            self.over = frame.is_last();
            if let (Frame::Data(bytes), Some(length)) = (frame, &mut self.length) {
                *length = length.saturating_sub(bytes.len() as u64);
            }
        }
        frame
    }

    fn length(&self) -> Option<u64> {
        self.length
    }
}

impl Drop for Pulled {
    fn drop(&mut self) {
        if !self.over {
            self.task.cancel();
        }
    }
}

/// A body. Its source is dropped behind the last frame, when that can be seen.
struct Pull(Body);

impl TaskWork for Pull {
    type Output = Frame;

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Frame> {
        match &mut self.0 {
            Body::Stream(source) => source.as_mut().poll_frame(cx),
            body => body.poll_frame(cx),
        }
    }

    fn is_last(frame: &Frame) -> bool {
        frame.is_last()
    }
}
