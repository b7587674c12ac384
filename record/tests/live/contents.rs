//! What a recording has: error pages, trailers, the jitter of the age, the refusal of a connection, and the events of a
//! connection that is pulled.

use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use httpfsm::channel::{Channel, CompiledConfig, Facts};
use httpfsm::channel::{Input, Output};
use httpfsm::config::{ChannelConfig, ErrorPage, ErrorPages, ServerConfig};
use httpfsm::error::Rule;
use httpfsm::fields::Fields;
use httpfsm::handler::ConnectionInfo;
use httpfsm::peer::Peer;
use httpfsm::response::ResponseRef;
use httpfsm::status::Status;
use httpfsm::time::{Date, Moment, Now};
use httpfsm_record::{FileRecorder, Options, Recording, ReplayFailure, Which, replay};
use httpfsm_transport::memory::{MemoryServer, pair};
use httpfsm_transport::{
    Connection, Event, ListenerInfo, Opened, Preface, PrefaceVerdict, Recorder, Tape, Timer, Wire, block_on,
};

use crate::support::{GET, application, recorded, recordings, session};

#[test]
fn error_pages_are_recorded_and_replay_without_their_function() {
    let pages = ErrorPages::new(|error| ErrorPage {
        content_type: "application/json".into(),
        body: format!("{{\"rule\":\"{:?}\"}}", error.rule).into_bytes().into(),
    });
    let mut config = ServerConfig::default();
    config.channel.error_pages = Some(pages);
    let all = recorded(config, Options::default(), application, |server, _| {
        for request in ["GET /fail HTTP/1.1\r\nHost: a\r\n\r\n", "G@T\r\n\r\n", "GET / HTTP/1.1\r\n\r\n"] {
            let client = server.connect().unwrap();
            client.send(request);
            server.run();
        }
    });
    assert_eq!(all.len(), 3);
    for recording in all {
        assert!(recording.contains("{\"page\":"), "{recording}");
        assert_eq!(replay(recording.as_bytes()).unwrap().end, "over");
        let without: Vec<_> =
            recording.split_inclusive('\n').filter(|line| !line.contains("\"page\":")).collect();
        assert_eq!(replay(without.concat().as_bytes()).unwrap().end, "page");
    }
}

/// A handler that waits is polled at each piece of the body.
#[test]
fn a_request_is_not_forgotten_again_however_often_its_handler_is_polled() {
    let head: &[u8] = b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n";
    let recording = session(Options::default(), &[head, b"a", b"b", b"c", b"d"]);
    assert!(recording.matches("forget_request").count() <= 1, "{recording}");
    assert_eq!(replay(recording.as_bytes()).unwrap().end, "over");
}

