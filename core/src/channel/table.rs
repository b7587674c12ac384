//! The table of the channel (GHttpCliSrv): it drives the machine, and everything that shows the machine is made
//! from it. Read a row as: in this state, on this event, do this, and be in that state.
//!
//! Four things to know before reading it:
//!
//! - The next state is set before the action runs; no action can see or set it.
//! - Where the way depends on data, the action returns an *internal* event, and that has a row of its own. So
//!   `Conclude`, which runs when an answer is finished, asks "what now?", and one of `MustClose`, `BodyRest`,
//!   `NextRequest` and `OutputDrained` is the answer.
//! - What is not a row is a refusal, and each refusal is written down, below the rows. There is no wildcard.
//! - An input at a moment is first that moment, as a `Tick`: a deadline that has passed fires before the input.

use crate::fsm::{Matrix, Refusal, Row, refuse, row};

crate::labelled! {
    /// Where a channel stands.
    pub enum State {
        /// Connected, no octet yet.
        Fresh,
        /// An octet of a head is buffered; an empty line counts.
        Head,
        /// Keep-alive: nothing to read, nothing to send (ST_IDLE).
        Idle,
        /// A request is with the application, and no final head has come from it yet (ST_WAIT_RESPONSE).
        WaitResponse,
        /// A final head was accepted; the application owes the rest of its answer.
        Responding,
        /// The answer is finished; a short and known rest of the request body still arrives and is thrown away.
        Discard,
        /// The answer is finished and leaving; the connection stays.
        Flushing,
        /// The last octets are leaving; no input is accepted.
        Closing,
        /// Our FIN is sent; input is thrown away until the peer's arrives.
        Lingering,
        /// A 101, or a 2xx to CONNECT, is leaving; input is held, not parsed.
        Handover,
        /// The octets belong to another protocol.
        Upgraded,
        /// The end; nothing leaves this state.
        Closed,
    }
}

crate::labelled! {
    /// What happens to a channel.
    pub enum Event {
        // Bottom in.
        /// Octets arrived.
        RxData,
        /// The peer ended its input (FIN).
        RxEnd,
        /// Octets of the output have left.
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
        Judge,
        /// Time has passed.
        Tick,
        // Top in.
        /// The application's final head, perhaps with all of its content.
        HttpResponse,
        /// Octets of the answer.
        Write,
        /// Send what there is, and tell when it has left.
        Flush,
        /// The answer ends.
        Finish,
        /// The application wants the body that the client holds back.
        Continue,
        /// An interim head (103, say).
        Informational,
        /// Credit for octets of the request body.
        BodyDemand,
        /// The application failed.
        Abort,
        /// The server goes out of service.
        GoOut,
        // Internal: what an action found.
        /// A complete request is at hand (EV_DEQUEUE_REQUEST).
        DequeueRequest,
        /// The request breaks a rule, or may not be served.
        RequestRefused,
        /// Only empty lines came before the end of input.
        NothingMore,
        /// The request body broke a rule or ended early.
        BodyBroken,
        /// The answer is complete.
        AnswerComplete,
        /// The answer ended short of its length.
        AnswerShort,
        /// The answer hands the connection over.
        SwitchProtocols,
        /// The connection ends with this answer.
        MustClose,
        /// A rest of the request body is still to come.
        BodyRest,
        /// The rest of the request body has come.
        BodyDiscarded,
        /// More input is buffered.
        NextRequest,
        /// All output has left.
        OutputDrained,
        /// Nothing more is to be thrown away.
        LingerOver,
        // Internal: deadlines.
        /// No first octet in `first_byte_timeout`.
        FirstByteTimeout,
        /// No complete head in `head_timeout`.
        HeadTimeout,
        /// Idle for `inactivity_timeout`.
        InactivityTimeout,
        /// No response in `responseless_timeout`.
        ResponselessTimeout,
        /// The application was silent for `stream_idle_timeout`.
        StreamIdleTimeout,
        /// The rest of the body did not come in `discard_timeout`.
        DiscardTimeout,
        /// The peer did not end in `linger_timeout`.
        LingerTimeout,
        /// The body came below its minimum rate.
        BodyTimeout,
        /// The output left below its minimum rate.
        WriteTimeout,
        /// Idle for `drain_grace` while the server goes out.
        DrainGrace,
        /// The drain deadline.
        DrainTimeout,
        /// The connection is `connection_age` old.
        AgeReached,
    }
}

