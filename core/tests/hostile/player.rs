//! One connection of an entry: the peer, the wire, the application and the clock.

use std::sync::Arc;

use httpfsm::channel::{CompiledConfig, Data, Facts, Input, Output, State};
use httpfsm::response::{BodyRef, ResponseRef};
use httpfsm::time::{Date, Moment, Now};
use httpfsm::{BodyError, Channel, ChannelConfig, Fields, Status};

use crate::config::set_parameter;
use crate::corpus::{Application, Entry, Place, Step};
use crate::cut::Cut;

/// Outputs that one input may have, but for the requests and bodies that it carries.
const OUTPUTS: usize = 64;

/// A connection to a channel: the peer, the wire, the application and the clock.
pub(crate) struct Player<'e> {
    pub(crate) channel: Channel,
    pub(crate) application: &'e Application,
    cut: Cut,
    at: u64,
    /// What the peer wants to send, and how much of it has been taken.
    pub(crate) peer: Vec<u8>,
    pub(crate) taken: usize,
    fin: bool,
    reads: bool,
    pub(crate) sent: Vec<u8>,
    seen: Vec<Seen>,
    /// Method and target of each request, in order.
    pub(crate) requests: Vec<Vec<u8>>,
    pub(crate) blamed: Option<u64>,
    pub(crate) tunnel: Option<Vec<u8>>,
    pub(crate) ended: Option<Ended>,
    /// Bytes that the channel may hold.
    bound: usize,
}

/// What the application, or whoever watches, is told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Seen {
    Request(Vec<u8>),
    Data(Vec<u8>),
    End(Vec<Vec<u8>>),
    Failed(String),
    Line(String),
}

/// How the connection ended, and why.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Ended {
    pub(crate) reset: bool,
    pub(crate) reason: Option<String>,
}

impl<'e> Player<'e> {
    pub(crate) fn new(entry: &'e Entry, application: &'e Application, cut: Cut) -> Self {
        let mut config = ChannelConfig::default();
        for (name, value) in &entry.config {
            set_parameter(&mut config, name, value);
        }
        // Buffers grow in steps.
        let bound = config.max_request_header_size + config.input_bound + config.output_high_water;
        let channel = Channel::new(Arc::new(CompiledConfig::new(&config)), Facts::default());
        let mut player = Self {
            channel,
            application,
            cut,
            at: 0,
            peer: Vec::new(),
            taken: 0,
            fin: false,
            reads: true,
            sent: Vec::new(),
            seen: Vec::new(),
            requests: Vec::new(),
            blamed: None,
            tunnel: None,
            ended: None,
            bound: bound as usize * 2 + (64 << 10),
        };
        player.drain();
        player
    }

    pub(crate) fn step(&mut self, step: &Step) {
        match step {
            Step::Bytes(bytes) => self.peer.extend(bytes),
            Step::Fin => self.fin = true,
            Step::Lost => {
                self.input(Input::Disconnected);
            }
            Step::Time(millis) => {
                self.at = self.at.saturating_add_signed(*millis);
                self.input(Input::Tick);
            }
            Step::Stops => self.reads = false,
            Step::Reads => self.reads = true,
            Step::ReadsSome(bytes) => self.read(*bytes),
            Step::Respond => self.respond(Status::OK, b"late"),
            Step::GoOut => {
                let leave = self.channel.compiled_config().leave(Moment::from_millis(self.at));
                self.input(Input::GoOut(leave));
            }
        }
        self.flow();
    }

    /// Moves bytes in both directions until nothing moves any more.
    pub(crate) fn flow(&mut self) {
        loop {
            if self.reads && self.channel.unsent_len() > 0 {
                let n = self.channel.unsent().len();
                self.sent.extend_from_slice(self.channel.unsent());
                assert!(self.input(Input::Sent(n)), "what was to be sent was sent");
                continue;
            }
            let rest = self.peer.len() - self.taken;
            let room = self.channel.input_room().min(rest);
            if room > 0 {
                let n = self.cut.piece(self.taken, room);
                let piece = self.peer[self.taken..self.taken + n].to_vec();
                self.taken += n;
                assert!(self.input(Input::RxData(&piece)), "there was room for input");
                continue;
            }
            if rest == 0 && self.fin && !self.channel.is_closed() {
                self.fin = false;
                self.input(Input::RxEnd);
                continue;
            }
            if self.channel.state() == State::WaitResponse && *self.application == Application::Waits {
                // Whoever drives the channel lets it judge when the application is asked and owes.
                self.input(Input::CheckPipeline);
                if self.channel.state() != State::WaitResponse {
                    continue;
                }
            }
            return;
        }
    }

