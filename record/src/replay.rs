//! Feeds a recording through the machine, and compares.

use std::collections::HashMap;
use std::fmt;
use std::io::{BufRead, Read as _};
use std::mem;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use httpfsm::channel::{Channel, CompiledConfig, Facts, Output};
use httpfsm::config::{ErrorPage, ErrorPages};
use httpfsm::time::{Date, Moment};

pub use self::failure::{Difference, Failure};
use self::failure::{differ, differs, malformed};
use self::lines::Lines;
use self::step::words;
pub use self::step::{Kind, ReplayedLine};
use crate::latin1::{Latin1, write_line};
use crate::line::{FORMAT, Head, Line};
use crate::mask::{Names, Outgoing};
use crate::recording::page_key;
use crate::show::{output_line, request_line, then};

mod failure;
mod feed;
mod lines;
mod step;

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
        let facts = Facts::default().with_age_jitter(Duration::from_millis(head.age_jitter));
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