/// A long read goes to the body's reader in the buffer that it was read to.
#[test]
fn content_that_takes_its_buffer_along_is_recorded() {
    const BYTES: usize = 200_000;
    let folder = tempfile::tempdir().unwrap();
    let recorder = FileRecorder::new(folder.path(), Options::default(), 1).unwrap();
    recorder.record(Which::All);
    let tapes = Some(Arc::new(recorder.clone()) as _);
    let mut server = MemoryServer::recorded(ServerConfig::default(), 1 << 20, None, tapes, application);
    let client = server.connect().unwrap();
    client.send(format!("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: {BYTES}\r\n\r\n"));
    server.run();
    client.send(vec![b'b'; BYTES]);
    server.run();
    assert!(client.take().len() > BYTES);
    client.close_write();
    server.run();
    drop(server);
    let [recording] = &recordings(&recorder, folder.path())[..] else { panic!("one connection") };
    assert!(recording.lines().any(|line| line.contains(r#""out":"BodyData""#) && line.len() > 60_000));
    assert_eq!(replay(recording.as_bytes()).unwrap().end, "over");
}

#[test]
fn the_trailers_of_a_response_are_recorded() {
    let recording = session(Options::default(), &[b"GET /stream HTTP/1.1\r\nHost: a\r\n\r\n"]);
    let finish = recording.lines().find(|line| line.contains(r#""in":"Finish""#)).unwrap();
    assert!(finish.contains(r#"["X-Sum","3"]"#), "{finish}");
    let sent = recording.contains("0\\r\\nX-Sum: 3\\r\\n\\r\\n");
    assert!(sent, "{recording}");
    assert_eq!(replay(recording.as_bytes()).unwrap().end, "over");

    // They are hidden where bodies are.
    let options = Options { mask_bodies: true, ..Options::default() };
    let recording = session(options, &[b"GET /stream HTTP/1.1\r\nHost: a\r\n\r\n"]);
    let finish = recording.lines().find(|line| line.contains(r#""in":"Finish""#)).unwrap();
    assert!(finish.contains(r#"["xxxxx","x"]"#), "{finish}");
    assert_eq!(replay(recording.as_bytes()).unwrap().end, "over");
}

#[test]
fn the_jitter_of_a_connections_age_is_recorded() {
    let config = ChannelConfig { connection_age: Some(Duration::from_secs(10)), ..ChannelConfig::default() };
    let compiled = Arc::new(CompiledConfig::new(&config));
    let (peername, sockname) = (Peer::Unix(None), Peer::Unix(None));
    let info = ConnectionInfo::new(peername, sockname, "http", "mine".into());
    let recorded = |age_jitter| {
        let facts = Facts::default().with_age_jitter(age_jitter);
        let mut channel = Channel::new(Arc::clone(&compiled), facts);
        let mut recording =
            Recording::new(&Opened { info: &info, compiled: &compiled, facts }, &Options::default());
        let now = Now::new(Moment::from_millis(12_000), &Date::EPOCH);
        let fields = Fields::new();
        let inputs =
            [Input::RxData(GET.as_bytes()), Input::HttpResponse(ResponseRef::new(Status::OK, &fields, b""))];
        for input in inputs {
            recording.input(&now, &input);
            let taken = channel.handle_with(&now, input, &mut recording);
            recording.taken(&taken, &channel);
            while let Some(output) = channel.next_output() {
                recording.output(&output);
                if matches!(output, Output::HttpRequest) {
                    recording.request(channel.request());
                }
            }
        }
        recording.finish();
        (channel.unsent_len(), recording.take())
    };
    let (plain, _) = recorded(Duration::ZERO);
    let (jittered, recording) = recorded(Duration::from_secs(5));
    assert_ne!(plain, jittered, "the jitter keeps it open");
    assert_eq!(replay(&recording[..]).unwrap().end, "over");
}

#[test]
fn the_rule_by_which_a_connection_is_refused_is_recorded() {
    let compiled = Arc::new(CompiledConfig::new(&ChannelConfig::default()));
    let info = ConnectionInfo::new(Peer::Unix(None), Peer::Unix(None), "http", "mine".into());
    for &rule in Rule::ALL {
        let facts = Facts::default().with_refusal(Some(rule));
        let mut channel = Channel::new(Arc::clone(&compiled), facts);
        let mut recording =
            Recording::new(&Opened { info: &info, compiled: &compiled, facts }, &Options::default());
        let now = Now::new(Moment::START, &Date::EPOCH);
        recording.input(&now, &Input::Tick);
        let taken = channel.handle_with(&now, Input::Tick, &mut recording);
        recording.taken(&taken, &channel);
        while let Some(output) = channel.next_output() {
            recording.output(&output);
        }
        recording.finish();
        let recording = String::from_utf8(recording.take()).unwrap();
        assert!(recording.contains(&format!("\"refusal\":\"{rule:?}\"")), "{recording}");
        assert_eq!(replay(recording.as_bytes()).unwrap().end, "over", "{rule:?}");
        // Without it, or with another, the machine does something else.
        let other = recording.replacen(&format!("\"refusal\":\"{rule:?}\","), "", 1);
        assert!(matches!(replay(other.as_bytes()), Err(ReplayFailure::Differs(_))), "{rule:?}");
        let other = recording.replacen(&format!("\"refusal\":\"{rule:?}\""), "\"refusal\":\"Nobody\"", 1);
        let Err(failure @ ReplayFailure::NoRecording(_)) = replay(other.as_bytes()) else {
            panic!("{other}")
        };
        let text = "this is not a recording: this program knows no rule Nobody";
        assert_eq!(failure.to_string(), text);
    }
}

/// A preface that is always wrong.
struct Wrong;

impl Preface for Wrong {
    fn received(&mut self, _: &[u8]) -> PrefaceVerdict {
        PrefaceVerdict::Refused(Rule::Preface)
    }
}

#[test]
fn a_recording_begins_when_the_channel_opens_and_has_what_came_before_it() {
    let all = recorded(ServerConfig::default(), Options::default(), application, |server, _| {
        server.set_listener(ListenerInfo::default().preface(|_| Wrong));
        let client = server.connect().unwrap();
        server.run();
        client.send("what nobody understands");
        server.run();
        assert!(client.take_text().starts_with("HTTP/1.1 400 "));
        client.close_write();
        server.run();
        // One that never opens has no recording.
        drop(server.connect().unwrap());
        server.run();
    });
    let [recording] = all.as_slice() else { panic!("{all:?}") };
    assert!(recording.contains("\"refusal\":\"Preface\""), "{recording}");
    assert!(!recording.contains("nobody understands"), "{recording}");
    assert_eq!(replay(recording.as_bytes()).unwrap().end, "over");
}

/// A timer that never rings.
struct NeverTimer;

impl Timer for NeverTimer {
    fn poll_until(&mut self, _cx: &mut Context<'_>, _at: Instant) -> Poll<()> {
        Poll::Pending
    }
}

#[test]
fn a_connection_that_is_pulled_event_by_event_is_recorded_too() {
    let folder = tempfile::tempdir().unwrap();
    let recorder = FileRecorder::new(folder.path(), Options::default(), 1).unwrap();
    recorder.record(Which::All);
    let (compiled, facts) = (Arc::new(CompiledConfig::new(&ChannelConfig::default())), Facts::default());
    let (peername, sockname) = (Peer::Unix(None), Peer::Unix(None));
    let info = ConnectionInfo::new(peername, sockname, "http", "mine".into());
    let tape = recorder.open(&Opened { info: &info, compiled: &compiled, facts }).unwrap();

    let (mut near, far) = pair(2_000);
    let mut connection = Connection::new(far, NeverTimer, compiled, facts);
    connection.record(tape);
    let mut cx = Context::from_waker(Waker::noop());
    assert!(near.poll_write(&mut cx, GET.as_bytes()).is_ready());
    assert!(near.poll_close_write(&mut cx).is_ready());
    block_on(async {
        while let Some(event) = connection.next_event().await {
            if let Event::Request = event {
                connection.respond(ResponseRef::new(Status::OK, &Fields::new(), b"fine")).unwrap();
            }
        }
    });
    drop(connection);
    let all = recordings(&recorder, folder.path());
    assert!(all[0].contains("fine") && all[0].contains("HttpChannelClosed"), "{}", all[0]);
    assert_eq!(replay(all[0].as_bytes()).unwrap().end, "over");
}
