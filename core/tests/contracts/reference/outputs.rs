//! What comes out for the application.

use httpfsm::channel::Output;
use httpfsm::{BodyError, Channel, RequestError, Rule};

/// The outputs that were taken, or are to be; those that only tell of room in the socket are left out.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Outputs {
    pub(crate) requests: usize,
    /// Bytes of bodies.
    pub(crate) content: Vec<u8>,
    /// Ends of bodies, each with the number of its trailer fields.
    pub(crate) body_ends: Vec<usize>,
    pub(crate) body_failures: Vec<BodyError>,
    pub(crate) peer_ended: usize,
    pub(crate) refusals: Vec<Rule>,
    pub(crate) hand_overs: usize,
    /// What came behind a request that handed the connection over.
    pub(crate) other_protocol: Vec<u8>,
    pub(crate) closes: usize,
}

impl Outputs {
    /// Takes all outputs of a channel.
    pub(crate) fn take_from_channel(&mut self, channel: &mut Channel) {
        while let Some(output) = channel.next_output() {
            match output {
                Output::HttpRequest => self.requests += 1,
                Output::BodyData(bytes) => self.content.extend_from_slice(bytes),
                Output::BodyEnd(trailers) => self.body_ends.push(trailers.iter().count()),
                Output::BodyFailed(BodyError::Malformed(error)) => {
                    self.body_failures.push(malformed(error.rule))
                }
                Output::BodyFailed(error) => self.body_failures.push(error),
                Output::PeerEnded => self.peer_ended += 1,
                Output::Refused(error) => self.refusals.push(error.rule),
                Output::Upgraded(bytes) => {
                    self.hand_overs += 1;
                    self.other_protocol.extend_from_slice(bytes);
                }
                Output::HttpChannelClosed(_) => self.closes += 1,
                _ => {}
            }
        }
    }

    /// Takes all outputs that were `pending`.
    pub(crate) fn take(&mut self, pending: &mut Self) {
        let Self {
            requests,
            content,
            body_ends,
            body_failures,
            peer_ended,
            refusals,
            hand_overs,
            other_protocol,
            closes,
        } = std::mem::take(pending);
        self.requests += requests;
        self.content.extend(content);
        self.body_ends.extend(body_ends);
        self.body_failures.extend(body_failures);
        self.peer_ended += peer_ended;
        self.refusals.extend(refusals);
        self.hand_overs += hand_overs;
        self.other_protocol.extend(other_protocol);
        self.closes += closes;
    }

    /// The request is over: what was not taken of it never is.
    pub(crate) fn end_request(&mut self) {
        self.requests = 0;
        self.content.clear();
        self.body_ends.clear();
        self.peer_ended = 0;
    }
}

/// The error of a body that breaks a rule, wherever it does.
pub(crate) fn malformed(rule: Rule) -> BodyError {
    BodyError::Malformed(RequestError::new(rule, 0))
}
