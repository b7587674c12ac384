//! A caller that may do anything, at any moment, in any state.

use std::sync::Arc;

use bytes::Bytes;
use httpfsm::channel::{
    self, Action, ChannelStats, ChannelTrace, CompiledConfig, Data, Event, Facts, Input, InputPart, Internal,
    NotAccepted, State, Waits, WorkerBuffers,
};
use httpfsm::fsm::Trace;
use httpfsm::response::{BodyRef, ResponseRef};
use httpfsm::time::{Date, Moment, Now};
use httpfsm::{Channel, ChannelConfig, Fields, Status};
use proptest::prelude::*;

use super::messages::ByteString;
use super::seen::Seen;

/// One call. Those that carry bytes of the peer take the next ones of the traffic.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Call {
    RxData(usize),
    /// Reads into [`Channel::spare`], then hands over.
    Read(usize),
    /// Asks for room to read to, and reads nothing.
    Spare,
    /// Says that something was read, without having asked where to.
    RxRead(usize),
    RxEnd,
    SentAll,
    Sent(usize),
    TransmitReady,
    Disconnected,
    Busy,
    Evict,
    CheckPipeline,
    Tick,
    GoOut,
    /// A whole response of so many bytes.
    Respond {
        status: u16,
        bytes: usize,
        by_reference: bool,
        declared: Option<u64>,
    },
    RespondWith,
    Begin {
        length: Option<u64>,
    },
    Write {
        bytes: usize,
        by_reference: bool,
    },
    Flush,
    Finish {
        trailers: bool,
    },
    Continue,
    Informational(u16),
    BodyDemand(u64),
    BodyForgone,
    Abort,
    Forget,
    Outputs(usize),
}

/// How much time has passed before a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Wait {
    None,
    Millis(u64),
    UntilDeadline,
    Back(u64),
    Forever,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Step {
    pub(crate) wait: Wait,
    pub(crate) call: Call,
}

fn absurd() -> impl Strategy<Value = usize> {
    prop_oneof![4 => 0usize..100, 2 => 0usize..5000, 1 => Just(64 << 10), 1 => Just((64 << 10) + 1), 1 => Just(usize::MAX)]
}

fn bytes() -> impl Strategy<Value = usize> {
    prop_oneof![4 => 1usize..100, 2 => 100usize..3000, 1 => 0usize..100_000]
}

fn call() -> impl Strategy<Value = Call> {
    use Call::*;
    let status =
        prop_oneof![6 => Just(200u16), 1 => Just(101), 1 => Just(204), 1 => Just(304), 1 => 100u16..1000];
    let length = || prop::option::of(prop_oneof![Just(0u64), 1u64..200, Just(u64::MAX)]);
    prop_oneof![
        10 => (1usize..200).prop_map(RxData),
        4 => (1usize..5000).prop_map(Read),
        1 => absurd().prop_map(RxData),
        1 => Just(Spare),
        1 => absurd().prop_map(RxRead),
        1 => Just(RxEnd),
        8 => Just(SentAll),
        3 => absurd().prop_map(Sent),
        1 => Just(TransmitReady),
        1 => prop::bool::weighted(0.2).prop_map(|lost| if lost { Disconnected } else { Tick }),
        1 => Just(Busy),
        1 => prop::bool::weighted(0.3).prop_map(|evict| if evict { Evict } else { CheckPipeline }),
        1 => prop::bool::weighted(0.3).prop_map(|out| if out { GoOut } else { Tick }),
        6 => (status, bytes(), any::<bool>(), length())
            .prop_map(|(status, bytes, by_reference, declared)| Respond { status, bytes, by_reference, declared }),
        2 => Just(RespondWith),
        4 => length().prop_map(|length| Begin { length }),
        5 => (bytes(), any::<bool>()).prop_map(|(bytes, by_reference)| Write { bytes, by_reference }),
        2 => Just(Flush),
        3 => any::<bool>().prop_map(|trailers| Finish { trailers }),
        1 => Just(Continue),
        1 => (100u16..300).prop_map(Informational),
        5 => prop_oneof![Just(u64::MAX), 0u64..100, 100u64..5000].prop_map(BodyDemand),
        1 => prop::bool::ANY.prop_map(|forgone| if forgone { BodyForgone } else { Abort }),
        1 => Just(Forget),
        8 => (1usize..5).prop_map(Outputs),
    ]
}

/// Steps whose outcome does not depend on whose buffers the channel has: room that was asked for and then not used
/// is void when buffers change hands.
pub(crate) fn steps_for_loans() -> impl Strategy<Value = Vec<Step>> {
    steps().prop_map(|mut steps| {
        steps.retain(|step| !matches!(step.call, Call::Spare | Call::RxRead(_)));
        steps
    })
}

