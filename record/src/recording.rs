//! Records one channel.

use std::mem;
use std::sync::Arc;

use httpfsm::channel::{
    Action, Channel, ChannelTrace, Event, Input, InputPart, Internal, NotAccepted, Output, State, Step,
};
use httpfsm::config::ErrorPages;
use httpfsm::error::RequestError;
use httpfsm::fsm::Trace;
use httpfsm::request::RequestRef;
use httpfsm::time::{Date, Now};
use httpfsm_transport::{Opened, Tape, catch_panic};

use self::held::HeldLines;
use crate::config::Config;
use crate::hide::{Hiding, Outgoing, SecretNames, StretchKind};
use crate::latin1::write_line;
use crate::line::{FORMAT, FirstLine, RecordLine};
use crate::options::Options;
use crate::replay::ReplayMachine;
use crate::show::{output_line, request_line, then};

mod held;
mod input;

/// Room that is kept for the last line.
const LAST: usize = 64;

/// Records one channel in memory, as JSON lines.
///
/// What the peer has sent is written when the machine has said what it is: fields of a well-formed head and content are
/// shown, but for what [`Options`] hides, anything else is hidden. Lines wait for that in order, and each is tried before it
/// is written: where the machine would do something else with what is hidden, the recording ends, and says `masked`.
/// A [`FileRecorder`](crate::FileRecorder) makes one for each channel
/// that it records; whoever drives a [`Channel`] can have one, too.
///
/// Whoever drives a channel makes the calls of [`Tape`], in its order. Where one is seen to be missing (the bytes of an
/// [`Input::RxRead`], the [`taken`](Tape::taken) of an input, the [`request`](Tape::request) of a request, the recording as
/// the trace of the channel) the recording ends there, and says `gap`, since what followed would not replay.
///
/// ```
/// use std::io::{self, Read};
/// use std::sync::Arc;
///
/// use httpfsm::channel::{CompiledConfig, Facts, Input, NotAccepted, Output};
/// use httpfsm::handler::ConnectionInfo;
/// use httpfsm::response::ResponseRef;
/// use httpfsm::time::{Date, Moment, Now};
/// use httpfsm::{Channel, ChannelConfig, Fields, Peer, Status};
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
///         let taken = self.channel.handle_with(now, input, &mut self.recording);
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
/// let info = ConnectionInfo::new(Peer::Unix(None), Peer::Unix(None), "http", "example".into());
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
    /// How it ends where the machine would do something else with what is hidden.
    differs: &'static str,
    hiding: Hiding,
    outgoing: Outgoing,
    read: Vec<u8>,
    held: HeldLines,
    /// Does what the lines that are written say. It has what a replay will have.
    machine: ReplayMachine,
    /// An input is going in, the last line that is held; `taken` is to come.
    pending: bool,
    /// `Output::HttpRequest` was taken, and `request` is to come.
    awaits_request: bool,
    /// Heads that the machine has named, less the requests that were taken.
    heads: u64,
    /// Where the channel stood before the last row that it took, and where it has stood since.
    stood: (State, State),
    date: Option<Date>,
    pages: Option<ErrorPages>,
}

