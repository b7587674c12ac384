//! Contract 8: what is pending is state and can be asked for again; nothing hangs on having listened.

use proptest::prelude::*;

use super::application::{Script, scripts};
use super::caller::{Call, Caller, View, steps};
use super::cases;
use super::choices::{Choices, choices};
use super::limits::{Limits, limits};
use super::messages::traffic;
use super::model::{Model, is_one_write};
use super::progress::turn;
use super::seen::Seen;
use httpfsm::channel::{Data, Input};
use httpfsm::response::{BodyRef, ResponseRef};
use httpfsm::{Fields, Status};

proptest! {
    #![proptest_config(cases(256))]

    /// Questions have no effect: asked twice, the response is the same, and the views of one thing agree.
    ///
    /// Fails if `unsent_slices` leaves out what stands behind large content.
    #[test]
    fn asking_changes_nothing(traffic in traffic(), limits in limits(), steps in steps()) {
        let mut caller = Caller::new(&limits.config(), &traffic);
        for step in &steps {
            let (_, first) = caller.step(step);
            prop_assert_eq!(&first, &View::of(&caller.channel));
            let channel = &caller.channel;
            let mut slices = [&b""[..]; 3];
            let n = channel.unsent_slices(&mut slices);
            prop_assert!(slices[..n].iter().all(|slice| !slice.is_empty()), "an empty slice");
            let write = slices[..n].concat();
            let staged: Vec<u8> = channel.staged().flatten().copied().collect();
            prop_assert!(is_one_write(&write, &staged[write.len()..]), "no write of its own");
            prop_assert_eq!(write.is_empty(), channel.unsent_len() == 0);
            prop_assert_eq!(slices[0], channel.unsent());
            prop_assert_eq!(channel.waits_for().room(), channel.unsent_len() > 0);
            prop_assert_eq!(channel.waits_for().input(), channel.input_room() > 0);
            prop_assert_eq!(channel.waits_for().deadline(), channel.deadline().is_some());
        }
    }

    /// Outputs wait: taken late, they are the ones that would have come at once, and `has_output` tells of each.
    ///
    /// Fails if `has_output` forgets body bytes.
    #[test]
    fn outputs_wait_until_they_are_taken(traffic in traffic(), limits in limits(), steps in steps()) {
        let mut caller = Caller::new(&limits.config(), &traffic);
        for step in &steps {
            caller.step(step);
            if matches!(step.call, Call::Outputs(_)) {
                let expected = caller.channel.has_output();
                prop_assert_eq!(Seen::of(&mut caller.channel).is_some(), expected);
            }
        }
    }

    /// An application that writes until there is no room is told of room, once there is some for content of any
    /// length.
    #[test]
    fn transmit_ready_follows_every_refusal_of_room(
        bytes in traffic(),
        limits in limits(),
        scripts in scripts(),
        order in choices(),
        turns in 1usize..300,
    ) {
        let mut model = Model::new(&limits.config(), &scripts);
        let (mut choices, mut at) = (Choices::new(&order), 0);
        let mut blocked = None;
        for _ in 0..turns {
            turn(&mut model, &bytes, &mut at, &mut choices);
            let request = (model.requests, model.channel.owes_body());
            if !request.1 {
                blocked = None;
            } else if !model.channel.room_for_bytes() {
                blocked = Some((request, model.seen.len()));
            } else if let Some((since, seen)) = blocked.take().filter(|(since, _)| *since == request) {
                while model.take_output() {}
                let told = model.seen[seen..].contains(&Seen::TransmitReady);
                prop_assert!(told || !model.channel.owes_body(), "not told of room, {:?}", since);
            }
        }
    }
}

/// The head of a response can take the last room; the application that waits for room is told of it as well.
///
/// Found: only a Write was remembered.
#[test]
fn a_response_can_be_write_blocked_by_its_own_head() {
    let config = Limits::Tight.config();
    let fields = Fields::new().with("X-Padding", "x".repeat(2000)).expect("a field");
    let mut model = Model::new(&config, &[]);
    model.feed(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    while model.take_output() {}
    let body = BodyRef::Stream { length: None };
    model
        .handle(Input::HttpResponse(ResponseRef { status: Status::OK, fields: &fields, body }))
        .expect("a response");
    assert_eq!(model.channel.room(), 0);
    assert!(model.handle(Input::Write(Data::Slice(b"x"))).is_err());
    while model.take_output() {}
    model.send(usize::MAX);
    while model.take_output() {}
    assert!(model.seen.contains(&Seen::TransmitReady), "{:?}", model.seen);
}

/// A flush is reported when its bytes have left, whatever comes after the response.
///
/// Found: the end of the last response forgot it.
#[test]
fn a_flush_is_reported_even_if_the_channel_closes() {
    for close in ["", "Connection: close\r\n"] {
        let mut model = Model::new(&Limits::Usual.config(), &[Script::Flushed(1)]);
        model.feed(format!("GET / HTTP/1.1\r\nHost: a\r\n{close}\r\n").as_bytes());
        // The response is finished before anything is sent.
        while model.take_output() || model.act() {}
        assert!(!model.seen.contains(&Seen::Flushed));
        model.send(usize::MAX);
        while model.take_output() {}
        assert!(model.seen.contains(&Seen::Flushed), "{close:?}: {:?}", model.seen);
    }
}

/// A 100 is sent at most once, and not after bytes of the body, whoever asks for it.
///
/// Found: Continue sent it.
#[test]
fn no_continue_after_bytes_of_the_body() {
    for (early, ask) in [(true, Input::Continue), (true, Input::BodyDemand(9)), (false, Input::Continue)] {
        let mut model = Model::new(&Limits::Usual.config(), &[]);
        model.feed(b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n");
        if early {
            model.feed(b"b");
        }
        while model.take_output() {}
        model.handle(ask).expect("the application may ask");
        model.handle(Input::Continue).expect("the application may ask again");
        model.send(usize::MAX);
        let times = String::from_utf8_lossy(&model.wire).matches("100 Continue").count();
        assert_eq!(times, usize::from(!early), "{:?}", model.wire.escape_ascii().to_string());
    }
}

/// Whoever fills the output to the mark is told when some of it has left.
///
/// Fails if a Write that fills the output is not remembered.
#[test]
fn a_full_output_is_told_to_have_room_again() {
    let fields = Fields::new();
    let mut model = Model::new(&Limits::Tight.config(), &[]);
    model.feed(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    while model.channel.next_output().is_some() {}
    let body = BodyRef::Stream { length: None };
    model
        .handle(Input::HttpResponse(ResponseRef { status: Status::OK, fields: &fields, body }))
        .expect("a response");
    let filler = vec![b'x'; model.channel.room()];
    model.handle(Input::Write(Data::Slice(&filler))).expect("there was room");
    assert_eq!(model.channel.room(), 0);
    while model.take_output() {}
    assert!(!model.seen.contains(&Seen::TransmitReady));
    model.send(100);
    assert!(model.channel.room() > 0);
    while model.take_output() {}
    assert!(model.seen.contains(&Seen::TransmitReady), "{:?}", model.seen);
}
