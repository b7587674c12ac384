//! The hostile corpus as data: reads the files of this folder. Their form is told in `README.md` beside this file.
//!
//! Whoever plays the entries takes this file in by its path; it needs nothing but the standard library.

#![allow(dead_code, reason = "each player uses its part")]

use std::path::Path;
use std::{fs, str};

/// One hostile connection, and what is promised of it.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// File and line, for whoever looks for it.
    pub(crate) place: String,
    /// The row of the table in `README.md`: `S12`, `D3`.
    pub(crate) row: String,
    pub(crate) id: String,
    /// Where the danger or the rule is written.
    pub(crate) source: String,
    /// Parameters that differ from the defaults.
    pub(crate) config: Vec<(String, String)>,
    pub(crate) application: Application,
    pub(crate) acts: Vec<Act>,
    pub(crate) end: End,
    /// Where the broken rule blames a byte: its distance from the mark of the start, or from the first byte.
    pub(crate) blamed: Option<u64>,
}

/// What the application does with each request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Application {
    /// Reads the body to its end, then responds with 200 and its length; CONNECT is 405.
    Reads,
    /// Responds with 200 at once and reads nothing.
    Responds,
    /// Responds only when the script says so, and reads nothing.
    Waits,
    /// Begins its response at once and sends each part of the body back as it comes.
    Streams,
    /// Agrees to every change of protocol: 101 when the body is in, 200 to CONNECT. Else as `Reads`.
    Upgrades,
    /// Fails.
    Fails,
    /// Responds with this status and this content, at once.
    Status(u16, Vec<u8>),
    /// Responds with so many bytes, at once.
    Large(usize),
    /// Tries to send this field, then responds with 200, with it or without it.
    Field(Place, String, Vec<u8>),
}

/// Where the application tries to send a field.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Place {
    Response,
    /// A 103 before the response.
    Hint,
    /// The trailer section behind its one byte.
    Trailer,
}

/// Some steps, and all that must have come of them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Act {
    pub(crate) steps: Vec<Step>,
    /// What the application is told.
    pub(crate) told: Vec<Vec<u8>>,
    /// The status codes that the peer reads, in order; with a `?` if it may be missing.
    pub(crate) statuses: Vec<String>,
    /// All bytes that the peer reads.
    pub(crate) wire: Option<Vec<u8>>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Step {
    /// The peer sends.
    Bytes(Vec<u8>),
    /// The peer ends its input.
    Fin,
    /// The connection is reset.
    Lost,
    /// Milliseconds pass; below zero, the clock jumps back.
    Time(i64),
    /// The peer stops reading.
    Stops,
    /// The peer reads on.
    Reads,
    /// The peer reads so many bytes and no more.
    ReadsSome(usize),
    /// The application responds, at last.
    Respond,
    /// The server goes out of service.
    GoOut,
}

/// What becomes of the connection.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum End {
    /// It goes on: the next request is served as if nothing had been.
    Open,
    /// It ends after the last response, and nothing behind it is served. With the reason, if it matters.
    Close(Option<String>),
    /// It ends so that nobody takes what was sent for whole.
    Reset(Option<String>),
    /// The message is not whole, or nobody responds: nothing more happens.
    Waiting,
    /// It speaks another protocol, which begins with these bytes.
    Tunnel(Vec<u8>),
}

impl Entry {
    /// The bytes that the peer sends, whatever happens between them.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let steps = self.acts.iter().flat_map(|act| &act.steps);
        let bytes = steps.filter_map(|step| if let Step::Bytes(bytes) = step { Some(bytes) } else { None });
        bytes.flatten().copied().collect()
    }

    /// Whether all that happens is that bytes come, and perhaps their end.
    pub(crate) fn has_only_bytes(&self) -> bool {
        let mut steps = self.acts.iter().flat_map(|act| &act.steps);
        steps.all(|step| matches!(step, Step::Bytes(_) | Step::Fin))
    }
}

/// Every entry of every `.txt` file in the folder.
pub(crate) fn entries(folder: &Path) -> Vec<Entry> {
    let files = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<_> = files.map(|file| file.expect("a file").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "txt"));
    paths.sort();
    let mut entries = Vec::new();
    for path in paths {
        let text = fs::read_to_string(&path).expect("a text");
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        entries.extend(parse(&name, &text).unwrap_or_else(|error| panic!("{error}")));
    }
    entries
}

