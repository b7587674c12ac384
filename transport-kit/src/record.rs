//! What is written down while a script runs: what each channel reported, and what the application saw of it.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::thread;

use bytes::Bytes;
use httpfsm::error::{BodyError, CloseReason, RequestError};
use httpfsm::fields::InvalidField;
use httpfsm::handler::{Body, BodyFailure, ConnectionInfo, Subscriber};
use httpfsm::peer::Peer;
use httpfsm::request::RequestRef;
use httpfsm::server::NotAdmitted;

use crate::sum::Sum;

/// What happened on a server, channel by channel. Its clones are the same record; a server has one as its
/// subscriber.
///
/// A server under test is given that of its [`Plan`](crate::Plan), whose page shows it.
#[derive(Clone, Default)]
pub struct Record(Arc<Mutex<RecordState>>);

#[derive(Default)]
struct RecordState {
    channels: Vec<ChannelRecord>,
    numbers: HashMap<String, usize>,
    refusals: Vec<NotAdmitted>,
    /// What the application has begun and not ended.
    running: usize,
    open_gates: HashSet<String>,
    waiters: Vec<Waker>,
    /// Blocking work runs where the subject has it run.
    has_spawner: bool,
    /// What the subject has said that it does not have.
    lacks: Option<&'static str>,
}

#[derive(Default)]
struct ChannelRecord {
    top: Vec<String>,
    /// Requests that reached the application.
    requests: usize,
    application: Vec<PartRecord>,
    peer: Option<Peer>,
    sockname: Option<Peer>,
    closed: bool,
}

/// What a part of the application saw of a request. Parts may run on threads of their own: only within one is there
/// an order.
struct PartRecord {
    request: usize,
    what: &'static str,
    lines: Vec<PartLine>,
    /// It is between two polls of a body, and has not found that there is nothing more.
    reads: bool,
}

enum PartLine {
    Text(String),
    Bytes(Sum),
}

impl PartRecord {
    fn settled(&self) -> &[PartLine] {
        match self.lines.as_slice() {
            [settled @ .., PartLine::Bytes(_)] if self.reads => settled,
            all => all,
        }
    }
}

impl fmt::Display for PartLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Bytes(sum) => write!(f, "body {sum}"),
        }
    }
}

/// What is asked of the record.
impl Record {
    pub(crate) fn note_spawner(&self) {
        self.state().has_spawner = true;
    }

    /// The subject does not have what the script needs, which is not run.
    pub(crate) fn note_lack(&self, what: &'static str) {
        self.state().lacks = Some(what);
    }

    pub(crate) fn lacks(&self) -> Option<&'static str> {
        self.state().lacks
    }

    /// Whether the subject has said where blocking work runs.
    pub(crate) fn has_spawner(&self) -> bool {
        self.state().has_spawner
    }

    /// Channels that opened, and connections that were not admitted.
    pub(crate) fn arrived(&self) -> (usize, usize) {
        let state = self.state();
        (state.channels.len(), state.refusals.len())
    }

    /// The last connection that was not admitted does not count.
    pub(crate) fn forget_refusal(&self) {
        self.state().refusals.pop();
    }

    /// Whether all channels have closed and the application does nothing any more.
    pub(crate) fn is_over(&self) -> bool {
        let state = self.state();
        state.running == 0 && state.channels.iter().all(|channel| channel.closed)
    }

    /// Channels that are open.
    pub(crate) fn open(&self) -> usize {
        self.state().channels.iter().filter(|channel| !channel.closed).count()
    }

    /// Whether a line of the channel, or of the application about it, contains `text`. Bytes that are being read count
    /// when their reader waits for more: one that runs on another thread would see what the script does next.
    pub(crate) fn has(&self, channel: usize, text: &str) -> bool {
        let state = self.state();
        let Some(channel) = state.channels.get(channel) else { return false };
        let mut lines = channel.application.iter().flat_map(PartRecord::settled);
        channel.top.iter().any(|line| line.contains(text))
            || lines.any(|line| line.to_string().contains(text))
    }

    /// How many bytes of bodies the application has read on the channel.
    pub(crate) fn bytes(&self, channel: usize) -> u64 {
        let state = self.state();
        let parts = state.channels.get(channel).into_iter().flat_map(|channel| &channel.application);
        let lines = parts.flat_map(|part| &part.lines);
        let bytes = lines.map(|line| match line {
            PartLine::Text(_) => 0,
            PartLine::Bytes(sum) => sum.bytes(),
        });
        bytes.sum()
    }

    /// What the channels reported and what the application saw, each as a title and lines.
    pub(crate) fn lanes(&self) -> Vec<(String, String)> {
        let state = self.state();
        let mut lanes = Vec::new();
        for (number, channel) in state.channels.iter().enumerate() {
            lanes.push((format!("channel {number}"), channel.top.join("\n")));
            for PartRecord { request, what, lines, .. } in &channel.application {
                let lines: Vec<_> = lines.iter().map(ToString::to_string).collect();
                lanes.push((format!("channel {number}, request {request}, {what}"), lines.join("\n")));
            }
        }
        if !state.refusals.is_empty() {
            lanes.push(("not admitted".to_owned(), format!("{:?}", state.refusals)));
        }
        lanes
    }

    /// The names of both ends, as the transport named them when the channel opened.
    pub(crate) fn names(&self, channel: usize) -> Option<(Peer, Peer)> {
        let state = self.state();
        let channel = state.channels.get(channel)?;
        channel.peer.clone().zip(channel.sockname.clone())
    }

    fn state(&self) -> MutexGuard<'_, RecordState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where the application waits for the script.
