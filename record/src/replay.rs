//! Feeds a recording through the machine, and compares.

use std::collections::HashMap;
use std::fmt;
use std::io::{self, BufRead, Read as _};
use std::mem;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use httpfsm::channel::{
    Channel, CompiledConfig, Data, Event, Facts, Input, Leave, NotAccepted, Output, State,
};
use httpfsm::config::{ErrorPage, ErrorPages};
use httpfsm::fields::Fields;
use httpfsm::fsm::Label;
use httpfsm::response::{BodyRef, ResponseRef};
use httpfsm::status::Status;
use httpfsm::time::{Date, Moment, Now};

use crate::latin1::{Latin1, write_line};
use crate::line::{Content, FORMAT, Head, Line};
use crate::mask::{Names, Outgoing};
use crate::recording::page_key;
use crate::show::{output_line, request_line, then};

/// Bytes of a recording that is read, 256 MiB: it is held in memory, and a stranger may have made it.
pub const MAX_BYTES: u64 = 256 << 20;

/// Error pages of a recording; one connection makes a few errors.
const MAX_PAGES: usize = 1000;

/// Replays a whole recording.
///
/// # Errors
///
/// [`Failure`]: the machine differs, or this is no recording.
pub fn replay(recording: impl BufRead) -> Result<Replayed, Failure> {
    let mut replay = Replay::new(recording)?;
    while replay.step()?.is_some() {}
    Ok(replay.replayed())
}

/// A replay that found no difference.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Replayed {
    /// How many inputs went in.
    pub inputs: u64,
    /// How the recording ends: `over` with the connection, `full` at its bound, `lost` where the writer could not
    /// follow, `failed` where it could not be written any further, `cut` where the program ended, `gap` where its driver left
    /// out a call of [`Tape`](httpfsm_transport::Tape), `page` at an error page that it does not have.
    pub end: String,
}

/// Why a replay stopped.
#[derive(Debug)]
#[non_exhaustive]
pub enum Failure {
    /// The machine does something else than it did.
    Differs(Difference),
    /// The file is empty.
    Empty,
    /// It does not begin as recordings do.
    NoRecording(String),
    /// This line is none of a recording.
    Malformed {
        /// Its number, from 1.
        line: usize,
        /// What is wrong with it.
        why: String,
    },
    /// The recording is longer than [`MAX_BYTES`].
    TooLarge,
    /// The recording cannot be read.
    Io(io::Error),
}

/// The first difference between a recording and the machine.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Difference {
    /// The number of the line, from 1.
    pub line: usize,
    /// What the line says, from a little before the difference on.
    pub expected: String,
    /// What the machine says there.
    pub got: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Differs(Difference { line, expected, got }) => {
                write!(f, "line {line} differs\nexpected: {expected}\n     got: {got}")
            }
            Self::Empty => f.write_str("the file is empty"),
            Self::NoRecording(why) => write!(f, "this is not a recording: {why}"),
            Self::Malformed { line, why } => write!(f, "line {line} is none of a recording: {why}"),
            Self::TooLarge => write!(f, "the recording is longer than {MAX_BYTES} bytes"),
            Self::Io(error) => write!(f, "the recording cannot be read: {error}"),
        }
    }
}

impl std::error::Error for Failure {}

/// What one line did. A line of an input may take several rows of the table, each a [`Step`](httpfsm::channel::Step) of the
/// channel.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct ReplayedLine {
    /// The number of the line, from 1.
    pub line: usize,
    /// When: the time of the last input.
    pub at: Moment,
    /// What the line is about.
    pub kind: Kind,
    /// The input or the output, by name.
    pub name: String,
    /// What else the line says in words: a request line, a status, the reason of a close.
    pub text: String,
    /// The bytes that went in or out.
    pub bytes: Vec<u8>,
    /// The state before it.
    pub before: State,
    /// The state after it.
    pub after: State,
    /// The deadline after it.
    pub deadline: Option<Moment>,
    /// Bytes that are to be sent after it.
    pub unsent: usize,
    /// The rows of the table that the input took, deadlines that passed before it included. They are not in the
    /// recording: the machine takes the same ones again.
    pub rows: Vec<httpfsm::channel::Step>,
}

/// Of the bytes it shows how many there are.
impl fmt::Debug for ReplayedLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReplayedLine")
            .field("line", &self.line)
            .field("at", &self.at)
            .field("kind", &self.kind)
            .field("name", &self.name)
            .field("text", &self.text)
            .field("bytes", &format_args!("{} bytes", self.bytes.len()))
            .field("before", &self.before)
            .field("after", &self.after)
            .field("deadline", &self.deadline)
            .field("unsent", &self.unsent)
            .field("rows", &self.rows)
            .finish()
    }
}