crate::labelled! {
    /// What a channel does.
    pub enum Action {
        /// Nothing.
        Ignore,
        /// See which deadline has passed.
        CheckDeadlines,
        /// Ask for the pending output to be sent.
        AskToSend,
        /// Note that the connection is wanted back.
        NoteEviction,
        /// Note that the server goes out.
        NoteDrain,
        /// Note that the connection is wanted back; what now?
        NoteEvictionAndConclude,
        /// Note that the server goes out; what now?
        NoteDrainAndConclude,
        /// Take the octets and look for a complete head.
        ReceiveHead,
        /// Look for a complete head in what is buffered.
        ParseHead,
        /// End of input inside a head.
        EndHead,
        /// Hand the request to the application.
        DeliverRequest,
        /// Answer the refused request.
        RefuseRequest,
        /// Answer 408.
        RefuseSlowHead,
        /// Answer 503: the server has no memory for the rest.
        RefuseBusyHead,
        /// Take the octets; they are body, or wait their turn.
        ReceiveBody,
        /// End of input while the application has the request.
        EndInput,
        /// Add credit, send the 100, decode.
        GrantBody,
        /// Answer the broken body and tell the application.
        RefuseBody,
        /// Tell the application; the running answer goes on.
        FailBody,
        /// Answer 408 and tell the application.
        RefuseSlowBody,
        /// Tell the application that the body is too slow; the running answer goes on.
        FailSlowBody,
        /// Send the 100.
        SendContinue,
        /// Send the interim head.
        SendInformational,
        /// Encode the final head and the content that came with it.
        AcceptResponse,
        /// Encode octets of the answer.
        StageData,
        /// Send now; tell when it has left.
        MarkFlush,
        /// End the answer.
        FinishAnswer,
        /// Answer 503: the server is busy.
        AnswerBusy,
        /// Answer 503: the application gave no response.
        AnswerTimeout,
        /// Answer 503: the server goes out.
        AnswerDraining,
        /// Answer 500.
        AnswerFailure,
        /// End the connection without the end of the answer.
        CutAnswer,
        /// End the connection: the answer is shorter than its length.
        CutShort,
        /// End the connection: the application was silent.
        CutSilent,
        /// Look for requests beyond the limit.
        JudgeExcess,
        /// What comes after the answer?
        Conclude,
        /// Take the octets of the next request; what now?
        ReceiveNext,
        /// End of input after an answer; what now?
        EndAndConclude,
        /// Octets have left.
        TakeSent,
        /// Octets have left; what now?
        TakeSentAndConclude,
        /// Await the rest of the body.
        BeginDiscard,
        /// Throw body octets away.
        DiscardBody,
        /// Hold nothing more.
        Rest,
        /// Accept no more input, let the output leave.
        BeginClose,
        /// The same, since the rest of the body did not come.
        CloseUnread,
        /// The same, since the rest of the body will not come.
        EndUnread,
        /// The same, since the server goes out.
        BeginDrainedClose,
        /// Note the end of input.
        NoteEnd,
        /// Send FIN; linger if there is something to linger for.
        CloseWrite,
        /// Throw input away.
        CountLinger,
        /// Keep the octets for the other protocol.
        HoldInput,
        /// Begin the hand-over.
        BeginHandover,
        /// Hand the connection over.
        HandOver,
        /// Close: the peer ended.
        ClosePeerEnded,
        /// Close: no first octet came.
        CloseUnused,
        /// Close: idle for too long.
        CloseInactive,
        /// Close: the server goes out.
        CloseDrained,
        /// Close: old enough.
        CloseAged,
        /// Close: evicted.
        CloseEvicted,
        /// Close: lingering is over.
        CloseLingered,
        /// Close: the peer does not read.
        CutSlowReader,
        /// Close: the drain deadline is over.
        CutAtDrain,
        /// Close: the connection is lost.
        Disconnect,
        /// Close: the other protocol has ended.
        EndUpgraded,
    }
}

use self::Action as A;
use self::Event as E;
use self::State as S;

