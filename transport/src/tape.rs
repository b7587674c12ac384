//! Where a channel's life can be listened to: everything that goes in, and everything that comes out.

use std::fmt;
use std::ops::{Deref, Range};
use std::sync::Arc;

use httpfsm::channel::{
    Action, Channel, ChannelTrace, CompiledConfig, Event, Facts, Input, InputPart, Internal, NotAccepted,
    Output, State, Step,
};
use httpfsm::fsm::Trace;
use httpfsm::handler::{ConnectionInfo, Subscriber};
use httpfsm::request::RequestRef;
use httpfsm::time::Now;

use crate::panics;

/// Decides which channels are recorded; the crate `httpfsm-record` has one that writes files.
///
/// ```
/// use httpfsm_transport::{Opened, Recorder, Tape};
///
/// /// Records the connections of one network, on whatever tapes `make` makes.
/// struct OfNetwork<F> {
///     network: httpfsm::origins::Origin,
///     make: F,
/// }
///
/// impl<F: Fn() -> Box<dyn Tape> + Send + Sync + 'static> Recorder for OfNetwork<F> {
///     fn open(&self, channel: &Opened<'_>) -> Option<Box<dyn Tape>> {
///         self.network.covers(&channel.info.peername).then(&self.make)
///     }
/// }
/// ```
pub trait Recorder: Send + Sync + 'static {
    /// A channel is about to open: the tape that it is to be recorded on, if it is. It is called on the thread that
    /// accepts, or where something comes before HTTP, on the one that serves the connection, and must not block.
    fn open(&self, channel: &Opened<'_>) -> Option<Box<dyn Tape>>;

    /// Who is to hear when a recording cannot be written ([`Failure::Recording`](httpfsm::handler::Failure)): the
    /// server's subscriber. Called before the first channel opens. By default nobody is told.
    ///
    /// ```
    /// use std::sync::{Arc, OnceLock};
    ///
    /// use httpfsm::handler::{Failure, Subscriber};
    /// use httpfsm_transport::{Opened, Recorder, Tape};
    ///
    /// #[derive(Default)]
    /// struct ToDisk {
    ///     subscriber: OnceLock<Arc<dyn Subscriber>>,
    /// }
    ///
    /// impl ToDisk {
    ///     /// Called where a write fails.
    ///     fn failed(&self, error: &std::io::Error) {
    ///         if let Some(subscriber) = self.subscriber.get() {
    ///             // One line, and no control characters: an error may name a file.
    ///             let text = error.to_string().replace(char::is_control, " ");
    ///             subscriber.failed(None, Failure::Recording, &text);
    ///         }
    ///     }
    /// }
    ///
    /// impl Recorder for ToDisk {
    ///     fn open(&self, _: &Opened<'_>) -> Option<Box<dyn Tape>> {
    ///         // A tape that writes.
    /// #         None
    ///     }
    ///
    ///     fn report_to(&self, subscriber: Arc<dyn Subscriber>) {
    ///         let _ = self.subscriber.set(subscriber);
    ///     }
    /// }
    /// # let _ = ToDisk::failed;
    /// ```
    fn report_to(&self, subscriber: Arc<dyn Subscriber>) {
        let _ = subscriber;
    }
}

/// What a recording begins with: with these, the inputs decide the outputs.
///
/// [`MemoryServer::recorded`](crate::memory::MemoryServer::recorded) shows a recorder that looks into it.
#[derive(Clone, Copy, Debug)]
pub struct Opened<'a> {
    /// The two ends, and the channel's name.
    pub info: &'a ConnectionInfo,
    /// The configuration.
    pub compiled: &'a Arc<CompiledConfig>,
    /// What the channel is told about its connection.
    pub facts: Facts,
}

