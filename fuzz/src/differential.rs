//! Whatever bytes a connection brings: hyper and llhttp see the same requests in them as the channel does, one by
//! one, up to the first refusal by either side. We may refuse more, and never frame otherwise.
//!
//! Every difference that is allowed is an entry of a table in `allowed`, with its reason; a seed of the corpus needs it.
//!
//! Seen to fail with `Content-Length` beside `Transfer-Encoding` deciding in `core/src/framing.rs`, and with an empty
//! chunk size read as 0.

mod allowed;
mod hyper;
mod llhttp;

use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock};

use httpfsm::channel::CompiledConfig;
use httpfsm::config::ChannelConfig;
use httpfsm::request::{RequestHead, RequestRef};
use httpfsm::{CloseReason, Rule};

pub use self::allowed::{Difference, TABLES};
use crate::reading::{self, Upgrades};

static SETTINGS: LazyLock<Arc<CompiledConfig>> = LazyLock::new(|| {
    Arc::new(CompiledConfig::new(&ChannelConfig {
        max_request_header_size: 64 << 10,
        max_request_fields: FIELDS as u32,
        max_trailer_size: 2 << 10,
        maximum_simultaneous_requests: 0,
        ..ChannelConfig::default()
    }))
});

/// Compares all readings of the bytes.
pub fn check(bytes: &[u8]) {
    compare(bytes);
}

/// Compares all readings of the bytes; returns who needs which of the allowed differences, by its name.
pub fn compare(bytes: &[u8]) -> BTreeSet<(&'static str, &'static str)> {
    let mut needed = BTreeSet::new();
    for (who, allowed) in TABLES {
        let (upgrades, theirs) = match who {
            // It stops at every request for another protocol.
            "llhttp" => (Upgrades::Given, llhttp::read(bytes)),
            _ => (Upgrades::Refused, Some(hyper::read(bytes))),
        };
        let Some(theirs) = theirs else { continue };
        let (ours, heads) = ours(bytes, upgrades);
        let names = differences(bytes, &ours, &heads, &theirs, allowed, who);
        needed.extend(names.into_iter().map(|name| (who, name)));
    }
    needed
}

/// Whether llhttp is among those that are compared.
#[must_use]
pub fn has_llhttp() -> bool {
    llhttp::read(b"").is_some()
}

/// A complete request: what a proxy and a server have to agree on.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct ParsedRequest {
    method: Vec<u8>,
    target: Vec<u8>,
    body: Vec<u8>,
}

impl std::fmt::Debug for ParsedRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (method, target, body) =
            (self.method.escape_ascii(), self.target.escape_ascii(), self.body.escape_ascii());
        write!(f, "{method} {target} \"{body}\"")
    }
}

/// How the reading of a connection ended.
#[derive(Clone, PartialEq, Eq, Debug)]
enum SessionEnd {
    /// In order: the input ended between requests, or a request said that it is the last.
    Ordered,
    /// In the middle of a request, as far as it can be told.
    Cut,
    /// The rest belongs to another protocol.
    HandedOver,
    /// By a rule of ours.
    Refused(Rule),
    /// By an error of theirs.
    Error(String),
}

/// What one party read.
#[derive(Debug)]
struct Session {
    requests: Vec<ParsedRequest>,
    end: SessionEnd,
}

/// What differs at one point of two sessions.
#[derive(Debug)]
pub struct Point<'a> {
    /// All bytes of the connection.
    bytes: &'a [u8],
    /// The request before, as we read it.
    previous: Option<RequestRef<'a>>,
    /// The request at this point, as we read it.
    current: Option<RequestRef<'a>>,
    ours: Result<&'a ParsedRequest, &'a SessionEnd>,
    theirs: Result<&'a ParsedRequest, &'a SessionEnd>,
}

fn differences(
    bytes: &[u8],
    ours: &Session,
    heads: &[RequestHead],
    theirs: &Session,
    allowed: &[&'static [Difference]],
    who: &str,
) -> Vec<&'static str> {
    let mut needed = Vec::new();
    for before in 0_usize.. {
        let point = Point {
            bytes,
            current: heads.get(before).map(RequestHead::as_ref),
            previous: before.checked_sub(1).and_then(|at| heads.get(at)).map(RequestHead::as_ref),
            ours: ours.requests.get(before).ok_or(&ours.end),
            theirs: theirs.requests.get(before).ok_or(&theirs.end),
        };
        let agrees = match (point.ours, point.theirs) {
            (Ok(ours), Ok(theirs)) => ours == theirs,
            (Err(ours), Err(theirs)) => ends_agree(ours, theirs),
            _ => false,
        };
        if !agrees {
            let Some(difference) =
                allowed.iter().copied().flatten().find(|difference| (difference.holds)(&point))
            else {
                panic!(
                    "{who} reads message {before} otherwise: {}\n{ours:?}\n{theirs:?}",
                    bytes.escape_ascii()
                );
            };
            needed.push(difference.name);
        }
        // Behind a message that was read otherwise nothing can be compared, except for the spelling of its target.
        let same_frame = match (point.ours, point.theirs) {
            (Ok(ours), Ok(theirs)) => ours.method == theirs.method && ours.body == theirs.body,
            _ => false,
        };
        if !same_frame {
            break;
        }
    }
    needed
}

/// Whoever refuses what the other one leaves unfinished may have seen its fault before its end.
fn ends_agree(ours: &SessionEnd, theirs: &SessionEnd) -> bool {
    matches!(
        (ours, theirs),
        (SessionEnd::Ordered, SessionEnd::Ordered)
            | (SessionEnd::HandedOver, SessionEnd::HandedOver)
            | (SessionEnd::Cut | SessionEnd::Refused(_), SessionEnd::Cut | SessionEnd::Error(_))
    )
}

fn ours(bytes: &[u8], upgrades: Upgrades) -> (Session, Vec<RequestHead>) {
    let reading = reading::read(&SETTINGS, upgrades, bytes, |_| usize::MAX, || u64::MAX);
    let end = match (reading.handed_over, reading.refused, reading.closed) {
        (Some(_), ..) => SessionEnd::HandedOver,
        (_, Some(error), _) if matches!(error.rule, Rule::HeadTruncated | Rule::BodyTruncated) => {
            SessionEnd::Cut
        }
        (_, Some(error), _) => SessionEnd::Refused(error.rule),
        (.., Some(CloseReason::PeerEnded | CloseReason::RequestedByPeer)) => SessionEnd::Ordered,
        (.., other) => panic!("closed by {other:?}: {}", bytes.escape_ascii()),
    };
    let message = |request: reading::ReceivedRequest| {
        let head = request.head.as_ref();
        let (method, target) = (head.method().into(), head.target().into());
        (ParsedRequest { method, target, body: request.content }, request.head)
    };
    let whole = reading.requests.into_iter().filter(|request| request.is_whole);
    let (requests, heads) = whole.map(message).unzip();
    (Session { requests, end }, heads)
}

/// Field lines that all of them take.
const FIELDS: usize = 100;
