//! Records one channel.

use std::mem;

use httpfsm::channel::{Channel, Data, Input, NotAccepted, Output};
use httpfsm::config::ErrorPages;
use httpfsm::error::RequestError;
use httpfsm::fields::Fields;
use httpfsm::request::RequestRef;
use httpfsm::response::{BodyRef, ResponseRef};
use httpfsm::time::{Date, Moment, Now};
use httpfsm_transport::{Opened, Tape, catch_panic};

use crate::config::Config;
use crate::latin1::{Latin1, write_line};
use crate::line::{Content, FORMAT, Head, Line};
use crate::mask::{Names, Outgoing, Requests, hide_content, hide_text, hide_value};
use crate::show::{output_line, request_line, then};

/// The fields whose values are hidden unless told otherwise.
pub const MASKED: [&str; 4] = httpfsm::fields::SECRETS;

/// What of a channel is recorded.
#[derive(Clone, Debug)]
pub struct Options {
    /// Bytes of a recording; it ends before the line that would exceed them. Default 1 MiB.
    pub max_bytes: usize,
    /// Fields whose values are hidden, each byte by an `x`, in any case of letters. Those that frame or route a
    /// message are never hidden. Default [`MASKED`].
    pub masked: Vec<String>,
    /// Whether bodies are hidden as well, and the texts of failures with them, which `expose_tracebacks` makes a part of a
    /// body; of what was sent only the number of bytes is kept then. Default `false`.
    pub mask_bodies: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { max_bytes: 1 << 20, masked: MASKED.map(str::to_owned).to_vec(), mask_bodies: false }
    }
}

/// Room that is kept for the last line.
const LAST: usize = 64;

/// Records one channel in memory, as JSON lines. A [`FileRecorder`](crate::FileRecorder) makes one for each channel
/// that it records; whoever drives a [`Channel`] can have one, too.
///
/// Whoever drives a channel makes the calls of [`Tape`], in its order. Where one is seen to be missing (the bytes of an
/// [`Input::RxRead`], the [`taken`](Tape::taken) of an input, the [`request`](Tape::request) of a request) the recording ends
/// there, and says `gap`, since what followed would not replay.
///
/// ```
/// use std::io::{self, Read};
/// use std::sync::Arc;
///
/// use httpfsm::handler::ConnectionInfo;
/// use httpfsm::{
///     Channel, ChannelConfig, CompiledConfig, Date, Facts, Fields, Input, Moment, NotAccepted, Now, Output, Peer, ResponseRef,
///     Status,
/// };
/// use httpfsm_record::{Options, Recording, replay};
/// use httpfsm_transport::{Opened, Tape};
///
/// /// A channel and its recording: whatever changes the channel goes through here.
/// struct Recorded {
///     channel: Channel,
///     recording: Recording,
/// }
///
/// impl Recorded {
///     fn handle(&mut self, now: &Now<'_>, input: Input<'_>) -> Result<(), NotAccepted> {
///         self.recording.input(now, &input);
///         let taken = self.channel.handle(now, input);
///         self.recording.taken(&taken, &self.channel);
///         taken
///     }
///
///     fn read(&mut self, now: &Now<'_>, mut socket: impl Read) -> io::Result<()> {
///         let spare = self.channel.spare();
///         let n = socket.read(spare)?;
///         self.recording.read(&spare[..n]);
///         let _ = self.handle(now, if n == 0 { Input::RxEnd } else { Input::RxRead(n) });
///         Ok(())
///     }
///
///     fn next_output(&mut self) -> Option<Output<'_>> {
///         let output = self.channel.next_output();
///         if let Some(output) = &output {
///             self.recording.output(output);
///         }
///         output
///     }
/// }
///
/// let compiled = Arc::new(CompiledConfig::new(&ChannelConfig::default()));
/// let info = ConnectionInfo::new(Peer::Unix(None), Peer::Unix(None), "http", "example".to_owned());
/// let facts = Facts::default();
/// let recording = Recording::new(&Opened { info: &info, compiled: &compiled, facts }, &Options::default());
/// let mut recorded = Recorded { channel: Channel::new(compiled, facts), recording };
///
/// let now = Now::new(Moment::from_millis(7), &Date::EPOCH);
/// recorded.read(&now, &b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"[..])?;
/// while let Some(output) = recorded.next_output() {
///     if let Output::HttpRequest = output {
///         recorded.recording.request(recorded.channel.request());
///         let fields = Fields::new();
///         let response = ResponseRef::new(Status::OK, &fields, b"hello");
///         recorded.handle(&now, Input::HttpResponse(response)).expect("it waits for the response");
///     }
/// }
/// let n = recorded.channel.unsent_len(); // What a socket would take.
/// recorded.handle(&now, Input::Sent(n)).expect("so many bytes were there");
/// recorded.recording.rest(); // For tapes that pass on what they have; this one keeps it.
///
/// recorded.recording.finish();
/// let replayed = replay(&recorded.recording.take()[..]).expect("the machine does the same again");
/// assert_eq!((replayed.inputs, &*replayed.end), (3, "over"));
/// # Ok::<(), io::Error>(())
/// ```
pub struct Recording {
    lines: Vec<u8>,
    /// Bytes that may still be written.
    left: usize,
    over: bool,
    names: Names,
    mask_bodies: bool,
    /// Whether the machine sends the text of a failure; only then a replay needs it.
    sends_failures: bool,
    requests: Requests,
    outgoing: Outgoing,
    read: Vec<u8>,
    /// The input that is going in; `taken` is to come.
    pending: Option<Line>,
    /// `Output::HttpRequest` was taken, and `request` is to come.
    awaits_request: bool,
    date: Option<Date>,
    pages: Option<ErrorPages>,
}

