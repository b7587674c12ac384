//! What a channel has beside its state, and the actions on it. An action cannot see or set the state; it returns at
//! most one internal event.

use alloc::boxed::Box;
use alloc::sync::Arc;

use super::ahead::Ahead;
use super::inbuf::Inbuf;
use super::outbuf::Outbuf;
use super::pending::Pending;
use super::rate::Rate;
use super::settings::{Facts, NEVER, Settings};
use super::{Action, Event, State};
use crate::chunked::ChunkDecoder;
use crate::error::{BodyError, CloseReason, RequestError, Rule};
use crate::head::HeadScan;
use crate::input::Input;
use crate::request::HeadMeta;
use crate::time::{Moment, Now};
use crate::trailers::TrailerScan;

/// Where the body of the request stands: a byte grammar of its own, beside the state.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Receiving {
    /// Nothing is to come.
    Complete,
    /// This many octets are to come.
    Known(u64),
    /// Chunks are to come.
    Chunks,
    /// The trailer section is to come.
    TrailerSection,
    /// This many octets are to come, and the application has answered without them.
    Unwanted(u64),
    /// It broke off.
    Failed,
}

/// How the content of the answer goes out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Answering {
    /// No final head was accepted, or no content is owed.
    Nothing,
    /// This many octets are owed.
    Length(u64),
    /// Chunks, up to a last one.
    Chunked,
    /// Octets up to the end of the connection.
    UntilClose,
}

/// What accepting a final head came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Accepted {
    /// All of the answer is staged.
    Whole,
    /// Content is owed.
    Streams,
    /// The connection is handed over.
    Switches,
}

/// What an action is given: when, and the input that began it all.
pub(super) struct Args<'a> {
    pub(super) now: Now<'a>,
    pub(super) at: Moment,
    pub(super) input: Input<'a>,
    /// Set when the response was encoded before the table was asked ([`Channel::answer`](super::Channel::answer)).
    pub(super) accepted: Option<Accepted>,
}

impl<'a> Args<'a> {
    #[inline]
    pub(super) fn new(now: &Now<'a>, at: Moment, input: Input<'a>) -> Self {
        Self { now: *now, at, input, accepted: None }
    }
}

/// Where a body in chunks is read.
#[derive(Debug)]
pub(super) struct Chunked {
    pub(super) decoder: ChunkDecoder,
    pub(super) trailers: TrailerScan,
}

impl Chunked {
    pub(super) fn new() -> Self {
        Self { decoder: ChunkDecoder::new(), trailers: TrailerScan::default() }
    }
}

#[derive(Debug)]
pub(super) struct Context {
    pub(super) settings: Arc<Settings>,
    pub(super) inbuf: Inbuf,
    pub(super) outbuf: Outbuf,
    pub(super) pending: Pending,

    // The request.
    pub(super) meta: HeadMeta,
    pub(super) scan: HeadScan,
    pub(super) receiving: Receiving,
    /// Kept from the first body in chunks on, and not before: most connections never see one.
    pub(super) chunked: Option<Box<Chunked>>,
    pub(super) credit: u64,
    pub(super) ahead: Ahead,

    // The answer.
    pub(super) answering: Answering,
    pub(super) excess: u64,
    /// The output position whose leaving completes a flush.
    pub(super) flush_at: Option<u64>,

    // Time, in milliseconds since the channel opened.
    pub(super) latest: Moment,
    pub(super) entered: Moment,
    pub(super) due: Moment,
    /// What `due` is the deadline of.
    pub(super) due_event: Event,
    pub(super) application_since: Moment,
    pub(super) body_rate: Rate,
    pub(super) write_rate: Rate,
    pub(super) drain_since: Moment,
    pub(super) age: u64,

    // Verdicts and counters.
    pub(super) refusal: RequestError,
    pub(super) body_error: BodyError,
    /// Octets that had arrived of a body that broke off.
    pub(super) body_arrived: u64,
    pub(super) reason: Option<CloseReason>,
    pub(super) requests: u64,
    pub(super) refused: u64,
    /// Refusals that were not told yet.
    pub(super) busy: u32,
    pub(super) received: u64,
    pub(super) linger_left: u64,

    /// The peer has ended its input.
    pub(super) ended: bool,
    /// Nothing is served after this answer; `reason` says why.
    pub(super) must_close: bool,
    pub(super) draining: bool,
    pub(super) evicted: bool,
    /// The peer waits for a 100.
    pub(super) expects: bool,
    /// The application asked for the body.
    pub(super) demanded: bool,
    /// The connection ends with a reset.
    pub(super) reset: bool,
    /// The worker's buffers are lent.
    pub(super) adopted: bool,
    /// The input bound was reached; reading goes on when half of it is free.
    pub(super) paused: bool,
    /// There was no room for output; the application is told when there is.
    pub(super) crowded: bool,
    /// The application is what is waited for.
    pub(super) application_waited: bool,
}

