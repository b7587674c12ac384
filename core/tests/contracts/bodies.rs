//! Contract 4, byte by byte: the body that goes in is the body that comes out, whichever framing carries it, in both
//! directions.

use std::sync::Arc;

use bytes::Bytes;
use httpfsm::channel::{CompiledConfig, Data, Facts, Input, Output, State};
use httpfsm::response::{BodyRef, ResponseRef};
use httpfsm::time::{Date, Moment, Now};
use httpfsm::{Channel, ChannelConfig, Fields, Status};
use proptest::prelude::*;

use super::cases;
use super::choices::{Choices, choices};
use super::messages::{ByteString, pattern};

const NOW: Now<'static> = Now::new(Moment::START, &Date::EPOCH);

/// A chunk as a peer may write it (RFC 9112 section 7.1): a size in digits of either case with zeros before, and
/// extensions of every form.
#[derive(Clone, Debug)]
struct Chunk {
    content: Vec<u8>,
    zeros: usize,
    upper: bool,
    extensions: Vec<String>,
}

impl Chunk {
    fn line(&self) -> String {
        let size = match self.content.len() {
            n if self.upper => format!("{n:X}"),
            n => format!("{n:x}"),
        };
        format!("{}{size}{}\r\n", "0".repeat(self.zeros), self.extensions.concat())
    }
}

fn chunk(size: impl Strategy<Value = usize>) -> impl Strategy<Value = Chunk> {
    let extension = prop_oneof![
        "[ \t]{0,2};[ \t]{0,2}[a-zA-Z0-9!#$%&'*+.^_`|~-]{1,6}",
        "[ \t]{0,2};[ \t]{0,2}[a-z]{1,3}[ \t]{0,2}=[ \t]{0,2}[a-z0-9]{1,6}",
        // In quotes there may be what ends a line outside of them, but no CR and no LF.
        r#";[a-z]{1,3}="([ \t!#-\[\]-~]|\\[ -~]){0,12}""#,
    ];
    (size, any::<u8>(), 0usize..8, any::<bool>(), prop::collection::vec(extension, 0..3)).prop_map(
        |(size, seed, zeros, upper, extensions)| Chunk {
            content: pattern(size, seed),
            zeros,
            upper,
            extensions,
        },
    )
}

type Trailers = Vec<(String, String)>;

fn trailers() -> impl Strategy<Value = Trailers> {
    // A value has no blanks around it.
    prop::collection::vec(("X-[A-Z][a-z]{0,5}", "([!-~]([ -~]{0,10}[!-~])?)?"), 0..4)
}

/// What came in: bytes, and trailer fields if it came to its end.
#[derive(Default)]
struct Received {
    told: bool,
    body: Vec<u8>,
    end: Option<Trailers>,
}

fn take(channel: &mut Channel, received: &mut Received) {
    while let Some(output) = channel.next_output() {
        match output {
            Output::BodyData(bytes) => {
                assert!(received.end.is_none(), "bytes behind the end");
                received.body.extend_from_slice(bytes);
            }
            Output::BodyEnd(trailers) => {
                let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                let fields = trailers.iter().map(|field| (field.name.to_owned(), text(field.value)));
                assert!(received.end.replace(fields.collect()).is_none(), "a second end");
            }
            Output::HttpRequest => received.told = true,
            Output::BodyFailed(error) => panic!("{error:?}"),
            Output::Refused(error) => panic!("{error:?}"),
            _ => {}
        }
    }
}

