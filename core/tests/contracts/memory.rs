//! Contract 6, by an allocator that counts: what a channel holds is what it says it holds, in proportion to what it
//! was given, and in its steady state it allocates nothing.

use std::sync::Arc;

use allocation_counter::measure;
use httpfsm::channel::{CompiledConfig, Data, Facts, Input, Output, State, WorkerBuffers};
use httpfsm::response::{BodyRef, ResponseRef};
use httpfsm::time::{Date, Moment, Now};
use httpfsm::{Channel, ChannelConfig, Fields, Status};
use proptest::prelude::*;

use super::caller::{Caller, steps};
use super::cases;
use super::limits::limits;
use super::messages::traffic;

/// What a channel holds beside its buffers, from when it first needs it: what reads a body in chunks, what counts the
/// requests that wait, the times of a drain, a head that waits or content in excess, the errors of requests, why the channel
/// closes, and what a large content is sent by.
const BESIDE: [usize; 7] = [56, 24, 24, 120, 32, 24, 40];

/// Whether it is this much of these.
fn is_beside(held: usize) -> bool {
    (0..1 << BESIDE.len()).any(|which| {
        let taken = BESIDE.iter().enumerate().filter(|(at, _)| which >> at & 1 == 1);
        taken.map(|(_, size)| size).sum::<usize>() == held
    })
}

/// What an idle channel holds at most: four empty lines, and the beginning of one more.
pub(crate) const EMPTY_LINES: usize = 9;

/// One read, and the first step in which a store of its own grows.
const READ: usize = 64 << 10;
const STORE: usize = 16 << 10;

proptest! {
    #![proptest_config(cases(192))]

    /// Whatever is called, what is allocated is what [`Channel::buffered`] says, to the byte, and [`BESIDE`]; it obeys the
    /// formula; at rest it is nothing but empty lines; and the end frees all of it.
    ///
    /// Fails if `buffered` forgets the output, and if an idle channel keeps the store that it wrote to.
    #[test]
    fn what_is_held_is_what_is_said(
        traffic in traffic(),
        limits in limits(),
        steps in steps(),
        lent in any::<bool>(),
    ) {
        let config = limits.config();
        let head = (config.max_request_header_size as usize).max(config.max_trailer_size as usize);
        let input = head.max(config.input_bound as usize) + READ;
        // The mark was not reached, then a response came that is as large, and its head.
        let output = 2 * config.output_high_water as usize + (1 << 10);
        let mut caller = Caller::new(&config, &traffic);
        let mut held = 0;
        for step in &steps {
            let done = measure(|| {
                // Worker buffers of its own for each wake-up: what they grew by is no channel's.
                let mut buffers = if lent { WorkerBuffers::new() } else { WorkerBuffers::default() };
                drop(if lent { caller.step_with(step, &mut buffers) } else { caller.step(step) });
            });
            held += done.bytes_current;
            let said = caller.channel.buffered();
            let beside = usize::try_from(held).ok().and_then(|held| held.checked_sub(said));
            prop_assert!(beside.is_some_and(is_beside), "{} held, {} said, after {:?}", held, said, step);
            // Growing doubles.
            prop_assert!(said <= 2 * (input + output) + STORE, "{} bytes after {:?}", said, step);
            if lent && caller.channel.is_idle() {
                prop_assert!(said <= EMPTY_LINES, "{} held by an idle channel after {:?}", said, step);
            }
        }
        let Caller { channel, .. } = caller;
        let freed = measure(|| drop(channel));
        prop_assert_eq!(held + freed.bytes_current, -config_freed(&config), "a leak");
    }
}

/// The bytes of the compiled configuration, which is dropped with the channel.
fn config_freed(config: &ChannelConfig) -> i64 {
    let mut compiled = None;
    measure(|| compiled = Some(Arc::new(CompiledConfig::new(config)))).bytes_current
}

const NOW: Now<'static> = Now::new(Moment::START, &Date::EPOCH);

fn channel(config: &ChannelConfig) -> Channel {
    let mut channel = Channel::new(Arc::new(CompiledConfig::new(config)), Facts::default());
    while channel.next_output().is_some() {}
    channel
}

/// What a byte more makes a channel hold, counted over all of `bytes`, each in a wake-up of its own.
fn trickle(bytes: &[u8], lent: bool, mut judge: impl FnMut(usize, usize)) {
    let mut channel = channel(&ChannelConfig { input_bound: 1 << 20, ..ChannelConfig::default() });
    let mut held = 0;
    for (n, byte) in bytes.iter().enumerate() {
        let done = measure(|| {
            let mut buffers = WorkerBuffers::new();
            if lent {
                channel.lend(&mut buffers);
            }
            channel.handle(&NOW, Input::RxData(std::slice::from_ref(byte))).expect("there is room");
            while channel.next_output().is_some() {}
            if lent {
                channel.take_back(&mut buffers);
            }
        });
        held += done.bytes_current;
        judge(n + 1, usize::try_from(held).expect("nothing is freed twice"));
    }
}

/// Memory follows what was received and not consumed (`R` of the formula), not the limit that it might grow to.
///
/// Fails if a channel keeps the whole store that it was lent.
#[test]
fn a_partial_head_and_an_unread_body_hold_what_came() {
    let head = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}", "x".repeat(100_000));
    let body = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n{}", "x".repeat(100_000));
    for bytes in [head, body] {
        for lent in [false, true] {
            trickle(bytes.as_bytes(), lent, |received, held| {
                assert!(held <= (2 * received).max(8), "{held} held for {received}, lent: {lent}");
            });
        }
    }
}

