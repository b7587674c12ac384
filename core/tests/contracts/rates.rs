//! What closes a slow peer: a deadline that a byte now and then does not move, and a rate that it must keep.

use std::sync::Arc;
use std::time::Duration;

use httpfsm::channel::{CompiledConfig, Data, Facts, Input, State};
use httpfsm::response::{BodyRef, ResponseRef};
use httpfsm::time::{Date, Moment, Now};
use httpfsm::{Channel, ChannelConfig, Fields, Status};
use proptest::prelude::*;

use super::cases;

/// A slow peer: it sends, or reads, one byte at a time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Slow {
    /// In a head, in a discard, while lingering: the time is absolute.
    Head,
    Discard,
    Linger,
    /// These are rates.
    Body,
    Chunks,
    Read,
}

use Slow::{Body, Chunks, Discard, Head, Linger, Read};

struct Peer {
    channel: Channel,
    slow: Slow,
    begins: State,
    bytes: Box<dyn Iterator<Item = u8>>,
}

impl Peer {
    /// The time that is judged begins at 0.
    fn new(slow: Slow, timeout: u64, rate: u32) -> Self {
        let time = |of: &[Slow]| of.contains(&slow).then(|| Duration::from_millis(timeout));
        let far = Some(Duration::from_secs(1 << 40));
        let config = ChannelConfig {
            first_byte_timeout: None,
            inactivity_timeout: None,
            responseless_timeout: None,
            stream_idle_timeout: None,
            head_timeout: time(&[Head]),
            discard_timeout: time(&[Discard]).or(far),
            discard_bytes: u64::MAX,
            linger_timeout: time(&[Linger]).or(far),
            linger_bytes: u64::MAX,
            body_timeout: time(&[Body, Chunks]),
            min_body_rate: rate,
            write_timeout: time(&[Read]),
            min_write_rate: rate,
            ..ChannelConfig::default()
        };
        let mut channel = Channel::new(Arc::new(CompiledConfig::new(&config)), Facts::default());
        let post: &[u8] = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n";
        let (head, bytes): (&[u8], Box<dyn Iterator<Item = u8>>) = match slow {
            Head => (b"G", Box::new(std::iter::repeat(b'G'))),
            Discard | Body => (post, Box::new(std::iter::repeat(b'x'))),
            Linger => (b"\0", Box::new(std::iter::repeat(b'x'))),
            Chunks => (
                b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
                Box::new(b"1;a=b\r\nx\r\n".iter().copied().cycle()),
            ),
            Read => (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", Box::new(std::iter::repeat(b'x'))),
        };
        let now = Now::new(Moment::START, &Date::EPOCH);
        channel.handle(&now, Input::RxData(head)).expect("there is room");
        while channel.next_output().is_some() {}
        let fields = Fields::new();
        let content = vec![b'x'; 60_000];
        let response = ResponseRef { status: Status::OK, fields: &fields, body: BodyRef::Slice(&content) };
        match slow {
            Body | Chunks => {
                channel.handle(&now, Input::BodyDemand(u64::MAX)).expect("the request waits");
            }
            Discard | Read => channel.handle(&now, Input::HttpResponse(response)).expect("the request waits"),
            Linger => {
                let unsent = channel.unsent_len();
                channel.handle(&now, Input::Sent(unsent)).expect("so much is unsent");
            }
            Head => {}
        }
        let begins = channel.state();
        Self { channel, slow, begins, bytes }
    }

    fn at(&mut self, millis: u64, input: Input<'_>) -> bool {
        let taken = self.channel.handle(&Now::new(Moment::from_millis(millis), &Date::EPOCH), input).is_ok();
        while self.channel.next_output().is_some() {}
        taken
    }

    fn lives(&mut self, millis: u64) -> bool {
        self.at(millis, Input::Tick);
        self.channel.state() == self.begins
    }

    /// One more byte, in the moment.
    fn byte(&mut self, millis: u64) {
        assert!(self.arrives(millis), "a byte is taken in {}", self.channel.state());
    }

    fn arrives(&mut self, millis: u64) -> bool {
        let byte = [self.bytes.next().expect("they do not end")];
        self.at(millis, if self.slow == Read { Input::Sent(1) } else { Input::RxData(&byte) })
    }
}

/// When a peer is closed that moves a byte after each of `gaps`, and then none: told in whole milliseconds and
/// thousandths of a byte.
fn closed_at(slow: Slow, timeout: u64, rate: u64, gaps: &[u64]) -> u64 {
    let mut now = 0;
    let mut allowance = timeout * rate.max(1);
    for gap in gaps {
        let lasts = match (slow, rate) {
            (Head | Discard | Linger, _) => timeout.saturating_sub(now),
            (_, 0) => timeout,
            _ => allowance / rate,
        };
        if lasts <= *gap {
            return now + lasts;
        }
        now += gap;
        allowance = (allowance - gap * rate + 1000).min(timeout * rate.max(1));
    }
    match (slow, rate) {
        (Head | Discard | Linger, _) => timeout,
        (_, 0) => now + timeout,
        _ => now + allowance / rate,
    }
}

fn slow() -> impl Strategy<Value = Slow> {
    prop::sample::select(vec![Head, Discard, Linger, Body, Chunks, Read])
}

/// Lives up to the millisecond before, and no longer.
fn is_closed_at(slow: Slow, timeout: u64, rate: u32, gaps: &[u64]) -> Result<u64, TestCaseError> {
    let expected = closed_at(slow, timeout, rate.into(), gaps);
    let mut peer = Peer::new(slow, timeout, rate);
    let mut now = 0;
    for gap in gaps {
        if now + gap >= expected {
            break;
        }
        now += gap;
        prop_assert!(peer.lives(now), "closed before {} ms, {} were right", now, expected);
        peer.byte(now);
    }
    prop_assert_eq!(peer.channel.deadline(), Some(Moment::from_millis(expected)));
    prop_assert!(peer.lives(expected - 1), "closed before {} ms", expected);
    prop_assert!(!peer.lives(expected), "not closed at {} ms", expected);
    Ok(expected)
}

proptest! {
    #![proptest_config(cases(256))]

    /// Whatever the pace, the channel is closed in the millisecond that a bucket of bytes, kept by hand, runs dry.
    ///
    /// Fails if a byte saves time up beyond the timeout, and if a byte restarts a deadline.
    #[test]
    fn a_slow_peer_is_closed_to_the_millisecond(
        slow in slow(),
        timeout in 2u64..20_000,
        rate in prop_oneof![1 => Just(0u32), 6 => 1u32..5_000],
        gaps in prop::collection::vec(prop_oneof![0u64..5, 0u64..1_000, 0u64..20_000], 0..60),
    ) {
        is_closed_at(slow, timeout, rate, &gaps)?;
    }

    /// However coarse the ticks are, and even if bytes come between them only: the first call at the deadline or after
    /// it closes, and none before it does.
    ///
    /// Fails if a byte is taken before the deadline is looked at, and if a deadline counts from the tick before.
    #[test]
    fn a_slow_peer_is_closed_within_a_tick(
        slow in slow(),
        timeout in 2u64..20_000,
        rate in prop_oneof![1 => Just(0u32), 6 => 1u32..5_000],
        // Mostly the one that leaves one tick of the timeout.
        gaps in prop::collection::vec(prop_oneof![3 => Just(None), 1 => (0u64..2_000).prop_map(Some)], 0..60),
        period in prop_oneof![Just(1u64), Just(10), Just(100), Just(1_000), 1u64..30_000],
    ) {
        let gaps: Vec<u64> =
            gaps.into_iter().map(|gap| gap.unwrap_or(timeout.saturating_sub(period).max(1))).collect();
        let expected = closed_at(slow, timeout, rate.into(), &gaps);
        let mut peer = Peer::new(slow, timeout, rate);
        let (mut now, mut next_tick) = (0, period);
        for gap in gaps {
            now += gap;
            // Far ticks between bytes change nothing, so a few of them are enough.
            next_tick = next_tick.max((now - gap).saturating_sub(3 * period) / period * period);
            let last = now.min(expected + period);
            if (last - next_tick.min(last)) / period > 50 {
                next_tick = last / period * period - 20 * period;
            }
            while next_tick <= last {
                prop_assert_eq!(peer.lives(next_tick), next_tick < expected, "at {} of {}", next_tick, expected);
                if next_tick >= expected {
                    return Ok(());
                }
                next_tick += period;
            }
            if now >= expected {
                peer.arrives(now);
                prop_assert!(peer.channel.state() != peer.begins, "a byte at {} of {}", now, expected);
                return Ok(());
            }
            peer.byte(now);
            prop_assert_eq!(peer.channel.state(), peer.begins, "a byte at {} of {}", now, expected);
        }
        let late = expected.next_multiple_of(period);
        prop_assert!(!peer.lives(late), "{} of {}", late, expected);
    }

    /// One byte each time that one millisecond is left: every deadline but one without a rate closes that soon.
    ///
    /// Fails if a byte restarts a deadline.
    #[test]
    fn a_byte_before_each_timeout_does_not_keep_a_channel(
        slow in slow(),
        timeout in 2u64..20_000,
        rate in 1u32..5_000,
    ) {
        // A peer that keeps the rate is not slow.
        let gap = timeout - 1;
        prop_assume!(gap * u64::from(rate) > 1_000);
        let gaps = vec![gap; 5_000];
        let closed = is_closed_at(slow, timeout, rate, &gaps)?;
        // What each gap uses up beyond what its byte earns runs the time out.
        let lost = gap * u64::from(rate) - 1_000;
        let most = timeout * u64::from(rate) / lost + 2;
        prop_assert!(closed <= most * timeout, "{} ms, {} gaps were right", closed, most);
    }
}

/// What the application does gives a slow peer no time: neither more output for one that does not read, nor another
/// demand for a body that does not come.
///
/// Fails if a Write begins the time of the output anew, and if a demand does that of the body.
#[test]
fn an_application_at_work_does_not_keep_a_slow_peer() {
    let stream = BodyRef::Stream { length: None };
    let fields = Fields::new();
    let response = ResponseRef { status: Status::OK, fields: &fields, body: stream };
    for slow in [Read, Body] {
        let mut peer = Peer::new(slow, 1_000, 100);
        if slow == Read {
            // The response whose time is judged is a streamed one here.
            let unsent = peer.channel.unsent_len();
            assert!(peer.at(0, Input::Sent(unsent)));
            assert!(peer.at(0, Input::RxData(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")));
            assert!(peer.at(0, Input::HttpResponse(response)));
        }
        for millis in 1..1_000 {
            let input = if slow == Read { Input::Write(Data::Slice(b"x")) } else { Input::BodyDemand(1) };
            assert!(peer.at(millis, input), "{slow:?} at {millis}");
        }
        assert_eq!(peer.channel.deadline(), Some(Moment::from_millis(1_000)), "{slow:?}");
        peer.at(1_000, Input::Tick);
        assert!(matches!(peer.channel.state(), State::Closed | State::Closing), "{slow:?}");
    }
}
