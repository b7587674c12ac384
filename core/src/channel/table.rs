//! The table of the channel: it drives the machine, and everything that shows the machine is made
//! from it. Read a row as: in these states, on this event, do these actions, and be in that state.
//!
//! Five things to know before reading it:
//!
//! - `on` begins a row for an input, which a transport, an application or the clock sends ([`Event`]). `then` begins a
//!   row for an internal event, which the last action of a row has raised ([`Internal`]).
//! - The next state is set before the actions run; no action can see or set it. `=` stays in the state.
//! - Where the way depends on data, the last action of a row raises an internal event, and that has a row of its own.
//!   So `EndExchange`, which runs when a response is complete, raises one of `MustClose`, `BodyRest`, `NextRequest` and
//!   `OutputSent`, or nothing.
//! - An input that is in no row of a state is refused there, and each refusal is written down below the rows. An input
//!   that is in a row must also meet its [`CONDITIONS`]. Either way the caller gets
//!   [`NotAccepted`](super::NotAccepted), and nothing has changed.
//! - An input at a moment is first that moment, as a `Tick`: a deadline that has passed fires before the input.
//!   [`DEADLINES`](super::DEADLINES) says which deadline raises which event.
//!
//! Three things are not in the rows. [`Channel::respond_with`](crate::Channel::respond_with) does nothing in another state
//! than `WaitResponse`. With `fin_is_disconnect`, the first `RxEnd` while a request is with the application is looked up as
//! `Disconnected`. And a panic of an error page or of a trace, in the midst of a step, leads to `Closed`.

use crate::error::{BodyError, CloseReason, Rule};
use crate::fsm::{Cause, Refusal, Row, Taken};

crate::labelled! {
    /// Where a channel stands.
    ///
    /// ```
    /// use httpfsm::channel::{Event, MATRIX, State};
    /// use httpfsm::fsm::Label;
    ///
    /// // Where can a response be given?
    /// let states = State::ALL.iter().filter(|&&state| MATRIX.on(state, Event::HttpResponse).is_some());
    /// assert_eq!(states.collect::<Vec<_>>(), [&State::WaitResponse]);
    /// assert_eq!(State::Lingering.meaning(), "Our side is closed; input is discarded until the peer's FIN arrives.");
    /// ```
    #[non_exhaustive]
    pub enum State {
        /// Connected, no head has begun; empty lines may have come.
        Fresh,
        /// A head has begun, and did not come whole.
        Head,
        /// Keep-alive: no head has begun, nothing to send (ST_IDLE); empty lines may have come.
        Idle,
        /// A request is with the application, and no final head has come from it yet (ST_WAIT_RESPONSE).
        WaitResponse,
        /// A final head was accepted and not sent: the peer waits for its 100, or the content of the body that was asked for
        /// is still to come.
        HeadHeld,
        /// A final head was accepted; the application owes the rest of its response.
        Responding,
        /// The response is complete; a short and known rest of the request body still arrives and is discarded.
        Discard,
        /// The response is complete and leaving; the connection stays.
        Flushing,
        /// The last bytes are leaving; no input is accepted.
        Closing,
        /// Our side is closed; input is discarded until the peer's FIN arrives.
        Lingering,
        /// A 101, or a 2xx to CONNECT, is leaving; input is held, not parsed.
        Handover,
        /// The bytes belong to another protocol.
        Upgraded,
        /// The end; nothing leaves this state. A panic of an error page or of a trace leads here without a row.
        Closed,
    }
}

