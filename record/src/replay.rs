//! Feeds a recording through the machine, and compares.

use std::collections::HashMap;
use std::fmt;
use std::io::{BufRead, Read as _};
use std::mem;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use httpfsm::channel::{Channel, CompiledConfig, Facts};
use httpfsm::config::{ErrorPage, ErrorPages};
use httpfsm::error::Rule;

use self::failure::malformed;
pub use self::failure::{Difference, ReplayFailure};
use self::lines::RecordedLines;
pub(crate) use self::machine::ReplayMachine;
use self::step::words;
pub use self::step::{LineKind, ReplayedLine};
use crate::hide::SecretNames;
use crate::line::{FORMAT, FirstLine, Format};
use crate::recording::page_key;

mod failure;
mod lines;
mod machine;
mod step;

/// Bytes of a recording that is read, 256 MiB: it is held in memory, and a stranger may have made it.
pub const MAX_BYTES: u64 = 256 << 20;

/// Error pages of a recording; one connection makes a few errors.
const MAX_PAGES: usize = 1000;

/// Replays a whole recording.
///
/// ```
/// use std::fs::File;
/// use std::io::BufReader;
///
/// use httpfsm_record::replay;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let recording = BufReader::new(File::open("tests/recordings/pipelined.jsonl")?);
/// let replayed = replay(recording)?;
/// assert_eq!(replayed.end, "over", "the connection was closed, and nothing was lost");
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// [`ReplayFailure`]: the machine differs, or this is no recording.
pub fn replay(recording: impl BufRead) -> Result<Replayed, ReplayFailure> {
    let mut replay = Replay::new(recording)?;
    while replay.step()?.is_some() {}
    Ok(replay.replayed())
}

/// A replay that found no difference.
///
/// ```
/// use std::fs;
///
/// use httpfsm_record::replay;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let whole = fs::read("tests/recordings/pipelined.jsonl")?;
/// // As if the program had ended while it wrote.
/// let replayed = replay(&whole[..whole.len() / 2])?;
/// assert!(replayed.inputs > 0);
/// assert_eq!(replayed.end, "cut");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Replayed {
    /// How many inputs went in.
    pub inputs: u64,
    /// How the recording ends: `over` with the connection, `full` at its bound, `lost` where the writer could not
    /// follow, `failed` where it could not be written any further, `cut` where the program ended, `gap` where its driver
    /// left out a call of [`Tape`](httpfsm_transport::Tape), `page` at an error page that it does not have, `masked` before
    /// a line with which the machine would do something else, because bytes of the peer are hidden in it or before it.
    pub end: String,
}

/// A replay, step by step.
///
/// ```
/// use std::fs::File;
/// use std::io::BufReader;
///
/// use httpfsm_record::{LineKind, Replay, ReplayedLine};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mut replay = Replay::new(BufReader::new(File::open("tests/recordings/pipelined.jsonl")?))?;
/// let mut requests = Vec::new();
/// while let Some(line) = replay.step()? {
///     let ReplayedLine { kind, name, text, before, after, .. } = line;
///     println!("{before:?} -> {after:?}: {name} {text}");
///     if kind == LineKind::Output && name == "HttpRequest" {
///         requests.push(text);
///     }
/// }
/// assert_eq!(requests[0], "GET /?a=1 HTTP/1.1 with 2 fields");
/// assert!(replay.channel().is_closed());
/// # Ok(())
/// # }
/// ```
pub struct Replay {
    machine: ReplayMachine,
    lines: RecordedLines,
    /// It ends before a line with which the machine would do something else.
    is_masked: bool,
    replayed: Replayed,
    about: (String, String, String),
}

