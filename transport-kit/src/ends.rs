//! The table of the documentation, "Ends in every state", against the states that there are and the scripts.

use std::collections::HashMap;

use httpfsm::channel::State;
use httpfsm::fsm::Label;

use crate::memory::Memory;
use crate::obligation::OBLIGATIONS;
use crate::record::Record;
use crate::run::run;
use crate::script::{Script, Step};
use crate::stand::{Received, Stand};

/// The rows of the table: a state, and the names of its scripts.
fn table() -> Vec<(&'static str, Vec<&'static str>)> {
    let rows = include_str!("lib.rs").lines().filter_map(|line| line.strip_prefix("//! | `"));
    rows.map(|row| {
        let (state, scripts) = row.split_once('`').unwrap_or_else(|| panic!("no state: {row}"));
        (state, scripts.split('"').skip(1).step_by(2).collect())
    })
    .collect()
}

/// The in-memory transport, which looks in which state a channel is when its peer ends or resets.
struct WatchedMemory {
    memory: Memory,
    ends: Vec<(&'static str, String)>,
}

impl WatchedMemory {
    fn look(&mut self, what: &'static str) {
        self.memory.settle();
        let server = format!("{:?}", self.memory.server());
        // The scripts of the table have one connection.
        let state = server.split_once("state: ").and_then(|(_, rest)| rest.split_once(','));
        // A driver that has handed its connection over is gone before its channel.
        let open = self.memory.handle().stats().n_channels > 0;
        let state = state.map_or(if open { "Upgraded" } else { "Closed" }, |(state, _)| state);
        self.ends.push((what, state.to_owned()));
    }
}

impl Stand for WatchedMemory {
    fn fin(&mut self, peer: usize) {
        self.look("fin");
        self.memory.fin(peer);
    }

    fn reset(&mut self, peer: usize) {
        self.look("reset");
        self.memory.reset(peer);
    }

    fn forget_last(&mut self) {
        self.memory.forget_last();
    }

    fn connect(&mut self) -> Result<(), String> {
        self.memory.connect()
    }

    fn send(&mut self, peer: usize, bytes: &[u8]) -> usize {
        self.memory.send(peer, bytes)
    }

    fn receive(&mut self, peer: usize, at_most: usize, into: &mut Vec<u8>) -> Received {
        self.memory.receive(peer, at_most, into)
    }

    fn close(&mut self, peer: usize) {
        self.memory.close(peer);
    }

    fn settle(&mut self) {
        self.memory.settle();
    }

    fn idle(&mut self) {
        self.memory.idle();
    }

    fn begin(&mut self) {
        self.memory.begin();
    }

    fn is_over_patience(&self) -> bool {
        self.memory.is_over_patience()
    }

    fn handle(&self) -> httpfsm_transport::ServerHandle {
        self.memory.handle()
    }
}

/// What a script does to end its connection, and in which states of the channel.
fn ends(script: &Script) -> Vec<(&'static str, String)> {
    let record = Record::default();
    let memory = Memory::new(script.config.clone(), script.small_buffer, &record);
    let mut watched = WatchedMemory { memory, ends: Vec::new() };
    let trace = run(script, &mut watched, &record);
    assert_eq!(trace.is_stuck(), None, "{}", script.name);
    // What is still open when the script is over ends in good order.
    let ends = script.steps.iter().filter(|step| matches!(step, Step::Fin | Step::Reset)).count();
    watched.ends.truncate(ends);
    watched.ends
}

#[test]
fn in_each_state_of_the_channel_a_script_ends_its_connection_and_another_resets_it() {
    let scripts: HashMap<_, _> = OBLIGATIONS
        .iter()
        .flat_map(|obligation| obligation.scripts())
        .map(|script| (script.name.clone(), script))
        .collect();
    let table = table();
    for state in State::ALL.iter().filter(|state| **state != State::Closed) {
        let name = format!("{state:?}");
        let row = table.iter().find(|row| row.0 == name);
        let (_, named) = row.unwrap_or_else(|| panic!("no scripts for {name} in the table of lib.rs"));
        let mut seen = Vec::new();
        for script in named {
            let script = scripts.get(*script).unwrap_or_else(|| panic!("{name}: no script {script:?}"));
            let ends = ends(script);
            assert!(
                ends.iter().any(|(_, at)| *at == name),
                "{:?} is in {ends:?}, not in {name}",
                script.name
            );
            seen.extend(ends.into_iter().filter(|(_, at)| *at == name).map(|(what, _)| what));
        }
        for what in ["fin", "reset"] {
            assert!(seen.contains(&what), "no {what} in {name}, of {named:?}");
        }
    }
    assert_eq!(table.len(), State::ALL.len() - 1, "a row for each state");
}
