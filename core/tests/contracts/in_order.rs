//! Contract 7: responses leave in the order of their requests, and nothing comes late.

use proptest::prelude::*;

use super::application::scripts;
use super::caller::{Call, Caller, steps};
use super::cases;
use super::choices::{Choices, choices};
use super::limits::limits;
use super::messages::{bad, good, traffic, upload};
use super::model::Model;
use super::progress::turn;
use super::seen::Seen;
use httpfsm::channel::{Condition, Event, Input, NotAccepted, State, WorkerBuffers};
use httpfsm::response::ResponseRef;
use httpfsm::{Fields, Status};

/// The numbers of the requests that got a response, as they stand on the wire.
fn responses(wire: &[u8]) -> Vec<usize> {
    String::from_utf8_lossy(wire)
        .split("X-Request: ")
        .skip(1)
        .filter_map(|rest| rest.split_once("\r\n")?.0.parse().ok())
        .collect()
}

proptest! {
    #![proptest_config(cases(256))]

    /// Each request gets one response at most, in order; nothing comes after the last.
    ///
    /// Fails if the connection goes on behind its last response, or if large content overtakes.
    #[test]
    fn responses_leave_in_the_order_of_requests(
        bytes in traffic(),
        limits in limits(),
        scripts in scripts(),
        order in choices(),
    ) {
        let mut model = Model::new(&limits.config(), &scripts);
        model.run_in_any_order(&bytes, &mut Choices::new(&order));
        let numbers = responses(&model.wire);
        prop_assert!(numbers.is_sorted_by(|a, b| a < b), "{numbers:?}");
        prop_assert!(numbers.last().is_none_or(|last| *last <= model.requests), "{numbers:?} of {}", model.requests);
        if let Some((_, rest)) = model.responses().split_once("\r\nConnection: close\r\n") {
            prop_assert!(!rest.contains("X-Request: "), "sent after the last response: {rest:?}");
        }
        prop_assert!(matches!(model.seen.last(), Some(Seen::Closed(_))), "{:?}", model.seen.last());
        let closings = model.seen.iter().filter(|seen| matches!(seen, Seen::Closed(_))).count();
        prop_assert_eq!(closings, 1);
    }

    /// A response that no request waits for is refused, and no byte of it leaves.
    ///
    /// Fails if any state but WaitResponse has a row for a response.
    #[test]
    fn a_late_response_never_reaches_the_wire(
        bytes in traffic(),
        limits in limits(),
        scripts in scripts(),
        order in choices(),
        turns in 1usize..200,
    ) {
        let mut model = Model::new(&limits.config(), &scripts);
        let (mut choices, mut at) = (Choices::new(&order), 0);
        let fields = Fields::new().with("X-Late", "yes").expect("a field");
        for _ in 0..turns {
            turn(&mut model, &bytes, &mut at, &mut choices);
            if model.channel.state() != State::WaitResponse {
                let unsent = model.channel.unsent_len();
                let late = model.handle(Input::HttpResponse(ResponseRef::new(Status::OK, &fields, b"late")));
                prop_assert!(late.is_err(), "in {:?}", model.channel.state());
                prop_assert_eq!(model.channel.unsent_len(), unsent);
            }
            if !model.channel.owes_body() {
                prop_assert!(model.handle(Input::Finish(None)).is_err());
            }
        }
        prop_assert!(!String::from_utf8_lossy(&model.wire).contains("X-Late"));
    }

    /// What an application asks for too late, when its response is complete and the next request is at hand but was not
    /// told of, is not done for the next request.
    ///
    /// Found: bytes of its body were passed on unasked, its 100 was sent unasked, and its head was gone when it was
    /// told of.
    #[test]
    fn what_is_asked_too_late_is_not_done_for_the_next_request(
        first in upload(),
        second in upload(),
        late in prop::sample::select(vec!["demand", "continue", "hint"]),
    ) {
        let mut model = Model::new(&httpfsm::ChannelConfig::default(), &[super::application::Script::Echo]);
        let bytes = [first.wire.0, second.wire.0].concat();
        prop_assert_eq!(model.feed(&bytes), bytes.len());
        // Up to its response, which makes way for the next request.
        while model.channel.stats().requests < 2 {
            let moved = model.take_output() || model.act() || model.send(usize::MAX);
            prop_assert!(moved, "a standstill in {:?}", model.channel.state());
        }
        prop_assert_eq!(model.requests, 1);
        let (fields, unsent) = (Fields::new(), model.channel.unsent_len());
        let input = match late {
            "demand" => Input::BodyDemand(u64::MAX),
            "continue" => Input::Continue,
            _ => Input::Informational(Status::EARLY_HINTS, &fields),
        };
        prop_assert!(model.handle(input).is_err());
        prop_assert_eq!(model.channel.unsent_len(), unsent);
        while model.requests < 2 {
            prop_assert!(model.take_output());
        }
    }

    /// Two requests arrive together. The application responds to the first and, before it takes another output, does one
    /// thing more: that is not for the second request, of which it does not know. Then it responds to the second.
    ///
    /// Found: a second response was the response to the second request, and Abort refused it with 500.
    #[test]
    fn nothing_reaches_a_request_before_it_is_delivered(
        first in upload(),
        second in upload(),
        by_busy in any::<bool>(),
        late in prop::sample::select(vec![
            Event::HttpResponse, Event::Abort, Event::Flush, Event::Continue, Event::Informational, Event::BodyDemand,
            Event::BodyForgone,
        ]),
    ) {
        let mut model = Model::new(&httpfsm::ChannelConfig::default(), &[]);
        let bytes = [first.wire.0, second.wire.0].concat();
        prop_assert_eq!(model.feed(&bytes), bytes.len());
        while model.take_output() {}
        // The body of a request is read before the response: the next request stands behind it.
        prop_assert!(model.handle(Input::BodyDemand(u64::MAX)).is_ok());
        while model.take_output() {}
        let (early, late_fields) =
            (Fields::new(), Fields::new().with("X-Late", "yes").expect("a field"));
        let response = if by_busy {
            Input::Busy
        } else {
            Input::HttpResponse(ResponseRef::new(Status::OK, &early, b"first"))
        };
        prop_assert!(model.handle(response).is_ok());
        prop_assert_eq!((model.channel.state(), model.requests), (State::WaitResponse, 1));

        let unsent = model.channel.unsent_len();
        let refused = model.handle(match late {
            Event::HttpResponse => Input::HttpResponse(ResponseRef::new(Status::OK, &late_fields, b"late")),
            Event::Abort => Input::Abort(None),
            Event::Flush => Input::Flush,
            Event::Continue => Input::Continue,
            Event::Informational => Input::Informational(Status::EARLY_HINTS, &late_fields),
            Event::BodyForgone => Input::BodyForgone,
            _ => Input::BodyDemand(u64::MAX),
        });
        let expected = NotAccepted::new(State::WaitResponse, late, Some(Condition::IsDelivered));
        prop_assert_eq!(refused, Err(expected));
        prop_assert_eq!((model.channel.state(), model.channel.unsent_len()), (State::WaitResponse, unsent));

        while model.take_output() {}
        prop_assert_eq!(model.requests, 2);
        let second = ResponseRef::new(Status::OK, &early, b"second");
        prop_assert!(model.handle(Input::HttpResponse(second)).is_ok());
        while model.send(usize::MAX) {}
        let wire = model.responses();
        prop_assert!(wire.ends_with("second") && !wire.contains("X-Late"), "{wire}");
    }

    /// A bad request behind good ones is refused after their responses, and nothing behind it is served.
    ///
    /// Fails if bytes of a response change places.
    #[test]
    fn a_bad_request_is_refused_in_its_turn(
        before in prop::collection::vec(good(), 0..4),
        bad in bad(),
        after in prop::collection::vec(good(), 0..2),
        order in choices(),
    ) {
        let mut bytes: Vec<u8> = before.iter().flat_map(|message| message.wire.0.clone()).collect();
        bytes.extend_from_slice(&bad.wire);
        bytes.extend(after.iter().flat_map(|message| message.wire.0.clone()));
        let mut model = Model::new(&httpfsm::ChannelConfig::default(), &[super::application::Script::Echo]);
        model.run_in_any_order(&bytes, &mut Choices::new(&order));
        // A bad body is found when its request is with the application.
        let most = before.len() + 1;
        prop_assert!(model.requests <= most, "{} of {} were served", model.requests, most);
        let refused = model.seen.iter().position(|seen| matches!(seen, Seen::Refused(_)));
        if let Some(refused) = refused {
            let behind = &model.seen[refused + 1..];
            prop_assert!(!behind.iter().any(|seen| matches!(seen, Seen::Request(_) | Seen::Body(_))), "{:?}", behind);
            let wire = String::from_utf8_lossy(&model.wire).into_owned();
            let last = wire.rfind("\r\nServer: ").expect("a refusal was sent");
            prop_assert!(wire[last..].contains("Connection: close"), "{wire:?}");
        }
    }

    /// A closed channel takes ticks and nothing else, says nothing, sends nothing and waits for nothing.
    ///
    /// Fails if Closed takes a flush.
    #[test]
    fn nothing_follows_closed(traffic in traffic(), limits in limits(), steps in steps(), more in steps()) {
        let mut caller = Caller::new(&limits.config(), &traffic);
        for step in &steps {
            caller.step(step);
        }
        if caller.channel.state() != State::Closed {
            prop_assume!(caller.call(&Call::Disconnected).result.is_ok());
        }
        while let Some(seen) = Seen::of(&mut caller.channel) {
            if let Seen::Closed(_) = seen {
                break;
            }
        }
        let mut buffers = WorkerBuffers::new();
        for step in &more {
            let (outcome, _) = caller.step_with(step, &mut buffers);
            prop_assert!(outcome.outputs.is_empty(), "{:?} gave {:?}", step, outcome);
            if !matches!(step.call, Call::Tick | Call::Outputs(_) | Call::Spare | Call::Forget | Call::RespondWith) {
                prop_assert!(outcome.result.is_err(), "{:?} was taken", step);
            }
            prop_assert!(caller.channel.unsent().is_empty() && caller.channel.waits_for().is_empty());
        }
    }
}
