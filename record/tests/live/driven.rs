//! Channels that are driven by hand, also as no driver of a server drives them: what is recorded shows no secret and
//! replays.

use std::sync::Arc;

use bytes::Bytes;
use httpfsm::channel::{Channel, CompiledConfig, Data, Elsewhere, Facts, Input, Output};
use httpfsm::config::{ChannelConfig, ErrorPage, ErrorPages};
use httpfsm::fields::Fields;
use httpfsm::handler::ConnectionInfo;
use httpfsm::peer::Peer;
use httpfsm::response::{BodyRef, ResponseRef};
use httpfsm::status::Status;
use httpfsm::time::{Date, Moment, Now};
use httpfsm_record::{Options, Recording, replay};
use httpfsm_transport::{Opened, Tape};
use proptest::prelude::*;

use crate::hidden::{SECRET, leaked};
use crate::hostile_sessions::cases;

/// A channel and its recording.
struct Driven {
    channel: Channel,
    recording: Recording,
    at: u64,
    refused: usize,
}

impl Driven {
    fn new(config: &ChannelConfig, options: &Options) -> Self {
        let (compiled, facts) = (Arc::new(CompiledConfig::new(config)), Facts::default());
        let info = ConnectionInfo::new(Peer::Unix(None), Peer::Unix(None), "http", "mine".into());
        let recording = Recording::new(&Opened { info: &info, compiled: &compiled, facts }, options);
        Self { channel: Channel::new(compiled, facts), recording, at: 1, refused: 0 }
    }

    /// Whether the input was accepted; the outputs are taken.
    fn handle(&mut self, input: Input<'_>) -> bool {
        let now = Now::new(Moment::from_millis(self.at), &Date::EPOCH);
        self.recording.input(&now, &input);
        let taken = self.channel.handle_with(&now, input, &mut self.recording);
        self.recording.taken(&taken, &self.channel);
        self.refused += usize::from(taken.is_err());
        while let Some(output) = self.channel.next_output() {
            let is_request = matches!(output, Output::HttpRequest);
            self.recording.output(&output);
            if is_request {
                self.recording.request(self.channel.request());
            }
        }
        taken.is_ok()
    }