impl Receiving {
    /// Whether the application still waits for a part of the body.
    #[inline]
    pub(super) fn is_wanted(self) -> bool {
        matches!(self, Self::Known(_) | Self::Chunks | Self::TrailerSection)
    }
}

impl Context {
    pub(super) fn new(settings: Arc<Settings>, facts: Facts) -> Self {
        let jitter = u64::try_from(facts.age_jitter.as_millis()).unwrap_or(NEVER);
        let age = if settings.age == NEVER { NEVER } else { settings.age.saturating_add(jitter) };
        let mut pending = Pending::default();
        pending.insert(Pending::OPENED);
        Self {
            settings,
            inbuf: Inbuf::default(),
            outbuf: Outbuf::default(),
            pending,
            meta: HeadMeta::default(),
            scan: HeadScan::default(),
            receiving: Receiving::Complete,
            chunked: None,
            credit: 0,
            ahead: Ahead::default(),
            answering: Answering::Nothing,
            excess: 0,
            flush_at: None,
            latest: Moment::START,
            entered: Moment::START,
            due: Moment::from_millis(NEVER),
            due_event: Event::Tick,
            application_since: Moment::START,
            body_rate: Rate::default(),
            write_rate: Rate::default(),
            drain_since: Moment::START,
            age,
            refusal: RequestError::new(Rule::RequestLine, 0),
            body_error: BodyError::Closed,
            body_arrived: 0,
            reason: None,
            requests: 0,
            refused: 0,
            busy: 0,
            received: 0,
            linger_left: 0,
            ended: false,
            must_close: false,
            draining: false,
            evicted: false,
            expects: false,
            demanded: false,
            reset: false,
            adopted: false,
            paused: false,
            crowded: false,
            application_waited: false,
        }
    }

    /// The output that comes next.
    #[inline]
    pub(super) fn next_pending(&self) -> Option<Pending> {
        self.pending.first(self.outbuf.is_empty(), self.inbuf.has_body())
    }

    pub(super) fn close_reason(&self) -> CloseReason {
        self.reason.unwrap_or(CloseReason::Disconnected)
    }

    /// The first reason counts, but a failure comes before a close that was planned: that the peer asked for it
    /// does not tell why its answer was cut.
    pub(super) fn because(&mut self, reason: CloseReason) {
        if self.reason.is_none_or(|known| known.is_planned() && !reason.is_planned()) {
            self.reason = Some(reason);
        }
    }

    /// The connection ends with the answer that runs.
    pub(super) fn end_with_answer(&mut self, reason: CloseReason) {
        self.must_close = true;
        self.because(reason);
    }

    /// The decoded body octets. What they leave free is room for input at once: no event need follow.
    pub(super) fn take_body(&mut self) -> &[u8] {
        let range = self.inbuf.take_body();
        self.pace_input();
        self.inbuf.octets(range)
    }

    /// Stops reading at the input bound, and goes on when half of it is free.
    #[inline]
    pub(super) fn pace_input(&mut self) {
        let held = self.inbuf.held();
        if held >= self.settings.input_bound {
            self.paused = true;
        } else if held <= self.settings.input_bound / 2 {
            self.paused = false;
        }
    }

    /// Octets that may be handed over in `state`.
    #[inline]
    pub(super) fn input_room(&self, state: State) -> usize {
        use super::inbuf::READ;
        if self.ended {
            return 0;
        }
        match state {
            State::Fresh | State::Head | State::Idle | State::Discard | State::Lingering => READ,
            // A trailer section is judged as a whole and may grow to its own limit, as a head may.
            State::WaitResponse | State::Responding
                if self.receiving == Receiving::TrailerSection && !self.inbuf.has_body() =>
            {
                READ
            }
            State::WaitResponse | State::Responding | State::Flushing | State::Handover => {
                let (bound, held) = (self.settings.input_bound, self.inbuf.held());
                // What is held shrinks when body octets are taken, too, and no event tells of that.
                if self.paused && held > bound / 2 { 0 } else { bound.saturating_sub(held).min(READ) }
            }
            _ => 0,
        }
    }

    /// Whether what the input carries can be taken; the table has said that the event fits.
    #[inline]
    pub(super) fn takes(&self, state: State, input: &Input<'_>) -> bool {
        match input {
            Input::RxData(octets) => !octets.is_empty() && octets.len() <= self.input_room(state),
            Input::RxRead(n) => *n > 0 && *n <= self.inbuf.offered().min(self.input_room(state)),
            Input::RxEnd => !self.ended,
            Input::Sent(n) => *n > 0 && *n <= self.outbuf.len(),
            Input::HttpResponse(response) => self.takes_response(response),
            Input::Write(data) => self.takes_content(data),
            Input::Informational(status, _) => {
                self.is_told() && status.is_informational() && status.code() > 101 && self.room() > 0
            }
            Input::Continue | Input::BodyDemand(_) => self.is_told(),
            _ => true,
        }
    }