pub(crate) fn steps() -> impl Strategy<Value = Vec<Step>> {
    let wait = prop_oneof![
        30 => Just(Wait::None),
        6 => (0u64..3000).prop_map(Wait::Millis),
        2 => Just(Wait::UntilDeadline),
        2 => (0u64..100_000).prop_map(Wait::Back),
        1 => prop::bool::weighted(0.05).prop_map(|end| if end { Wait::Forever } else { Wait::None }),
    ];
    prop::collection::vec((wait, call()).prop_map(|(wait, call)| Step { wait, call }), 1..80)
}

/// All that a caller can ask a channel.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct View {
    pub(crate) state: State,
    unsent: ByteString,
    room: usize,
    room_for_bytes: bool,
    input_room: usize,
    has_output: bool,
    waits: Waits,
    deadline: Option<Moment>,
    owes_body: bool,
    stats: ChannelStats,
    request: Option<ByteString>,
}

impl View {
    pub(crate) fn of(channel: &Channel) -> Self {
        let mut slices = [&b""[..]; 3];
        let n = channel.unsent_slices(&mut slices);
        Self {
            state: channel.state(),
            unsent: ByteString(slices[..n].concat()),
            room: channel.room(),
            room_for_bytes: channel.room_for_bytes(),
            input_room: channel.input_room(),
            has_output: channel.has_output(),
            waits: channel.waits_for(),
            deadline: channel.deadline(),
            owes_body: channel.owes_body(),
            stats: channel.stats(),
            request: channel.request().map(|request| ByteString(request.raw().to_vec())),
        }
    }
}

/// What one step came to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct StepOutcome {
    pub(crate) result: Result<(), NotAccepted>,
    pub(crate) outputs: Vec<Seen>,
}

pub(crate) struct Caller {
    pub(crate) channel: Channel,
    pub(crate) at: u64,
    traffic: ByteString,
    taken: usize,
    filler: Bytes,
    pub(crate) parts: InputParts,
}

/// What the machine has told of its input, from [`listen`](InputParts::listen) on: it takes memory, which is counted
/// elsewhere.
#[derive(Default)]
pub(crate) struct InputParts {
    listens: bool,
    pub(crate) told: Vec<(InputPart, usize)>,
    /// The input, if it is known.
    pub(crate) input: Option<Vec<u8>>,
}

impl InputParts {
    pub(crate) fn listen(&mut self) {
        *self = Self { listens: true, told: Vec::new(), input: Some(Vec::new()) };
    }
}

impl Trace<State, Event, Internal, Action> for InputParts {
    fn step(&mut self, _: &channel::Step) {}
}

impl ChannelTrace for InputParts {
    fn part(&mut self, part: InputPart, bytes: usize) {
        if self.listens {
            self.told.push((part, bytes));
        }
    }
}

impl Caller {
    pub(crate) fn new(config: &ChannelConfig, traffic: &ByteString) -> Self {
        Self {
            channel: Channel::new(Arc::new(CompiledConfig::new(config)), Facts::default()),
            at: 0,
            traffic: traffic.clone(),
            taken: 0,
            // Static, so that a reference to it costs nothing.
            filler: Bytes::from_static(&[b'x'; 100_000]),
            parts: InputParts::default(),
        }
    }

    pub(crate) fn pass(&mut self, wait: Wait) {
        self.at = match wait {
            Wait::None => self.at,
            Wait::Millis(millis) => self.at.saturating_add(millis),
            Wait::UntilDeadline => self.channel.deadline().map_or(self.at, Moment::as_millis),
            Wait::Back(millis) => self.at.saturating_sub(millis),
            Wait::Forever => u64::MAX,
        };
    }

    pub(crate) fn tick(&mut self) {
        self.handle(Input::Tick).expect("a tick is always taken");
    }

    fn handle(&mut self, input: Input<'_>) -> Result<(), NotAccepted> {
        let now = Now::new(Moment::from_millis(self.at), &Date::EPOCH);
        self.channel.handle_with(&now, input, &mut self.parts)
    }

    /// These bytes went in, if it was accepted.
    fn note(&mut self, bytes: &[u8], result: &Result<(), NotAccepted>) {
        if result.is_ok() {
            self.taken += bytes.len();
            self.parts.input.iter_mut().for_each(|input| input.extend_from_slice(bytes));
        }
    }

    /// The next bytes of the traffic, again and again.
    fn bytes(&self, n: usize) -> Vec<u8> {
        let n = n.min(70_000);
        self.traffic.iter().copied().cycle().skip(self.taken % self.traffic.len()).take(n).collect()
    }

