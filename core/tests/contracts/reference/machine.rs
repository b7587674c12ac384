//! A second machine, written by hand from `docs/design.md`, that knows nothing of the table.
//!
//! It is simple on purpose: its peer sends a few known messages, its application a few bytes, and it looks at everything
//! that has come from the beginning each time.

use httpfsm::channel::State;
use httpfsm::{BodyError, Rule};

use super::body::{Body, BodyFraming, Stands};
use super::clock::{Patience, Times};
use super::deadlines::LeaveTimes;
use super::outputs::Outputs;
use super::script::{RequestKind, Step};

/// What of a response the application owes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum OwedContent {
    Nothing,
    Pieces(u8),
    Chunks,
    ToTheEnd,
}

/// What comes with a step.
#[derive(Debug, Default)]
pub(crate) struct StepInput {
    /// What the peer sends.
    pub(crate) bytes: Vec<u8>,
    /// How many bytes it reads, and whether those are all.
    pub(crate) read: usize,
    pub(crate) reads_all: bool,
    /// How the server goes out.
    pub(crate) leave: Option<LeaveTimes>,
}

/// The second machine.
#[derive(Debug)]
pub(crate) struct Reference {
    pub(super) times: Times,
    pub(super) now: u64,
    pub(crate) state: State,
    /// Since when it is in its state.
    pub(super) entered: u64,
    /// What came and was not left behind yet.
    pub(super) input: Vec<u8>,
    pub(super) ended: bool,
    pub(super) request: RequestKind,
    pub(super) body: Body,
    /// Bytes of the body that are discarded when they come.
    pub(super) rest: usize,
    /// The peer waits for a 100.
    pub(super) expects: bool,
    /// It has its 100, and nothing of the body has come since.
    pub(super) continued: bool,
    pub(super) owed: OwedContent,
    pub(crate) unsent: bool,
    /// The connection ends with this response.
    pub(super) close: bool,
    pub(super) evicted: bool,
    pub(super) leave: Option<LeaveTimes>,
    /// Since when the application is waited for.
    pub(super) application_since: Option<u64>,
    pub(super) body_patience: Patience,
    pub(super) write_patience: Patience,
    pub(super) pending: Outputs,
    /// The outputs that were taken.
    pub(crate) outputs: Outputs,
    /// The status of each head that was sent, and whether it says that the connection closes.
    pub(crate) responses: Vec<(u16, bool)>,
    /// How many of them were there before this step.
    pub(super) responses_before: usize,
}

impl Reference {
    pub(crate) fn new(times: Times) -> Self {
        let mut new = Self {
            times,
            now: 0,
            state: State::Fresh,
            entered: 0,
            input: Vec::new(),
            ended: false,
            request: RequestKind::Bad,
            body: Body::new(BodyFraming::Length(0)),
            rest: 0,
            expects: false,
            continued: false,
            owed: OwedContent::Nothing,
            unsent: false,
            close: false,
            evicted: false,
            leave: None,
            application_since: None,
            body_patience: Patience::default(),
            write_patience: Patience::default(),
            pending: Outputs::default(),
            outputs: Outputs::default(),
            responses: Vec::new(),
            responses_before: 0,
        };
        new.look_at_clocks();
        new
    }

    /// Whether the application has the whole body of a request that waits for its response.
    pub(crate) fn has_read_body(&self) -> bool {
        self.state == State::WaitResponse && !self.body.is_open()
    }

    pub(crate) fn take_outputs(&mut self) {
        if self.pending.hand_overs > 0 {
            self.pending.other_protocol = std::mem::take(&mut self.input);
        }
        self.outputs.take(&mut self.pending);
    }

    /// Does a step at `now`; whether it is accepted. What is not accepted changes nothing.
    pub(crate) fn step(&mut self, now: u64, step: Step, given: &StepInput) -> bool {
        self.now = now;
        self.responses_before = self.responses.len();
        self.pass_deadlines();
        let accepted = self.accept(step, given);
        self.look_at_clocks();
        self.pass_deadlines();
        accepted
    }

    pub(super) fn go(&mut self, state: State) {
        if state != self.state {
            self.state = state;
            self.entered = self.now;
        }
    }

    // Steps.

