//! Programs that some tests need. If one is missing, its tests say so and do not run.

use std::io::Read;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use httpfsm_testing::not_run;
pub(crate) use httpfsm_testing::tool;
use rustix::process::{Pid, Signal, kill_process_group};

use crate::{PATIENCE, text};

/// Whether this machine has an IPv6 loopback address; says so if not.
pub(crate) fn has_ipv6() -> bool {
    let has = std::net::TcpListener::bind("[::1]:0").is_ok();
    if !has {
        not_run("IPv6");
    }
    has
}

/// A program that runs beside the test, in a process group of its own, which is killed when this is dropped.
pub(crate) struct BackgroundProgram(Child);

impl BackgroundProgram {
    pub(crate) fn start(command: &mut Command) -> Self {
        Self::start_with(command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()))
    }

    /// Starts it with the streams that the command has.
    pub(crate) fn start_with(command: &mut Command) -> Self {
        Self(command.process_group(0).spawn().expect("the program starts"))
    }

    /// Connects to the Unix socket that the program is about to make.
    #[track_caller]
    pub(crate) fn connect(&mut self, path: &Path) -> UnixStream {
        let started = Instant::now();
        loop {
            if let Ok(stream) = UnixStream::connect(path) {
                stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
                return stream;
            }
            if let Some(status) = self.0.try_wait().expect("a child") {
                panic!("{status} before it listened: {}", self.errors());
            }
            assert!(started.elapsed() < PATIENCE, "nobody listens at {}", path.display());
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Waits for the end of the program; it may not take longer than `patience`.
    #[track_caller]
    pub(crate) fn output(mut self, patience: Duration) -> Output {
        // Both pipes must be read, or the program would block on them.
        let [stdout, stderr] = self.pipes().map(|mut pipe| {
            thread::spawn(move || {
                let mut bytes = Vec::new();
                let _ = pipe.read_to_end(&mut bytes);
                bytes
            })
        });
        let started = Instant::now();
        let status = loop {
            if let Some(status) = self.0.try_wait().expect("a child") {
                break status;
            }
            assert!(started.elapsed() < patience, "the program does not end");
            thread::sleep(Duration::from_millis(10));
        };
        // A process that it has left running would keep the pipes open.
        self.kill();
        let read = |thread: thread::JoinHandle<Vec<u8>>| thread.join().expect("read");
        Output { status, stdout: read(stdout), stderr: read(stderr) }
    }

    fn pipes(&mut self) -> [Box<dyn Read + Send>; 2] {
        [Box::new(self.0.stdout.take().expect("a pipe")), Box::new(self.0.stderr.take().expect("a pipe"))]
    }

    fn errors(&mut self) -> String {
        self.kill();
        let [_, mut stderr] = self.pipes();
        let mut bytes = Vec::new();
        let _ = stderr.read_to_end(&mut bytes);
        text(&bytes)
    }

    fn kill(&mut self) {
        // All of it may have ended already.
        let _ = kill_process_group(Pid::from_child(&self.0), Signal::KILL);
        let _ = self.0.wait();
    }
}

impl Drop for BackgroundProgram {
    fn drop(&mut self) {
        self.kill();
    }
}
