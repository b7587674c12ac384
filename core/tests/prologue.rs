//! What comes before HTTP: the verdicts, the limit, the deadlines, a drain.

use std::time::Duration;

use httpfsm::channel::Leave;
use httpfsm::error::{CloseReason, Rule};
use httpfsm::fsm::Cause;
use httpfsm::prologue::{
    Event, Internal, Prologue, PrologueInput, PrologueNotAccepted, PrologueOutput, State, Step,
};
use httpfsm::server::NotAdmitted;
use httpfsm::time::Moment;
use httpfsm::{ServerConfig, Status};

fn prologue() -> Prologue {
    Prologue::new(&ServerConfig::default())
}

fn at(millis: u64) -> Moment {
    Moment::from_millis(millis)
}

/// What the prologue says to an input, and where it stands then.
#[track_caller]
fn tell(prologue: &mut Prologue, millis: u64, input: PrologueInput) -> (Vec<PrologueOutput>, State) {
    prologue.handle(at(millis), input).unwrap_or_else(|refused| panic!("{input:?}: {refused}"));
    (std::iter::from_fn(|| prologue.next_output()).collect(), prologue.state())
}

/// One whose handshake begins at `millis`.
fn handshake(millis: u64) -> Prologue {
    let mut prologue = prologue();
    let told = tell(&mut prologue, millis, PrologueInput::LayerChosen);
    assert_eq!(told, (vec![PrologueOutput::BeginHandshake], State::Handshake));
    prologue
}

#[test]
fn a_preface_that_is_read_opens_the_channel() {
    let mut prologue = prologue();
    assert_eq!(tell(&mut prologue, 1, PrologueInput::Received(7)), (vec![], State::Preface));
    let told = tell(&mut prologue, 2, PrologueInput::PrefaceRead);
    assert_eq!(told, (vec![PrologueOutput::Open(None)], State::Open));
}

#[test]
fn a_preface_that_breaks_a_rule_opens_a_channel_that_says_so() {
    for rule in [Rule::Preface, Rule::FirstByte] {
        let told = tell(&mut prologue(), 1, PrologueInput::PrefaceRefused(rule));
        assert_eq!(told, (vec![PrologueOutput::Open(Some(rule))], State::Open));
        assert_eq!(rule.status(), Status::BAD_REQUEST);
    }
}

/// As plain HTTP where TLS is expected.
#[test]
fn what_comes_in_place_of_a_handshake_opens_a_channel_that_says_so() {
    let told = tell(&mut handshake(1), 2, PrologueInput::HandshakeRefused(Rule::NotTls));
    assert_eq!(told, (vec![PrologueOutput::Open(Some(Rule::NotTls))], State::Open));
    assert_eq!(Rule::NotTls.status(), Status::BAD_REQUEST);
}

/// Wherever it is cut: the limit is one of bytes, not of reads.
#[test]
fn a_preface_that_needs_more_bytes_than_it_may_have_is_refused_at_the_last_of_them() {
    let config = ServerConfig { max_preface_bytes: 7, ..ServerConfig::default() };
    for first in 1..7 {
        let mut prologue = Prologue::new(&config);
        assert_eq!(prologue.room(), 7);
        assert_eq!(tell(&mut prologue, 1, PrologueInput::Received(first)), (vec![], State::Preface));
        assert_eq!(prologue.room(), 7 - first);
        let told = tell(&mut prologue, 2, PrologueInput::Received(7 - first));
        assert_eq!(told, (vec![PrologueOutput::Open(Some(Rule::PrefaceTooLong))], State::Open));
        assert_eq!(prologue.room(), 0);
    }
}

#[test]
fn no_bytes_and_more_than_there_is_room_for_are_not_accepted() {
    let config = ServerConfig { max_preface_bytes: 7, ..ServerConfig::default() };
    let mut prologue = Prologue::new(&config);
    for bytes in [0, 8, u32::MAX] {
        let refused = prologue.handle(at(1), PrologueInput::Received(bytes)).expect_err("it does not fit");
        assert_eq!((refused.state, refused.event), (State::Preface, Event::Received), "{bytes}");
        assert_eq!((prologue.room(), prologue.next_output()), (7, None), "{bytes}");
    }
    let text = |refused: PrologueNotAccepted| refused.to_string();
    let refused = prologue.handle(at(1), PrologueInput::Established).map_err(text);
    assert_eq!(refused, Err("The prologue does not accept Established in the state Preface.".to_owned()));
}

#[test]
fn without_a_limit_a_preface_may_have_one_read_of_a_channel() {
    for limit in [0, u32::MAX] {
        let config = ServerConfig { max_preface_bytes: limit, ..ServerConfig::default() };
        assert_eq!(Prologue::new(&config).room(), 64 << 10);
    }
}

