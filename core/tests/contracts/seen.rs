//! The outputs of a channel, owned, so that two runs can be compared.

use httpfsm::channel::Output;
use httpfsm::{Channel, CloseReason, RequestError};

use super::messages::ByteString;

/// An output, kept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Seen {
    Opened,
    Request(ByteString),
    Body(ByteString),
    BodyEnd(Vec<(String, String)>),
    BodyFailed(String),
    PeerEnded,
    Refused(RequestError),
    Excess(u64),
    Flushed,
    TransmitReady,
    Flush,
    Upgraded(ByteString),
    CloseWrite,
    Drop { reset: bool },
    Closed(CloseReason),
}

impl Seen {
    pub(crate) fn of(channel: &mut Channel) -> Option<Self> {
        let seen = match channel.next_output()? {
            Output::HttpChannelOpened => Self::Opened,
            Output::HttpRequest => {
                let head = channel.request().map(|request| request.raw().to_vec());
                Self::Request(ByteString(head.unwrap_or_default()))
            }
            Output::BodyData(bytes) => Self::Body(ByteString(bytes.to_vec())),
            Output::BodyEnd(trailers) => {
                let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                Self::BodyEnd(
                    trailers.iter().map(|field| (field.name.to_owned(), text(field.value))).collect(),
                )
            }
            Output::BodyFailed(error) => Self::BodyFailed(format!("{error:?}")),
            Output::PeerEnded => Self::PeerEnded,
            Output::Refused(error) => Self::Refused(error),
            Output::Excess(bytes) => Self::Excess(bytes),
            Output::Flushed => Self::Flushed,
            Output::TransmitReady => Self::TransmitReady,
            Output::FlushOutputData => Self::Flush,
            Output::Upgraded(bytes) => Self::Upgraded(ByteString(bytes.to_vec())),
            Output::CloseWrite => Self::CloseWrite,
            Output::Drop { reset } => Self::Drop { reset },
            Output::HttpChannelClosed(reason) => Self::Closed(reason),
        };
        Some(seen)
    }
}