/// Every transition of a channel.
#[rustfmt::skip]
pub const ROWS: &[Row<State, Event, Action>] = &[
    // Connected, no octet yet.
    row(S::Fresh,        E::RxData,              A::ReceiveHead,             S::Head),
    row(S::Fresh,        E::RxEnd,               A::ClosePeerEnded,          S::Closed),
    row(S::Fresh,        E::FirstByteTimeout,    A::CloseUnused,             S::Closed),
    row(S::Fresh,        E::Evict,               A::NoteEviction,            S::Fresh),
    row(S::Fresh,        E::GoOut,               A::NoteDrain,               S::Fresh),
    row(S::Fresh,        E::DrainTimeout,        A::CutAtDrain,              S::Closed),
    row(S::Fresh,        E::Disconnected,        A::Disconnect,              S::Closed),
    row(S::Fresh,        E::Tick,                A::CheckDeadlines,          S::Fresh),
    row(S::Fresh,        E::TransmitReady,       A::Ignore,                  S::Fresh),
    row(S::Fresh,        E::Judge,               A::Ignore,                  S::Fresh),

    // A head is arriving.
    row(S::Head,         E::RxData,              A::ReceiveHead,             S::Head),
    row(S::Head,         E::DequeueRequest,      A::DeliverRequest,          S::WaitResponse),
    row(S::Head,         E::RequestRefused,      A::RefuseRequest,           S::Closing),
    row(S::Head,         E::RxEnd,               A::EndHead,                 S::Head),
    row(S::Head,         E::NothingMore,         A::BeginClose,              S::Closing),
    row(S::Head,         E::HeadTimeout,         A::RefuseSlowHead,          S::Closing),
    row(S::Head,         E::Busy,                A::RefuseBusyHead,          S::Closing),
    row(S::Head,         E::Sent,                A::TakeSent,                S::Head),
    row(S::Head,         E::OutputDrained,       A::Ignore,                  S::Head),
    row(S::Head,         E::WriteTimeout,        A::CutSlowReader,           S::Closed),
    row(S::Head,         E::Evict,               A::NoteEviction,            S::Head),
    row(S::Head,         E::GoOut,               A::NoteDrain,               S::Head),
    row(S::Head,         E::DrainTimeout,        A::CutAtDrain,              S::Closed),
    row(S::Head,         E::Disconnected,        A::Disconnect,              S::Closed),
    row(S::Head,         E::Tick,                A::CheckDeadlines,          S::Head),
    row(S::Head,         E::TransmitReady,       A::AskToSend,               S::Head),
    row(S::Head,         E::Judge,               A::Ignore,                  S::Head),

    // Keep-alive, at rest.
    row(S::Idle,         E::RxData,              A::ReceiveHead,             S::Head),
    row(S::Idle,         E::RxEnd,               A::ClosePeerEnded,          S::Closed),
    row(S::Idle,         E::InactivityTimeout,   A::CloseInactive,           S::Closed),
    row(S::Idle,         E::AgeReached,          A::CloseAged,               S::Closed),
    row(S::Idle,         E::Evict,               A::CloseEvicted,            S::Closed),
    row(S::Idle,         E::GoOut,               A::NoteDrain,               S::Idle),
    row(S::Idle,         E::DrainGrace,          A::CloseDrained,            S::Closed),
    row(S::Idle,         E::DrainTimeout,        A::CloseDrained,            S::Closed),
    row(S::Idle,         E::Disconnected,        A::Disconnect,              S::Closed),
    row(S::Idle,         E::Tick,                A::CheckDeadlines,          S::Idle),
    row(S::Idle,         E::TransmitReady,       A::Ignore,                  S::Idle),
    row(S::Idle,         E::Judge,               A::Ignore,                  S::Idle),

    // The application has the request and owes a final head.
    row(S::WaitResponse, E::HttpResponse,        A::AcceptResponse,          S::Responding),
    row(S::WaitResponse, E::Continue,            A::SendContinue,            S::WaitResponse),
    row(S::WaitResponse, E::Informational,       A::SendInformational,       S::WaitResponse),
    row(S::WaitResponse, E::Flush,               A::MarkFlush,               S::WaitResponse),
    row(S::WaitResponse, E::BodyDemand,          A::GrantBody,               S::WaitResponse),
    row(S::WaitResponse, E::RxData,              A::ReceiveBody,             S::WaitResponse),
    row(S::WaitResponse, E::RxEnd,               A::EndInput,                S::WaitResponse),
    row(S::WaitResponse, E::BodyBroken,          A::RefuseBody,              S::Closing),
    row(S::WaitResponse, E::BodyTimeout,         A::RefuseSlowBody,          S::Closing),
    row(S::WaitResponse, E::ResponselessTimeout, A::AnswerTimeout,           S::Closing),
    row(S::WaitResponse, E::Abort,               A::AnswerFailure,           S::Closing),
    row(S::WaitResponse, E::Busy,                A::AnswerBusy,              S::Responding),
    row(S::WaitResponse, E::Judge,               A::JudgeExcess,             S::WaitResponse),
    row(S::WaitResponse, E::Sent,                A::TakeSent,                S::WaitResponse),
    row(S::WaitResponse, E::OutputDrained,       A::Ignore,                  S::WaitResponse),
    row(S::WaitResponse, E::WriteTimeout,        A::CutSlowReader,           S::Closed),
    row(S::WaitResponse, E::Evict,               A::NoteEviction,            S::WaitResponse),
    row(S::WaitResponse, E::GoOut,               A::NoteDrain,               S::WaitResponse),
    row(S::WaitResponse, E::DrainTimeout,        A::AnswerDraining,          S::Closing),
    row(S::WaitResponse, E::Disconnected,        A::Disconnect,              S::Closed),
    row(S::WaitResponse, E::Tick,                A::CheckDeadlines,          S::WaitResponse),
    row(S::WaitResponse, E::TransmitReady,       A::AskToSend,               S::WaitResponse),

    // A final head was accepted.
    row(S::Responding,   E::AnswerComplete,      A::Conclude,                S::Flushing),
    row(S::Responding,   E::SwitchProtocols,     A::BeginHandover,           S::Handover),
    row(S::Responding,   E::Write,               A::StageData,               S::Responding),
    row(S::Responding,   E::Flush,               A::MarkFlush,               S::Responding),
    row(S::Responding,   E::Finish,              A::FinishAnswer,            S::Responding),
    row(S::Responding,   E::AnswerShort,         A::CutShort,                S::Closing),
    row(S::Responding,   E::Abort,               A::CutAnswer,               S::Closing),
    row(S::Responding,   E::StreamIdleTimeout,   A::CutSilent,               S::Closing),
    row(S::Responding,   E::BodyDemand,          A::GrantBody,               S::Responding),
    row(S::Responding,   E::RxData,              A::ReceiveBody,             S::Responding),
    row(S::Responding,   E::RxEnd,               A::EndInput,                S::Responding),
    row(S::Responding,   E::BodyBroken,          A::FailBody,                S::Responding),
    row(S::Responding,   E::BodyTimeout,         A::FailSlowBody,            S::Responding),
    row(S::Responding,   E::Judge,               A::JudgeExcess,             S::Responding),
    row(S::Responding,   E::Sent,                A::TakeSent,                S::Responding),
    row(S::Responding,   E::OutputDrained,       A::Ignore,                  S::Responding),
    row(S::Responding,   E::WriteTimeout,        A::CutSlowReader,           S::Closed),
    row(S::Responding,   E::Evict,               A::NoteEviction,            S::Responding),
    row(S::Responding,   E::GoOut,               A::NoteDrain,               S::Responding),
    row(S::Responding,   E::DrainTimeout,        A::CutAtDrain,              S::Closed),
    row(S::Responding,   E::Disconnected,        A::Disconnect,              S::Closed),
    row(S::Responding,   E::Tick,                A::CheckDeadlines,          S::Responding),
    row(S::Responding,   E::TransmitReady,       A::AskToSend,               S::Responding),

    // The answer is finished; the rest of the request body is thrown away.
    row(S::Discard,      E::RxData,              A::DiscardBody,             S::Discard),
    row(S::Discard,      E::BodyDiscarded,       A::Conclude,                S::Flushing),
    row(S::Discard,      E::RxEnd,               A::EndUnread,               S::Closing),
    row(S::Discard,      E::DiscardTimeout,      A::CloseUnread,             S::Closing),
    row(S::Discard,      E::Sent,                A::TakeSent,                S::Discard),
    row(S::Discard,      E::OutputDrained,       A::Ignore,                  S::Discard),
    row(S::Discard,      E::WriteTimeout,        A::CutSlowReader,           S::Closed),
    row(S::Discard,      E::Evict,               A::NoteEviction,            S::Discard),
    row(S::Discard,      E::GoOut,               A::BeginDrainedClose,       S::Closing),
    row(S::Discard,      E::Disconnected,        A::Disconnect,              S::Closed),
    row(S::Discard,      E::Tick,                A::CheckDeadlines,          S::Discard),
    row(S::Discard,      E::TransmitReady,       A::AskToSend,               S::Discard),
    row(S::Discard,      E::Judge,               A::Ignore,                  S::Discard),

    // The answer is finished; what comes next?
    row(S::Flushing,     E::MustClose,           A::BeginClose,              S::Closing),
    row(S::Flushing,     E::BodyRest,            A::BeginDiscard,            S::Discard),
    row(S::Flushing,     E::NextRequest,         A::ParseHead,               S::Head),
    row(S::Flushing,     E::OutputDrained,       A::Rest,                    S::Idle),
    row(S::Flushing,     E::RxData,              A::ReceiveNext,             S::Flushing),
    row(S::Flushing,     E::RxEnd,               A::EndAndConclude,          S::Flushing),
    row(S::Flushing,     E::Sent,                A::TakeSentAndConclude,     S::Flushing),
    row(S::Flushing,     E::WriteTimeout,        A::CutSlowReader,           S::Closed),
    row(S::Flushing,     E::Evict,               A::NoteEvictionAndConclude, S::Flushing),
    row(S::Flushing,     E::GoOut,               A::NoteDrainAndConclude,    S::Flushing),
    row(S::Flushing,     E::DrainTimeout,        A::CutAtDrain,              S::Closed),
    row(S::Flushing,     E::Disconnected,        A::Disconnect,              S::Closed),
    row(S::Flushing,     E::Tick,                A::CheckDeadlines,          S::Flushing),
    row(S::Flushing,     E::TransmitReady,       A::AskToSend,               S::Flushing),
    row(S::Flushing,     E::Judge,               A::Ignore,                  S::Flushing),

    // The last octets are leaving.
    row(S::Closing,      E::OutputDrained,       A::CloseWrite,              S::Lingering),
    row(S::Closing,      E::Sent,                A::TakeSent,                S::Closing),
    row(S::Closing,      E::RxEnd,               A::NoteEnd,                 S::Closing),
    row(S::Closing,      E::WriteTimeout,        A::CutSlowReader,           S::Closed),
    row(S::Closing,      E::Evict,               A::Ignore,                  S::Closing),
    row(S::Closing,      E::GoOut,               A::NoteDrain,               S::Closing),
    row(S::Closing,      E::DrainTimeout,        A::CutAtDrain,              S::Closed),
    row(S::Closing,      E::Disconnected,        A::Disconnect,              S::Closed),
    row(S::Closing,      E::Tick,                A::CheckDeadlines,          S::Closing),
    row(S::Closing,      E::TransmitReady,       A::AskToSend,               S::Closing),
    row(S::Closing,      E::Judge,               A::Ignore,                  S::Closing),

    // Our FIN is sent.
    row(S::Lingering,    E::RxData,              A::CountLinger,             S::Lingering),
    row(S::Lingering,    E::LingerOver,          A::CloseLingered,           S::Closed),
    row(S::Lingering,    E::RxEnd,               A::CloseLingered,           S::Closed),
    row(S::Lingering,    E::LingerTimeout,       A::CloseLingered,           S::Closed),
    row(S::Lingering,    E::Evict,               A::CloseLingered,           S::Closed),
    row(S::Lingering,    E::GoOut,               A::NoteDrain,               S::Lingering),
    row(S::Lingering,    E::DrainTimeout,        A::CloseLingered,           S::Closed),
    row(S::Lingering,    E::Disconnected,        A::CloseLingered,           S::Closed),
    row(S::Lingering,    E::Tick,                A::CheckDeadlines,          S::Lingering),
    row(S::Lingering,    E::TransmitReady,       A::Ignore,                  S::Lingering),
    row(S::Lingering,    E::Judge,               A::Ignore,                  S::Lingering),

    // The hand-over's head is leaving.
    row(S::Handover,     E::OutputDrained,       A::HandOver,                S::Upgraded),
    row(S::Handover,     E::Sent,                A::TakeSent,                S::Handover),
    row(S::Handover,     E::RxData,              A::HoldInput,               S::Handover),
    row(S::Handover,     E::RxEnd,               A::NoteEnd,                 S::Handover),
    row(S::Handover,     E::Flush,               A::MarkFlush,               S::Handover),
    row(S::Handover,     E::WriteTimeout,        A::CutSlowReader,           S::Closed),
    row(S::Handover,     E::Evict,               A::Ignore,                  S::Handover),
    row(S::Handover,     E::GoOut,               A::NoteDrain,               S::Handover),
    row(S::Handover,     E::DrainTimeout,        A::CutAtDrain,              S::Closed),
    row(S::Handover,     E::Disconnected,        A::Disconnect,              S::Closed),
    row(S::Handover,     E::Tick,                A::CheckDeadlines,          S::Handover),
    row(S::Handover,     E::TransmitReady,       A::AskToSend,               S::Handover),
    row(S::Handover,     E::Judge,               A::Ignore,                  S::Handover),

    // Another protocol's octets.
    row(S::Upgraded,     E::Disconnected,        A::EndUpgraded,             S::Closed),
    row(S::Upgraded,     E::GoOut,               A::Ignore,                  S::Upgraded),
    row(S::Upgraded,     E::Tick,                A::Ignore,                  S::Upgraded),

    // The end.
    row(S::Closed,       E::Tick,                A::Ignore,                  S::Closed),
];

