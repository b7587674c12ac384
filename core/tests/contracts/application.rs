//! The model application: a script for each request, which is a list of steps. What it sends never depends on when it is
//! asked.

use std::collections::VecDeque;

use bytes::Bytes;
use httpfsm::Status;
use proptest::prelude::*;

use super::messages::pattern;

/// What the application does with a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Script {
    /// Reads the body and responds with it.
    Echo,
    /// The same, in pieces, and asks for the 100 by itself.
    EchoStreamed,
    /// Responds at once, then passes each byte of the body on as it comes.
    Relay,
    /// Responds at the head.
    Early,
    /// Responds at the head, through [`Channel::respond_with`].
    EarlyRespondWith,
    /// Reads a few bytes, then responds.
    ReadSome(u8),
    /// Responds in pieces: chunked, or until the end of the connection in HTTP/1.0.
    Pieces(u8),
    /// Responds in pieces of a known length.
    Length(u8),
    /// The same, and flushes after each piece.
    Flushed(u8),
    /// Responds in pieces, with trailer fields.
    Trailers,
    /// Responds with content that goes out by reference.
    Large,
    /// The same, with pieces before and behind it.
    LargePiece,
    /// Sends an interim head first.
    Informational,
    /// Responds with more than it announced.
    Excess,
    /// Responds with less than it announced.
    Short,
    /// Fails before its response.
    Fail,
    /// Fails inside its response.
    FailLate,
    /// The transport says that the server is busy.
    Busy,
    /// Takes the connection over, if the request offers that.
    Upgrade,
    /// Responds and asks for the end of the connection.
    Close,
    NoContent,
    NotModified,
}

pub(crate) fn script() -> impl Strategy<Value = Script> {
    use Script::*;
    prop_oneof![
        4 => Just(Echo),
        2 => Just(EchoStreamed),
        2 => Just(Relay),
        2 => Just(Early),
        1 => Just(EarlyRespondWith),
        1 => (0u8..20).prop_map(ReadSome),
        2 => (0u8..6).prop_map(Pieces),
        2 => (0u8..6).prop_map(Length),
        1 => (0u8..6).prop_map(Flushed),
        1 => Just(Trailers),
        1 => Just(Large),
        1 => Just(LargePiece),
        1 => Just(Informational),
        1 => Just(Excess),
        1 => Just(Short),
        1 => Just(Fail),
        1 => Just(FailLate),
        2 => Just(Busy),
        2 => Just(Upgrade),
        1 => Just(Close),
        1 => Just(NoContent),
        1 => Just(NotModified),
    ]
}

pub(crate) fn scripts() -> impl Strategy<Value = Vec<Script>> {
    prop::collection::vec(script(), 1..6)
}

/// One thing that the application does.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// Reads until this many bytes have come, or the end.
    Read(u64),
    Continue,
    Informational,
    Respond {
        status: Status,
        content: Content,
        close: bool,
    },
    RespondWith,
    Begin {
        length: Option<u64>,
    },
    Write(Vec<u8>),
    WriteReference(Bytes),
    /// Reads on, and writes what has been read.
    Relay,
    Flush,
    Finish {
        trailers: bool,
    },
    Abort,
    Busy,
}

#[derive(Clone, Debug)]
pub(crate) enum Content {
    Nothing,
    Text(&'static [u8]),
    /// The body, as far as it was read.
    Echo,
    Reference(Bytes),
}

/// A request that the application works on.
#[derive(Debug)]
pub(crate) struct Task {
    pub(crate) number: usize,
    pub(crate) steps: VecDeque<Step>,
    pub(crate) body: Vec<u8>,
    pub(crate) relayed: usize,
    pub(crate) demanded: u64,
    pub(crate) over: bool,
}

pub(crate) enum StepKind {
    Content,
    Other,
}

pub(crate) fn step_kind(task: &Task) -> StepKind {
    match task.steps.front() {
        Some(Step::Write(_) | Step::WriteReference(_) | Step::Relay | Step::Flush | Step::Finish { .. }) => {
            StepKind::Content
        }
        _ => StepKind::Other,
    }
}

pub(crate) fn plan(
    script: Script,
    length: Option<u64>,
    upgrades: bool,
    connects: bool,
    plain: bool,
) -> Vec<Step> {
    let all = Step::Read(u64::MAX);
    let respond = |status, content| Step::Respond { status, content, close: false };
    let text = respond(Status::OK, Content::Text(b"a response"));
    let piece = |n: u8| Step::Write(pattern(usize::from(n) * 90 + 1, n));
    let end = Step::Finish { trailers: false };
    let mut steps = Vec::new();
    // A CONNECT that is granted has no content.
    if connects && !matches!(script, Script::Fail | Script::Busy | Script::Close) {
        return vec![respond(Status::OK, Content::Nothing)];
    }
    match script {
        Script::Echo => steps.extend([all, respond(Status::OK, Content::Echo)]),
        Script::EchoStreamed => {
            steps.extend([Step::Continue, all, Step::Begin { length: None }, Step::Relay, end])
        }
        // How chunks are cut would show the cuts of the input.
        Script::Relay if length.is_some_and(|length| length > 0) || plain => {
            steps.extend([Step::Begin { length }, Step::Relay, end]);
        }
        Script::Relay | Script::Early => steps.push(text),
        Script::EarlyRespondWith => steps.push(Step::RespondWith),
        Script::ReadSome(n) => steps.extend([Step::Read(u64::from(n)), text]),
        Script::Pieces(n) => {
            steps.push(Step::Begin { length: None });
            steps.extend((0..n).map(piece));
            steps.push(end);
        }
        Script::Length(n) | Script::Flushed(n) => {
            let length = (0..u64::from(n)).map(|n| n * 90 + 1).sum();
            steps.push(Step::Begin { length: Some(length) });
            for n in 0..n {
                steps.push(piece(n));
                if matches!(script, Script::Flushed(_)) {
                    steps.push(Step::Flush);
                }
            }
            steps.push(end);
        }
        Script::Trailers => {
            steps.extend([Step::Begin { length: None }, piece(1), Step::Finish { trailers: true }]);
        }
        Script::Large => {
            let large = Bytes::from(pattern(20_000, 3));
            steps.extend([all, respond(Status::OK, Content::Reference(large))]);
        }
        Script::LargePiece => {
            let large = Bytes::from(pattern(20_000, 4));
            steps.extend([
                Step::Begin { length: None },
                piece(1),
                Step::WriteReference(large),
                piece(2),
                end,
            ]);
        }
        Script::Informational => steps.extend([Step::Informational, all, respond(Status::OK, Content::Echo)]),
        Script::Excess => steps.extend([Step::Begin { length: Some(3) }, piece(1), piece(2), end]),
        Script::Short => steps.extend([all, Step::Begin { length: Some(1000) }, piece(1), end]),
        Script::Fail => steps.push(Step::Abort),
        Script::FailLate => steps.extend([Step::Begin { length: None }, piece(1), Step::Abort]),
        Script::Busy => steps.push(Step::Busy),
        Script::Upgrade if upgrades => steps.push(respond(Status::SWITCHING_PROTOCOLS, Content::Nothing)),
        Script::Upgrade => steps.extend([all, text]),
        Script::Close => {
            steps.push(Step::Respond {
                status: Status::OK,
                content: Content::Text(b"the last"),
                close: true,
            });
        }
        Script::NoContent => steps.push(respond(Status::NO_CONTENT, Content::Nothing)),
        Script::NotModified => steps.push(respond(Status::NOT_MODIFIED, Content::Nothing)),
    }
    steps
}