    /// The peer reads so many bytes, if there are.
    fn read(&mut self, bytes: usize) {
        let mut rest = bytes.min(self.channel.unsent_len());
        while rest > 0 {
            let slice = self.channel.unsent();
            let n = slice.len().min(rest);
            self.sent.extend_from_slice(&slice[..n]);
            assert!(self.input(Input::Sent(n)), "what was to be sent was sent");
            rest -= n;
        }
    }

    /// Whether the input was accepted.
    pub(crate) fn input(&mut self, input: Input<'_>) -> bool {
        let now = Now::new(Moment::from_millis(self.at), &Date::EPOCH);
        let accepted = self.channel.handle(&now, input).is_ok();
        self.drain();
        let held = self.channel.buffered();
        assert!(held <= self.bound, "{held} bytes are held");
        accepted
    }

    fn drain(&mut self) {
        let mut outputs = 0;
        while let Some(output) = self.channel.next_output() {
            outputs += 1;
            assert!(outputs <= OUTPUTS, "outputs without an end: {output:?}");
            match output {
                Output::HttpRequest => outputs = self.take_request(),
                Output::BodyData(bytes) => {
                    assert!(!bytes.is_empty(), "data without a byte");
                    let bytes = bytes.to_vec();
                    if *self.application == Application::Streams && self.channel.owes_body() {
                        let room = self.channel.room().min(bytes.len());
                        self.input_only(Input::Write(Data::Slice(&bytes[..room])));
                    }
                    match self.seen.last_mut() {
                        Some(Seen::Data(data)) => data.extend(bytes),
                        _ => self.seen.push(Seen::Data(bytes)),
                    }
                }
                Output::BodyEnd(trailers) => {
                    let lines = trailers
                        .iter()
                        .map(|field| [b"trailer ", field.name.as_bytes(), b": ", field.value].concat());
                    let end = Seen::End(lines.collect());
                    self.seen.push(end);
                    self.body_is_in();
                }
                Output::BodyFailed(error) => {
                    let name = match error {
                        BodyError::Malformed(error) => format!("{:?}", error.rule),
                        error => format!("{error:?}"),
                    };
                    self.seen.push(Seen::Failed(name));
                    if *self.application == Application::Streams {
                        self.input_only(Input::Abort(None));
                    }
                }
                Output::Refused(error) => {
                    self.seen.push(Seen::Line(format!("refused {:?}", error.rule)));
                    self.blamed = Some(error.offset);
                }
                Output::Upgraded(bytes) => self.tunnel = Some(bytes.to_vec()),
                Output::CloseWrite => self.ended = Some(Ended { reset: false, reason: None }),
                Output::Drop { reset } => match &mut self.ended {
                    Some(ended) => ended.reset |= reset,
                    None => self.ended = Some(Ended { reset, reason: None }),
                },
                Output::HttpChannelClosed(reason) => {
                    let debug = format!("{reason:?}");
                    let name = debug.split('(').next().unwrap_or_default().to_owned();
                    self.ended.get_or_insert(Ended { reset: false, reason: None }).reason = Some(name);
                }
                Output::HttpChannelOpened
                | Output::PeerEnded
                | Output::Excess(_)
                | Output::Flushed
                | Output::TransmitReady
                | Output::FlushOutputData => {}
            }
        }
    }

    fn input_only(&mut self, input: Input<'_>) {
        let now = Now::new(Moment::from_millis(self.at), &Date::EPOCH);
        // What does not fit any more is not for the peer to see.
        let _ = self.channel.handle(&now, input);
    }