/// Takes down one channel, on the thread that drives it; so nothing in here may block. Dropping it is the end of the
/// connection. One that panics is dropped at once, and the connection goes on without it.
///
/// The drivers of this crate make these calls, and those who drive a [`Channel`] themselves make them in this order:
///
/// | what the driver does | what it calls |
/// |---|---|
/// | [`Channel::handle_with`] with the tape as its trace | [`input`](Self::input) before it, and [`taken`](Self::taken) after it |
/// | the same with [`Input::RxRead`] | [`read`](Self::read) with the bytes, then as above |
/// | [`Channel::next_output`] | [`output`](Self::output) with what it took |
/// | [`Channel::take_body_buffer`], and there was one | [`output`](Self::output) with [`Output::BodyData`] of its bytes |
/// | [`Channel::next_output`], and it took [`Output::HttpRequest`] | then [`request`](Self::request) with [`Channel::request`] as well |
/// | [`Channel::forget_request`], where there was a [`Channel::request`] | [`forgotten`](Self::forgotten) after it |
/// | it waits | [`rest`](Self::rest) before it |
///
/// Each input goes in by itself: [`Channel::respond_with`] is not recorded. As the trace of the channel the tape hears what
/// the input is taken for, and so what of it is a secret.
///
/// A tape that counts the bytes of each channel's input, and prints their number when the connection ends:
///
/// ```
/// use httpfsm::channel::{Action, Channel, ChannelTrace, Event, Input, Internal, NotAccepted, Output, State, Step};
/// use httpfsm::fsm::Trace;
/// use httpfsm::request::RequestRef;
/// use httpfsm::time::Now;
/// use httpfsm_transport::{Opened, Tape};
/// # use std::sync::Arc;
/// # use httpfsm::{Request, ServerConfig};
/// # use httpfsm_transport::Recorder;
/// # use httpfsm_transport::memory::MemoryServer;
///
/// struct Counter {
///     name: String,
///     bytes: usize,
/// }
///
/// impl Tape for Counter {
///     fn read(&mut self, bytes: &[u8]) {
///         self.bytes += bytes.len();
///     }
///
///     fn input(&mut self, _: &Now<'_>, _: &Input<'_>) {}
///     fn taken(&mut self, _: &Result<(), NotAccepted>, _: &Channel) {}
///     fn output(&mut self, _: &Output<'_>) {}
///     fn request(&mut self, _: Option<RequestRef<'_>>) {}
///     fn forgotten(&mut self) {}
///     fn rest(&mut self) {}
/// }
///
/// impl Trace<State, Event, Internal, Action> for Counter {
///     fn step(&mut self, _: &Step) {}
/// }
///
/// impl ChannelTrace for Counter {}
///
/// impl Drop for Counter {
///     fn drop(&mut self) {
///         println!("{}: {} bytes", self.name, self.bytes);
/// #       assert_eq!(self.bytes, 35);
///     }
/// }
/// #
/// # struct All;
/// #
/// # impl Recorder for All {
/// #     fn open(&self, channel: &Opened<'_>) -> Option<Box<dyn Tape>> {
/// #         Some(Box::new(Counter { name: channel.info.channel.to_string(), bytes: 0 }))
/// #     }
/// # }
/// # let handler = |_: Request| async { "Hello, world!" };
/// # let mut server = MemoryServer::recorded(ServerConfig::default(), 1024, None, Some(Arc::new(All)), handler);
/// # let client = server.connect().unwrap();
/// # client.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
/// # client.close_write();
/// # server.run();
/// ```
pub trait Tape: ChannelTrace + Send {
    /// These bytes were read, for the [`Input::RxRead`] that comes next.
    fn read(&mut self, bytes: &[u8]);

    /// An input is about to go in; [`taken`](Self::taken) comes after it, also where it is not accepted.
    fn input(&mut self, now: &Now<'_>, input: &Input<'_>);

    /// The input has gone in; `channel` stands as after it, and holds the bytes that it has to send for it.
    fn taken(&mut self, taken: &Result<(), NotAccepted>, channel: &Channel);

