//! Contract 4: nothing is lost at a pause, whoever pauses.

use proptest::prelude::*;

use super::application::{Script, scripts};
use super::cases;
use super::choices::{Choices, choices};
use super::limits::limits;
use super::messages::{traffic, upload};
use super::model::Model;
use super::seen::Seen;
use httpfsm::ChannelConfig;

proptest! {
    #![proptest_config(cases(256))]

    /// Demand, sending, taking outputs and the application's turns are paused at random; the bodies that come in are
    /// those that were sent, and the responses are those of a run without pauses. The FIN comes directly behind.
    ///
    /// Found: a trailer section above the input bound that stood still. Fails if a FIN discards what is
    /// buffered, or if the last bytes go with the end.
    #[test]
    fn every_body_comes_in_whole(
        messages in prop::collection::vec(upload(), 1..5),
        input_bound in prop::sample::select(vec![4u32 << 10, 64 << 10]),
        credit in choices(),
        order in choices(),
    ) {
        let config = ChannelConfig { input_bound, ..ChannelConfig::default() };
        let bytes: Vec<u8> = messages.iter().flat_map(|message| message.wire.0.clone()).collect();
        let mut paused = Model::new(&config, &[Script::Echo, Script::EchoStreamed]);
        paused.credit = Some(Choices::new(&credit));
        paused.run_in_any_order(&bytes, &mut Choices::new(&order));

        let mut bodies = Vec::new();
        for seen in &paused.seen {
            match seen {
                Seen::Request(_) => bodies.push((Vec::new(), Vec::new())),
                Seen::Body(bytes) => bodies.last_mut().expect("a request came first").0.extend_from_slice(bytes),
                Seen::BodyEnd(trailers) => bodies.last_mut().expect("a request came first").1.clone_from(trailers),
                Seen::BodyFailed(_) | Seen::Refused(_) | Seen::Drop { reset: true } => {
                    prop_assert!(false, "{:?}", paused.seen);
                }
                _ => {}
            }
        }
        let sent: Vec<_> = messages.into_iter().map(|message| (message.content.0, message.trailers)).collect();
        prop_assert_eq!(bodies, sent);

        let mut eager = Model::new(&config, &[Script::Echo, Script::EchoStreamed]);
        eager.run(&bytes, &[]);
        prop_assert_eq!(paused.responses(), eager.responses());
    }

    /// The same for any traffic and any application: what comes out is what comes out without pauses.
    ///
    /// Found: a BodyFailed that came with the last event instead of the first. Fails if large content
    /// overtakes what is staged.
    #[test]
    fn pauses_do_not_show(
        bytes in traffic(),
        limits in limits(),
        scripts in scripts(),
        credit in choices(),
        order in choices(),
    ) {
        let mut eager = Model::new(&limits.config(), &scripts);
        eager.run(&bytes, &[]);
        let mut paused = Model::new(&limits.config(), &scripts);
        paused.credit = Some(Choices::new(&credit));
        paused.run_in_any_order(&bytes, &mut Choices::new(&order));
        prop_assert_eq!(lasting(&eager), lasting(&paused), "{:?}", bytes);
        prop_assert_eq!(eager.responses(), paused.responses(), "{:?}", bytes);
    }
}

/// What came out, without what depends on who was first.
fn lasting(model: &Model) -> Vec<Seen> {
    let mut lasting: Vec<Seen> = Vec::new();
    for seen in model.events() {
        match (lasting.last_mut(), seen) {
            (_, Seen::PeerEnded | Seen::Flushed | Seen::CloseWrite) => {}
            (Some(Seen::Body(before)), Seen::Body(more)) => before.0.extend_from_slice(&more),
            (Some(Seen::Excess(before)), Seen::Excess(more)) => *before += more,
            (_, seen) => lasting.push(seen),
        }
    }
    lasting
}

/// Bytes of a body that were decoded and not taken before the response are nobody's: least of all the next request's.
///
/// Fails if the end of a response does not drop them.
#[test]
fn what_was_not_taken_of_a_body_is_not_the_next_request_s() {
    let mut model = Model::new(&ChannelConfig::default(), &[]);
    model.feed(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n");
    while model.take_output() {}
    model.handle(httpfsm::channel::Input::BodyDemand(2)).expect("the request waits");
    model.feed(b"bodyGET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let fields = httpfsm::Fields::new();
    let response = httpfsm::response::ResponseRef::new(httpfsm::Status::OK, &fields, b"");
    model.handle(httpfsm::channel::Input::HttpResponse(response)).expect("the request waits");
    while model.take_output() {}
    assert_eq!(model.requests, 2);
    assert!(!model.seen.iter().any(|seen| matches!(seen, Seen::Body(_))), "{:?}", model.seen);
}