    fn accept(&mut self, step: Step, given: &StepInput) -> bool {
        use State as S;
        use Step as H;
        match (self.state, step) {
            (_, H::Tick) => {}
            (S::Closed, _) => return false,
            (S::Upgraded, H::Lost) => self.closed(BodyError::Disconnected),
            (S::Upgraded, H::GoOut | H::GoOutBy(_)) => {}
            (S::Upgraded, _) => return false,
            (_, H::CheckPipeline | H::TransmitReady) => {}
            (_, H::Lost) => self.closed(BodyError::Disconnected),

            (S::Idle | S::Lingering, H::Evict) => self.closed(BodyError::Closed),
            (S::Closing | S::Handover, H::Evict) => {}
            (_, H::Evict) => {
                self.evicted = true;
                self.choose_next();
            }
            (_, H::GoOut | H::GoOutBy(_)) => {
                self.leave = given.leave;
                match self.state {
                    S::Discard => self.close_after_output(),
                    _ => self.choose_next(),
                }
            }

            (_, H::Sends(_) | H::Ends) if self.ended => return false,
            (S::Closing, H::Sends(_)) => return false,
            (S::Lingering, H::Sends(_)) => {}
            (_, H::Sends(_)) => self.receive(&given.bytes),
            (S::Fresh | S::Idle | S::Lingering, H::Ends) => self.closed(BodyError::Closed),
            (_, H::Ends) => self.end_input(),

            (_, H::ReadsByte | H::ReadsAll) if !self.unsent => return false,
            (_, H::ReadsByte | H::ReadsAll) => {
                self.write_patience.bytes(given.read, self.now, self.times.rates);
                if given.reads_all {
                    self.all_sent();
                }
            }

            (S::Head, H::Busy) => self.refuse(Rule::Busy, 503),
            (S::WaitResponse | S::HeadHeld, H::Busy) => {
                self.retract();
                self.pending.refusals.push(Rule::Busy);
                self.begin_response(503, OwedContent::Nothing);
                self.end_exchange();
            }
            // The rest comes from the application, which must know the request.
            _ if self.pending.requests > 0 => return false,
            _ => return self.accept_from_application(step),
        }
        true
    }

    fn accept_from_application(&mut self, step: Step) -> bool {
        use State as S;
        use Step as H;
        match (self.state, step) {
            (S::WaitResponse, H::Switch) if self.request == RequestKind::Upgrade => self.hand_over(101),
            (S::WaitResponse, H::Respond | H::RespondAfterBody | H::Stream | H::StreamTwo)
                if self.request == RequestKind::Connect =>
            {
                self.hand_over(200);
            }
            (S::WaitResponse, H::Stream) if self.request == RequestKind::OldGet => {
                self.begin_response(200, OwedContent::ToTheEnd);
            }
            (S::WaitResponse, H::Stream) if self.request != RequestKind::Head => {
                self.begin_stream(OwedContent::Chunks);
            }
            (S::WaitResponse, H::StreamTwo) if self.request != RequestKind::Head => {
                self.begin_stream(OwedContent::Pieces(2));
            }
            (S::WaitResponse, H::Respond | H::RespondAfterBody | H::Stream | H::StreamTwo) => {
                self.begin_response(200, OwedContent::Nothing);
                self.end_exchange();
            }
            (S::WaitResponse, H::Continue) => self.send_continue(),
            (S::WaitResponse, H::Hint) => {
                if self.request != RequestKind::OldGet {
                    self.send_head(103, false);
                }
            }
            (S::WaitResponse, H::Abort) => self.refuse(Rule::HandlerFailed, 500),
            (S::WaitResponse | S::HeadHeld | S::Responding, H::Demand(bytes)) => self.demand(bytes),
            (S::HeadHeld, H::Continue) => {
                self.send_continue();
                self.read_or_begin_body();
            }
            (S::HeadHeld, H::Abort) => self.refuse(Rule::HandlerFailed, 500),
            (S::HeadHeld, H::Flush | H::Piece | H::Finish) => {
                self.send_held_head();
                return self.accept_from_application(step);
            }

            (S::Responding, H::Flush) => self.application_works(),
            (S::WaitResponse | S::Handover, H::Flush) => {}
            (S::Responding, H::Piece) => {
                self.application_works();
                match &mut self.owed {
                    OwedContent::Pieces(0) => {}
                    OwedContent::Pieces(left) => {
                        *left -= 1;
                        self.unsent = true;
                    }
                    _ => self.unsent = true,
                }
            }
            (S::Responding, H::Finish) => match self.owed {
                OwedContent::Pieces(1..) => self.close_after_output(),
                owed => {
                    self.unsent |= owed == OwedContent::Chunks;
                    self.end_exchange();
                }
            },
            (S::Responding, H::Abort) => self.close_after_output(),
            _ => return false,
        }
        true
    }

