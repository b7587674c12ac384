//! What handlers report, and what they are told of memory and of the body that nobody wants.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use httpfsm::handler::{
    Body, BodyFailure, CollectError, Failure, Frame, IntoResponse, MemoryHandle, MemoryLedger, MemoryUse,
    NoRoom, Response, Subscriber, Waiter,
};
use httpfsm::{BodyError, Fields, ServerConfig, Status};

fn ready<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("it waits"),
    }
}

#[test]
fn what_is_promised_and_what_is_on_disk_is_no_memory() {
    let mut memory = MemoryUse::default();
    (memory.input, memory.output, memory.bodies, memory.pieces) = (2, 30, 500, 7000);
    (memory.promised, memory.spooled) = (80_000, 90_000);
    assert_eq!(memory.total(), 7532);
}

/// Has room for so many bytes.
struct Room(AtomicUsize);

impl MemoryLedger for Room {
    fn poll_reserve(&self, _: &mut Waiter, bytes: usize, _: &mut Context<'_>) -> Poll<Result<usize, NoRoom>> {
        Poll::Ready(if self.try_reserve(bytes) { Ok(bytes) } else { Err(NoRoom) })
    }

    fn room(&self) -> u64 {
        3
    }

    fn try_reserve(&self, bytes: usize) -> bool {
        let taken = self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |room| room.checked_sub(bytes));
        taken.is_ok()
    }

    fn reserve_now(&self, bytes: usize) -> usize {
        bytes
    }

    fn give_back(&self, bytes: usize) {
        self.0.fetch_add(bytes, Ordering::SeqCst);
    }

    fn forget(&self, _: &mut Waiter) {}
}

#[test]
fn room_is_given_back_with_the_last_of_the_bytes_that_it_is_for() {
    let room = Arc::new(Room(AtomicUsize::new(10)));
    let left = || room.0.load(Ordering::SeqCst);
    let memory = MemoryHandle::new(Arc::clone(&room) as Arc<dyn MemoryLedger>);
    let reserved = ready(memory.reserve(7)).expect("there is room");
    assert_eq!((reserved.bytes(), left()), (7, 3));
    let none = ready(memory.reserve(4)).expect_err("there is none");
    assert!(none.to_string().contains("no room"), "{none}");
    assert!(memory.try_reserve(4).is_none());
    let piece = reserved.attach(vec![b'x'; 7]);
    let part = piece.slice(2..4);
    drop(piece);
    assert_eq!(left(), 3);
    drop(part);
    assert_eq!(left(), 10);
    assert!(ready(MemoryHandle::default().reserve(1 << 40)).is_ok(), "without a ledger there is always room");
}

#[test]
fn the_want_of_room_is_a_503_and_another_failure_of_a_source_a_500() {
    let status = |failure: BodyFailure| failure.into_response().status;
    assert_eq!(status(BodyFailure::source(NoRoom)), Status::SERVICE_UNAVAILABLE);
    assert_eq!(status(BodyFailure::source(std::io::Error::other("a disk"))), Status::INTERNAL_SERVER_ERROR);
    assert_eq!(status(BodyError::TimedOut.into()), Status::REQUEST_TIMEOUT);
}

#[cfg(feature = "multipart")]
#[test]
fn a_form_whose_body_fails_says_so_in_one_sentence() {
    for (failure, text) in [
        (BodyError::Truncated.into(), "The peer ended its input inside the request body."),
        (BodyFailure::source("the disk is gone"), "The source of the body failed: the disk is gone."),
    ] {
        let error = multer::Error::StreamReadFailed(failure.into());
        let error = httpfsm::handler::MultipartError::from(error);
        assert_eq!(error.to_string(), format!("The form cannot be read: {text}"));
    }
}