/// Every pair that does not fit. For an input the caller gets `NotAccepted`; an internal event here never happens,
/// and the tests show it.
#[rustfmt::skip]
pub const REFUSALS: &[Refusal<State, Event>] = &[
    // Fresh
    refuse(S::Fresh, E::Sent), refuse(S::Fresh, E::Busy), refuse(S::Fresh, E::HttpResponse),
    refuse(S::Fresh, E::Write), refuse(S::Fresh, E::Flush), refuse(S::Fresh, E::Finish),
    refuse(S::Fresh, E::Continue), refuse(S::Fresh, E::Informational), refuse(S::Fresh, E::BodyDemand),
    refuse(S::Fresh, E::Abort), refuse(S::Fresh, E::DequeueRequest), refuse(S::Fresh, E::RequestRefused),
    refuse(S::Fresh, E::NothingMore), refuse(S::Fresh, E::BodyBroken), refuse(S::Fresh, E::AnswerComplete),
    refuse(S::Fresh, E::AnswerShort), refuse(S::Fresh, E::SwitchProtocols), refuse(S::Fresh, E::MustClose),
    refuse(S::Fresh, E::BodyRest), refuse(S::Fresh, E::BodyDiscarded), refuse(S::Fresh, E::NextRequest),
    refuse(S::Fresh, E::OutputDrained), refuse(S::Fresh, E::LingerOver), refuse(S::Fresh, E::HeadTimeout),
    refuse(S::Fresh, E::InactivityTimeout), refuse(S::Fresh, E::ResponselessTimeout),
    refuse(S::Fresh, E::StreamIdleTimeout), refuse(S::Fresh, E::DiscardTimeout), refuse(S::Fresh, E::LingerTimeout),
    refuse(S::Fresh, E::BodyTimeout), refuse(S::Fresh, E::WriteTimeout), refuse(S::Fresh, E::DrainGrace),
    refuse(S::Fresh, E::AgeReached),
    // Head
    refuse(S::Head, E::HttpResponse), refuse(S::Head, E::Write), refuse(S::Head, E::Flush),
    refuse(S::Head, E::Finish), refuse(S::Head, E::Continue), refuse(S::Head, E::Informational),
    refuse(S::Head, E::BodyDemand), refuse(S::Head, E::Abort), refuse(S::Head, E::BodyBroken),
    refuse(S::Head, E::AnswerComplete), refuse(S::Head, E::AnswerShort), refuse(S::Head, E::SwitchProtocols),
    refuse(S::Head, E::MustClose), refuse(S::Head, E::BodyRest), refuse(S::Head, E::BodyDiscarded),
    refuse(S::Head, E::NextRequest), refuse(S::Head, E::LingerOver), refuse(S::Head, E::FirstByteTimeout),
    refuse(S::Head, E::InactivityTimeout), refuse(S::Head, E::ResponselessTimeout),
    refuse(S::Head, E::StreamIdleTimeout), refuse(S::Head, E::DiscardTimeout), refuse(S::Head, E::LingerTimeout),
    refuse(S::Head, E::BodyTimeout), refuse(S::Head, E::DrainGrace), refuse(S::Head, E::AgeReached),
    // Idle
    refuse(S::Idle, E::Sent), refuse(S::Idle, E::Busy), refuse(S::Idle, E::HttpResponse), refuse(S::Idle, E::Write),
    refuse(S::Idle, E::Flush), refuse(S::Idle, E::Finish), refuse(S::Idle, E::Continue),
    refuse(S::Idle, E::Informational), refuse(S::Idle, E::BodyDemand), refuse(S::Idle, E::Abort),
    refuse(S::Idle, E::DequeueRequest), refuse(S::Idle, E::RequestRefused), refuse(S::Idle, E::NothingMore),
    refuse(S::Idle, E::BodyBroken), refuse(S::Idle, E::AnswerComplete), refuse(S::Idle, E::AnswerShort),
    refuse(S::Idle, E::SwitchProtocols), refuse(S::Idle, E::MustClose), refuse(S::Idle, E::BodyRest),
    refuse(S::Idle, E::BodyDiscarded), refuse(S::Idle, E::NextRequest), refuse(S::Idle, E::OutputDrained),
    refuse(S::Idle, E::LingerOver), refuse(S::Idle, E::FirstByteTimeout), refuse(S::Idle, E::HeadTimeout),
    refuse(S::Idle, E::ResponselessTimeout), refuse(S::Idle, E::StreamIdleTimeout),
    refuse(S::Idle, E::DiscardTimeout), refuse(S::Idle, E::LingerTimeout), refuse(S::Idle, E::BodyTimeout),
    refuse(S::Idle, E::WriteTimeout),
    // WaitResponse
    refuse(S::WaitResponse, E::Write), refuse(S::WaitResponse, E::Finish), refuse(S::WaitResponse, E::DequeueRequest),
    refuse(S::WaitResponse, E::RequestRefused), refuse(S::WaitResponse, E::NothingMore),
    refuse(S::WaitResponse, E::AnswerComplete), refuse(S::WaitResponse, E::AnswerShort),
    refuse(S::WaitResponse, E::SwitchProtocols), refuse(S::WaitResponse, E::MustClose),
    refuse(S::WaitResponse, E::BodyRest), refuse(S::WaitResponse, E::BodyDiscarded),
    refuse(S::WaitResponse, E::NextRequest), refuse(S::WaitResponse, E::LingerOver),
    refuse(S::WaitResponse, E::FirstByteTimeout), refuse(S::WaitResponse, E::HeadTimeout),
    refuse(S::WaitResponse, E::InactivityTimeout), refuse(S::WaitResponse, E::StreamIdleTimeout),
    refuse(S::WaitResponse, E::DiscardTimeout), refuse(S::WaitResponse, E::LingerTimeout),
    refuse(S::WaitResponse, E::DrainGrace), refuse(S::WaitResponse, E::AgeReached),
    // Responding
    refuse(S::Responding, E::Busy), refuse(S::Responding, E::HttpResponse), refuse(S::Responding, E::Continue),
    refuse(S::Responding, E::Informational), refuse(S::Responding, E::DequeueRequest),
    refuse(S::Responding, E::RequestRefused), refuse(S::Responding, E::NothingMore),
    refuse(S::Responding, E::MustClose), refuse(S::Responding, E::BodyRest), refuse(S::Responding, E::BodyDiscarded),
    refuse(S::Responding, E::NextRequest), refuse(S::Responding, E::LingerOver),
    refuse(S::Responding, E::FirstByteTimeout), refuse(S::Responding, E::HeadTimeout),
    refuse(S::Responding, E::InactivityTimeout), refuse(S::Responding, E::ResponselessTimeout),
    refuse(S::Responding, E::DiscardTimeout), refuse(S::Responding, E::LingerTimeout),
    refuse(S::Responding, E::DrainGrace), refuse(S::Responding, E::AgeReached),
    // Discard
    refuse(S::Discard, E::Busy), refuse(S::Discard, E::HttpResponse), refuse(S::Discard, E::Write),
    refuse(S::Discard, E::Flush), refuse(S::Discard, E::Finish), refuse(S::Discard, E::Continue),
    refuse(S::Discard, E::Informational), refuse(S::Discard, E::BodyDemand), refuse(S::Discard, E::Abort),
    refuse(S::Discard, E::DequeueRequest), refuse(S::Discard, E::RequestRefused), refuse(S::Discard, E::NothingMore),
    refuse(S::Discard, E::BodyBroken), refuse(S::Discard, E::AnswerComplete), refuse(S::Discard, E::AnswerShort),
    refuse(S::Discard, E::SwitchProtocols), refuse(S::Discard, E::MustClose), refuse(S::Discard, E::BodyRest),
    refuse(S::Discard, E::NextRequest), refuse(S::Discard, E::LingerOver), refuse(S::Discard, E::FirstByteTimeout),
    refuse(S::Discard, E::HeadTimeout), refuse(S::Discard, E::InactivityTimeout),
    refuse(S::Discard, E::ResponselessTimeout), refuse(S::Discard, E::StreamIdleTimeout),
    refuse(S::Discard, E::LingerTimeout), refuse(S::Discard, E::BodyTimeout), refuse(S::Discard, E::DrainGrace),
    refuse(S::Discard, E::DrainTimeout), refuse(S::Discard, E::AgeReached),
    // Flushing
    refuse(S::Flushing, E::Busy), refuse(S::Flushing, E::HttpResponse), refuse(S::Flushing, E::Write),
    refuse(S::Flushing, E::Flush), refuse(S::Flushing, E::Finish), refuse(S::Flushing, E::Continue),
    refuse(S::Flushing, E::Informational), refuse(S::Flushing, E::BodyDemand), refuse(S::Flushing, E::Abort),
    refuse(S::Flushing, E::DequeueRequest), refuse(S::Flushing, E::RequestRefused),
    refuse(S::Flushing, E::NothingMore), refuse(S::Flushing, E::BodyBroken), refuse(S::Flushing, E::AnswerComplete),
    refuse(S::Flushing, E::AnswerShort), refuse(S::Flushing, E::SwitchProtocols),
    refuse(S::Flushing, E::BodyDiscarded), refuse(S::Flushing, E::LingerOver),
    refuse(S::Flushing, E::FirstByteTimeout), refuse(S::Flushing, E::HeadTimeout),
    refuse(S::Flushing, E::InactivityTimeout), refuse(S::Flushing, E::ResponselessTimeout),
    refuse(S::Flushing, E::StreamIdleTimeout), refuse(S::Flushing, E::DiscardTimeout),
    refuse(S::Flushing, E::LingerTimeout), refuse(S::Flushing, E::BodyTimeout), refuse(S::Flushing, E::DrainGrace),
    refuse(S::Flushing, E::AgeReached),
    // Closing
    refuse(S::Closing, E::RxData), refuse(S::Closing, E::Busy), refuse(S::Closing, E::HttpResponse),
    refuse(S::Closing, E::Write), refuse(S::Closing, E::Flush), refuse(S::Closing, E::Finish),
    refuse(S::Closing, E::Continue), refuse(S::Closing, E::Informational), refuse(S::Closing, E::BodyDemand),
    refuse(S::Closing, E::Abort), refuse(S::Closing, E::DequeueRequest), refuse(S::Closing, E::RequestRefused),
    refuse(S::Closing, E::NothingMore), refuse(S::Closing, E::BodyBroken), refuse(S::Closing, E::AnswerComplete),
    refuse(S::Closing, E::AnswerShort), refuse(S::Closing, E::SwitchProtocols), refuse(S::Closing, E::MustClose),
    refuse(S::Closing, E::BodyRest), refuse(S::Closing, E::BodyDiscarded), refuse(S::Closing, E::NextRequest),
    refuse(S::Closing, E::LingerOver), refuse(S::Closing, E::FirstByteTimeout), refuse(S::Closing, E::HeadTimeout),
    refuse(S::Closing, E::InactivityTimeout), refuse(S::Closing, E::ResponselessTimeout),
    refuse(S::Closing, E::StreamIdleTimeout), refuse(S::Closing, E::DiscardTimeout),
    refuse(S::Closing, E::LingerTimeout), refuse(S::Closing, E::BodyTimeout), refuse(S::Closing, E::DrainGrace),
    refuse(S::Closing, E::AgeReached),
    // Lingering
    refuse(S::Lingering, E::Sent), refuse(S::Lingering, E::Busy), refuse(S::Lingering, E::HttpResponse),
    refuse(S::Lingering, E::Write), refuse(S::Lingering, E::Flush), refuse(S::Lingering, E::Finish),
    refuse(S::Lingering, E::Continue), refuse(S::Lingering, E::Informational), refuse(S::Lingering, E::BodyDemand),
    refuse(S::Lingering, E::Abort), refuse(S::Lingering, E::DequeueRequest), refuse(S::Lingering, E::RequestRefused),
    refuse(S::Lingering, E::NothingMore), refuse(S::Lingering, E::BodyBroken),
    refuse(S::Lingering, E::AnswerComplete), refuse(S::Lingering, E::AnswerShort),
    refuse(S::Lingering, E::SwitchProtocols), refuse(S::Lingering, E::MustClose), refuse(S::Lingering, E::BodyRest),
    refuse(S::Lingering, E::BodyDiscarded), refuse(S::Lingering, E::NextRequest),
    refuse(S::Lingering, E::OutputDrained), refuse(S::Lingering, E::FirstByteTimeout),
    refuse(S::Lingering, E::HeadTimeout), refuse(S::Lingering, E::InactivityTimeout),
    refuse(S::Lingering, E::ResponselessTimeout), refuse(S::Lingering, E::StreamIdleTimeout),
    refuse(S::Lingering, E::DiscardTimeout), refuse(S::Lingering, E::BodyTimeout),
    refuse(S::Lingering, E::WriteTimeout), refuse(S::Lingering, E::DrainGrace), refuse(S::Lingering, E::AgeReached),
    // Handover
    refuse(S::Handover, E::Busy), refuse(S::Handover, E::HttpResponse), refuse(S::Handover, E::Write),
    refuse(S::Handover, E::Finish), refuse(S::Handover, E::Continue), refuse(S::Handover, E::Informational),
    refuse(S::Handover, E::BodyDemand), refuse(S::Handover, E::Abort), refuse(S::Handover, E::DequeueRequest),
    refuse(S::Handover, E::RequestRefused), refuse(S::Handover, E::NothingMore), refuse(S::Handover, E::BodyBroken),
    refuse(S::Handover, E::AnswerComplete), refuse(S::Handover, E::AnswerShort),
    refuse(S::Handover, E::SwitchProtocols), refuse(S::Handover, E::MustClose), refuse(S::Handover, E::BodyRest),
    refuse(S::Handover, E::BodyDiscarded), refuse(S::Handover, E::NextRequest), refuse(S::Handover, E::LingerOver),
    refuse(S::Handover, E::FirstByteTimeout), refuse(S::Handover, E::HeadTimeout),
    refuse(S::Handover, E::InactivityTimeout), refuse(S::Handover, E::ResponselessTimeout),
    refuse(S::Handover, E::StreamIdleTimeout), refuse(S::Handover, E::DiscardTimeout),
    refuse(S::Handover, E::LingerTimeout), refuse(S::Handover, E::BodyTimeout), refuse(S::Handover, E::DrainGrace),
    refuse(S::Handover, E::AgeReached),
    // Upgraded
    refuse(S::Upgraded, E::RxData), refuse(S::Upgraded, E::RxEnd), refuse(S::Upgraded, E::Sent),
    refuse(S::Upgraded, E::TransmitReady), refuse(S::Upgraded, E::Busy), refuse(S::Upgraded, E::Evict),
    refuse(S::Upgraded, E::Judge), refuse(S::Upgraded, E::HttpResponse), refuse(S::Upgraded, E::Write),
    refuse(S::Upgraded, E::Flush), refuse(S::Upgraded, E::Finish), refuse(S::Upgraded, E::Continue),
    refuse(S::Upgraded, E::Informational), refuse(S::Upgraded, E::BodyDemand), refuse(S::Upgraded, E::Abort),
    refuse(S::Upgraded, E::DequeueRequest), refuse(S::Upgraded, E::RequestRefused),
    refuse(S::Upgraded, E::NothingMore), refuse(S::Upgraded, E::BodyBroken), refuse(S::Upgraded, E::AnswerComplete),
    refuse(S::Upgraded, E::AnswerShort), refuse(S::Upgraded, E::SwitchProtocols), refuse(S::Upgraded, E::MustClose),
    refuse(S::Upgraded, E::BodyRest), refuse(S::Upgraded, E::BodyDiscarded), refuse(S::Upgraded, E::NextRequest),
    refuse(S::Upgraded, E::OutputDrained), refuse(S::Upgraded, E::LingerOver),
    refuse(S::Upgraded, E::FirstByteTimeout), refuse(S::Upgraded, E::HeadTimeout),
    refuse(S::Upgraded, E::InactivityTimeout), refuse(S::Upgraded, E::ResponselessTimeout),
    refuse(S::Upgraded, E::StreamIdleTimeout), refuse(S::Upgraded, E::DiscardTimeout),
    refuse(S::Upgraded, E::LingerTimeout), refuse(S::Upgraded, E::BodyTimeout), refuse(S::Upgraded, E::WriteTimeout),
    refuse(S::Upgraded, E::DrainGrace), refuse(S::Upgraded, E::DrainTimeout), refuse(S::Upgraded, E::AgeReached),
    // Closed
    refuse(S::Closed, E::RxData), refuse(S::Closed, E::RxEnd), refuse(S::Closed, E::Sent),
    refuse(S::Closed, E::TransmitReady), refuse(S::Closed, E::Disconnected), refuse(S::Closed, E::Busy),
    refuse(S::Closed, E::Evict), refuse(S::Closed, E::Judge), refuse(S::Closed, E::HttpResponse),
    refuse(S::Closed, E::Write), refuse(S::Closed, E::Flush), refuse(S::Closed, E::Finish),
    refuse(S::Closed, E::Continue), refuse(S::Closed, E::Informational), refuse(S::Closed, E::BodyDemand),
    refuse(S::Closed, E::Abort), refuse(S::Closed, E::GoOut), refuse(S::Closed, E::DequeueRequest),
    refuse(S::Closed, E::RequestRefused), refuse(S::Closed, E::NothingMore), refuse(S::Closed, E::BodyBroken),
    refuse(S::Closed, E::AnswerComplete), refuse(S::Closed, E::AnswerShort), refuse(S::Closed, E::SwitchProtocols),
    refuse(S::Closed, E::MustClose), refuse(S::Closed, E::BodyRest), refuse(S::Closed, E::BodyDiscarded),
    refuse(S::Closed, E::NextRequest), refuse(S::Closed, E::OutputDrained), refuse(S::Closed, E::LingerOver),
    refuse(S::Closed, E::FirstByteTimeout), refuse(S::Closed, E::HeadTimeout),
    refuse(S::Closed, E::InactivityTimeout), refuse(S::Closed, E::ResponselessTimeout),
    refuse(S::Closed, E::StreamIdleTimeout), refuse(S::Closed, E::DiscardTimeout),
    refuse(S::Closed, E::LingerTimeout), refuse(S::Closed, E::BodyTimeout), refuse(S::Closed, E::WriteTimeout),
    refuse(S::Closed, E::DrainGrace), refuse(S::Closed, E::DrainTimeout), refuse(S::Closed, E::AgeReached),
];

/// The same, folded for the machine.
pub static MATRIX: Matrix<State, Action, 12, 43> = crate::fold!(State, Event, Action, ROWS, REFUSALS);
