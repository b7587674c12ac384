//! The core alone: one connection without a socket, its driver loop and its handler.

use std::sync::Arc;

use httpfsm::{
    Answer, Channel, ChannelConfig, Date, Facts, Fields, Input, Loan, Moment, Now, Output, RequestRef,
    ResponseRef, Settings, Status,
};

use crate::load::ANSWER;

/// One keep-alive connection whose peer is the caller.
pub struct InProcess {
    channel: Channel,
    loan: Loan,
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
        let settings = Arc::new(Settings::new(&ChannelConfig::default()));
        Self {
            channel: Channel::new(settings, Facts::default()),
            loan: Loan::new(),
            text: Fields::new().with("Content-Type", "text/plain").unwrap_or_default(),
            none: Fields::new(),
            date: Date::EPOCH,
            clock: 0,
        }
    }

    /// One wake-up, as a transport does it: borrows the buffers, hands `octets` to the machine as one read (or a few,
    /// if they are many), answers every request, takes what is to be sent, and gives the buffers back. Returns how
    /// many octets were sent.
    pub fn exchange(&mut self, octets: &[u8]) -> usize {
        let Self { channel, loan, text, none, date, clock } = self;
        *clock += 1;
        let now = Now::new(Moment::from_millis(*clock), date);
        let handler = |request: RequestRef<'_>, answer: &mut Answer<'_>| {
            answer.give(match (request.method(), request.target()) {
                ("GET", "/plaintext") => ResponseRef::new(Status::OK, text, ANSWER),
                _ => ResponseRef::new(Status::NOT_FOUND, none, b""),
            });
        };
        channel.adopt(loan);
        let mut rest = octets;
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
                if !asked || !channel.answer(&now, handler).unwrap_or(false) {
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
        channel.release(loan);
        loan.refill();
        total
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::Load;

    #[test]
    fn every_request_is_answered() {
        for load in Load::ALL {
            let mut connection = InProcess::new();
            let first = connection.exchange(&load.octets());
            assert!(first >= load.requests_per_write() * ANSWER.len(), "{load}: {first} octets");
            assert_eq!(connection.exchange(&load.octets()), first, "{load}");
        }
    }
}
