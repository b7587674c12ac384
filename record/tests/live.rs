//! Live channels are recorded on the in-memory transport, and replayed.
#![allow(clippy::unwrap_used)]

use std::convert::Infallible;
use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use bytes::Bytes;
use httpfsm::channel::{Channel, Facts, Settings};
use httpfsm::config::{ChannelConfig, ErrorPage, ErrorPages, ServerConfig};
use httpfsm::fields::Fields;
use httpfsm::handler::{ConnectionInfo, Handler, Request, Response};
use httpfsm::input::Input;
use httpfsm::output::Output;
use httpfsm::peer::Peer;
use httpfsm::response::ResponseRef;
use httpfsm::status::Status;
use httpfsm::time::{Date, Moment, Now};
use httpfsm_record::{Failure, FileRecorder, Options, Recording, Which, replay};
use httpfsm_transport::memory::{MemoryServer, pair};
use httpfsm_transport::{Connection, Event, Opened, Recorder, Tape, Timer, Wire, block_on, written};
use proptest::prelude::*;

const GET: &str = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// Answers in every way that there is.
async fn application(mut request: Request) -> Response {
    let response = Response::text("Hello, world!");
    match request.path() {
        "/echo" => match request.body().collect(1 << 20).await {
            Ok(body) => Response::octets(body),
            Err(error) => Response::text(error.to_string()),
        },
        "/pipe" => Response::octets(request.take_body()),
        "/headers" => {
            let lines =
                request.fields().map(|field| format!("{}: {}\n", field.name, field.value.escape_ascii()));
            Response::text(lines.collect::<String>())
        }
        "/large" => Response::octets(Bytes::from(vec![b'L'; 100_000])),
        "/stream" => Response::octets(written(|mut body| async move {
            body.trailers(Fields::new().with("X-Sum", "3").unwrap());
            for _ in 0..5 {
                body.data(vec![b's'; 3_000]).await;
                body.flush().await;
            }
            Ok::<(), Infallible>(())
        })),
        "/hints" => {
            request.early_hints(Fields::new().with("Set-Cookie", "early=secret").unwrap());
            response
        }
        "/login" => response.with_field("Set-Cookie", "sid=secret; Path=/").with_field("X-Key", "secret"),
        "/fail" => panic!("as it must"),
        "/never" => std::future::pending().await,
        "/close" => response.with_close(),
        _ => response,
    }
}

/// What was recorded, in order of the channels' numbers.
fn recordings(recorder: &FileRecorder, folder: &Path) -> Vec<String> {
    recorder.flush();
    let mut names: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.sort_by_key(|name| (name.as_os_str().len(), name.clone()));
    names.iter().map(|name| fs::read_to_string(name).unwrap()).collect()
}

/// Serves under a recorder, does `what`, drops the server; what was recorded.
fn recorded<H: Handler>(
    config: ServerConfig,
    options: Options,
    handler: H,
    what: impl FnOnce(&mut MemoryServer<H>, &FileRecorder),
) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let recorder = FileRecorder::new(folder.path(), options, 100).unwrap();
    recorder.record(Which::All);
    let tapes = Some(Arc::new(recorder.clone()) as _);
    let mut server = MemoryServer::recorded(config, 3_000, None, tapes, handler);
    what(&mut server, &recorder);
    drop(server);
    recordings(&recorder, folder.path())
}

/// One connection that sends these pieces and takes everything.
fn session(options: Options, pieces: &[&[u8]]) -> String {
    let mut all = recorded(ServerConfig::default(), options, application, |server, _| {
        let client = server.connect().unwrap();
        for piece in pieces {
            client.send(piece);
            server.run();
            while !client.take().is_empty() {
                server.run();
            }
        }
        client.close_write();
        server.run();
    });
    assert_eq!(all.len(), 1);
    all.remove(0)
}