crate::labelled! {
    /// What is sent to a channel: the kind of an [`Input`](super::Input).
    ///
    /// ```
    /// use httpfsm::channel::{Event, REFUSALS, State};
    ///
    /// // What does a new channel refuse?
    /// let refused = REFUSALS.iter().find(|refusal| refusal.state == State::Fresh).expect("it is listed");
    /// assert!(refused.events.contains(&Event::HttpResponse));
    /// ```
    #[non_exhaustive]
    pub enum Event {
        // From the transport.
        /// Bytes arrived.
        RxData,
        /// The peer ended its input (FIN).
        RxEnd,
        /// Bytes of the output have left.
        Sent,
        /// The socket has room.
        TransmitReady,
        /// The connection is lost.
        Disconnected,
        /// The server has as many requests at work, or as much in its buffers, as it may have.
        Busy,
        /// The server needs the connection back when it is idle.
        Evict,
        /// The application, asked, still owes: look for requests beyond the limit.
        CheckPipeline,
        /// Time has passed.
        Tick,
        // From the application.
        /// The application's final head, perhaps with all of its content.
        HttpResponse,
        /// Bytes of the response.
        Write,
        /// Send what there is, and tell when it has left.
        Flush,
        /// The response ends.
        Finish,
        /// The application wants the body that the client holds back.
        Continue,
        /// An interim head (103, say).
        Informational,
        /// Credit for bytes of the request body.
        BodyDemand,
        /// The application reads no more of the request body.
        BodyForgone,
        /// The application failed.
        Abort,
        /// The server goes out of service.
        GoOut,
    }
}

crate::labelled! {
    /// What an action found, or a deadline that has passed.
    ///
    /// ```
    #[doc = include_str!("../examples/fresh_channel.txt")]
    /// use httpfsm::channel::Internal;
    /// use httpfsm::fsm::Cause;
    ///
    /// let mut raised = Vec::new();
    /// let mut trace = |step: &Step| match step.cause {
    ///     Cause::Internal(event) => raised.push(event),
    ///     Cause::Input(_) => {}
    /// };
    /// channel.handle_with(&now, Input::RxData(b"GET / HT"), &mut trace)?;
    /// channel.handle_with(&now, Input::RxData(b"TP/1.1\r\nHost: localhost\r\n\r\n"), &mut trace)?;
    /// assert_eq!(raised, [Internal::HeadBegins, Internal::DequeueRequest]);
    /// # Ok::<(), httpfsm::channel::NotAccepted>(())
    /// ```
    #[non_exhaustive]
    pub enum Internal {
        /// A head is at hand that did not come whole, or breaks a rule.
        HeadBegins,
        /// A complete request is at hand (EV_DEQUEUE_REQUEST).
        DequeueRequest,
        /// The request breaks a rule, or may not be served.
        RequestRefused,
        /// The request body broke a rule or ended early.
        BodyBroken,
        /// The head of the response waits for the request body.
        HeadWaits,
        /// The request body has begun, which the head of the response has waited for.
        BodyBegins,
        /// The response is complete.
        ResponseComplete,
        /// The response ended short of its Content-Length.
        ResponseShort,
        /// The response hands the connection over.
        SwitchProtocols,
        /// The connection ends with this response.
        MustClose,
        /// A rest of the request body is still to come.
        BodyRest,
        /// The rest of the request body has come.
        BodyDiscarded,
        /// More than empty lines is buffered.
        NextRequest,
        /// All output has left.
        OutputSent,
        /// Nothing more is to be discarded.
        LingerOver,
        /// No first byte of a request in `first_byte_timeout`.
        FirstByteTimeout,
        /// No complete head in `head_timeout`.
        HeadTimeout,
        /// Idle for `inactivity_timeout`.
        InactivityTimeout,
        /// No response in `responseless_timeout`.
        ResponselessTimeout,
        /// The application was silent for `stream_idle_timeout`.
        StreamIdleTimeout,
        /// The application was silent for `peer_ended_timeout` behind the end of input.
        PeerEndedTimeout,
        /// The rest of the body did not come in `discard_timeout`.
        DiscardTimeout,
        /// The peer did not end in `linger_timeout`.
        LingerTimeout,
        /// The body came below its minimum rate.
        BodyTimeout,
        /// The output left below its minimum rate.
        WriteTimeout,
        /// The server goes out, and the time that a connection without a request has is over.
        DrainGrace,
        /// The server goes out, and all time is over.
        DrainTimeout,
        /// What came before HTTP broke a rule, as the facts of the connection say. It passes as a deadline does, at
        /// the beginning.
        ConnectionRefused,
    }
}

