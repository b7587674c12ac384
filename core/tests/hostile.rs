//! The hostile corpus, played against a channel: each entry whole, octet by octet, and cut once at every place.

#[path = "hostile/corpus.rs"]
mod corpus;

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZero;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use std::{fs, thread};

use corpus::{Act, Application, End, Entry, Place, Step, shown};
use httpfsm::{
    BodyError, BodyRef, Channel, ChannelConfig, Data, Date, Facts, Fields, Input, Moment, Now, Output,
    ResponseRef, Settings, State, Status,
};

/// What is sent behind the octets of an entry. Whether it is served tells where the machine stands.
const PROBE: &str = "GET /probe HTTP/1.1\r\nHost: a\r\n\r\n";

/// Outputs that one input may have, but for the requests and bodies that it carries.
const OUTPUTS: usize = 64;

/// Inputs from the end of the peer's input to the end of the channel.
const STEPS_TO_THE_END: usize = 16;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/hostile")
}

fn entries() -> Vec<Entry> {
    corpus::entries(&folder())
}

/// How the octets of an entry are cut.
#[derive(Clone, Copy, Debug)]
enum Cut {
    Whole,
    Bytewise,
    /// Before this octet of the entry.
    At(usize),
    /// Before both of these, the first of which comes first.
    Twice(usize, usize),
}

impl Cut {
    /// Every way to cut so many octets; of many, those at both ends and some between.
    fn all(len: usize) -> Vec<Self> {
        const ALL: usize = 4 << 10;
        let ends = if len > 64 << 10 { 20 } else { 100 };
        const BETWEEN: usize = 16;
        let step = if len > ALL { len / BETWEEN } else { 1 };
        let is_taken = |at: &usize| at % step == 0 || *at < ends || len - at < ends;
        let cuts = (1..len).filter(is_taken).map(Self::At);
        let bytewise = (len <= 300_000).then_some(Self::Bytewise);
        [Self::Whole].into_iter().chain(bytewise).chain(cuts).collect()
    }

    /// Every way to cut so many octets twice; in a debug build some of those that leave one octet alone.
    fn all_twice(len: usize) -> Vec<Self> {
        if cfg!(debug_assertions) {
            return (1..len.max(1) - 1).step_by(5).map(|at| Self::Twice(at, at + 1)).collect();
        }
        (1..len).flat_map(|first| (first + 1..len).map(move |second| Self::Twice(first, second))).collect()
    }

    /// The length of the next piece of `len` octets, the first of which is octet `at` of the entry.
    fn piece(self, at: usize, len: usize) -> usize {
        match self {
            Self::Whole => len,
            Self::Bytewise => 1,
            Self::At(cut) if cut > at => len.min(cut - at),
            Self::Twice(cut, _) | Self::Twice(_, cut) if cut > at => len.min(cut - at),
            Self::At(_) | Self::Twice(..) => len,
        }
    }
}

/// A connection to a channel: the peer, the wire, the application and the clock.
struct Player<'e> {
    channel: Channel,
    application: &'e Application,
    cut: Cut,
    at: u64,
    /// What the peer wants to send, and how much of it has been taken.
    peer: Vec<u8>,
    taken: usize,
    fin: bool,
    reads: bool,
    sent: Vec<u8>,
    told: Vec<Told>,
    /// Method and target of each request, in order.
    requests: Vec<Vec<u8>>,
    blamed: Option<u64>,
    tunnel: Option<Vec<u8>>,
    ended: Option<Ended>,
    /// Octets that the channel may hold.
    bound: usize,
}

/// What the application, or whoever watches, is told.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Told {
    Request(Vec<u8>),
    Data(Vec<u8>),
    End(Vec<Vec<u8>>),
    Failed(String),
    Line(String),
}

/// How the connection ended, and why.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Ended {
    reset: bool,
    reason: Option<String>,
}