#[test]
fn a_session_replays_and_can_be_read() {
    let recording = session(
        Options::default(),
        &[GET.as_bytes(), b"POST /echo HTTP/1.1\r\nHost: a\r\n", b"Content-Length: 3\r\n\r\n\xff\0b"],
    );
    let replayed = replay(recording.as_bytes()).unwrap();
    assert_eq!(replayed.end, "over");
    assert!(recording.contains(r#""octets":"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n""#), "{recording}");
    assert!(recording.contains(r#"{"out":"HttpRequest","n":1,"text":"GET / HTTP/1.1"}"#), "{recording}");
    assert!(recording.contains(r#"{"out":"BodyData","octets":"\u00ff\u0000b"}"#), "{recording}");
    assert!(recording.contains(r#"{"out":"HttpChannelClosed","text":"PeerEnded"}"#), "{recording}");
}

#[test]
fn a_change_is_found_in_its_line() {
    let recording = session(Options::default(), &[GET.as_bytes(), GET.as_bytes()]);
    for (from, to) in [("200 OK", "200 KO"), ("WaitResponse", "Responding"), ("PeerEnded", "Drained")] {
        let at = recording.lines().position(|line| line.contains(from)).unwrap();
        let changed = recording.replacen(from, to, 1);
        let Err(Failure::Differs(difference)) = replay(changed.as_bytes()) else {
            panic!("{from} is equal to {to}")
        };
        assert_eq!(difference.line, at + 1);
        assert!(difference.expected.contains(to) && difference.got.contains(from), "{difference:?}");
    }
    // An output that is left out makes the next one differ.
    let opened = recording.lines().position(|line| line.contains("HttpChannelOpened")).unwrap();
    let left_out: Vec<_> = recording
        .lines()
        .enumerate()
        .filter(|line| line.0 != opened)
        .map(|line| format!("{}\n", line.1))
        .collect();
    assert!(matches!(replay(left_out.concat().as_bytes()), Err(Failure::Differs(_))));
}

#[test]
fn what_is_no_recording_is_told_with_its_line() {
    let recording = session(Options::default(), &[GET.as_bytes()]);
    let last = recording.lines().count();
    for (spoilt, line) in [
        (String::new(), 1),
        ("hello\n".to_owned(), 1),
        (recording.replacen("\"httpfsm\":1", "\"httpfsm\":2", 1), 1),
        (recording.replacen("\"in\":\"RxData\"", "\"in\":\"DequeueRequest\"", 1), 2),
        (recording.replace("{\"end\":\"over\"}", "{\"and\":1}"), last),
    ] {
        let Err(Failure::Malformed { line: at, .. }) = replay(spoilt.as_bytes()) else { panic!("{spoilt}") };
        assert_eq!(at, line, "{spoilt}");
    }
}

#[test]
fn no_secret_is_in_a_recording_wherever_its_head_is_cut() {
    let request = "POST /login HTTP/1.1\r\nHost: a\r\nAuthorization: Basic secret\r\nProxy-Authorization: secret\r\n\
        Cookie: a=secret;b=secret\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nCookie: secret\r\n\r\n\
        GET /hints HTTP/1.1\r\nHost: a\r\nCOOKIE:secret\r\n\r\n";
    for cut in 0..=request.len() {
        let (left, right) = request.as_bytes().split_at(cut);
        let options = Options {
            masked: [&httpfsm_record::MASKED[..], &["X-Key"]]
                .concat()
                .iter()
                .map(|n| n.to_string())
                .collect(),
            ..Options::default()
        };
        let recording = session(options, &[left, right]);
        assert!(!recording.contains("ecre"), "cut at {cut}: {recording}");
        assert!(recording.contains("Set-Cookie: xxxxxxxxxxx xxxxxx"), "cut at {cut}: {recording}");
        assert_eq!(replay(recording.as_bytes()).unwrap().end, "over", "cut at {cut}");
    }
}

#[test]
fn an_answer_that_shows_the_head_of_its_request_shows_no_secret() {
    let get = b"GET /headers HTTP/1.1\r\nHost: a\r\nAuthorization: Basic secret\r\n\r\n";
    let head = [b"HEAD", &get[3..]].concat();
    let post = b"POST /pipe HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n:1\n\r\n";
    let rest = b"11\r\nA: b\nCookie: hush\r\n3\r\nhus\r\n0\r\n\r\n";
    let recording = session(Options::default(), &[get, &head, post, rest]);
    assert!(!recording.contains("secret"), "{recording}");
    assert!(recording.contains(r#""octets":"Host: a\nAuthorization: xxxxx xxxxxx\n""#), "{recording}");
    assert_eq!(replay(recording.as_bytes()).unwrap().end, "over");
}

#[test]
fn bodies_can_be_hidden_and_replay_all_the_same() {
    let options = Options { mask_bodies: true, ..Options::default() };
    let chunks =
        b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nsecret\r\n0\r\n\r\n";
    let length = b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nsecret";
    let recording = session(options, &[chunks, length]);
    assert!(!recording.contains("secret"), "{recording}");
    assert_eq!(replay(recording.as_bytes()).unwrap().end, "over");
}

#[test]
fn a_recording_ends_at_its_bound_and_replays_up_to_there() {
    for max_octets in [3_000, 4_000, 10_000] {
        let options = Options { max_octets, ..Options::default() };
        let requests = GET.repeat(20);
        let pieces = [requests.as_bytes(), b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n"];
        let recording = session(options, &pieces);
        assert!(recording.len() <= max_octets, "{} octets", recording.len());
        assert_eq!(replay(recording.as_bytes()).unwrap().end, "full");
    }
}

#[test]
fn a_recording_that_breaks_off_replays_up_to_there() {
    let recording = session(Options::default(), &[GET.as_bytes()]);
    let lines: Vec<_> = recording.split_inclusive('\n').collect();
    for kept in 1..lines.len() {
        let broken = lines[..kept].concat() + &lines[kept][..lines[kept].len() / 2];
        assert_eq!(replay(broken.as_bytes()).unwrap().end, "cut");
    }
}

#[test]
fn a_tail_that_is_cut_inside_a_character_is_cut_as_any_other() {
    let recording = session(Options::default(), &[GET.as_bytes()]);
    let end = recording.rfind("{\"end\"").unwrap();
    let tail = "{\"out\":\"Refused\",\"text\":\"\u{e4}\u{20ac}";
    for kept in 1..=tail.len() {
        let cut = [&recording.as_bytes()[..end], &tail.as_bytes()[..kept]].concat();
        assert_eq!(replay(&cut[..]).unwrap().end, "cut", "{kept}");
    }
    // A whole line of it is none.
    let line = [&recording.as_bytes()[..end], b"{\"text\":\"\xff\"}\n"].concat();
    let at = recording.lines().count();
    assert!(matches!(replay(&line[..]), Err(Failure::Malformed { line, .. }) if line == at));
}

#[test]
fn what_stands_behind_the_end_is_not_looked_at() {
    let recording = session(Options::default(), &[GET.as_bytes()]);
    let expected = replay(recording.as_bytes()).unwrap();
    for behind in
        ["none\n", "\n", "{\"in\":\"none\"}\n", "{\"page\":\"Nul 1\"}\n", "{\"end\":\"full\"}\n", "none"]
    {
        assert_eq!(replay(format!("{recording}{behind}").as_bytes()).unwrap(), expected, "{behind}");
    }
    assert_eq!(replay(&[recording.as_bytes(), b"\xff\n"].concat()[..]).unwrap(), expected);
}

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

#[test]
fn recording_is_switched_while_the_server_serves() {
    let all = recorded(ServerConfig::default(), Options::default(), application, |server, recorder| {
        let mut connect = |from: u8| {
            let client = server.connect_from(Peer::Ip((Ipv4Addr::new(127, 0, 0, from), 9).into())).unwrap();
            client.send(GET);
            server.run();
            client
        };
        recorder.record(Which::Nothing);
        let first = connect(1);
        recorder.record(Which::NextFrom(IpAddr::V4(Ipv4Addr::new(127, 0, 0, 3))));
        let others: Vec<_> = [2, 3, 3].map(&mut connect).into();
        assert_eq!(recorder.recorded(), Which::Nothing);
        recorder.record(Which::Named("server.clisrv_6".to_owned()));
        let named: Vec<_> = [4, 5, 6].map(&mut connect).into();
        recorder.record(Which::OneIn(2));
        let sampled: Vec<_> = [7, 7, 7, 7].map(&mut connect).into();
        recorder.record(Which::OneIn(0));
        drop((first, others, named, sampled, connect(8)));
        recorder.record(Which::All);
        drop(connect(9));
    });
    let channels: Vec<_> = all
        .iter()
        .map(|recording| {
            assert_eq!(replay(recording.as_bytes()).unwrap().end, "over");
            let name = recording.split("clisrv_").nth(1).unwrap();
            name.split('"').next().unwrap().parse::<u32>().unwrap()
        })
        .collect();
    assert_eq!(channels, [3, 6, 8, 10, 13]);
}

#[test]
fn the_trailers_of_an_answer_are_recorded() {
    let recording = session(Options::default(), &[b"GET /stream HTTP/1.1\r\nHost: a\r\n\r\n"]);
    let finish = recording.lines().find(|line| line.contains(r#""in":"Finish""#)).unwrap();
    assert!(finish.contains(r#"["X-Sum","3"]"#), "{finish}");
    let sent = recording.contains("0\\r\\nX-Sum: 3\\r\\n\\r\\n");
    assert!(sent, "{recording}");
    assert_eq!(replay(recording.as_bytes()).unwrap().end, "over");
}

#[test]
#[cfg(unix)]
fn only_the_user_can_read_a_recording() {
    use std::os::unix::fs::PermissionsExt as _;

    let folder = tempfile::tempdir().unwrap();
    let recorder = FileRecorder::new(folder.path(), Options::default(), 1).unwrap();
    recorder.record(Which::All);
    let tapes = Some(Arc::new(recorder.clone()) as _);
    let mut server = MemoryServer::recorded(ServerConfig::default(), 3_000, None, tapes, application);
    server.connect().unwrap().send(GET);
    server.run();
    drop(server);
    recorder.flush();
    let file = fs::read_dir(folder.path()).unwrap().next().unwrap().unwrap();
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn the_jitter_of_a_connections_age_is_recorded() {
    let config = ChannelConfig { connection_age: Some(Duration::from_secs(10)), ..ChannelConfig::default() };
    let settings = Arc::new(Settings::new(&config));
    let (peername, sockname) = (Peer::Unix(None), Peer::Unix(None));
    let info = ConnectionInfo { peername, sockname, scheme: "http".into(), channel: "mine".to_owned() };
    let answered = |age_jitter| {
        let facts = Facts { age_jitter };
        let mut channel = Channel::new(Arc::clone(&settings), facts);
        let mut recording =
            Recording::new(&Opened { info: &info, settings: &settings, facts }, &Options::default());
        let now = Now::new(Moment::from_millis(12_000), &Date::EPOCH);
        let fields = Fields::new();
        let inputs =
            [Input::RxData(GET.as_bytes()), Input::HttpResponse(ResponseRef::new(Status::OK, &fields, b""))];
        for input in inputs {
            recording.input(&now, &input);
            let taken = channel.handle(&now, input);
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
    let (plain, _) = answered(Duration::ZERO);
    let (jittered, recording) = answered(Duration::from_secs(5));
    assert_ne!(plain, jittered, "the jitter keeps it open");
    assert_eq!(replay(&recording[..]).unwrap().end, "over");
}

#[test]
fn no_more_channels_are_recorded_than_may_be_and_no_file_is_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    for run in 1..=3 {
        let recorder = FileRecorder::new(folder.path(), Options::default(), 2).unwrap();
        recorder.record(Which::All);
        let tapes = Some(Arc::new(recorder.clone()) as _);
        let mut server = MemoryServer::recorded(ServerConfig::default(), 3_000, None, tapes, application);
        for _ in 0..5 {
            server.connect().unwrap().send(GET);
            server.run();
        }
        drop(server);
        let all = recordings(&recorder, folder.path());
        assert_eq!(all.len(), 2 * run);
        assert!(all.iter().all(|recording| replay(recording.as_bytes()).is_ok()));
    }
}

#[test]
fn a_folder_that_is_gone_harms_no_connection() {
    let folder = tempfile::tempdir().unwrap();
    let recorder = FileRecorder::new(folder.path().join("here"), Options::default(), 2).unwrap();
    recorder.record(Which::All);
    fs::remove_dir(folder.path().join("here")).unwrap();
    let tapes = Some(Arc::new(recorder.clone()) as _);
    let mut server = MemoryServer::recorded(ServerConfig::default(), 3_000, None, tapes, application);
    let client = server.connect().unwrap();
    client.send(GET);
    server.run();
    assert!(client.take_text().ends_with("Hello, world!"));
    recorder.flush();
}

/// A timer that never rings.
struct Never;

impl Timer for Never {
    fn poll_until(&mut self, _cx: &mut Context<'_>, _at: Instant) -> Poll<()> {
        Poll::Pending
    }
}

#[test]
fn a_connection_that_is_pulled_event_by_event_is_recorded_too() {
    let folder = tempfile::tempdir().unwrap();
    let recorder = FileRecorder::new(folder.path(), Options::default(), 1).unwrap();
    recorder.record(Which::All);
    let (settings, facts) = (Arc::new(Settings::new(&ChannelConfig::default())), Facts::default());
    let (peername, sockname) = (Peer::Unix(None), Peer::Unix(None));
    let info = ConnectionInfo { peername, sockname, scheme: "http".into(), channel: "mine".to_owned() };
    let tape = recorder.open(&Opened { info: &info, settings: &settings, facts }).unwrap();

    let (mut near, far) = pair(2_000);
    let mut connection = Connection::new(far, Never, settings, facts);
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

/// What happens on a connection.
#[derive(Clone, Debug)]
enum Step {
    Send(Vec<u8>),
    Take(usize),
    Wait(u64),
    CloseWrite,
    Reset,
    GoOut,
}

fn step() -> impl Strategy<Value = Step> {
    let target = prop::sample::select(vec![
        "/", "/pipe", "/headers", "/echo", "/large", "/stream", "/hints", "/login", "/fail", "/never",
        "/close", "/\u{e4}",
    ]);
    let tail = prop::sample::select(vec![
        "\r\n",
        "Cookie: secret\r\n\r\n",
        "Content-Length: 16\r\n\r\nCookie: a secret",
        "Content-Length: 9\r\nConnection: close\r\n\r\nto",
        "Transfer-Encoding: chunked\r\n\r\n4\r\nbody\r\nA;e=1\r\n0123456789\r\n0\r\nCookie: secret\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n4\r\nbodyX",
        "Expect: 100-continue\r\nContent-Length: 4\r\n\r\n",
        "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\nCookie: secret\r\n",
        "Upgrade: x\r\nConnection: upgrade\r\n\r\nfree",
        "Authorization : secret\r\n\r\n",
        "\r\nCookie: secret\r\n\r\n",
        "\r\ncookie:secret / HTTP/1.1\r\nHost: a\r\n\r\n",
        "Cookie: secret\r\n secret\r\n\r\n",
        "Connection: close\r\n\r\n",
    ]);
    let request = ((target, prop::sample::select(vec![1, 1, 1, 0])), tail)
        .prop_map(|((target, minor), tail)| format!("POST {target} HTTP/1.{minor}\r\nHost: a\r\n{tail}"));
    prop_oneof![
        8 => request.prop_map(|request| Step::Send(request.into_bytes())),
        2 => prop::collection::vec(any::<u8>(), 1..20).prop_map(Step::Send),
        1 => Just(Step::Send(b"body".to_vec())),
        5 => (0..8_000_usize).prop_map(Step::Take),
        3 => (0..40_000_u64).prop_map(Step::Wait),
        1 => Just(Step::CloseWrite),
        1 => Just(Step::Reset),
        1 => Just(Step::GoOut),
    ]
}

fn config(hardened: bool) -> ServerConfig {
    let mut config = if hardened { ServerConfig::hardened() } else { ServerConfig::default() };
    config.channel.responseless_timeout = Some(Duration::from_secs(50));
    config.channel.expose_tracebacks = hardened;
    config.maximum_simultaneous_requests = u32::from(hardened);
    config
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn any_session_that_is_recorded_replays(
        hardened in any::<bool>(),
        mask_bodies in any::<bool>(),
        cut in 1_usize..40,
        steps in prop::collection::vec((0..2_usize, step()), 1..12),
    ) {
        let options = Options { mask_bodies, ..Options::default() };
        let all = recorded(config(hardened), options, application, |server, _| {
            let clients: Vec<_> = (0..2).map(|_| server.connect().unwrap()).collect();
            for (client, step) in steps {
                match step {
                    Step::Send(octets) => {
                        for piece in octets.chunks(cut) {
                            clients[client].send(piece);
                            server.run();
                        }
                    }
                    Step::Take(octets) => drop(clients[client].take_at_most(octets)),
                    Step::Wait(millis) => drop(server.advance(Duration::from_millis(millis))),
                    Step::CloseWrite => clients[client].close_write(),
                    Step::Reset => clients[client].reset(),
                    Step::GoOut => drop(server.handle().drain(None)),
                }
                server.run();
            }
        });
        prop_assert_eq!(all.len(), 2);
        for recording in all {
            let replayed = replay(recording.as_bytes());
            prop_assert!(replayed.is_ok(), "{}\n{recording}", replayed.unwrap_err());
        }
    }
}