crate::actions! {
    /// What a channel does.
    ///
    /// ```
    /// use httpfsm::CloseReason;
    /// use httpfsm::channel::{Action, ROWS};
    /// use httpfsm::fsm::Act;
    ///
    /// // In which states does a connection close because it was idle for too long?
    /// let close = Action::Close(CloseReason::InactivityTimeout);
    /// let rows = ROWS.iter().filter(|row| row.actions.contains(&close));
    /// assert_eq!(rows.flat_map(|row| row.states).map(|state| state.to_string()).collect::<Vec<_>>(), ["Idle"]);
    /// assert_eq!(close.name(), "Close(InactivityTimeout)");
    /// ```
    #[non_exhaustive]
    pub enum Action {
        /// See which deadline has passed, and raise its event.
        CheckDeadlines,
        /// Ask for the pending output to be sent.
        AskToSend,
        /// Note that the connection is wanted back.
        NoteEviction,
        /// Note that the server goes out, and the times of it.
        NoteLeave,
        /// Note that the peer has ended its input.
        NoteEnd,
        /// Take the bytes in.
        Receive,
        /// See whether a whole head is buffered, or more than the empty lines that are skipped (RFC 9112 section 2.2).
        ParseHead,
        /// Search on for the end of the head.
        SearchHead,
        /// Hand the request to the application.
        DeliverRequest,
        /// Respond to the request that broke a rule.
        RefuseRequest,
        /// Respond to a head that is not complete, by this rule.
        RefuseHead(Rule),
        /// Decode as much of the body as was asked for.
        DecodeBody,
        /// End of input while the application has the request: tell it, and the body is as long as it is.
        EndInput,
        /// Add credit, send the 100, decode.
        GrantBody,
        /// Add credit, send the 100, see whether the head still waits.
        DemandBody,
        /// See whether the head still waits: no further than to the first byte of the content, since what is wrong before it
        /// can still be responded to.
        BeginBody,
        /// No more of the body is decoded, nor is a 100 sent for it.
        ForgoBody,
        /// The body ends here and is not whole.
        BreakBody(BodyError),
        /// Respond to the broken body and tell the application.
        RefuseBody,
        /// Tell the application of the broken body; its response goes on, and the connection ends with it.
        FailBody,
        /// Send the 100.
        SendContinue,
        /// Send the interim head.
        SendInformational,
        /// Encode the final head and the content that came with it.
        AcceptResponse,
        /// Encode the head that has waited.
        SendHead,
        /// Encode bytes of the response.
        StageData,
        /// Send now; tell when it has left.
        MarkFlush,
        /// End the response.
        FinishResponse,
        /// Respond 503: the server is busy. The connection goes on.
        RespondBusy,
        /// Respond for the application that did not, by this rule.
        RespondInstead(Rule),
        /// Respond 500 for the application that failed.
        RespondFailure,
        /// The end of the response will never come, for this reason.
        CutResponse(CloseReason),
        /// Look for requests beyond the pipeline limit.
        CheckPipelineLimit,
        /// The response is complete: settle what is left of the request, and choose what comes next.
        EndExchange,
        /// Choose what comes next: another request, the end, or an idle connection.
        ChooseNext,
        /// Take note of bytes that have left.
        TakeSent,
        /// See whether all output has left.
        CheckSent,
        /// Discard bytes of the rest of the body.
        DiscardBody,
        /// Let the buffers go.
        ReleaseBuffers,
        /// Set the close reason, unless one is known.
        SetReason(CloseReason),
        /// Accept no more input, let the output leave.
        BeginClose,
        /// Send FIN; linger if there is something to linger for.
        CloseWrite,
        /// Discard input, up to `linger_bytes`.
        DropInput,
        /// Close now, for the reason that our side was closed for.
        EndLinger,
        /// Hand the connection over.
        HandOver,
        /// Close now, for this reason. Output that has not left never will.
        Close(CloseReason),
        /// Close: the connection is lost already.
        Disconnect,
        /// Close: the other protocol has ended.
        EndUpgraded,
    }
}

/// A step of a channel, as [`Channel::handle_with`](crate::Channel::handle_with) tells it.
///
/// ```
#[doc = include_str!("../examples/waiting_channel.txt")]
/// let mut seen = None;
/// let mut trace = |step: &Step| {
///     seen.get_or_insert((step.state, step.next));
/// };
/// let response = ResponseRef::stream(Status::OK, &fields, None);
/// channel.handle_with(&now, Input::HttpResponse(response), &mut trace)?;
/// assert_eq!(seen, Some((State::WaitResponse, State::Responding)));
/// # Ok::<(), httpfsm::channel::NotAccepted>(())
/// ```
pub type Step = Taken<State, Event, Internal, Action>;

