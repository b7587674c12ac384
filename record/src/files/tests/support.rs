//! A channel that is recorded, a subscriber that hears of failures, and a bound for what may hang.

use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use httpfsm::channel::{Channel, CompiledConfig, Facts, Input};
use httpfsm::config::ChannelConfig;
use httpfsm::handler::{ConnectionInfo, Failure, Subscriber};
use httpfsm::peer::Peer;
use httpfsm::time::{Date, Moment, Now};
use httpfsm_transport::{Opened, Recorder, Tape};

use crate::files::{FileRecorder, Which};
use crate::options::Options;

/// Longer than anything here takes: only what never comes reaches it.
const HANG: Duration = Duration::from_secs(30);

/// A channel, and the tape that it is recorded on.
pub(super) struct Recorded {
    channel: Channel,
    tape: Box<dyn Tape>,
    at: u64,
}

impl Recorded {
    pub(super) fn with(name: &str, tape: impl FnOnce(&Opened<'_>) -> Box<dyn Tape>) -> Self {
        let compiled = Arc::new(CompiledConfig::new(&ChannelConfig::default()));
        let (peername, sockname) = (Peer::Unix(None), Peer::Unix(None));
        let info = ConnectionInfo::new(peername, sockname, "http", name.into());
        let facts = Facts::default();
        let tape = tape(&Opened { info: &info, compiled: &compiled, facts });
        Self { channel: Channel::new(Arc::clone(&compiled), facts), tape, at: 0 }
    }

    pub(super) fn by(recorder: &FileRecorder, name: &str) -> Self {
        Self::with(name, |opened| recorder.open(opened).unwrap())
    }

    /// So many inputs, each a batch.
    pub(super) fn step(&mut self, inputs: usize) {
        for _ in 0..inputs {
            self.at += 1;
            let now = Now::new(Moment::from_millis(self.at), &Date::EPOCH);
            self.tape.input(&now, &Input::Tick);
            let taken = self.channel.handle_with(&now, Input::Tick, &mut ());
            self.tape.taken(&taken, &self.channel);
            self.tape.rest();
        }
    }
}

/// What a subscriber is told; it may be held up there.
#[derive(Default)]
pub(super) struct SubscriberLog {
    texts: Mutex<Vec<String>>,
    held_up: Mutex<bool>,
    goes_on: Condvar,
    panics: bool,
}

impl SubscriberLog {
    /// Held up where it is told, until [`go_on`](Self::go_on).
    pub(super) fn held_up() -> Self {
        Self { held_up: Mutex::new(true), ..Self::default() }
    }

    /// Panics where it is told.
    pub(super) fn panicking() -> Self {
        Self { panics: true, ..Self::default() }
    }

    pub(super) fn texts(&self) -> Vec<String> {
        self.texts.lock().unwrap().clone()
    }

    pub(super) fn go_on(&self) {
        *self.held_up.lock().unwrap() = false;
        self.goes_on.notify_all();
    }
}

impl Subscriber for SubscriberLog {
    fn failed(&self, connection: Option<&ConnectionInfo>, failure: Failure, text: &str) {
        assert!(connection.is_none() && failure == Failure::Recording);
        self.texts.lock().unwrap().push(text.to_owned());
        let held_up = self.held_up.lock().unwrap();
        drop(self.goes_on.wait_while(held_up, |held_up| *held_up).unwrap());
        assert!(!self.panics);
    }
}

pub(super) fn recorder(folder: &Path, heard: &Arc<SubscriberLog>) -> FileRecorder {
    let recorder = FileRecorder::new(folder, Options::default(), 100).unwrap();
    recorder.record(Which::All);
    recorder.report_to(Arc::<SubscriberLog>::clone(heard));
    recorder
}

/// Runs on a thread of its own, so that what hangs fails.
pub(super) fn within(run: impl FnOnce() + Send + 'static) {
    let (done, is_done) = mpsc::channel();
    let thread = thread::spawn(move || {
        run();
        let _ = done.send(());
    });
    if is_done.recv_timeout(HANG) == Err(mpsc::RecvTimeoutError::Timeout) {
        panic!("it waits for a file");
    }
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}