/// The entries of one file.
///
/// # Errors
///
/// File, line, and what is wrong there.
pub(crate) fn parse(file: &str, text: &str) -> Result<Vec<Entry>, String> {
    let mut entries = Vec::new();
    let mut reading: Option<EntryReader> = None;
    for (at, line) in text.lines().enumerate() {
        let place = format!("{file}:{}", at + 1);
        let wrong = |what: String| format!("{place}: {what}: {line:?}");
        if line.ends_with([' ', '\t']) {
            return Err(wrong("a line ends in a blank (write \\s or \\t)".into()));
        }
        if line.is_empty() || line.starts_with('#') {
            if let Some(done) = reading.take() {
                entries.push(done.finish()?);
            }
        } else if let Some(line) = line.strip_prefix("  ") {
            let Some(reading) = &mut reading else { return Err(wrong("this belongs to no entry".into())) };
            reading.line(line).map_err(wrong)?;
        } else if reading.is_some() {
            return Err(wrong("an entry is indented by two spaces and ends with an empty line".into()));
        } else {
            reading = Some(EntryReader::new(&place, line).map_err(wrong)?);
        }
    }
    if let Some(done) = reading {
        entries.push(done.finish()?);
    }
    Ok(entries)
}

/// Bytes as they stand in the files: printable ASCII as it is, everything else escaped.
pub(crate) fn shown(bytes: &[u8]) -> String {
    let mut out = String::new();
    for (at, &byte) in bytes.iter().enumerate() {
        if at == 2000 {
            out.push_str(&format!("... ({} bytes)", bytes.len()));
            break;
        }
        match byte {
            b'\r' => out.push_str("\\r"),
            b'\n' => out.push_str("\\n"),
            b'\t' => out.push_str("\\t"),
            b'\\' => out.push_str("\\\\"),
            b' '..=b'~' => out.push(char::from(byte)),
            _ => out.push_str(&format!("\\x{byte:02x}")),
        }
    }
    out
}

/// An entry whose lines are still being read.
struct EntryReader {
    entry: Entry,
    ended: bool,
    /// Bytes sent so far.
    sent: usize,
    start: usize,
    blame: Option<usize>,
    /// Whether what was expected begins a new act with the next step.
    expecting: bool,
}

impl EntryReader {
    fn new(place: &str, head: &str) -> Result<Self, String> {
        let (row, id) = head.split_once(' ').ok_or("an entry begins with its row and its id")?;
        let number = row.strip_prefix(['S', 'D', 'H']).and_then(|number| number.parse::<u8>().ok());
        if number.is_none() {
            return Err(format!("{row} is no row"));
        }
        if !id.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-') {
            return Err(format!("{id} is no id (lower case, digits, hyphens)"));
        }
        let entry = Entry {
            place: place.into(),
            row: row.into(),
            id: id.into(),
            source: String::new(),
            config: Vec::new(),
            application: Application::Reads,
            acts: vec![Act::default()],
            end: End::Open,
            blamed: None,
        };
        Ok(Self { entry, ended: false, sent: 0, start: 0, blame: None, expecting: false })
    }

    fn line(&mut self, line: &str) -> Result<(), String> {
        if self.ended {
            return Err("nothing follows the end of the connection".into());
        }
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            "source" => self.entry.source = rest.into(),
            "config" => {
                let (name, value) = rest.split_once('=').ok_or("config NAME=VALUE")?;
                self.entry.config.push((name.into(), value.into()));
            }
            "application" => self.entry.application = application(rest)?,
            ">" => self.send(rest)?,
            "=" if rest == "nothing" => self.expecting = true,
            "=" => self.act().told.push(bytes(rest)?.bytes),
            "<" => self.act().statuses.extend(rest.split(' ').map(str::to_owned)),
            "~" => {
                let bytes = bytes(rest)?.bytes;
                self.act().wire.get_or_insert_default().extend(bytes);
            }
            "open" | "close" | "reset" | "waiting" | "tunnel" => {
                let reason = (!rest.is_empty()).then(|| rest.to_owned());
                self.ended = true;
                self.entry.end = match word {
                    "open" => End::Open,
                    "close" => End::Close(reason),
                    "reset" => End::Reset(reason),
                    "waiting" => End::Waiting,
                    _ => End::Tunnel(bytes(rest)?.bytes),
                };
            }
            _ => {
                let step = match line {
                    "fin" => Step::Fin,
                    "lost" => Step::Lost,
                    "stops reading" => Step::Stops,
                    "reads on" => Step::Reads,
                    "respond" => Step::Respond,
                    "goes out" => Step::GoOut,
                    _ if word == "reads" => Step::ReadsSome(rest.parse().map_err(|_| "reads N")?),
                    _ => Step::Time(time(line)?),
                };
                self.step(step);
            }
        }
        Ok(())
    }

    fn send(&mut self, text: &str) -> Result<(), String> {
        let read = bytes(text)?;
        if let Some(at) = read.start {
            self.start = self.sent + at;
        }
        if let Some(at) = read.blame {
            if self.blame.is_some() {
                return Err("two bytes are blamed".into());
            }
            self.blame = Some(self.sent + at);
        }
        self.sent += read.bytes.len();
        let act = self.entry.acts.last_mut().filter(|_| !self.expecting);
        if let Some(Step::Bytes(bytes)) = act.and_then(|act| act.steps.last_mut()) {
            bytes.extend(read.bytes);
        } else {
            self.step(Step::Bytes(read.bytes));
        }
        Ok(())
    }

    fn step(&mut self, step: Step) {
        if std::mem::take(&mut self.expecting) {
            self.entry.acts.push(Act::default());
        }
        if let Some(act) = self.entry.acts.last_mut() {
            act.steps.push(step);
        }
    }

    fn act(&mut self) -> &mut Act {
        self.expecting = true;
        self.entry.acts.last_mut().expect("an entry has an act")
    }

    fn finish(mut self) -> Result<Entry, String> {
        let wrong = |what: &str| Err(format!("{} {}: {what}", self.entry.place, self.entry.id));
        if !self.ended {
            return wrong("open, close, reset, waiting or tunnel is missing");
        }
        if self.entry.source.is_empty() {
            return wrong("the source is missing");
        }
        if self.entry.acts.iter().any(|act| act.steps.is_empty()) {
            return wrong("something is expected of nothing");
        }
        self.entry.blamed = match self.blame {
            Some(blame) if blame < self.start => return wrong("the byte to blame comes before the start"),
            blame => blame.map(|blame| (blame - self.start) as u64),
        };
        Ok(self.entry)
    }
}

