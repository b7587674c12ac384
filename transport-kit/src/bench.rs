//! A server for a check of its own, and peers that talk to it.

use std::fmt;
use std::future::Future;
use std::io::{self, Read, Write};
use std::pin::pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Waker};
use std::thread;
use std::time::{Duration, Instant};

use httpfsm::config::{Bodies, ServerConfig};
use httpfsm_transport::ServerHandle;

use crate::application::Application;
use crate::link::Link;
use crate::record::Record;
use crate::sockets::{self, is_too_early};
use crate::subject::{Plan, Served, Subject};

/// What checks are made with.
pub(crate) struct Bench<'a> {
    pub(crate) subject: &'a dyn Subject,
    pub(crate) patience: Duration,
    /// What a check has needed and not found.
    needs: Mutex<Option<&'static str>>,
}

impl<'a> Bench<'a> {
    pub(crate) fn new(subject: &'a dyn Subject, patience: Duration) -> Self {
        Self { subject, patience, needs: Mutex::default() }
    }

    /// The check that runs cannot be made.
    pub(crate) fn need(&self, what: &'static str) {
        *self.needs.lock().unwrap_or_else(PoisonError::into_inner) = Some(what);
    }

    pub(crate) fn take_need(&self) -> Option<&'static str> {
        self.needs.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// A server with streamed bodies.
    pub(crate) fn start(&self, change: impl FnOnce(&mut Plan)) -> Result<RunningServer, String> {
        self.try_start(change).map_err(|error| format!("It does not start: {error}"))
    }

    pub(crate) fn try_start(&self, change: impl FnOnce(&mut Plan)) -> io::Result<RunningServer> {
        let mut config = ServerConfig::default();
        config.channel.bodies = Some(Bodies::Streamed);
        let record = Record::default();
        let mut plan = Plan::new(config, record.clone());
        change(&mut plan);
        let application = Application::new(record.clone());
        let server = self.subject.serve(plan, application)?;
        Ok(RunningServer { server: server.handle.clone(), served: server, record, patience: self.patience })
    }
}

/// A server that is dropped when the check is over, whatever its verdict.
pub(crate) struct RunningServer {
    pub(crate) server: ServerHandle,
    pub(crate) served: Served,
    pub(crate) record: Record,
    pub(crate) patience: Duration,
}

impl RunningServer {
    pub(crate) fn connect(&self) -> Result<PeerEnd<Link>, String> {
        self.connect_with(false)
    }

    pub(crate) fn connect_with(&self, small_buffer: bool) -> Result<PeerEnd<Link>, String> {
        let link = sockets::connect_to(&self.served, small_buffer, self.patience)?;
        Ok(PeerEnd::new(link, self.patience))
    }

    /// Whether peers connect by a function of the subject's.
    pub(crate) fn is_own(&self) -> bool {
        self.served.connect.is_some()
    }

    /// Waits until it is so.
    pub(crate) fn wait(
        &self,
        otherwise: impl fmt::Display,
        mut is_so: impl FnMut() -> bool,
    ) -> Result<(), String> {
        let began = Instant::now();
        while !is_so() {
            if began.elapsed() > self.patience {
                return Err(otherwise.to_string());
            }
            thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }

    pub(crate) fn gone(&self) -> Result<(), String> {
        let mut gone = pin!(self.server.gone());
        self.wait("The server is not gone.", || {
            gone.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready()
        })
    }

    /// Drains the server at once.
    pub(crate) fn stop(&self) -> Result<(), String> {
        self.server.begin_drain(Some(Duration::ZERO));
        self.gone()
    }
}

impl Drop for RunningServer {
    fn drop(&mut self) {
        self.server.begin_drain(Some(Duration::ZERO));
    }
}

/// The peer's end of a connection, whose calls block for a moment at most.
pub(crate) struct PeerEnd<S> {
    pub(crate) stream: S,
    pub(crate) received: Vec<u8>,
    patience: Duration,
}

impl<S: Read + Write> PeerEnd<S> {
    pub(crate) fn new(stream: S, patience: Duration) -> Self {
        Self { stream, received: Vec::new(), patience }
    }

    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) -> Result<(), String> {
        let (mut left, mut moved) = (bytes.as_ref(), Instant::now());
        while !left.is_empty() {
            let sent = self.send_some(left)?;
            left = left.get(sent..).unwrap_or_default();
            if sent > 0 {
                moved = Instant::now();
            }
            if moved.elapsed() > self.patience {
                return Err("The server does not read.".to_owned());
            }
        }
        Ok(())
    }

    /// Sends what is taken at once.
    pub(crate) fn send_some(&mut self, bytes: &[u8]) -> Result<usize, String> {
        match self.stream.write(bytes) {
            Err(error) if is_too_early(&error) => Ok(0),
            Err(error) => Err(format!("Cannot send: {error}")),
            Ok(sent) => Ok(sent),
        }
    }

    /// Receives at most so many bytes; `None` at the end.
    pub(crate) fn receive(&mut self, at_most: usize) -> io::Result<Option<usize>> {
        let mut buffer = vec![0; at_most];
        match self.stream.read(&mut buffer) {
            Ok(0) => Ok(None),
            Ok(bytes) => {
                self.received.extend_from_slice(&buffer[..bytes]);
                Ok(Some(bytes))
            }
            Err(error) if is_too_early(&error) => Ok(Some(0)),
            Err(error) => Err(error),
        }
    }

    /// Receives until the bytes end like this.
    pub(crate) fn until(&mut self, end: &str) -> Result<(), String> {
        let mut moved = Instant::now();
        while !self.received.ends_with(end.as_bytes()) {
            let received = self.receive(16 << 10);
            if matches!(received, Ok(Some(1..))) {
                moved = Instant::now();
            }
            if !matches!(received, Ok(Some(_))) || moved.elapsed() > self.patience {
                return Err(format!("{end:?} does not come, but {received:?} after {}", self.tail()));
            }
        }
        Ok(())
    }

    /// Receives to the end; an error is one, too.
    pub(crate) fn end(&mut self) -> Result<(), String> {
        let mut moved = Instant::now();
        while let Ok(Some(bytes)) = self.receive(16 << 10) {
            if bytes > 0 {
                moved = Instant::now();
            }
            if moved.elapsed() > self.patience {
                return Err(format!("The connection does not end after {}", self.tail()));
            }
        }
        Ok(())
    }

    fn tail(&self) -> String {
        let from = self.received.len().saturating_sub(200);
        format!("\"{}\"", self.received.get(from..).unwrap_or_default().escape_ascii())
    }
}