impl Replay {
    /// Reads a recording. A last line without its end is what a program left that ended while it wrote.
    ///
    /// # Errors
    ///
    /// All of [`ReplayFailure`] but [`ReplayFailure::Differs`].
    pub fn new(recording: impl BufRead) -> Result<Self, ReplayFailure> {
        // Bytes, not text: a program that ends while it writes leaves a part of a character.
        let mut bytes = Vec::new();
        recording.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(ReplayFailure::Io)?;
        if bytes.len() as u64 > MAX_BYTES {
            return Err(ReplayFailure::TooLarge);
        }
        if bytes.is_empty() {
            return Err(ReplayFailure::Empty);
        }
        let mut lines = RecordedLines::new(bytes);
        let Some((_, head)) = lines.next() else {
            return Err(ReplayFailure::NoRecording("its first line has no end".to_owned()));
        };
        let no_recording = |error: serde_json::Error| ReplayFailure::NoRecording(error.to_string());
        let Format { httpfsm: format } = serde_json::from_slice(head).map_err(no_recording)?;
        if format != FORMAT {
            return Err(ReplayFailure::OtherFormat(format));
        }
        let head: FirstLine = serde_json::from_slice(head).map_err(no_recording)?;
        let (begin, mut pages) = (lines.place, HashMap::new());
        let mut end = None;
        while let Some((at, line)) = lines.parse_next()? {
            // What stands behind the end is not looked at.
            if line.end.is_some() {
                end = line.end;
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
        let refusal = head.refusal.as_deref().map(rule_named).transpose()?;
        let age_jitter = Duration::from_millis(head.age_jitter);
        let facts = Facts::default().with_age_jitter(age_jitter).with_refusal(refusal);
        let names = SecretNames::new(head.masked.iter().map(|name| &**name));
        let compiled = Arc::new(CompiledConfig::new(&config));
        let mut machine = ReplayMachine::new(compiled, facts, names, head.masked_bodies);
        machine.page_missing = page_missing;
        Ok(Self {
            machine,
            lines,
            is_masked: end.as_deref() == Some("masked"),
            replayed: Replayed { inputs: 0, end: "cut".to_owned() },
            about: (head.channel, head.peername, head.sockname),
        })
    }

    /// The channel's name.
    ///
    /// ```
    /// use std::fs::File;
    /// use std::io::BufReader;
    ///
    /// use httpfsm_record::Replay;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let replay = Replay::new(BufReader::new(File::open("tests/recordings/pipelined.jsonl")?))?;
    /// println!("{}: from {} to {}", replay.channel_name(), replay.peername(), replay.sockname());
    /// # Ok(())
    /// # }
    /// ```
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
        &self.machine.channel
    }

    /// How far it got.
    ///
    /// ```
    /// use std::fs::File;
    /// use std::io::BufReader;
    ///
    /// use httpfsm_record::Replay;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let mut replay = Replay::new(BufReader::new(File::open("tests/recordings/pipelined.jsonl")?))?;
    /// while replay.replayed().inputs < 2 {
    ///     assert!(replay.step()?.is_some(), "more than two inputs went in");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn replayed(&self) -> Replayed {
        self.replayed.clone()
    }

    /// Replays the next line; `None` at the end.
    ///
    /// # Errors
    ///
    /// [`ReplayFailure`]; nothing follows a difference that says more.
    pub fn step(&mut self) -> Result<Option<ReplayedLine>, ReplayFailure> {
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
            self.lines = RecordedLines::default();
            return Ok(None);
        }
        let before = self.machine.channel.state();
        let (kind, name) = self.machine.follow(at, &line)?;
        if self.machine.page_missing.load(Ordering::SeqCst) {
            // The machine may do something else one input before what it does is seen to be something else.
            self.replayed.end = if self.is_masked { "masked" } else { "page" }.to_owned();
            self.lines = RecordedLines::default();
            return Ok(None);
        }
        self.replayed.inputs += u64::from(matches!(kind, LineKind::Input | LineKind::NotAccepted));
        let ReplayMachine { channel, now, rows, .. } = &mut self.machine;
        Ok(Some(ReplayedLine {
            line: at,
            at: now.0,
            kind,
            name,
            text: words(&line),
            bytes: line.bytes.unwrap_or_default().0,
            before,
            after: channel.state(),
            deadline: channel.deadline(),
            unsent: channel.unsent_len(),
            rows: mem::take(rows),
        }))
    }
}

/// The rule of this name.
fn rule_named(name: &str) -> Result<Rule, ReplayFailure> {
    let rule = Rule::ALL.iter().copied().find(|rule| format!("{rule:?}") == name);
    rule.ok_or_else(|| ReplayFailure::NoRecording(format!("this program knows no rule {name}")))
}

impl fmt::Debug for Replay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Replay")
            .field("channel", &self.about.0)
            .field("replayed", &self.replayed)
            .finish_non_exhaustive()
    }
}
