//! A server in a process of its own, on a port that the system chooses.

use std::ffi::OsString;
use std::io::{self, BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::layered::Below;

/// The program next to this one: both are in the folder of the build's profile.
///
/// # Errors
/// When it is not there: it has to be built first.
pub fn program() -> io::Result<PathBuf> {
    let path = std::env::current_exe()?.with_file_name("httpfsm");
    if path.exists() {
        return Ok(path);
    }
    let hint = format!("{} is missing: cargo build --release -p httpfsm-server", path.display());
    Err(io::Error::new(io::ErrorKind::NotFound, hint))
}

/// A running server; killed when dropped.
pub struct ServerProcess {
    child: Child,
    address: SocketAddr,
}

/// Limits that count.
const LIMITS: &[&str] = &[
    "--maximum-simultaneous-requests",
    "100000",
    "--maximum-simultaneous-requests-per-channel",
    "1000",
    "--max-connections",
    "100000",
    "--max-connections-per-peer",
    "100000",
    "--max-buffered-bytes",
    "64GiB",
];

impl ServerProcess {
    /// The arguments of the program that serve the counted requests. A transport with `-limited` behind its name has
    /// each limit that counts something over all connections, so high that nothing reaches it; one with `-function`
    /// runs a function that blocks for each request.
    #[must_use]
    pub fn arguments(transport: &str, threads: usize) -> Vec<OsString> {
        let threads = threads.to_string();
        let (transport, limits) = match transport.strip_suffix("-limited") {
            Some(transport) => (transport, LIMITS),
            None => (transport, &[][..]),
        };
        let (transport, app) = match transport.strip_suffix("-function") {
            Some(transport) => (transport, "bench-function"),
            None => (transport, "bench"),
        };
        // No body is kept in a file, so no descriptors are left for files, and there are more for connections.
        let bodies = ["--bodies", "streamed"];
        ["serve", "--app", app, "--transport", transport, "--port", "0", "--threads", &threads]
            .into_iter()
            .chain(bodies)
            .chain(limits.iter().copied())
            .map(OsString::from)
            .collect()
    }

    /// Starts the server of a transport: `named` or the program of the same build, but this program itself for one with
    /// [something below](Below::of) HTTP.
    ///
    /// # Errors
    /// When there is no such program, and those of [`start`](Self::start).
    pub fn of(transport: &str, threads: usize, named: Option<&Path>) -> io::Result<Self> {
        if let (Some(serve), None) = (Below::of(transport).serve(), named) {
            return Self::start(&std::env::current_exe()?, &[serve.into(), threads.to_string().into()]);
        }
        let program = named.map_or_else(program, |named| Ok(named.to_owned()))?;
        Self::start(&program, &Self::arguments(transport, threads))
    }

    /// Starts `program` and waits for its first line, `listening on http://ADDRESS:PORT`.
    ///
    /// # Errors
    /// When it cannot be started, or says something else.
    pub fn start(program: &Path, arguments: &[OsString]) -> io::Result<Self> {
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|e| io::Error::new(e.kind(), format!("{}: {e}", program.display())))?;
        let stdout = child.stdout.take().map(BufReader::new);
        // From here on an early return kills the child.
        let mut server = Self { child, address: SocketAddr::from(([127, 0, 0, 1], 0)) };
        let mut line = String::new();
        if let Some(mut stdout) = stdout {
            stdout.read_line(&mut line)?;
            // The pipe is emptied to its end, or a server that goes on printing would stop.
            thread::spawn(move || io::copy(&mut stdout, &mut io::sink()));
        }
        server.address = address_in(&line).ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidData, format!("the server's first line was {line:?}"))
        })?;
        Ok(server)
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Asks it to end (SIGTERM) and waits for it, 60 s at most.
    ///
    /// # Errors
    /// When it does not end.
    pub fn stop(mut self) -> io::Result<ExitStatus> {
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            kill_process(pid, Signal::TERM)?;
        }
        let started = Instant::now();
        while started.elapsed() < Duration::from_secs(60) {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            thread::sleep(Duration::from_millis(20));
        }
        Err(io::Error::new(io::ErrorKind::TimedOut, "the server ignored SIGTERM for 60 s"))
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The resident set of a process in bytes, as the kernel counts it.
///
/// # Errors
/// When there is no such process.
pub fn resident_bytes(pid: u32) -> io::Result<u64> {
    figure(pid, "VmRSS:").map(|kib| kib << 10)
}

/// The threads of a process.
///
/// # Errors
/// When there is no such process.
pub fn threads(pid: u32) -> io::Result<u64> {
    figure(pid, "Threads:")
}

/// The processor time of all threads that a process has now, as the kernel counts it.
///
/// # Errors
/// When there is no such process.
pub fn processor_time(pid: u32) -> io::Result<Duration> {
    let mut all = Duration::ZERO;
    for task in std::fs::read_dir(format!("/proc/{pid}/task"))? {
        let text = std::fs::read_to_string(task?.path().join("schedstat"))?;
        let nanos = text.split_whitespace().next().and_then(|nanos| nanos.parse().ok());
        all += Duration::from_nanos(nanos.ok_or_else(|| io::Error::other("no figure in schedstat"))?);
    }
    Ok(all)
}

fn figure(pid: u32, name: &str) -> io::Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let figure = line.and_then(|rest| rest.split_whitespace().next()?.parse().ok());
    figure
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, format!("no {name} in /proc/{pid}/status")))
}

fn address_in(line: &str) -> Option<SocketAddr> {
    line.trim().strip_prefix("listening on http://")?.trim_end_matches('/').parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_has_the_address() {
        let address = address_in("listening on http://127.0.0.1:8080\n");
        assert_eq!(address, Some(SocketAddr::from(([127, 0, 0, 1], 8080))));
        assert_eq!(address_in("error: address in use"), None);
    }

    #[test]
    fn a_server_that_says_nothing_is_an_error() {
        assert!(ServerProcess::start(Path::new("/bin/true"), &[]).is_err());
    }

    #[test]
    fn this_process_has_a_resident_set() {
        assert!(resident_bytes(std::process::id()).unwrap() > 1 << 10);
    }

    #[test]
    fn this_process_has_a_thread_more_with_one_more() {
        let (end, wait) = std::sync::mpsc::channel::<()>();
        let thread = thread::spawn(move || wait.recv());
        assert!(threads(std::process::id()).unwrap() >= 2);
        drop(end);
        thread.join().unwrap().unwrap_err();
    }
}