/// What a line is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// An input that was accepted.
    Input,
    /// An input that was not accepted.
    NotAccepted,
    /// An output.
    Output,
    /// A call that is neither.
    Call,
}

/// A replay, step by step.
pub struct Replay {
    channel: Channel,
    lines: Lines,
    names: Names,
    masked_bodies: bool,
    outgoing: Outgoing,
    now: (Moment, Date),
    /// An error page was asked for that the recording does not have.
    page_missing: Arc<AtomicBool>,
    /// The rows that the last input took.
    rows: Vec<httpfsm::channel::Step>,
    replayed: Replayed,
    about: (String, String, String),
}

impl Replay {
    /// Reads a recording. A last line without its end is what a program left that ended while it wrote.
    ///
    /// # Errors
    ///
    /// All of [`Failure`] but [`Failure::Differs`].
    pub fn new(recording: impl BufRead) -> Result<Self, Failure> {
        // Bytes, not text: a program that ends while it writes leaves a part of a character.
        let mut bytes = Vec::new();
        recording.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(Failure::Io)?;
        if bytes.len() as u64 > MAX_BYTES {
            return Err(Failure::TooLarge);
        }
        if bytes.is_empty() {
            return Err(Failure::Empty);
        }
        let mut lines = Lines::new(bytes);
        let Some((_, head)) = lines.next() else {
            return Err(Failure::NoRecording("its first line has no end".to_owned()));
        };
        let head: Head =
            serde_json::from_slice(head).map_err(|error| Failure::NoRecording(error.to_string()))?;
        if head.httpfsm != FORMAT {
            let why = format!("its format is {}, and this program reads {FORMAT}", head.httpfsm);
            return Err(Failure::Malformed { line: 1, why });
        }
        let (begin, mut pages) = (lines.place, HashMap::new());
        while let Some((at, line)) = lines.parse_next()? {
            // What stands behind the end is not looked at.
            if line.end.is_some() {
                break;
            }
            if let Some(key) = line.page {
                let content_type = line.text.unwrap_or_default().into();
                let body = Bytes::from(line.bytes.unwrap_or_default().0);
                pages.insert(key, ErrorPage { content_type, body });
                if pages.len() > MAX_PAGES {
                    return Err(malformed(at, "no connection has so many error pages"));
                }
            }
        }
        lines.place = begin;
        let page_missing = Arc::new(AtomicBool::new(false));
        let mut config = head.config.restore();
        if head.config.error_pages {
            let missing = Arc::clone(&page_missing);
            config.error_pages = Some(ErrorPages::new(move |error| {
                pages.get(&page_key(error)).cloned().unwrap_or_else(|| {
                    missing.store(true, Ordering::SeqCst);
                    ErrorPage { content_type: "text/plain".into(), body: Bytes::new() }
                })
            }));
        }
        let facts = Facts { age_jitter: Duration::from_millis(head.age_jitter) };
        Ok(Self {
            channel: Channel::new(Arc::new(CompiledConfig::new(&config)), facts),
            lines,
            names: Names::new(head.masked.iter().map(|name| &**name)),
            masked_bodies: head.masked_bodies,
            outgoing: Outgoing::default(),
            now: (Moment::START, Date::EPOCH),
            page_missing,
            rows: Vec::new(),
            replayed: Replayed { inputs: 0, end: "cut".to_owned() },
            about: (head.channel, head.peername, head.sockname),
        })
    }

    /// The channel's name.
    #[must_use]
    pub fn channel_name(&self) -> &str {
        &self.about.0
    }

    /// The other end of the connection.
    #[must_use]
    pub fn peername(&self) -> &str {
        &self.about.1
    }

    /// Our end of the connection.
    #[must_use]
    pub fn sockname(&self) -> &str {
        &self.about.2
    }

    /// The machine as it stands, to ask.
    #[must_use]
    pub fn channel(&self) -> &Channel {
        &self.channel
    }

    /// How far it got.
    #[must_use]
    pub fn replayed(&self) -> Replayed {
        self.replayed.clone()
    }