impl Record {
    /// Lets through whoever waits at the gate, and whoever comes.
    pub(crate) fn open_gate(&self, gate: &str) {
        let mut state = self.state();
        state.open_gates.insert(gate.to_owned());
        let waiters = std::mem::take(&mut state.waiters);
        drop(state);
        waiters.into_iter().for_each(Waker::wake);
    }

    pub(crate) fn poll_gate(&self, gate: &str, waker: &Waker) -> Poll<()> {
        // Before the lock: the waker is that of the transport that is checked.
        let waker = waker.clone();
        let mut state = self.state();
        if state.open_gates.contains(gate) {
            return Poll::Ready(());
        }
        state.waiters.push(waker);
        Poll::Pending
    }

    pub(crate) async fn pass_gate(&self, gate: &str) {
        poll_fn(|cx| self.poll_gate(gate, cx.waker())).await;
    }
}

/// What the application writes down.
impl Record {
    /// A request has reached the handler.
    pub(crate) fn begin(&self, channel: &str) -> PartLog {
        let mut state = self.state();
        let channel = state.numbers.get(channel).copied().unwrap_or_default();
        let request = state.channels.get_mut(channel).map_or(0, |channel| {
            channel.requests += 1;
            channel.requests - 1
        });
        drop(state);
        PartLog::new(self.clone(), channel, request, "handler")
    }
}

/// Where a part of the application writes down what it sees of a request. One that is dropped before its end says so.
pub(crate) struct PartLog {
    record: Record,
    channel: usize,
    request: usize,
    part: usize,
    ended: bool,
}

impl PartLog {
    fn new(record: Record, channel: usize, request: usize, what: &'static str) -> Self {
        let mut state = record.state();
        state.running += 1;
        let part = state.channels.get_mut(channel).map_or(0, |channel| {
            channel.application.push(PartRecord { request, what, lines: Vec::new(), reads: false });
            channel.application.len() - 1
        });
        drop(state);
        Self { record, channel, request, part, ended: false }
    }

    /// For another part of the application, which is about the same request.
    pub(crate) fn of(&self, what: &'static str) -> Self {
        Self::new(self.record.clone(), self.channel, self.request, what)
    }

    pub(crate) fn note(&self, text: impl fmt::Display) {
        self.write(|part| part.lines.push(PartLine::Text(text.to_string())));
    }

    /// The same, unless it is what was said last.
    pub(crate) fn note_once(&self, text: &str) {
        self.write(|part| {
            let known = matches!(part.lines.last(), Some(PartLine::Text(last)) if last == text);
            if !known {
                part.lines.push(PartLine::Text(text.to_owned()));
            }
        });
    }