/// As `?` gives it: of the body, of what reads it, and of a reader of I/O around it.
#[test]
fn a_source_that_fails_is_reported_and_a_peer_that_does_is_not() {
    let failure = || BodyFailure::source(std::io::Error::other("the disk is gone"));
    let mut responses = vec![
        failure().into_response(),
        CollectError::Failed(failure()).into_response(),
        #[cfg(feature = "std")]
        std::io::Error::from(failure()).into_response(),
        #[cfg(feature = "json")]
        httpfsm::handler::JsonError::Body(failure().into()).into_response(),
        #[cfg(feature = "form")]
        httpfsm::handler::FormError::Body(failure().into()).into_response(),
        #[cfg(feature = "multipart")]
        httpfsm::handler::MultipartError::from(multer::Error::StreamReadFailed(failure().into()))
            .into_response(),
    ];
    for response in &mut responses {
        assert_eq!(response.status, Status::INTERNAL_SERVER_ERROR);
        assert_eq!(response.failure(), Some("The source of the body failed: the disk is gone"));
        assert_eq!(response.take_body().length(), Some(0), "the peer is not told");
    }
    for peer in [BodyFailure::source(NoRoom), BodyError::Truncated.into(), BodyError::TimedOut.into()] {
        assert_eq!(peer.into_response().failure(), None);
    }
}

/// As `?` gives it, of a handler that reserves memory itself.
#[test]
fn the_want_of_room_is_a_response_by_itself_and_within_an_error_of_io() {
    let refused = |room: Result<(), NoRoom>| room.into_response().status;
    assert_eq!(refused(Err(NoRoom)), Status::SERVICE_UNAVAILABLE);
    #[cfg(feature = "std")]
    {
        let within = std::io::Error::other(NoRoom).into_response();
        assert_eq!((within.status, within.failure()), (Status::SERVICE_UNAVAILABLE, None));
    }
}

#[test]
fn a_response_reports_its_failure_and_only_if_there_is_one() {
    let response = Response::text("later").with_status(Status::SERVICE_UNAVAILABLE);
    assert_eq!((response.has_report(), response.failure()), (false, None));
    let response = response.with_failure("The database does not respond.");
    assert_eq!((response.has_report(), response.failure()), (true, Some("The database does not respond.")));
    assert_eq!(response.status, Status::SERVICE_UNAVAILABLE);
    let faulty = Response::new(Status::OK).with_field("a b", "c").with_failure("lost");
    assert_eq!((faulty.has_report(), faulty.failure(), faulty.fault().is_some()), (true, None, true));
}

#[test]
fn a_field_whose_name_is_as_long_as_that_of_upgrade_asks_for_none() {
    for (name, is_upgrade) in [("Upgrade", true), ("Refresh", false), ("Trailer", false)] {
        let fields = Fields::new().with(name, "echo").expect("a field");
        assert_eq!(fields.upgrade(), is_upgrade, "{name}");
    }
}

#[test]
fn each_kind_of_failure_has_a_word_of_its_own() {
    let names = Failure::ALL.map(Failure::name);
    assert_eq!(names, ["accept", "handler", "response", "spool", "recording", "prologue", "layer"]);
    assert_eq!(Failure::Spool.to_string(), "spool");
}

#[test]
fn a_subscriber_hears_of_requests_unless_it_says_otherwise() {
    assert!(().hears_requests());
}

#[test]
fn a_body_that_nobody_wants_is_counted_and_its_failure_told() {
    let frames = |frames: Vec<Frame>| {
        let mut frames = frames.into_iter();
        Body::from_fn(move |_| Poll::Ready(frames.next().unwrap_or(Frame::End)))
    };
    let mut body = frames(vec![Frame::Data("abc".into()), Frame::Data("de".into())]);
    assert!(matches!(ready(body.discard()), Ok(5)));
    let mut cut = frames(vec![Frame::Data("abc".into()), Frame::Error(BodyError::Truncated.into())]);
    assert!(matches!(ready(cut.discard()), Err(BodyFailure::Request(BodyError::Truncated))));
}

#[test]
fn a_hardened_server_waits_less_long() {
    let (usual, hardened) = (ServerConfig::default(), ServerConfig::hardened());
    let seconds = |seconds| Some(Duration::from_secs(seconds));
    assert_eq!((usual.preface_timeout, hardened.preface_timeout), (seconds(10), seconds(5)));
    assert_eq!((usual.handshake_timeout, hardened.handshake_timeout), (seconds(10), seconds(5)));
    assert_eq!((usual.room_timeout, hardened.room_timeout), (seconds(10), seconds(5)));
    let ended = [&usual, &hardened].map(|config| config.channel.peer_ended_timeout);
    assert_eq!(ended, [seconds(30), seconds(10)]);
}