/// Sends `wire` in pieces, demands in portions, and takes what comes out, in any order.
fn receive(wire: &[u8], choices: &mut Choices) -> Received {
    let config = ChannelConfig { input_bound: 4 << 10, ..ChannelConfig::default() };
    let mut channel = Channel::new(Arc::new(CompiledConfig::new(&config)), Facts::default());
    let (mut rest, mut received) = (wire, Received::default());
    for turn in 0..200_000 {
        if received.end.is_some() {
            assert!(rest.is_empty(), "an end before the end");
            return received;
        }
        let n = choices.amount().min(rest.len()).min(channel.input_room());
        if n > 0 {
            channel.handle(&NOW, Input::RxData(&rest[..n])).expect("there is room");
            rest = &rest[n..];
        }
        // Credit may be ahead of the bytes, or behind.
        let credit = choices.amount() as u64;
        // Nobody pauses for ever.
        let due = turn % 5 == 0;
        if (due || choices.next() % 4 != 0) && channel.state() == State::WaitResponse {
            let demanded = channel.handle(&NOW, Input::BodyDemand(credit));
            assert_eq!(demanded.is_ok(), received.told, "a request waits of which nobody was told");
        }
        if due || choices.next() % 4 != 0 {
            take(&mut channel, &mut received);
        }
    }
    panic!("no end of {}", wire.escape_ascii());
}

/// How a response is framed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Framing {
    Length,
    Chunked,
    UntilClose,
}

/// a naive reader of one response: its content, and its trailer section.
fn read_response(wire: &[u8], framing: Framing) -> (Vec<u8>, String) {
    let end = wire.windows(4).position(|four| four == b"\r\n\r\n").expect("a head has an end") + 4;
    let (head, mut rest) = (String::from_utf8_lossy(&wire[..end]), &wire[end..]);
    match framing {
        Framing::UntilClose => {
            assert!(!head.contains("Content-Length") && !head.contains("Transfer-Encoding"), "{head}");
            (rest.to_vec(), String::new())
        }
        Framing::Length => {
            assert!(head.contains(&format!("\r\nContent-Length: {}\r\n", rest.len())), "{head}");
            (rest.to_vec(), String::new())
        }
        Framing::Chunked => {
            assert!(head.contains("\r\nTransfer-Encoding: chunked\r\n"), "{head}");
            let mut content = Vec::new();
            loop {
                let line = rest.iter().position(|&byte| byte == b'\r').expect("a size has an end");
                let size = std::str::from_utf8(&rest[..line]).expect("digits");
                let size = usize::from_str_radix(size, 16).expect("a size");
                rest = rest[line..].strip_prefix(b"\r\n").expect("a size line ends in CR LF");
                if size == 0 {
                    let trailers = String::from_utf8_lossy(rest).into_owned();
                    return (content, trailers.strip_suffix("\r\n").expect("an empty line").to_owned());
                }
                content.extend_from_slice(&rest[..size]);
                rest = rest[size..].strip_prefix(b"\r\n").expect("a chunk ends in CR LF");
            }
        }
    }
}