impl Recording {
    /// A recording of a channel that is about to open.
    #[must_use]
    pub fn new(opened: &Opened<'_>, options: &Options) -> Self {
        let names = Names::new(options.masked.iter().map(|name| &**name));
        let config = opened.compiled.config();
        let head = Head {
            httpfsm: FORMAT,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            channel: opened.info.channel.clone(),
            peername: opened.info.peername.to_string(),
            sockname: opened.info.sockname.to_string(),
            masked: names.as_slice().to_vec(),
            masked_bodies: options.mask_bodies,
            age_jitter: u64::try_from(opened.facts.age_jitter.as_millis()).unwrap_or(u64::MAX),
            config: Config::from(config),
        };
        let mut lines = Vec::new();
        write_line(&head, &mut lines);
        Self {
            left: options.max_bytes.saturating_sub(lines.len() + LAST),
            lines,
            over: false,
            names,
            mask_bodies: options.mask_bodies,
            sends_failures: config.expose_tracebacks,
            requests: Requests::new(options.mask_bodies),
            outgoing: Outgoing::default(),
            read: Vec::new(),
            pending: None,
            awaits_request: false,
            date: None,
            pages: config.error_pages.clone(),
        }
    }

    /// The lines since the last call.
    pub fn take(&mut self) -> Vec<u8> {
        mem::take(&mut self.lines)
    }

    /// Bytes that [`take`](Self::take) would give.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// Whether [`take`](Self::take) would give nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Whether there will be no further line.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.over
    }

    /// Says that the connection has ended. Only the first end counts.
    pub fn finish(&mut self) {
        self.end("over");
    }

    fn end(&mut self, why: &str) {
        if !mem::replace(&mut self.over, true) {
            write_line(&Line { end: Some(why.to_owned()), ..Line::default() }, &mut self.lines);
        }
    }

    /// Ends the recording if the driver has left out a call that was to come before this one.
    fn check(&mut self, complete: bool) {
        if !complete || self.pending.is_some() || self.awaits_request {
            self.pending = None;
            self.end("gap");
        }
    }

    /// The bytes that the line of an input is about.
    fn size(&self, input: &Input<'_>) -> usize {
        match input {
            Input::RxData(bytes) => bytes.len(),
            Input::RxRead(n) | Input::Sent(n) => *n,
            Input::Write(data) => data.as_slice().len(),
            Input::HttpResponse(ResponseRef { body: BodyRef::Slice(bytes), .. }) => bytes.len(),
            Input::HttpResponse(ResponseRef { body: BodyRef::Bytes(bytes), .. }) => bytes.len(),
            Input::Abort(Some(text)) if self.sends_failures => text.len(),
            _ => 0,
        }
    }

    /// Whether a line about so many bytes may still fit; if not, the recording ends.
    fn fits(&mut self, bytes: usize) -> bool {
        if bytes > self.left {
            self.end("full");
        }
        !self.over
    }

    fn write(&mut self, line: &Line) {
        if self.over {
            return;
        }
        let before = self.lines.len();
        write_line(line, &mut self.lines);
        let written = self.lines.len() - before;
        if written > self.left {
            self.lines.truncate(before);
            self.end("full");
        } else {
            self.left -= written;
        }
    }

    /// The bytes of a body.
    fn body(&self, bytes: &[u8]) -> Latin1 {
        Latin1(if self.mask_bodies { vec![b'x'; bytes.len()] } else { bytes.to_vec() })
    }

    /// The text of a failure, where the machine sends it. It has the length that it had, and is hidden as it is in the page
    /// that is sent.
    fn failure(&self, text: Option<&str>) -> Option<String> {
        let text = text.filter(|_| self.sends_failures)?;
        Some(if self.mask_bodies { "x".repeat(text.len()) } else { hide_text(&self.names, text) })
    }

    fn fields(&self, fields: &Fields) -> Vec<(String, Latin1)> {
        let named = fields.iter().map(|field| {
            let mut value = field.value.to_vec();
            hide_value(&self.names, field.name, &mut value);
            (field.name.to_owned(), Latin1(value))
        });
        let length = fields.content_length().map(|length| ("Content-Length", length.to_string()));
        let options = [(fields.close(), "close"), (fields.upgrade(), "upgrade")];
        let options =
            options.into_iter().filter(|option| option.0).map(|option| ("Connection", option.1.to_owned()));
        let known = length.into_iter().chain(options);
        named.chain(known.map(|(name, value)| (name.to_owned(), Latin1(value.into_bytes())))).collect()
    }

    fn response(&self, response: &ResponseRef<'_>, line: &mut Line) {
        line.status = Some(response.status.code());
        line.fields = Some(self.fields(response.fields));
        let (content, bytes) = match response.body {
            BodyRef::Empty => (Content::Empty, None),
            BodyRef::Slice(bytes) => (Content::Slice, Some(bytes)),
            BodyRef::Bytes(bytes) => (Content::Bytes, Some(&bytes[..])),
            BodyRef::Stream { length } => {
                line.n = length;
                (Content::Stream, None)
            }
        };
        line.content = Some(content);
        line.bytes = bytes.map(|bytes| self.body(bytes));
    }

    fn received(&mut self, mut bytes: Vec<u8>) -> Option<Latin1> {
        self.requests.apply(&self.names, &mut bytes);
        Some(Latin1(bytes))
    }

    /// What the user's page says to an error: a replay has no function to ask.
    fn page(&mut self, error: &RequestError) {
        let Some(pages) = &self.pages else { return };
        let Ok(page) = catch_panic(|| pages.page(error)) else { return };
        if self.fits(page.body.len()) {
            let (key, content_type) = (page_key(error), page.content_type.into_owned());
            let bytes = Some(self.body(&page.body));
            self.write(&Line { page: Some(key), text: Some(content_type), bytes, ..Line::default() });
        }
    }
}