    /// An output was taken. After [`Output::HttpRequest`] comes [`request`](Self::request), with or without this call.
    fn output(&mut self, output: &Output<'_>);

    /// [`Output::HttpRequest`] was taken.
    fn request(&mut self, request: Option<RequestRef<'_>>);

    /// [`Channel::forget_request`] was called.
    fn forgotten(&mut self);

    /// The connection waits: a good moment to pass on what was taken down.
    fn rest(&mut self);
}

/// A channel and the tape that it is recorded on, if it is. Whatever changes the channel goes through here.
pub(crate) struct Taped {
    channel: Channel,
    /// In a box of its own: one word where nothing is recorded.
    tape: RunningTape,
}

impl Taped {
    pub(crate) fn new(compiled: Arc<CompiledConfig>, facts: Facts, tape: Option<Box<dyn Tape>>) -> Self {
        Self { channel: Channel::new(compiled, facts), tape: RunningTape(tape.map(Box::new)) }
    }

    #[inline]
    pub(crate) fn handle(&mut self, now: &Now<'_>, input: Input<'_>) -> Result<(), NotAccepted> {
        if self.tape.is_some() {
            return self.handle_taped(now, input);
        }
        self.channel.handle(now, input)
    }

    #[cold]
    fn handle_taped(&mut self, now: &Now<'_>, input: Input<'_>) -> Result<(), NotAccepted> {
        self.tape.tell(|tape| tape.input(now, &input));
        let taken = self.channel.handle_with(now, input, &mut self.tape);
        self.tape.tell(|tape| tape.taken(&taken, &self.channel));
        taken
    }

    /// The next output. After [`Output::HttpRequest`] comes [`note_request`](Self::note_request).
    #[inline]
    pub(crate) fn next_output(&mut self) -> Option<Output<'_>> {
        let output = self.channel.next_output();
        if self.tape.is_some() {
            if let Some(output) = &output {
                self.tape.tell(|tape| tape.output(output));
            }
        }
        output
    }

    /// Body bytes that come next, with the buffer that they fill: see [`Channel::take_body_buffer`].
    pub(crate) fn take_body_buffer(&mut self, other: &mut Vec<u8>) -> Option<Range<usize>> {
        let place = self.channel.take_body_buffer(other)?;
        if self.tape.is_some() {
            let bytes = other.get(place.clone()).unwrap_or_default();
            self.tape.tell(|tape| tape.output(&Output::BodyData(bytes)));
        }
        Some(place)
    }

    #[inline]
    pub(crate) fn note_request(&mut self) {
        if self.tape.is_some() {
            self.tape.tell(|tape| tape.request(self.channel.request()));
        }
    }

    /// Where to read to, and who is to know what was read.
    #[inline]
    pub(crate) fn spare(&mut self) -> (&mut [u8], &mut RunningTape) {
        (self.channel.spare(), &mut self.tape)
    }

    #[inline]
    pub(crate) fn forget_request(&mut self) {
        if self.tape.is_some() {
            return self.forget_taped();
        }
        self.channel.forget_request();
    }

    #[cold]
    fn forget_taped(&mut self) {
        let is_known = self.channel.request().is_some();
        self.channel.forget_request();
        if is_known {
            self.tape.tell(|tape| tape.forgotten());
        }
    }

    #[inline]
    pub(crate) fn rest(&mut self) {
        if self.tape.is_some() {
            self.tape.tell(|tape| tape.rest());
        }
    }

    /// The channel has ended; whoever waits for the server to be gone finds its tape complete.
    #[inline]
    pub(crate) fn end(&mut self) {
        if self.tape.is_some() {
            self.tape.end();
        }
    }

    /// Whether the channel is recorded.
    #[inline]
    pub(crate) fn is_recorded(&self) -> bool {
        self.tape.is_some()
    }

    /// The channel, to lend it buffers, which no output depends on.
    #[inline]
    pub(crate) fn untaped(&mut self) -> &mut Channel {
        &mut self.channel
    }

    /// The channel without its tape, which ends here.
    pub(crate) fn into_channel(mut self) -> Channel {
        self.end();
        self.channel
    }

    pub(crate) fn record(&mut self, tape: Box<dyn Tape>) {
        self.end();
        self.tape = RunningTape(Some(Box::new(tape)));
    }
}

/// A tape, if there is one. It is the application's: one that panics is dropped, and the connection goes on.
pub(crate) struct RunningTape(Option<Box<Box<dyn Tape>>>);

impl RunningTape {
    #[inline]
    fn is_some(&self) -> bool {
        self.0.is_some()
    }

    /// Bytes were read.
    #[inline]
    pub(crate) fn read(&mut self, bytes: &[u8]) {
        if self.is_some() {
            self.tell(|tape| tape.read(bytes));
        }
    }

    #[cold]
    fn tell(&mut self, what: impl FnOnce(&mut dyn Tape)) {
        let Some(tape) = &mut self.0 else { return };
        if panics::catch(|| what(&mut ***tape)).is_err() {
            self.end();
        }
    }

    #[cold]
    fn end(&mut self) {
        let tape = self.0.take();
        panics::discard(tape);
    }
}

impl Trace<State, Event, Internal, Action> for RunningTape {
    fn step(&mut self, step: &Step) {
        self.tell(|tape| tape.step(step));
    }
}

impl ChannelTrace for RunningTape {
    fn part(&mut self, part: InputPart, bytes: usize) {
        self.tell(|tape| tape.part(part, bytes));
    }
}

impl Deref for Taped {
    type Target = Channel;

    #[inline]
    fn deref(&self) -> &Channel {
        &self.channel
    }
}

impl fmt::Debug for Taped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.channel.fmt(f)
    }
}