use self::Action::*;

/// Every transition of a channel.
pub const ROWS: &[Row<State, Event, Internal, Action>] = crate::rows! {
    State, Event, Internal;

    // Connected, or idle; empty lines may have come.
    on   Fresh | Idle, RxData,              [Receive, ParseHead],                        =;
    then Fresh | Idle | Flushing, DequeueRequest, [DeliverRequest],                      WaitResponse;
    then Fresh | Idle | Flushing, HeadBegins, [SearchHead],                              Head;
    on   Fresh | Idle, RxEnd,               [Close(CloseReason::PeerEnded)],             Closed;
    then Fresh,        FirstByteTimeout,    [Close(CloseReason::FirstByteTimeout)],      Closed;
    then Fresh,        ConnectionRefused,   [RefuseRequest, BeginClose],                 Closing;

    // A head is arriving.
    on   Head,         RxData,              [Receive, SearchHead],                       =;
    then Head,         DequeueRequest,      [DeliverRequest],                            WaitResponse;
    then Head,         RequestRefused,      [RefuseRequest, BeginClose],                 Closing;
    on   Head,         RxEnd,               [NoteEnd, RefuseHead(Rule::HeadTruncated), BeginClose], Closing;
    then Head,         HeadTimeout,         [RefuseHead(Rule::HeadTimeout), BeginClose], Closing;
    then Head,         DrainTimeout,        [RefuseHead(Rule::Draining), BeginClose],    Closing;
    on   Head,         Busy,                [RefuseHead(Rule::Busy), BeginClose],        Closing;

    // Keep-alive, idle.
    on   Idle,         Evict,               [Close(CloseReason::Evicted)],               Closed;
    then Idle,         InactivityTimeout,   [Close(CloseReason::InactivityTimeout)],     Closed;

    // The application has the request and owes a final head.
    on   WaitResponse, HttpResponse,        [AcceptResponse],                            Responding;
    on   WaitResponse, Continue,            [SendContinue],                              =;
    on   WaitResponse, Informational,       [SendInformational],                         =;
    then WaitResponse, ResponselessTimeout, [RespondInstead(Rule::ResponseTimeout), BeginClose], Closing;

    // A final head was accepted, of a stream that may yet ask for the body: the 100 would have to come first.
    then Responding,   HeadWaits,           [],                                          HeadHeld;
    on   HeadHeld,     BodyDemand,          [DemandBody],                                =;
    on   HeadHeld,     Continue,            [SendContinue, BeginBody],                   =;
    on   HeadHeld,     RxData,              [Receive, BeginBody],                        =;
    then HeadHeld,     BodyBegins,          [SendHead, DecodeBody],                      Responding;
    on   HeadHeld,     BodyForgone,         [ForgoBody, SendHead],                       Responding;
    on   HeadHeld,     Write,               [SendHead, StageData],                       Responding;
    on   HeadHeld,     Flush,               [SendHead, MarkFlush],                       Responding;
    on   HeadHeld,     Finish,              [SendHead, FinishResponse],                  Responding;
    then HeadHeld,     StreamIdleTimeout,   [RespondInstead(Rule::ResponseTimeout), BeginClose], Closing;

    // Nothing has been sent of a response.
    then WaitResponse | HeadHeld, BodyBroken, [RefuseBody, BeginClose],                  Closing;
    then WaitResponse | HeadHeld, BodyTimeout, [BreakBody(BodyError::TimedOut), RefuseBody, BeginClose], Closing;
    then WaitResponse | HeadHeld, PeerEndedTimeout, [RespondInstead(Rule::PeerEnded), BeginClose], Closing;
    then WaitResponse | HeadHeld, DrainTimeout, [RespondInstead(Rule::Draining), BeginClose], Closing;
    on   WaitResponse | HeadHeld, Abort,    [RespondFailure, BeginClose],                Closing;
    on   WaitResponse | HeadHeld, Busy,     [RespondBusy],                               Responding;

    // A final head was accepted and is sent.
    then Responding,   ResponseComplete,    [EndExchange],                               Flushing;
    then Responding,   SwitchProtocols,     [],                                          Handover;
    on   Responding,   Write,               [StageData],                                 =;
    on   Responding,   Finish,              [FinishResponse],                            =;
    then Responding,   ResponseShort,       [CutResponse(CloseReason::ResponseShort), BeginClose, CheckSent], Closing;
    on   Responding,   Abort,               [CutResponse(CloseReason::Aborted), BeginClose, CheckSent], Closing;
    then Responding,   StreamIdleTimeout,   [CutResponse(CloseReason::StreamIdleTimeout), BeginClose, CheckSent], Closing;
    then Responding,   PeerEndedTimeout,    [CutResponse(CloseReason::PeerEndedTimeout), BeginClose, CheckSent], Closing;
    then Responding,   BodyBroken,          [FailBody],                                  =;
    then Responding,   BodyTimeout,         [BreakBody(BodyError::TimedOut), FailBody],  =;

    // The request body, and what comes behind it.
    on   WaitResponse | Responding, RxData,     [Receive, DecodeBody],                   =;
    on   WaitResponse | HeadHeld | Responding, RxEnd, [EndInput],                        =;
    on   WaitResponse | Responding, BodyDemand, [GrantBody],                             =;
    on   WaitResponse | Responding, BodyForgone, [ForgoBody],                            =;
    on   WaitResponse | HeadHeld | Responding, CheckPipeline, [CheckPipelineLimit],      =;

    // The response is complete; what comes next?
    then Flushing,     MustClose,           [BeginClose, CheckSent],                     Closing;
    then Flushing,     BodyRest,            [],                                          Discard;
    then Flushing,     NextRequest,         [ParseHead],                                 =;
    then Flushing,     OutputSent,          [ReleaseBuffers],                            Idle;
    on   Flushing,     RxData,              [Receive, ChooseNext],                       =;
    on   Flushing,     RxEnd,               [NoteEnd, ChooseNext],                       =;
    on   Flushing,     Sent,                [TakeSent, ChooseNext],                      =;
    on   Flushing,     Evict,               [NoteEviction, ChooseNext],                  =;
    on   Flushing,     GoOut,               [NoteLeave, ChooseNext],                     =;

    // The response is complete; the rest of the request body is discarded.
    on   Discard,      RxData,              [Receive, DiscardBody],                      =;
    then Discard,      BodyDiscarded,       [EndExchange],                               Flushing;
    on   Discard,      RxEnd,               [NoteEnd, SetReason(CloseReason::BodyUnread), BeginClose, CheckSent], Closing;
    then Discard,      DiscardTimeout,      [SetReason(CloseReason::BodyUnread), BeginClose, CheckSent], Closing;
    on   Discard,      GoOut,               [NoteLeave, SetReason(CloseReason::Drained), BeginClose, CheckSent], Closing;

    // The last bytes are leaving.
    then Closing,      OutputSent,          [CloseWrite],                                Lingering;

    // Our side is closed.
    on   Lingering,    RxData,              [Receive, DropInput],                        =;
    on   Lingering,    RxEnd | Disconnected | Evict, [EndLinger],                        Closed;
    then Lingering,    LingerOver | LingerTimeout | DrainTimeout, [EndLinger],           Closed;

    // The head of the hand-over is leaving.
    then Handover,     OutputSent,          [HandOver],                                  Upgraded;
    on   Handover,     RxData,              [Receive],                                   =;

    // Another protocol's bytes.
    on   Upgraded,     Disconnected,        [EndUpgraded],                               Closed;

    // What many states do alike. Output:
    on   Head | WaitResponse | HeadHeld | Responding | Discard, Sent, [TakeSent],        =;
    on   Closing | Handover, Sent, [TakeSent, CheckSent],                                =;
    on   WaitResponse | Responding | Handover, Flush, [MarkFlush],                       =;
    on   Head | WaitResponse | HeadHeld | Responding | Discard | Flushing | Closing | Handover,
         TransmitReady, [AskToSend],                                                     =;
    on   Fresh | Idle | Lingering, TransmitReady, [],                                    =;
    then Head | WaitResponse | HeadHeld | Responding | Discard | Flushing | Closing | Handover,
         WriteTimeout, [Close(CloseReason::WriteTimeout)],                               Closed;

    // The end of input, where nothing more was to come; the loss of the connection.
    on   Closing | Handover, RxEnd, [NoteEnd],                                           =;
    on   Fresh | Head | Idle | WaitResponse | HeadHeld | Responding | Discard | Flushing | Closing | Handover,
         Disconnected, [Disconnect],                                                     Closed;

    // The server wants the connection back, or goes out.
    on   Fresh | Head | WaitResponse | HeadHeld | Responding | Discard, Evict, [NoteEviction],      =;
    on   Closing | Handover, Evict, [],                                                  =;
    on   Fresh | Head | Idle | WaitResponse | HeadHeld | Responding | Closing | Lingering | Handover,
         GoOut, [NoteLeave],                                                             =;
    on   Upgraded, GoOut, [],                                                            =;
    then Fresh | Idle, DrainGrace | DrainTimeout, [Close(CloseReason::Drained)],         Closed;
    then Responding | Flushing | Closing | Handover,
         DrainTimeout, [Close(CloseReason::DrainTimeout)],                               Closed;

    // The pipeline limit, where nothing waits behind a request.
    on   Fresh | Head | Idle | Discard | Flushing | Closing | Lingering | Handover, CheckPipeline, [], =;

    // Time.
    on   Fresh | Head | Idle | WaitResponse | HeadHeld | Responding | Discard | Flushing | Closing | Lingering | Handover,
         Tick, [CheckDeadlines],                                                         =;
    on   Upgraded | Closed, Tick, [],                                                    =;
};