    /// Whether the application was told of the request. What it asks for before that was meant for the one before, whose
    /// answer has overtaken it.
    fn is_told(&self) -> bool {
        !self.pending.has(Pending::REQUEST)
    }

    #[inline]
    pub(super) fn act(&mut self, action: Action, args: &mut Args<'_>) -> Option<Event> {
        match action {
            Action::Ignore => None,
            Action::CheckDeadlines => self.passed(args.at),
            Action::AskToSend => self.ask_to_send(),
            Action::NoteEviction => self.note_eviction(),
            Action::NoteDrain => self.note_drain(args.at),
            Action::NoteEvictionAndConclude => {
                self.note_eviction();
                self.what_next()
            }
            Action::NoteDrainAndConclude => {
                self.note_drain(args.at);
                self.what_next()
            }
            Action::ReceiveHead => {
                self.receive(args);
                self.parse_head()
            }
            Action::ParseHead => self.parse_head(),
            Action::EndHead => self.end_head(),
            Action::DeliverRequest => self.deliver_request(),
            Action::RefuseRequest => self.refuse_request(args),
            Action::RefuseSlowHead => self.refuse_head(args, Rule::HeadTimeout),
            Action::RefuseBusyHead => self.refuse_head(args, Rule::Busy),
            Action::ReceiveBody => {
                self.receive(args);
                self.decode_body()
            }
            Action::EndInput => self.end_input(),
            Action::GrantBody => self.grant_body(args),
            Action::RefuseBody => self.refuse_body(args),
            Action::FailBody => self.fail_body(),
            Action::RefuseSlowBody => self.refuse_slow_body(args),
            Action::FailSlowBody => self.fail_slow_body(),
            Action::SendContinue => self.send_continue(),
            Action::SendInformational => self.send_informational(args),
            Action::AcceptResponse => self.accept_response(args),
            Action::StageData => self.stage_data(args),
            Action::MarkFlush => self.mark_flush(args.at),
            Action::FinishAnswer => self.finish_answer(args),
            Action::AnswerBusy => self.answer_busy(args),
            Action::AnswerTimeout => self.answer_and_close(args, Rule::ResponseTimeout, None),
            Action::AnswerDraining => self.answer_and_close(args, Rule::Draining, None),
            Action::AnswerFailure => self.answer_failure(args),
            Action::CutAnswer => self.cut_answer(CloseReason::Aborted),
            Action::CutShort => self.cut_answer(CloseReason::AnswerShort),
            Action::CutSilent => self.cut_answer(CloseReason::StreamIdleTimeout),
            Action::JudgeExcess => self.judge_excess(),
            Action::Conclude => self.conclude(),
            Action::ReceiveNext => {
                self.receive(args);
                self.what_next()
            }
            Action::EndAndConclude => {
                self.ended = true;
                self.what_next()
            }
            Action::TakeSent => self.take_sent(args),
            Action::TakeSentAndConclude => {
                self.take_sent(args);
                self.what_next()
            }
            Action::BeginDiscard => None,
            Action::DiscardBody => {
                self.receive(args);
                self.discard_body()
            }
            Action::Rest => self.rest(),
            Action::BeginClose => self.begin_close(),
            Action::CloseUnread => {
                self.because(CloseReason::BodyUnread);
                self.begin_close()
            }
            Action::EndUnread => {
                self.ended = true;
                self.because(CloseReason::BodyUnread);
                self.begin_close()
            }
            Action::BeginDrainedClose => {
                self.note_drain(args.at);
                self.because(CloseReason::Drained);
                self.begin_close()
            }
            Action::NoteEnd => {
                self.ended = true;
                None
            }
            Action::CloseWrite => self.close_write(),
            Action::CountLinger => self.count_linger(args),
            Action::HoldInput => {
                self.receive(args);
                None
            }
            Action::BeginHandover => None,
            Action::HandOver => self.hand_over(),
            Action::ClosePeerEnded => self.close(CloseReason::PeerEnded),
            Action::CloseUnused => self.close(CloseReason::FirstByteTimeout),
            Action::CloseInactive => self.close(CloseReason::InactivityTimeout),
            Action::CloseDrained => self.close(CloseReason::Drained),
            Action::CloseAged => self.close(CloseReason::AgeReached),
            Action::CloseEvicted => self.close(CloseReason::Evicted),
            Action::CloseLingered => self.close(CloseReason::PeerEnded),
            Action::CutSlowReader => self.close(CloseReason::WriteTimeout),
            Action::CutAtDrain => self.close(CloseReason::DrainTimeout),
            Action::Disconnect => self.disconnect(),
            Action::EndUpgraded => self.end_upgraded(),
        }
    }
}