impl<'e> Player<'e> {
    fn new(entry: &'e Entry, application: &'e Application, cut: Cut) -> Self {
        let mut config = ChannelConfig::default();
        for (name, value) in &entry.config {
            set(&mut config, name, value);
        }
        // Buffers grow in steps.
        let bound = config.max_request_header_size + config.input_bound + config.output_high_water;
        let channel = Channel::new(Arc::new(Settings::new(&config)), Facts::default());
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
            told: Vec::new(),
            requests: Vec::new(),
            blamed: None,
            tunnel: None,
            ended: None,
            bound: bound as usize * 2 + (64 << 10),
        };
        player.drain();
        player
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Octets(octets) => self.peer.extend(octets),
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
            Step::ReadsSome(octets) => self.read(*octets),
            Step::Answer => self.respond(Status::OK, b"late"),
            Step::GoOut => {
                self.input(Input::GoOut);
            }
        }
        self.flow();
    }

    /// Moves octets in both directions until nothing moves any more.
    fn flow(&mut self) {
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
                self.input(Input::Judge);
                if self.channel.state() != State::WaitResponse {
                    continue;
                }
            }
            return;
        }
    }

    /// The peer reads so many octets, if there are.
    fn read(&mut self, octets: usize) {
        let mut rest = octets.min(self.channel.unsent_len());
        while rest > 0 {
            let slice = self.channel.unsent();
            let n = slice.len().min(rest);
            self.sent.extend_from_slice(&slice[..n]);
            assert!(self.input(Input::Sent(n)), "what was to be sent was sent");
            rest -= n;
        }
    }

    /// Whether the input was accepted.
    fn input(&mut self, input: Input<'_>) -> bool {
        let now = Now::new(Moment::from_millis(self.at), &Date::EPOCH);
        let accepted = self.channel.handle(&now, input).is_ok();
        self.drain();
        let held = self.channel.buffered();
        assert!(held <= self.bound, "{held} octets are held");
        accepted
    }

    fn drain(&mut self) {
        let mut outputs = 0;
        while let Some(output) = self.channel.next_output() {
            outputs += 1;
            assert!(outputs <= OUTPUTS, "outputs without an end: {output:?}");
            match output {
                Output::HttpRequest => outputs = self.take_request(),
                Output::BodyData(octets) => {
                    assert!(!octets.is_empty(), "data without an octet");
                    let octets = octets.to_vec();
                    if *self.application == Application::Streams && self.channel.owes_body() {
                        let room = self.channel.room().min(octets.len());
                        self.input_only(Input::Write(Data::Slice(&octets[..room])));
                    }
                    match self.told.last_mut() {
                        Some(Told::Data(data)) => data.extend(octets),
                        _ => self.told.push(Told::Data(octets)),
                    }
                }
                Output::BodyEnd(trailers) => {
                    let lines = trailers
                        .iter()
                        .map(|field| [b"trailer ", field.name.as_bytes(), b": ", field.value].concat());
                    let end = Told::End(lines.collect());
                    self.told.push(end);
                    self.body_is_in();
                }
                Output::BodyFailed(error) => {
                    let name = match error {
                        BodyError::Malformed(error) => format!("{:?}", error.rule),
                        error => format!("{error:?}"),
                    };
                    self.told.push(Told::Failed(name));
                    if *self.application == Application::Streams {
                        self.input_only(Input::Abort(None));
                    }
                }
                Output::Refused(error) => {
                    self.told.push(Told::Line(format!("refused {:?}", error.rule)));
                    self.blamed = Some(error.offset);
                }
                Output::Upgraded(octets) => self.tunnel = Some(octets.to_vec()),
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
                other => panic!("an unknown output: {other:?}"),
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
        self.told.push(Told::Request(line));
        match self.application {
            Application::Reads if connect => self.respond(Status::METHOD_NOT_ALLOWED, b""),
            Application::Upgrades if connect => self.respond(Status::OK, b""),
            Application::Reads | Application::Upgrades => self.input_only(Input::BodyDemand(u64::MAX)),
            Application::Answers => self.respond(Status::OK, b"early"),
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
                self.told.push(Told::Line(line.into()));
                let (fields, none) = (fields.unwrap_or_default(), Fields::new());
                let answer =
                    |fields, body| Input::HttpResponse(ResponseRef { status: Status::OK, fields, body });
                match place {
                    Place::Answer => self.input_only(answer(&fields, BodyRef::Slice(b""))),
                    // The probe behind the entry is answered plainly.
                    Place::Hint if self.requests.len() > 1 => {
                        self.input_only(answer(&none, BodyRef::Slice(b"")))
                    }
                    Place::Hint => {
                        self.input_only(Input::Informational(Status::EARLY_HINTS, &fields));
                        self.input_only(answer(&none, BodyRef::Slice(b"")));
                    }
                    Place::Trailer => {
                        self.input_only(answer(&none, BodyRef::Stream { length: None }));
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

    /// The length of the body that was told last.
    fn received(&self) -> usize {
        let since = self.told.iter().rposition(|told| matches!(told, Told::Request(_))).unwrap_or(0);
        let data =
            self.told[since..].iter().map(|told| if let Told::Data(data) = told { data.len() } else { 0 });
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

    /// What was told since the last call, a line for each request and whatever else there is.
    fn lines(&mut self) -> Vec<Vec<u8>> {
        let mut lines: Vec<Vec<u8>> = Vec::new();
        // The request or body whose line is the last one.
        let mut body_of_last = false;
        for told in std::mem::take(&mut self.told) {
            if !body_of_last && matches!(told, Told::Data(_) | Told::End(_) | Told::Failed(_)) {
                lines.push(b"body...".to_vec());
                body_of_last = true;
            }
            let last = lines.last_mut();
            match (told, last) {
                (Told::Request(line), _) => {
                    lines.push([&line[..], b"..."].concat());
                    body_of_last = true;
                }
                (Told::Data(data), Some(last)) => {
                    last.truncate(last.len() - 3);
                    last.extend([b" \"", &data[..], b"\"..."].concat());
                }
                (Told::End(trailers), Some(last)) => {
                    last.truncate(last.len() - 3);
                    lines.extend(trailers);
                    body_of_last = false;
                }
                (Told::Failed(error), Some(last)) => {
                    last.truncate(last.len() - 3);
                    last.extend(format!(" failed {error}").into_bytes());
                    body_of_last = false;
                }
                (Told::Line(line), _) => {
                    lines.push(line.into_bytes());
                    body_of_last = false;
                }
                _ => {}
            }
        }
        lines
    }
}

/// The status codes of the answers in `wire`, in order.
fn statuses(wire: &[u8]) -> Vec<String> {
    let wire = String::from_utf8_lossy(wire);
    // The text of an error names versions too.
    let status = |line: &str| {
        let code = line.get(2..5)?;
        let is_code = line.get(5..6)? == " " && code.bytes().all(|octet| octet.is_ascii_digit());
        is_code.then(|| code.to_owned())
    };
    wire.split("HTTP/1.").skip(1).filter_map(status).collect()
}

/// Sets a parameter by its name.
fn set(config: &mut ChannelConfig, name: &str, value: &str) {
    let number = || value.parse::<u64>().unwrap_or_else(|_| panic!("{name}={value}: a number"));
    let small = || number() as u32;
    let time = || (value != "none").then(|| Duration::from_millis(number()));
    match name {
        "identity" => config.identity = value.to_owned().into(),
        "max_request_header_size" => config.max_request_header_size = small(),
        "max_request_fields" => config.max_request_fields = small(),
        "max_request_target_size" => config.max_request_target_size = small(),
        "max_request_body_size" => config.max_request_body_size = number(),
        "max_trailer_size" => config.max_trailer_size = small(),
        "max_trailer_fields" => config.max_trailer_fields = small(),
        "max_chunk_extension_line" => config.max_chunk_extension_line = small(),
        "max_chunk_extension_body" => config.max_chunk_extension_body = small(),
        "maximum_simultaneous_requests" => config.maximum_simultaneous_requests = small(),
        "requests_per_connection" => config.requests_per_connection = number(),
        "discard_octets" => config.discard_octets = number(),
        "min_body_rate" => config.min_body_rate = small(),
        "min_write_rate" => config.min_write_rate = small(),
        "head_timeout" => config.head_timeout = time(),
        "body_timeout" => config.body_timeout = time(),
        "write_timeout" => config.write_timeout = time(),
        "inactivity_timeout" => config.inactivity_timeout = time(),
        "first_byte_timeout" => config.first_byte_timeout = time(),
        "responseless_timeout" => config.responseless_timeout = time(),
        "discard_timeout" => config.discard_timeout = time(),
        "linger_timeout" => config.linger_timeout = time(),
        "fin_is_disconnect" => config.fin_is_disconnect = value == "true",
        _ => panic!("no such parameter: {name}"),
    }
}

/// Plays an entry and says what is not as it is written.
fn play(entry: &Entry, cut: Cut) -> Result<(), String> {
    let mut player = Player::new(entry, &entry.application, cut);
    // A probe comes in one piece with the last octets, unless they are cut.
    let last_step = entry.acts.last().and_then(|act| act.steps.last());
    let is_probed = matches!(entry.end, End::Open | End::Close(_));
    let probed_at_once = is_probed && matches!(last_step, Some(Step::Octets(_)));
    for (at, act) in entry.acts.iter().enumerate() {
        let is_last = at + 1 == entry.acts.len();
        let mut expected = act.clone();
        for (at, step) in act.steps.iter().enumerate() {
            match step {
                Step::Octets(octets) if is_last && probed_at_once && at + 1 == act.steps.len() => {
                    player.step(&Step::Octets([octets, PROBE.as_bytes()].concat()));
                }
                step => player.step(step),
            }
        }
        if is_last && is_probed && !probed_at_once {
            player.step(&Step::Octets(PROBE.into()));
        }
        if is_last && entry.end == End::Open {
            expect_probe(&mut expected, &entry.application);
        }
        judge_act(&mut player, &expected)?;
        if !is_last && player.ended.is_some() {
            return Err(format!("the connection ended too early: {:?}", player.ended));
        }
    }
    if let (Some(blamed), at) = (entry.blamed, player.blamed) {
        if at != Some(blamed) {
            return Err(format!("octet {blamed} is to blame, and was: {at:?}"));
        }
    }
    judge_end(&mut player, &entry.end)
}

/// What the application and the peer learn of the probe.
fn expect_probe(expected: &mut Act, application: &Application) {
    let (line, status) = match application {
        Application::Reads | Application::Upgrades | Application::Streams => ("GET /probe", "200"),
        Application::Status(code, _) => ("GET /probe...", &*code.to_string().leak()),
        _ => ("GET /probe...", "200"),
    };
    expected.told.push(line.into());
    match application {
        Application::Waits => {}
        Application::Fails => expected.statuses.push("500".into()),
        Application::Field(..) => {
            expected.told.push(
                expected.told.iter().find(|line| line.starts_with(b"field")).cloned().unwrap_or_default(),
            );
            expected.statuses.push(status.into());
        }
        _ => expected.statuses.push(status.into()),
    }
}

fn judge_act(player: &mut Player<'_>, expected: &Act) -> Result<(), String> {
    let told = player.lines();
    if told != expected.told {
        let shown =
            |lines: &[Vec<u8>]| lines.iter().map(|line| format!("\n  = {}", shown(line))).collect::<String>();
        return Err(format!("expected is{}\nwhat is told is{}", shown(&expected.told), shown(&told)));
    }
    let wire = std::mem::take(&mut player.sent);
    let got = statuses(&wire);
    let mut rest = got.iter().peekable();
    let all = expected.statuses.iter().all(|status| match status.strip_suffix('?') {
        Some(optional) => {
            let _ = rest.next_if(|got| *got == optional);
            true
        }
        None => rest.next_if_eq(&status).is_some(),
    });
    if !all || rest.next().is_some() {
        return Err(format!("the statuses {:?} are expected, and {got:?} are sent", expected.statuses));
    }
    match &expected.wire {
        Some(octets) if !wire.starts_with(octets) => {
            Err(format!("expected on the wire: {}\nwhat is sent: {}", shown(octets), shown(&wire)))
        }
        _ => Ok(()),
    }
}

fn judge_end(player: &mut Player<'_>, end: &End) -> Result<(), String> {
    let state = player.channel.state();
    let wrong = |what: &str| Err(format!("{what}; the channel is in {state}, it ended: {:?}", player.ended));
    match end {
        End::Open | End::Waiting if player.ended.is_some() || player.tunnel.is_some() => {
            wrong("the connection should go on")
        }
        End::Open if *player.application != Application::Waits && !player.channel.is_idle() => {
            wrong("the channel should be idle")
        }
        End::Open | End::Waiting => Ok(()),
        End::Tunnel(octets) => {
            let Some(first) = &player.tunnel else { return wrong("the connection should be handed over") };
            let tunnel = [first, &player.peer[player.taken..]].concat();
            if tunnel == *octets { Ok(()) } else { Err(format!("the tunnel begins with {}", shown(&tunnel))) }
        }
        End::Close(reason) | End::Reset(reason) => {
            let Some(ended) = &player.ended else { return wrong("the connection should end") };
            if ended.reset != matches!(end, End::Reset(_)) {
                return wrong("a reset is not an end in good order");
            }
            let mut steps = 0;
            while !player.channel.is_closed() {
                steps += 1;
                assert!(steps <= STEPS_TO_THE_END, "{state} does not end");
                player.input(Input::RxEnd);
                player.flow();
            }
            assert_eq!((player.channel.deadline(), player.channel.unsent_len()), (None, 0));
            let told = player.ended.as_ref().and_then(|ended| ended.reason.as_ref());
            match (reason, told) {
                (Some(expected), told) if told != Some(expected) => Err(format!("the reason is {told:?}")),
                _ => Ok(()),
            }
        }
    }
}

/// Does `work` for each entry, on all cores; says what is wrong with which.
fn for_each(entries: &[Entry], work: impl Fn(&Entry) -> Result<(), String> + Sync) {
    let next = AtomicUsize::new(0);
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    let worker = || {
        let mut wrong = Vec::new();
        while let Some(entry) = entries.get(next.fetch_add(1, Ordering::Relaxed)) {
            let result = catch_unwind(AssertUnwindSafe(|| work(entry)));
            if let Err(error) = result.unwrap_or_else(|_| Err("it panicked, see above".into())) {
                let octets = shown(&entry.octets());
                let Entry { place, row, id, .. } = entry;
                wrong.push(format!("{place} {row} {id}\n  octets: {octets}\n{error}\n"));
            }
        }
        wrong
    };
    let wrong: Vec<_> = thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(worker)).collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("a worker")).collect()
    });
    assert!(wrong.is_empty(), "{} entries are not as they are written:\n\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn every_entry_is_as_it_is_written_whole_octet_by_octet_and_at_every_cut() {
    for_each(&entries(), |entry| {
        let len = entry.octets().len();
        Cut::all(len).into_iter().try_for_each(|cut| {
            let played = catch_unwind(AssertUnwindSafe(|| play(entry, cut)));
            let played = played.unwrap_or_else(|_| Err("it panicked, see above".into()));
            played.map_err(|error| format!("{cut:?} of {len}: {error}"))
        })
    });
}

#[test]
fn every_short_entry_is_as_it_is_written_when_it_is_cut_twice() {
    let mut entries = entries();
    entries.retain(|entry| (2..200).contains(&entry.octets().len()));
    for_each(&entries, |entry| {
        let cuts = Cut::all_twice(entry.octets().len());
        cuts.into_iter().try_for_each(|cut| play(entry, cut).map_err(|error| format!("{cut:?}: {error}")))
    });
}

/// What a connection came to, as far as it must not depend on the cuts.
#[derive(PartialEq, Eq, Debug)]
struct Outcome {
    told: Vec<String>,
    /// Without the 100s, which tell whether the body was there when it was asked for.
    statuses: Vec<String>,
    ended: Option<Ended>,
    tunnel: Option<Vec<u8>>,
}

/// Plays the octets of an entry and the probe behind them to another application.
fn outcome(entry: &Entry, application: &Application, cut: Cut) -> (Outcome, Vec<Vec<u8>>) {
    let mut player = Player::new(entry, application, cut);
    player.step(&Step::Octets([&entry.octets()[..], PROBE.as_bytes()].concat()));
    let told = player.lines().iter().map(|line| shown(line)).collect();
    let statuses = statuses(&player.sent).into_iter().filter(|status| status != "100").collect();
    let tunnel = player.tunnel.clone().map(|first| [&first[..], &player.peer[player.taken..]].concat());
    let outcome = Outcome { told, statuses, ended: player.ended.clone(), tunnel };
    (outcome, player.requests)
}

#[test]
fn no_application_makes_a_cut_matter_or_another_request_appear() {
    const APPLICATIONS: [Application; 4] =
        [Application::Answers, Application::Waits, Application::Streams, Application::Fails];
    let mut entries = entries();
    entries.retain(|entry| entry.application == Application::Reads && entry.octets().len() < 4 << 10);
    for_each(&entries, |entry| {
        let (_, requests) = outcome(entry, &Application::Reads, Cut::Whole);
        let expects = entry.octets().windows(12).any(|octets| octets.eq_ignore_ascii_case(b"100-continue"));
        for application in &APPLICATIONS {
            if expects && *application == Application::Streams {
                // Behind its final head no 100 is sent: a body that came before is read, another one is not.
                continue;
            }
            let (whole, seen) = outcome(entry, application, Cut::Whole);
            if !requests.starts_with(&seen) {
                return Err(format!("{application:?} sees {seen:?}, and who reads sees {requests:?}"));
            }
            for cut in Cut::all(entry.octets().len()).into_iter().skip(1).step_by(3) {
                let (pieces, _) = outcome(entry, application, cut);
                if pieces != whole {
                    return Err(format!("{application:?}: whole {whole:#?}\n{cut:?}: {pieces:#?}"));
                }
            }
        }
        Ok(())
    });
}

/// Rows that need sockets, or what drives them, and the tests that hold them.
const ELSEWHERE: [(&str, &str, &str); 20] = [
    ("D1", "server/tests/program/faults/drips.rs", "every_drip_ends_at_its_deadline_while_others_are_served"),
    ("D3", "server/tests/program/faults/memory.rs", "slow_peers_cost_no_more_memory_than_the_limits_say"),
    ("D4", "transport/tests/driver.rs", "of_a_million_requests_whose_answers_nobody_reads_few_are_answered"),
    ("D8", "transport/tests/cost.rs", "twice_the_octets_cost_twice_as_much_however_small_the_pieces"),
    ("D9", "core/src/channel/cost.rs", "the_cost_is_linear"),
    ("D10", "server/tests/program/faults/cost.rs", "twice_the_flood_costs_twice_the_time"),
    (
        "D14",
        "transport-tokio/tests/few_descriptors.rs",
        "an_acceptor_without_descriptors_waits_serves_on_and_recovers",
    ),
    (
        "D14",
        "server/tests/program/faults/descriptors.rs",
        "an_acceptor_without_descriptors_does_not_spin_and_recovers",
    ),
    ("D14", "transport/src/accept.rs", "out_of_descriptors_backs_off_up_to_a_second"),
    ("D15", "transport/src/accept.rs", "a_connection_that_was_reset_costs_no_pause"),
    ("D15", "server/tests/program/faults/resets.rs", "connections_that_are_reset_leave_nothing"),
    ("D16", "server/tests/program/hostile.rs", "a_crowd_of_slow_peers_does_not_keep_a_healthy_one_waiting"),
    ("D17", "transport-tokio/tests/panics.rs", "panics_cost_no_place_and_leave_nothing_behind"),
    ("D17", "transport-tokio/tests/smoke.rs", "a_panic_is_answered_and_the_others_go_on"),
    ("D17", "transport/tests/driver.rs", "a_panic_is_a_500_and_its_text_is_told_only_if_allowed"),
    ("D18", "transport-tokio/tests/level1.rs", "an_echo_loses_nothing_when_its_futures_are_dropped"),
    ("D18", "transport-kit/src/scripts/endings.rs", "cancellations"),
    ("D18", "transport/src/driver/gives_back.rs", "of_requests_that_are_answered_late"),
    (
        "D21",
        "transport/src/alarms.rs",
        "a_hundred_thousand_alarms_that_are_moved_are_as_many_entries_and_none_when_they_are_disarmed",
    ),
    (
        "D21",
        "transport/src/alarms.rs",
        "a_busy_connection_moves_its_alarm_once_in_a_deadline_and_not_once_in_a_request",
    ),
];

/// The rows of the table, in its order.
fn rows() -> Vec<String> {
    let number = |(letter, last)| (1..=last).map(move |number| format!("{letter}{number}"));
    [("S", 35), ("D", 21), ("H", 2)].into_iter().flat_map(number).collect()
}

#[test]
fn every_row_has_an_entry_or_a_test_elsewhere() {
    let entries = entries();
    let here: BTreeSet<_> = entries.iter().map(|entry| entry.row.clone()).collect();
    let elsewhere: BTreeSet<_> = ELSEWHERE.iter().map(|row| row.0.to_owned()).collect();
    for row in rows() {
        assert!(here.contains(&row) || elsewhere.contains(&row), "nothing of row {row}");
    }
    let unknown: Vec<_> = here.iter().filter(|row| !rows().contains(row)).collect();
    assert!(unknown.is_empty(), "rows that are none: {unknown:?}");
    for (row, file, test) in ELSEWHERE {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file);
        let source = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{row}, {file}: {error}"));
        assert!(source.contains(&format!("fn {test}(")), "{row}: {file} has no {test}");
    }
}

#[test]
fn the_table_tells_of_every_row_how_many_entries_it_has() {
    let table = fs::read_to_string(folder().join("README.md")).expect("the table");
    let mut counts = BTreeMap::new();
    for entry in entries() {
        *counts.entry(entry.row).or_insert(0) += 1;
    }
    for row in rows() {
        let line = table.lines().find(|line| line.starts_with(&format!("| {row} |")));
        let line = line.unwrap_or_else(|| panic!("{row} is not in the table"));
        let count = counts.get(&row).copied().unwrap_or(0);
        assert!(line.ends_with(&format!("| {count} |")), "{row} has {count} entries: {line}");
        for (_, file, _) in ELSEWHERE.iter().filter(|elsewhere| elsewhere.0 == row) {
            assert!(line.contains(file), "{row} is tested in {file}: {line}");
        }
    }
}

#[test]
fn there_are_enough_entries_and_each_has_a_name_of_its_own() {
    let entries = entries();
    assert!(entries.len() >= 900, "{} entries", entries.len());
    let mut names = BTreeSet::new();
    for entry in &entries {
        assert!(names.insert(&entry.id), "{} is there twice: {}", entry.id, entry.place);
    }
}

#[test]
fn what_is_no_entry_is_refused_with_its_line() {
    for (text, error) in [
        ("S1 a\n  source x\n  > a\n", "t.txt:1 a: open, close, reset, waiting or tunnel is missing"),
        ("S1 a\n  > a\n  open\n", "t.txt:1 a: the source is missing"),
        ("S1 a\n  source x\n  = GET /\n  open\n", "t.txt:1 a: something is expected of nothing"),
        ("X1 a\n", "t.txt:1: X1 is no row: \"X1 a\""),
        ("S1 A\n", "t.txt:1: A is no id (lower case, digits, hyphens): \"S1 A\""),
        ("S1 a\n  source x\n  > a \n", "t.txt:3: a line ends in a blank (write \\s or \\t): \"  > a \""),
        ("S1 a\n  source x\n  > \\q\n", "t.txt:3: no such escape: \\q: \"  > \\\\q\""),
        ("S1 a\n  source x\n  sends a\n", "t.txt:3: no such line: \"  sends a\""),
        ("S1 a\n  source x\n  > \\!a\\!b\n  > \\!\n", "t.txt:4: two octets are blamed: \"  > \\\\!\""),
        ("  > a\n", "t.txt:1: this belongs to no entry: \"  > a\""),
        (
            "S1 a\n  source x\n  > a\n  open\n  > b\n",
            "t.txt:5: nothing follows the end of the connection: \"  > b\"",
        ),
    ] {
        assert_eq!(corpus::parse("t.txt", text).err().as_deref(), Some(error), "{text:?}");
    }
}

#[test]
fn octets_are_read_as_they_are_written() {
    let text = "S1 a\n  source x\n  > a\\r\\n\\t\\s\\\\\\x00\\xff\\(bc\\)2\\;3\n  open\n";
    let entries = corpus::parse("t.txt", text).expect("an entry");
    assert_eq!(entries[0].octets(), b"a\r\n\t \\\0\xffbcbc3");
    let text = "S1 a\n  source x\n  > ab\n  > \\[cd\\!e\n  +2s\n  -5ms\n  open\n";
    let entries = corpus::parse("t.txt", text).expect("an entry");
    assert_eq!(entries[0].blamed, Some(2));
    let steps = [Step::Octets(b"abcde".into()), Step::Time(2000), Step::Time(-5)];
    assert_eq!(entries[0].acts[0].steps, steps);
}
