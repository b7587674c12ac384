//! Whatever response an application gives: foreign parsers read it back from the emitted bytes, and nothing more.
//!
//! Seen to fail with CR taken in `check_value` of `core/src/fields/invalid.rs`, with `Framing::Length` for a response
//! of 204, with a `Connection: close` left out in `response_head`, and with a chunk of no bytes written for an empty
//! Write.

mod case;
mod readback;

use std::sync::{Arc, LazyLock};

use arbitrary::{Arbitrary, Unstructured};
use bytes::Bytes;
use httpfsm::channel::{CompiledConfig, Data, Facts, Input, Output};
use httpfsm::config::ChannelConfig;
use httpfsm::response::{BodyRef, ResponseRef};
use httpfsm::time::{Date, Moment, Now};
use httpfsm::{Channel, Fields, InvalidField, Status};

use self::case::{Case, Content, Exchange, Piece};
use self::readback::Given;
use crate::text::{is_field_byte, is_token, number, trim};

static ANONYMOUS: LazyLock<Arc<CompiledConfig>> = LazyLock::new(|| compiled_config(""));
static NAMED: LazyLock<Arc<CompiledConfig>> = LazyLock::new(|| compiled_config("httpfsm/0 (fuzz)"));

fn compiled_config(identity: &'static str) -> Arc<CompiledConfig> {
    Arc::new(CompiledConfig::new(&ChannelConfig {
        identity: identity.into(),
        output_high_water: 2048,
        ..ChannelConfig::hardened()
    }))
}

/// Makes the exchanges of a case, one after the other on one connection.
pub fn check(input: &[u8]) {
    let Ok(case) = Case::arbitrary(&mut Unstructured::new(input)) else { return };
    let compiled = if case.anonymous { &*ANONYMOUS } else { &*NAMED };
    let mut caller = Caller::new(compiled, case.send_at_most);
    for exchange in case.exchanges.iter().take(4) {
        if !caller.makes(exchange) {
            break;
        }
    }
}

const NOW: Now<'static> = Now::new(Moment::START, &Date::EPOCH);

struct Caller {
    channel: Channel,
    send_at_most: u8,
    sent: Vec<u8>,
    /// A FIN was asked for, or the end.
    ended: bool,
    excess: u64,
}

impl Caller {
    fn new(compiled: &Arc<CompiledConfig>, send_at_most: u8) -> Self {
        let channel = Channel::new(compiled.clone(), Facts::default());
        Self { channel, send_at_most, sent: Vec::new(), ended: false, excess: 0 }
    }

    /// One request with its response; whether the connection is good for another.
    fn makes(&mut self, exchange: &Exchange) -> bool {
        self.sent.clear();
        self.excess = 0;
        self.gives(Input::RxData(exchange.request.bytes()));
        self.moves();
        if self.channel.request().is_none() {
            panic!("{:?} was not delivered: {:?}", exchange.request, self.channel);
        }
        if exchange.goes_out {
            let leave = self.channel.compiled_config().leave(Moment::START);
            self.gives(Input::GoOut(leave));
        }
        let (own, trailers) = (fields(&exchange.fields), fields(&exchange.trailers));
        let interims = self.interims(exchange);
        let Some(status) = Status::new(exchange.status % 1000) else { return false };
        let mut given = Given {
            request: exchange.request,
            interims,
            status,
            fields: &own,
            content: Vec::new(),
            stream: None,
            trailers: &trailers,
            is_cut: false,
        };
        if !self.respond(exchange, &mut given) {
            // What does not fit is refused, and nothing of it leaves.
            let only_interims = readback::interims_only(&self.sent, &given);
            assert!(only_interims, "sent without a response: {}", self.sent.escape_ascii());
            return false;
        }
        self.moves();
        let announced = readback::check(&self.sent, &given, self.excess);
        if given.is_cut {
            assert!(self.ended, "a response that is short did not end the connection");
            return false;
        }
        let Some(persists) = announced else { return false };
        assert_eq!(persists, !self.ended, "{:?} after {}", self.channel, self.sent.escape_ascii());
        persists && self.channel.is_idle()
    }

    fn interims(&mut self, exchange: &Exchange) -> Vec<(Status, Fields)> {
        let mut sent = Vec::new();
        for (code, lines) in exchange.interims.iter().take(3) {
            let Some(status) = Status::new(code % 1000) else { continue };
            let fields = fields(lines);
            let taken = self.channel.handle(&NOW, Input::Informational(status, &fields)).is_ok();
            assert!(!taken || (102..200).contains(&status.code()), "{status:?} taken for an interim status");
            self.moves();
            if taken && exchange.request.is_1_1() {
                sent.push((status, fields));
            }
        }
        sent
    }

