//! What a channel reads in the bytes of a connection, when the application takes every body and responds with 200.

use std::sync::Arc;

use httpfsm::channel::{CompiledConfig, Facts, Input, Output, State};
use httpfsm::request::RequestHead;
use httpfsm::response::{BodyRef, ResponseRef};
use httpfsm::time::{Date, Moment, Now};
use httpfsm::{BodyError, Channel, CloseReason, Fields, RequestError, Status};

/// A request as it was delivered.
#[derive(Clone, Debug, Default)]
pub struct ReceivedRequest {
    /// Its head.
    pub head: RequestHead,
    /// Its content, as far as it came.
    pub content: Vec<u8>,
    /// Its trailer fields.
    pub trailers: Vec<(String, Vec<u8>)>,
    /// Whether its body was whole.
    pub is_whole: bool,
}

/// All that was read of a connection.
#[derive(Debug, Default)]
pub struct Reading {
    /// The requests in order; only the last can lack the rest of its body.
    pub requests: Vec<ReceivedRequest>,
    /// Why the last request, or what came after it, was refused.
    pub refused: Option<RequestError>,
    /// Why the body of the last request is not whole.
    pub broken: Option<BodyError>,
    /// The bytes behind the last request, if the connection was handed over to another protocol.
    pub handed_over: Option<Vec<u8>>,
    /// What was sent.
    pub sent: Vec<u8>,
    /// Why the channel closed.
    pub closed: Option<CloseReason>,
}

/// The response to a request for another protocol.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Upgrades {
    /// 101: it is spoken from then on.
    Given,
    /// 200, as to any other.
    Refused,
}

const NOW: Now<'static> = Now::new(Moment::START, &Date::EPOCH);

/// Sends `bytes` in pieces of at most `piece(offset)`, then the end of the input. The application takes bodies in
/// parts of at most `demand()`, both at least 1.
pub fn read(
    compiled: &Arc<CompiledConfig>,
    upgrades: Upgrades,
    bytes: &[u8],
    mut piece: impl FnMut(usize) -> usize,
    demand: impl FnMut() -> u64,
) -> Reading {
    let channel = Channel::new(compiled.clone(), Facts::default());
    let mut reader = Reader { channel, upgrades, demand, credit: 0, reading: Reading::default() };
    let mut at = 0;
    // A step hands over a byte, or it is one of the few at an end: no more can be needed.
    for _ in 0..bytes.len() + 64 {
        reader.take_turns();
        if reader.channel.is_closed() {
            return reader.reading;
        }
        let room = reader.channel.input_room();
        if at < bytes.len() && room > 0 {
            let n = piece(at).clamp(1, room.min(bytes.len() - at));
            reader.give(Input::RxData(&bytes[at..at + n]));
            at += n;
        } else if at == bytes.len() && reader.channel.waits_for().input() {
            reader.give(Input::RxEnd);
        } else {
            if reader.channel.state() == State::Upgraded {
                // What comes now goes to the other protocol, and not through the channel.
                let rest = reader.reading.handed_over.get_or_insert_default();
                rest.extend_from_slice(bytes.get(at..).unwrap_or_default());
            }
            reader.give(Input::Disconnected);
        }
    }
    panic!("not closed after {at} of {} bytes: {:?}", bytes.len(), reader.channel);
}

struct Reader<D> {
    channel: Channel,
    upgrades: Upgrades,
    demand: D,
    /// Bytes of the body that were demanded and did not come.
    credit: u64,
    reading: Reading,
}

/// What the application does after an event.
enum NextCall {
    Nothing,
    Demand,
    Respond,
}

impl<D: FnMut() -> u64> Reader<D> {
    /// The application and the socket take their turns, until neither has anything to do.
    fn take_turns(&mut self) {
        loop {
            while let Some(turn) = self.next_turn() {
                match turn {
                    NextCall::Nothing => {}
                    NextCall::Demand => {
                        self.credit = (self.demand)().max(1);
                        self.offer(Input::BodyDemand(self.credit));
                    }
                    NextCall::Respond => self.respond(),
                }
            }
            let unsent = self.channel.unsent();
            if unsent.is_empty() {
                break;
            }
            self.reading.sent.extend_from_slice(unsent);
            let sent = unsent.len();
            self.give(Input::Sent(sent));
        }
    }

    fn next_turn(&mut self) -> Option<NextCall> {
        let reading = &mut self.reading;
        Some(match self.channel.next_output()? {
            Output::HttpRequest => {
                let head = self.channel.request().expect("a request that is told of is shown").into();
                reading.requests.push(ReceivedRequest { head, ..ReceivedRequest::default() });
                NextCall::Demand
            }
            Output::BodyData(bytes) => {
                let message = reading.requests.last_mut().expect("a body follows its request");
                message.content.extend_from_slice(bytes);
                assert!(bytes.len() as u64 <= self.credit, "{} bytes over the demand", bytes.len());
                self.credit -= bytes.len() as u64;
                if self.credit == 0 { NextCall::Demand } else { NextCall::Nothing }
            }
            Output::BodyEnd(trailers) => {
                let message = reading.requests.last_mut().expect("a body follows its request");
                assert!(!message.is_whole, "a body ended twice");
                let pairs = trailers.iter().map(|field| (field.name.to_owned(), field.value.to_vec()));
                message.trailers.extend(pairs);
                message.is_whole = true;
                NextCall::Respond
            }
            Output::BodyFailed(error) => {
                reading.broken = Some(error);
                NextCall::Nothing
            }
            Output::Refused(error) => {
                reading.refused = Some(error);
                NextCall::Nothing
            }
            Output::Upgraded(bytes) => {
                reading.handed_over.get_or_insert_default().extend_from_slice(bytes);
                NextCall::Nothing
            }
            Output::HttpChannelClosed(reason) => {
                reading.closed = Some(reason);
                NextCall::Nothing
            }
            _ => NextCall::Nothing,
        })
    }

    fn respond(&mut self) {
        let wants_other = self.reading.requests.last().is_some_and(|m| m.head.as_ref().upgrade().is_some());
        let status = if wants_other && self.upgrades == Upgrades::Given {
            Status::SWITCHING_PROTOCOLS
        } else {
            Status::OK
        };
        let fields = match status {
            Status::SWITCHING_PROTOCOLS => Fields::new().with("Upgrade", "other").expect("a field"),
            _ => Fields::new(),
        };
        self.offer(Input::HttpResponse(ResponseRef { status, fields: &fields, body: BodyRef::Empty }));
    }

    /// What the channel itself said it takes.
    fn give(&mut self, input: Input<'_>) {
        if let Err(refused) = self.channel.handle(&NOW, input) {
            panic!("{refused:?}: {:?}", self.channel);
        }
    }

    /// What may come too late, because the peer broke a rule in the meantime.
    fn offer(&mut self, input: Input<'_>) {
        let _ = self.channel.handle(&NOW, input);
    }
}
