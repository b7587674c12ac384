//! Connections of the simulator, with all that a network and a client do to them, are recorded; their cookies are looked for.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs;

use httpfsm::config::ServerConfig;
use httpfsm_record::{FileRecorder, Options, Which, replay};
use httpfsm_sim::{Ask, Dice, Simulation, World, application, ask, vary};

const SECRET: &str = "Zq7Kw9Xv3Jp5";

/// What the model's clients send, with a cookie.
fn with_cookie(dice: &mut Dice) -> Ask {
    ask(dice).field("Cookie", format!("a={SECRET}; b={SECRET}"))
}

#[test]
fn recordings_of_the_simulator_show_no_cookie_and_replay() {
    for mask_bodies in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let options = Options { mask_bodies, ..Options::default() };
        let recorder = FileRecorder::new(folder.path(), options, 10_000).unwrap();
        recorder.record(Which::All);
        let simulation = Simulation::new(ServerConfig::default(), |world: &World| application(world.clone()));
        let simulation = simulation.vary(vary).traffic(with_cookie).connections(800);
        simulation.recorder(recorder.clone()).run().unwrap();
        recorder.flush();
        let (mut ends, mut cookies) = (BTreeMap::new(), 0);
        for entry in fs::read_dir(folder.path()).unwrap() {
            let recording = fs::read_to_string(entry.unwrap().path()).unwrap();
            let leaked = (0..SECRET.len() - 3).find(|&at| recording.contains(&SECRET[at..at + 4]));
            assert!(leaked.is_none(), "{recording}");
            cookies += recording.matches("Cookie: a=").count() + recording.matches("Cookie: xx").count();
            let replayed =
                replay(recording.as_bytes()).unwrap_or_else(|failure| panic!("{failure}\n{recording}"));
            *ends.entry(replayed.end).or_insert(0) += 1;
        }
        assert!(cookies > 100 && ends["over"] > 400, "{cookies} cookies, {ends:?}");
    }
}