proptest! {
    #![proptest_config(cases(128))]

    /// Chunks of every size and spelling, with extensions and trailer fields, in any pieces, on any demand.
    ///
    /// Fails if a chunk's bytes are moved to the wrong place, and if digits of a size are lost.
    #[test]
    fn what_comes_in_chunks_comes_in_whole(
        chunks in prop::collection::vec(
            chunk(prop_oneof![6 => 1usize..40, 2 => 40usize..3000, 1 => 4000usize..9000]), 0..12,
        ),
        last in chunk(Just(0)),
        trailers in trailers(),
        order in choices(),
    ) {
        let mut wire = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
        for chunk in &chunks {
            wire.extend_from_slice(chunk.line().as_bytes());
            wire.extend_from_slice(&chunk.content);
            wire.extend_from_slice(b"\r\n");
        }
        wire.extend_from_slice(last.line().as_bytes());
        for (name, value) in &trailers {
            wire.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
        }
        wire.extend_from_slice(b"\r\n");
        let received = receive(&wire, &mut Choices::new(&order));
        let sent: Vec<u8> = chunks.iter().flat_map(|chunk| chunk.content.clone()).collect();
        prop_assert_eq!(ByteString(received.body), ByteString(sent));
        prop_assert_eq!(received.end, Some(trailers));
    }

    /// The same for a body of a known length.
    ///
    /// Fails if the last byte is taken for the end.
    #[test]
    fn what_comes_with_a_length_comes_in_whole(
        length in prop_oneof![3 => 1usize..30, 1 => 30usize..20_000],
        seed in any::<u8>(),
        order in choices(),
    ) {
        let content = pattern(length, seed);
        let mut wire = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n").into_bytes();
        wire.extend_from_slice(&content);
        let received = receive(&wire, &mut Choices::new(&order));
        prop_assert_eq!(ByteString(received.body), ByteString(content));
        prop_assert_eq!(received.end, Some(Vec::new()));
    }

    /// What the application writes, by copy and by reference, a naive reader finds in the response, whatever frames it
    /// and however little is read at a time. Content that ends with the connection ends in good order.
    ///
    /// Fails if large content overtakes what is staged, and if a chunk's line says the size of its neighbour.
    #[test]
    fn what_is_written_leaves_whole(
        framing in prop::sample::select(vec![Framing::Length, Framing::Chunked, Framing::UntilClose]),
        pieces in prop::collection::vec(
            (prop_oneof![4 => 1usize..50, 2 => 50usize..3000, 2 => 8000usize..30_000], any::<bool>()), 0..10,
        ),
        with_trailers in any::<bool>(),
        order in choices(),
    ) {
        let config = ChannelConfig { output_high_water: 4 << 10, ..ChannelConfig::default() };
        let mut channel = Channel::new(Arc::new(CompiledConfig::new(&config)), Facts::default());
        let version = if framing == Framing::UntilClose { "1.0" } else { "1.1" };
        let head = format!("GET / HTTP/{version}\r\nHost: a\r\n\r\n");
        channel.handle(&NOW, Input::RxData(head.as_bytes())).expect("there is room");
        while channel.next_output().is_some() {}
        let content: Vec<Vec<u8>> =
            pieces.iter().enumerate().map(|(n, &(len, _))| pattern(len, n as u8)).collect();
        let total: usize = content.iter().map(Vec::len).sum();
        let length = (framing == Framing::Length).then_some(total as u64);
        let fields = Fields::new();
        channel
            .handle(&NOW, Input::HttpResponse(ResponseRef {
                status: Status::OK,
                fields: &fields,
                body: BodyRef::Stream { length },
            }))
            .expect("the request waits");
        let (mut choices, mut wire, mut next, mut reset) = (Choices::new(&order), Vec::new(), 0, None);
        let sum = Fields::new().with("X-Sum", "42").expect("a field");
        for turn in 0.. {
            prop_assert!(turn < 400_000, "no end");
            let n = choices.amount().min(channel.unsent().len());
            if n > 0 {
                wire.extend_from_slice(&channel.unsent()[..n]);
                channel.handle(&NOW, Input::Sent(n)).expect("so much is unsent");
            }
            if channel.owes_body() {
                match content.get(next) {
                    None => channel.handle(&NOW, Input::Finish(with_trailers.then_some(&sum))).expect("it is owed"),
                    Some(piece) if pieces[next].1 || piece.len() > 4 << 10 => {
                        let bytes = Bytes::from(piece.clone());
                        let fits = channel.room_for_bytes() || piece.len() <= channel.room();
                        let taken = channel.handle(&NOW, Input::Write(Data::Bytes(bytes))).is_ok();
                        prop_assert_eq!(taken, fits, "{} bytes of room", channel.room());
                        next += usize::from(taken);
                    }
                    Some(piece) => {
                        let fits = piece.len() <= channel.room();
                        let taken = channel.handle(&NOW, Input::Write(Data::Slice(piece))).is_ok();
                        prop_assert_eq!(taken, fits);
                        next += usize::from(taken);
                    }
                }
            }
            while let Some(output) = channel.next_output() {
                match output {
                    Output::Drop { reset: how } => reset = Some(how),
                    Output::CloseWrite => reset = Some(false),
                    _ => {}
                }
            }
            if channel.state() == State::Idle || reset.is_some() {
                break;
            }
        }
        prop_assert_eq!(reset, (framing == Framing::UntilClose).then_some(false));
        let (read, trailers) = read_response(&wire, framing);
        prop_assert_eq!(ByteString(read), ByteString(content.concat()));
        let expected = framing == Framing::Chunked && with_trailers;
        prop_assert_eq!(trailers, if expected { "X-Sum: 42\r\n" } else { "" });
    }
}