    /// Replays the next line; `None` at the end.
    ///
    /// # Errors
    ///
    /// [`Failure`]; nothing follows a difference that says more.
    pub fn step(&mut self) -> Result<Option<ReplayedLine>, Failure> {
        let (at, line) = loop {
            match self.lines.parse_next()? {
                None => return Ok(None),
                // It was read at the beginning.
                Some((_, line)) if line.page.is_some() => {}
                Some(next) => break next,
            }
        };
        if let Some(end) = line.end {
            self.replayed.end = end;
            self.lines = Lines::default();
            return Ok(None);
        }
        let before = self.channel.state();
        let (kind, name) = if let Some(name) = line.input.clone() {
            self.input(at, &line)?;
            if self.page_missing.load(Ordering::SeqCst) {
                self.replayed.end = "page".to_owned();
                self.lines = Lines::default();
                return Ok(None);
            }
            self.replayed.inputs += 1;
            let refused = line.then.as_ref().is_some_and(|then| then.refused);
            (if refused { Kind::NotAccepted } else { Kind::Input }, name)
        } else if let Some(name) = line.out.clone() {
            self.output(at, &line)?;
            (Kind::Output, name)
        } else if let Some(name) = line.call.clone() {
            if name != "forget_request" {
                return Err(malformed(at, &format!("no call {name:?} is known")));
            }
            self.channel.forget_request();
            (Kind::Call, name)
        } else {
            return Err(malformed(at, "it has no \"in\", \"out\", \"call\", \"page\" or \"end\""));
        };
        Ok(Some(ReplayedLine {
            line: at,
            at: self.now.0,
            kind,
            name,
            text: words(&line),
            bytes: line.bytes.unwrap_or_default().0,
            before,
            after: self.channel.state(),
            deadline: self.channel.deadline(),
            unsent: self.channel.unsent_len(),
            rows: mem::take(&mut self.rows),
        }))
    }

    /// Feeds an input in and compares how the channel stands then; of what was sent, the bytes.
    fn input(&mut self, at: usize, line: &Line) -> Result<(), Failure> {
        if let Some(moment) = line.at {
            self.now.0 = Moment::from_millis(moment);
        }
        if let Some(date) = &line.date {
            let date = date.as_bytes().try_into().ok().and_then(Date::new);
            self.now.1 = date.ok_or_else(|| malformed(at, "its date is none"))?;
        }
        let mut sent = None;
        if let (Some("Sent"), Some(n), Some(_)) = (line.input.as_deref(), line.n, &line.bytes) {
            sent = Some(Latin1(self.outgoing.leave(usize::try_from(n).unwrap_or(usize::MAX))));
        }
        let taken = self.feed(at, line)?;
        let got = then(&taken, &self.channel);
        if !self.masked_bodies {
            self.outgoing.staged(&self.names, &self.channel);
        }
        if self.page_missing.load(Ordering::SeqCst) {
            return Ok(());
        }
        if line.then.as_ref().is_some_and(|then| *then != got) || (sent.is_some() && sent != line.bytes) {
            let stands = |bytes, then| Line { bytes, then, ..Line::default() };
            let expected = stands(sent.is_some().then(|| line.bytes.clone()).flatten(), line.then.clone());
            return Err(differs(at, &expected, &stands(sent, Some(got))));
        }
        Ok(())
    }

    fn feed(&mut self, at: usize, line: &Line) -> Result<Result<(), NotAccepted>, Failure> {
        let name = line.input.as_deref().unwrap_or_default();
        let event = Event::ALL.iter().find(|event| event.label() == name);
        let bytes = line.bytes.as_ref().map_or(&[][..], |bytes| &bytes.0);
        let number = || line.n.ok_or_else(|| malformed(at, "it needs \"n\""));
        let status = || {
            let status = line.status.and_then(Status::new);
            status.ok_or_else(|| malformed(at, "it needs a \"status\" of three digits"))
        };
        let fields = match &line.fields {
            Some(fields) => restore(fields).map_err(|why| malformed(at, &why))?,
            None => Fields::new(),
        };
        let shared = Bytes::copy_from_slice(bytes);
        let input = match event {
            Some(Event::RxData) => Input::RxData(bytes),
            Some(Event::RxEnd) => Input::RxEnd,
            Some(Event::Sent) => Input::Sent(usize::try_from(number()?).unwrap_or(usize::MAX)),
            Some(Event::TransmitReady) => Input::TransmitReady,
            Some(Event::Disconnected) => Input::Disconnected,
            Some(Event::Busy) => Input::Busy,
            Some(Event::Evict) => Input::Evict,
            Some(Event::CheckPipeline) => Input::CheckPipeline,
            Some(Event::Tick) => Input::Tick,
            Some(Event::HttpResponse) => {
                let body = match line.content {
                    None | Some(Content::Empty) => BodyRef::Empty,
                    Some(Content::Slice) => BodyRef::Slice(bytes),
                    Some(Content::Bytes) => BodyRef::Bytes(&shared),
                    Some(Content::Stream) => BodyRef::Stream { length: line.n },
                };
                Input::HttpResponse(ResponseRef { status: status()?, fields: &fields, body })
            }
            Some(Event::Write) if line.content == Some(Content::Bytes) => Input::Write(Data::Bytes(shared)),
            Some(Event::Write) => Input::Write(Data::Slice(bytes)),
            Some(Event::Flush) => Input::Flush,
            Some(Event::Finish) => Input::Finish(line.fields.is_some().then_some(&fields)),
            Some(Event::Continue) => Input::Continue,
            Some(Event::Informational) => Input::Informational(status()?, &fields),
            Some(Event::BodyDemand) => Input::BodyDemand(number()?),
            Some(Event::Abort) => Input::Abort(line.text.as_deref()),
            Some(Event::GoOut) => {
                // A recording from before the input carried its times: they were those of the configuration.
                let configured = self.channel.compiled_config().leave(self.now.0);
                Input::GoOut(line.leave.map_or(configured, |times| {
                    let [idle_until, fresh_until, cut_at] = times.map(Moment::from_millis);
                    Leave { idle_until, fresh_until, cut_at }
                }))
            }
            _ => return Err(malformed(at, &format!("no input {name:?} is known"))),
        };
        let (now, rows) = (Now::new(self.now.0, &self.now.1), &mut self.rows);
        rows.clear();
        Ok(self.channel.handle_with(&now, input, &mut |row: &httpfsm::channel::Step| rows.push(*row)))
    }