/// The inputs that do not fit: the caller gets [`NotAccepted`](super::NotAccepted).
pub const REFUSALS: &[Refusal<State, Event>] = crate::refusals! {
    State, Event;
    Fresh: Sent, Busy, HttpResponse, Write, Flush, Finish, Continue, Informational, BodyDemand, BodyForgone, Abort;
    Head: HttpResponse, Write, Flush, Finish, Continue, Informational, BodyDemand, BodyForgone, Abort;
    Idle: Sent, Busy, HttpResponse, Write, Flush, Finish, Continue, Informational, BodyDemand, BodyForgone, Abort;
    WaitResponse: Write, Finish;
    HeadHeld: HttpResponse, Informational;
    Responding: Busy, HttpResponse, Continue, Informational;
    Discard: Busy, HttpResponse, Write, Flush, Finish, Continue, Informational, BodyDemand, BodyForgone, Abort;
    Flushing: Busy, HttpResponse, Write, Flush, Finish, Continue, Informational, BodyDemand, BodyForgone, Abort;
    Closing: RxData, Busy, HttpResponse, Write, Flush, Finish, Continue, Informational, BodyDemand, BodyForgone, Abort;
    Lingering: Sent, Busy, HttpResponse, Write, Flush, Finish, Continue, Informational, BodyDemand, BodyForgone, Abort;
    Handover: Busy, HttpResponse, Write, Finish, Continue, Informational, BodyDemand, BodyForgone, Abort;
    Upgraded: RxData, RxEnd, Sent, TransmitReady, Busy, Evict, CheckPipeline, HttpResponse, Write, Flush, Finish, Continue,
        Informational, BodyDemand, BodyForgone, Abort;
    Closed: RxData, RxEnd, Sent, TransmitReady, Disconnected, Busy, Evict, CheckPipeline, HttpResponse, Write, Flush, Finish,
        Continue, Informational, BodyDemand, BodyForgone, Abort, GoOut;
};