impl Recording {
    /// A recording of a channel that is about to open.
    #[must_use]
    pub fn new(opened: &Opened<'_>, options: &Options) -> Self {
        let names = SecretNames::new(options.masked.iter().map(|name| &**name));
        let config = opened.compiled.config();
        let head = FirstLine {
            httpfsm: FORMAT,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            channel: opened.info.channel.to_string(),
            peername: opened.info.peername.to_string(),
            sockname: opened.info.sockname.to_string(),
            masked: names.as_slice().to_vec(),
            masked_bodies: options.mask_bodies,
            age_jitter: u64::try_from(opened.facts.age_jitter.as_millis()).unwrap_or(u64::MAX),
            refusal: opened.facts.refusal.map(|rule| format!("{rule:?}")),
            config: Config::from(config),
        };
        let mut lines = Vec::new();
        write_line(&head, &mut lines);
        let compiled = Arc::clone(opened.compiled);
        Self {
            left: options.max_bytes.saturating_sub(lines.len() + LAST),
            lines,
            over: false,
            differs: "masked",
            machine: ReplayMachine::new(compiled, opened.facts, names.clone(), options.mask_bodies),
            hiding: Hiding::new(names, options.mask_bodies, config.expose_tracebacks),
            outgoing: Outgoing::default(),
            read: Vec::new(),
            held: HeldLines::default(),
            pending: false,
            awaits_request: false,
            heads: 0,
            stood: (State::Fresh, State::Fresh),
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
    ///
    /// A driver that lives longer than its recording lets it go:
    ///
    /// ```
    /// use httpfsm_record::Recording;
    ///
    /// /// The lines since the last call; no recording where there will be none any more.
    /// fn lines(recording: &mut Option<Recording>) -> Vec<u8> {
    ///     let lines = recording.as_mut().map(Recording::take).unwrap_or_default();
    ///     recording.take_if(|recording| recording.is_over());
    ///     lines
    /// }
    /// # let _ = lines;
    /// ```
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.over
    }

    /// Says that the connection has ended. Only the first end counts.
    pub fn finish(&mut self) {
        self.end("over");
    }

    /// Ends the recording, behind the lines that are held.
    fn end(&mut self, why: &'static str) {
        if why != "over" {
            // Lines that are hidden only because the recording ends may differ on the second machine. The end says `why`
            // then, and not `masked`.
            self.differs = why;
        }
        if mem::take(&mut self.pending) {
            // Nobody knows what came of it.
            self.held.unpush();
        }
        // What the machine has not named by now stays unknown.
        self.stood.0 = self.stood.1;
        let rest = self.held.bytes.len();
        self.note_part(InputPart::Unread, rest);
        self.write_held();
        self.stop(why);
    }

    /// Ends the recording here. Only the first end counts.
    fn stop(&mut self, why: &str) {
        if !mem::replace(&mut self.over, true) {
            self.held = HeldLines::default();
            write_line(&RecordLine { end: Some(why.to_owned()), ..RecordLine::default() }, &mut self.lines);
        }
    }

    /// Ends the recording if the driver has left out a call that was to come before this one.
    fn check(&mut self, complete: bool) {
        if !complete || self.pending || self.awaits_request {
            self.end("gap");
        }
    }

    /// Whether a line about so many bytes may still fit; if not, the recording ends.
    fn fits(&mut self, bytes: usize) -> bool {
        if self.held.size.saturating_add(bytes) > self.left {
            self.end("full");
        }
        !self.over
    }

    /// A line that lacks nothing.
    fn queue(&mut self, line: RecordLine) {
        if !self.over {
            self.held.push(line, &[]);
            self.write_held();
        }
    }

    /// Writes the lines that lack nothing, up to the first that lacks bytes.
    fn write_held(&mut self) {
        while !self.over {
            if self.pending && self.held.lines.len() == 1 {
                return;
            }
            let Some(line) = self.held.pop() else { return };
            self.write(&line);
        }
    }

    fn write(&mut self, line: &RecordLine) {
        // A page is the function's, and a replay looks it up.
        let (is_page, machine) = (line.page.is_some(), &mut self.machine);
        // The machine asks the user's function for pages.
        let follows = catch_panic(|| is_page || machine.follow(0, line).is_ok());
        if !follows.is_ok_and(|follows| follows) {
            return self.stop(self.differs);
        }
        let before = self.lines.len();
        write_line(line, &mut self.lines);
        let written = self.lines.len() - before;
        if written > self.left {
            self.lines.truncate(before);
            self.stop("full");
        } else {
            self.left -= written;
        }
    }

    /// The machine tells what the next bytes of the peer are.
    fn note_part(&mut self, part: InputPart, bytes: usize) {
        let known = match part {
            // The row began with a head that was to be read, or with empty lines before one.
            InputPart::Unread if matches!(self.stood.0, State::Fresh | State::Head | State::Idle) => {
                StretchKind::UndeliveredHead
            }
            part => StretchKind::Told(part),
        };
        let mut bytes = self.held.take(bytes);
        self.hiding.apply(known, &mut bytes);
        self.held.give(&bytes);
    }

    /// What the user's page says to an error: a replay has no function to ask.
    fn page(&mut self, error: &RequestError) {
        let Some(pages) = &self.pages else { return };
        let Ok(page) = catch_panic(|| pages.page(error)) else { return };
        if self.fits(page.body.len()) {
            let (key, content_type) = (page_key(error), page.content_type.into_owned());
            let bytes = Some(self.hiding.page(&page.body));
            self.queue(RecordLine {
                page: Some(key),
                text: Some(content_type),
                bytes,
                ..RecordLine::default()
            });
        }
    }
}

impl Trace<State, Event, Internal, Action> for Recording {
    fn step(&mut self, step: &Step) {
        self.stood = (step.state, step.next);
    }
}

impl ChannelTrace for Recording {
    fn part(&mut self, part: InputPart, bytes: usize) {
        if self.over {
            return;
        }
        self.heads += u64::from(part == InputPart::Head);
        if bytes > self.held.bytes.len() {
            return self.end("gap");
        }
        self.note_part(part, bytes);
        // Parts come in the order of the bytes. So the first line that is left lacks bytes, and the next part belongs to it.
        self.write_held();
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
        if self.over || !self.fits(self.hiding.input_size(input)) {
            return;
        }
        let date =
            (self.date != Some(*now.date)).then(|| String::from_utf8_lossy(now.date.as_bytes()).into());
        self.date = Some(*now.date);
        let line = RecordLine { at: Some(now.at.as_millis()), date, ..self.hiding.input_line(input) };
        let received = match input {
            Input::RxData(bytes) => bytes,
            Input::RxRead(_) => &read[..],
            _ => &[],
        };
        self.held.push(line, received);
        self.pending = true;
    }

    fn taken(&mut self, taken: &Result<(), NotAccepted>, channel: &Channel) {
        if self.over || !mem::take(&mut self.pending) {
            return;
        }
        if taken.is_err() {
            self.held.refuse_last();
        }
        let (hiding, outgoing) = (&self.hiding, &mut self.outgoing);
        self.held.complete_last(|line| {
            line.then = Some(then(taken, channel));
            if !hiding.bodies {
                outgoing.taken(&hiding.names, channel, line, taken.is_ok());
            }
        });
        self.write_held();
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
        let mut line = output_line(output, self.hiding.bodies);
        if let (Output::BodyData(_), Some(bytes)) = (output, &mut line.bytes) {
            self.hiding.deliver(&mut bytes.0);
        }
        self.queue(line);
    }

    fn request(&mut self, request: Option<RequestRef<'_>>) {
        self.awaits_request = false;
        self.check(true);
        let Some(heads) = self.heads.checked_sub(1) else {
            // It is not the trace of its channel, and knows of no byte that is held what it is.
            return self.stop("gap");
        };
        self.heads = heads;
        self.hiding.begin_delivery();
        if !self.over {
            self.queue(request_line(request));
        }
    }

    fn forgotten(&mut self) {
        self.check(true);
        self.queue(RecordLine { call: Some("forget_request".to_owned()), ..RecordLine::default() });
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
