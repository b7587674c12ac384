//! Bodies as handlers read them, polled by hand.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use bytes::Bytes;
use httpfsm::error::BodyError;
use httpfsm::fields::Fields;
use httpfsm::handler::{Body, BodyFailure, CollectError, Frame, GatherUntil, Source};

/// Counts how often it was woken.
#[derive(Default)]
struct WakeCount(AtomicUsize);

impl Wake for WakeCount {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// Frames put in from outside, as a transport does.
#[derive(Clone, Default)]
struct FrameQueue(Arc<Mutex<FrameQueueState>>);

#[derive(Default)]
struct FrameQueueState {
    frames: VecDeque<Frame>,
    waker: Option<Waker>,
    length: Option<u64>,
    dropped: bool,
}

impl FrameQueue {
    fn of(frames: impl IntoIterator<Item = Frame>) -> Self {
        let pipe = Self::default();
        pipe.state(|state| state.frames.extend(frames));
        pipe
    }

    fn state<T>(&self, f: impl FnOnce(&mut FrameQueueState) -> T) -> T {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn send(&self, frame: Frame) {
        let waker = self.state(|state| {
            state.frames.push_back(frame);
            state.waker.take()
        });
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn body(&self) -> Body {
        Body::stream(Reader(self.clone()))
    }
}

struct Reader(FrameQueue);

impl Source for Reader {
    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Frame> {
        self.0.state(|state| match state.frames.pop_front() {
            Some(frame) => Poll::Ready(frame),
            None => {
                state.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        })
    }

    fn length(&self) -> Option<u64> {
        self.0.state(|state| state.length)
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.0.state(|state| state.dropped = true);
    }
}

fn data(text: &'static str) -> Frame {
    Frame::Data(Bytes::from_static(text.as_bytes()))
}

fn now<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("the future is not ready"),
    }
}

fn next(body: &mut Body) -> Option<Result<Bytes, BodyFailure>> {
    now(body.next_data())
}

fn next_text(body: &mut Body) -> Option<String> {
    next(body).map(|data| String::from_utf8_lossy(&data.expect("no failure comes")).into_owned())
}

#[test]
fn a_whole_body_is_one_piece_and_then_the_end() {
    let mut body = Body::from("abc");
    assert_eq!(body.length(), Some(3));
    assert_eq!(next_text(&mut body).as_deref(), Some("abc"));
    assert_eq!(body.length(), Some(0));
    assert_eq!(next_text(&mut body), None);
    assert_eq!(next_text(&mut body), None);
}

#[test]
fn next_data_waits_for_the_waker_and_loses_nothing_when_it_is_dropped() {
    let pipe = FrameQueue::default();
    let mut body = pipe.body();
    let count = Arc::new(WakeCount::default());
    let waker = Waker::from(Arc::clone(&count));
    let mut cx = Context::from_waker(&waker);
    {
        let mut waiting = pin!(body.next_data());
        assert!(waiting.as_mut().poll(&mut cx).is_pending());
        pipe.send(data("one"));
        assert_eq!(count.0.load(Ordering::SeqCst), 1);
    }
    assert_eq!(next_text(&mut body).as_deref(), Some("one"));
}

#[test]
fn empty_pieces_and_flushes_are_not_seen_by_a_reader() {
    let mut body = FrameQueue::of([data(""), Frame::Flush, data("x"), data(""), Frame::End]).body();
    assert_eq!(next_text(&mut body).as_deref(), Some("x"));
    assert_eq!(next_text(&mut body), None);
}

#[test]
fn the_trailer_section_is_there_after_the_end_and_stays() {
    let trailers = Fields::new().with("X-Sum", "7").unwrap();
    let pipe = FrameQueue::of([data("x"), Frame::Trailers(trailers.clone())]);
    let mut body = pipe.body();
    assert_eq!(next_text(&mut body).as_deref(), Some("x"));
    assert_eq!(body.trailers(), None);
    assert_eq!(next_text(&mut body), None);
    assert_eq!(body.trailers(), Some(&trailers));
    assert!(pipe.state(|state| state.dropped));
    assert_eq!(next_text(&mut body), None);
    assert_eq!(body.trailers(), Some(&trailers));

    // Handed on as the content of a response, such a body is its trailer section and nothing else.
    let mut cx = Context::from_waker(Waker::noop());
    assert!(matches!(body.poll_frame(&mut cx), Poll::Ready(Frame::Trailers(_))));
    assert!(matches!(body.poll_frame(&mut cx), Poll::Ready(Frame::End)));
}

#[test]
fn a_source_is_dropped_at_its_last_frame_and_never_polled_again() {
    for last in [Frame::End, Frame::Error(BodyError::Truncated.into())] {
        let pipe = FrameQueue::of([last]);
        let mut body = pipe.body();
        let _ = next(&mut body);
        assert!(pipe.state(|state| state.dropped));
        assert!(next(&mut body).is_none());
    }
}

#[test]
fn a_failure_is_told_once() {
    let mut body = FrameQueue::of([data("x"), Frame::Error(BodyFailure::source("the disk is gone"))]).body();
    assert_eq!(next_text(&mut body).as_deref(), Some("x"));
    let failure = next(&mut body).unwrap().unwrap_err();
    assert_eq!(failure.to_string(), "The source of the body failed: the disk is gone");
    assert!(next(&mut body).is_none());
}

#[test]
fn collect_takes_exactly_its_limit_and_not_one_byte_more() {
    for pieces in [&["abcdef"][..], &["abc", "def"], &["a", "", "b", "cd", "ef"]] {
        let frames = || pieces.iter().map(|piece| data(piece)).chain([Frame::End]);
        let mut body = FrameQueue::of(frames()).body();
        assert_eq!(now(body.collect(6)).unwrap(), "abcdef", "{pieces:?}");
        let mut body = FrameQueue::of(frames()).body();
        let refused = now(body.collect(5));
        assert!(matches!(refused, Err(CollectError::TooLarge { limit: 5 })), "{pieces:?}: {refused:?}");
    }
    assert_eq!(now(Body::from("abc").collect(3)).unwrap(), "abc");
    assert!(now(Body::from("abc").collect(2)).is_err());
    assert_eq!(now(Body::Empty.collect(0)).unwrap(), "");
}

#[test]
fn collect_does_not_copy_a_body_of_one_piece() {
    let bytes = Bytes::from(vec![7; 100]);
    let mut body = FrameQueue::of([Frame::Data(bytes.clone()), Frame::End]).body();
    assert_eq!(now(body.collect(100)).unwrap().as_ptr(), bytes.as_ptr());
}

#[test]
fn collect_counts_what_is_still_to_come() {
    let pipe = FrameQueue::of([data("abc"), data("de"), Frame::End]);
    let mut body = pipe.body();
    pipe.state(|state| state.length = Some(5));
    assert_eq!(next_text(&mut body).as_deref(), Some("abc"));
    pipe.state(|state| state.length = Some(2));
    assert_eq!(now(body.collect(2)).unwrap(), "de");
}

#[test]
fn collect_refuses_an_announced_length_before_it_reads() {
    let pipe = FrameQueue::of([data("abc")]);
    pipe.state(|state| state.length = Some(u64::MAX));
    let refused = now(pipe.body().collect(1 << 20));
    assert!(matches!(refused, Err(CollectError::TooLarge { .. })), "{refused:?}");
    assert_eq!(pipe.state(|state| state.frames.len()), 1);
}

#[test]
fn collect_tells_the_failure_and_keeps_the_trailer_section() {
    let failed = now(FrameQueue::of([data("a"), Frame::Error(BodyError::TimedOut.into())]).body().collect(9));
    assert!(matches!(failed, Err(CollectError::Failed(BodyFailure::Request(BodyError::TimedOut)))));

    let trailers = Fields::new().with("X-Sum", "7").unwrap();
    let mut body = FrameQueue::of([data("a"), data("b"), Frame::Trailers(trailers.clone())]).body();
    assert_eq!(now(body.collect(9)).unwrap(), "ab");
    assert_eq!(body.trailers(), Some(&trailers));
}

#[test]
fn a_source_that_waits_for_no_peer_may_be_read_at_once_and_another_is_replaced_by_what_it_has_gathered() {
    let mut body = FrameQueue::of([]).body();
    now(body.gathered());
    assert!(matches!(body, Body::Stream(_)));
    for mut body in [Body::Empty, Body::from("abc")] {
        now(body.gathered());
    }

    struct Gathers(usize);
    impl Source for Gathers {
        fn poll_frame(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Frame> {
            panic!("it is read before it is whole")
        }

        fn poll_gathered(
            mut self: Pin<&mut Self>,
            until: GatherUntil,
            _cx: &mut Context<'_>,
        ) -> Poll<Option<Body>> {
            assert_eq!(until, GatherUntil::Whole);
            self.0 -= 1;
            if self.0 > 0 { Poll::Pending } else { Poll::Ready(Some(Body::from("whole"))) }
        }
    }
    let mut body = Body::stream(Gathers(2));
    let mut cx = Context::from_waker(Waker::noop());
    assert!(body.poll_gathered(GatherUntil::Whole, &mut cx).is_pending());
    assert!(body.poll_gathered(GatherUntil::Whole, &mut cx).is_ready());
    assert!(matches!(&body, Body::Full(bytes) if bytes == "whole"), "{body:?}");
}

#[test]
fn a_function_can_be_a_source() {
    let mut left = 2;
    let mut body = Body::from_fn(move |_cx| {
        left -= 1;
        Poll::Ready(if left < 0 { Frame::End } else { data("tick ") })
    });
    assert_eq!(now(body.collect(99)).unwrap(), "tick tick ");
}
