//! Connections of the simulator, with all that a network and a client do to them, are recorded; secrets are looked for that
//! their clients send in heads, hostile ones as well, and in bodies, trailers and tunnels.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs;

use httpfsm::config::ServerConfig;
use httpfsm_record::{FileRecorder, Options, Which, replay};
use httpfsm_sim::{Ask, Dice, Simulation, World, application, ask, vary};

/// The value of a cookie, wherever its line stands.
const SECRET: &str = "Zq7Kw9Xv3Jp5";
/// What content, trailers and tunnels say beside.
const CONTENT: &str = "Lm4Tb8Hd6Rn2";

/// What shows a head within it.
fn content(dice: &mut Dice) -> String {
    let head = format!("GET / HTTP/1.1\r\nHost: a\r\nCookie: a={SECRET}\r\n\r\n{CONTENT}\r\n");
    CONTENT.to_owned() + "\r\n" + &head.repeat(1 + dice.below(20) as usize)
}

/// What the model's clients send, with secrets.
fn with_secrets(dice: &mut Dice) -> Ask {
    let ask = match dice.below(8) {
        0 | 1 => {
            let content = content(dice);
            let path = if dice.one_in(2) { "/echo" } else { "/collect" };
            let back = content.clone();
            let check = move |status: u16, body: &[u8]| match status != 200 || body == back.as_bytes() {
                true => Ok(()),
                false => Err("another content came back".to_owned()),
            };
            Ask::post(path, content)
                .reads_body()
                .check(move |response| check(response.status, &response.body))
        }
        2 => {
            let content = content(dice);
            Ask::get("/upgrade").field("Upgrade", "echo").hands_over(content.clone(), content)
        }
        3 => {
            let content = content(dice);
            Ask::connect("echo.example:7").hands_over(content.clone(), content)
        }
        _ => ask(dice),
    };
    let ask = ask.field("Cookie", format!("a={SECRET}; b={SECRET}"));
    ask.trailer("Cookie", SECRET).trailer("Said", CONTENT)
}

/// Whether the recording shows any four bytes of it.
fn shows(recording: &str, secret: &str) -> bool {
    (0..secret.len() - 3).any(|at| recording.contains(&secret[at..at + 4]))
}

#[test]
fn recordings_of_the_simulator_show_no_secret_and_replay() {
    for mask_bodies in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let options = Options { mask_bodies, ..Options::default() };
        let recorder = FileRecorder::new(folder.path(), options, 10_000).unwrap();
        recorder.record(Which::All);
        let simulation = Simulation::new(ServerConfig::default(), |world: &World| application(world.clone()));
        let simulation = simulation.vary(vary).traffic(with_secrets).connections(1200);
        simulation.recorder(recorder.clone()).run().unwrap();
        recorder.flush();
        let (mut ends, mut cookies, mut contents) = (BTreeMap::new(), 0, 0);
        for entry in fs::read_dir(folder.path()).unwrap() {
            let recording = fs::read_to_string(entry.unwrap().path()).unwrap();
            assert!(!shows(&recording, SECRET), "{recording}");
            contents += usize::from(shows(&recording, CONTENT));
            assert!(!mask_bodies || contents == 0, "{recording}");
            cookies += recording.matches("Cookie: a=").count() + recording.matches("Cookie: xx").count();
            let replayed =
                replay(recording.as_bytes()).unwrap_or_else(|failure| panic!("{failure}\n{recording}"));
            *ends.entry(replayed.end).or_insert(0) += 1;
        }
        assert!(cookies > 100 && ends["over"] > 400, "{cookies} cookies, {ends:?}");
        assert!(mask_bodies || contents > 100, "the contents of {contents} connections");
    }
}