fn application(text: &str) -> Result<Application, String> {
    let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
    Ok(match word {
        "reads" => Application::Reads,
        "responds" => Application::Responds,
        "waits" => Application::Waits,
        "streams" => Application::Streams,
        "upgrades" => Application::Upgrades,
        "fails" => Application::Fails,
        "large" => Application::Large(rest.parse().map_err(|_| "large N")?),
        "status" => {
            let (code, content) = rest.split_once(' ').unwrap_or((rest, ""));
            Application::Status(code.parse().map_err(|_| "status NNN CONTENT")?, bytes(content)?.bytes)
        }
        "field" | "hint" | "trailer" => {
            let place = match word {
                "field" => Place::Response,
                "hint" => Place::Hint,
                _ => Place::Trailer,
            };
            let (name, value) = rest.split_once('=').ok_or("NAME=VALUE")?;
            let name = bytes(name)?.bytes;
            let name = str::from_utf8(&name).map_err(|_| "a name of ASCII")?;
            Application::Field(place, name.into(), bytes(value)?.bytes)
        }
        _ => return Err(format!("no such application: {word}")),
    })
}

/// `+30s`, `+500ms`, `-5s`.
fn time(text: &str) -> Result<i64, String> {
    let (sign, rest) = match text.split_at_checked(1) {
        Some(("+", rest)) => (1, rest),
        Some(("-", rest)) => (-1, rest),
        _ => return Err("no such line".into()),
    };
    let (digits, unit) = match rest.strip_suffix("ms") {
        Some(digits) => (digits, 1),
        None => (rest.strip_suffix('s').ok_or("a time is in ms or s")?, 1000),
    };
    digits.parse::<i64>().map(|number| sign * number * unit).map_err(|_| format!("{digits} is no number"))
}

/// Bytes with the marks between them.
#[derive(Default)]
struct Bytes {
    bytes: Vec<u8>,
    start: Option<usize>,
    blame: Option<usize>,
}

fn bytes(text: &str) -> Result<Bytes, String> {
    let mut read = Bytes::default();
    let mut rest = text;
    while let Some(byte) = rest.chars().next() {
        let Some(escape) = rest.strip_prefix('\\') else {
            if !matches!(byte, ' '..='~') {
                return Err(format!("{byte:?} must be escaped"));
            }
            read.bytes.push(byte as u8);
            rest = &rest[1..];
            continue;
        };
        let mut chars = escape.chars();
        match chars.next() {
            Some('r') => read.bytes.push(b'\r'),
            Some('n') => read.bytes.push(b'\n'),
            Some('t') => read.bytes.push(b'\t'),
            Some('s') => read.bytes.push(b' '),
            Some('\\') => read.bytes.push(b'\\'),
            Some('!') => read.blame = Some(read.bytes.len()),
            Some('[') => read.start = Some(read.bytes.len()),
            Some('x') => {
                let digits = escape.get(1..3).ok_or("\\xHH")?;
                read.bytes.push(u8::from_str_radix(digits, 16).map_err(|_| "\\xHH")?);
                chars = escape[3..].chars();
            }
            Some('(') => {
                let (inner, after) = escape[1..].split_once("\\)").ok_or("\\(...\\)N")?;
                let digits = after.len() - after.trim_start_matches(|c: char| c.is_ascii_digit()).len();
                let times: usize = after[..digits].parse().map_err(|_| "\\(...\\)N")?;
                let inner = bytes(inner)?.bytes;
                read.bytes.extend(inner.repeat(times));
                chars = after[digits..].chars();
                // What follows may begin with a digit, too: \; ends the number.
                if let Some(rest) = after[digits..].strip_prefix("\\;") {
                    chars = rest.chars();
                }
            }
            _ => return Err(format!("no such escape: \\{escape:.1}")),
        }
        rest = chars.as_str();
    }
    Ok(read)
}