impl Tape for Recording {
    fn read(&mut self, bytes: &[u8]) {
        if !self.over {
            self.read = bytes.to_vec();
        }
    }

    fn input(&mut self, now: &Now<'_>, input: &Input<'_>) {
        let read = mem::take(&mut self.read);
        self.check(!matches!(input, Input::RxRead(n) if *n != read.len()));
        if self.over || !self.fits(self.size(input)) {
            return;
        }
        let date =
            (self.date != Some(*now.date)).then(|| String::from_utf8_lossy(now.date.as_bytes()).into());
        self.date = Some(*now.date);
        let mut line = Line { at: Some(now.at.as_millis()), date, ..Line::default() };
        line.input = Some(input.event().to_string());
        match input {
            Input::RxData(bytes) => line.bytes = self.received(bytes.to_vec()),
            Input::RxRead(_) => line.bytes = self.received(read),
            Input::Sent(n) => {
                line.n = Some(*n as u64);
                if !self.mask_bodies {
                    line.bytes = Some(Latin1(self.outgoing.leave(*n)));
                }
            }
            Input::HttpResponse(response) => self.response(response, &mut line),
            Input::Write(data) => {
                line.content = Some(match data {
                    Data::Slice(_) => Content::Slice,
                    Data::Bytes(_) => Content::Bytes,
                });
                line.bytes = Some(self.body(data.as_slice()));
            }
            Input::Finish(fields) => line.fields = fields.map(|fields| self.fields(fields)),
            Input::Informational(status, fields) => {
                line.status = Some(status.code());
                line.fields = Some(self.fields(fields));
            }
            Input::BodyDemand(n) => line.n = Some(*n),
            Input::Abort(text) => line.text = self.failure(*text),
            Input::GoOut(leave) => {
                let times = [leave.idle_until, leave.fresh_until, leave.cut_at];
                line.leave = Some(times.map(Moment::as_millis));
            }
            _ => {}
        }
        self.pending = Some(line);
    }

    fn taken(&mut self, taken: &Result<(), NotAccepted>, channel: &Channel) {
        if let Some(mut line) = self.pending.take() {
            line.then = Some(then(taken, channel));
            if !self.mask_bodies {
                let staged = self.outgoing.staged(&self.names, channel);
                let head = if line.status.is_some() { &b"\r\n\r\n"[..] } else { b"\r\n" };
                if let (Some(_), Some(bytes)) = (line.content, &mut line.bytes) {
                    hide_content(&self.names, &mut bytes.0, staged, head);
                }
            }
            self.write(&line);
        }
    }

    fn output(&mut self, output: &Output<'_>) {
        let bytes = if let Output::BodyData(bytes) = output { bytes.len() } else { 0 };
        self.check(true);
        self.awaits_request = matches!(output, Output::HttpRequest);
        if self.awaits_request || self.over || !self.fits(bytes) {
            return;
        }
        if let Output::Refused(error) = output {
            self.page(error);
        }
        let line = output_line(output, self.mask_bodies);
        self.write(&line);
    }

    fn request(&mut self, request: Option<RequestRef<'_>>) {
        self.awaits_request = false;
        self.check(true);
        if !self.over {
            self.write(&request_line(request));
        }
    }

    fn forgotten(&mut self) {
        self.check(true);
        self.write(&Line { call: Some("forget_request".to_owned()), ..Line::default() });
    }

    fn rest(&mut self) {}
}

impl std::fmt::Debug for Recording {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Recording")
            .field("left", &self.left)
            .field("over", &self.over)
            .finish_non_exhaustive()
    }
}

/// How an error is found among the pages.
pub(crate) fn page_key(error: &RequestError) -> String {
    format!("{:?} {}", error.rule, error.offset)
}
