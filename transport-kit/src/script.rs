//! A script: what a peer does, step by step, as data.

use std::time::Duration;

use bytes::Bytes;
use httpfsm::config::{Bodies, ServerConfig};

/// What one or several peers do to a server under a configuration. What the application does is in the paths of the
/// requests.
///
/// ```
/// use httpfsm_transport_kit::{OBLIGATIONS, Script, Step};
///
/// let scripts = || OBLIGATIONS.iter().flat_map(|obligation| obligation.scripts());
/// let named = |script: &Script| script.name == "an end without a request";
/// let script = scripts().find(named).expect("there is one of this name");
/// assert!(matches!(script.steps[..], [Step::Fin, ..]), "the peer connects, and ends its output");
/// ```
#[derive(Clone, Debug)]
pub struct Script {
    /// What it shows; no two scripts have the same.
    pub name: String,
    /// The configuration of the server.
    pub config: ServerConfig,
    /// The steps, in order; each waits for what it is about.
    pub steps: Vec<Step>,
    /// The peer's receive buffer is as small as the system allows.
    pub small_buffer: bool,
    /// The server listens at a Unix socket.
    pub(crate) is_unix: bool,
    /// The deadlines that are to come.
    soon: Option<Soon>,
    /// How many times as long as at first they are.
    times: u32,
}

/// Puts deadlines that are to come into a configuration: none more than three times as long as it is told.
pub(crate) type Soon = fn(&mut ServerConfig, Duration);

/// How long the deadlines are that a script waits for, when it runs for the first time. Where that is too short for the
/// machine or for the transport, it runs again with longer ones.
pub(crate) const SOON: Duration = Duration::from_millis(200);
/// How long the deadlines are that must not come in a script.
const FAR: Option<Duration> = Some(Duration::from_secs(1000));

/// One step of a script, on the connection that was chosen last.
///
/// [`Script`] has them in their order.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Step {
    /// Opens a further connection, and chooses it. The first is open from the beginning.
    Connect,
    /// The same, and opens another one each time that the server is full, until it is not. Its refusals are forgotten.
    ConnectWhenThereIsRoom,
    /// Chooses a connection, counted from 0.
    Choose(usize),
    /// Sends bytes, in these pieces.
    Send(Vec<Bytes>),
    /// Waits until these bytes have arrived, after those that were waited for before.
    Until(Bytes),
    /// The same, taking at most so many bytes at once.
    Sip(usize, Bytes),
    /// Ends the peer's output.
    Fin,
    /// Resets the connection.
    Reset,
    /// Waits until the server has ended the connection.
    End,
    /// The same, and nothing has come that was not waited for before.
    SilentEnd,
    /// Waits until the channel or the application has a line in the record that contains this.
    Recorded(String),
    /// Opens a gate at which the application waits.
    Open(&'static str),
    /// Takes the server out of service, with a deadline.
    Drain(Option<Duration>),
    /// Closes the connections that the server has ended, and waits until it is gone.
    Gone,
}

impl Script {
    /// A script without steps, under the default configuration with streamed bodies, and with all deadlines far away.
    pub(crate) fn new(name: impl Into<String>) -> Self {
        let mut config = ServerConfig { drain_deadline: FAR, ..ServerConfig::default() };
        let channel = &mut config.channel;
        channel.bodies = Some(Bodies::Streamed);
        for deadline in [
            &mut channel.inactivity_timeout,
            &mut channel.responseless_timeout,
            &mut channel.stream_idle_timeout,
            &mut channel.first_byte_timeout,
            &mut channel.head_timeout,
            &mut channel.body_timeout,
            &mut channel.write_timeout,
            &mut channel.linger_timeout,
            &mut channel.peer_ended_timeout,
            &mut channel.discard_timeout,
            &mut channel.drain_grace,
            &mut channel.drain_deadline,
        ] {
            *deadline = FAR;
        }
        Self {
            name: name.into(),
            config,
            steps: Vec::new(),
            small_buffer: false,
            is_unix: false,
            soon: None,
            times: 1,
        }
    }

    /// A deadline of the configuration is to come. It and those of [`drain`](Self::drain) are longer each time that the
    /// script is [repeated](Self::with_more_time).
    pub(crate) fn soon(mut self, set: Soon) -> Self {
        set(&mut self.config, SOON);
        self.soon = Some(set);
        self
    }