crate::labelled! {
    /// What an input must meet beside having a row. [`NotAccepted`](super::NotAccepted) names the one that it does not.
    ///
    /// ```
    /// use httpfsm::channel::{CONDITIONS, Condition, Event};
    /// use httpfsm::fsm::Label;
    ///
    /// // What must an interim head meet?
    /// let (_, conditions) = CONDITIONS.iter().find(|(event, _)| *event == Event::Informational).expect("it is listed");
    /// assert_eq!(conditions, &[Condition::IsDelivered, Condition::IsInterim, Condition::HasRoom]);
    /// assert_eq!(Condition::IsInterim.meaning(), "The status is 102 to 199.");
    /// ```
    #[non_exhaustive]
    pub enum Condition {
        /// The bytes are at least one and at most `input_room`; with `RxRead`, at most what `spare` has lent.
        FitsInputRoom,
        /// The peer has not ended its input before.
        InputIsOpen,
        /// The bytes are at least one and at most `unsent_len`.
        WasUnsent,
        /// The output `HttpRequest` was taken: before, the application does not know the request.
        IsDelivered,
        /// The status is not 1xx, except 101.
        IsFinal,
        /// A 101 names a protocol, and the request asked for an upgrade and has no body to come.
        MaySwitch,
        /// A content given as a slice is at most `output_high_water` long.
        FitsHighWater,
        /// The content is not shorter than its Content-Length.
        IsWhole,
        /// A slice is at most `room` long; a `Bytes` also fits while `room_for_bytes`.
        FitsRoom,
        /// The status is 102 to 199.
        IsInterim,
        /// `room` is not 0.
        HasRoom,
    }
}

