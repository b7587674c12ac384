//! The times of a case, and the time that a slow peer has.

use std::time::Duration;

use httpfsm::ChannelConfig;

/// A moment that never comes.
pub(crate) const NEVER: u64 = u64::MAX;

/// The limits of the configuration that the scripts reach.
pub(crate) mod limits {
    pub(crate) const EMPTY_LINES: usize = 4;
    pub(crate) const BODY: usize = 8;
    pub(crate) const EXTENSION: usize = 4;
    pub(crate) const TRAILER_SECTION: usize = 24;
    pub(crate) const TRAILERS: usize = 2;
}

// All in milliseconds.
pub(crate) const FIRST_BYTE: u64 = 100;
pub(crate) const HEAD: u64 = 110;
pub(crate) const IDLE: u64 = 120;
pub(crate) const RESPONSE: u64 = 130;
pub(crate) const STREAM: u64 = 140;
pub(crate) const PEER_ENDED: u64 = 75;
pub(crate) const DISCARD: u64 = 70;
pub(crate) const LINGER: u64 = 60;
pub(crate) const BODY: u64 = 35;
pub(crate) const WRITE: u64 = 90;
pub(crate) const DRAIN: u64 = 150;
/// What a connection without a request has at least when the server goes out.
pub(crate) const FRESH_AT_LEAST: u64 = 1_000;

/// What a slow peer is held to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Rates {
    /// It has all the time there is.
    None,
    /// Each byte gives it the whole timeout again.
    Timeout,
    /// Each byte gives it the time that a byte has at this rate (bytes per second).
    AtLeast(u32),
}

/// The times that differ from case to case.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Times {
    pub(crate) rates: Rates,
    /// `drain_grace`; `None`: to the drain deadline.
    pub(crate) grace: Option<u64>,
}

impl Times {
    pub(crate) fn config(self) -> ChannelConfig {
        let millis = |millis| Some(Duration::from_millis(millis));
        let slow = |timeout| if self.rates == Rates::None { None } else { millis(timeout) };
        ChannelConfig {
            first_byte_timeout: millis(FIRST_BYTE),
            head_timeout: millis(HEAD),
            inactivity_timeout: millis(IDLE),
            responseless_timeout: millis(RESPONSE),
            stream_idle_timeout: millis(STREAM),
            peer_ended_timeout: millis(PEER_ENDED),
            discard_timeout: millis(DISCARD),
            linger_timeout: millis(LINGER),
            body_timeout: slow(BODY),
            write_timeout: slow(WRITE),
            min_body_rate: self.min_rate(),
            min_write_rate: self.min_rate(),
            drain_grace: self.grace.map(Duration::from_millis),
            drain_deadline: millis(DRAIN),
            max_request_body_size: limits::BODY as u64,
            max_chunk_extension_line: limits::EXTENSION as u32,
            max_trailer_size: limits::TRAILER_SECTION as u32,
            max_trailer_fields: limits::TRAILERS as u32,
            ..ChannelConfig::default()
        }
    }

    fn min_rate(self) -> u32 {
        match self.rates {
            Rates::AtLeast(rate) => rate,
            Rates::None | Rates::Timeout => 0,
        }
    }
}

/// The time of a slow peer. While it is waited for, each millisecond costs as many thousandths of a byte as the rate
/// demands of it; each byte pays a thousand back, but nothing is saved up.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Patience {
    /// Since when it is waited for.
    since: Option<u64>,
    /// What it owes for the time before.
    owes: u64,
}

impl Patience {
    /// Whether it is waited for from `now` on.
    pub(crate) fn waits(&mut self, waits: bool, now: u64, rates: Rates) {
        if waits && self.since.is_none() {
            self.since = Some(now);
        } else if !waits {
            self.pay_for_time(now, rates);
            self.since = None;
        }
    }

    pub(crate) fn bytes(&mut self, bytes: usize, now: u64, rates: Rates) {
        self.pay_for_time(now, rates);
        self.owes = match rates {
            Rates::AtLeast(_) => self.owes.saturating_sub(1_000 * bytes as u64),
            Rates::None | Rates::Timeout => 0,
        };
    }

    pub(crate) fn is_waited_for(&self) -> bool {
        self.since.is_some()
    }

    /// When its time is over: what it may owe would not last for another millisecond.
    pub(crate) fn ends(&self, timeout: u64, rates: Rates) -> u64 {
        let (Some(mut at), Some(cost)) = (self.since, cost_of_a_millisecond(rates)) else { return NEVER };
        let mut owes = self.owes;
        while owes + cost <= timeout * cost {
            owes += cost;
            at += 1;
        }
        at
    }

    fn pay_for_time(&mut self, now: u64, rates: Rates) {
        if let (Some(since), Some(cost)) = (self.since, cost_of_a_millisecond(rates)) {
            self.owes += (now - since) * cost;
            self.since = Some(now);
        }
    }
}

/// `None`: time costs nothing.
fn cost_of_a_millisecond(rates: Rates) -> Option<u64> {
    match rates {
        Rates::None => None,
        Rates::Timeout => Some(1),
        Rates::AtLeast(rate) => Some(rate.into()),
    }
}
