//! What a case consists of: what the peer sends, and what everybody does, one step after the other.

use std::fmt;

use proptest::prelude::*;

/// A request as the peer sends it, whole or in pieces.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum RequestKind {
    Get,
    /// Of HTTP/1.0: the connection ends with its response.
    OldGet,
    /// It asks for the end of the connection.
    LastGet,
    /// No content follows the head of its response.
    Head,
    /// A tunnel, if it is granted.
    Connect,
    Upgrade,
    /// With a body of eight bytes in four lines.
    Post,
    /// The same, and the peer expects a 100 first. It may send the body all the same.
    Expect,
    Chunked(Chunks),
    ExpectChunked(Chunks),
    /// No request.
    Bad,
    /// No request either, and up to four are skipped.
    EmptyLine,
}

/// A body in chunks, good or bad. The limits that some of them break are in [`Times::config`](super::clock::Times::config).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Chunks {
    None,
    Two,
    Trailers,
    BadSize,
    /// The chunk is longer than its size says.
    BadEnd,
    LongExtension,
    TooLarge,
    BadTrailer,
    LongTrailer,
    ManyTrailers,
}

impl Chunks {
    const ALL: [Self; 10] = [
        Self::None,
        Self::Two,
        Self::Trailers,
        Self::BadSize,
        Self::BadEnd,
        Self::LongExtension,
        Self::TooLarge,
        Self::BadTrailer,
        Self::LongTrailer,
        Self::ManyTrailers,
    ];

    fn bytes(self) -> &'static str {
        match self {
            Self::None => "0\r\n\r\n",
            Self::Two => "2;a=b\r\nab\r\n1;a=b\r\nc\r\n0\r\n\r\n",
            Self::Trailers => "1\r\na\r\n0\r\nA: b\r\nC: d\r\n\r\n",
            Self::BadSize => "1\r\na\r\nz\r\n",
            Self::BadEnd => "1\r\nabc\r\n",
            Self::LongExtension => "1;a=bc\r\na\r\n0\r\n\r\n",
            Self::TooLarge => "3\r\nabc\r\n6\r\nabcdef\r\n0\r\n\r\n",
            Self::BadTrailer => "0\r\n: b\r\n\r\n",
            Self::LongTrailer => "0\r\nA: bcdefghijklmnopqrstuvwxyz\r\n\r\n",
            Self::ManyTrailers => "0\r\nA: b\r\nC: d\r\nE: f\r\n\r\n",
        }
    }
}

impl RequestKind {
    /// One message for each head that there is.
    pub(crate) const HEADS: [Self; 10] = [
        Self::Get,
        Self::OldGet,
        Self::LastGet,
        Self::Head,
        Self::Connect,
        Self::Upgrade,
        Self::Post,
        Self::Expect,
        Self::Chunked(Chunks::None),
        Self::ExpectChunked(Chunks::None),
    ];

    pub(crate) fn head(self) -> &'static str {
        match self {
            Self::Get => "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
            Self::OldGet => "GET / HTTP/1.0\r\n\r\n",
            Self::LastGet => "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
            Self::Head => "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n",
            Self::Connect => "CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n",
            Self::Upgrade => "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: b\r\n\r\n",
            Self::Post => "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\n\r\n",
            Self::Expect => "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 8\r\n\r\n",
            Self::Chunked(_) => "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
            Self::ExpectChunked(_) => {
                "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n"
            }
            Self::Bad => "\0",
            Self::EmptyLine => "\r\n",
        }
    }

    fn body(self) -> &'static str {
        match self {
            Self::Post | Self::Expect => "a\nb\nc\nd\n",
            Self::Chunked(chunks) | Self::ExpectChunked(chunks) => chunks.bytes(),
            _ => "",
        }
    }
}

/// How much the peer sends at once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Amount {
    Byte,
    Line,
    /// Up to an empty line: a head, mostly.
    Section,
    RequestKind,
    Everything,
}

/// When the server goes out: milliseconds from the step on; `None`: never.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Leaving {
    pub(crate) idle_until: Option<u64>,
    pub(crate) fresh_until: Option<u64>,
    pub(crate) cut_at: Option<u64>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Step {
    // The peer.
    Sends(Amount),
    Ends,
    ReadsByte,
    ReadsAll,
    Lost,
    // The server.
    Busy,
    Evict,
    CheckPipeline,
    TransmitReady,
    Tick,
    /// By the configured times.
    GoOut,
    GoOutBy(Leaving),
    // The application.
    Respond,
    /// Left out while the body is not whole.
    RespondAfterBody,
    Switch,
    Stream,
    /// A response of 200 bytes, which are two pieces.
    StreamTwo,
    Piece,
    Flush,
    Finish,
    Continue,
    Hint,
    Demand(u64),
    Abort,
}

/// How much time passes before a step.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Wait {
    Millis(u64),
    /// To the millisecond before the next deadline.
    AlmostToDeadline,
    ToDeadline,
    /// The caller's clock goes back.
    Back(u64),
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct TimedStep {
    pub(crate) wait: Wait,
    pub(crate) step: Step,
    /// Whether the outputs are taken after the step.
    pub(crate) takes_outputs: bool,
}

impl fmt::Debug for TimedStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let outputs = if self.takes_outputs { "taken" } else { "left" };
        write!(f, "{:?}: {:?}, outputs {outputs}", self.wait, self.step)
    }
}

/// What the peer sends, and how far it has come.
pub(crate) struct Peer {
    all: Vec<u8>,
    /// Where each message ends.
    ends: Vec<usize>,
    sent: usize,
}

