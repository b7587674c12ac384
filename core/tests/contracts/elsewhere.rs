//! Content that the transport sends by itself stands in the output like content in memory.

use std::sync::Arc;

use bytes::Bytes;
use httpfsm::channel::{CompiledConfig, Data, Elsewhere, Facts, Input, Output, State};
use httpfsm::response::{BodyRef, ResponseRef};
use httpfsm::time::{Date, Moment, Now};
use httpfsm::{Channel, ChannelConfig, Fields, Status};
use proptest::prelude::*;

use super::cases;
use super::choices::{Choices, choices};

/// A response: what its head declares, and the lengths of its pieces.
#[derive(Clone, Debug)]
struct Sent {
    declared: Option<u64>,
    pieces: Vec<usize>,
}

fn responses() -> impl Strategy<Value = Vec<Sent>> {
    let piece = prop_oneof![0..20_usize, 8_000..9_000_usize, 60_000..70_000_usize];
    let response = (prop::collection::vec(piece, 0..4), 0..4_u8, 0..200_u64);
    let response = response.prop_map(|(pieces, declares, more)| {
        let length = pieces.iter().sum::<usize>() as u64;
        let declared = match declares {
            0 => None,
            // The last of these is cut short, which ends the connection.
            1 => Some(length + u64::from(more > 180)),
            2 => Some(length.saturating_sub(more)),
            _ => Some(length),
        };
        Sent { declared, pieces }
    });
    prop::collection::vec(response, 1..4)
}

/// A peer that reads, and a transport that has `file` and sends what is elsewhere from it.
struct Wire {
    channel: Channel,
    file: Arc<Vec<u8>>,
    is_elsewhere: bool,
    out: Vec<u8>,
    seen: Vec<String>,
}

impl Wire {
    fn new(file: &Arc<Vec<u8>>, is_elsewhere: bool) -> Self {
        let channel =
            Channel::new(Arc::new(CompiledConfig::new(&ChannelConfig::default())), Facts::default());
        Self { channel, file: Arc::clone(file), is_elsewhere, out: Vec::new(), seen: Vec::new() }
    }

    fn handle(&mut self, input: Input<'_>) -> bool {
        let taken = self.channel.handle(&Now::new(Moment::START, &Date::EPOCH), input).is_ok();
        while let Some(output) = self.channel.next_output() {
            // When there is room depends on what is copied.
            if !matches!(output, Output::TransmitReady) {
                self.seen.push(format!("{output:?}"));
            }
        }
        taken
    }

    /// Up to `most` bytes leave.
    fn send(&mut self, most: usize) {
        let bytes = match (self.channel.unsent(), self.channel.elsewhere()) {
            (&[], Some(content)) => {
                assert!(!content.is_empty());
                let file: &Vec<u8> = content.source().expect("bytes of the file");
                let start = usize::try_from(content.start()).expect("an index");
                let end = start + most.min(usize::try_from(content.len()).expect("an index"));
                file[start..end].to_vec()
            }
            (unsent, content) => {
                // What is behind the content does not overtake it.
                let mut slices = [&b""[..]; 8];
                let filled = self.channel.unsent_slices(&mut slices);
                assert!(content.is_none() || filled <= 1);
                unsent[..most.min(unsent.len())].to_vec()
            }
        };
        if !bytes.is_empty() {
            assert!(self.handle(Input::Sent(bytes.len())));
            self.out.extend_from_slice(&bytes);
        }
    }

    fn write(&mut self, at: usize, length: usize, cuts: &mut Choices) {
        while !self.channel.room_for_bytes() && self.channel.unsent_len() > 0 {
            self.send(cuts.amount());
        }
        let data = if self.is_elsewhere {
            let file: Arc<Vec<u8>> = Arc::clone(&self.file);
            Data::Elsewhere(Elsewhere::new(file, at as u64..(at + length) as u64))
        } else {
            Data::Bytes(Bytes::copy_from_slice(&self.file[at..at + length]))
        };
        self.handle(Input::Write(data));
    }

    fn run(mut self, responses: &[Sent], cuts: &mut Choices) -> (Vec<u8>, Vec<String>) {
        let fields = Fields::new();
        for (n, response) in responses.iter().enumerate() {
            self.handle(Input::RxData(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
            // A request waits for room for its response.
            while self.channel.state() != State::WaitResponse && self.channel.unsent_len() > 0 {
                self.send(cuts.amount());
            }
            let body = BodyRef::Stream { length: response.declared };
            self.handle(Input::HttpResponse(ResponseRef { status: Status::OK, fields: &fields, body }));
            for (m, length) in response.pieces.iter().enumerate() {
                self.write(n * 1_000 + m * 70, *length, cuts);
                self.send(cuts.amount());
            }
            self.handle(Input::Finish(None));
            self.send(cuts.amount());
        }
        while self.channel.unsent_len() > 0 {
            self.send(cuts.amount());
        }
        (self.out, self.seen)
    }
}

proptest! {
    #![proptest_config(cases(256))]

    /// What leaves, and what the application is told, are those of the same content in memory, however it is cut.
    ///
    /// Fails if what is staged behind the content leaves before it, or if a Content-Length does not cut it.
    #[test]
    fn content_elsewhere_is_content_all_the_same(responses in responses(), cuts in choices(), others in choices()) {
        let file = Arc::new((0..80_000_u32).map(|n| (n ^ n >> 8) as u8).collect::<Vec<_>>());
        let elsewhere = Wire::new(&file, true).run(&responses, &mut Choices::new(&cuts));
        let in_memory = Wire::new(&file, false).run(&responses, &mut Choices::new(&others));
        prop_assert_eq!(elsewhere.0, in_memory.0);
        prop_assert_eq!(&elsewhere.1[..], &in_memory.1[..]);
    }
}

/// An interim head leaves in a write of its own, which nothing follows at once.
///
/// Fails if the content is shown behind a write that ends before it.
#[test]
fn content_elsewhere_follows_the_head_and_not_the_one_before() {
    let mut wire = Wire::new(&Arc::new(vec![0; 10]), true);
    wire.handle(Input::RxData(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
    let fields = Fields::new();
    wire.handle(Input::Informational(Status::EARLY_HINTS, &fields));
    wire.handle(Input::HttpResponse(ResponseRef::stream(Status::OK, &fields, Some(10))));
    wire.handle(Input::Write(Data::Elsewhere(Elsewhere::new(Arc::new(()), 0..10))));
    assert!(
        wire.channel.unsent().ends_with(b"103 Early Hints\r\n\r\n") && wire.channel.elsewhere().is_none()
    );
    wire.handle(Input::Sent(wire.channel.unsent().len()));
    assert!(wire.channel.unsent().ends_with(b"Content-Length: 10\r\n\r\n"));
    assert_eq!(wire.channel.elsewhere().map(Elsewhere::len), Some(10));
    assert_eq!(wire.channel.unsent_here() + 10, wire.channel.unsent_len());
}