    /// Takes an output and compares it.
    fn output(&mut self, at: usize, line: &Line) -> Result<(), Failure> {
        let (masked, mut is_request) = (self.masked_bodies, false);
        let mut got = self.channel.next_output().map(|output| {
            is_request = matches!(output, Output::HttpRequest);
            output_line(&output, masked)
        });
        if is_request {
            got = Some(request_line(self.channel.request()));
        }
        let (mut expected, mut found) = (Vec::new(), Vec::new());
        write_line(line, &mut expected);
        write_line(&got.unwrap_or_default(), &mut found);
        if expected == found { Ok(()) } else { Err(differ(at, &expected, &found)) }
    }
}

impl fmt::Debug for Replay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Replay")
            .field("channel", &self.about.0)
            .field("replayed", &self.replayed)
            .finish_non_exhaustive()
    }
}

/// The lines that are to come. They stay bytes until their turn: a line that is taken apart is many times as large.
#[derive(Default)]
struct Lines {
    bytes: Vec<u8>,
    place: Place,
}

/// A place between two lines.
#[derive(Clone, Copy, Default)]
struct Place {
    byte: usize,
    lines_before: usize,
}

impl Lines {
    fn new(bytes: Vec<u8>) -> Self {
        Self { bytes, place: Place::default() }
    }

    /// The next line and its number, from 1. Bytes without the end of a line are none.
    fn next(&mut self) -> Option<(usize, &[u8])> {
        let rest = self.bytes.get(self.place.byte..)?;
        let line = rest.get(..rest.iter().position(|byte| *byte == b'\n')?)?;
        self.place.byte += line.len() + 1;
        self.place.lines_before += 1;
        Some((self.place.lines_before, line))
    }

    fn parse_next(&mut self) -> Result<Option<(usize, Line)>, Failure> {
        let Some((at, line)) = self.next() else { return Ok(None) };
        let parsed = serde_json::from_slice(line).map_err(|error| malformed(at, &error.to_string()))?;
        Ok(Some((at, parsed)))
    }
}

fn restore(recorded: &[(String, Latin1)]) -> Result<Fields, String> {
    let mut fields = Fields::new();
    for (name, value) in recorded {
        fields.push(name, &value.0).map_err(|error| error.to_string())?;
    }
    Ok(fields)
}

fn malformed(line: usize, why: &str) -> Failure {
    Failure::Malformed { line, why: why.to_owned() }
}

fn words(line: &Line) -> String {
    let mut words = Vec::new();
    words.extend(line.status.map(|status| status.to_string()));
    words.extend(line.text.clone());
    words.extend(line.n.map(|n| match line.out.as_deref() {
        Some("HttpRequest") => format!("with {n} fields"),
        Some("BodyEnd") => format!("with {n} trailer fields"),
        _ => n.to_string(),
    }));
    words.join(" ")
}

fn differs(at: usize, expected: &Line, got: &Line) -> Failure {
    let (mut left, mut right) = (Vec::new(), Vec::new());
    write_line(expected, &mut left);
    write_line(got, &mut right);
    differ(at, &left, &right)
}

/// Shows two lines from a little before the first byte in which they differ.
fn differ(line: usize, expected: &[u8], got: &[u8]) -> Failure {
    const BEFORE: usize = 60;
    const SHOWN: usize = 160;
    let equal = expected.iter().zip(got).take_while(|(left, right)| left == right).count();
    let from = if equal + SHOWN / 2 < SHOWN { 0 } else { equal.saturating_sub(BEFORE) };
    let show = |bytes: &[u8]| {
        let rest = bytes.get(from..).unwrap_or_default().trim_ascii_end();
        let shown = rest.get(..SHOWN).unwrap_or(rest);
        let (before, after) =
            (if from > 0 { "... " } else { "" }, if shown.len() < rest.len() { " ..." } else { "" });
        format!("{before}{}{after}", String::from_utf8_lossy(shown))
    };
    Failure::Differs(Difference { line, expected: show(expected), got: show(got) })
}