    fn get(&mut self) {
        assert!(self.handle(Input::RxData(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")));
    }

    /// A streamed response begins.
    fn stream(&mut self, length: Option<u64>) {
        assert!(self.handle(Input::HttpResponse(ResponseRef::stream(Status::OK, &Fields::new(), length))));
    }

    fn write(&mut self, text: &str) -> bool {
        self.handle(Input::Write(Data::Slice(text.as_bytes())))
    }

    fn send(&mut self) {
        while !self.channel.unsent().is_empty() {
            self.handle(Input::Sent(self.channel.unsent().len()));
        }
    }

    /// The recording, which shows no secret and replays to this end.
    fn ends(mut self, end: &str) -> String {
        self.send();
        self.recording.finish();
        let recording = String::from_utf8(self.recording.take()).unwrap();
        assert!(leaked(&recording).is_empty(), "{:?} in\n{recording}", leaked(&recording));
        let replayed =
            replay(recording.as_bytes()).unwrap_or_else(|failure| panic!("{failure}\n{recording}"));
        assert_eq!(replayed.end, end, "{recording}");
        recording
    }
}

fn small() -> ChannelConfig {
    ChannelConfig { output_high_water: 1024, ..ChannelConfig::default() }
}

#[test]
fn a_response_that_is_refused_does_not_end_the_line_of_the_one_that_runs() {
    let mut driven = Driven::new(&small(), &Options::default());
    driven.get();
    driven.stream(None);
    assert!(driven.write("Cookie: Z"));
    assert!(!driven.handle(Input::HttpResponse(ResponseRef::new(Status::OK, &Fields::new(), b"hello"))));
    assert!(driven.write("q7Kw9Xv3Jp5\n"));
    driven.ends("over");
}

#[test]
fn an_input_that_is_refused_is_hidden_whole_and_replays() {
    let config = ChannelConfig { expose_tracebacks: true, ..small() };
    let mut driven = Driven::new(&config, &Options::default());
    assert!(!driven.handle(Input::Abort(Some(SECRET))), "there is no request");
    driven.get();
    driven.stream(None);
    assert!(driven.write("Cookie: Z") && driven.write(&"f".repeat(900)));
    let (secret, more) = (&SECRET[1..], "f".repeat(900));
    assert!(!driven.write(&format!("{secret}{more}")), "there is no room for it");
    let unsent = driven.channel.unsent_len();
    assert!(!driven.handle(Input::Sent(unsent + 1)), "there is not so much");
    driven.send();
    assert!(driven.write(secret));
    let recording = driven.ends("over");
    let refused: Vec<_> = recording.lines().filter(|line| line.contains(r#""refused":true"#)).collect();
    assert!(refused[0].contains(r#""text":"xxxxxxxxxxxx""#), "{}", refused[0]);
    assert!(refused[1].contains(&format!(r#""bytes":"{}""#, "x".repeat(911))), "{}", refused[1]);
    assert!(refused[2].contains("Sent") && !refused[2].contains("bytes"), "{}", refused[2]);
}

#[test]
fn a_head_that_has_waited_for_content_that_is_cut_is_hidden_with_it() {
    let mut driven = Driven::new(&small(), &Options::default());
    let expects = "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n";
    assert!(driven.handle(Input::RxData(expects.as_bytes())));
    driven.stream(Some(10));
    assert_eq!(driven.channel.unsent_len(), 0, "the head waits");
    assert!(driven.write(&format!("Cookie: {SECRET}")));
    let recording = driven.ends("over");
    assert!(recording.contains(r#""bytes":"Cookie: xxxxxxxxxxxx""#), "{recording}");
}

#[test]
fn a_recording_at_its_bound_is_full_whatever_the_machine_would_make_of_the_rest() {
    let options = Options { max_bytes: 20_000, ..Options::default() };
    let mut driven = Driven::new(&ChannelConfig::default(), &options);
    driven.handle(Input::RxData(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"));
    driven.handle(Input::BodyDemand(1));
    // A chunk size of which the end has not come.
    driven.handle(Input::RxData(b"a;b=c"));
    while !driven.recording.is_over() {
        driven.handle(Input::Tick);
    }
    driven.ends("full");
}

#[test]
fn fields_that_wait_to_be_written_count_as_other_bytes_do() {
    let options = Options { max_bytes: 20_000, ..Options::default() };
    let long = Fields::new().with("X-Long", "f".repeat(3_000)).unwrap();
    let many = (0..300).fold(Fields::new(), |all, _| all.with("X", "f").unwrap());
    let too_long = Fields::new().with("X-Long", "f".repeat(30_000)).unwrap();
    let target = format!("/{}", "t".repeat(3_000));
    for (fields, expected) in [(&long, 1..7), (&many, 1..7), (&too_long, 0..1)] {
        // One that goes on: behind a whole one the connection ends, and nothing waits for the chunk any more.
        let response = ResponseRef::stream(Status::OK, fields, None);
        for input in [
            Input::Informational(Status::EARLY_HINTS, fields),
            Input::HttpResponse(response),
            Input::Finish(Some(fields)),
        ] {
            let mut driven = Driven::new(&ChannelConfig::default(), &options);
            let post = format!("POST {target} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
            driven.handle(Input::RxData(post.as_bytes()));
            driven.handle(Input::BodyDemand(1));
            // A chunk size of which the end has not come: all lines behind it wait.
            driven.handle(Input::RxData(b"a;b=c"));
            let event = format!("{:?}", input.event());
            let inputs = (0..100).take_while(|_| {
                driven.handle(input.clone());
                !driven.recording.is_over()
            });
            let inputs = inputs.count();
            assert!(expected.contains(&inputs), "{event}: {inputs}");
            driven.ends("full");
        }
    }
}

#[test]
fn a_recording_that_is_masked_says_so_where_an_error_page_is_missing() {
    // The page of the error that the machine finds in what is hidden is of the same length.
    let pages = ErrorPages::new(|error| ErrorPage {
        content_type: "text/plain".into(),
        body: format!("{:?} {:09}", error.status(), error.offset).into_bytes().into(),
    });
    let config = ChannelConfig { error_pages: Some(pages), ..ChannelConfig::default() };
    let options = Options { mask_bodies: true, ..Options::default() };
    let mut driven = Driven::new(&config, &options);
    driven.handle(Input::RxData(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"));
    driven.handle(Input::BodyDemand(100));
    driven.handle(Input::RxData(format!("abcg{SECRET}\r\n").as_bytes()));
    driven.handle(Input::RxEnd);
    driven.ends("masked");
}

#[test]
fn names_of_trailers_are_hidden_where_bodies_are() {
    let options = Options { mask_bodies: true, ..Options::default() };
    let mut driven = Driven::new(&ChannelConfig::default(), &options);
    driven.handle(Input::RxData(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"));
    driven.handle(Input::BodyDemand(100));
    let trailers = format!("0\r\n{SECRET}:pw\r\nContent-Type: a\r\nX: y\r\n\r\n");
    assert!(driven.handle(Input::RxData(trailers.as_bytes())));
    let recording = driven.ends("over");
    assert!(recording.contains("BodyEnd"), "{recording}");
}

#[test]
fn names_of_the_trailers_that_the_application_gives_are_hidden_where_bodies_are() {
    let fields = |fields: &[(&str, &str)]| {
        fields.iter().fold(Fields::new(), |all, (name, value)| all.with(name, value).unwrap())
    };
    let trailers = fields(&[
        ("Connection", "close"),
        ("Content-Length", "12345"),
        ("Set-Cookie", SECRET),
        ("Content-Zq7Kw9Xv", "a"),
        (SECRET, "a b"),
        ("X-Sum", SECRET),
    ]);
    for chunked in [true, false] {
        let options = Options { mask_bodies: true, ..Options::default() };
        let mut driven = Driven::new(&ChannelConfig::default(), &options);
        driven.get();
        assert!(!driven.handle(Input::Finish(Some(&trailers))), "there is nothing to end");
        driven.stream((!chunked).then_some(1));
        assert!(driven.write("a"));
        driven.send();
        assert!(driven.handle(Input::Finish(Some(&trailers))));
        let sent = format!("0\r\n{SECRET}: a b\r\nX-Sum: {SECRET}\r\n\r\n");
        assert_eq!(driven.channel.unsent(), if chunked { sent.as_bytes() } else { b"" });
        let recording = driven.ends("over");
        let hidden = r#""fields":[["xxxxxxxxxxxx","x x"],["xxxxx","xxxxxxxxxxxx"]]"#;
        assert_eq!(recording.matches(hidden).count(), 2, "{recording}");
        assert!(!recording.contains("12345"), "{recording}");
    }
}

#[test]
fn names_of_trailers_that_a_head_announces_are_hidden_where_bodies_are() {
    for mask_bodies in [false, true] {
        let options = Options { mask_bodies, ..Options::default() };
        let mut driven = Driven::new(&ChannelConfig::default(), &options);
        let name = if mask_bodies { SECRET } else { "X-Sum-Of-All" };
        driven.handle(Input::RxData(
            format!("GET / HTTP/1.1\r\nHost: a\r\nTRAILER: {name}\r\n\r\n").as_bytes(),
        ));
        let fields = Fields::new().with("Trailer", name).unwrap();
        assert!(driven.handle(Input::HttpResponse(ResponseRef::new(Status::OK, &fields, b""))));
        let recording = driven.ends("over");
        let shown = if mask_bodies { "xxxxxxxxxxxx" } else { name };
        assert!(recording.contains(&format!(r"\r\nTRAILER: {shown}\r\n")), "{recording}");
        assert!(recording.contains(&format!(r#""fields":[["Trailer","{shown}"]]"#)), "{recording}");
    }
}

#[test]
fn an_error_page_is_hidden_by_lines() {
    let pages = ErrorPages::new(|_| ErrorPage {
        content_type: "text/plain".into(),
        body: format!("page\nCookie: {SECRET}\n").into_bytes().into(),
    });
    let config = ChannelConfig { error_pages: Some(pages), ..ChannelConfig::default() };
    let mut driven = Driven::new(&config, &Options::default());
    driven.handle(Input::RxData(b"G@T\r\n\r\n"));
    let recording = driven.ends("over");
    assert_eq!(recording.matches(r"page\nCookie: xxxxxxxxxxxx\n").count(), 2, "{recording}");
}

/// Content with secrets, in lines.
fn text() -> String {
    "X: y\r\nCookie: SECRET\r\n\r\nset-cookie:SECRET SECRET\n SECRET\nA: 5\r\nab\r\n\r\nAuthorization : SECRET\r\n{\"cookie\":\"SECRET\"}\nz\n"
        .replace("SECRET", SECRET)
        .repeat(40)
}

/// What the driver does next, and with how much.
type Step = (u8, u16);

/// Drives a channel by these steps, with these trailer fields. Content goes on where the last that was accepted has ended.
fn drive(driven: &mut Driven, trailers: &Fields, steps: &[Step]) {
    let text = text();
    let mut at = 0;
    let secret = Fields::new().with("Set-Cookie", SECRET).unwrap();
    for &(step, n) in steps {
        let amount = usize::from(n);
        let from = |at: usize, most: usize| &text.as_bytes()[at..text.len().min(at + amount % most)];
        driven.at += u64::from(n % 7);
        match step {
            0..=3 => {
                let method = ["GET", "POST", "POST", "HEAD"][amount % 4];
                let framing =
                    ["", "Expect: 100-continue\r\n", "", "Expect: 100-continue\r\n"][amount / 4 % 4];
                let body = &text.as_bytes()[..amount / 16 % 200];
                let version = amount / 1000 % 5 != 0;
                let mut request = format!(
                    "{method} / HTTP/1.{}\r\nHost: a\r\n{framing}Cookie: {SECRET}\r\n",
                    u8::from(version)
                )
                .into_bytes();
                if method == "POST" && version && amount / 5000 % 2 == 0 {
                    request.extend_from_slice(b"Transfer-Encoding: chunked\r\n\r\n");
                    for piece in body.chunks(1 + amount % 30) {
                        request.extend(format!("{:x}\r\n", piece.len()).into_bytes());
                        request.extend(piece);
                        request.extend(b"\r\n");
                    }
                    request.extend(b"0\r\n\r\n");
                } else {
                    let body = if method == "POST" { body } else { b"" };
                    request.extend(format!("Content-Length: {}\r\n\r\n", body.len()).into_bytes());
                    request.extend(body);
                }
                for piece in request.chunks(1 + amount % 90) {
                    if !driven.handle(Input::RxData(piece)) {
                        break;
                    }
                }
            }
            4 | 5 => {
                let status = Status::new([200, 200, 206, 204, 304, 404][amount % 6]).unwrap();
                // Only a range may begin in the middle of a line.
                let begin = if status.code() == 206 { amount % 40 } else { 0 };
                let content = from(begin, 700);
                let shared = Bytes::copy_from_slice(content);
                let declared = secret.clone().with("Content-Length", &*(amount % 50).to_string()).unwrap();
                let fields = if amount % 5 == 0 { &declared } else { &secret };
                let length = (amount % 4 == 0).then_some(u64::from(n % 300));
                let body = match amount / 6 % 5 {
                    0 => BodyRef::Empty,
                    1 => BodyRef::Slice(content),
                    2 => BodyRef::Bytes(&shared),
                    _ => BodyRef::Stream { length },
                };
                let given = if let BodyRef::Stream { .. } = body { 0 } else { content.len() };
                if driven.handle(Input::HttpResponse(ResponseRef { status, fields, body })) {
                    at = begin + given;
                }
            }
            6..=9 => {
                let content = from(at, if n % 9 == 0 { 12_000 } else { 60 });
                let data = match n % 2 {
                    0 => Data::Slice(content),
                    _ => Data::Bytes(Bytes::copy_from_slice(content)),
                };
                if driven.handle(Input::Write(data)) {
                    at += content.len();
                }
            }
            10 => drop(driven.handle(Input::Informational(Status::EARLY_HINTS, &secret))),
            11 => drop(driven.handle(match n % 8 {
                0 => Input::BodyForgone,
                2 | 4 | 6 => Input::Continue,
                _ => Input::BodyDemand(u64::from(n % 100)),
            })),
            12 => drop(driven.handle(Input::Flush)),
            13 => drop(driven.handle(Input::Finish((n % 2 == 0).then_some(trailers)))),
            14 | 15 => {
                // Now and then more than there is.
                let most = driven.channel.unsent().len() + usize::from(n % 8 == 0);
                driven.handle(Input::Sent(most.min(1 + amount)));
            }
            16 => drop(driven.handle(Input::Abort(
                (n % 3 > 0).then_some(&format!("A failure: Cookie: {SECRET}\n {SECRET}\nX")),
            ))),
            17 => driven.at += u64::from(n),
            _ => drop(
                driven.handle(
                    [
                        Input::RxEnd,
                        Input::Disconnected,
                        Input::Tick,
                        Input::Evict,
                        Input::CheckPipeline,
                        Input::Busy,
                    ][amount % 6]
                        .clone(),
                ),
            ),
        }
    }
}

proptest! {
    #![proptest_config(cases(2_000))]

    #[test]
    fn no_channel_that_is_driven_by_hand_shows_a_secret(
        expose_tracebacks in any::<bool>(),
        high_water in 100_u32..5_000,
        mask_bodies in prop::bool::weighted(0.2),
        steps in prop::collection::vec((0..19_u8, any::<u16>()), 1..60),
    ) {
        let config = ChannelConfig { output_high_water: high_water, expose_tracebacks, ..ChannelConfig::default() };
        let mut driven = Driven::new(&config, &Options { mask_bodies, ..Options::default() });
        let mut trailers = Fields::new().with("Set-Cookie", SECRET).unwrap();
        if mask_bodies {
            trailers = trailers.with(SECRET, "pw").unwrap().with("X-Sum", SECRET).unwrap();
        }
        drive(&mut driven, &trailers, &steps);
        driven.ends("over");
    }
}

/// What the transport sends by itself is counted, not kept: bytes of it are in no line, and the rest stands where it did.
#[test]
fn content_that_is_elsewhere_replays_without_its_bytes() {
    let mut driven = Driven::new(&ChannelConfig::default(), &Options::default());
    driven.get();
    driven.stream(None);
    let content = Elsewhere::new(Arc::new(()), 0..100);
    assert!(driven.handle(Input::Write(Data::Elsewhere(content))));
    driven.write("behind");
    while driven.channel.unsent_len() > 0 {
        let elsewhere = driven.channel.elsewhere().map_or(0, |content| content.len().min(60) as usize);
        let unsent = driven.channel.unsent().len();
        assert!(driven.handle(Input::Sent(if unsent > 0 { unsent } else { elsewhere })));
    }
    let recording = driven.ends("over");
    let sent: Vec<_> = recording.lines().filter(|line| line.contains(r#""in":"Sent""#)).collect();
    assert!(sent[0].contains(r#"64\r\n""#), "{}", sent[0]);
    assert!(sent[1].contains(r#""n":60"#) && sent[1].contains(r#""bytes":"""#), "{}", sent[1]);
    assert!(sent[2].contains(r#""n":40"#), "{}", sent[2]);
    assert!(sent[3].contains(r#"\r\n6\r\nbehind\r\n"#), "{}", sent[3]);
}