    /// Gives the response; whether it was accepted.
    fn respond(&mut self, exchange: &Exchange, given: &mut Given<'_>) -> bool {
        let content = exchange.content.bytes();
        let shared = Bytes::from(content.clone());
        if let Content::Stream { length, .. } = exchange.content {
            given.stream = Some(length.map(u64::from));
        }
        let body = match &exchange.content {
            Content::Empty => BodyRef::Empty,
            Content::Slice(_) => BodyRef::Slice(&content),
            Content::Bytes(_) => BodyRef::Bytes(&shared),
            Content::Stream { length, .. } => BodyRef::Stream { length: length.map(u64::from) },
        };
        let response = ResponseRef { status: given.status, fields: given.fields, body };
        if self.channel.handle(&NOW, Input::HttpResponse(response)).is_err() {
            return false;
        }
        if let Content::Stream { pieces, .. } = &exchange.content {
            if self.channel.owes_body() {
                self.streams(pieces, &exchange.trailers, given);
            }
        } else {
            given.content = content;
        }
        true
    }

    fn streams(&mut self, pieces: &[Piece], trailers: &[(Vec<u8>, Vec<u8>)], given: &mut Given<'_>) {
        for piece in pieces {
            let bytes = piece.bytes();
            let data = if piece.shared { Data::Bytes(bytes.clone().into()) } else { Data::Slice(&bytes) };
            self.moves();
            match self.channel.handle(&NOW, Input::Write(data)) {
                Ok(()) => given.content.extend_from_slice(&bytes),
                Err(_) => assert!(bytes.len() > self.channel.room(), "there is room"),
            }
            if piece.flush {
                self.gives(Input::Flush);
            }
        }
        let section = (!trailers.is_empty()).then_some(given.trailers);
        let declared = given.fields.content_length();
        let length = declared.or(given.stream.flatten());
        given.is_cut = length.is_some_and(|length| (given.content.len() as u64) < length);
        self.gives(Input::Finish(section));
    }

    /// Everything that can leave leaves, in pieces.
    fn moves(&mut self) {
        loop {
            while let Some(output) = self.channel.next_output() {
                match output {
                    Output::CloseWrite | Output::Drop { .. } => self.ended = true,
                    Output::Excess(bytes) => self.excess += bytes,
                    _ => {}
                }
            }
            let mut slices = [&[][..]; 4];
            let count = self.channel.unsent_slices(&mut slices);
            let before = self.sent.len();
            let mut room = usize::from(self.send_at_most) * 16 + 1;
            for slice in &slices[..count] {
                let leaving = &slice[..slice.len().min(room)];
                self.sent.extend_from_slice(leaving);
                room -= leaving.len();
            }
            let n = self.sent.len() - before;
            if n == 0 {
                break;
            }
            self.gives(Input::Sent(n));
        }
    }

    fn gives(&mut self, input: Input<'_>) {
        if let Err(refused) = self.channel.handle(&NOW, input) {
            panic!("{refused:?}: {:?}", self.channel);
        }
    }
}

/// The fields that are taken of those that are pushed: none that could end a line or frame the message.
fn fields(lines: &[(Vec<u8>, Vec<u8>)]) -> Fields {
    let mut fields = Fields::new();
    for (name, value) in lines.iter().take(6) {
        let Ok(name) = std::str::from_utf8(name) else { continue };
        let before = fields.clone();
        let may = may_be_pushed(&before, name, value);
        let pushed: Result<(), InvalidField> = fields.push(name, value);
        assert_eq!(pushed.is_ok(), may, "{name:?}: {:?} gives {pushed:?}", value.escape_ascii().to_string());
        if pushed.is_err() {
            assert_eq!(fields, before, "a refused field left something behind");
        }
        no_line_ends_within(value);
    }
    fields
}

/// One byte that ends a line, anywhere in whatever is around it, is refused.
fn no_line_ends_within(value: &[u8]) {
    let (before, after) = value.split_at(value.len() / 2);
    for byte in [b'\r', b'\n', b'\0', 0x7f] {
        let pushed = Fields::new().push("X", [before, &[byte], after].concat());
        assert!(pushed.is_err(), "0x{byte:02x} was taken in {}", value.escape_ascii());
    }
}

fn may_be_pushed(before: &Fields, name: &str, value: &[u8]) -> bool {
    let is_valid = is_token(name.as_bytes()) && value.iter().all(|byte| is_field_byte(*byte));
    let value = trim(value);
    is_valid
        && match name.to_ascii_lowercase().as_str() {
            "transfer-encoding" | "keep-alive" => false,
            "connection" => value.split(|byte| *byte == b',').all(|option| {
                matches!(trim(option).to_ascii_lowercase().as_slice(), b"" | b"close" | b"upgrade")
            }),
            "content-length" => {
                before.content_length().is_none()
                    && value.iter().all(u8::is_ascii_digit)
                    && number(value).is_some()
            }
            _ => true,
        }
}