    // Output.

    pub(super) fn send_head(&mut self, status: u16, close: bool) {
        self.responses.push((status, close));
        self.unsent = true;
    }

    fn hand_over(&mut self, status: u16) {
        self.send_head(status, false);
        self.go(State::Handover);
    }

    /// While the peer waits for its 100, or has it and has sent nothing, the head of a response that goes on waits.
    fn begin_stream(&mut self, owed: OwedContent) {
        if self.body.is_open() && (self.expects || self.continued) {
            self.owed = owed;
            self.go(State::HeadHeld);
            self.application_works();
        } else {
            self.begin_response(200, owed);
        }
    }

    pub(super) fn send_held_head(&mut self) {
        self.begin_response(200, self.owed);
    }

    /// Whether the response is the last one is decided with its head.
    fn begin_response(&mut self, status: u16, owed: OwedContent) {
        self.close |= matches!(self.request, RequestKind::OldGet | RequestKind::Connect);
        self.close |= owed == OwedContent::ToTheEnd || self.leave.is_some() || self.evicted;
        // Whether a peer that waits for its 100 sends the body all the same, nobody knows. How long the rest of a chunked
        // body is, neither; but the application may read on while its response runs.
        let is_chunked = self.body.framing == BodyFraming::Chunked;
        self.close |= self.body.is_open() && (self.expects || (is_chunked && owed == OwedContent::Nothing));
        self.send_head(status, self.close);
        self.owed = owed;
        self.go(State::Responding);
        self.application_works();
    }

    /// The response is complete: what the application has not taken of the request, and what has not come, is dropped.
    fn end_exchange(&mut self) {
        self.owed = OwedContent::Nothing;
        self.pending.end_request();
        let body = std::mem::replace(&mut self.body, Body::new(BodyFraming::Length(0)));
        self.go(State::Flushing);
        self.rest = match (body.stands, body.framing) {
            (Stands::Whole, _) => 0,
            (Stands::Open, BodyFraming::Length(length)) if self.leave.is_none() => {
                self.input.drain(..body.given);
                length - body.given
            }
            _ => {
                self.close = true;
                0
            }
        };
        if self.close {
            return self.close_after_output();
        }
        self.discard();
        if self.rest > 0 && self.ended {
            self.close_after_output();
        } else if self.rest > 0 {
            self.go(State::Discard);
        } else {
            self.choose_next();
        }
    }

    /// Between requests: the next request, rest, or the end.
    pub(super) fn choose_next(&mut self) {
        if self.state != State::Flushing {
        } else if self.has_begun_head() {
            self.parse();
        } else if self.ended || self.leave.is_some() || self.evicted {
            self.close_after_output();
        } else if !self.unsent {
            self.go(State::Idle);
        }
    }

    fn all_sent(&mut self) {
        self.unsent = false;
        match self.state {
            // After a cut response that ends with the connection, a FIN would look like its end.
            State::Closing if self.ended || self.owed == OwedContent::ToTheEnd => {
                self.closed(BodyError::Closed)
            }
            State::Closing => self.go(State::Lingering),
            State::Handover => {
                self.go(State::Upgraded);
                self.pending.hand_overs += 1;
            }
            _ => self.choose_next(),
        }
    }

    // The end.

    /// The machine responds, and the connection ends with that.
    pub(super) fn refuse(&mut self, rule: Rule, status: u16) {
        self.owed = OwedContent::Nothing;
        self.fail_body(BodyError::Closed);
        self.retract();
        self.send_head(status, true);
        self.pending.refusals.push(rule);
        self.close_after_output();
    }

    /// An application that does not know the request hears nothing of it any more.
    pub(super) fn retract(&mut self) {
        if self.pending.requests > 0 {
            self.pending.end_request();
            self.pending.body_failures.clear();
        }
    }

    /// The last bytes leave; what comes in is not looked at.
    pub(super) fn close_after_output(&mut self) {
        self.fail_body(BodyError::Closed);
        self.retract();
        self.go(State::Closing);
        self.input.clear();
        if !self.unsent {
            self.all_sent();
        }
    }

    pub(super) fn closed(&mut self, error: BodyError) {
        self.fail_body(error);
        self.retract();
        self.pending.closes += 1;
        self.go(State::Closed);
        // What begins and is cut in one step was never there.
        self.responses.truncate(self.responses_before);
        self.unsent = false;
        self.input.clear();
    }
}