/// Unsent output holds what is unsent (`W` of the formula): the high-water mark of it at most, however it was written.
///
/// Fails if what has left is not let go.
#[test]
fn an_endless_response_that_is_hardly_read_holds_the_high_water_mark() {
    let config = ChannelConfig { output_high_water: 20_000, ..ChannelConfig::default() };
    let mut channel = channel(&config);
    let fields = Fields::new();
    let begin = Input::HttpResponse(ResponseRef {
        status: Status::OK,
        fields: &fields,
        body: BodyRef::Stream { length: None },
    });
    let mut held = 0;
    let mut count = |info: allocation_counter::AllocationInfo| {
        held += info.bytes_current;
        assert!(held <= 2 * (20_000 + 1_000) + (64 << 10), "{held} bytes are held");
    };
    count(measure(|| {
        channel.handle(&NOW, Input::RxData(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")).expect("room for a head");
        while channel.next_output().is_some() {}
        channel.handle(&NOW, begin).expect("the request waits");
    }));
    for n in 0..20_000_usize {
        let piece = vec![b'x'; 1 + n * 7 % 300];
        count(measure(|| {
            let _ = channel.handle(&NOW, Input::Write(Data::Slice(&piece)));
        }));
        let sent = channel.unsent_len().min(150);
        count(measure(|| channel.handle(&NOW, Input::Sent(sent)).expect("so much is unsent")));
        while channel.next_output().is_some() {}
    }
}

/// However many fields are allowed, the room for them is in proportion to the head that is there.
///
/// Fails if room is made for as many fields as a head may have.
#[test]
fn room_for_fields_is_made_as_the_head_needs_it() {
    let config = ChannelConfig { max_request_fields: u32::MAX, ..ChannelConfig::default() };
    let mut channel = channel(&config);
    let head = format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "a:\r\n".repeat(200));
    let counted = measure(|| channel.handle(&NOW, Input::RxData(head.as_bytes())).expect("room for a head"));
    while channel.next_output().is_some() {}
    assert!(channel.request().is_some());
    assert!(counted.bytes_max as usize <= STORE + 40 * head.len(), "{} bytes", counted.bytes_max);
}

/// Serves all that comes in `bytes`, and sends the responses.
fn serve(channel: &mut Channel, fields: &Fields, bytes: &[u8]) -> usize {
    let mut served = 0;
    let mut rest = bytes;
    while !rest.is_empty() {
        let spare = channel.spare();
        let n = spare.len().min(rest.len());
        spare[..n].copy_from_slice(&rest[..n]);
        rest = &rest[n..];
        channel.handle(&NOW, Input::RxRead(n)).expect("there is room");
        loop {
            let mut ended = false;
            while let Some(output) = channel.next_output() {
                ended |= matches!(output, Output::BodyEnd(_));
            }
            let waits = channel.state() == State::WaitResponse;
            if waits && ended {
                channel
                    .handle(&NOW, Input::HttpResponse(ResponseRef::new(Status::OK, fields, b"hello")))
                    .expect("the request waits");
                served += 1;
            } else if channel.has_output() {
            } else if waits && channel.request().is_some() {
                channel.handle(&NOW, Input::BodyDemand(u64::MAX)).expect("the request waits");
            } else if channel.unsent_len() > 0 {
                let n = channel.unsent_len();
                channel.handle(&NOW, Input::Sent(n)).expect("so much is unsent");
            } else {
                break;
            }
        }
    }
    served
}

/// A keep-alive connection in its steady state, with a worker's buffers, allocates nothing; nor does a body in any
/// number of chunks.
///
/// Fails if the input is copied, if chunks are kept in a list, or if what reads chunks is made anew for each body.
#[test]
fn a_request_allocates_nothing() {
    let get = "GET / HTTP/1.1\r\nHost: a\r\nUser-Agent: b\r\n\r\n";
    let head = "POST / HTTP/1.1\r\nHost: a\r\n";
    let kinds = [
        get.to_owned(),
        get.repeat(16),
        format!("{head}Content-Length: 5\r\n\r\nhello"),
        format!("{head}Content-Length: 30000\r\n\r\n{}", "x".repeat(30_000)),
        format!("{head}Transfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\nX: y\r\n\r\n"),
        format!("{head}Transfer-Encoding: chunked\r\n\r\n{}0\r\n\r\n", "1\r\nx\r\n".repeat(50_000)),
    ];
    let fields = Fields::new().with("Content-Type", "text/plain").expect("a field");
    let mut channel = channel(&ChannelConfig::default());
    let mut buffers = WorkerBuffers::new();
    for bytes in &kinds {
        let mut wake_up = || {
            channel.lend(&mut buffers);
            let served = serve(&mut channel, &fields, bytes.as_bytes());
            channel.take_back(&mut buffers);
            served
        };
        assert!(wake_up() > 0);
        let mut served = 0;
        let counted = measure(|| served = (0..3).map(|_| wake_up()).sum());
        assert_eq!(served, 3 * bytes.matches(" / HTTP/1.1").count());
        assert_eq!(counted.count_total, 0, "allocations for {:.60}", bytes);
    }
    assert_eq!(channel.state(), State::Idle);
}
