//! Contract 6: the memory of a channel has a bound, whatever its peer and its application do.

use proptest::prelude::*;

use super::application::Script;
use super::caller::{Call, Caller, steps};
use super::cases;
use super::limits::{Limits, limits};
use super::memory::EMPTY_LINES;
use super::messages::traffic;
use super::model::Model;
use httpfsm::channel::{Data, Input, State, WorkerBuffers};
use httpfsm::response::{BodyRef, ResponseRef};
use httpfsm::{Fields, Status};

/// One read, and the size of a store of its own.
const READ: usize = 64 << 10;
const STORE: usize = 16 << 10;

/// The largest response that the caller gives at once, and its head.
const HEAD: usize = 1 << 10;

proptest! {
    #![proptest_config(cases(256))]

    /// Buffers stay below the bound: a head or trailer section and one read of input; twice the high-water mark and a
    /// head of output (the mark was not reached, then a response came). Capacity is at most twice that.
    ///
    /// Fails if the input bound is ignored.
    #[test]
    fn buffers_stay_below_their_bound(
        traffic in traffic(),
        limits in limits(),
        mut steps in steps(),
        lent in any::<bool>(),
    ) {
        let config = limits.config();
        let head = (config.max_request_header_size as usize).max(config.max_trailer_size as usize);
        let input = head.max(config.input_bound as usize) + READ;
        let output = 2 * config.output_high_water as usize + HEAD + STORE;
        let mut caller = Caller::new(&config, &traffic);
        let mut buffers = WorkerBuffers::new();
        for step in &mut steps {
            if !lent {
                // Asking for room to read to makes some, until something is read or the channel comes to rest again.
                step.call = match step.call {
                    Call::Spare => Call::Tick,
                    Call::Read(n) => Call::RxData(n),
                    ref call => call.clone(),
                };
            }
            let done = if lent { caller.step_with(step, &mut buffers) } else { caller.step(step) };
            let buffered = caller.channel.buffered();
            prop_assert!(buffered <= 2 * (input + output), "{} bytes after {:?}: {:?}", buffered, step, done);
            if caller.channel.is_idle() && !caller.channel.has_output() {
                prop_assert!(buffered <= EMPTY_LINES, "{} held by an idle channel after {:?}", buffered, step);
            }
            buffers.refill();
        }
    }
}

/// Whoever produces bytes without asking for room gets none above the high-water mark.
///
/// Found: interim heads without bound. Fails if a Write is not held to the room.
#[test]
fn no_producer_gets_beyond_the_high_water_mark() {
    let config = Limits::Tight.config();
    let high_water = config.output_high_water as usize;
    let fields = Fields::new();
    let most = high_water + HEAD;
    let give = |input: &dyn Fn(&mut Model) -> bool| {
        let mut model = Model::new(&config, &[Script::Early]);
        model.feed(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        while model.take_output() {}
        for _ in 0..10_000 {
            if !input(&mut model) {
                break;
            }
        }
        assert!(model.channel.unsent_len() <= most, "{} bytes", model.channel.unsent_len());
    };
    give(&|model| model.handle(Input::Informational(Status::EARLY_HINTS, &fields)).is_ok());
    give(&|model| {
        if model.channel.state() == State::WaitResponse {
            let body = BodyRef::Stream { length: None };
            model
                .handle(Input::HttpResponse(ResponseRef { status: Status::OK, fields: &fields, body }))
                .is_ok()
        } else {
            model.handle(Input::Write(Data::Slice(b"x"))).is_ok()
        }
    });
}

/// One content of any length is on its way by reference, and no second one: the application would keep them all.
///
/// Fails if a content by reference is not held to the room.
#[test]
fn one_content_by_reference_is_outstanding() {
    let fields = Fields::new();
    let mut model = Model::new(&Limits::Tight.config(), &[]);
    model.feed(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    while model.channel.next_output().is_some() {}
    let body = BodyRef::Stream { length: None };
    model
        .handle(Input::HttpResponse(ResponseRef { status: Status::OK, fields: &fields, body }))
        .expect("a response");
    let large = bytes::Bytes::from_static(&[b'x'; 100_000]);
    model.handle(Input::Write(Data::Bytes(large.clone()))).expect("there is room for the first");
    while model.channel.unsent_len() > 1 << 10 {
        let unsent = model.channel.unsent_len();
        assert!(!model.channel.room_for_bytes());
        assert!(model.handle(Input::Write(Data::Bytes(large.clone()))).is_err());
        assert_eq!(model.channel.unsent_len(), unsent);
        model.send(10_000);
    }
    model.send(usize::MAX);
    model.handle(Input::Write(Data::Bytes(large))).expect("the first has left");
}

/// A flood of pipelined requests before an application that is silent is read up to the input bound.
///
/// Fails if the input bound is ignored.
#[test]
fn a_flood_is_read_up_to_the_bound() {
    let config = Limits::Usual.config();
    let mut model = Model::new(&config, &[]);
    let flood = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".repeat(10_000);
    let mut at = 0;
    loop {
        let n = model.feed(&flood[at..]);
        if n == 0 {
            break;
        }
        at += n;
        assert!(model.channel.buffered() <= 3 * READ, "{} bytes", model.channel.buffered());
    }
    assert!(at <= 2 * READ, "{at} bytes were read");
    assert!(!model.channel.waits_for().input());
}

/// However large the responses were, a channel at rest holds no buffer, whether a worker lends it buffers or not.
///
/// Found: an output store of 8 KiB or more was kept.
#[test]
fn an_idle_channel_holds_nothing() {
    for lent in [false, true] {
        let mut model = Model::new(&Limits::Usual.config(), &[Script::Echo, Script::Relay]);
        let mut buffers = WorkerBuffers::new();
        for _ in 0..4 {
            if lent {
                model.channel.lend(&mut buffers);
            }
            let mut post = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 40000\r\n\r\n".to_vec();
            post.resize(post.len() + 40_000, b'x');
            let mut at = 0;
            while at < post.len() {
                at += model.feed(&post[at..]);
                model.settle();
            }
            if lent {
                model.channel.take_back(&mut buffers);
            }
            assert_eq!(model.channel.state(), State::Idle);
            assert_eq!(model.channel.buffered(), 0);
        }
    }
}
