//! The core alone: one connection without a socket, its driver loop and its handler.

use std::hint::black_box;
use std::sync::Arc;

use httpfsm::config::ChannelConfig;
use httpfsm::{
    Channel, Date, Facts, Fields, Input, InvalidField, Loan, Moment, NotAccepted, Now, Output, ResponseRef,
    Settings, Status,
};

use crate::load::ANSWER;

/// One keep-alive connection whose peer is the caller. Each exchange is what a transport does in one wake-up: it lends
/// its buffers, reads once, lets the handler answer, writes until nothing is left and takes its buffers back.
pub struct InProcess {
    channel: Channel,
    loan: Loan,
    fields: Fields,
    at: Moment,
}

impl InProcess {
    /// A new connection.
    ///
    /// # Errors
    /// None in practice: the fields of the answer are constant, and valid.
    pub fn new() -> Result<Self, InvalidField> {
        Ok(Self {
            channel: Channel::new(Arc::new(Settings::new(&ChannelConfig::default())), Facts::default()),
            loan: Loan::new(),
            fields: Fields::new().with("Content-Type", "text/plain")?,
            at: Moment::START,
        })
    }

    /// Hands `octets` to the machine, answers every request, and returns how many octets were sent.
    ///
    /// # Errors
    /// When the machine does not accept what it asked for: a bug of one of the two.
    #[inline(never)]
    pub fn exchange(&mut self, octets: &[u8]) -> Result<usize, NotAccepted> {
        self.at = self.at.saturating_add_millis(1);
        self.channel.adopt(&mut self.loan);
        let sent = self.wake_up(octets);
        self.channel.release(&mut self.loan);
        sent
    }

    fn wake_up(&mut self, octets: &[u8]) -> Result<usize, NotAccepted> {
        let now = Now::new(self.at, &Date::EPOCH);
        // The copy stands for what the kernel does in `recv`.
        self.channel.spare()[..octets.len()].copy_from_slice(octets);
        self.channel.handle(&now, Input::RxRead(octets.len()))?;
        let mut sent = 0;
        loop {
            while let Some(output) = self.channel.next_output() {
                if let Output::HttpRequest = output {
                    self.answer(&now)?;
                }
            }
            let unsent = black_box(self.channel.unsent()).len();
            if unsent == 0 {
                return Ok(sent);
            }
            sent += unsent;
            self.channel.handle(&now, Input::Sent(unsent))?;
        }
    }

    fn answer(&mut self, now: &Now<'_>) -> Result<(), NotAccepted> {
        let request = self.channel.request();
        let known =
            request.is_some_and(|request| request.method() == "GET" && request.target() == "/plaintext");
        let answer = if known {
            ResponseRef::new(Status::OK, &self.fields, ANSWER)
        } else {
            ResponseRef::new(Status::NOT_FOUND, &self.fields, b"")
        };
        self.channel.handle(now, Input::HttpResponse(answer))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::Load;

    #[test]
    fn every_request_is_answered() {
        for load in Load::ALL {
            let mut connection = InProcess::new().unwrap();
            let first = connection.exchange(&load.octets()).unwrap();
            assert!(first >= load.requests_per_write() * (100 + ANSWER.len()), "{load}: {first} octets");
            assert_eq!(connection.exchange(&load.octets()).unwrap(), first, "{load}");
        }
    }
}