impl Peer {
    pub(crate) fn new(messages: &[RequestKind]) -> Self {
        let mut peer = Self { all: Vec::new(), ends: Vec::new(), sent: 0 };
        for message in messages {
            peer.all.extend_from_slice(message.head().as_bytes());
            peer.all.extend_from_slice(message.body().as_bytes());
            peer.ends.push(peer.all.len());
        }
        peer
    }

    pub(crate) fn has_sent_all(&self) -> bool {
        self.sent == self.all.len()
    }

    /// What it sends next.
    pub(crate) fn next(&self, amount: Amount) -> Vec<u8> {
        let rest = &self.all[self.sent..];
        let len = match amount {
            Amount::Byte => Some(1),
            Amount::Line => rest.iter().position(|byte| *byte == b'\n').map(|at| at + 1),
            Amount::Section => rest.windows(4).position(|bytes| bytes == b"\r\n\r\n").map(|at| at + 4),
            Amount::RequestKind => self.ends.iter().find(|end| **end > self.sent).map(|end| end - self.sent),
            Amount::Everything => None,
        };
        rest[..len.unwrap_or(rest.len()).min(rest.len())].to_vec()
    }

    pub(crate) fn has_sent(&mut self, bytes: usize) {
        self.sent += bytes;
    }
}

/// What the peer sends, and the steps. One half of the cases is about bodies: most requests have one, and the application
/// reads it before it responds.
pub(crate) fn scripts() -> impl Strategy<Value = (Vec<RequestKind>, Vec<TimedStep>)> {
    any::<bool>().prop_flat_map(|bodies| {
        (prop::collection::vec(message(bodies), 1..6), prop::collection::vec(turn(bodies), 1..120))
    })
}

fn message(bodies: bool) -> impl Strategy<Value = RequestKind> {
    use RequestKind::*;
    let good = vec![Chunks::Two, Chunks::Trailers];
    let chunks =
        move || prop_oneof![prop::sample::select(good.clone()), prop::sample::select(Chunks::ALL.to_vec())];
    let others =
        vec![Get, Get, OldGet, LastGet, RequestKind::Head, Connect, Upgrade, Bad, EmptyLine, EmptyLine];
    prop_oneof![
        3 => Just(Post),
        1 => Just(Expect),
        3 => chunks().prop_map(Chunked),
        1 => chunks().prop_map(ExpectChunked),
        if bodies { 1 } else { 12 } => prop::sample::select(others),
    ]
}

/// Each item as often as it says: drawing from one list is much faster than from a tree of choices.
fn repeated<T: Copy>(items: &[(usize, T)]) -> Vec<T> {
    items.iter().flat_map(|&(times, item)| std::iter::repeat_n(item, times)).collect()
}

fn leaving() -> impl Strategy<Value = Leaving> {
    let moment = || prop::sample::select(vec![None, Some(0), Some(5), Some(15), Some(40), Some(100)]);
    (moment(), moment(), moment()).prop_map(|(idle_until, fresh_until, cut_at)| Leaving {
        idle_until,
        fresh_until,
        cut_at,
    })
}

fn step(bodies: bool) -> impl Strategy<Value = Step> {
    use Step::*;
    let by = Leaving { idle_until: None, fresh_until: None, cut_at: None };
    let mut steps = repeated(&[
        (2, Tick),
        (15, Sends(Amount::Byte)),
        (50, Sends(Amount::Line)),
        (65, Sends(Amount::Section)),
        (20, Sends(Amount::RequestKind)),
        (10, Sends(Amount::Everything)),
        (40, ReadsAll),
        (12, ReadsByte),
        (2, CheckPipeline),
        (2, TransmitReady),
        (4, Switch),
        (5, Flush),
        (5, Hint),
        (4, Ends),
        (1, Busy),
        (1, Evict),
        (1, Lost),
        (1, Abort),
        (2, GoOut),
        (4, GoOutBy(by)),
    ]);
    steps.extend(if bodies {
        repeated(&[
            (25, Demand(1)),
            (25, Demand(2)),
            (35, Demand(u64::MAX)),
            (8, Continue),
            (60, RespondAfterBody),
            (6, Stream),
            (6, StreamTwo),
            (10, Piece),
            (20, Finish),
        ])
    } else {
        repeated(&[
            (8, Demand(1)),
            (8, Demand(2)),
            (12, Demand(u64::MAX)),
            (5, Continue),
            (25, Respond),
            (15, Stream),
            (10, StreamTwo),
            (30, Piece),
            (30, Finish),
        ])
    });
    // Which times a GoOutBy has is drawn apart.
    (prop::sample::select(steps), leaving()).prop_map(|(step, leaving)| match step {
        GoOutBy(_) => GoOutBy(leaving),
        step => step,
    })
}

fn turn(bodies: bool) -> impl Strategy<Value = TimedStep> {
    let mut waits = repeated(&[(100, Wait::Millis(0)), (1, Wait::AlmostToDeadline), (2, Wait::ToDeadline)]);
    waits.extend((1..10).chain(1..10).chain(1..10).chain(1..10).map(Wait::Millis));
    waits.extend([Wait::Millis(20), Wait::Millis(60), Wait::Back(1), Wait::Back(50)]);
    let waits = prop::sample::select(waits);
    (waits, step(bodies), prop::bool::weighted(0.8)).prop_map(|(wait, step, takes_outputs)| TimedStep {
        wait,
        step,
        takes_outputs,
    })
}