    /// Tells of a request and lets the application begin with it. A new count of outputs begins.
    fn take_request(&mut self) -> usize {
        let request = self.channel.request().expect("a request that came can be asked for");
        let line = format!("{} {}", request.method(), request.target()).into_bytes();
        let connect = request.is_connect();
        self.requests.push(line.clone());
        self.seen.push(Seen::Request(line));
        match self.application {
            Application::Reads if connect => self.respond(Status::METHOD_NOT_ALLOWED, b""),
            Application::Upgrades if connect => self.respond(Status::OK, b""),
            Application::Reads | Application::Upgrades => self.input_only(Input::BodyDemand(u64::MAX)),
            Application::Responds => self.respond(Status::OK, b"early"),
            Application::Waits => {}
            Application::Streams => {
                let body = BodyRef::Stream { length: None };
                let response = ResponseRef { status: Status::OK, fields: &Fields::new(), body };
                self.input_only(Input::HttpResponse(response));
                if self.channel.owes_body() {
                    self.input_only(Input::BodyDemand(u64::MAX));
                }
            }
            Application::Fails => self.input_only(Input::Abort(Some("the application's secret"))),
            Application::Status(code, content) => {
                self.respond(Status::new(*code).expect("a status"), content);
            }
            Application::Large(length) => {
                let content = vec![b'x'; *length].into();
                let body = BodyRef::Bytes(&content);
                let response = ResponseRef { status: Status::OK, fields: &Fields::new(), body };
                self.input_only(Input::HttpResponse(response));
            }
            Application::Field(place, name, value) => {
                let fields = Fields::new().with(name, value);
                let line = if fields.is_ok() { "field taken" } else { "field refused" };
                self.seen.push(Seen::Line(line.into()));
                let (fields, none) = (fields.unwrap_or_default(), Fields::new());
                let response =
                    |fields, body| Input::HttpResponse(ResponseRef { status: Status::OK, fields, body });
                match place {
                    Place::Response => self.input_only(response(&fields, BodyRef::Slice(b""))),
                    // The probe behind the entry gets a plain response.
                    Place::Hint if self.requests.len() > 1 => {
                        self.input_only(response(&none, BodyRef::Slice(b"")))
                    }
                    Place::Hint => {
                        self.input_only(Input::Informational(Status::EARLY_HINTS, &fields));
                        self.input_only(response(&none, BodyRef::Slice(b"")));
                    }
                    Place::Trailer => {
                        self.input_only(response(&none, BodyRef::Stream { length: None }));
                        self.input_only(Input::Write(Data::Slice(b"x")));
                        self.input_only(Input::Finish(Some(&fields)));
                    }
                }
            }
        }
        0
    }

    fn body_is_in(&mut self) {
        match self.application {
            Application::Streams => self.input_only(Input::Finish(None)),
            Application::Reads | Application::Upgrades => {
                let length = self.received().to_string();
                if *self.application == Application::Upgrades {
                    self.respond(Status::SWITCHING_PROTOCOLS, b"");
                }
                // Not accepted if the protocols were switched.
                self.respond(Status::OK, length.as_bytes());
            }
            _ => {}
        }
    }

    /// The length of the body that came last.
    fn received(&self) -> usize {
        let since = self.seen.iter().rposition(|seen| matches!(seen, Seen::Request(_))).unwrap_or(0);
        let data =
            self.seen[since..].iter().map(|seen| if let Seen::Data(data) = seen { data.len() } else { 0 });
        data.sum()
    }

    fn respond(&mut self, status: Status, content: &[u8]) {
        let fields = match status {
            Status::SWITCHING_PROTOCOLS => Fields::new().with("Upgrade", "other").expect("a field"),
            _ => Fields::new(),
        };
        let body = if content.is_empty() { BodyRef::Empty } else { BodyRef::Slice(content) };
        self.input_only(Input::HttpResponse(ResponseRef { status, fields: &fields, body }));
    }

    /// What the application was told since the last call, a line for each request and whatever else there is.
    pub(crate) fn lines(&mut self) -> Vec<Vec<u8>> {
        let mut lines: Vec<Vec<u8>> = Vec::new();
        // The request or body whose line is the last one.
        let mut body_of_last = false;
        for seen in std::mem::take(&mut self.seen) {
            if !body_of_last && matches!(seen, Seen::Data(_) | Seen::End(_) | Seen::Failed(_)) {
                lines.push(b"body...".to_vec());
                body_of_last = true;
            }
            let last = lines.last_mut();
            match (seen, last) {
                (Seen::Request(line), _) => {
                    lines.push([&line[..], b"..."].concat());
                    body_of_last = true;
                }
                (Seen::Data(data), Some(last)) => {
                    last.truncate(last.len() - 3);
                    last.extend([b" \"", &data[..], b"\"..."].concat());
                }
                (Seen::End(trailers), Some(last)) => {
                    last.truncate(last.len() - 3);
                    lines.extend(trailers);
                    body_of_last = false;
                }
                (Seen::Failed(error), Some(last)) => {
                    last.truncate(last.len() - 3);
                    last.extend(format!(" failed {error}").into_bytes());
                    body_of_last = false;
                }
                (Seen::Line(line), _) => {
                    lines.push(line.into_bytes());
                    body_of_last = false;
                }
                _ => {}
            }
        }
        lines
    }
}