    /// The same script with deadlines that are so many times as long as at first; `None` where none is to come.
    pub(crate) fn with_more_time(&self, times: u32) -> Option<Self> {
        let drains = |step: &Step| matches!(step, Step::Drain(Some(deadline)) if !deadline.is_zero());
        if self.soon.is_none() && !self.steps.iter().any(drains) {
            return None;
        }
        let mut script = Self { times, ..self.clone() };
        if let Some(set) = self.soon {
            set(&mut script.config, SOON * times);
        }
        for step in &mut script.steps {
            if let Step::Drain(Some(deadline)) = step {
                *deadline *= times;
            }
        }
        Some(script)
    }

    /// How long a step may take longer than anything should, since it waits for a deadline.
    pub(crate) fn longest_wait(&self) -> Duration {
        if self.with_more_time(1).is_some() { 4 * SOON * self.times } else { Duration::ZERO }
    }

    pub(crate) fn config(mut self, change: impl FnOnce(&mut ServerConfig)) -> Self {
        change(&mut self.config);
        self
    }

    pub(crate) fn whole(self, overflow: u64) -> Self {
        self.config(|config| {
            config.channel.bodies = Some(Bodies::Whole);
            config.channel.inbuf_overflow = overflow;
        })
    }

    /// The same script on a Unix socket.
    pub(crate) fn on_unix(self) -> Self {
        Self { name: format!("{}, on a Unix socket", self.name), is_unix: true, ..self }
    }

    pub(crate) fn small_buffer(mut self) -> Self {
        self.small_buffer = true;
        self
    }

    fn step(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }

    pub(crate) fn connect(self) -> Self {
        self.step(Step::Connect)
    }

    pub(crate) fn connect_when_there_is_room(self) -> Self {
        self.step(Step::ConnectWhenThereIsRoom)
    }

    pub(crate) fn choose(self, connection: usize) -> Self {
        self.step(Step::Choose(connection))
    }

    pub(crate) fn send(self, bytes: impl AsRef<[u8]>) -> Self {
        self.pieces([bytes])
    }

    pub(crate) fn pieces<T: AsRef<[u8]>>(self, pieces: impl IntoIterator<Item = T>) -> Self {
        let pieces = pieces.into_iter().map(|piece| Bytes::copy_from_slice(piece.as_ref()));
        self.step(Step::Send(pieces.collect()))
    }

    /// Sends pieces of so many bytes.
    pub(crate) fn send_by(self, bytes: impl AsRef<[u8]>, length: usize) -> Self {
        self.pieces(bytes.as_ref().chunks(length))
    }

    pub(crate) fn until(self, bytes: impl AsRef<[u8]>) -> Self {
        self.step(Step::Until(Bytes::copy_from_slice(bytes.as_ref())))
    }

    pub(crate) fn sip(self, length: usize, bytes: impl AsRef<[u8]>) -> Self {
        self.step(Step::Sip(length, Bytes::copy_from_slice(bytes.as_ref())))
    }

    pub(crate) fn fin(self) -> Self {
        self.step(Step::Fin)
    }

    pub(crate) fn reset(self) -> Self {
        self.step(Step::Reset)
    }

    pub(crate) fn end(self) -> Self {
        self.step(Step::End)
    }

    pub(crate) fn silent_end(self) -> Self {
        self.step(Step::SilentEnd)
    }

    pub(crate) fn recorded(self, text: impl Into<String>) -> Self {
        self.step(Step::Recorded(text.into()))
    }

    pub(crate) fn open(self, gate: &'static str) -> Self {
        self.step(Step::Open(gate))
    }

    pub(crate) fn drain(self, deadline: impl Into<Option<Duration>>) -> Self {
        self.step(Step::Drain(deadline.into()))
    }

    pub(crate) fn gone(self) -> Self {
        self.step(Step::Gone)
    }
}

/// A GET of a path.
pub(crate) fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: kit\r\n\r\n")
}

/// A request for an upgrade.
pub(crate) fn upgrade(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: kit\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n")
}

/// A request with a body of known length.
pub(crate) fn post(path: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let mut bytes = post_head(path, body.len()).into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

pub(crate) fn post_head(path: &str, length: usize) -> String {
    format!("POST {path} HTTP/1.1\r\nHost: kit\r\nContent-Length: {length}\r\n\r\n")
}

pub(crate) fn chunked_head(path: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nHost: kit\r\nTransfer-Encoding: chunked\r\n\r\n")
}