#[test]
fn a_handshake_opens_the_channel_or_hands_the_connection_over_or_fails() {
    let verdicts = [
        (PrologueInput::Established, PrologueOutput::Open(None), State::Open),
        (PrologueInput::OtherProtocol, PrologueOutput::HandOver, State::Handed),
        (PrologueInput::HandshakeFailed, PrologueOutput::Close(CloseReason::HandshakeFailed), State::Refused),
    ];
    for (verdict, output, state) in verdicts {
        assert_eq!(tell(&mut handshake(5), 9, verdict), (vec![output], state));
    }
}

#[test]
fn a_preface_may_hand_the_connection_over_and_may_name_a_peer_that_is_not_served() {
    let verdicts = [
        (PrologueInput::OtherProtocol, PrologueOutput::HandOver, State::Handed),
        (PrologueInput::NotAdmitted, PrologueOutput::Close(CloseReason::NotAdmitted), State::Refused),
    ];
    for (verdict, output, state) in verdicts {
        assert_eq!(tell(&mut prologue(), 9, verdict), (vec![output], state));
    }
    assert_ne!(NotAdmitted::Peer.to_string(), CloseReason::NotAdmitted.to_string());
}

#[test]
fn the_peer_and_the_server_may_end_both_stages() {
    let ends = [
        (PrologueInput::RxEnd, CloseReason::PeerEnded),
        (PrologueInput::Disconnected, CloseReason::Disconnected),
        (PrologueInput::Evict, CloseReason::Evicted),
        (PrologueInput::NoRoom, CloseReason::NoRoom),
    ];
    for (input, reason) in ends {
        for mut prologue in [prologue(), handshake(0)] {
            let told = tell(&mut prologue, 9, input);
            assert_eq!(told, (vec![PrologueOutput::Close(reason)], State::Closed));
            assert!(prologue.handle(at(9), input).is_err(), "{input:?} comes once");
        }
    }
}

/// All inputs but the passing of time.
const INPUTS: [PrologueInput; 12] = [
    PrologueInput::Received(1),
    PrologueInput::PrefaceRead,
    PrologueInput::LayerChosen,
    PrologueInput::PrefaceRefused(Rule::Preface),
    PrologueInput::NotAdmitted,
    PrologueInput::Established,
    PrologueInput::HandshakeFailed,
    PrologueInput::OtherProtocol,
    PrologueInput::RxEnd,
    PrologueInput::Disconnected,
    PrologueInput::Evict,
    PrologueInput::NoRoom,
];

#[track_caller]
fn refuses(prologue: &mut Prologue, inputs: &[PrologueInput]) {
    let state = prologue.state();
    for input in inputs {
        let refused = prologue.handle(at(20), *input).expect_err("it does not fit");
        assert_eq!((refused.state, refused.event), (state, input.event()));
        assert_eq!((prologue.state(), prologue.next_output()), (state, None), "{input:?}");
    }
}

#[test]
fn a_prologue_that_is_over_takes_nothing_more() {
    let leave = Leave { idle_until: at(1), fresh_until: at(1), cut_at: at(1) };
    for last in [
        PrologueInput::Established,
        PrologueInput::OtherProtocol,
        PrologueInput::HandshakeFailed,
        PrologueInput::Disconnected,
    ] {
        let mut prologue = handshake(5);
        tell(&mut prologue, 9, last);
        refuses(&mut prologue, &INPUTS);
        refuses(&mut prologue, &[PrologueInput::GoOut(leave)]);
        assert_eq!(tell(&mut prologue, 99_999, PrologueInput::Tick).0, [], "{last:?}");
    }
}

#[test]
fn each_stage_takes_its_own_verdicts() {
    refuses(&mut prologue(), &[PrologueInput::Established, PrologueInput::HandshakeFailed]);
    refuses(&mut handshake(5), &INPUTS[..5]);
}

/// However many bytes come meanwhile.
#[test]
fn the_deadline_of_the_preface_is_absolute() {
    let mut prologue = prologue();
    for second in 0..10 {
        assert_eq!(tell(&mut prologue, 1000 * second, PrologueInput::Received(1)).1, State::Preface);
        assert_eq!(prologue.deadline(), Some(at(10_000)));
    }
    assert_eq!(tell(&mut prologue, 9999, PrologueInput::Tick), (vec![], State::Preface));
    let told = tell(&mut prologue, 10_000, PrologueInput::Tick);
    assert_eq!(told, (vec![PrologueOutput::Close(CloseReason::PrefaceTimeout)], State::Closed));
    assert_eq!(prologue.deadline(), None);
}

#[test]
fn the_deadline_of_the_handshake_runs_from_the_end_of_the_preface() {
    let mut prologue = handshake(9000);
    assert_eq!(prologue.deadline(), Some(at(19_000)));
    let told = tell(&mut prologue, 19_000, PrologueInput::Tick);
    assert_eq!(told, (vec![PrologueOutput::Close(CloseReason::HandshakeTimeout)], State::Closed));
}