    /// Bytes of a body; those that came before them are on the same line.
    pub(crate) fn bytes(&self, bytes: &[u8]) {
        self.write(|part| {
            if let Some(PartLine::Bytes(sum)) = part.lines.last_mut() {
                return sum.add(bytes);
            }
            let mut sum = Sum::default();
            sum.add(bytes);
            part.lines.push(PartLine::Bytes(sum));
        });
    }

    /// Polls a body, of which the bytes are written down.
    pub(crate) fn poll_data(
        &self,
        body: &mut Body,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, BodyFailure>>> {
        let polled = body.poll_data(cx);
        self.write(|part| part.reads = polled.is_ready());
        if let Poll::Ready(Some(Ok(bytes))) = &polled {
            self.bytes(bytes);
        }
        polled
    }

    pub(crate) async fn next_data(&self, body: &mut Body) -> Option<Result<Bytes, BodyFailure>> {
        poll_fn(|cx| self.poll_data(body, cx)).await
    }

    /// The part has come to its end.
    pub(crate) fn end(mut self, text: impl fmt::Display) {
        self.note(text);
        self.ended = true;
    }

    fn write(&self, write: impl FnOnce(&mut PartRecord)) {
        let mut state = self.record.state();
        let channel = state.channels.get_mut(self.channel);
        if let Some(part) = channel.and_then(|channel| channel.application.get_mut(self.part)) {
            write(part);
        }
    }
}

impl Drop for PartLog {
    fn drop(&mut self) {
        if !self.ended {
            self.note(if thread::panicking() { "panicked" } else { "dropped" });
        }
        self.record.state().running -= 1;
    }
}

impl Record {
    fn tell(&self, connection: &ConnectionInfo, line: String) {
        let mut state = self.state();
        let number = state.numbers.get(connection.channel.as_str()).copied();
        if let Some(channel) = number.and_then(|number| state.channels.get_mut(number)) {
            channel.top.push(if channel.closed { format!("{line}, after the end") } else { line });
        }
    }
}

impl Subscriber for Record {
    fn not_admitted(&self, _peername: &Peer, _sockname: &Peer, reason: NotAdmitted) {
        self.state().refusals.push(reason);
    }

    fn opened(&self, connection: &ConnectionInfo) {
        let mut state = self.state();
        let number = state.channels.len();
        state.numbers.insert(connection.channel.to_string(), number);
        state.channels.push(ChannelRecord {
            top: vec![format!("opened {}", connection.channel)],
            peer: Some(connection.peername.clone()),
            sockname: Some(connection.sockname.clone()),
            ..ChannelRecord::default()
        });
    }

    fn request(&self, connection: &ConnectionInfo, request: RequestRef<'_>) {
        let version = request.version();
        let mut line = format!("request {} {} {version:?}", request.method(), request.target());
        for field in request.fields() {
            line.push_str(&format!(" | {}: {}", field.name, field.value.escape_ascii()));
        }
        self.tell(connection, line);
    }

    fn body_end(&self, connection: &ConnectionInfo) {
        self.tell(connection, "body end".to_owned());
    }

    fn body_failed(&self, connection: &ConnectionInfo, error: &BodyError) {
        self.tell(connection, format!("body failed: {error}"));
    }

    fn refused(&self, connection: &ConnectionInfo, error: &RequestError) {
        self.tell(connection, format!("refused with {}: {error}", error.status().code()));
    }

    fn invalid_field(&self, connection: &ConnectionInfo, fault: &InvalidField) {
        self.tell(connection, format!("invalid field: {fault}"));
    }

    fn excess(&self, connection: &ConnectionInfo, bytes: u64) {
        self.tell(connection, format!("{bytes} bytes in excess"));
    }

    fn peer_ended(&self, connection: &ConnectionInfo) {
        self.tell(connection, "peer ended".to_owned());
    }

    fn upgraded(&self, connection: &ConnectionInfo) {
        self.tell(connection, "upgraded".to_owned());
    }

    fn closed(&self, connection: &ConnectionInfo, reason: CloseReason) {
        self.tell(connection, format!("closed: {reason}"));
        let mut state = self.state();
        let number = state.numbers.get(connection.channel.as_str()).copied();
        if let Some(channel) = number.and_then(|number| state.channels.get_mut(number)) {
            channel.closed = true;
        }
    }
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Record").field("lanes", &self.lanes()).finish()
    }
}
