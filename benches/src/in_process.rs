//! The core alone: one connection without a socket, its driver loop and its handler.

use std::sync::Arc;

use httpfsm::channel::{CompiledConfig, Facts, Input, Output, Responder, WorkerBuffers};
use httpfsm::request::RequestRef;
use httpfsm::response::ResponseRef;
use httpfsm::time::{Date, Moment, Now};
use httpfsm::{Channel, ChannelConfig, Fields, Status};

use crate::load::CONTENT;

/// One keep-alive connection whose peer is the caller.
pub struct InProcess {
    channel: Channel,
    buffers: WorkerBuffers,
    text: Fields,
    none: Fields,
    date: Date,
    clock: u64,
}

impl Default for InProcess {
    fn default() -> Self {
        Self::new()
    }
}

impl InProcess {
    /// A new connection.
    ///
    /// # Panics
    ///
    /// Never: the field is valid.
    #[must_use]
    pub fn new() -> Self {
        let compiled = Arc::new(CompiledConfig::new(&ChannelConfig::default()));
        Self {
            channel: Channel::new(compiled, Facts::default()),
            buffers: WorkerBuffers::new(),
            text: Fields::new().with("Content-Type", "text/plain").unwrap_or_default(),
            none: Fields::new(),
            date: Date::EPOCH,
            clock: 0,
        }
    }

    /// One wake-up, as a transport does it: borrows the buffers, hands `bytes` to the machine as one read (or a few,
    /// if they are many), responds to every request, takes what is to be sent, and gives the buffers back. Returns how
    /// many bytes were sent.
    pub fn exchange(&mut self, bytes: &[u8]) -> usize {
        let Self { channel, buffers, text, none, date, clock } = self;
        *clock += 1;
        let now = Now::new(Moment::from_millis(*clock), date);
        let handler = |request: RequestRef<'_>, responder: &mut Responder<'_>| {
            responder.respond(match (request.method(), request.target()) {
                ("GET", "/plaintext") => ResponseRef::new(Status::OK, text, CONTENT),
                _ => ResponseRef::new(Status::NOT_FOUND, none, b""),
            });
        };
        channel.lend(buffers);
        let mut rest = bytes;
        let mut total = 0;
        while !rest.is_empty() {
            let spare = channel.spare();
            let n = spare.len().min(rest.len());
            let Some((read, after)) = rest.split_at_checked(n).filter(|_| n > 0) else { break };
            spare[..n].copy_from_slice(read);
            rest = after;
            if channel.handle(&now, Input::RxRead(n)).is_err() {
                break;
            }
            loop {
                let mut asked = false;
                while let Some(output) = channel.next_output() {
                    if matches!(output, Output::HttpRequest) {
                        asked = true;
                        break;
                    }
                }
                if !asked || !channel.respond_with(&now, handler).unwrap_or(false) {
                    break;
                }
            }
            let mut slices = [&[][..]; 3];
            let parts = channel.unsent_slices(&mut slices);
            let unsent = slices.iter().take(parts).map(|slice| slice.len()).sum();
            if unsent > 0 && channel.handle(&now, Input::Sent(unsent)).is_ok() {
                total += unsent;
            }
        }
        channel.take_back(buffers);
        buffers.refill();
        total
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::Load;

    #[test]
    fn every_request_gets_a_response() {
        for load in Load::ALL {
            let mut connection = InProcess::new();
            let first = connection.exchange(&load.bytes());
            assert!(first >= load.requests_per_write() * CONTENT.len(), "{load}: {first} bytes");
            assert_eq!(connection.exchange(&load.bytes()), first, "{load}");
        }
    }
}