/// What each input must meet beside having a row; an input that is not named here must meet nothing.
pub const CONDITIONS: &[(Event, &[Condition])] = &[
    (Event::RxData, &[Condition::FitsInputRoom]),
    (Event::RxEnd, &[Condition::InputIsOpen]),
    (Event::Sent, &[Condition::WasUnsent]),
    (
        Event::HttpResponse,
        &[
            Condition::IsDelivered,
            Condition::IsFinal,
            Condition::MaySwitch,
            Condition::FitsHighWater,
            Condition::IsWhole,
        ],
    ),
    (Event::Write, &[Condition::FitsRoom]),
    (Event::Flush, &[Condition::IsDelivered]),
    (Event::Continue, &[Condition::IsDelivered]),
    (Event::Informational, &[Condition::IsDelivered, Condition::IsInterim, Condition::HasRoom]),
    (Event::BodyDemand, &[Condition::IsDelivered]),
    (Event::BodyForgone, &[Condition::IsDelivered]),
    (Event::Abort, &[Condition::IsDelivered]),
];

impl State {
    /// Whether the application has a request, and owes the response to it or the rest of one.
    #[inline]
    pub(super) const fn is_with_application(self) -> bool {
        match self {
            Self::WaitResponse | Self::HeadHeld | Self::Responding => true,
            Self::Fresh
            | Self::Head
            | Self::Idle
            | Self::Discard
            | Self::Flushing
            | Self::Closing
            | Self::Lingering
            | Self::Handover
            | Self::Upgraded
            | Self::Closed => false,
        }
    }
}

impl Action {
    /// The input whose data the action takes; `None`: it takes none, and any event may lead to it.
    #[allow(dead_code, reason = "Rust 1.85 does not see that the constant below uses it")]
    const fn takes(&self) -> Option<Event> {
        match self {
            NoteLeave => Some(Event::GoOut),
            Receive => Some(Event::RxData),
            GrantBody | DemandBody => Some(Event::BodyDemand),
            SendInformational => Some(Event::Informational),
            AcceptResponse => Some(Event::HttpResponse),
            StageData => Some(Event::Write),
            FinishResponse => Some(Event::Finish),
            RespondFailure => Some(Event::Abort),
            TakeSent => Some(Event::Sent),
            CheckDeadlines | AskToSend | NoteEviction | NoteEnd | ParseHead | SearchHead | DeliverRequest
            | RefuseRequest | RefuseHead(_) | DecodeBody | EndInput | ForgoBody | BreakBody(_)
            | RefuseBody | FailBody | SendContinue | MarkFlush | RespondBusy | RespondInstead(_)
            | CutResponse(_) | CheckPipelineLimit | EndExchange | ChooseNext | CheckSent | DiscardBody
            | ReleaseBuffers | BeginBody | SendHead | SetReason(_) | BeginClose | CloseWrite | DropInput
            | HandOver | Close(_) | EndLinger | Disconnect | EndUpgraded => None,
        }
    }
}

/// A row that gives an action an input without its data does not compile.
const _: () = {
    let mut at = 0;
    while at < ROWS.len() {
        let mut one = 0;
        while one < ROWS[at].actions.len() {
            if let Some(event) = ROWS[at].actions[one].takes() {
                let fits = matches!(ROWS[at].causes, [Cause::Input(of)] if *of as u8 == event as u8);
                assert!(fits, "an action takes the data of an input that its row is not for");
            }
            one += 1;
        }
        at += 1;
    }
};