    pub(crate) fn call(&mut self, call: &Call) -> StepOutcome {
        let now = Now::new(Moment::from_millis(self.at), &Date::EPOCH);
        let none = Fields::new();
        let mut outputs = Vec::new();
        let result = match *call {
            Call::RxData(n) => {
                let bytes = self.bytes(n);
                let result = self.handle(Input::RxData(&bytes));
                self.note(&bytes, &result);
                result
            }
            Call::Read(n) => {
                let bytes = self.bytes(n);
                let spare = self.channel.spare();
                // How much more there is depends on whose buffer it is.
                let n = n.min(spare.len()).min(512);
                spare[..n].copy_from_slice(&bytes[..n]);
                let result = self.handle(Input::RxRead(n));
                self.note(&bytes[..n], &result);
                result
            }
            Call::Spare => {
                self.channel.spare().fill(b'?');
                Ok(())
            }
            Call::RxRead(n) => {
                let result = self.handle(Input::RxRead(n));
                if result.is_ok() {
                    // What stood there is the channel's to know.
                    self.parts.input = None;
                }
                result
            }
            Call::RxEnd => self.handle(Input::RxEnd),
            Call::SentAll => self.handle(Input::Sent(self.channel.unsent_len())),
            Call::Sent(n) => self.handle(Input::Sent(n)),
            Call::TransmitReady => self.handle(Input::TransmitReady),
            Call::Disconnected => self.handle(Input::Disconnected),
            Call::Busy => self.handle(Input::Busy),
            Call::Evict => self.handle(Input::Evict),
            Call::CheckPipeline => self.handle(Input::CheckPipeline),
            Call::Tick => self.handle(Input::Tick),
            Call::GoOut => {
                // The same whatever the clock says: only the input is to decide.
                let leave = self.channel.compiled_config().leave(Moment::START);
                self.handle(Input::GoOut(leave))
            }
            Call::Respond { status, bytes, by_reference, declared } => {
                let mut fields = Fields::new();
                if let Some(declared) = declared {
                    fields.push("Content-Length", declared.to_string()).expect("a number");
                }
                let content = self.filler.slice(..bytes);
                let body = if by_reference { BodyRef::Bytes(&content) } else { BodyRef::Slice(&content) };
                let status = Status::new(status).expect("three digits");
                self.handle(Input::HttpResponse(ResponseRef { status, fields: &fields, body }))
            }
            Call::RespondWith => self
                .channel
                .respond_with_trace(&now, &mut self.parts, |request, responder| {
                    responder.respond(ResponseRef::new(Status::OK, &none, request.target().as_bytes()));
                })
                .map(|_| ()),
            Call::Begin { length } => {
                let body = BodyRef::Stream { length };
                self.handle(Input::HttpResponse(ResponseRef { status: Status::OK, fields: &none, body }))
            }
            Call::Write { bytes, by_reference } => {
                let content = self.filler.slice(..bytes);
                let data = if by_reference { Data::Bytes(content.clone()) } else { Data::Slice(&content) };
                self.handle(Input::Write(data))
            }
            Call::Flush => self.handle(Input::Flush),
            Call::Finish { trailers } => {
                let sum = Fields::new().with("X-Sum", "42").expect("a field");
                self.handle(Input::Finish(trailers.then_some(&sum)))
            }
            Call::Continue => self.handle(Input::Continue),
            Call::Informational(status) => {
                self.handle(Input::Informational(Status::new(status).expect("three digits"), &none))
            }
            Call::BodyDemand(bytes) => self.handle(Input::BodyDemand(bytes)),
            Call::BodyForgone => self.handle(Input::BodyForgone),
            Call::Abort => self.handle(Input::Abort(Some("it failed"))),
            Call::Forget => {
                self.channel.forget_request();
                Ok(())
            }
            Call::Outputs(n) => {
                outputs.extend((0..n).map_while(|_| Seen::of(&mut self.channel)));
                Ok(())
            }
        };
        StepOutcome { result, outputs }
    }

    pub(crate) fn step(&mut self, step: &Step) -> (StepOutcome, View) {
        self.pass(step.wait);
        let outcome = self.call(&step.call);
        (outcome, View::of(&self.channel))
    }

    /// The same, with a worker's buffers lent for this step.
    pub(crate) fn step_with(&mut self, step: &Step, buffers: &mut WorkerBuffers) -> (StepOutcome, View) {
        self.channel.lend(buffers);
        let done = self.step(step);
        self.channel.take_back(buffers);
        done
    }
}