#[test]
fn an_input_at_a_deadline_comes_too_late() {
    let mut late = prologue();
    let refused = late.handle(at(10_000), PrologueInput::PrefaceRead).expect_err("the deadline comes first");
    assert_eq!((refused.state, refused.event), (State::Closed, Event::PrefaceRead));
    assert_eq!(late.next_output(), Some(PrologueOutput::Close(CloseReason::PrefaceTimeout)));
    // A time in the past is none.
    let mut early = prologue();
    tell(&mut early, 9000, PrologueInput::Received(1));
    tell(&mut early, 3, PrologueInput::LayerChosen);
    assert_eq!(early.deadline(), Some(at(19_000)));
}

#[test]
fn a_deadline_that_is_none_or_zero_never_passes_and_one_below_a_millisecond_is_one() {
    let never = Duration::ZERO;
    let config =
        ServerConfig { preface_timeout: None, handshake_timeout: Some(never), ..ServerConfig::default() };
    let mut prologue = Prologue::new(&config);
    assert_eq!(prologue.deadline(), None);
    tell(&mut prologue, 1 << 50, PrologueInput::LayerChosen);
    assert_eq!(prologue.deadline(), None);
    let config = ServerConfig { preface_timeout: Some(Duration::from_nanos(1)), ..config };
    assert_eq!(Prologue::new(&config).deadline(), Some(at(1)));
}

fn leave(fresh_until: u64, cut_at: u64) -> PrologueInput {
    let (fresh_until, cut_at) = (at(fresh_until), at(cut_at));
    PrologueInput::GoOut(Leave { idle_until: Moment::START, fresh_until, cut_at })
}

/// As one that is open and has made no request.
#[test]
fn in_a_drain_a_connection_may_go_on_until_the_time_of_a_first_request_is_over() {
    for (fresh_until, cut_at) in [(1500, 5000), (5000, 1500)] {
        for mut prologue in [prologue(), handshake(0)] {
            let state = prologue.state();
            assert_eq!(tell(&mut prologue, 500, leave(fresh_until, cut_at)), (vec![], state));
            assert_eq!(prologue.deadline(), Some(at(1500)));
            let told = tell(&mut prologue, 1500, PrologueInput::Tick);
            assert_eq!(told, (vec![PrologueOutput::Close(CloseReason::Drained)], State::Closed));
        }
    }
    let mut goes_on = handshake(0);
    tell(&mut goes_on, 500, leave(1500, 5000));
    let told = tell(&mut goes_on, 1499, PrologueInput::Established);
    assert_eq!(told, (vec![PrologueOutput::Open(None)], State::Open));
    assert_eq!(goes_on.deadline(), None);
}

#[test]
fn a_drain_lengthens_no_deadline_may_come_again_and_may_be_over_at_once() {
    let mut prologue = prologue();
    tell(&mut prologue, 500, leave(60_000, 60_000));
    assert_eq!(prologue.deadline(), Some(at(10_000)));
    tell(&mut prologue, 600, leave(2000, 60_000));
    assert_eq!(prologue.deadline(), Some(at(2000)));
    let told = tell(&mut prologue, 700, leave(700, 60_000));
    assert_eq!(told, (vec![PrologueOutput::Close(CloseReason::Drained)], State::Closed));
}

#[test]
fn whoever_takes_no_outputs_is_not_told_to_begin_a_handshake_that_is_over() {
    let mut prologue = prologue();
    prologue.handle(at(1), PrologueInput::LayerChosen).expect("there is no preface");
    prologue.handle(at(2), PrologueInput::Evict).expect("it may be evicted");
    assert_eq!(prologue.next_output(), Some(PrologueOutput::Close(CloseReason::Evicted)));
    assert_eq!(prologue.next_output(), None);
}

#[test]
fn each_row_is_told_to_the_trace() {
    let mut steps = Vec::new();
    let config = ServerConfig { max_preface_bytes: 1, ..ServerConfig::default() };
    Prologue::new(&config)
        .handle_with(at(3), PrologueInput::Received(1), &mut |step: &Step| {
            steps.push((step.at, step.state, step.cause, step.next));
        })
        .expect("there is room");
    let expected = [
        (at(3), State::Preface, Cause::Input(Event::Tick), State::Preface),
        (at(3), State::Preface, Cause::Input(Event::Received), State::Preface),
        (at(3), State::Preface, Cause::Internal(Internal::PrefaceTooLong), State::Open),
    ];
    assert_eq!(steps, expected);
}

#[test]
fn a_trace_that_panics_leaves_nothing_half_done() {
    let config = ServerConfig { max_preface_bytes: 1, ..ServerConfig::default() };
    let mut prologue = Prologue::new(&config);
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        prologue.handle_with(at(3), PrologueInput::Received(1), &mut |step: &Step| {
            assert_ne!(step.cause, Cause::Input(Event::Received), "as it must");
        })
    }));
    assert!(panicked.is_err());
    assert_eq!(prologue.next_output(), Some(PrologueOutput::Open(Some(Rule::PrefaceTooLong))));
}
